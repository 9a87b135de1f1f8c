/**
 * @module
 * A handle: a stub that survives resets of its object and takes tracked values as arguments.
 */
import { markHandle, outgoing } from "../snapshot.ts";
import { revive, type ErrorClass } from "../thrown.ts";
import type { Repeater } from "./retry.ts";

/** The promise of a native call: more calls can be made on it at once, which the platform pipelines. */
type NativePromise = Promise<unknown>;

/** A member of a native stub: called, it is a method; awaited, a getter. */
type NativeMember = NativePromise & ((...args: unknown[]) => NativePromise);

type NativeStub = DurableObjectStub & Record<string, NativeMember>;

/**
 * Makes a handle of the object that `open` gives native stubs of; called again after each reset.
 *
 * The caller vouches that `T` describes the object. Calls leave in the order they are made, and but for what
 * `repeater` covers nothing is sent twice: a call that meets a reset rejects with the platform's error, and the next
 * one goes to a fresh native stub. Errors of our class and of `errorClasses` get back their class. Like a native stub, a handle belongs to the request it was made in.
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
  let native = open() as NativeStub;
  const members = new Map<string, NativeMember>();

  const notice = <Value>(promise: Promise<Value>, stub: NativeStub): Promise<Value> =>
    promise.then(same, (error: unknown) => {
      if (stub === native && isFatal(error)) native = open() as NativeStub;
      revive(error, errorClasses);
      throw error;
    });

  // The listener sits between the native promise and those who await it, not beside them: a rejection that
  // nobody handles is still reported as one. Further calls on the promise stay the platform's.
  const watch = (promise: NativePromise, noticed: Promise<unknown>): NativePromise => {
    // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
    promise.then = noticed.then.bind(noticed);
    promise.catch = noticed.catch.bind(noticed);
    promise.finally = noticed.finally.bind(noticed);
    return promise;
  };

  const repeated = async (first: Promise<unknown>, key: string, args: unknown[]): Promise<unknown> => {
    const began = Date.now();
    try {
      return await first;
    } catch (error) {
      return await repeater!.again(error, began, () => notice(native[key]!(...args), native));
    }
  };

  const member = (key: string): NativeMember => {
    const isRepeated = repeater?.covers(key) === true;
    const call = (...args: unknown[]): NativePromise => {
      const given = args.map(outgoing);
      const stub = native;
      const promise = stub[key]!(...given);
      const noticed = notice(promise, stub);
      return watch(promise, isRepeated ? repeated(noticed, key, given) : noticed);
    };
    return new Proxy(call, {
      get(_, inner): unknown {
        const property = native[key]!;
        // Awaiting a member that was not called reads a getter.
        return Reflect.get(AWAITING.has(inner) ? watch(property, notice(property, native)) : property, inner);
      },
    }) as NativeMember;
  };

  const own = {
    get id(): DurableObjectId {
      return native.id;
    },
    get name(): string | undefined {
      return native.name;
    },
    fetch(...args: Parameters<DurableObjectStub["fetch"]>): Promise<Response> {
      return notice(native.fetch(...args), native);
    },
    [Symbol.dispose](): void {
      (native as Partial<Disposable>)[Symbol.dispose]?.();
    },
  };

  const handle = new Proxy(own, {
    get(_, key) {
      const known = members.get(key as string);
      if (known !== undefined) return known;
      // Symbols, `then` and `toJSON` are what `await`, `JSON.stringify` and `console.log` look for: no calls.
      if (typeof key === "symbol" || key in own || key === "then" || key === "toJSON") return Reflect.get(own, key);
      const made = member(key);
      members.set(key, made);
      return made;
    },
  });
  markHandle(handle, () => native);
  return handle as unknown as T;
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

function same<Value>(value: Value): Value {
  return value;
}
