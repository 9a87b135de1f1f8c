/** The frames of `@Synced` fields and `@Callable` methods, as clients get them. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { eventually } from "../eventually.ts";
import { connect, rest, take, type SocketClient } from "../sockets/client.ts";
import type { StandardQuiet } from "./fixtures/quiet.ts";
import type { StandardRoom } from "./fixtures/room.ts";
import { frames, type Frame } from "./frames.ts";

const PROTOCOL = "durable-base.sync.1";

type Room = DurableObjectStub<StandardRoom>;

/** Connects as a sync client; `since` is the version and number that it comes back with. */
async function join(
  stub: Parameters<typeof connect>[0],
  { path = "/", since }: { path?: string; since?: string } = {},
): Promise<SocketClient> {
  const protocols = [PROTOCOL, ...(since === undefined ? [] : [`durable-base.since.${since}`])];
  return await connect(stub, path, { protocols });
}

/** Connects, and takes the state. */
async function joined(
  stub: DurableObjectStub<StandardRoom>,
  path = "/",
): Promise<{ client: SocketClient; version: string; number: number }> {
  const client = await join(stub, { path });
  const [[kind, version, number]] = (await frames(client, 1)) as [[string, string, number]];
  expect(kind).toBe("state");
  return { client, version, number };
}

describe.each<[string, DurableObjectNamespace<StandardRoom>, DurableObjectNamespace<StandardQuiet>]>([
  ["standard", env.STANDARD_ROOM, env.STANDARD_QUIET],
  ["legacy", env.LEGACY_ROOM as never, env.LEGACY_QUIET as never],
])("sync (%s)", (_, namespace, quiet) => {
  let nth = 0;
  const fresh = (): Room => namespace.getByName(`room ${nth++}`);
  /** Runs code of the test inside the object. */
  const inside = async <R>(stub: Room, work: (self: StandardRoom) => R): Promise<Awaited<R>> =>
    await runInDurableObject(stub, async (self: StandardRoom) => await work(self));

  describe("the state", () => {
    it("comes first, with the fields that the client may see", async () => {
      const stub = fresh();
      const client = await join(stub);
      expect(client.protocol).toBe(PROTOCOL);
      const [[kind, version, number, state]] = (await frames(client, 1)) as [Frame];
      expect([kind, number, state]).toEqual([
        "state",
        0,
        { messages: [], byName: { $: ["m"] }, names: { $: ["s"] }, any: null },
      ]);
      expect(version).toMatch(/^[\da-f]{8}-0$/);
      const host = await join(stub, { path: "/?host" });
      expect((await frames(host, 1))[0]).toMatchObject(["state", expect.stringMatching(/-1$/), 0, { reports: [] }]);
    });

    it("is followed by a patch for each write", async () => {
      const stub = fresh();
      const { client, version } = await joined(stub);
      await inside(stub, (self) =>
        self.run(() => {
          self.messages.push({ text: "a" }, { text: "b" });
          self.messages[0]!.text = "A";
          self.byName.set("ann", { n: 1 });
          self.byName.set("bob", 2);
          self.names.add("ann");
          self.secret = "other";
        }),
      );
      await inside(stub, (self) =>
        self.run(() => {
          (self.byName.get("ann") as { n: number }).n = 2;
          self.byName.delete("bob");
          self.messages.splice(1, 1);
          self.names.clear();
          self.any = new Date(5);
        }),
      );
      expect(await frames(client, 2)).toEqual([
        [
          [version, 1],
          ["s", ["messages"], 0, 0, [{ text: "a" }, { text: "b" }]],
          [["messages", 0, "text"], "A"],
          [["byName", "ann"], { n: 1 }],
          [["byName", "bob"], 2],
          ["+", ["names"], "ann"],
        ],
        [
          2,
          [["byName", "ann", "n"], 2],
          [["byName", "bob"]],
          ["s", ["messages"], 1, 1, []],
          ["c", ["names"]],
          [["any"], { $: ["d", 5] }],
        ],
      ]);
    });

    it("comes in up to three patches from an entry with two awaits", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      await inside(stub, (self) =>
        self.run(async () => {
          self.any = 1;
          await Promise.resolve();
          self.any = 2;
          await scheduler.wait(1);
          self.any = 3;
          self.any = 4;
        }),
      );
      expect((await frames(client, 3)).map(([, ...changes]) => changes)).toEqual([
        [[["any"], 1]],
        [[["any"], 2]],
        [
          [["any"], 3],
          [["any"], 4],
        ],
      ]);
    });

    it("reaches clients that stay connected through hibernation, with a new version", async () => {
      const stub = fresh();
      const { client, version } = await joined(stub);
      await evictDurableObject(stub);
      await inside(stub, (self) => self.run(() => void (self.any = 1)));
      const [[head, change]] = (await frames(client, 1)) as [Frame];
      expect(head).toEqual([expect.stringMatching(/^[\da-f]{8}-0$/), 1]);
      expect((head as [string])[0]).not.toBe(version);
      expect(change).toEqual([["any"], 1]);
    });

    it("is sent whole when stored data was replaced", async () => {
      const stub = fresh();
      const { client, version } = await joined(stub);
      await inside(stub, (self) => self.run(() => void (self.any = 1)));
      await frames(client, 1);
      await runInDurableObject(stub, (__, ctx) => ctx.storage.deleteAll());
      const [[kind, other, number, state]] = (await frames(client, 1)) as [Frame];
      expect([kind, number, state]).toMatchObject(["state", 0, { any: null }]);
      expect(other).not.toBe(version);
    });
  });

  it.each([10, 100, 1_000, 10_000])(
    "a change of one entry of %i takes its path and value, and 16 bytes",
    async (count) => {
      const stub = fresh();
      await inside(stub, (self) =>
        self.run(() => {
          for (let i = 0; i < count; i++) {
            self.byName.set(`key${i}`, { n: i });
            self.messages.push({ text: `message ${i}` });
          }
        }),
      );
      const { client } = await joined(stub);
      const last = count - 1;
      const changes: [change: (self: StandardRoom) => unknown, path: unknown[], value: unknown][] = [
        [(self) => (self.messages[last]!.text = "other"), ["messages", last, "text"], "other"],
        [(self) => (self.messages[last] = { text: "new" }), ["messages", last], { text: "new" }],
        [(self) => self.byName.set(`key${last}`, 5), ["byName", `key${last}`], 5],
        [(self) => self.messages.push({ text: "last" }), ["messages"], [{ text: "last" }]],
        [(self) => self.byName.delete(`key${last}`), ["byName", `key${last}`], ""],
      ];
      // The first patch has the version with it.
      await inside(stub, (self) => self.run(() => void self.names.add("first")));
      await take(client, 1);
      for (const [change, path, value] of changes) {
        await inside(stub, (self) => self.run(() => void change(self)));
        const [text] = (await take(client, 1)) as [string];
        // A splice has its place, too.
        const place = value instanceof Array ? String(last + 1).length : 0;
        expect(text.length - JSON.stringify(path).length - JSON.stringify(value).length - place).toBeLessThanOrEqual(
          16,
        );
      }
    },
  );

  describe("nothing is sent that isn't stored:", () => {
    it("a rolled-back transaction, a nested one alone, and a failed write", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      const stop = (): never => {
        throw new Error("stop");
      };
      await inside(stub, async (self) => {
        expect(() => self.atomic(() => ((self.any = 1), stop()))).toThrow("stop");
        await expect(
          async () => await self.atomicLater(async () => ((self.any = 2), await scheduler.wait(1), stop())),
        ).rejects.toThrow("stop");
        self.atomic(() => {
          self.messages.push({ text: "outer" });
          expect(() => self.atomic(() => (self.messages.push({ text: "inner" }), stop()))).toThrow("stop");
          self.messages.push({ text: "end" });
        });
        await self.atomicLater(async () => {
          self.messages.push({ text: "later" });
          await expect(
            async () =>
              await self.atomicLater(
                async () => (self.messages.push({ text: "inner later" }), await scheduler.wait(1), stop()),
              ),
          ).rejects.toThrow("stop");
        });
        expect(self.messages.map(({ text }) => text)).toEqual(["outer", "end", "later"]);
      });
      expect((await frames(client, 2)).map(([, ...changes]) => changes)).toEqual([
        [
          ["s", ["messages"], 0, 0, [{ text: "outer" }]],
          ["s", ["messages"], 1, 0, [{ text: "end" }]],
        ],
        [["s", ["messages"], 2, 0, [{ text: "later" }]]],
      ]);
    });

    it("an open transaction is one patch, and a client that joins meanwhile waits for its end", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      await inside(stub, (self) =>
        self.atomicLater(async () => {
          self.any = 1;
          await scheduler.wait(1);
          self.any = 2;
          await scheduler.wait(1);
          expect(client.messages.length).toBe(1);
        }),
      );
      const late = await join(stub);
      expect((await frames(client, 1))[0]!.slice(1)).toEqual([
        [["any"], 1],
        [["any"], 2],
      ]);
      expect((await frames(late, 1))[0]).toMatchObject(["state", expect.anything(), 1, { any: 2 }]);
    });
  });

  describe("a client that comes back", () => {
    it("gets the patches that it has missed, or nothing", async () => {
      const stub = fresh();
      const { client, version, number } = await joined(stub);
      client.close(1000);
      await client.closed;
      await inside(stub, (self) => self.run(() => void (self.any = 1)));
      await inside(stub, (self) => self.run(() => void (self.any = 2)));
      const back = await join(stub, { since: `${version}.${number}` });
      expect(await frames(back, 1)).toEqual([
        [
          "missed",
          [
            [version, 1],
            [["any"], 1],
          ],
          [2, [["any"], 2]],
        ],
      ]);
      const again = await join(stub, { since: `${version}.1` });
      expect(await frames(again, 1)).toEqual([["missed", [2, [["any"], 2]]]]);
      const up = await join(stub, { since: `${version}.2` });
      expect(await frames(up, 1)).toEqual([["missed"]]);
      await inside(stub, (self) => self.run(() => void (self.any = 3)));
      for (const each of [back, again, up]) expect(await frames(each, 1)).toEqual([[3, [["any"], 3]]]);
    });

    it("gets what it has missed even if nothing had changed for long before", async () => {
      const stub = fresh();
      const { client, version } = await joined(stub);
      const start = Date.now();
      const now = vi.spyOn(Date, "now").mockImplementation(() => start + 120_000);
      client.close(1000);
      await client.closed;
      now.mockImplementation(() => start + 125_000);
      await inside(stub, (self) => self.run(() => void (self.any = 1)));
      const back = await join(stub, { since: `${version}.0` });
      expect((await frames(back, 1))[0]![0]).toBe("missed");
      now.mockImplementation(() => start + 130_000);
      back.close(1000);
      await back.closed;
      // Nobody is expected back after a minute.
      now.mockImplementation(() => start + 191_000);
      await inside(stub, (self) => self.run(() => void (self.any = 2)));
      now.mockRestore();
      const late = await join(stub, { since: `${version}.1` });
      expect((await frames(late, 1))[0]![0]).toBe("state");
    });

    it.each(["00000000-0.1", "VERSION.99", "VERSION.-1", "VERSION", "VERSION.1e3", "VERSION.x"])(
      "gets the state for %s",
      async (since) => {
        const stub = fresh();
        const { version } = await joined(stub);
        await inside(stub, (self) => self.run(() => void (self.any = 1)));
        const back = await join(stub, { since: since.replace("VERSION", version) });
        expect((await frames(back, 1))[0]).toMatchObject(["state", version, 1, { any: 1 }]);
      },
    );

    it("gets the state after a hibernation, and after more changes than are kept", async () => {
      const stub = fresh();
      const { version } = await joined(stub);
      for (let i = 0; i < 3; i++) {
        await inside(stub, (self) => self.run(() => void (self.any = `${i}${"x".repeat(90_000)}`)));
      }
      const behind = await join(stub, { since: `${version}.0` });
      expect((await frames(behind, 1))[0]).toMatchObject(["state", version, 3, {}]);
      const near = await join(stub, { since: `${version}.2` });
      expect((await frames(near, 1))[0]).toMatchObject(["missed", [3, [["any"], expect.stringMatching(/^2x/)]]]);
      await evictDurableObject(stub);
      const back = await join(stub, { since: `${version}.3` });
      expect((await frames(back, 1))[0]).toMatchObject(["state", expect.not.stringContaining(version), 0, {}]);
    });
  });

  describe("visibleTo", () => {
    it("shows changes to those alone that may see the field, and numbers each group by itself", async () => {
      const stub = fresh();
      const guest = await joined(stub);
      const host = await joined(stub, "/?host");
      await inside(stub, (self) => self.run(() => void self.reports.push("spam")));
      await inside(stub, (self) => self.run(() => void (self.any = 1)));
      expect(await frames(host.client, 2)).toEqual([
        [
          [host.version, 1],
          ["s", ["reports"], 0, 0, ["spam"]],
        ],
        [2, [["any"], 1]],
      ]);
      expect(await frames(guest.client, 1)).toEqual([
        [
          [guest.version, 1],
          [["any"], 1],
        ],
      ]);
      expect(guest.client.messages.join()).not.toContain("spam");
    });

    it("is asked again when the state changes, and revokes at once", async () => {
      const stub = fresh();
      const { client, version } = await joined(stub, "/?host");
      await inside(stub, (self) =>
        self.run(() => {
          self.reports.push("seen?");
          self.setHost(false);
          self.reports.push("unseen");
        }),
      );
      const [[kind, other, , state]] = (await frames(client, 1)) as [Frame];
      expect([kind, Object.keys(state as object)]).toEqual(["state", ["messages", "byName", "names", "any"]]);
      expect(other).not.toBe(version);
      await evictDurableObject(stub);
      await inside(stub, (self) => self.run(() => void self.reports.push("unseen")));
      await inside(stub, (self) => self.run(() => self.setHost(true)));
      expect((await frames(client, 1))[0]).toMatchObject([
        "state",
        expect.anything(),
        0,
        { reports: ["seen?", "unseen", "unseen"] },
      ]);
      expect(client.messages.length).toBe(3);
    });

    it("that throws shows nothing", async () => {
      const logged = vi.spyOn(console, "error").mockReturnValue();
      const client = await join(quiet.getByName(`quiet ${nth++}`));
      expect((await frames(client, 1))[0]).toEqual(["state", expect.anything(), 0, { count: 0 }]);
      expect(logged).toHaveBeenCalledOnce();
      logged.mockRestore();
    });
  });

  describe("calls", () => {
    /** Sends a frame, and returns the next frames but patches. */
    const ask = async (client: SocketClient, frame: unknown): Promise<Frame> => {
      client.send(JSON.stringify(frame));
      for (;;) {
        const [answer] = (await frames(client, 1)) as [Frame];
        if (["ok", "error", "item"].includes(answer[0] as string)) return answer;
      }
    };

    it("answer with the result, after the patch with what they did", async () => {
      const stub = fresh();
      const { client, version } = await joined(stub);
      client.send(JSON.stringify(["call", 1, "say", { text: "a", times: 2 }]));
      expect(await frames(client, 3)).toEqual([
        ["mark", 1],
        [
          [version, 1],
          ["s", ["messages"], 0, 0, [{ text: "a" }]],
          ["s", ["messages"], 1, 0, [{ text: "a" }]],
        ],
        ["ok", 1, 2],
      ]);
      expect(await ask(client, ["call", 1, "read"])).toEqual([
        "ok",
        1,
        { messages: [{ text: "a" }, { text: "a" }], at: { $: ["d", 0] }, names: { $: ["s"] } },
      ]);
      expect(await ask(client, ["call", 2, "nothing"])).toEqual(["ok", 2]);
    });

    it("validate their input, and refuse what isn't callable", async () => {
      const { client } = await joined(fresh());
      expect(await ask(client, ["call", 1, "say", { text: "" }])).toMatchObject([
        "error",
        1,
        { code: "invalid-input", issues: [{ path: ["text"] }] },
      ]);
      for (const name of [
        "hidden",
        "run",
        "fetch",
        "destroy",
        "secret",
        "messages",
        "__proto__",
        "constructor",
        "__call",
        "",
      ]) {
        expect(await ask(client, ["call", 2, name])).toMatchObject(["error", 2, { code: "not-callable" }]);
      }
    });

    it("know the socket of the client that calls, and no other code does", async () => {
      const stub = fresh();
      const [guest, host] = [await joined(stub), await joined(stub, "/?host")];
      for (const { client } of [guest, host]) client.send('["call",1,"whoAmI"]');
      expect(await frames(guest.client, 1)).toEqual([["ok", 1, { isHost: false, isOpen: true }]]);
      expect(await frames(host.client, 1)).toEqual([["ok", 1, { isHost: true, isOpen: true }]]);
      expect(await stub.whoAmI()).toBeUndefined();
    });

    it("run beside each other", async () => {
      const { client } = await joined(fresh());
      client.send(JSON.stringify(["call", 1, "slow", { text: "a" }]));
      client.send(JSON.stringify(["call", 2, "say", { text: "b" }]));
      expect((await ask(client, ["call", 3, "nothing"]))[1]).toBe(2);
      expect(await frames(client, 1)).toEqual([["ok", 3]]);
      expect((await frames(client, 2)).at(-1)).toEqual(["ok", 1, "a"]);
    });

    it("tell errors of the library and HTTPExceptions, and nothing of others", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      const logged = vi.spyOn(console, "error").mockReturnValue();
      expect(await ask(client, ["call", 1, "fail", { how: "http" }])).toEqual([
        "error",
        1,
        { code: "call-refused", message: "not now" },
      ]);
      expect(logged).not.toHaveBeenCalled();
      expect(await ask(client, ["call", 2, "fail", { how: "other" }])).toEqual([
        "error",
        2,
        { code: "call-failed", message: "The call failed." },
      ]);
      expect(await ask(client, ["call", 3, "fail", { how: "function" }])).toMatchObject([
        "error",
        3,
        { code: "not-transferable", message: "The call failed." },
      ]);
      expect(logged).toHaveBeenCalledTimes(2);
      logged.mockRestore();
    });

    it("whose write fails send no change and no result", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      const logged = vi.spyOn(console, "error").mockReturnValue();
      client.send(JSON.stringify(["call", 1, "fail", { how: "write" }]));
      expect(await frames(client, 1)).toMatchObject([["error", 1, { code: "write-failed" }]]);
      expect(logged).toHaveBeenCalledOnce();
      logged.mockRestore();
      expect(await ask(client, ["call", 2, "nothing"])).toEqual(["ok", 2]);
      expect(client.messages.length).toBe(3);
    });

    it("with a key run exactly once", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      expect(await ask(client, ["call", 1, "say", { text: "a" }, "key"])).toEqual(["ok", 1, 1]);
      expect(await ask(client, ["call", 2, "say", { text: "a" }, "key"])).toEqual(["ok", 2, 1]);
      const other = await joined(stub);
      expect(await ask(other.client, ["call", 1, "say", { text: "a" }, "key"])).toEqual(["ok", 1, 1]);
      expect(await ask(client, ["call", 3, "say", { text: "b" }, "key"])).toMatchObject([
        "error",
        3,
        { code: "once-conflict" },
      ]);
      expect(await inside(stub, ({ messages }) => messages.length)).toBe(1);
    });

    it("with a key mark the patch with what they did", async () => {
      const { client, version } = await joined(fresh());
      client.send(JSON.stringify(["call", 1, "say", { text: "a" }, "key"]));
      expect(await frames(client, 3)).toEqual([
        ["mark", 1],
        [
          [version, 1],
          ["s", ["messages"], 0, 0, [{ text: "a" }]],
        ],
        ["ok", 1, 1],
      ]);
    });

    it("stream what an async generator yields, a part ahead of the client, until it stops", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      const items = async (count: number): Promise<unknown[]> => {
        const found: unknown[] = [];
        while (found.length < count) {
          const [frame] = (await frames(client, 1)) as [Frame];
          if (["item", "ok", "error"].includes(frame[0] as string)) found.push(frame);
        }
        return found;
      };
      client.send(JSON.stringify(["call", 1, "count", { to: 3 }]));
      expect(await items(4)).toEqual([...[1, 2, 3].map((n) => ["item", 1, { n }]), ["ok", 1]]);
      expect(await inside(stub, ({ any }) => any)).toBe("ended");
      client.send(JSON.stringify(["call", 2, "count", { to: 1_000 }]));
      await items(64);
      expect(await inside(stub, ({ any }) => any)).toBe(64);
      client.send(JSON.stringify(["more", 2, 2]));
      expect(await items(2)).toEqual([65, 66].map((n) => ["item", 2, { n }]));
      client.send(JSON.stringify(["stop", 2]));
      expect(await items(1)).toEqual([["ok", 2]]);
      await eventually(async () => expect(await inside(stub, ({ any }) => any)).toBe("ended"));
      const logged = vi.spyOn(console, "error").mockReturnValue();
      client.send(JSON.stringify(["call", 3, "count", { to: 9, failAt: 2 }]));
      expect(await items(2)).toEqual([
        ["item", 3, { n: 1 }],
        ["error", 3, { code: "call-failed", message: "The call failed." }],
      ]);
      logged.mockRestore();
    });

    it("end their streams when the client is gone", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      client.send(JSON.stringify(["call", 1, "count", { to: 1_000 }]));
      await eventually(async () => expect(await inside(stub, ({ any }) => any)).toBe(64));
      client.close(1000);
      await eventually(async () => expect(await inside(stub, ({ any }) => any)).toBe("ended"));
    });

    it("keep the object awake until they are answered, unless a stream waits for its client", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      client.send('["call",1,"slow",{"text":"a"}]');
      await frames(client, 2);
      let isEvicted = false;
      const evicted = evictDurableObject(stub).then(() => (isEvicted = true));
      expect(isEvicted).toBe(false);
      expect((await frames(client, 2)).at(-1)).toEqual(["ok", 1, "a"]);
      await evicted;
      client.send('["call",2,"count",{"to":66}]');
      await eventually(async () => expect(await inside(stub, ({ any }) => any)).toBe(64));
      await evictDurableObject(stub);
      client.send('["more",2,64]');
      for (;;) {
        const [frame] = (await frames(client, 1)) as [Frame];
        if (frame[0] !== "error") continue;
        expect(frame).toMatchObject(["error", 2, { code: "call-lost" }]);
        break;
      }
    });

    it.each([
      "nonsense",
      "{}",
      "null",
      "[]",
      '["call"]',
      '["call",1]',
      '["call",0,"say"]',
      '["call",-1,"say"]',
      '["call",1.5,"say"]',
      '["call","1","say"]',
      '["call",1,7]',
      '["call",1,"say",{},7]',
      '["call",1,"say",{},"key",1]',
      '["call",1,"say",{"$":["x"]}]',
      '["call",1,"say",{"$":7}]',
      '["call",1,"say",{"$":["b","AQ","Nothing"]}]',
      '["more",1]',
      '["more",1,-5]',
      '["stop"]',
      '["state","x",1,{}]',
    ])("close a client that sends %s", async (text) => {
      const { client } = await joined(fresh());
      client.send(text);
      expect(await rest(client)).toEqual([[1008, "bad frame"]]);
    });

    it("answer a ping that the platform leaves to the object", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      await runInDurableObject(stub, (__, ctx) => ctx.setWebSocketAutoResponse());
      client.send("ping");
      expect(await take(client, 1)).toEqual(["pong"]);
    });

    it("close a client that sends bytes, or a call under the id of a running one", async () => {
      const stub = fresh();
      const { client } = await joined(stub);
      client.send(new Uint8Array([1]));
      expect(await rest(client)).toEqual([[1008, "bad frame"]]);
      const other = await joined(stub);
      other.client.send('["call",1,"slow",{"text":"a"}]');
      other.client.send('["call",1,"say",{"text":"b"}]');
      expect((await rest(other.client)).at(-1)).toEqual([1008, "bad frame"]);
    });
  });

  describe("beside sockets(this)", () => {
    it("are seen by `connect` and `all()`, and not by `message` and `broadcast`", async () => {
      const stub = fresh();
      const plain = await connect(stub);
      expect(await take(plain, 1)).toEqual(["welcome"]);
      const { client } = await joined(stub);
      await expect(async () => await join(stub, { path: "/?refused" })).rejects.toMatchObject({ status: 403 });
      plain.send("hello");
      expect(await take(plain, 1)).toEqual(["plain hello"]);
      expect(await stub.tell("news")).toBe(2);
      expect(await take(plain, 1)).toEqual(["news"]);
      await evictDurableObject(stub);
      expect(await stub.tell("more")).toBe(2);
      expect(await take(plain, 1)).toEqual(["more"]);
      await inside(stub, (self) => self.run(() => void (self.any = 1)));
      expect((await frames(client, 1))[0]!.slice(1)).toEqual([[["any"], 1]]);
      expect(plain.messages.length).toBe(4);
      await stub.end();
      expect([(await client.closed).code, (await plain.closed).code]).toEqual([1001, 1001]);
    });

    it("alone are let in by a class without it", async () => {
      const stub = quiet.getByName(`quiet ${nth++}`);
      await expect(async () => await connect(stub)).rejects.toMatchObject({ status: 404 });
      const logged = vi.spyOn(console, "error").mockReturnValue();
      const client = await join(stub);
      expect((await frames(client, 1))[0]).toMatchObject(["state", expect.anything(), 0, { count: 0 }]);
      logged.mockRestore();
      client.send('["call",1,"add",5]');
      expect((await frames(client, 3)).at(-1)).toEqual(["ok", 1, 5]);
    });
  });
});
