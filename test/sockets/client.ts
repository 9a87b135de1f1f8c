/** Clients of sockets, in tests of the library itself. */
import { connect, type SocketClient } from "../../src/testing/connect.ts";

// Not from `durable-base/testing`: its clock would hold the alarms of the other tests of this workerd.
export { connect, type SocketClient };

/** The next messages of a client. */
export async function take(client: SocketClient, count: number): Promise<(string | ArrayBuffer)[]> {
  const messages: (string | ArrayBuffer)[] = [];
  while (messages.length < count) messages.push(await client.next());
  return messages;
}

/** The messages of a client that nothing has read yet, and the code and reason of its end. */
export async function rest(client: SocketClient): Promise<unknown[]> {
  const { code, reason } = await client.closed;
  const messages: unknown[] = [];
  try {
    for (;;) messages.push(await client.next());
  } catch {
    return [...messages, [code, reason]];
  }
}
