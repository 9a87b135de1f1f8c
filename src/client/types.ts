/**
 * @module
 * An object as its clients see it, as types: its methods, and its fields as plain data.
 */
import type { Unvalidated } from "../core/values/schema.ts";
import type { AnyFunction, HiddenMember, IsMethod } from "../object/members.ts";
import type { ConnectionOptions, Status } from "./connection.ts";

/** The members of a class that a client might reach. TypeScript can't see which have `@Callable` or `@Synced`. */
type Member<T> = Exclude<keyof T, HiddenMember | symbol | number>;

/** The names of the methods of `T`. */
type MethodName<T> = { [K in Member<T>]: IsMethod<T[K]> extends true ? K : never }[Member<T>];

/** The names of the members of `T` that hold plain data. */
type FieldName<T> = { [K in Member<T>]: HasOther<T[K]> extends true ? never : K }[Member<T>];

/**
 * Names the methods and fields that clients of `T` can use, since TypeScript can't see decorators. Methods or fields that aren't
 * named are not narrowed.
 *
 * @example
 * ```ts
 * const room = connect<Room, { call: "say" | "rename"; state: "messages" }>(url);
 * ```
 */
export interface Names<T> {
  readonly call?: MethodName<T>;
  readonly state?: FieldName<T>;
}

/** The names of one kind: those in `N`, or all of them. */
type Named<N, Kind, All> = N extends { readonly [K in Kind & string]: infer Name } ? Name & All : All;

/**
 * The state of an object of class `T` at a client: its fields, as data that can't be changed.
 *
 * @example
 * ```ts
 * const linesOf = (state: StateOf<Room>): readonly Message[] => state.messages;
 * ```
 */
export type StateOf<T, N extends Names<T> = Names<T>> = {
  readonly [K in Named<N, "state", FieldName<T>>]: Immutable<T[K]>;
};

/**
 * The draft of the state that an optimistic call changes.
 *
 * @example
 * ```ts
 * const add = (draft: DraftOf<Room>): void => void draft.messages.push(message);
 * ```
 */
export type DraftOf<T, N extends Names<T> = Names<T>> = { -readonly [K in Named<N, "state", FieldName<T>>]: T[K] };

/**
 * The methods of an object of class `T` for a client: with one input, as its schema takes it, and options.
 *
 * @example
 * ```ts
 * const say = (call: CallsOf<Room>, text: string): Promise<number> => call.say({ text });
 * ```
 */
export type CallsOf<T, N extends Names<T> = Names<T>> = {
  readonly [K in Named<N, "call", MethodName<T>>]: CallOf<T[K], DraftOf<T, N>>;
};

/**
 * The options of one call.
 *
 * @example
 * ```ts
 * await room.call.say({ text }, { key: crypto.randomUUID() });
 * ```
 */
export interface CallOptions<Draft> {
  /**
   * Makes the call run exactly once, even if its connection is lost: it is sent again with the same key. The class needs the part
   * `exactlyOnce()`. A new call needs a new key.
   */
  readonly key?: string | undefined;
  /**
   * Changes a draft of the state, to show at once what the call will do. It runs on each new state, until the call's own changes or
   * its answer come, and must do nothing else. If it throws on a later state, that state is shown without it.
   */
  readonly optimistic?: ((draft: Draft) => void) | undefined;
  /** Gives up on the call, with the signal's reason, and ends a stream. A method that isn't a stream runs on. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * How `connect` connects to an object of class `T`.
 *
 * @example
 * ```ts
 * const options: ConnectOptions<Room> = { query: async () => ({ token: await fetchToken() }), idempotent: ["rename"] };
 * ```
 */
export interface ConnectOptions<T> extends ConnectionOptions {
  /** The methods that may run twice: their calls are sent again when the connection was lost. The class marks them `@Idempotent()`. */
  readonly idempotent?: readonly MethodName<T>[] | undefined;
}

/**
 * A client of an object of class `T`, as `connect` returns it.
 *
 * @example
 * ```ts
 * function close(client: Client<Room>): void {
 *   if (client.status !== "closed") client.close();
 * }
 * ```
 */
export interface Client<T, N extends Names<T> = Names<T>> extends Disposing {
  /**
   * The fields with `@Synced` that the client may see, as of the last frame, with the changes of optimistic calls. It is plain data
   * that is never changed in place: what is the same object as before hasn't changed. Undefined until the status is `open` for the
   * first time; it stays when the connection is lost.
   */
  readonly state: StateOf<T, N> | undefined;
  /**
   * `connecting` until the first state has come, then `open`; `reconnecting` while the connection is lost; `closed` after `close()`,
   * and when the object has closed the connection with 1008 or a code from 4000 to 4999.
   */
  readonly status: Status;
  /** The code and reason with which the object has closed the connection, or 1000 after `close()`; undefined unless `closed`. */
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
  /** The methods with `@Callable`. A call waits until the status is `open`; input and options are read when it is made. */
  readonly call: CallsOf<T, N>;
  /** Calls `listener` after each change of `state` or `status`, until the returned function is called. */
  subscribe(listener: () => void): () => void;
  /** Closes the connection permanently. Calls without an answer reject with `call-lost`. */
  close(): void;
}

/** `Disposable`, in projects whose `lib` has `esnext.disposable`: browsers often do not. */
type Disposing = SymbolConstructor extends { readonly dispose: infer Dispose extends symbol }
  ? Record<Dispose, () => void>
  : object;

/**
 * Stands in {@link CallsOf} for a method that no client can call; calling it is a type error.
 *
 * @example
 * ```ts
 * room.call.add(1, 2); // This expression is not callable. Type 'NotCallable<"it takes more than one input: …">' has no call signatures.
 * ```
 */
export interface NotCallable<Why extends string> {
  readonly "cannot be called by a client": Why;
}

type CallOf<F, Draft> = F extends (...args: infer Args) => infer Result
  ? TakesOneInput<Args> extends false
    ? NotCallable<"it takes more than one input: take an object">
    : IsReturnable<Result> extends false
      ? NotCallable<"its result can't be sent: return plain data, or be an async generator">
      : (...args: [...InputOf<Args>, options?: CallOptions<Draft>]) => Reply<Result>
  : never;

type TakesOneInput<Args extends readonly unknown[]> = [] extends Args ? true : [Args[0]] extends Args ? true : false;

/** The one parameter, optional if the method can do without. */
type InputOf<Args extends readonly unknown[]> = Args extends readonly []
  ? [input?: undefined]
  : undefined extends Unvalidated<Args[0]>
    ? [input?: Unvalidated<Args[0]>]
    : [] extends Args
      ? [input?: Unvalidated<Args[0]>]
      : [input: Unvalidated<Args[0]>];

type IsReturnable<Result> = [Awaited<Result>] extends [Stream]
  ? true
  : HasOther<Awaited<Result>> extends true
    ? false
    : true;

/** The result of an async generator. A `ReadableStream` has a reader as well. */
type Stream<Item = unknown> = AsyncIterable<Item> & { readonly getReader?: never };

type Reply<Result> = 0 extends 1 & Result
  ? Promise<Result>
  : [Awaited<Result>] extends [Stream<infer Item>]
    ? AsyncIterable<Item> & Promise<undefined>
    : Promise<Awaited<Result>>;

/** Data that has methods. */
type Data =
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | readonly unknown[];

type Primitive = string | number | bigint | boolean | null | undefined | void;

/** `true` if some part of the union `Value` isn't data: a function, a symbol or an object with methods. */
type HasOther<Value> = 0 extends 1 & Value ? false : true extends IsOther<Value> ? true : false;

type IsOther<Value> = Value extends Primitive | Data
  ? false
  : Value extends AnyFunction | symbol
    ? true
    : Value extends object
      ? true extends { [K in keyof Value]-?: IsMethod<Value[K]> }[keyof Value]
        ? true
        : false
      : false;

/** Data that can't be changed. */
type Immutable<Value> = 0 extends 1 & Value
  ? Value
  : Value extends ReadonlyMap<infer Key, infer Entry>
    ? ReadonlyMap<Key, Immutable<Entry>>
    : Value extends ReadonlySet<infer Item>
      ? ReadonlySet<Immutable<Item>>
      : Value extends Primitive | Exclude<Data, readonly unknown[]>
        ? Value
        : Value extends object
          ? { readonly [K in keyof Value]: Immutable<Value[K]> }
          : Value;
