/**
 * @module
 * `Object.native`: from a handle to a stub that the platform can send.
 */
import { nativeBehind } from "../snapshot.ts";

/**
 * Returns a fresh native stub of a handle's object; a native stub is returned as it is.
 *
 * You can pass a handle as it is to a call on another handle, and return it from an object of `DurableBase`: it becomes a
 * native stub by itself. Use this for arguments of a native stub, and for arguments and results of a `WorkerEntrypoint`.
 * Makes no call to the object.
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
