/** What an object's life promises, from `onStart` to `destroy()`, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, type Handle, Object as Objects } from "durable-base";
import { once } from "durable-base/once";
import { describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import { on, work, type LifeLike } from "./fixtures/life-data.ts";

type Native = DurableObjectStub<LifeLike>;
/** A handle as far as these cases use it. */
type Lives = {
  [Method in "act" | "later" | "atomic" | "atomicLater" | "alone"]: (id: string) => Promise<unknown>;
} & {
  readonly got: Promise<unknown>;
  readonly id: DurableObjectId;
  inspect(): Promise<ReturnType<LifeLike["inspect"]>>;
  send(stream: ReadableStream): Promise<unknown>;
  stream(): Promise<ReadableStream>;
  handed(id: string): Promise<Disposable & { call(): Promise<unknown>; target: { call(): Promise<unknown> } }>;
  fetch(url: string, init?: RequestInit): Promise<Response>;
};

const LATER = 4_000_000_000_000;

export function lifeCases(dialect: string, namespace: () => DurableObjectNamespace<LifeLike>): void {
  let nth = 0;
  const freshName = (): string => `${dialect} life ${nth++}`;
  const handleOf = (name: string): Lives => Objects.from(namespace() as never).byName(name) as Handle<unknown> as never;
  const nativeOf = (name: string): Native => namespace().getByName(name);

  /** An object with something in every kind of storage. */
  const filled = async (): Promise<{ name: string; handle: Lives; birth: string }> => {
    const name = freshName();
    const handle = handleOf(name);
    await handle.act(
      work((self) => {
        self.count = 1;
        self.list = [1];
        self.storage.kv.put("own", 1);
        self.storage.sql.exec("CREATE TABLE own (n INTEGER)");
        void self.storage.setAlarm(LATER);
      }),
    );
    const { birth } = await handle.inspect();
    return { name, handle, birth };
  };

  /** Expects that the object was destroyed, and that calls on the handle go to the next. */
  const expectFresh = async ({ handle, birth }: { handle: Lives; birth: string }): Promise<void> => {
    const found = await handle.inspect();
    expect(found).toEqual({ birth: found.birth, count: 0, list: [], keys: [] });
    expect(found.birth).not.toBe(birth);
    const rest = work(async ({ storage }) => [
      await storage.getAlarm(),
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'own'").toArray(),
    ]);
    expect(await handle.later(rest)).toEqual([null, []]);
  };

  /** Expects that the object goes on as it was. */
  const expectKept = async ({ handle, birth }: { handle: Lives; birth: string }): Promise<void> => {
    expect(await handle.inspect()).toMatchObject({ birth, count: 1, list: [1] });
    await scheduler.wait(15);
    expect(await handle.inspect()).toMatchObject({ birth, count: 1, list: [1] });
  };

  const destroys = work((self) => {
    self.destroy();
    return "answer";
  });

  describe(`the life of an object (${dialect})`, () => {
    /** By kind of entry: makes the object have one, cold where that can be, whose code is what `seen` was given. */
    const kinds: Record<string, (stub: Native, event: (event: string) => void, see: string) => Promise<unknown>> = {
      "a method": async (stub, _, see) => {
        await evictDurableObject(stub);
        await stub.act(see);
      },
      "a getter": async (stub, event) => {
        event("getter");
        await evictDurableObject(stub);
        await stub.got;
      },
      "a request": async (stub, event) => {
        event("route");
        await evictDurableObject(stub);
        expect((await stub.fetch("http://o/act")).status).toBe(204);
      },
      "a request through middleware": async (stub, event) => {
        event("route");
        await evictDurableObject(stub);
        expect((await stub.fetch("http://o/used")).status).toBe(204);
      },
      "a function that was handed out": async (stub, _, see) => {
        using made = (await stub.handed(see)) as unknown as Awaited<ReturnType<Lives["handed"]>>;
        await made.call();
      },
      "an RpcTarget": async (stub, _, see) => {
        using made = (await stub.handed(see)) as unknown as Awaited<ReturnType<Lives["handed"]>>;
        await made.target.call();
      },
      "an alarm": async (stub, event) => {
        event("alarm");
        await stub.act(work(({ storage }) => void storage.setAlarm(Date.now() + 30)));
        await evictDurableObject(stub);
      },
      "a message of a socket": async (stub, event) => {
        event("message");
        const socket = await connect(stub);
        await evictDurableObject(stub);
        socket.send("hello");
      },
      "a socket that closes": async (stub, event) => {
        event("close");
        const socket = await connect(stub);
        await evictDurableObject(stub);
        socket.close(1000);
      },
      "an error of a socket": async (stub, event) => {
        event("error");
        await evictDurableObject(stub);
        await runInDurableObject(stub, (self) =>
          (self as LifeLike).webSocketError!(undefined as never, new Error("lost")),
        );
      },
    };

    const connect = async (stub: Native): Promise<WebSocket> => {
      const { webSocket } = await stub.fetch("http://o/socket", { headers: { upgrade: "websocket" } });
      webSocket!.accept();
      return webSocket!;
    };

    /** Ways to an object, and whether it then knows its name. */
    const ways: Record<string, { known: boolean; open: () => Promise<[stub: Native, name: string]> }> = {
      "by name": {
        known: true,
        open: async () => {
          const name = freshName();
          return [nativeOf(name), name];
        },
      },
      "by id, after it was written to by name": {
        known: true,
        open: async () => {
          const name = freshName();
          const { id } = nativeOf(name);
          await nativeOf(name).act(work((self) => void self.count++));
          await evictDurableObject(nativeOf(name));
          return [namespace().get(namespace().idFromString(id.toString())), name];
        },
      },
      "by id alone": {
        known: false,
        open: async () => {
          const id = namespace().idFromName(freshName()).toString();
          return [namespace().get(namespace().idFromString(id)), id];
        },
      },
      "by a unique id": {
        known: false,
        open: async () => {
          const id = namespace().newUniqueId();
          return [namespace().get(id), id.toString()];
        },
      },
    };

    describe.each(Object.keys(ways))("found %s", (way) => {
      it.each(Object.keys(kinds))(
        "is started, once, before %s, and knows its name or says that it cannot",
        async (kind) => {
          const { known, open } = ways[way]!;
          const [stub, name] = await open();
          const id = stub.id.toString();
          const seen: unknown[] = [];
          const { promise, resolve } = Promise.withResolvers<void>();
          const nameOf = (self: LifeLike): string => {
            try {
              return self.name;
            } catch (error) {
              return (error as DurableError).code;
            }
          };
          const see = (self: LifeLike): void => {
            seen.push([self.starts, nameOf(self)]);
            resolve();
          };
          const event = (event: string): void => [name, id].forEach((key) => on(event, key, see));
          const starts: string[] = [];
          for (const key of [name, id]) on("start", key, (self) => void starts.push(nameOf(self)));
          // What opens a socket is an entry too.
          await stub.act(work(() => undefined));
          await kinds[kind]!(stub, event, work(see));
          await promise;
          const expected = known ? name : "name-unknown";
          expect(seen).toEqual([[1, expected]]);
          expect(new Set(starts)).toEqual(new Set([expected]));
        },
      );
    });

    it("tries again after a start that failed, also for an alarm and a socket, which lose nothing", async () => {
      const name = freshName();
      const stub = nativeOf(name);
      const socket = await connect(stub);
      await stub.act(work(({ storage }) => void storage.setAlarm(Date.now() + 20)));
      const events: unknown[] = [];
      on("message", name, () => void events.push("message"));
      on("alarm", name, () => void events.push("alarm"));
      on("start", name, () => {
        events.push("failed start");
        throw new RangeError("cannot start yet");
      });
      await evictDurableObject(stub);
      await eventually(() => expect(events).toEqual(["failed start"]));
      on("start", name, undefined);
      socket.send("hello");
      await eventually(() => expect(events.toSorted()).toEqual(["alarm", "failed start", "message"]));
    });
  });

  describe(`DurableBase.destroy (${dialect})`, () => {
    it("deletes all that is stored, and lets the next call on the handle find a new object", async () => {
      const object = await filled();
      expect(await object.handle.act(destroys)).toBe("answer");
      await expectFresh(object);
    });

    it("does so also for a caller that comes back later, and one whose handle is older", async () => {
      const object = await filled();
      const other = handleOf(object.name);
      expect((await other.inspect()).count).toBe(1);
      await object.handle.act(destroys);
      await scheduler.wait(30);
      await expectFresh(object);
      expect((await other.inspect()).birth).toBe((await object.handle.inspect()).birth);
    });

    const answers: Record<string, (handle: Lives, name: string) => Promise<unknown>> = {
      "a method": (handle) => handle.act(destroys),
      "an async method": (handle) =>
        handle.later(
          work(async (self) => {
            self.destroy();
            await scheduler.wait(5);
            self.count = 2;
            return "answer";
          }),
        ),
      "a getter": (handle, name) => {
        on("getter", name, (self) => (self.destroy(), "answer"));
        return handle.got;
      },
      "an @Atomic method": (handle) => handle.atomic(destroys),
      "an async @Atomic method": (handle) => handle.atomicLater(destroys),
      "an @Atomic method inside another": (handle) =>
        handle.atomicLater(work(async (self) => await self.atomic(destroys))),
      "an @Exclusive method": (handle) => handle.alone(destroys),
      "a call of once()": (handle) => once(handle as { act(id: string): Promise<unknown> }, "key").act(destroys),
      "a function that was handed out": async (handle) => {
        using made = await handle.handed(destroys);
        return await made.call();
      },
      "a method inside another": (handle) => handle.later(work(async (self) => await self.act(destroys))),
      "a request": async (handle, name) => {
        on("route", name, (self) => (self.destroy(), "answer"));
        return await (await handle.fetch("http://o/act")).text();
      },
      "a request through middleware": async (handle, name) => {
        on("route", name, (self) => (self.destroy(), "answer"));
        return await (await handle.fetch("http://o/used")).text();
      },
      "a request with a body that comes bit by bit": async (handle, name) => {
        on("route", name, (self) => (self.destroy(), new Response(slowly("ans", "wer"), { status: 201 })));
        const response = await handle.fetch("http://o/act");
        expect(response.status).toBe(201);
        return await response.text();
      },
      "the same through middleware": async (handle, name) => {
        on("route", name, (self) => (self.destroy(), new Response(slowly("ans", "wer"), { status: 201 })));
        const response = await handle.fetch("http://o/used");
        expect(response.status).toBe(201);
        return await response.text();
      },
      "a method that gives a stream": async (handle) => {
        const stream = await handle.act(work((self) => (self.destroy(), slowly("ans", "wer"))));
        return await new Response(stream as ReadableStream).text();
      },
      "a generator of HTTP": async (handle, name) => {
        on("route", name, async function* (self) {
          yield "answer";
          self.destroy();
        });
        expect(await (await handle.fetch("http://o/act")).text()).toContain("answer");
        return "answer";
      },
    };

    it.each(Object.keys(answers))("gives the answer of %s first", async (kind) => {
      const object = await filled();
      expect(await answers[kind]!(object.handle, object.name)).toBe("answer");
      await expectFresh(object);
    });

    it("lets a large body arrive whole, however slowly it is read", async () => {
      const object = await filled();
      on("route", object.name, (self) => (self.destroy(), "x".repeat(5_000_000)));
      const reader = (await object.handle.fetch("http://o/act")).body!.getReader();
      let bytes = 0;
      await scheduler.wait(50);
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        if (bytes % 7 === 0) await scheduler.wait(1);
        bytes += (part.value as Uint8Array).length;
      }
      expect(bytes).toBe(5_000_000);
      await expectFresh(object);
    });

    it("takes effect also when the method throws, whose error the caller gets", async () => {
      const object = await filled();
      const fails = work((self) => {
        self.destroy();
        throw new RangeError("stop");
      });
      expect(await errorOf(() => object.handle.act(fails))).toMatchObject({ name: "RangeError", message: "stop" });
      await expectFresh(object);
      const later = await filled();
      expect(await errorOf(() => later.handle.later(fails))).toMatchObject({ name: "RangeError" });
      await expectFresh(later);
    });

    it("is dropped with the @Atomic call that is undone, and only with it", async () => {
      const object = await filled();
      const { handle } = object;
      const stop = (self: LifeLike): never => {
        self.destroy();
        throw new RangeError("stop");
      };
      expect(await errorOf(() => handle.atomic(work(stop)))).toMatchObject({ message: "stop" });
      expect(await errorOf(() => handle.atomicLater(work(stop)))).toMatchObject({ message: "stop" });
      // The inner one committed within the outer, which is undone.
      const outer = work((self) => {
        self.atomic(destroys);
        throw new RangeError("stop");
      });
      expect(await errorOf(() => handle.atomic(outer))).toMatchObject({ message: "stop" });
      // The outer catches what undoes the inner.
      const catches = work((self) => {
        expect(() => self.atomic(work(stop))).toThrow("stop");
      });
      await handle.atomic(catches);
      await handle.act(catches);
      await expectKept(object);
      await handle.atomic(
        work((self) => {
          self.destroy();
          expect(() => self.atomic(work(stop))).toThrow("stop");
        }),
      );
      await expectFresh(object);
    });

    it("is dropped with a transaction of ctx.storage that is undone, and waits for its commit", async () => {
      const object = await filled();
      const { handle } = object;
      const undone = work(async (self) => {
        const stop = (): never => {
          self.destroy();
          throw new RangeError("stop");
        };
        expect(() => self.storage.transactionSync(stop)).toThrow("stop");
        expect(await errorOf(() => self.storage.transaction(async () => stop()))).toMatchObject({ message: "stop" });
        await self.storage.transaction(async (txn) => {
          self.destroy();
          txn.rollback();
        });
      });
      await handle.later(undone);
      await expectKept(object);
      await handle.later(work((self) => self.storage.transaction(async () => self.destroy())));
      await expectFresh(object);
    });

    it("closes the sockets, with a code that tells why", async () => {
      const object = await filled();
      const { webSocket } = await object.handle.fetch("http://o/socket", { headers: { upgrade: "websocket" } });
      webSocket!.accept();
      const closed = new Promise((done) => {
        webSocket!.addEventListener("close", ({ code, reason }) => done([code, reason]));
      });
      // One that is closing already is no obstacle, and no event wakes the next object.
      const { webSocket: leaving } = await object.handle.fetch("http://o/socket", {
        headers: { upgrade: "websocket" },
      });
      leaving!.accept();
      leaving!.close(1000);
      const events: string[] = [];
      for (const event of ["close", "start"]) on(event, object.name, () => void events.push(event));
      await object.handle.act(destroys);
      expect(await closed).toEqual([1001, "destroyed"]);
      await scheduler.wait(50);
      expect(events).not.toContain("start");
      await expectFresh(object);
    });

    it.each(["alarm", "message", "close"])("works in an event: %s", async (event) => {
      const object = await filled();
      const { handle, name } = object;
      const { webSocket } = await handle.fetch("http://o/socket", { headers: { upgrade: "websocket" } });
      webSocket!.accept();
      let events = 0;
      on(event, name, (self) => {
        events++;
        self.destroy();
      });
      if (event === "alarm") await handle.act(work(({ storage }) => void storage.setAlarm(Date.now())));
      else if (event === "message") webSocket!.send("hello");
      else webSocket!.close(1000);
      await eventually(() => expect(events).toBe(1));
      await scheduler.wait(30);
      await expectFresh(object);
      // An alarm that failed would come again after two seconds.
      if (event === "alarm") await scheduler.wait(2_500);
      expect(events).toBe(1);
    });

    it("ends an alarm that is open, which does not come again", async () => {
      const object = await filled();
      const { handle, name } = object;
      const births: string[] = [];
      on("alarm", name, async (self) => {
        births.push(self.birth);
        if (births.length === 1) await scheduler.wait(1_000);
      });
      await handle.act(work(({ storage }) => void storage.setAlarm(Date.now())));
      await eventually(() => expect(births).toHaveLength(1));
      await handle.act(destroys);
      await expectFresh(object);
      await scheduler.wait(3_000);
      // The platform tries an alarm that failed again after two seconds.
      expect(births).toEqual([object.birth]);
    });

    it("runs no call twice that still reads its answer when another destroys the object", async () => {
      const object = await filled();
      let runs = 0;
      const reading = errorOf(() =>
        object.handle.act(
          work((self) => {
            runs++;
            self.destroy();
            return slowly(..."a long answer");
          }),
        ),
      );
      expect(await object.handle.act(destroys)).toBe("answer");
      expect(await reading).toMatchObject({ code: "destroyed" });
      expect(runs).toBe(1);
    });

    it("works at once in a timer that outlived its entry", async () => {
      const object = await filled();
      await object.handle.act(work((self) => void setTimeout(() => self.destroy(), 5)));
      await scheduler.wait(30);
      await expectFresh(object);
    });

    it("in onStart leaves the call that woke the object to the next one", async () => {
      const object = await filled();
      await evictDurableObject(nativeOf(object.name));
      on("start", object.name, (self) => {
        if (self.count === 1) self.destroy();
      });
      await expectFresh(object);
    });

    it("in every onStart ends in an error, not in a loop", async () => {
      const object = await filled();
      await evictDurableObject(nativeOf(object.name));
      let starts = 0;
      on("start", object.name, (self) => {
        starts++;
        self.destroy();
      });
      expect(DurableError.is(await errorOf(() => object.handle.inspect()), "destroyed")).toBe(true);
      expect(starts).toBe(4);
      on("start", object.name, undefined);
      await expectFresh(object);
    });

    it("is refused in the constructor, with the fix", async () => {
      const name = freshName();
      const errors: unknown[] = [];
      on("construct", name, (self) => errors.push(thrown(() => self.destroy())));
      const handle = handleOf(name);
      await handle.inspect();
      expect(errors).toEqual([expect.objectContaining({ code: "changed-in-constructor" })]);
      expect((errors[0] as Error).message).toContain("`onStart() { … }`");
    });

    describe("onDestroy", () => {
      it("runs once before anything is gone, however often and by how many calls it was asked for", async () => {
        const object = await filled();
        const { handle, name } = object;
        const seen: unknown[] = [];
        on("destroy", name, async (self) => {
          seen.push(self.count);
          self.count = 5;
          self.destroy();
          await scheduler.wait(5);
          seen.push(self.count);
        });
        const twice = work((self) => {
          self.destroy();
          self.destroy();
          return "twice";
        });
        expect(await Promise.all([handle.act(twice), handle.act(destroys), handle.alone(destroys)])).toEqual([
          "twice",
          "answer",
          "answer",
        ]);
        await expectFresh(object);
        expect(seen).toEqual([1, 5]);
      });

      it("that fails gives its error to the caller, destroys nothing, and is asked again next time", async () => {
        const object = await filled();
        const { handle, name } = object;
        on("destroy", name, () => {
          throw new RangeError("not yet");
        });
        expect(await errorOf(() => handle.act(destroys))).toMatchObject({ message: "not yet" });
        await expectKept(object);
        on("destroy", name, undefined);
        await handle.act(destroys);
        await expectFresh(object);
      });
    });

    it("that cannot delete says so, and the object goes on", async () => {
      const object = await filled();
      const breaks = work((self) => {
        self.storage.deleteAll = () => Promise.reject(new Error("disk full"));
        self.destroy();
      });
      const error = (await errorOf(() => object.handle.act(breaks))) as DurableError;
      expect([error.code, (error.cause as Error).message]).toEqual(["write-failed", "disk full"]);
      expect(await object.handle.inspect()).toMatchObject({ birth: object.birth });
    });

    it("destroys nothing when the entry's own changes could not be written", async () => {
      const object = await filled();
      const breaks = work((self) => {
        const { put } = self.storage.kv;
        self.storage.kv.put = () => {
          throw new Error("disk full");
        };
        self.count = 7;
        self.destroy();
        void Promise.resolve().then(() => (self.storage.kv.put = put));
      });
      expect(DurableError.is(await errorOf(() => object.handle.act(breaks)), "write-failed")).toBe(true);
      await expectKept(object);
    });

    it("lets no call that is open write anything back, and tells its caller", async () => {
      using _ = vi.spyOn(console, "error").mockImplementation(() => {});
      const object = await filled();
      const { handle } = object;
      const held: unknown[] = [];
      const parked = (wait: (self: LifeLike) => Promise<unknown>): Promise<Error> =>
        errorOf(() =>
          handle.later(
            work(async (self) => {
              const { list } = self;
              for (let n = 0; n < 2_000; n++) {
                await wait(self);
                self.storage.kv.put("parked", n);
                self.storage.sql.exec("CREATE TABLE IF NOT EXISTS own (n INTEGER)");
                self.count++;
                list.push(n);
              }
              held.push("was never stopped");
            }),
          ),
        );
      const errors = [
        parked(() => new Promise((done) => setTimeout(done, 0))),
        parked(() => scheduler.wait(3)),
        parked(({ storage }) => storage.get("x").then(() => scheduler.wait(1))),
        parked(() =>
          env.PROBE.getByName("other")
            .whenConstructed()
            .then(() => scheduler.wait(1)),
        ),
        parked(() => crypto.subtle.digest("SHA-256", new Uint8Array(9)).then(() => scheduler.wait(1))),
      ];
      await scheduler.wait(20);
      const byStub = errorOf(async () => await nativeOf(object.name).later(work(() => scheduler.wait(60_000))));
      const byHttp = handle.fetch("http://o/act");
      on("route", object.name, () => scheduler.wait(60_000));
      await scheduler.wait(1);
      await handle.act(destroys);
      for (const error of await Promise.all([...errors, byStub])) expect(error).toMatchObject({ code: "destroyed" });
      expect((await byHttp).status).toBe(500);
      await scheduler.wait(20);
      await expectFresh(object);
      expect(held).toEqual([]);
    });

    it("sends calls that come meanwhile to the next object, in their order, each once", async () => {
      const object = await filled();
      const { handle } = object;
      const ran: number[] = [];
      const calls = (from: number): Promise<unknown>[] =>
        [0, 1, 2].map((n) => handle.act(work((self) => (ran.push(from + n), self.birth))));
      const answer = handle.act(destroys);
      const before = calls(0);
      expect(await answer).toBe("answer");
      const births = await Promise.all([...before, ...calls(10), handle.inspect().then(({ birth }) => birth)]);
      expect(new Set(births).size).toBe(1);
      expect(births).not.toContain(object.birth);
      expect(ran).toEqual([0, 1, 2, 10, 11, 12]);
    });

    it("refuses a call that comes meanwhile with what can be sent only once", async () => {
      const { handle } = await filled();
      const answer = handle.act(destroys);
      const refused = [
        errorOf(() => handle.send(slowly("a"))),
        errorOf(() => handle.send({ files: [slowly("a")] } as never)),
        errorOf(() => handle.fetch("http://o/act", { method: "POST", body: slowly("a") })),
      ];
      await answer;
      for (const error of refused) expect(await error).toMatchObject({ code: "destroyed" });
      expect((await handle.fetch("http://o/act", { method: "POST", body: "a" })).status).toBe(405);
    });

    it("tells a native stub what happened", async () => {
      const object = await filled();
      const stub = nativeOf(object.name);
      const [answer, next] = [stub.act(destroys), errorOf(async () => await stub.inspect())];
      expect(await answer).toBe("answer");
      expect(await next).toMatchObject({
        durableObjectReset: true,
        message: expect.stringContaining("before this call began") as string,
      });
      expect((await nativeOf(object.name).inspect()).count).toBe(0);
    });

    it("leaves the object's own code nothing to write until the reset", async () => {
      const object = await filled();
      const codes: unknown[] = [];
      const watches = work((self) => {
        const { list, state } = self;
        const { getWebSockets } = state;
        state.getWebSockets = () => {
          const sockets = getWebSockets.call(state);
          queueMicrotask(() => {
            const tries = [() => self.count++, () => list.push(2), () => (self.list = [2]), () => self.destroy()];
            codes.push(...tries.map((attempt) => thrown(attempt)?.code));
          });
          return sockets;
        };
        self.destroy();
      });
      await object.handle.act(watches);
      await expectFresh(object);
      expect(codes).toEqual(["destroyed", "destroyed", "destroyed", "destroyed"]);
    });
  });
}

function slowly(...parts: string[]): ReadableStream {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      await scheduler.wait(3);
      const part = parts.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(part));
    },
  });
}

function thrown(call: () => unknown): DurableError | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error as DurableError;
  }
}
