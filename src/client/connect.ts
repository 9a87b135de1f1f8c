/**
 * @module
 * `connect(url)`: an object's state and methods, in a browser or Node.
 */
import { ObjectClient } from "./object-client.ts";
import type { Client, ConnectOptions, Names } from "./types.ts";

/**
 * Connects to an object over a WebSocket: its fields with `@Synced` are in `state`, and its methods with `@Callable` in `call`.
 *
 * `url` is where the object is reached, with `wss:` or `https:`, or relative to the page. The connection comes back by itself,
 * after random delays that grow to 30 seconds, and fetches only what it missed. A silent one is noticed within 35 seconds.
 *
 * A call that was sent when the connection was lost rejects with `call-lost`, since nobody knows if it ran. It is sent again only
 * if it has a `key`, or if its method is listed in `idempotent`. Errors of the object arrive as `DurableError`.
 *
 * Name the methods and fields that have the decorators, and TypeScript offers only those: `connect<Room, { call: "say"; state:
 * "messages" }>(url)`.
 *
 * @throws DurableError `bad-option` for a malformed URL, or if the global `WebSocket` is missing.
 *
 * @example
 * ```ts
 * import type { Room } from "./room.ts"; // only the type
 *
 * const room = connect<Room>("https://example.com/rooms/lobby");
 * room.subscribe(() => render(room.state?.messages ?? []));
 * await room.call.say({ text: "Hello!" });
 * ```
 */
export function connect<T extends object, N extends Names<T> = Names<T>>(
  url: string | URL,
  options: ConnectOptions<T> = {},
): Client<T, N> {
  const client = new ObjectClient(url, options);
  client.start();
  return client as unknown as Client<T, N>;
}
