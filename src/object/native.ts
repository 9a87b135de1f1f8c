/**
 * @module
 * From a handle to what the platform can send.
 */
import { nativeBehind } from "../snapshot.ts";

/**
 * Returns a fresh native stub of a handle's object; a native stub is returned as it is.
 *
 * A handle becomes a native stub by itself where a call is made on a handle or answered by an object of `DurableBase`.
 * Elsewhere, as an argument of a native stub or of a `WorkerEntrypoint`, and as its result, it crosses as a live object of
 * the Worker that made it: pass the native stub for calls that go straight to the object. Sends nothing.
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
export function native<S extends { readonly id: DurableObjectId }>(handle: S): Omit<S, typeof Symbol.dispose> {
  return (nativeBehind(handle) as S | undefined) ?? handle;
}
