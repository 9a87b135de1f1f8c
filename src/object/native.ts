/**
 * @module
 * `Object.native`: from a handle to a stub that the platform can send.
 */
import { nativeBehind } from "../core/values/snapshot.ts";

/**
 * Returns a fresh native stub of a handle's object; a native stub is returned as it is.
 *
 * A handle becomes a native stub by itself in a call on another handle, and when an object of `DurableBase` returns it.
 * Elsewhere, as an argument of a native stub or in a call of a `WorkerEntrypoint`, it crosses as a live object of the Worker
 * that made it. Pass the native stub for calls that go straight to the object. Makes no call to the object.
 *
 * @example
 * ```ts
 * export class Desk extends WorkerEntrypoint<Env> {
 *   room(name: string): Stub<Room> {
 *     return Object.native(Object.from(this.env.ROOM).byName(name));
 *   }
 * }
 * ```
 */
export function native<S extends { readonly id: DurableObjectId }>(handle: S): Omit<S, keyof Disposable> {
  return (nativeBehind(handle) as S | undefined) ?? handle;
}
