/** A failing test of a review: the order of state and answer. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { connect, take, type SocketClient } from "../sockets/client.ts";
import type { StandardRoom } from "./fixtures/room.ts";

type Frame = readonly [unknown, ...unknown[]];
type Room = DurableObjectStub<StandardRoom>;
type Method = (this: StandardRoom, ...args: never[]) => unknown;

let nth = 0;
const fresh = (): Room => env.STANDARD_ROOM.getByName(`calls ${nth++}`);

async function frames(client: SocketClient, count: number): Promise<Frame[]> {
  return (await take(client, count)).map((text) => JSON.parse(text as string) as Frame);
}

async function joined(stub: Room, path = "/"): Promise<SocketClient> {
  const client = await connect(stub, path, { protocols: ["durable-base.sync.1"] });
  await take(client, 1);
  return client;
}

/** Runs a test with another body of a `@Callable` method. */
async function withMethod(
  stub: Room,
  name: "count" | "say" | "nothing" | "slow" | "read",
  body: Method,
  test: () => Promise<void>,
): Promise<void> {
  const proto = await runInDurableObject(
    stub,
    (self: StandardRoom) => Object.getPrototypeOf(self) as Record<string, unknown>,
  );
  const before = Object.getOwnPropertyDescriptor(proto, name)!;
  Object.defineProperty(proto, name, { value: body, writable: true, configurable: true });
  try {
    await test();
  } finally {
    Object.defineProperty(proto, name, before);
  }
}

it("sends the state before the answer of a call that has changed what its client sees", async () => {
  const room = fresh();
  const client = await joined(room);
  await withMethod(
    room,
    "nothing",
    function () {
      this.setHost(true);
      this.messages.push({ text: "a" });
    },
    async () => {
      client.send(JSON.stringify(["call", 1, "nothing"]));
      expect((await frames(client, 2)).map(([kind]) => kind)).toEqual(["state", "ok"]);
    },
  );
});
