/**
 * @module
 * A handle: a stub that survives resets of its object and takes tracked values as arguments.
 */
import { DurableError } from "../errors.ts";
import { isDestroyed } from "../reset.ts";
import { markHandle, outgoing, unwrap } from "../snapshot.ts";
import { revive, type ErrorClass } from "../thrown.ts";
import type { Repeater } from "./retry.ts";

/** The promise of a native call: more calls can be made on it at once, which the platform pipelines. */
type NativePromise = Promise<unknown>;

/** A member of a native stub: called, it is a method; awaited, a getter. */
type NativeMember = NativePromise & ((...args: unknown[]) => NativePromise);

type NativeStub = DurableObjectStub & Record<string, NativeMember>;

/** Makes a call once more; undefined where what it sends can be read only once. */
type Again<Value> = (stub: NativeStub) => Promise<Value> | undefined;

/** How often a call is made again that met an object which had destroyed itself: one may do so at each start. */
const AGAIN = 3;

/**
 * Makes a handle of the object that `open` gives native stubs of; called again after each reset.
 *
 * The caller vouches that `T` describes the object. Calls leave in the order they are made, and but for what
 * `repeater` covers nothing runs twice: a call that meets a reset rejects with the platform's error, and the next
 * one goes to a fresh native stub. A call that came to an object which had destroyed itself goes to the next object; one
 * that was open when it did so rejects with `destroyed`. Errors of our class and of `errorClasses` get back their class. Like a native stub,
 * a handle belongs to the request it was made in.
 *
 * @example
 * ```ts
 * const handle = makeHandle<Handle<Counter>>(() => env.COUNTER.getByName("alice"));
 * ```
 */
export function makeHandle<T extends object>(
  open: () => DurableObjectStub,
  errorClasses: readonly ErrorClass[] = [],
  repeater?: Repeater,
): T {
  const stubs = new Stubs(open, errorClasses, repeater);
  // Its own keys are those that `JSON.stringify` asks for; `stubs` has their values. `console.log` shows it as it is.
  const handle = new Proxy({ id: "handle.id", name: "handle.name" }, stubs);
  markHandle(handle, stubs);
  return handle as unknown as T;
}

/** The native stub behind a handle, replaced after each reset. Classes, since a handle may be made for each call. */
class Stubs implements ProxyHandler<object> {
  native: NativeStub;
  readonly repeater: Repeater | undefined;
  readonly #open: () => DurableObjectStub;
  readonly #errorClasses: readonly ErrorClass[];
  #members: Map<string, NativeMember> | undefined;

  constructor(open: () => DurableObjectStub, errorClasses: readonly ErrorClass[], repeater: Repeater | undefined) {
    this.#open = open;
    this.#errorClasses = errorClasses;
    this.repeater = repeater;
    this.native = open() as NativeStub;
  }

  get(own: object, key: string | symbol): unknown {
    const known = this.#members?.get(key as string);
    if (known !== undefined) return known;
    switch (key) {
      case "id":
      case "name":
        return this.native[key];
      case "fetch":
        return (...args: Parameters<DurableObjectStub["fetch"]>) =>
          this.notice(this.native.fetch(...args), this.native, (stub) =>
            args.some(hasStream) ? undefined : stub.fetch(...args),
          );
      case "connect":
        // No promise, but a socket at once, which lives and fails by itself.
        return this.native.connect.bind(this.native);
      case Symbol.dispose:
        return () => (this.native as Partial<Disposable>)[Symbol.dispose]?.();
      default:
    }
    // Symbols, `then` and `toJSON` are what `await`, `JSON.stringify` and `console.log` look for: no calls.
    if (typeof key === "symbol" || key in own || key === "then" || key === "toJSON") return Reflect.get(own, key);
    // The call itself is in the handler, which gets the arguments as a list.
    const made = new Proxy(() => undefined, new Member(this, key)) as unknown as NativeMember;
    (this.#members ??= new Map()).set(key, made);
    return made;
  }

  renew(): NativeStub {
    return (this.native = this.#open() as NativeStub);
  }

  notice<Value>(promise: Promise<Value>, stub: NativeStub, again?: Again<Value>, left = AGAIN): Promise<Value> {
    return promise.then(same, (error: unknown) => {
      if (stub === this.native && isFatal(error)) this.renew();
      if (isDestroyed(error, stub.id)) {
        const { native } = this;
        const repeat = left > 0 ? again?.(native) : undefined;
        if (repeat === undefined) throw new DurableError("destroyed", error.message, { cause: error });
        return this.notice(repeat, native, again, left - 1);
      }
      revive(error, this.#errorClasses);
      throw error;
    });
  }
}

/** A member of a handle: a method that is called, or a getter that is awaited. */
class Member implements ProxyHandler<object> {
  readonly #stubs: Stubs;
  readonly #key: string;

  constructor(stubs: Stubs, key: string) {
    this.#stubs = stubs;
    this.#key = key;
  }

  apply(_: object, __: unknown, args: unknown[]): NativePromise {
    const stubs = this.#stubs;
    for (let i = 0; i < args.length; i++) args[i] = outgoing(args[i]);
    const stub = stubs.native;
    const promise = stub[this.#key]!(...args);
    const noticed = stubs.notice(promise, stub, (next) =>
      args.some(hasStream) ? undefined : next[this.#key]!(...args),
    );
    return watch(promise, stubs.repeater?.covers(this.#key) === true ? this.#repeated(noticed, args) : noticed);
  }

  get(_: object, inner: PropertyKey): unknown {
    const stub = this.#stubs.native;
    const property = stub[this.#key]!;
    // Awaiting a member that was not called reads a getter.
    return Reflect.get(
      AWAITING.has(inner)
        ? watch(
            property,
            this.#stubs.notice(property, stub, (next) => next[this.#key]),
          )
        : property,
      inner,
    );
  }

  async #repeated(first: Promise<unknown>, args: unknown[]): Promise<unknown> {
    const began = Date.now();
    const stubs = this.#stubs;
    try {
      return await first;
    } catch (error) {
      return await stubs.repeater!.again(error, began, () =>
        stubs.notice(stubs.native[this.#key]!(...args), stubs.native),
      );
    }
  }
}

// The listener sits between the native promise and those who await it, not beside them: a rejection that
// nobody handles is still reported as one. Further calls on the promise stay the platform's.
function watch(promise: NativePromise, noticed: Promise<unknown>): NativePromise {
  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  promise.then = noticed.then.bind(noticed);
  promise.catch = noticed.catch.bind(noticed);
  promise.finally = noticed.finally.bind(noticed);
  return promise;
}

/** What awaiting a promise may call. */
const AWAITING: ReadonlySet<PropertyKey> = new Set(["then", "catch", "finally"]);

/** Tells whether a native stub is of no more use after this error. */
function isFatal(error: unknown): boolean {
  const flags = error as { durableObjectReset?: boolean; retryable?: boolean; remote?: boolean } | null | undefined;
  // A stub that met a reset gives the same error for ever; after a lost connection it may. `remote` marks
  // what the object's own code threw, which breaks no stub.
  return flags?.durableObjectReset === true || (flags?.retryable === true && flags.remote !== true);
}

/** Tells whether an argument is, has as body, or holds what can be read only once. */
function hasStream(arg: unknown): boolean {
  let isFound = false;
  unwrap(arg, (part) => {
    isFound ||= part instanceof ReadableStream || (part as { body?: unknown }).body instanceof ReadableStream;
    return part;
  });
  return isFound;
}

function same<Value>(value: Value): Value {
  return value;
}
