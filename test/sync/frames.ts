/** Frames of sync, as the tests read them. */
import { take, type SocketClient } from "../sockets/client.ts";

export type Frame = readonly [unknown, ...unknown[]];

/** The next frames of a client, parsed. */
export async function frames(client: SocketClient, count: number): Promise<Frame[]> {
  return (await take(client, count)).map((text) => JSON.parse(text as string) as Frame);
}
