/**
 * @module
 * Who calls.
 */
import type { Socket } from "../sockets/socket.ts";
import { sync } from "./sync-part.ts";

/**
 * Returns the socket of the client whose call runs, even after an `await`; undefined in code that no client's call has set off, such
 * as a call through a stub, a job, or the handler of another socket.
 *
 * @example
 * ```ts
 * @Callable() say({ text }: { text: string }): void {
 *   const { user } = caller<{ user: string }>(this)!.state;
 *   this.messages.push({ user, text });
 * }
 * ```
 */
export function caller<State = unknown>(object: object): Socket<State> | undefined {
  return sync(object).caller() as Socket<State> | undefined;
}
