/**
 * @module
 * Who calls.
 */
import { scopes } from "../core/entry/scope.ts";
import type { Socket } from "../sockets/socket.ts";
import { runningCall } from "./call.ts";

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
  const call = runningCall(scopes.getStore());
  return call?.object === object ? (call.connection.socket as Socket<State>) : undefined;
}
