/** The hooks `entry` and `socket` of parts. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase } from "durable-base";
import { attach, type ListedPart } from "durable-base/part";
import { describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import { entriesOf, events, watchOf, type Watched, type WatchedLike } from "./fixtures/watch.ts";

type Stub = DurableObjectStubOf<WatchedLike>;
type DurableObjectStubOf<T extends Rpc.DurableObjectBranded> = DurableObjectStub<T> & {
  readonly total: Promise<number>;
};

describe.each([
  ["standard", () => env.WATCHING as never, () => env.WATCHING_ONLY as never],
  ["legacy", () => env.LEGACY_WATCHING as never, () => env.LEGACY_WATCHING_ONLY as never],
] as [string, () => DurableObjectNamespace<WatchedLike>, () => DurableObjectNamespace<DurableBase>][])(
  "parts with hooks (%s)",
  (_, namespace, only) => {
    let nth = 0;
    const fresh = (): Stub => namespace().getByName(`hooks ${nth++}`) as Stub;
    /** The entries since the last look, without times. */
    const seen = (stub: Stub): string[] =>
      entriesOf(stub)
        .splice(0)
        .map(({ kind, name, end }) => `${kind} ${name}: ${end?.outcome ?? "open"}`);
    /** A started object whose entries so far are forgotten. */
    const started = async (): Promise<Stub> => {
      const stub = fresh();
      await stub.increment(1);
      expect(seen(stub)).toEqual(["start onStart: ok", "rpc increment: ok"]);
      return stub;
    };

    describe("entry", () => {
      const kinds: Record<string, [run: (stub: Stub) => Promise<unknown>, seen: string[]]> = {
        "a method": [(stub) => stub.increment(1), ["rpc increment: ok"]],
        "an async method": [(stub) => stub.later(), ["rpc later: ok"]],
        "a getter": [async (stub) => await stub.total, ["rpc total: ok"]],
        "a method that throws": [(stub) => errorOf(() => stub.fail()), ["rpc fail: error"]],
        "a write that fails": [(stub) => errorOf(() => stub.unwritable()), ["rpc unwritable: error"]],
        "a route": [(stub) => text(stub, "/routed"), ["fetch fetch: ok", "fetch routed: ok"]],
        "a part's request": [(stub) => text(stub, "/part"), ["fetch fetch: ok"]],
        "a stream": [
          (stub) => text(stub, "/items"),
          ["fetch fetch: ok", "fetch items: ok", "later pull: ok", "later pull: ok", "later pull: ok"],
        ],
        "a part's caller": [
          async (stub) => await (stub as unknown as { __call(name: string): Promise<string> }).__call("watch"),
          ["part watch: ok"],
        ],
        "a part": [
          (stub) => runInDurableObject(stub, (self) => watchOf(self).tick()),
          ["part watch.tick: ok", "part watch: ok"],
        ],
        "what was handed out": [
          async (stub) => {
            using handed = (await stub.handed()) as unknown as {
              call(): Promise<string>;
              target: { touch(): Promise<string> };
            } & Disposable;
            await handed.call();
            await handed.target.touch();
          },
          ["rpc handed: ok", "later call: ok", "later touch: ok"],
        ],
        "an alarm": [
          async (stub) => {
            await stub.wake(Date.now());
            await eventually(async () =>
              expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).toBeNull(),
            );
            await eventually(() => expect(entriesOf(stub).at(-1)).toMatchObject({ kind: "alarm", end: {} }));
          },
          ["rpc wake: ok", "alarm alarm: ok"],
        ],
        "a job": [
          async (stub) => {
            await stub.remindLater();
            await eventually(() => expect(entriesOf(stub).at(-1)).toMatchObject({ kind: "part", end: {} }));
          },
          ["rpc remindLater: ok", "part jobs.remind: ok"],
        ],
        "destroy()": [
          async (stub) => {
            await stub.end();
            // A stub of before the reset would reject.
            await scheduler.wait(30);
            await (namespace().get(stub.id) as Stub).increment(1);
          },
          ["rpc end: ok", "destroy onDestroy: ok", "start onStart: ok", "rpc increment: ok"],
        ],
      };

      it.each(Object.keys(kinds))("runs around %s", async (kind) => {
        const [run, expected] = kinds[kind]!;
        const stub = await started();
        const before = Date.now();
        await run(stub);
        for (const { time } of entriesOf(stub)) expect(time).toBeGreaterThanOrEqual(before);
        expect(seen(stub)).toEqual(expected);
      });

      it("gets the duration, and the error that the caller gets", async () => {
        const stub = await started();
        const ended = async (call: () => unknown): Promise<Watched["end"]> => {
          await call();
          return entriesOf(stub).splice(0)[0]!.end;
        };
        expect((await ended(() => stub.later()))?.duration).toBeGreaterThan(10);
        expect(await ended(() => errorOf(() => stub.fail()))).toMatchObject({
          outcome: "error",
          error: { name: "RangeError", message: "no" },
        });
        expect(await ended(() => errorOf(() => stub.unwritable()))).toMatchObject({ error: { code: "write-failed" } });
      });

      it("isn't called for calls within an entry", async () => {
        const stub = await started();
        await stub.later();
        expect(seen(stub)).toEqual(["rpc later: ok"]);
      });

      it.each(["begin", "end"] as const)("changes nothing if it throws at the %s", async (where) => {
        using log = vi.spyOn(console, "error").mockImplementation(() => {});
        const stub = await started();
        await runInDurableObject(stub, (self) => void (watchOf(self).fails = where));
        expect(await stub.increment(1)).toBe(3);
        expect(await stub.later()).toBe("later");
        expect(await errorOf(() => stub.fail())).toMatchObject({ message: "no" });
        expect(log.mock.calls).toEqual(
          Array.from({ length: 3 }, () => [expect.stringContaining("hook `entry`"), new RangeError("hook")]),
        );
      });

      it("isn't called in a class without it", async () => {
        await runInDurableObject(env.TILL.getByName("unobserved"), async (self) => {
          const { lifeOf } = await import("../../src/core/instance.ts");
          expect(lifeOf(self).observe).toBeUndefined();
        });
      });
    });

    describe("socket", () => {
      const connect = async (stub: Pick<Stub, "fetch">, tag: string): Promise<[WebSocket, unknown[]]> => {
        const { webSocket } = await stub.fetch(`http://o/socket/${tag}`, { headers: { upgrade: "websocket" } });
        const got: unknown[] = [];
        webSocket!.addEventListener("message", ({ data }) => got.push(data));
        webSocket!.addEventListener("close", ({ code, reason }) => got.push([code, reason]));
        webSocket!.accept();
        return [webSocket!, got];
      };

      it("gets the messages of the part's sockets, and the class gets all others, even after an eviction", async () => {
        const stub = await started();
        const sockets = await Promise.all(["feed", "other", "chat"].map((tag) => connect(stub, tag)));
        for (const evicted of [false, true]) {
          if (evicted) await evictDurableObject(stub);
          for (const [socket, got] of sockets) {
            got.length = 0;
            socket.send("hello");
          }
          await eventually(() => expect(sockets.flatMap(([, got]) => got)).toHaveLength(3));
          expect(sockets.map(([, got]) => got)).toEqual([
            ["feed: hello, entry"],
            [`own: hello, ${evicted ? 3 : 2}`],
            ["chat: hello, entry"],
          ]);
        }
        expect(seen(stub).filter((entry) => entry.startsWith("socket"))).toEqual(
          Array.from({ length: 6 }, () => "socket webSocketMessage: ok"),
        );
      });

      it("starts the object first", async () => {
        const stub = await started();
        const [socket, got] = await connect(stub, "chat");
        await evictDurableObject(stub);
        seen(stub);
        socket.send("hello");
        await eventually(() => expect(got).toHaveLength(1));
        expect(seen(stub)).toEqual(["start onStart: ok", "socket webSocketMessage: ok"]);
      });

      it("gets the end of a socket, and needs no handler for it", async () => {
        const stub = await started();
        const [[chat, told], [other, own], [feed]] = await Promise.all([
          connect(stub, "chat"),
          connect(stub, "other"),
          connect(stub, "feed"),
        ]);
        events.length = 0;
        chat.close(4000, "enough");
        other.close(4001, "enough");
        feed.close(4002, "enough");
        await eventually(() => expect([told, own]).toEqual([[[1000, "bye"]], [[1000, "own"]]]));
        expect(events).toEqual([["close", 4000, "enough", true]]);
      });

      it("gets the errors of the part's sockets", async () => {
        const stub = await started();
        await connect(stub, "chat");
        events.length = 0;
        await runInDurableObject(stub, async (self: WatchedLike, ctx) => {
          await self.webSocketError!(ctx.getWebSockets("chat")[0]!, "lost");
        });
        expect(events).toEqual([["error", "lost"]]);
        expect(seen(stub).at(-1)).toBe("socket webSocketError: ok");
      });

      it("works in a class without handlers of its own", async () => {
        const stub = only().getByName("alone");
        const [[chat, got], [other]] = await Promise.all([connect(stub, "chat"), connect(stub, "other")]);
        await evictDurableObject(stub);
        other.send("nobody");
        chat.send("hello");
        await eventually(() => expect(got).toEqual(["chat: hello, entry"]));
      });

      it("brings handlers to no other class, and hides them", async () => {
        const handlers = ["webSocketMessage", "webSocketClose", "webSocketError"];
        await runInDurableObject(env.TILL.getByName("no sockets"), (self) => {
          for (const name of handlers) expect(name in self).toBe(false);
        });
        const stub = only().getByName("hidden") as unknown as Record<string, () => Promise<unknown>>;
        for (const name of handlers)
          expect(String(await errorOf(() => stub[name]!()))).toMatch(/does not implement|reserved/);
        await runInDurableObject(only().getByName("hidden"), (self) => {
          for (const name of handlers) expect(Object.keys(self)).not.toContain(name);
        });
      });
    });
  },
);

describe("several parts with hooks", () => {
  it("nest in their order, and leave a sync entry sync", async () => {
    const seen: unknown[] = [];
    const observer = (name: string): ListedPart => ({
      name,
      attach: (object) =>
        void attach(object, name, () => ({
          entry: (start) => {
            seen.push(`${name} begins ${start.name}`);
            return ({ outcome }) => void seen.push(`${name} ends: ${outcome}`);
          },
        })),
    });
    class Twice extends DurableBase {
      static override parts = [observer("a"), observer("b")];
      act(): number {
        seen.push("runs");
        return 1;
      }
    }
    await runInDurableObject(env.PROBE.getByName("observed twice"), async (_, ctx) => {
      const self = new Twice(ctx, env);
      await scheduler.wait(0);
      expect(self.act()).toBe(1);
    });
    expect(seen).toEqual(["a begins act", "b begins act", "runs", "b ends: ok", "a ends: ok"]);
  });

  it("share sockets: the first that owns one gets its events", async () => {
    const seen: unknown[] = [];
    const listener = (name: string, owns: boolean): ListedPart => ({
      name,
      attach: (object) =>
        void attach(object, name, () => ({
          socket: { owns: () => owns, message: (_, data) => void seen.push(name, data) },
        })),
    });
    class Shared extends DurableBase {
      static override parts = [listener("a", false), listener("b", true), listener("c", true)];
    }
    await runInDurableObject(env.PROBE.getByName("shared sockets"), async (_, ctx) => {
      const self = new Shared(ctx, env);
      await scheduler.wait(0);
      await self.webSocketMessage!(new WebSocketPair()[0], "hello");
      await self.webSocketClose!(new WebSocketPair()[0], 1000, "", true);
    });
    expect(seen).toEqual(["b", "hello"]);
  });
});

async function text(stub: Pick<Stub, "fetch">, path: string): Promise<string> {
  return await (await stub.fetch(`http://o${path}`)).text();
}
