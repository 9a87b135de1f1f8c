/** The client's end of a socket, in tests. */
import { eventually } from "../eventually.ts";

/** The client's end of an open socket. */
export interface Client {
  readonly socket: WebSocket;
  /** Messages, and `[code, reason]` of the end. */
  readonly got: unknown[];
  /** Waits for that many messages and ends, and returns and forgets them. */
  next(count: number): Promise<unknown[]>;
}

/** Connects to an object, and throws if it refuses. */
export async function connectTo(
  stub: { fetch(url: string, init: RequestInit): Promise<Response> },
  path = "/",
  headers: Record<string, string> = {},
): Promise<Client> {
  const response = await stub.fetch(`http://o${path}`, { headers: { upgrade: "websocket", ...headers } });
  const { webSocket: socket } = response;
  if (socket === null) throw new Error(`refused with ${response.status}: ${await response.text()}`);
  socket.binaryType = "arraybuffer";
  const got: unknown[] = [];
  socket.addEventListener("message", ({ data }) => got.push(data));
  socket.addEventListener("close", ({ code, reason }) => got.push([code, reason]));
  socket.accept();
  const next = async (count: number): Promise<unknown[]> => {
    await eventually(() => {
      if (got.length < count) throw new Error(`got ${got.length} of ${count}: ${JSON.stringify(got)}`);
    });
    return got.splice(0);
  };
  return { socket, got, next };
}
