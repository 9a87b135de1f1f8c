/**
 * @module
 * WebSockets that clients keep open while their object hibernates: `sockets(this, { … })`.
 */
import { attach } from "../core/part/part.ts";
import type { SocketOptions } from "./options.ts";
import type { Sockets } from "./socket.ts";
import { SocketsPart } from "./sockets-part.ts";

export type { SocketOptions } from "./options.ts";
export type { BroadcastOptions, ConnectingSocket, Socket, SocketEnd, Sockets } from "./socket.ts";

/**
 * Accepts WebSockets for an object, and returns its {@link Sockets}. Write it in a field of the class.
 *
 * An upgrade request that no route of the class takes is accepted, unless `connect` refuses it: without `connect`, anybody who
 * reaches the object can connect. The sockets hibernate: the object can be evicted while its clients stay connected. Connecting
 * writes no rows.
 *
 * Nothing is sent that isn't stored: `send`, `close` and `broadcast` wait until what was changed before is written and committed.
 *
 * Calling it again for the same object, in a subclass for example, returns the same sockets. Only one call may have options.
 *
 * @throws DurableError `part-too-late` after construction; `bad-option` for options that can't work, or given twice.
 *
 * @example
 * ```ts
 * export class Chat extends DurableBase {
 *   readonly #sockets = sockets<{ user: string }>(this, {
 *     connect: (socket, request) => {
 *       const user = new URL(request.url).searchParams.get("user");
 *       if (user === null) return new Response("Who are you?", { status: 401 });
 *       socket.state = { user };
 *       return undefined;
 *     },
 *     message: (socket, data) => {
 *       this.#sockets.broadcast({ user: socket.state.user, text: String(data) });
 *     },
 *   });
 * }
 * ```
 */
export function sockets<State = unknown>(object: object, options?: SocketOptions<State>): Sockets<State> {
  const part = attach(object, "sockets", (host) => new SocketsPart(host));
  part.isOffered = true;
  if (options !== undefined) part.configure(options);
  return part as Sockets as Sockets<State>;
}
