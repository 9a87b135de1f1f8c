/** The HTTP client in a browser's project, which knows nothing of Workers. */
import { http, HttpError } from "durable-base/client";

interface Room {
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
