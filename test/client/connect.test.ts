import { type Client, connect, type ConnectOptions, DurableError } from "durable-base/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ObjectClient } from "../../src/client/object-client.ts";
import type { ServerFrame } from "../../src/sync/frames.ts";
import { membersFromWire, toWire } from "../../src/sync/values.ts";
import { errorOf as errorOfCall, thrownBy } from "../error-of.ts";
import vectorsText from "../sync/vectors.json?raw";
import { fakeServer, type FakeSocket } from "./fake-server.ts";
import { textOf, type State } from "./states.ts";

declare class Room {
  messages: { text: string }[];
  topic: string;
  at: Date;
  say(input: { text: string }): Promise<number>;
  rename(topic: string): void;
  clear(): void;
  watch(input: { from: number }): AsyncGenerator<number>;
}

const PROTOCOL = "durable-base.sync.1";
const STATE = ["state", "v-1", 3, { messages: [], topic: "a" }];
const clients: Client<Room>[] = [];
/** The calls of the last client's listener. */
let told: [state: unknown, status: string][] = [];

/** Connects a client to a fake server; without frames it has no answer yet. */
async function opened(
  frames: unknown[] = [STATE],
  options: ConnectOptions<Room> = {},
  url: string | URL = "ws://host/lobby",
) {
  const server = fakeServer();
  const room = connect<Room>(url, { WebSocket: server.WebSocket, ...options });
  clients.push(room);
  told = [];
  room.subscribe(() => told.push([room.state, room.status]));
  await settle();
  server.last()?.say(...frames);
  told = [];
  return { room, server };
}

/** The error with which a promise rejects. */
function errorOf(promise: Promise<unknown>): Promise<Error> {
  return errorOfCall(() => promise);
}

/** Lets promises go on. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

/** Loses the connection, and lets the client come back. */
async function comesBack(server: ReturnType<typeof fakeServer>, ...frames: unknown[]): Promise<FakeSocket> {
  const { length } = server.sockets;
  server.last().end(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.sockets.length).toBe(length + 1);
  server.last().say(...frames);
  return server.last();
}

const lostSent = { code: "call-lost", sent: true };
const lostUnsent = { code: "call-lost", sent: false };

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.2);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  // A timer that is left keeps a process alive, and reconnects.
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("connect", () => {
  it("connects with the protocol, and has the state with the first frame", async () => {
    const { room, server } = await opened([]);
    expect([room.status, room.state, room.closed]).toEqual(["connecting", undefined, undefined]);
    expect([server.last().url, server.last().protocols]).toEqual(["ws://host/lobby", [PROTOCOL]]);
    server.last().say(["state", "v-1", 0, { at: { $: ["d", 5] } }]);
    expect([room.status, room.state]).toEqual(["open", { at: new Date(5) }]);
    expect(told.at(-1)).toEqual([{ at: new Date(5) }, "open"]);
  });

  it.each([
    ["https://host/a?b=c#d", "wss://host/a?b=c"],
    ["http://host/a", "ws://host/a"],
    [new URL("wss://host/a"), "wss://host/a"],
  ])("takes %s for a URL", async (url, expected) => {
    const { server } = await opened([], {}, url);
    expect(server.last().url).toBe(expected);
  });

  it("takes a URL relative to the page", async () => {
    vi.stubGlobal("location", { href: "https://host/rooms/lobby/page.html" });
    const { server } = await opened([], {}, "/lobby");
    vi.unstubAllGlobals();
    expect(server.last().url).toBe("wss://host/lobby");
  });

  it("refuses what isn't a URL, and to work without a WebSocket", () => {
    expect(() => connect("lobby")).toThrow(
      expect.objectContaining({ code: "bad-option", message: expect.stringContaining("lobby isn't a URL") }),
    );
    vi.stubGlobal("WebSocket", undefined);
    expect(() => connect("ws://host")).toThrow(
      expect.objectContaining({ code: "bad-option", message: expect.stringContaining("{ WebSocket }") }),
    );
    vi.unstubAllGlobals();
  });

  it("closes for good if the socket can't even be made", async () => {
    class Forbidden {
      constructor() {
        throw new Error("mixed content");
      }
    }
    const room = connect<Room>("ws://host", { WebSocket: Forbidden as never });
    await settle();
    expect([room.status, room.closed]).toEqual(["closed", { code: 1006, reason: "Error: mixed content" }]);
  });

  const frames = JSON.parse(vectorsText) as { name: string; state: State; frame: ServerFrame; after: State }[];

  it.each(frames)("shows $name", async ({ state, frame, after }) => {
    const { room, server } = await opened([["state", "v-0", 6, state]]);
    if (frame[0] === "missed") await comesBack(server, frame);
    else server.last().say(frame);
    expect(textOf(room.state as unknown as State)).toBe(textOf(membersFromWire(after)));
  });

  it("tells listeners once a frame, with the state in place", async () => {
    const { room, server } = await opened();
    const before = room.state;
    server.last().say([4, [["topic"], "b"], ["s", ["messages"], 0, 0, [{ text: "hi" }]]], ["mark", 9]);
    expect(told).toEqual([[{ messages: [{ text: "hi" }], topic: "b" }, "open"]]);
    expect(before).toEqual({ messages: [], topic: "a" });
  });

  it("tells a listener once, even if it subscribes anew meanwhile", async () => {
    const { room, server } = await opened();
    let calls = 0;
    let leave = (): void => {};
    const listener = (): void => {
      calls++;
      leave();
      leave = room.subscribe(listener);
    };
    leave = room.subscribe(listener);
    server.last().say([4, [["topic"], "b"]]);
    expect(calls).toBe(1);
  });

  it("tells no listener that has left, and all others if one throws", async () => {
    const { room, server } = await opened();
    const errors: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (work: () => void) => void errors.push(thrownBy(work)));
    const calls: string[] = [];
    const listener = (): void => void calls.push("twice");
    const leave = room.subscribe(listener);
    room.subscribe(listener);
    const leaveToo = room.subscribe(() => {
      throw new Error("listener");
    });
    room.subscribe(() => calls.push("last"));
    leave();
    server.last().say([4, [["topic"], "b"]]);
    leaveToo();
    vi.unstubAllGlobals();
    expect([calls, errors]).toEqual([["twice", "last"], [new Error("listener")]]);
  });

  describe("that lost its connection", () => {
    it("keeps the state, comes back with version and number, and gets what it missed", async () => {
      const { room, server } = await opened();
      server.last().say([4, [["topic"], "b"]]);
      const { state } = room;
      server.last().end(1006);
      expect([room.status, room.state]).toEqual(["reconnecting", state]);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(server.last().protocols).toEqual([PROTOCOL, "durable-base.since.v-1.4"]);
      expect(room.status).toBe("reconnecting");
      server.last().say(["missed", [5, [["topic"], "c"]], [6, [["topic"], "d"]]]);
      expect([room.status, room.state!.topic]).toEqual(["open", "d"]);
      expect(room.state!.messages).toBe(state!.messages);
      expect(told.map(([, status]) => status)).toEqual(["open", "reconnecting", "open"]);
      expect((await comesBack(server)).protocols[1]).toBe("durable-base.since.v-1.6");
    });

    it("takes a whole state, if the object can't tell what it missed", async () => {
      const { room, server } = await opened();
      const { messages } = room.state!;
      await comesBack(server, ["state", "v-2", 0, { topic: "new", messages: [] }]);
      expect(room.state).toEqual({ topic: "new", messages: [] });
      expect(room.state!.messages).toBe(messages);
      expect((await comesBack(server)).protocols[1]).toBe("durable-base.since.v-2.0");
    });

    it("remembers a version that comes with a patch", async () => {
      const { room, server } = await opened();
      server.last().say([
        ["w-5", 1],
        [["topic"], "b"],
      ]);
      server.last().say([2, [["topic"], "c"]]);
      expect(room.state!.topic).toBe("c");
      expect((await comesBack(server)).protocols[1]).toBe("durable-base.since.w-5.2");
    });

    it.each([
      "{",
      '[1,[["no","x"],1]]',
      '["x"]',
      "{}",
      "[]",
      "null",
      "[1,5]",
      '["state","v",1]',
      '["missed",1]',
      new ArrayBuffer(3),
    ])("asks for the whole state after %s, which it can't apply", async (message) => {
      const { room, server } = await opened();
      server.last().message(message);
      expect([room.status, server.last().closedWith]).toEqual(["reconnecting", 1000]);
      expect(room.state).toEqual({ messages: [], topic: "a" });
      await vi.advanceTimersByTimeAsync(1_000);
      expect(server.last().protocols).toEqual([PROTOCOL]);
    });

    it("waits longer after each failure, at random, and at most 30 seconds", async () => {
      const random = vi.mocked(Math.random).mockReturnValue(0.999);
      const { room, server } = await opened([]);
      const delays: number[] = [];
      for (let i = 0; i < 8; i++) {
        server.last().end(1006);
        expect(room.status).toBe("connecting");
        const start = Date.now();
        await vi.advanceTimersToNextTimerAsync();
        delays.push(Date.now() - start);
      }
      expect(delays).toEqual([999, 1_998, 3_996, 7_992, 15_984, 29_970, 29_970, 29_970]);
      random.mockReturnValue(0);
      server.last().end(1006);
      await settle();
      expect(server.sockets.length).toBe(10);
    });

    it("begins with short delays again, once a connection has lasted", async () => {
      vi.mocked(Math.random).mockReturnValue(0.999);
      const { server } = await opened();
      const delayAfter = async (lasted: number): Promise<number> => {
        await vi.advanceTimersByTimeAsync(lasted);
        server.last().end(1006);
        const start = Date.now();
        await vi.advanceTimersToNextTimerAsync();
        server.last().say(STATE);
        return Date.now() - start;
      };
      expect([await delayAfter(0), await delayAfter(4_999), await delayAfter(0), await delayAfter(5_000)]).toEqual([
        999, 1_998, 3_996, 999,
      ]);
    });

    it("begins with short delays after a connection with late messages, too", async () => {
      vi.mocked(Math.random).mockReturnValue(0.999);
      const { server } = await opened();
      server.last().end(1006);
      await vi.advanceTimersToNextTimerAsync();
      server.last().say(["missed"]);
      await vi.advanceTimersByTimeAsync(4_900);
      server.last().say([4, [["topic"], "b"]]);
      await vi.advanceTimersByTimeAsync(200);
      server.last().end(1006);
      await vi.advanceTimersByTimeAsync(999);
      expect(server.sockets.length).toBe(3);
    });

    it("connects at once when the network is back", async () => {
      vi.stubGlobal("addEventListener", vi.fn());
      vi.stubGlobal("removeEventListener", vi.fn());
      const { room, server } = await opened();
      const [[type, online]] = vi.mocked(addEventListener).mock.calls as unknown as [[string, () => void]];
      expect(type).toBe("online");
      online();
      expect(server.last().sent).toEqual(["ping"]);
      server.last().end(1006);
      online();
      await settle();
      expect(server.sockets.length).toBe(2);
      room.close();
      expect(vi.mocked(removeEventListener).mock.calls).toEqual([["online", online]]);
      vi.unstubAllGlobals();
    });
  });

  describe("heartbeat", () => {
    it("asks after 25 seconds of silence, and reconnects if nothing comes for 10 more", async () => {
      const { room, server } = await opened();
      await vi.advanceTimersByTimeAsync(20_000);
      server.last().say([4, [["topic"], "b"]]);
      await vi.advanceTimersByTimeAsync(24_999);
      expect(server.last().sent).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      expect(server.last().sent).toEqual(["ping"]);
      server.last().message("pong");
      await vi.advanceTimersByTimeAsync(25_000);
      expect(server.last().sent).toEqual(["ping", "ping"]);
      await vi.advanceTimersByTimeAsync(9_999);
      expect(room.status).toBe("open");
      await vi.advanceTimersByTimeAsync(1);
      expect([room.status, server.last().closedWith]).toEqual(["reconnecting", 1000]);
      expect(told.length).toBe(2);
    });

    it("leaves an attempt that takes longer than 10 seconds", async () => {
      const { room, server } = await opened([]);
      await vi.advanceTimersByTimeAsync(10_000);
      expect([room.status, server.last().closedWith]).toEqual(["connecting", 1000]);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(server.sockets.length).toBe(2);
      server.sockets[0]!.say(STATE);
      expect(room.status).toBe("connecting");
      server.last().say(STATE);
      expect(room.status).toBe("open");
    });

    it("waits for the code of a close, which comes late in Node", async () => {
      const { room, server } = await opened([]);
      server.last().readyState = 2;
      await vi.advanceTimersByTimeAsync(15_000);
      server.last().end(4001, "no token");
      expect([room.closed, server.sockets.length]).toEqual([{ code: 4001, reason: "no token" }, 1]);
      const other = await opened([]);
      other.server.last().readyState = 2;
      await vi.advanceTimersByTimeAsync(39_999);
      expect(other.server.sockets.length).toBe(1);
      await vi.advanceTimersByTimeAsync(1_001);
      expect(other.server.sockets.length).toBe(2);
    });

    it("ignores a socket that it has left", async () => {
      const { room, server } = await opened();
      await comesBack(server, ["missed"]);
      const [old] = server.sockets;
      old!.say([9, [["topic"], "old"]]);
      old!.end(4000, "old");
      expect([room.status, room.state!.topic, server.sockets.length]).toEqual(["open", "a", 2]);
    });
  });

  describe("query", () => {
    it("is asked for each connection", async () => {
      let nth = 0;
      const { server } = await opened(
        undefined,
        { query: () => Promise.resolve({ token: `t&${++nth}` }) },
        "ws://host/?a=b",
      );
      expect(server.last().url).toBe("ws://host/?a=b&token=t%261");
      expect((await comesBack(server)).url).toBe("ws://host/?a=b&token=t%262");
    });

    it("may be an object, and replaces parameters of the URL", async () => {
      const { server } = await opened(undefined, { query: { a: "c" } }, "ws://host/?a=b");
      expect(server.last().url).toBe("ws://host/?a=c");
    });

    it("is asked again after a delay if it fails or takes too long", async () => {
      const query = vi.fn<() => Promise<Record<string, string>>>();
      query.mockRejectedValueOnce(new Error("offline"));
      query.mockReturnValueOnce(new Promise(() => {}));
      query.mockResolvedValue({ token: "t" });
      const { room, server } = await opened([], { query });
      expect([query.mock.calls.length, room.status]).toEqual([1, "connecting"]);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(query.mock.calls.length).toBe(2);
      await vi.advanceTimersByTimeAsync(12_000);
      expect([query.mock.calls.length, server.sockets.length]).toEqual([3, 1]);
    });

    it.each(["answered", "failed"])("has no effect if it is %s after the client was closed", async (how) => {
      let end: (() => void) | undefined;
      const query = () =>
        new Promise<Record<string, string>>((resolve, reject) => {
          end = () => (how === "answered" ? resolve({}) : reject(new Error("offline")));
        });
      const { room, server } = await opened([], { query });
      room.close();
      end!();
      await vi.advanceTimersByTimeAsync(100_000);
      expect([server.sockets.length, room.status]).toEqual([0, "closed"]);
    });
  });

  describe("close", () => {
    it("ends the connection permanently", async () => {
      const { room, server } = await opened();
      room.close();
      room.close();
      expect([room.status, room.closed, server.last().closedWith]).toEqual([
        "closed",
        { code: 1000, reason: "" },
        1000,
      ]);
      expect(room.state).toEqual({ messages: [], topic: "a" });
      expect(told.map(([, status]) => status)).toEqual(["closed"]);
      await vi.advanceTimersByTimeAsync(100_000);
      expect(server.sockets.length).toBe(1);
    });

    it("ends a client that is connecting, or waits to reconnect", async () => {
      for (const isOpen of [false, true]) {
        const { room, server } = await opened(isOpen ? [STATE] : []);
        if (isOpen) server.last().end(1006);
        room[Symbol.dispose]();
        await vi.advanceTimersByTimeAsync(100_000);
        expect([room.status, server.sockets.length]).toEqual(["closed", 1]);
      }
    });

    it.each([1008, 4000, 4001, 4999])("is final by the object with %d", async (code) => {
      const { room, server } = await opened();
      server.last().end(code, "go away");
      expect([room.status, room.closed]).toEqual(["closed", { code, reason: "go away" }]);
      await vi.advanceTimersByTimeAsync(100_000);
      expect(server.sockets.length).toBe(1);
    });

    it.each([1000, 1001, 1005, 1006, 1009, 1011, 1012, 3000, 3999])("isn't final with %d", async (code) => {
      const { room, server } = await opened();
      server.last().end(code);
      await vi.advanceTimersByTimeAsync(1_000);
      expect([room.status, server.sockets.length]).toEqual(["reconnecting", 2]);
    });
  });
});

describe("call", () => {
  it("sends the method, its input and key, and resolves to the result", async () => {
    const { room, server } = await opened();
    const said = room.call.say({ text: "hi" });
    const renamed = room.call.rename("b", { key: "k" });
    const cleared = room.call.clear();
    const keyed = room.call.clear(undefined, { key: "l" });
    expect(server.last().sent).toEqual([
      ["call", 1, "say", { text: "hi" }],
      ["call", 2, "rename", "b", "k"],
      ["call", 3, "clear"],
      ["call", 4, "clear", { $: ["u"] }, "l"],
    ]);
    server.last().say(["ok", 4], ["ok", 3], ["ok", 2, null], ["ok", 1, toWire({ n: 5n })]);
    expect(await Promise.all([said, renamed, cleared, keyed])).toEqual([{ n: 5n }, null, undefined, undefined]);
    expect(told).toEqual([]);
  });

  it("takes the input as it is when the call is made, and waits for the connection", async () => {
    const { room, server } = await opened([]);
    const input = { text: "hi" };
    const said = room.call.say(input);
    input.text = "changed";
    expect(server.last().sent).toEqual([]);
    server.last().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    server.last().say(STATE);
    expect(server.last().sent).toEqual([["call", 1, "say", { text: "hi" }]]);
    server.last().say(["ok", 1, 7]);
    expect(await said).toBe(7);
  });

  it("rejects with the object's error", async () => {
    const { room, server } = await opened();
    const said = room.call.say({ text: "" });
    const issues = [{ path: ["text"], message: "too short" }];
    server.last().say(["error", 1, { code: "invalid-input", message: "no", issues }]);
    const error = await errorOf(said);
    expect([DurableError.is(error, "invalid-input"), error]).toEqual([
      true,
      expect.objectContaining({ message: "no", issues }),
    ]);
    const again = room.call.clear();
    server.last().say(["error", 2, { code: "not-callable", message: "no" }]);
    expect(Object.keys(await errorOf(again))).not.toContain("issues");
  });

  it("rejects an input that can't be sent, and sends nothing", async () => {
    const { room, server } = await opened();
    const error = await errorOf(room.call.say({ text: (() => {}) as unknown as string }));
    expect(error).toMatchObject({
      code: "not-json",
      message: "call.say: the input can't be sent. A function can't be sent. Pass plain data.",
    });
    expect(server.last().sent).toEqual([]);
  });

  it("isn't a promise itself, and has the same functions each time", async () => {
    const { room } = await opened();
    expect(await room.call).toBe(room.call);
    expect(JSON.stringify(room.call)).toBe("{}");
    expect(room.call.say).toBe(room.call.say);
    expect((room.call as unknown as { toString: unknown }).toString).toBeTypeOf("function");
  });

  it("ignores answers to calls that it doesn't know", async () => {
    const { room, server } = await opened();
    server.last().say(["ok", 9, 1], ["error", 9, { code: "x", message: "" }], ["item", 9, 1], ["mark", 9]);
    expect(room.status).toBe("open");
  });

  describe("that was sent when the connection was lost", () => {
    it("rejects with call-lost, and isn't sent again", async () => {
      const { room, server } = await opened();
      const said = errorOf(room.call.say({ text: "hi" }));
      const next = await comesBack(server, ["missed"]);
      expect(await said).toMatchObject(lostSent);
      expect(next.sent).toEqual([]);
      next.say(["ok", 1, 1]);
    });

    it("is sent again if it has a key, or its method is listed, in order and before later ones", async () => {
      const { room, server } = await opened(undefined, { idempotent: ["rename"] });
      const said = room.call.say({ text: "hi" }, { key: "k" });
      const lost = errorOf(room.call.clear());
      const renamed = room.call.rename("b");
      server.last().end(1006);
      const later = errorOf(room.call.clear());
      await vi.advanceTimersByTimeAsync(1_000);
      expect(server.last().sent).toEqual([]);
      server.last().say(["missed"]);
      expect(server.last().sent).toEqual([
        ["call", 1, "say", { text: "hi" }, "k"],
        ["call", 3, "rename", "b"],
        ["call", 4, "clear"],
      ]);
      await comesBack(server, ["missed"]);
      expect(server.last().sent.length).toBe(2);
      server.last().say(["ok", 1, 1], ["ok", 3]);
      expect(await Promise.all([said, renamed])).toEqual([1, undefined]);
      expect(await lost).toMatchObject(lostSent);
      expect(await later).toMatchObject(lostSent);
    });
  });

  it("isn't sent again, even with a key, if a message was too large for the object", async () => {
    const { room, server } = await opened();
    const said = errorOf(room.call.say({ text: "x".repeat(2_000_000) }, { key: "k" }));
    server.last().end(1009, "message too large");
    expect(await said).toMatchObject(lostSent);
    await comesBack(server, ["missed"]);
    expect(server.last().sent).toEqual([]);
  });

  it("rejects with call-lost when the client is closed, and says if it was sent", async () => {
    const { room, server } = await opened(undefined);
    const sent = errorOf(room.call.say({ text: "hi" }, { key: "k" }));
    server.last().end(1006);
    const unsent = errorOf(room.call.clear());
    room.close();
    expect(await sent).toMatchObject(lostSent);
    expect(await unsent).toMatchObject(lostUnsent);
    expect(await errorOf(room.call.clear())).toMatchObject({
      ...lostUnsent,
      message: expect.stringContaining("Connect again"),
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("rejects with call-lost when the object closes the connection for good", async () => {
    const { room, server } = await opened();
    const sent = errorOf(room.call.say({ text: "hi" }));
    server.last().end(4001, "sign in");
    expect(await sent).toMatchObject(lostSent);
  });

  describe("signal", () => {
    it("ends a call before it is made, while it waits, and while it runs", async () => {
      const { room, server } = await opened([]);
      const reason = new Error("enough");
      expect(await errorOf(room.call.clear(undefined, { signal: AbortSignal.abort(reason) }))).toBe(reason);
      const control = new AbortController();
      const waiting = errorOf(room.call.clear(undefined, { signal: control.signal }));
      control.abort(reason);
      expect(await waiting).toBe(reason);
      server.last().say(STATE);
      expect(server.last().sent).toEqual([]);
      const running = new AbortController();
      const call = errorOf(
        room.call.say(
          { text: "" },
          { signal: running.signal, optimistic: ({ messages }) => void messages.push({ text: "" }) },
        ),
      );
      expect(room.state!.messages.length).toBe(1);
      running.abort(reason);
      expect(await call).toBe(reason);
      expect(room.state!.messages.length).toBe(0);
      expect(server.last().sent).toEqual([
        ["call", 3, "say", { text: "" }],
        ["stop", 3],
      ]);
      server.last().say(["ok", 3, 1]);
    });

    it("keeps no listener after the answer", async () => {
      const { room, server } = await opened();
      const { signal } = new AbortController();
      const remove = vi.spyOn(signal, "removeEventListener");
      const call = room.call.clear(undefined, { signal });
      server.last().say(["ok", 1]);
      await call;
      expect(remove).toHaveBeenCalledTimes(1);
    });
  });
});

describe("a stream", () => {
  it("yields items as they come, and ends", async () => {
    const { room, server } = await opened();
    const items: number[] = [];
    const done = (async () => {
      for await (const item of room.call.watch({ from: 1 })) items.push(item);
    })();
    server.last().say(["item", 1, 1], ["item", 1, { $: ["n", "NaN"] }]);
    await settle();
    expect(items).toEqual([1, NaN]);
    server.last().say(["item", 1, 3], ["ok", 1]);
    await done;
    expect(items).toEqual([1, NaN, 3]);
    expect(server.last().sent).toEqual([["call", 1, "watch", { from: 1 }]]);
  });

  it("asks for more as items are consumed", async () => {
    const { room, server } = await opened();
    const iterator = room.call.watch({ from: 0 })[Symbol.asyncIterator]();
    server.last().say(...Array.from({ length: 64 }, (_, i) => ["item", 1, i]));
    const more = (): unknown[] => server.last().sent.slice(1);
    for (let i = 0; i < 31; i++) await iterator.next();
    expect(more()).toEqual([]);
    expect(await iterator.next()).toEqual({ done: false, value: 31 });
    expect(more()).toEqual([["more", 1, 32]]);
    server.last().say(["ok", 1]);
    for (let i = 0; i < 32; i++) await iterator.next();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(more().length).toBe(1);
  });

  it("stops when the loop is left, and drops what comes late", async () => {
    const { room, server } = await opened();
    server.last().say();
    const done = (async () => {
      for await (const item of room.call.watch({ from: 0 })) if (item === 1) return;
    })();
    server.last().say(["item", 1, 1], ["item", 1, 2]);
    await done;
    expect(server.last().sent.slice(1)).toEqual([["stop", 1]]);
    server.last().say(["item", 1, 3], ["ok", 1]);
    expect(room.status).toBe("open");
  });

  it("can be left while it waits for an item", async () => {
    const { room, server } = await opened();
    const iterator = room.call.watch({ from: 0 })[Symbol.asyncIterator]();
    const next = iterator.next();
    expect(await iterator.return!()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await iterator.return!()).toEqual({ done: true, value: undefined });
    expect(server.last().sent.slice(1)).toEqual([["stop", 1]]);
  });

  it("yields nothing more once it was left", async () => {
    const { room, server } = await opened();
    const iterator = room.call.watch({ from: 0 })[Symbol.asyncIterator]();
    server.last().say(["item", 1, 1], ["item", 1, 2]);
    expect(await iterator.return!()).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it("yields what came before an error, then throws it once", async () => {
    const { room, server } = await opened();
    const iterator = room.call.watch({ from: 0 })[Symbol.asyncIterator]();
    server.last().say(["item", 1, 1], ["error", 1, { code: "invalid-input", message: "no" }]);
    expect(await iterator.next()).toEqual({ done: false, value: 1 });
    expect(await errorOf(iterator.next())).toMatchObject({ code: "invalid-input" });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it("throws the signal's reason, and stops", async () => {
    const { room, server } = await opened();
    const control = new AbortController();
    const iterator = room.call.watch({ from: 0 }, { signal: control.signal })[Symbol.asyncIterator]();
    const next = errorOf(iterator.next());
    control.abort(new Error("enough"));
    expect(await next).toEqual(new Error("enough"));
    expect(server.last().sent.slice(1)).toEqual([["stop", 1]]);
  });

  it("isn't sent again after an item, even if its method is listed", async () => {
    const { room, server } = await opened(undefined, { idempotent: ["watch"] });
    const begun = room.call.watch({ from: 0 })[Symbol.asyncIterator]();
    const fresh = room.call.watch({ from: 1 })[Symbol.asyncIterator]();
    server.last().say(["item", 1, 1]);
    const next = await comesBack(server, ["missed"]);
    expect(next.sent).toEqual([["call", 2, "watch", { from: 1 }]]);
    expect(await begun.next()).toEqual({ done: false, value: 1 });
    expect(await errorOf(begun.next())).toMatchObject(lostSent);
    next.say(["item", 2, 5], ["ok", 2]);
    expect(await fresh.next()).toEqual({ done: false, value: 5 });
  });
});

describe("an optimistic call", () => {
  const say = (room: Client<Room>, text: string) =>
    room.call.say({ text }, { optimistic: ({ messages }) => void messages.push({ text }) });
  const texts = (room: Client<Room>): string[] => room.state!.messages.map(({ text }) => text);
  const added = (at: number, text: string): unknown[] => ["s", ["messages"], at, 0, [{ text }]];

  it("shows its change at once, on each state, until its own changes come", async () => {
    const { room, server } = await opened();
    const said = say(room, "mine");
    expect([texts(room), told.length]).toEqual([["mine"], 1]);
    server.last().say([4, added(0, "theirs")]);
    expect(texts(room)).toEqual(["theirs", "mine"]);
    server.last().say(["mark", 1]);
    expect(texts(room)).toEqual(["theirs", "mine"]);
    server.last().say([5, added(1, "MINE")]);
    expect(texts(room)).toEqual(["theirs", "MINE"]);
    expect(told.length).toBe(3);
    server.last().say(["ok", 1, 2]);
    expect([await said, texts(room), told.length]).toEqual([2, ["theirs", "MINE"], 3]);
  });

  it("takes the change back when the call fails, or has changed nothing", async () => {
    const { room, server } = await opened();
    const failed = errorOf(say(room, "bad"));
    const changedNothing = say(room, "same");
    expect(texts(room)).toEqual(["bad", "same"]);
    server.last().say(["error", 1, { code: "invalid-input", message: "no" }]);
    expect(texts(room)).toEqual(["same"]);
    server.last().say(["ok", 2, 0]);
    expect(texts(room)).toEqual([]);
    expect(await failed).toMatchObject({ code: "invalid-input" });
    await changedNothing;
  });

  it("takes the change back when the call is lost, or once the client is connected again", async () => {
    const { room, server } = await opened();
    const lost = errorOf(say(room, "lost"));
    const kept = room.call.say(
      { text: "kept" },
      { key: "k", optimistic: ({ messages }) => void messages.push({ text: "kept" }) },
    );
    server.last().end(1006);
    expect(texts(room)).toEqual(["kept"]);
    await vi.advanceTimersByTimeAsync(1_000);
    server.last().say(["missed", [4, added(0, "other")]]);
    expect(texts(room)).toEqual(["other"]);
    server.last().say(["mark", 2], [5, added(1, "kept")], ["ok", 2, 1]);
    expect(texts(room)).toEqual(["other", "kept"]);
    expect(await lost).toMatchObject(lostSent);
    await kept;
  });

  it("rejects if its change throws, and isn't sent", async () => {
    const { room, server } = await opened();
    const error = await errorOf(
      room.call.say(
        { text: "" },
        {
          optimistic: (draft) => {
            draft.topic = "half";
            throw new Error("mistake");
          },
        },
      ),
    );
    expect([error, server.last().sent, room.state!.topic, told]).toEqual([new Error("mistake"), [], "a", []]);
  });

  it("is left out of a later state on which its change throws", async () => {
    const { room, server } = await opened([["state", "v", 0, { messages: [{ text: "a" }], topic: "t" }]]);
    const edited = room.call.say({ text: "b" }, { optimistic: ({ messages }) => void (messages[0]!.text = "b") });
    expect(texts(room)).toEqual(["b"]);
    server.last().say([1, ["s", ["messages"], 0, 1, []]]);
    expect(texts(room)).toEqual([]);
    server.last().say([2, added(0, "c")]);
    expect(texts(room)).toEqual(["b"]);
    server.last().say(["ok", 1, 0]);
    expect(texts(room)).toEqual(["c"]);
    await edited;
  });

  it("changes nothing until there is a state", async () => {
    const { room, server } = await opened([]);
    const said = say(room, "early");
    expect(room.state).toBeUndefined();
    server.last().say(STATE);
    expect(texts(room)).toEqual(["early"]);
    server.last().say(["mark", 1], [4, added(0, "early")], ["ok", 1, 1]);
    expect([await said, texts(room)]).toEqual([1, ["early"]]);
  });

  it("keeps the identity of what it doesn't change", async () => {
    const { room, server } = await opened([["state", "v", 0, { messages: [{ text: "a" }], topic: "t" }]]);
    const [first] = room.state!.messages;
    const said = say(room, "b");
    server.last().say([1, [["topic"], "u"]]);
    expect([room.state!.messages[0] === first, room.state!.topic]).toEqual([true, "u"]);
    server.last().say(["ok", 1, 0]);
    await said;
  });
});

describe("ObjectClient", () => {
  it("can be started twice, and again after it was closed, as a component mounts", async () => {
    vi.mocked(Math.random).mockReturnValue(0.999);
    const server = fakeServer();
    const client = new ObjectClient("ws://host", { WebSocket: server.WebSocket });
    client.start();
    client.start();
    await settle();
    expect(server.sockets.length).toBe(1);
    server.last().end(1006);
    client.close();
    client.start();
    expect([client.status, client.closed]).toEqual(["connecting", undefined]);
    await settle();
    expect(server.sockets.length).toBe(2);
    server.last().end(1006);
    await vi.advanceTimersByTimeAsync(999);
    expect(server.sockets.length).toBe(3);
    client.close();
  });
});
