/**
 * @module
 * What a caller can do with an object from outside, as types.
 */
import type { IsValidated, Unvalidated } from "../core/values/schema.ts";
import type { AnyFunction, Has, HiddenMember, IsMethod, LocalMember } from "./members.ts";

/**
 * An object of class `T` as a caller sees it: its methods, each answering by promise, and `fetch`.
 *
 * A method that gives a plain promise, by each of its overloads, keeps its exact signature, generics included;
 * of any other with overloads TypeScript gives the last. Fields cannot be reached and are left out,
 * and so are getters, which TypeScript cannot tell from fields; so are the members of the base classes.
 * The context parameter of a routed method is the router's to give, so it is left out too. A function or
 * `RpcTarget` as result arrives as a stub, whose methods can be called before the promise has settled.
 * A parameter or result that cannot cross, such as a generator or symbol, makes the method {@link NotTransferable}.
 *
 * @example
 * ```ts
 * async function total(counters: Stub<Counter>[]): Promise<number> {
 *   const counts = await Promise.all(counters.map((counter) => counter.current()));
 *   return counts.reduce((sum, count) => sum + count, 0);
 * }
 * ```
 */
export type Stub<T> = Methods<T> & {
  /** Sends an HTTP request to the object. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
};

/**
 * What `byName` and its fellows give: a {@link Stub} that survives resets, with the address it was made from.
 *
 * @example
 * ```ts
 * const counter: Handle<Counter> = Object.from(env.COUNTER).byName("alice");
 * counter.name; // "alice"
 * ```
 */
export type Handle<T> = Stub<T> &
  Disposable & {
    /** The platform's id of the object. */
    readonly id: DurableObjectId;
    /** The name the object was addressed by; undefined when it was addressed by its id. */
    readonly name: string | undefined;
  };

/**
 * Stands in a {@link Stub} for a method of which a parameter or result cannot cross an RPC call; calling it is a
 * type error.
 *
 * @example
 * ```ts
 * stub.entries(); // This expression is not callable. Type 'NotTransferable<"a generator cannot …">' has no call signatures.
 * ```
 */
export interface NotTransferable<Why extends string> {
  readonly "cannot cross an RPC call": Why;
}

/** The members of `T` that a caller can reach and TypeScript can tell: its methods. */
type Methods<T, Hidden = HiddenMember> = {
  [K in keyof T as K extends Hidden | symbol ? never : IsMethod<T[K]> extends true ? K : never]: Remote<T[K]>;
};

/** A function as it looks from the other side of an RPC call. */
type Remote<F> = F extends (...args: infer Args) => infer Result
  ? Has<Exclude<Awaited<Result>, Live>, Iterating> extends true
    ? NotTransferable<"a generator or iterator cannot cross an RPC call: return an array or a ReadableStream of bytes">
    : true extends Has<Awaited<Result>, Uncloneable> | Wants<Args, Iterating | Uncloneable>
      ? NotTransferable<"a symbol, WeakMap, WeakSet or iterator cannot cross an RPC call: pass and return plain data">
      : true extends HasLossyStream<Awaited<Result>> | HasLossyStream<Given<Args>[number]>
        ? NotTransferable<"only bytes cross an RPC call in a stream: encode text, and write values as lines of JSON">
        : true extends IsInstance<Awaited<Result>> | WantsInstance<Given<Args>>
          ? NotTransferable<"an instance of a class cannot cross an RPC call: pass and return plain data, or extend RpcTarget">
          : IsRouted<Args> extends false
            ? [IsRemote<F>, Has<Awaited<Result>, Live>] extends [true, false]
              ? F
              : (...args: Args) => Answer<Awaited<Result>>
            : (...args: Given<Args>) => Answer<Awaited<Result>>
  : F;

/**
 * Tells whether a function looks the same from the other side: each overload gives a plain promise, and it asks for no
 * `this`, which a stub is not.
 */
type IsRemote<F> = [true, Unpromised<Results<F>>, unknown] extends [
  Has<Results<F>, Promise<unknown>>,
  never,
  ThisParameterType<F>,
]
  ? true
  : false;

/** What a function's overloads give, but of more than four only the last four; of some generics only the last. */
type Results<F> = F extends {
  (...args: never): infer A;
  (...args: never): infer B;
  (...args: never): infer C;
  (...args: never): infer D;
}
  ? A | B | C | D
  : F extends (...args: never) => infer Only
    ? Only
    : never;

/** Of the parts of the union `Result` those that are no promise, and what a promise has that does not cross with it. */
type Unpromised<Result> = Result extends Promise<unknown> ? Exclude<keyof Result, keyof Promise<unknown>> : Result;

/** A promise of a result; of a live one also its members, so that calls can be pipelined. */
type Answer<Value> =
  Has<Value, Live> extends true
    ? Promise<Received<Value>> & ([Value] extends [Live] ? Received<Value> : unknown)
    : Promise<Value>;

/** What arrives as a stub and not as data; whoever receives it disposes it. */
type Live = Rpc.RpcTargetBranded | AnyFunction | StubLike;

/** A stub or handle of another object, which arrives as a native stub without its address. */
interface StubLike {
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

type Received<Value> = Value extends AnyFunction
  ? Remote<Value> & Disposable
  : Value extends Rpc.RpcTargetBranded
    ? Methods<Value, LocalMember> & Disposable
    : Value extends StubLike
      ? Omit<Value, "id" | "name"> & Disposable
      : Value;

/** Includes async iterables, which no plain data can replace. A stream is one too, and is checked separately. */
type Iterating =
  | Iterator<unknown, unknown, never>
  | AsyncIterator<unknown, unknown, never>
  | (AsyncIterable<unknown> & { readonly getReader?: never });

/** A Map or Set has the shape of a weak one too, but a size. */
type Uncloneable = symbol | ((WeakMap<WeakKey, unknown> | WeakSet<WeakKey>) & { readonly size?: never });

/** `true` if some parameter takes nothing but a `Kind`. */
type Wants<Args extends readonly unknown[], Kind> = {
  [I in keyof Args]: 0 extends 1 & Args[I]
    ? false
    : true extends Has<Args[I], Live> | ([NonNullable<Args[I]>] extends [never] ? true : false)
      ? false
      : [NonNullable<Args[I]>] extends [Kind]
        ? true
        : false;
}[number];

/** `true` if some part of the union `Value`, or a member of it, is a stream whose chunks aren't bytes. */
type HasLossyStream<Value> = 0 extends 1 & Value
  ? false
  : IsLossy<Value> extends false
    ? Value extends Crossing
      ? false
      : Value extends object
        ? true extends { [K in keyof Value]-?: IsLossy<Value[K]> }[keyof Value]
          ? true
          : false
        : false
    : true;

/** `true` for a stream without `Uint8Array` among its chunks; all kinds of bytes arrive as that. */
type IsLossy<Value> = 0 extends 1 & Value
  ? false
  : Value extends ReadableStream<infer Chunk> | WritableStream<infer Chunk>
    ? Uint8Array<ArrayBuffer> extends Chunk
      ? false
      : true
    : false;

/** Types that cross even though they may be instances of a class with private members. */
type Crossing =
  | Live
  | (abstract new (...args: never) => unknown)
  | Error
  | Date
  | RegExp
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | readonly unknown[]
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined;

/**
 * Tells of each part of the union `Value` whether it is an instance of a class with private or protected members, which
 * no plain object can be taken for: they are in the type and not among its keys.
 */
type IsInstance<Value> = 0 extends 1 & Value
  ? false
  : Value extends Crossing
    ? false
    : Value extends object
      ? // Not `Pick`, which keeps no names beside an index signature.
        { [K in keyof Value]: Value[K] } extends Value
        ? false
        : true
      : false;

/** `true` if some parameter takes only such instances. */
type WantsInstance<Args extends readonly unknown[]> = {
  [I in keyof Args]: [NonNullable<Args[I]>] extends [never]
    ? false
    : [IsInstance<NonNullable<Args[I]>>] extends [true]
      ? true
      : false;
}[number];

/** The parameters that a caller gives. */
type Given<Args extends readonly unknown[]> = IsRouted<Args> extends false ? Args : OneInput<Args>;

/** The router's context, known by its shape, so that callers' types don't load the router's. */
interface ContextLike {
  readonly req: { readonly raw: Request };
  readonly executionCtx: unknown;
}

type AcceptsContext<Args extends readonly unknown[]> =
  Required<Args> extends readonly [unknown, infer Second] ? Has<Second, ContextLike> : false;

/** `true` if the parameters show that the method is routed or validated: a caller then passes one argument. */
type IsRouted<Args extends readonly unknown[]> = true extends AcceptsContext<Args> | IsValidated<Args[0]>
  ? true
  : false;

/** Only the first parameter, as the schemas take it; it stays optional if it was. */
type OneInput<Args extends readonly unknown[]> = Args extends readonly [infer Input, unknown?]
  ? [input: Unvalidated<Input>]
  : Args extends readonly [(infer Input)?, unknown?]
    ? [input?: Unvalidated<Input>]
    : Args;
