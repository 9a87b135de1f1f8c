/** The clients in a browser's project, which knows nothing of Workers. */
import { CallLost, connect, http, HttpError } from "durable-base/client";

interface Room {
  messages: { text: string }[];
  watch(): AsyncGenerator<number>;
  say(input: { text: string }): { at: Date };
  download(): Response;
}

const room = http<Room>("/rooms/lobby", { say: "POST /say" }, { fetch: (url, init) => fetch(url, init) });

export async function say(text: string): Promise<string | number> {
  try {
    const { at } = await room.say({ text }, { key: crypto.randomUUID(), headers: new Headers() });
    return at;
  } catch (error) {
    return error instanceof HttpError ? error.status : 0;
  }
}

// @ts-expect-error -- a Response isn't one value
void room.download();
// @ts-expect-error -- the input lacks `text`
void room.say({});

const client = connect<Room>("/rooms/lobby", { WebSocket, query: () => ({ token: "t" }) });

export async function follow(signal: AbortSignal): Promise<readonly string[]> {
  const { at } = await client.call.say(
    { text: "hi" },
    { optimistic: ({ messages }) => void messages.push({ text: "hi" }) },
  );
  for await (const n of client.call.watch(undefined, { signal })) console.log(n.toFixed(), at.getTime());
  return client.state?.messages.map(({ text }) => text) ?? [];
}

export function isUnsent(error: unknown): boolean {
  client.close();
  return error instanceof CallLost && !error.sent;
}

// @ts-expect-error -- a Response can't be sent
void client.call.download();
// @ts-expect-error -- the state can't be changed
client.state?.messages.push({ text: "" });
