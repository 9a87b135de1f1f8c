/**
 * @module
 * A handle: a stub that survives resets of its object and takes tracked values as arguments.
 */
import { DurableError } from "../core/errors.ts";
import { isDestroyed } from "../core/destroy-reason.ts";
import { markHandle, outgoing, unwrap } from "../core/values/snapshot.ts";
import { revive, type ErrorClass } from "../core/entry/rpc-errors.ts";
import type { Repeater } from "./retry.ts";

/** The promise of a native call: more calls can be made on it at once, which the platform pipelines. */
type NativePromise = Promise<unknown>;

/** A member of a native stub: called, it is a method; awaited, a getter. */
type NativeMember = NativePromise & ((...args: unknown[]) => NativePromise);

type NativeStub = DurableObjectStub & Record<string, NativeMember>;

/** Makes a call once more; undefined if its arguments can be read only once. */
type Again<Value> = (stub: NativeStub) => Promise<Value> | undefined;

/** The most retries of a call that meets a destroyed object: an object may destroy itself at each start. */
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
  readonly open: () => DurableObjectStub;
  readonly #errorClasses: readonly ErrorClass[];
  #members: Map<string, NativeMember> | undefined;

  constructor(open: () => DurableObjectStub, errorClasses: readonly ErrorClass[], repeater: Repeater | undefined) {
    this.open = open;
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
        // It returns a socket at once, not a promise. The socket fails by itself, which can't show that the stub is dead.
        return (...args: Parameters<DurableObjectStub["connect"]>) => this.open().connect(...args);
      case "dup":
        // The platform calls it on an argument, and disposes of the result after the call.
        return () => makeHandle(this.open, this.#errorClasses, this.repeater);
      case Symbol.dispose:
        return () => (this.native as Partial<Disposable>)[Symbol.dispose]?.();
      default:
    }
    // Symbols, `then` and `toJSON` are what `await`, `JSON.stringify` and `console.log` look for: no calls.
    if (typeof key === "symbol" || key in own || key === "then" || key === "toJSON") return Reflect.get(own, key);
    // The call itself is in the handler, which gets the arguments as a list.
    const made = memberOf(this, (stub) => stub[key]!, key);
    (this.#members ??= new Map()).set(key, made);
    return made;
  }

  getOwnPropertyDescriptor(own: object, key: string | symbol): PropertyDescriptor | undefined {
    const known = Reflect.getOwnPropertyDescriptor(own, key);
    // The platform takes a Proxy for a live object, and looks for the methods of one among its own properties.
    if (typeof key === "symbol" || key in own) return known;
    const value = this.get(own, key);
    return value === undefined ? undefined : { value, writable: true, enumerable: false, configurable: true };
  }

  renew(): NativeStub {
    return (this.native = this.open() as NativeStub);
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

/** A member of a handle, or of one of its members; `find` finds it on a native stub, `name` is that of a handle's own. */
function memberOf(stubs: Stubs, find: (stub: NativeStub) => NativeMember, name?: string): NativeMember {
  return new Proxy(() => undefined, new Member(stubs, find, name)) as unknown as NativeMember;
}

/** A method to call, or a getter to await or to call members of. */
class Member implements ProxyHandler<object> {
  readonly #stubs: Stubs;
  readonly #find: (stub: NativeStub) => NativeMember;
  readonly #name: string | undefined;

  constructor(stubs: Stubs, find: (stub: NativeStub) => NativeMember, name: string | undefined) {
    this.#stubs = stubs;
    this.#find = find;
    this.#name = name;
  }

  apply(_: object, __: unknown, args: unknown[]): NativePromise {
    const stubs = this.#stubs;
    for (let i = 0; i < args.length; i++) args[i] = outgoing(args[i]);
    const stub = stubs.native;
    const promise = this.#find(stub)(...args);
    const noticed = stubs.notice(promise, stub, (next) =>
      args.some(hasStream) ? undefined : this.#find(next)(...args),
    );
    return watch(promise, stubs.repeater?.covers(this.#name) === true ? this.#repeated(noticed, args) : noticed);
  }

  get(own: object, key: PropertyKey): unknown {
    const stubs = this.#stubs;
    const stub = stubs.native;
    if (AWAITING.has(key)) {
      // Awaiting a member that wasn't called reads a getter.
      const property = this.#find(stub);
      return Reflect.get(watch(property, stubs.notice(property, stub, this.#find)), key);
    }
    if (typeof key === "symbol" || key in own) return Reflect.get(this.#find(stub), key);
    return memberOf(stubs, (next) => (this.#find(next) as unknown as NativeStub)[key as string]!);
  }

  async #repeated(first: Promise<unknown>, args: unknown[]): Promise<unknown> {
    const began = Date.now();
    const stubs = this.#stubs;
    try {
      return await first;
    } catch (error) {
      return await stubs.repeater!.again(error, began, () =>
        stubs.notice(this.#find(stubs.native)(...args), stubs.native),
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

/** The methods of a promise that awaiting it may call. */
const AWAITING: ReadonlySet<PropertyKey> = new Set(["then", "catch", "finally"]);

/**
 * Returns true if a native stub may be dead after this error: one that met a reset rejects permanently.
 *
 * Not every reset's error has a flag, so any error counts, with two exceptions. The object's own code threw the error
 * (`remote` is set, or it isn't an Error). Or an argument can't be sent: then the calls around it must keep their order.
 */
function isFatal(error: unknown): boolean {
  if (!(error instanceof Error) || error.name === "DataCloneError") return false;
  const { durableObjectReset, remote } = error as { durableObjectReset?: boolean; remote?: boolean };
  return durableObjectReset === true || remote !== true;
}

/** Returns true if an argument is or holds a stream, or has one as its body: it can be read only once. */
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
