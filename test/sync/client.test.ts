/** `connect` of durable-base/client with real objects. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type Client, connect, type ConnectOptions } from "durable-base/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import type { StandardRoom } from "./fixtures/room.ts";
import { socketsTo } from "./stub-socket.ts";

type Room = DurableObjectStub<StandardRoom>;

const clients: { close(): void }[] = [];
let nth = 0;

/** A new object, and a client that is open. */
async function opened(options: ConnectOptions<StandardRoom> = {}, query = "") {
  const stub = env.STANDARD_ROOM.getByName(`client ${nth++}`);
  return { stub, ...(await join(stub, options, query)) };
}

async function join(stub: Room, options: ConnectOptions<StandardRoom> = {}, query = "") {
  const server = socketsTo(stub);
  const room = connect<StandardRoom>(`ws://host/${query}`, { WebSocket: server.WebSocket, ...options });
  clients.push(room);
  await isOpen(room);
  return { room, server };
}

async function isOpen(room: { status: string }): Promise<void> {
  await eventually(() => expect(room.status).toBe("open"));
}

async function inside<R>(stub: Room, work: (self: StandardRoom) => R): Promise<void> {
  await runInDurableObject(stub, (self: StandardRoom) => void self.run(() => work(self)));
}

/** The messages that a client shows. */
function textsOf(room: Client<StandardRoom>): string[] {
  return room.state!.messages.map(({ text }) => text);
}

async function storedTexts(stub: Room): Promise<string[]> {
  return await runInDurableObject(stub, ({ messages }: StandardRoom) => messages.map(({ text }) => text));
}

/** Everything that a client has shown since, without repeats. */
function follow(room: Client<StandardRoom>): string[] {
  const shown: string[] = [];
  room.subscribe(() => {
    const texts = textsOf(room).join();
    if (texts !== shown.at(-1)) shown.push(texts);
  });
  return shown;
}

// No delay before a client reconnects.
beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0));
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  vi.restoreAllMocks();
});

describe("a client's state", () => {
  it("is the object's, and follows its changes", async () => {
    const { stub, room } = await opened();
    expect(room.state).toEqual({ messages: [], byName: new Map(), names: new Set(), any: null });
    await inside(stub, (self) => {
      self.messages.push({ text: "a" }, { text: "b" });
      self.messages[0]!.text = "A";
      self.byName.set("ann", { n: 1 }).set("bob", 2);
      self.names.add("ann").add("bob");
      self.any = { at: new Date(5), bytes: new Uint8Array([1]), list: [1, , NaN], big: 5n };
    });
    await eventually(() => expect(textsOf(room)).toEqual(["A", "b"]));
    const before = room.state!;
    expect(before).toEqual({
      messages: [{ text: "A" }, { text: "b" }],
      byName: new Map<string, unknown>([
        ["ann", { n: 1 }],
        ["bob", 2],
      ]),
      names: new Set(["ann", "bob"]),
      any: { at: new Date(5), bytes: new Uint8Array([1]), list: [1, , NaN], big: 5n },
    });
    await inside(stub, (self) => {
      (self.byName.get("ann") as { n: number }).n = 2;
      self.names.delete("ann");
    });
    await eventually(() => expect(room.state!.byName.get("ann")).toEqual({ n: 2 }));
    expect([[...room.state!.names], room.state!.messages === before.messages, room.state!.any === before.any]).toEqual([
      ["bob"],
      true,
      true,
    ]);
  });

  it("has the fields that the client may see", async () => {
    const { stub, room } = await opened({}, "?host");
    await inside(stub, (self) => self.reports.push("secret"));
    await eventually(() => expect(room.state!.reports).toEqual(["secret"]));
    await runInDurableObject(stub, (self: StandardRoom) => self.setHost(false));
    await eventually(() => expect(Object.keys(room.state!)).toEqual(["messages", "byName", "names", "any"]));
    expect(room.status).toBe("open");
  });

  it("catches up after the connection was lost", async () => {
    const { stub, room, server } = await opened();
    await inside(stub, (self) => self.messages.push({ text: "a" }));
    await eventually(() => expect(textsOf(room)).toEqual(["a"]));
    const [first] = room.state!.messages;
    const other = await join(stub);
    server.last().cut();
    expect(room.status).toBe("reconnecting");
    await inside(stub, (self) => self.messages.push({ text: "b" }));
    await isOpen(room);
    await eventually(() => expect(textsOf(room)).toEqual(["a", "b"]));
    expect([server.sockets.length, server.last().got[0], room.state!.messages[0] === first]).toEqual([
      2,
      "missed",
      true,
    ]);
    expect(other.room.state).toEqual(room.state);
  });

  it("is whole after an eviction, with the connection or without it", async () => {
    const { stub, room, server } = await opened();
    await inside(stub, (self) => self.messages.push({ text: "a" }));
    await eventually(() => expect(textsOf(room)).toEqual(["a"]));
    await evictDurableObject(stub);
    await inside(stub, (self) => self.messages.push({ text: "b" }));
    await eventually(() => expect(textsOf(room)).toEqual(["a", "b"]));
    expect([server.sockets.length, server.last().got.length]).toEqual([1, 3]);
    // The patch had a new version with it.
    server.last().cut();
    await isOpen(room);
    expect([server.last().got, textsOf(room)]).toEqual([["missed"], ["a", "b"]]);
    server.last().cut();
    await evictDurableObject(stub);
    await isOpen(room);
    await eventually(() => expect(server.last().got).toEqual(["state"]));
    expect(textsOf(room)).toEqual(["a", "b"]);
  });
});

describe("a client's call", () => {
  it("resolves to the result, after its changes", async () => {
    const { room } = await opened();
    expect(await room.call.say({ text: "a", times: 2 })).toBe(2);
    expect(textsOf(room)).toEqual(["a", "a"]);
    expect(await room.call.read()).toEqual({ messages: room.state!.messages, at: new Date(0), names: new Set() });
    expect(await room.call.nothing()).toBeUndefined();
  });

  it("rejects with the object's error", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const { room } = await opened();
    expect(await errorOf(() => room.call.say({ text: "" }))).toMatchObject({
      name: "DurableError",
      code: "invalid-input",
      issues: [{ path: ["text"] }],
    });
    expect(await errorOf(() => room.call.fail({ how: "http" }))).toMatchObject({
      code: "call-refused",
      message: "not now",
    });
    expect(await errorOf(() => room.call.fail({ how: "error" }))).toMatchObject({ code: "call-failed" });
    expect(await errorOf(() => room.call.hidden())).toMatchObject({ code: "not-callable" });
    expect(room.status).toBe("open");
  });

  it("streams as many items as are consumed, and stops", async () => {
    const { room } = await opened();
    const items: number[] = [];
    for await (const { n } of room.call.count({ to: 300 })) items.push(n);
    expect(items).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    for await (const { n } of room.call.count({ to: 1e6 })) if (n === 100) break;
    await eventually(() => expect(room.state!.any).toBe("ended"));
    vi.spyOn(console, "error").mockReturnValue();
    const failing = room.call.count({ to: 5, failAt: 3 })[Symbol.asyncIterator]();
    expect([await failing.next(), await failing.next()]).toMatchObject([{ value: { n: 1 } }, { value: { n: 2 } }]);
    expect(await errorOf(() => failing.next())).toMatchObject({ code: "call-failed" });
  });

  it("has its optimistic change shown once, with its own changes in between", async () => {
    const { stub, room } = await opened();
    const other = await join(stub);
    const shown = follow(room);
    const add = (text: string, key?: string) =>
      room.call.say({ text }, { optimistic: ({ messages }) => void messages.push({ text }), key });
    await add("a");
    await Promise.all([add("b"), add("c"), other.room.call.say({ text: "o" })]);
    await eventually(() => expect(textsOf(room).length).toBe(4));
    // Nothing is there twice, and nothing of ours ever goes.
    for (const texts of shown.map((text) => text.split(","))) expect(new Set(texts).size).toBe(texts.length);
    for (const [i, texts] of shown.entries())
      expect(texts.split(",")).toEqual(expect.arrayContaining((shown[i - 1] ?? "a").split(",")));
    await eventually(() => expect(other.room.state).toEqual(room.state));
    expect(await storedTexts(stub)).toEqual(textsOf(room));
  });

  it("has its optimistic change taken back when it is refused", async () => {
    const { room } = await opened();
    const shown = follow(room);
    await errorOf(() =>
      room.call.say({ text: "", times: 1 }, { optimistic: ({ messages }) => void messages.push({ text: "no" }) }),
    );
    expect(shown).toEqual(["no", ""]);
  });

  it("with a key runs exactly once, however often the connection is lost", async () => {
    const { stub, room, server } = await opened();
    server.cuts = 5;
    const said = room.call.say({ text: "once" }, { key: "k" });
    expect(await said).toBe(1);
    expect(await storedTexts(stub)).toEqual(["once"]);
    await eventually(() => expect(textsOf(room)).toEqual(["once"]));
    expect(server.sockets.map(({ sent }) => sent)).toEqual(Array(6).fill([["call", 1, "say", { text: "once" }, "k"]]));
  });

  it("without one rejects with call-lost, and is sent once", async () => {
    const { stub, room, server } = await opened();
    const said = errorOf(() => room.call.say({ text: "maybe" }));
    server.last().cut();
    expect(await said).toMatchObject({ code: "call-lost", sent: true });
    await isOpen(room);
    await room.call.nothing();
    expect(server.last().sent).toEqual([["call", 2, "nothing"]]);
    expect((await storedTexts(stub)).length).toBeLessThan(2);
  });
});
