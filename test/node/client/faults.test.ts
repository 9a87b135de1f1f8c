/** Calls that must not be doubled, lost or left waiting, by every client. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CallLost, connect, http } from "durable-base/client";
import { useClient } from "durable-base/react";
import { createElement, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ObjectClient } from "../../../src/client/object-client.ts";
import { Calls } from "../../../src/sync/calls.ts";
import { fakeServer } from "../../client/fake-server.ts";

declare class Room {
  messages: string[];
  say(text: string): Promise<number>;
  watch(input: { from: number }): AsyncGenerator<number>;
}

const STATE = ["state", "v-1", 3, { messages: [] }];

async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

describe("connect", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.99);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("sends a call once that a listener makes when the client opens", async () => {
    const server = fakeServer();
    const room = connect<Room>("ws://host/lobby", { WebSocket: server.WebSocket });
    let isCalled = false;
    room.subscribe(() => {
      if (room.status !== "open" || isCalled) return;
      isCalled = true;
      room.call.say("hello").catch(() => {});
    });
    await settle();
    server.last().say(STATE);
    expect(server.last().sent).toEqual([["call", 1, "say", "hello"]]);
    room.close();
  });

  it("sends calls in their order when a listener makes one as the client opens", async () => {
    const server = fakeServer();
    const room = connect<Room>("ws://host/lobby", { WebSocket: server.WebSocket });
    room.call.say("first").catch(() => {});
    let isCalled = false;
    room.subscribe(() => {
      if (room.status !== "open" || isCalled) return;
      isCalled = true;
      room.call.say("second").catch(() => {});
    });
    await settle();
    server.last().say(STATE);
    expect(
      server
        .last()
        .sent.map((frame) => (frame as unknown[])[3])
        .slice(0, 2),
    ).toEqual(["first", "second"]);
    room.close();
  });

  it("waits longer after each failure, once a steady connection was lost", async () => {
    const server = fakeServer();
    const room = connect<Room>("ws://host/lobby", { WebSocket: server.WebSocket });
    await settle();
    server.last().say(STATE);
    await settle(6_000);
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      const { length } = server.sockets;
      server.last().end(1006);
      let ms = 0;
      for (; server.sockets.length === length; ms += 10) await settle(10);
      waits.push(ms);
    }
    room.close();
    // 990, 1980, 3960 …
    expect(waits[5]).toBeGreaterThan(waits[0]! * 8);
  });

  it("shows an optimistic change once, when it is among the missed ones", async () => {
    const server = fakeServer();
    const room = connect<Room>("ws://host/lobby", { WebSocket: server.WebSocket });
    await settle();
    server.last().say(STATE);
    room.call.say("hi", { key: "k", optimistic: (draft) => void draft.messages.push("hi") }).catch(() => {});
    server.last().end(1006);
    await settle(1_000);
    const seen: unknown[] = [];
    room.subscribe(() => seen.push(room.state!.messages));
    server.last().say(["missed", [4, ["s", ["messages"], 0, 0, ["hi"]]]]);
    server.last().say(["ok", 1, 1]);
    room.close();
    expect(seen).not.toContainEqual(["hi", "hi"]);
  });

  it("throws a CallLost when the object says that a stream is lost", async () => {
    const server = fakeServer();
    const room = connect<Room>("ws://host/lobby", { WebSocket: server.WebSocket });
    await settle();
    server.last().say(STATE);
    const next = room.call.watch({ from: 1 })[Symbol.asyncIterator]().next();
    server.last().say(["error", 1, { code: "call-lost", message: "The stream was lost." }]);
    const error: unknown = await next.catch((reason: unknown) => reason);
    room.close();
    expect(error).toBeInstanceOf(CallLost);
  });
});

describe("calls", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.2);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("sends no call again and again whose answer can't be read", async () => {
    const server = fakeServer();
    const room = connect<Room>("ws://host/lobby", { WebSocket: server.WebSocket });
    await settle();
    server.last().say(STATE);
    let ended = false;
    room.call.say("a", { key: "k" }).catch(() => (ended = true));
    // Such as a Float16Array, which Node 22 lacks.
    for (let i = 0; i < 5 && !ended; i++) {
      server.last().say(["ok", 1, { $: ["b", "AAA=", "Float128Array"] }]);
      await settle(40_000);
      server.last().say(STATE);
    }
    const calls = server.sockets.flatMap(({ sent }) => sent.filter((frame) => (frame as unknown[])[0] === "call"));
    room.close();
    expect(calls.length).toBeLessThan(3);
  });
});

describe("react", () => {
  it("reads the options of the render that changes the URL", async () => {
    const [one, two] = [fakeServer(), fakeServer()];
    const made: ObjectClient[] = [];
    function Page(): null {
      const [nth, setNth] = useState(0);
      const room = useClient<Room>(`ws://host/${nth}`, { WebSocket: [one, two][nth]!.WebSocket });
      made.push(room as unknown as ObjectClient);
      if (nth === 0) setNth(1);
      return null;
    }
    renderToString(createElement(Page));
    vi.useFakeTimers();
    made.at(-1)!.start();
    await settle();
    made.at(-1)!.close();
    vi.useRealTimers();
    expect([one.sockets.length, two.sockets.map(({ url }) => url)]).toEqual([0, ["ws://host/1"]]);
  });
});

describe("http", () => {
  interface Api {
    add(input: { text: string }): { id: number };
    list(): { id: number };
  }

  it("ends a call by its signal while `headers` is under way", async () => {
    const api = http<Api>("http://127.0.0.1:1", { add: "POST /add" }, { headers: () => new Promise(() => {}) });
    const call = api.add({ text: "a" }, { signal: AbortSignal.timeout(20) }).then(
      () => "done",
      () => "ended",
    );
    const slow = new Promise((resolve) => setTimeout(() => resolve("hangs"), 300));
    expect(await Promise.race([call, slow])).toBe("ended");
  });

  it("resolves no POST with the answer of a GET that a redirect has made of it", async () => {
    const verbs: string[] = [];
    const server = createServer((request, response) => {
      verbs.push(request.method!);
      if (request.url === "/add") response.writeHead(301, { location: "/moved" }).end();
      else response.writeHead(200, { "content-type": "application/json" }).end('{"id":1}');
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    try {
      const api = http<Api>(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { add: "POST /add" });
      const result = await api.add({ text: "a" }).then(
        () => "resolved",
        () => "rejected",
      );
      expect([result, verbs]).toEqual(["rejected", ["POST"]]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it.each(["http://host/a?", "http://host/a#"])("calls below the path of %s, or refuses it", async (url) => {
    let sent = "http://host/a/list";
    const fetch = async (target: string): Promise<Response> => {
      sent = target;
      return Response.json({ id: 1 });
    };
    try {
      await http<Api>(url, { list: "GET /list" }, { fetch }).list();
    } catch {
      // A refusal is fine.
    }
    expect(sent).toBe("http://host/a/list");
  });
});

describe("the server", () => {
  it("ends a stream that its client has asked for more of 50,000 times", async () => {
    const sent: string[] = [];
    vi.stubGlobal("scheduler", { wait: async () => {} });
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    // Node's WebSocket lacks the constant that the server compares with.
    const native = { readyState: undefined, send: (text: string) => sent.push(text) };
    const connection = { native, end: () => sent.push("end") };
    let finish!: () => void;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const host = {
      object: new (class Room {})(),
      scope: () => ({}),
      enter: async (work: () => unknown) => await work(),
      afterWrite: (work: () => void) => work(),
      call: async function* () {
        yield 1;
        await finished;
      },
    };
    const calls = new Calls({
      host: host as never,
      methods: new Set(["watch"]),
      sendChanges: () => {},
      isBehind: () => false,
    });
    const take = (frame: unknown) => calls.receive(connection as never, JSON.stringify(frame));
    const event = take(["call", 1, "watch"])!.then(() => "released");
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (let i = 0; i < 50_000; i++) void take(["more", 1, 1]);
    finish();
    const slow = new Promise((resolve) => setTimeout(() => resolve("held"), 300));
    const outcome = await Promise.race([event, slow]);
    process.off("unhandledRejection", listen);
    vi.unstubAllGlobals();
    expect(sent).toContain('["item",1,1]');
    expect([outcome, unhandled.map(String)]).toEqual(["released", []]);
  });
});
