/**
 * @module
 * A handle: a stub that survives resets of its object and takes tracked values as arguments.
 */
import { snapshot } from "../snapshot.ts";

/** A native stub, reached by member name. */
type NativeStub = DurableObjectStub & Record<string, NativeMethod>;

/** A member of a native stub: a method to call, and a property whose value can be awaited. */
type NativeMethod = PromiseLike<unknown> & ((...args: unknown[]) => NativePromise);

/** The promise of a native call, on whose result further calls can be made at once. */
type NativePromise = Promise<unknown>;

/**
 * Makes a handle of the object that `open` gives native stubs of; called again after each reset.
 *
 * The caller vouches that `T` describes the object. Calls go out in the order they are made. Nothing is
 * ever sent twice: the call that meets a reset fails with the platform's error, and the next one goes to a
 * fresh native stub. Like a native stub, a handle belongs to the request it was made in.
 *
 * @example
 * ```ts
 * const handle = makeHandle<Handle<Counter>>(() => env.COUNTER.getByName("alice"));
 * ```
 */
export function makeHandle<T extends object>(open: () => DurableObjectStub): T {
  const address = new Address(open);
  return new Proxy(address, methods as ProxyHandler<object>) as T;
}

/** What a handle stands on: the native stub of the moment, and the members that are the handle's own. */
class Address {
  readonly #open: () => DurableObjectStub;
  #native!: NativeStub;
  #noticeReset!: (error: unknown) => never;
}
