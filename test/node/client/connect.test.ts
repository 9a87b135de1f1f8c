/** `connect` in plain Node, over real sockets to a workerd that is killed and comes back. */
import { type Client, connect, type ConnectOptions } from "durable-base/client";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bundle, start, type Runtime } from "../../../scripts/lib/runtime.mjs";
import { isLong } from "../../battery.ts";
import type { Board } from "./worker.ts";

const folder = mkdtempSync(join(tmpdir(), "durable-base-connect-"));
const clients: Client<Board>[] = [];
let script: string;
let runtime: Runtime;
/** Runs once a method has begun, while the client waits. */
let onAdded = (): void => {};

async function wake(port?: number): Promise<void> {
  runtime = await start({
    script,
    objects: { ACCOUNT: "Account", BOARD: "Board" },
    folder,
    ...(port === undefined ? {} : { port }),
    onLog: ({ message }) => {
      if (message.includes("added")) onAdded();
    },
  });
}

/** Kills workerd as a crash does, and waits until it is gone. */
async function kill(): Promise<void> {
  process.kill(runtime.pid, "SIGKILL");
  await runtime.stop();
}

function boardOf(name: string, options: ConnectOptions<Board> = { query: { token: "ann" } }): Client<Board> {
  const board = connect<Board>(`${runtime.url}/boards/${name}`, options);
  clients.push(board);
  return board;
}

async function until(check: () => unknown): Promise<void> {
  await vi.waitFor(check, { timeout: 600_000, interval: 5 });
}

beforeAll(async () => {
  script = await bundle("test/node/client/worker.ts");
  await wake();
});
afterAll(async () => {
  for (const client of clients) client.close();
  await runtime.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("connect of durable-base/client, in Node", () => {
  it("follows the state of an object behind serve, and calls its methods", async () => {
    const [ann, bob] = [boardOf("plain"), boardOf("plain", { query: () => Promise.resolve({ token: "bob" }) })];
    await until(() => expect([ann.status, bob.status]).toEqual(["open", "open"]));
    expect(await ann.call.add({ text: "a" })).toBe(1);
    expect(ann.state!.cards).toEqual([{ by: "ann", text: "a" }]);
    await until(() => expect(bob.state).toEqual(ann.state));
    const numbers: number[] = [];
    for await (const n of bob.call.numbers(200)) numbers.push(n);
    expect(numbers).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  // Node tells of the close when the object has hibernated, after 10 seconds.
  it.runIf(isLong)("closes for good when the object closes it with a code of its own", async () => {
    const board = boardOf("closed", {});
    await until(() => expect(board.status).toBe("closed"));
    expect(board.closed).toEqual({ code: 4001, reason: "no token" });
  });

  it("comes back to a workerd that was killed, and runs a call with a key once", async () => {
    const board = boardOf("killed");
    await until(() => expect(board.status).toBe("open"));
    await board.call.add({ text: "before" });
    const began = new Promise<void>((resolve) => (onAdded = resolve));
    const keyed = board.call.add({ text: "keyed", ms: 300 }, { key: "k" });
    const lost = board.call.add({ text: "lost", ms: 300 }).catch((error: unknown) => error);
    await began;
    const port = Number(new URL(runtime.url).port);
    await kill();
    expect(await lost).toMatchObject({ code: "call-lost", sent: true });
    expect([board.status, board.state!.cards[0]]).toEqual(["reconnecting", { by: "ann", text: "before" }]);
    await wake(port);
    await keyed;
    const texts = board.state!.cards.map(({ text }) => text);
    expect(texts.filter((text) => text === "keyed")).toEqual(["keyed"]);
    expect(texts[0]).toBe("before");
  });
});
