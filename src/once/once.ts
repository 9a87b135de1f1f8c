/**
 * @module
 * Exactly-once calls: `once(handle, key)` for the caller, `exactlyOnce()` for the object's class.
 */
import { callPart } from "../core/part/call-part.ts";
import type { AnyFunction, Has, HiddenMember } from "../object/members.ts";

export { exactlyOnce } from "./exactly-once.ts";

/**
 * Options of `once`.
 *
 * @example
 * ```ts
 * const options: OnceOptions = { ttl: 7 * 86_400_000 };
 * ```
 */
export interface OnceOptions {
  /** For how long the answer is kept, in milliseconds: from 1 to 2,592,000,000 (30 days); by default 24 hours. */
  readonly ttl?: number;
}

/**
 * The result of `once`: the methods of a handle or stub, with the same types.
 *
 * @example
 * ```ts
 * const account: Once<Handle<Account>> = once(handle, order.id);
 * ```
 */
export type Once<S> = {
  [K in keyof S as K extends HiddenMember | symbol ? never : K]: Repeatable<S[K]>;
};

/**
 * Stands in {@link Once} for a method of which a parameter or result cannot be kept for repeats; calling it is a type
 * error.
 *
 * @example
 * ```ts
 * once(handle, key).open(); // This expression is not callable. Type 'NotRepeatable<"a stream, …">' has no call signatures.
 * ```
 */
export interface NotRepeatable<Why extends string> {
  readonly "cannot be called exactly once": Why;
}

/** What no copy can be kept of, as far as types tell. */
type Unkept = ReadableStream | WritableStream | Request | Response | AnyFunction | { fetch: AnyFunction };

/**
 * The promise of a live result is one that can be disposed. Without `esnext.disposable` in `lib`, `Disposable` has no
 * members, and everything would extend it.
 */
type Disposing = [keyof Disposable] extends [never] ? never : Disposable;

type Repeatable<F> = F extends (...args: infer Args) => infer Result
  ? true extends Has<Args[number], Unkept> | Has<Awaited<Result>, Unkept> | Has<Result, Disposing>
    ? NotRepeatable<"a stream, Request, Response, function or stub cannot be kept for repeats: pass and return plain data">
    : F
  : F;

/**
 * Calls methods of an object exactly once per key: `once(handle, order.id).charge(order)`.
 *
 * Sends nothing by itself. The method runs as an `@Atomic` one, whose changes and answer are stored together; every
 * repeat with the same key gets that answer, also after a crash. What throws is undone and not remembered: a repeat runs
 * it anew. So a call that failed for whatever reason can be sent again until it is answered. Keys are per object and
 * method.
 *
 * @throws DurableError from the call: `once-conflict` when the key was used with other arguments; `not-repeatable` for a
 * stream, Response, function or stub as argument, before the method runs, or as result, which is undone; `too-large` for
 * an answer over 2 MB; `bad-key` when the key is empty, ill-formed or over 1,024 bytes; `bad-option`; `atomic-timeout`
 * after 25 s.
 *
 * @example
 * ```ts
 * const receipt = await once(account, order.id).charge({ amount: order.total });
 * ```
 */
export function once<S extends object>(target: S, key: string, { ttl }: OnceOptions = {}): Once<S> {
  return new Proxy({} as Once<S>, {
    get(own, method): unknown {
      // What `await`, `JSON.stringify` and `console.log` look for is no call.
      if (typeof method === "symbol" || method in own || method === "then" || method === "toJSON")
        return Reflect.get(own, method);
      return (...args: unknown[]) =>
        callPart(target, "once", [method, key, args, ttl], {
          label: `once(…).${method}`,
          line: "static override parts = [exactlyOnce()]",
        });
    },
  });
}
