/** Open sockets: their events, what they are sent and their end. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Socket } from "durable-base/sockets";
import { describe, expect, it, vi } from "vitest";
import { thrownBy } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import { connect, rest, take, type SocketClient } from "./client.ts";
import { play, type ChatLike, type ChatState, type Script } from "./fixtures/script.ts";

const storageOf = (self: ChatLike): DurableObjectStorage =>
  (self as unknown as { ctx: DurableObjectState }).ctx.storage;

describe.each([
  ["standard", () => env.STANDARD_CHAT as never],
  ["legacy", () => env.LEGACY_CHAT as never],
] as [string, () => DurableObjectNamespace<ChatLike>][])("open sockets (%s)", (_, namespace) => {
  let nth = 0;
  const fresh = (script: Script = {}): DurableObjectStub<ChatLike> => {
    const stub = namespace().getByName(`sockets ${nth++}`);
    play(stub, {
      connect: (__, socket, request) => {
        const { pathname, searchParams } = new URL(request.url);
        socket.state = { user: pathname.slice(1) };
        socket.tags = searchParams.getAll("tag");
      },
      ...script,
    });
    return stub;
  };
  const inside = <R>(stub: DurableObjectStub<ChatLike>, work: (self: ChatLike, ctx: DurableObjectState) => R) =>
    runInDurableObject(stub, work);
  const users = (stub: DurableObjectStub<ChatLike>, tag?: string): Promise<string[]> =>
    inside(stub, ({ sockets }) => sockets.all(tag === undefined ? {} : { tag }).map(({ state }) => state.user));
  const everybody = async (stub: DurableObjectStub<ChatLike>): Promise<SocketClient[]> => {
    const clients: SocketClient[] = [];
    for (const path of ["/ann?tag=red", "/bob?tag=red&tag=blue", "/cy"]) clients.push(await connect(stub, path));
    return clients;
  };

  describe("the list", () => {
    it("has all, those with a tag, and one by its id, oldest first, through evictions", async () => {
      const stub = fresh();
      await everybody(stub);
      const own = await connect(stub, "/own");
      const [id] = await inside(stub, ({ sockets }) => sockets.all().map((socket) => socket.id));
      for (const evicted of [false, true]) {
        if (evicted) await evictDurableObject(stub);
        expect(await users(stub)).toEqual(["ann", "bob", "cy"]);
        // The object's own socket has this tag, too.
        expect(await users(stub, "red")).toEqual(["ann", "bob"]);
        expect(await users(stub, "blue")).toEqual(["bob"]);
        expect(await users(stub, "none")).toEqual([]);
        await inside(stub, ({ sockets }) => {
          expect(sockets.size).toBe(3);
          expect(sockets.get(id!)?.state.user).toBe("ann");
          expect(sockets.get(id!)).toBe(sockets.all()[0]);
          expect(sockets.get("other")).toBeUndefined();
          expect(sockets.get(undefined as never)).toBeUndefined();
          expect(sockets.get("x".repeat(1000))).toBeUndefined();
          expect(sockets.all({ tag: "x".repeat(1000) })).toEqual([]);
        });
      }
      own.send("hello");
      expect(await take(own, 1)).toEqual(["own hello"]);
    });

    it("leaves out sockets that are closing, whoever closes them", async () => {
      const stub = fresh();
      const [ann, bob] = await everybody(stub);
      ann!.close(1000);
      await ann!.closed;
      expect(await users(stub)).toEqual(["bob", "cy"]);
      await inside(stub, ({ sockets }) => sockets.all()[0]!.close());
      expect(await rest(bob!)).toEqual([[1000, ""]]);
      expect(await users(stub)).toEqual(["cy"]);
    });

    it("has no socket by a tag of the library's own", async () => {
      const stub = fresh();
      const [ann] = await everybody(stub);
      await inside(stub, ({ sockets }) => {
        const { id } = sockets.all()[0]!;
        for (const tag of ["durable-base.sockets", `durable-base.id.${id}`]) {
          expect(sockets.all({ tag })).toEqual([]);
          sockets.broadcast("for nobody", { tag });
        }
        sockets.broadcast("for all");
      });
      expect(await take(ann!, 1)).toEqual(["for all"]);
    });

    it("leaves out a socket of the object's own that has a tag of the library's", async () => {
      const stub = fresh();
      const [ann] = await everybody(stub);
      await inside(stub, (__, ctx) => ctx.acceptWebSocket(new WebSocketPair()[1], ["durable-base.sockets", "red"]));
      for (const evicted of [false, true]) {
        if (evicted) await evictDurableObject(stub);
        expect(await users(stub)).toEqual(["ann", "bob", "cy"]);
        expect(await users(stub, "red")).toEqual(["ann", "bob"]);
        expect(await inside(stub, ({ sockets }) => sockets.size)).toBe(3);
      }
      await inside(stub, ({ sockets }) => sockets.broadcast("for all"));
      expect(await take(ann!, 1)).toEqual(["for all"]);
    });

    it("leaves out a socket whose state is set after it was closed, however often the object hibernates", async () => {
      const stub = fresh({ message: () => expect.unreachable() });
      const { webSocket } = await stub.fetch("http://o/ann", { headers: { upgrade: "websocket" } });
      webSocket!.accept({ allowHalfOpen: true });
      await inside(stub, async ({ sockets }) => {
        const [socket] = sockets.all();
        socket!.close();
        await scheduler.wait(1);
        socket!.state = { user: "late" };
      });
      for (let nth = 0; nth < 3; nth++) {
        expect(await users(stub)).toEqual([]);
        await evictDurableObject(stub);
      }
    });

    it("leaves out a socket whose client never answers the close, even when the platform lists it as open", async () => {
      const stub = fresh();
      const { webSocket } = await stub.fetch("http://o/ann", { headers: { upgrade: "websocket" } });
      webSocket!.accept({ allowHalfOpen: true });
      await inside(stub, ({ sockets }) => sockets.all()[0]!.close());
      for (let evictions = 0; evictions < 3; evictions++) {
        await evictDurableObject(stub);
        expect(await users(stub)).toEqual([]);
      }
      expect(await inside(stub, (__, ctx) => ctx.getWebSockets().map(({ readyState }) => readyState))).toEqual([1]);
    });
  });

  describe("the state", () => {
    it("is kept through evictions, and is frozen", async () => {
      const stub = fresh();
      await connect(stub, "/ann");
      await inside(stub, ({ sockets }) => {
        const [socket] = sockets.all();
        const tags = ["a"];
        socket!.state = { ...socket!.state, tags };
        tags.push("later");
        expect(() => socket!.state.tags!.push("b")).toThrow(TypeError);
        expect(() => ((socket!.state as { user: string }).user = "bob")).toThrow(TypeError);
      });
      await evictDurableObject(stub);
      await inside(stub, ({ sockets }) => {
        const { state } = sockets.all()[0]!;
        expect(state).toEqual({ user: "ann", tags: ["a"] });
        expect(() => state.tags!.push("b")).toThrow(TypeError);
      });
    });

    it("takes 16,000 bytes, and keeps what it was when there are more", async () => {
      const stub = fresh();
      await connect(stub);
      await inside(stub, ({ sockets }) => {
        const [socket] = sockets.all() as unknown as Socket[];
        // Three bytes are the string's header.
        const most = "x".repeat(16_000 - 3);
        socket!.state = most;
        expect(thrownBy(() => (socket!.state = `${most}x`))).toMatchObject({ code: "state-too-large" });
        expect(thrownBy(() => (socket!.state = "x".repeat(100_000)))).toMatchObject({ code: "state-too-large" });
        expect(socket!.state).toBe(most);
      });
      await evictDurableObject(stub);
      await inside(stub, ({ sockets }) => expect(sockets.all()[0]!.state).toHaveLength(15_997));
    });

    it("takes plain data only", async () => {
      const stub = fresh();
      await connect(stub, "/ann");
      await inside(stub, ({ sockets }) => {
        const [socket] = sockets.all() as unknown as Socket[];
        const cycle: unknown[] = [];
        cycle.push(cycle);
        const wrong = [() => 1, Symbol("s"), new Date(), [new Map()], { a: new Uint8Array(1) }, cycle, new Error("e")];
        for (const state of wrong) {
          expect(thrownBy(() => (socket!.state = state))).toMatchObject({ code: "not-persistable" });
        }
        expect(socket!.state).toEqual({ user: "ann" });
        const good = { n: 1n, none: undefined, deep: [null, { a: -0 }], ["__proto__"]: 1 };
        socket!.state = good;
        expect(socket!.state).toEqual(good);
      });
    });

    it("is undefined for an attachment that somebody else has written, which is left alone", async () => {
      const stub = fresh();
      await connect(stub, "/ann");
      for (const foreign of ["theirs", null, { user: "theirs" }]) {
        await inside(stub, (__, ctx) => ctx.getWebSockets()[0]!.serializeAttachment(foreign));
        await evictDurableObject(stub);
        await inside(stub, ({ sockets }, ctx) => {
          expect(sockets.all().map(({ state }) => state)).toEqual([undefined]);
          expect(ctx.getWebSockets()[0]!.deserializeAttachment()).toEqual(foreign);
        });
      }
      await inside(stub, async ({ sockets }, ctx) => {
        const [native] = ctx.getWebSockets();
        sockets.all()[0]!.close();
        await scheduler.wait(0);
        expect(native!.readyState).not.toBe(1);
        expect(native!.deserializeAttachment()).toEqual({ user: "theirs" });
      });
    });
  });

  describe("messages", () => {
    it("reach the handler as an entry, even after an eviction", async () => {
      const stub = fresh({
        message: (self, socket, data) => {
          self.count++;
          socket.send(`${socket.state.user}: ${typeof data === "string" ? data : (data as ArrayBuffer).byteLength}`);
        },
      });
      const socket = await connect(stub, "/ann");
      socket.send("hello");
      await take(socket, 1);
      await evictDurableObject(stub);
      socket.send("again");
      socket.send(new Uint8Array(3));
      expect(await take(socket, 2)).toEqual(["ann: again", "ann: 3"]);
      expect(await inside(stub, ({ count }) => count)).toBe(3);
    });

    it("of one socket are handled one at a time in order, and messages of two sockets interleave", async () => {
      const seen: string[] = [];
      const stub = fresh({
        message: async (__, { state: { user } }, data) => {
          seen.push(`${user} begins ${data}`);
          await scheduler.wait(data === "1" ? 30 : 5);
          seen.push(`${user} ends ${data}`);
        },
      });
      const [ann, bob] = await everybody(stub);
      for (const data of ["1", "2", "3"]) ann!.send(data);
      await eventually(() => expect(seen).toEqual(["ann begins 1"]));
      bob!.send("4");
      await eventually(() => expect(seen).toHaveLength(8));
      expect(seen.filter((line) => line.startsWith("ann"))).toEqual([
        "ann begins 1",
        "ann ends 1",
        "ann begins 2",
        "ann ends 2",
        "ann begins 3",
        "ann ends 3",
      ]);
      expect(seen.indexOf("bob begins 4")).toBeLessThan(seen.indexOf("ann ends 1"));
    });

    it("before a close are handled before it", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        message: async (__, ___, data) => {
          await scheduler.wait(20);
          seen.push(data);
        },
        close: (__, socket, end) => void seen.push([socket.state.user, end]),
      });
      const socket = await connect(stub, "/ann");
      socket.send("a");
      socket.send("b");
      socket.close(4000, "bye");
      // Answered at once, however long the handlers take.
      expect(await rest(socket)).toEqual([[4000, "bye"]]);
      expect(seen).toEqual([]);
      await eventually(() => expect(seen).toHaveLength(3));
      expect(seen).toEqual(["a", "b", ["ann", { code: 4000, reason: "bye", wasClean: true }]]);
    });

    it("that come after the object has closed the socket aren't handled", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        message: async (__, socket, data) => {
          seen.push(data);
          socket.close(4000);
          await scheduler.wait(5);
        },
      });
      const socket = await connect(stub);
      socket.send("a");
      socket.send("b");
      await socket.closed;
      await scheduler.wait(30);
      expect(seen).toEqual(["a"]);
    });

    it("after one that failed aren't handled, even if the client has closed the socket meanwhile", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        message: async (__, ___, data) => {
          seen.push(data);
          await scheduler.wait(10);
          throw new Error("no");
        },
        error: () => {},
        close: () => void seen.push("close"),
      });
      const socket = await connect(stub);
      socket.send("a");
      socket.send("b");
      socket.close(1000);
      await eventually(() => expect(seen).toContain("close"));
      expect(seen).toEqual(["a", "close"]);
    });
  });

  describe("send", () => {
    const echo = async (messages: (self: ChatLike) => unknown[]): Promise<unknown[]> => {
      const stub = fresh({
        message: (self, socket) => {
          for (const message of messages(self)) socket.send(message);
          socket.send("end");
        },
      });
      const socket = await connect(stub);
      socket.send("go");
      await eventually(() => expect(socket.messages).toContain("end"));
      return socket.messages.slice(0, -1);
    };

    it("sends strings and bytes as they are, and other values as JSON", async () => {
      const bytes = new Uint8Array([0, 1, 2, 3]);
      const got = await echo(() => ["text", "", bytes, bytes.subarray(1, 3), bytes.buffer, { a: [1] }, null, 0, false]);
      expect(got.slice(2, 5).map((data) => [...new Uint8Array(data as ArrayBuffer)])).toEqual([
        [0, 1, 2, 3],
        [1, 2],
        [0, 1, 2, 3],
      ]);
      expect(got.toSpliced(2, 3)).toEqual(["text", "", '{"a":[1]}', "null", "0", "false"]);
    });

    it("sends bytes as they were at the call", async () => {
      const got = await echo(() => {
        const bytes = new Uint8Array([1]);
        queueMicrotask(() => (bytes[0] = 2));
        return [bytes];
      });
      expect([...new Uint8Array(got[0] as ArrayBuffer)]).toEqual([1]);
    });

    it.each([
      ["undefined", undefined],
      ["a function", () => 1],
      ["a symbol", Symbol("s")],
      ["a bigint", 1n],
      ["NaN", { n: NaN }],
      ["a Map", new Map()],
      ["a Blob", new Blob(["a"])],
    ])("refuses %s at the line", async (__, message) => {
      const stub = fresh();
      const socket = await connect(stub);
      await inside(stub, ({ sockets }) => {
        expect(thrownBy(() => sockets.all()[0]!.send(message))).toMatchObject({ code: "not-json" });
        expect(thrownBy(() => sockets.broadcast(message))).toMatchObject({ code: "not-json" });
      });
      expect(socket.messages).toEqual([]);
    });

    it("to a socket that is closed does nothing", async () => {
      const ended: Socket<ChatState>[] = [];
      const stub = fresh({ close: (__, socket) => void (socket.send("late"), socket.close(4009), ended.push(socket)) });
      const socket = await connect(stub);
      socket.close(1000);
      await eventually(() => expect(ended).toHaveLength(1));
      expect(await rest(socket)).toEqual([[1000, ""]]);
    });
  });

  describe("broadcast", () => {
    it("reaches all, those with a tag, and all but some, in order, and no socket of the object's own", async () => {
      const stub = fresh();
      const clients = [...(await everybody(stub)), await connect(stub, "/own")];
      for (const evicted of [false, true]) {
        if (evicted) await evictDurableObject(stub);
        await inside(stub, ({ sockets }) => {
          const [ann, bob, cy] = sockets.all();
          sockets.broadcast({ to: "all" });
          sockets.broadcast("red", { tag: "red" });
          sockets.broadcast("not bob", { except: bob! });
          sockets.broadcast("blue, not ann", { tag: "blue", except: [ann!, cy!] });
          sockets.broadcast("nobody", { tag: "none" });
        });
        expect(await take(clients[0]!, 3)).toEqual(['{"to":"all"}', "red", "not bob"]);
        expect(await take(clients[1]!, 3)).toEqual(['{"to":"all"}', "red", "blue, not ann"]);
        expect(await take(clients[2]!, 2)).toEqual(['{"to":"all"}', "not bob"]);
        expect(clients[3]!.messages).toEqual([]);
      }
    });
  });

  describe("nothing is sent that isn't stored:", () => {
    const sending = async (work: (self: ChatLike, say: (text: unknown) => void) => unknown): Promise<unknown[]> => {
      using _log = vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh({
        message: async (self, socket) => {
          const say = (text: unknown): void => {
            socket.send(text);
            self.sockets.broadcast(text, { except: socket });
          };
          await work(self, say);
        },
        error: () => {},
      });
      const [first, second] = await everybody(stub);
      const ends: unknown[] = [];
      void first!.closed.then(({ code, reason }) => ends.push([code, reason]));
      first!.send("go");
      await scheduler.wait(40);
      expect(first!.messages).toEqual(second!.messages);
      const stored = await inside(stub, ({ count }) => count);
      return [...first!.messages, ...ends, `stored ${stored}`];
    };

    it("changes are stored before what tells of them is sent", async () => {
      const got = await sending(async (self, say) => {
        say(++self.count);
        await scheduler.wait(5);
        say(++self.count);
      });
      expect(got).toEqual(["1", "2", "stored 2"]);
    });

    it("a write that fails takes what was sent with it, and the client gets 1011", async () => {
      const got = await sending((self, say) => {
        say("lost");
        self.unwritable();
      });
      expect(got).toEqual([[1011, ""], "stored 0"]);
    });

    it("a rolled-back transaction takes what was sent in it", async () => {
      const got = await sending(async (self, say) => {
        say("before");
        const undo = (text: string) => (): void => {
          self.count++;
          say(text);
          throw new Error("undo");
        };
        try {
          storageOf(self).transactionSync(undo("sync"));
        } catch {}
        try {
          self.atomic(undo("atomic"));
        } catch {}
        await self
          .atomicLater(async () => {
            await scheduler.wait(1);
            undo("async")();
          })
          .catch(() => {});
        storageOf(self).transactionSync(() => {
          try {
            storageOf(self).transactionSync(undo("inner"));
          } catch {}
          self.count++;
          say("outer");
        });
        say("after");
      });
      expect(got).toEqual(["before", "outer", "after", "stored 1"]);
    });

    it("what an open transaction sends waits for its commit", async () => {
      const got = await sending(async (self, say) => {
        await self.atomicLater(async () => {
          self.count++;
          say("in");
          await scheduler.wait(5);
        });
        say("after");
      });
      expect(got).toEqual(["in", "after", "stored 1"]);
    });

    it("a close waits too", async () => {
      const stub = fresh();
      const socket = await connect(stub);
      await inside(stub, (self) => {
        try {
          self.atomic(() => {
            self.sockets.all()[0]!.close(4000);
            throw new Error("undo");
          });
        } catch {}
      });
      await scheduler.wait(20);
      expect(socket.messages).toEqual([]);
      expect(await users(stub)).toHaveLength(1);
    });
  });

  describe("close", () => {
    it("comes after what was sent before, and a second one does nothing", async () => {
      const stub = fresh();
      const socket = await connect(stub);
      await inside(stub, ({ sockets }) => {
        const [socket] = sockets.all();
        socket!.send("last");
        socket!.close(4001, "enough");
        socket!.send("too late");
        socket!.close(4002);
      });
      expect(await rest(socket)).toEqual(["last", [4001, "enough"]]);
      await scheduler.wait(10);
      expect(socket.messages).toEqual(["last"]);
    });

    it("refuses codes and reasons that can't be sent", async () => {
      const stub = fresh();
      await connect(stub);
      await inside(stub, ({ sockets }) => {
        const [socket] = sockets.all();
        for (const code of [999, 1004, 1005, 1006, 1015, 5000, 1000.5, NaN, "4000"]) {
          expect(thrownBy(() => socket!.close(code as number))).toMatchObject({ code: "bad-option" });
        }
        for (const reason of ["é".repeat(62), 7 as never]) {
          expect(thrownBy(() => socket!.close(4000, reason))).toMatchObject({ code: "bad-option" });
        }
      });
      expect(await users(stub)).toHaveLength(1);
    });
  });

  describe("a Close of the client", () => {
    it.each([
      ["1000", (socket: SocketClient) => socket.close(1000, "bye"), [1000, "bye"]],
      ["4999", (socket: SocketClient) => socket.close(4999), [4999, ""]],
      ["nothing", (socket: SocketClient) => socket.close(), [1005, ""]],
    ])("with %s is answered, and handled once", async (__, close, end) => {
      const ends: unknown[] = [];
      const stub = fresh({ close: (self, ___, { code, reason }) => void (self.count++, ends.push([code, reason])) });
      const socket = await connect(stub);
      close(socket);
      expect(await rest(socket)).toEqual([end]);
      await eventually(() => expect(ends).toEqual([end]));
      expect(await users(stub)).toEqual([]);
    });

    it.each<[string, Script]>([
      ["without a handler", { close: undefined } as never],
      [
        "if the handler throws",
        {
          close: () => {
            throw new Error("no");
          },
        },
      ],
      ["if the handler never ends", { close: () => new Promise(() => {}) }],
    ])("is answered %s", async (__, script) => {
      using _log = vi.spyOn(console, "error").mockImplementation(() => {});
      const socket = await connect(fresh(script));
      socket.close(4000, "bye");
      expect(await rest(socket)).toEqual([[4000, "bye"]]);
    });

    it("is answered if the object can't start", async () => {
      using _log = vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh();
      const socket = await connect(stub);
      await evictDurableObject(stub);
      play(stub, {
        start: () => {
          throw new Error("no");
        },
      });
      socket.close(4000, "bye");
      expect(await rest(socket)).toEqual([[4000, "bye"]]);
    });

    it("leaves what is known of the socket readable, however late, after an eviction too", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        close: async (__, socket) => {
          await scheduler.wait(20);
          seen.push(socket.id, socket.tags, socket.state);
          socket.state = { user: "late" };
          seen.push(socket.state);
        },
      });
      const socket = await connect(stub, "/ann?tag=red");
      const id = await inside(stub, ({ sockets }) => sockets.all()[0]!.id);
      await evictDurableObject(stub);
      socket.close(1000);
      await eventually(() => expect(seen).toHaveLength(4));
      expect(seen).toEqual([id, ["red"], { user: "ann" }, { user: "late" }]);
    });

    it("that comes late doesn't touch a newer socket of the same client", async () => {
      const ended: string[] = [];
      const stub = fresh({ close: (__, socket) => void ended.push(socket.id) });
      const old = await connect(stub, "/ann");
      const [oldId] = await inside(stub, ({ sockets }) => sockets.all().map(({ id }) => id));
      await connect(stub, "/ann");
      old.close(1000);
      await eventually(() => expect(ended).toEqual([oldId]));
      expect(await users(stub)).toEqual(["ann"]);
      await inside(stub, ({ sockets }) => expect(sockets.all()[0]!.id).not.toBe(oldId));
    });
  });

  describe("an error in a handler", () => {
    const failing = {
      sync: () => {
        throw new RangeError("secret");
      },
      async: async () => {
        await scheduler.wait(1);
        throw new RangeError("secret");
      },
    };

    it.each(["sync", "async"] as const)(
      "goes to `error`, and the client gets 1011 without a text (%s)",
      async (kind) => {
        const seen: unknown[] = [];
        const stub = fresh({
          message: (self, socket) => {
            self.count++;
            socket.send("before");
            return failing[kind]();
          },
          error: async (self, socket, error) => {
            seen.push([socket.state.user, error, self.count]);
            await scheduler.wait(1);
            socket.send("sorry");
          },
        });
        const socket = await connect(stub, "/ann");
        socket.send("a");
        socket.send("b");
        expect(await rest(socket)).toEqual(["before", "sorry", [1011, ""]]);
        expect(seen).toEqual([["ann", new RangeError("secret"), 1]]);
        expect(await users(stub)).toEqual([]);
      },
    );

    it("is logged without `error`, and with one that throws", async () => {
      using log = vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh({
        message: failing.sync,
        error: () => {
          throw new TypeError("again");
        },
      });
      const socket = await connect(stub);
      socket.send("a");
      expect(await rest(socket)).toEqual([[1011, ""]]);
      expect(log.mock.calls).toEqual([
        [expect.stringContaining("handler"), expect.any(RangeError)],
        [expect.stringContaining("handler"), new TypeError("again")],
      ]);
    });

    it("lets `error` close the socket with another code", async () => {
      const stub = fresh({ message: failing.async, error: (__, socket) => socket.close(4400, "bad input") });
      const socket = await connect(stub);
      socket.send("a");
      expect(await rest(socket)).toEqual([[4400, "bad input"]]);
    });

    it("gets the error of a failed write, and of an object that doesn't start", async () => {
      using log = vi.spyOn(console, "error").mockImplementation(() => {});
      const seen: unknown[] = [];
      const stub = fresh({
        message: (self) => self.unwritable(),
        error: (__, ___, error) => void seen.push(error),
      });
      const socket = await connect(stub);
      socket.send("a");
      expect(await rest(socket)).toEqual([[1011, ""]]);
      expect(seen).toEqual([expect.objectContaining({ code: "write-failed" })]);

      const other = await connect(stub);
      await evictDurableObject(stub);
      play(stub, {
        start: () => {
          throw new RangeError("secret");
        },
      });
      other.send("a");
      expect(await rest(other)).toEqual([[1011, ""]]);
      // For the message, and for the client's answer to the Close.
      await eventually(() => expect(log).toHaveBeenCalledTimes(2));
    });

    it("of the connection goes to `error`, then to `close`, once", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        error: (__, ___, error) => void seen.push(error),
        close: (__, ___, end) => void seen.push(end),
      });
      await connect(stub);
      await inside(stub, async (self, ctx) => {
        const [native] = ctx.getWebSockets();
        await self.webSocketError!(native!, "lost");
        await self.webSocketClose!(native!, 1006, "", false);
      });
      expect(seen).toEqual(["lost", { code: 1006, reason: "", wasClean: false }]);
    });
  });

  it("are closed with 1001 when the object destroys itself", async () => {
    const stub = fresh();
    const socket = await connect(stub);
    await (stub as unknown as { end(): Promise<void> }).end();
    expect(await rest(socket)).toEqual([[1001, "destroyed"]]);
  });
});

describe("limits", () => {
  it("narrow sockets to one path, where other requests get 426", async () => {
    const stub = env.LIMITED_CHAT.getByName("path");
    const upgrade = { headers: { upgrade: "WebSocket" } };
    expect((await stub.fetch("http://o/other", upgrade)).status).toBe(404);
    expect((await stub.fetch("http://o/other")).status).toBe(404);
    const answer = await stub.fetch("http://o/chat");
    expect([answer.status, answer.headers.get("upgrade"), await answer.json()]).toEqual([
      426,
      "websocket",
      { type: "about:blank", title: "Upgrade Required", status: 426, code: "upgrade-required" },
    ]);
    expect((await stub.fetch("http://o/chat", { method: "POST" })).status).toBe(404);
    expect((await stub.fetch("http://o/chat?a=1", upgrade)).status).toBe(101);
  });

  it("close the socket of a message that is too large", async () => {
    const stub = env.LIMITED_CHAT.getByName("size");
    for (const [most, over] of [
      ["é".repeat(5), `${"é".repeat(5)}x`],
      [new Uint8Array(10), new Uint8Array(11)],
    ] as const) {
      const socket = await connect(stub, "/chat");
      socket.send(most);
      expect(await take(socket, 1)).toHaveLength(1);
      socket.send(over);
      expect(await rest(socket)).toEqual([[1009, "message too large"]]);
    }
  });

  it("close the socket of one message too many", async () => {
    const stub = env.LIMITED_CHAT.getByName("rate");
    const socket = await connect(stub, "/chat");
    for (const message of ["1", "2", "3", "4", "5"]) socket.send(message);
    const got = await rest(socket);
    expect(got.at(-1)).toEqual([1008, "too many messages"]);
    expect(got.length).toBe(4);
  });

  it("refuse a client over the most sockets, even if two connect at once", async () => {
    const stub = env.LIMITED_CHAT.getByName("most");
    const socket = await connect(stub, "/chat");
    const both = await Promise.all(
      [1, 2].map(() => stub.fetch("http://o/chat?slow", { headers: { upgrade: "websocket" } })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([101, 503]);
    // Both were let in by `connect`.
    expect(await runInDurableObject(stub, ({ connects }) => connects)).toBe(3);
    for (const { webSocket } of both) webSocket?.accept();
    await expect(async () => await connect(stub, "/chat")).rejects.toThrow("503");
    expect(await runInDurableObject(stub, (_, ctx) => ctx.getWebSockets().length)).toBe(2);
    socket.close(1000);
    await socket.closed;
    await connect(stub, "/chat");
  });

  it("close the socket of a client that goes on sending while its handler never ends", async () => {
    const waiting = "one that waits";
    for (const [message, most] of [
      [waiting, 4_000],
      [new Uint8Array(17 * 1024 * 1024), 1],
    ] as const) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const seen: unknown[] = [];
      const stub = env.STANDARD_CHAT.getByName(`flood ${most}`);
      play(stub, {
        message: async (_, __, data) => {
          seen.push(data);
          await promise;
        },
        close: () => void seen.push("close"),
      });
      const socket = await connect(stub);
      socket.send("first");
      for (let nth = 0; nth < most; nth++) socket.send(message);
      const other = await connect(stub);
      await eventually(() => expect(seen).toEqual(["first"]));
      await runInDurableObject(stub, ({ sockets }) => expect(sockets.size).toBe(2));
      socket.send(message);
      expect(await rest(socket)).toEqual([[1008, "too many messages"]]);
      // Another's messages don't wait for these.
      other.send("other");
      await eventually(() => expect(seen).toEqual(["first", "other"]));
      resolve();
      await eventually(() => expect(seen).toEqual(["first", "other", "close"]));
    }
  });

  it("close the socket of a client that is sent too much without an answered ping", async () => {
    const stub = env.WATCHED_CHAT.getByName("unread");
    const quiet = await connect(stub);
    const pinging = await connect(stub);
    const ping = async (): Promise<void> => {
      // Two pings in one millisecond are one.
      await scheduler.wait(2);
      pinging.send("ping");
      expect(await take(pinging, 1)).toEqual(["pong"]);
    };
    for (const message of ["all", "one", "all", "one", "all"]) {
      await ping();
      pinging.send(message);
      await take(pinging, 1);
    }
    expect((await rest(quiet)).map((one) => (typeof one === "string" ? one.length : one))).toEqual([
      400,
      400,
      [1008, "not reading"],
    ]);
    await ping();
    await evictDurableObject(stub);
    await ping();
    for (let nth = 0; nth < 2; nth++) {
      pinging.send("all");
      await take(pinging, 1);
    }
    expect(await runInDurableObject(stub, ({ sockets }) => sockets.size)).toBe(1);
    pinging.send("one");
    expect(await rest(pinging)).toEqual([[1008, "not reading"]]);
    expect(await runInDurableObject(stub, ({ sockets }) => sockets.size)).toBe(0);
  });

  it("can turn off pings", async () => {
    const stub = env.LIMITED_CHAT.getByName("ping");
    const socket = await connect(stub, "/chat");
    socket.send("ping");
    expect(await take(socket, 1)).toEqual(["ping"]);
  });
});
