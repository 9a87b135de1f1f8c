/** Parts, seen from outside `src/`: a part of a user's own, attached in each of the three ways. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, DurableError, Object as Objects, Storage } from "durable-base";
import { jobs } from "durable-base/jobs";
import { migrations } from "durable-base/migrations";
import { exactlyOnce } from "durable-base/once";
import { attach, type ListedPart, type Part } from "durable-base/part";
import { describe, expect, it, vi } from "vitest";
import { retireLive } from "../../src/core/live-instance.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { visit, visited, Visits, visits, type VisitedLike } from "./fixtures/visits.ts";

type AnyVisited = VisitedLike & DurableBase;
type Namespace = DurableObjectNamespace<AnyVisited>;

const KINDS: [kind: string, namespace: () => Namespace, weight: number][] = [
  ["in a field, standard", () => env.IN_FIELD as never, 1],
  ["in a field, legacy", () => env.LEGACY_IN_FIELD as never, 1],
  ["asked for twice, standard", () => env.IN_BOTH_FIELDS as never, 1],
  ["asked for twice, legacy", () => env.LEGACY_IN_BOTH_FIELDS as never, 1],
  ["listed, standard", () => env.LISTING as never, 1],
  ["listed, legacy", () => env.LEGACY_LISTING as never, 1],
  ["by a decorator, standard", () => env.DECORATED as never, 10],
  ["by a decorator, legacy", () => env.LEGACY_DECORATED as never, 10],
  ["by an inherited decorator, standard", () => env.DECORATED_HEIR as never, 10],
  ["by an inherited decorator, legacy", () => env.LEGACY_DECORATED_HEIR as never, 10],
];

describe.each(KINDS)("a part %s", (_, namespace, weight) => {
  let nth = 0;
  const fresh = (): DurableObjectStub<AnyVisited> => namespace().getByName(`part ${nth++}`);
  const hooksOf = async (stub: DurableObjectStub<AnyVisited>): Promise<string[]> =>
    await runInDurableObject(stub, (self: AnyVisited) => [...visits(self).hooks]);

  it("gets the hooks of a wake-up, a first write and deleteAll, in order", async () => {
    const stub = fresh();
    expect(await stub.add(1)).toBe(1);
    expect(await stub.add(1)).toBe(2);
    expect(await hooksOf(stub)).toEqual(["starting", "started", "written"]);
    await runInDurableObject(stub, (_, { storage }) => storage.deleteAll());
    expect(await hooksOf(stub)).toEqual(["starting", "started", "written", "replaced"]);
    expect(await stub.add(5)).toBe(5);
    expect(await hooksOf(stub)).toEqual(["starting", "started", "written", "replaced", "starting", "written"]);
    await evictDurableObject(stub);
    await stub.add(1);
    expect(await hooksOf(stub)).toEqual(["starting", "started"]);
  });

  it("answers its callers as an entry, by methods that a stub can call and no others", async () => {
    const stub = fresh();
    const handle = Objects.from(namespace()).byId(stub.id);
    expect(await visit(handle, "add", 2)).toEqual({ count: weight, result: 2, isEntry: true });
    expect(await visit(stub, "add", 2)).toEqual({ count: 2 * weight, result: 4, isEntry: true });
    for (const name of ["destroy", "visits", "total", "onStart", "nothing"])
      expect(String(await errorOf(() => visit(stub, name)))).toContain("does not implement the method");
  });

  it("answers requests before the routes", async () => {
    const stub = fresh();
    expect(await (await stub.fetch("http://o/visits")).json()).toBe(1);
    expect((await stub.fetch("http://o/others")).status).toBe(404);
  });

  it("can hold the start, and lets the next entry try again when it fails", async () => {
    const stub = fresh();
    await runInDurableObject(stub, (self: AnyVisited) => {
      visits(self).wait = async () => {
        await scheduler.wait(1);
        throw new Error("not yet");
      };
    });
    expect((await errorOf(() => stub.add(1))).message).toBe("not yet");
    await runInDurableObject(stub, (self: AnyVisited) => (visits(self).wait = () => scheduler.wait(1)));
    expect(await Promise.all([stub.add(1), stub.add(1)])).toEqual([1, 2]);
    expect(await hooksOf(stub)).toEqual(["starting", "starting", "started", "written"]);
  });

  it("sees what is stored when the object is destroyed", async () => {
    const stub = fresh();
    await visit(stub, "add", 1);
    const before = Visits.destroyed.length;
    const hooks = await runInDurableObject(stub, (self: AnyVisited) => visits(self).hooks);
    await stub.end();
    expect(Visits.destroyed.slice(before)).toEqual([weight]);
    // `replaced` would let a part store something again.
    expect(hooks).toEqual(["starting", "started", "written"]);
    expect(await Objects.from(namespace()).byId(stub.id).add(1)).toBe(1);
  });

  it("hears that data was replaced when the object can't be destroyed after all", async () => {
    const stub = fresh();
    await stub.add(1);
    const hooks = await runInDurableObject(stub, (self: AnyVisited, { storage }) => {
      const { sync } = storage;
      storage.sync = async () => {
        storage.sync = sync;
        throw new Error("disk full");
      };
      return visits(self).hooks;
    });
    expect(await errorOf(() => stub.end())).toMatchObject({ code: "write-failed" });
    expect(hooks).toEqual(["starting", "started", "written", "replaced"]);
    expect(await stub.add(1)).toBe(1);
    expect(hooks.slice(4)).toEqual(["starting", "written"]);
  });

  it.each(["started", "written", "replaced"] as const)("fails alone in its hook %s", async (hook) => {
    using log = vi.spyOn(console, "error").mockImplementation(() => {});
    const stub = fresh();
    await runInDurableObject(stub, async (self: AnyVisited, { storage }) => {
      visits(self).fails = hook;
      expect(self.add(1)).toBe(1);
      await storage.deleteAll();
      expect(self.add(1)).toBe(1);
    });
    expect(await stub.add(1)).toBe(2);
    const error: unknown[] = [`durable-base: the hook \`${hook}\` of a part failed.`, new RangeError(hook)];
    expect(log.mock.calls).toEqual(hook === "written" ? [error, error] : [error]);
    expect(await hooksOf(stub)).toEqual(["starting", "started", "written", "replaced", "starting", "written"]);
  });

  it("runs code as an entry, whose result is plain data if it leaves the object", async () => {
    const stub = fresh();
    await runInDurableObject(stub, async (self: AnyVisited) => {
      const { host } = visits(self);
      expect(host.scope()).toBeUndefined();
      expect(host.isWritten).toBe(false);
      const list = await host.enter(() => (self.add(1), { scope: host.scope(), total: self.total }));
      expect(list).toMatchObject({ scope: expect.any(Object), total: 1 });
      expect(host.isWritten).toBe(true);
      expect(thrownBy(() => host.enter(() => [1].values(), { out: true }))).toMatchObject({ code: "not-transferable" });
      expect(host.enter(() => [1].values())).toBeInstanceOf(Iterator);
      expect(host.start()).toBeUndefined();
    });
  });

  it("has one instance per object", async () => {
    await runInDurableObject(fresh(), (self: AnyVisited) => {
      expect(visits(self)).toBe(self.visits);
      expect(visits(self).host.object).toBe(self);
      expect(visits(self).host.isReachable("add")).toBe(true);
      expect(visits(self).host.isReachable("destroy")).toBe(false);
    });
  });
});

describe("parts", () => {
  it("get what their decorators recorded, inherited too", async () => {
    for (const heir of [env.DECORATED_HEIR, env.LEGACY_DECORATED_HEIR] as unknown as Namespace[]) {
      const weights = await runInDurableObject(heir.getByName("weights"), (self: AnyVisited) => visits(self).weights);
      expect(weights).toEqual({ add: 10, addTwice: 5 });
    }
    const alone = await runInDurableObject(env.DECORATED.getByName("weights"), (self) => visits(self).weights);
    expect(alone).toEqual({ add: 10 });
  });

  it("can't be attached after construction, nor to an object of another class", async () => {
    await runInDurableObject(env.TILL.getByName("too late"), (self) => {
      expect(thrownBy(() => visits(self))).toMatchObject({
        code: "part-too-late",
        message: expect.stringContaining("`#visits = visits(this)`"),
      });
      expect(thrownBy(() => visits({}))).toMatchObject({ code: "bad-part" });
    });
  });

  it("are missing with the line to add: on another class of ours, and on one that isn't", async () => {
    for (const stub of [env.TILL.getByName("none"), env.PROBE.getByName("none")]) {
      const error = await errorOf(() => visit(stub, "add"));
      expect(error).toBeInstanceOf(DurableError);
      expect(error).toMatchObject({
        code: "part-missing",
        message:
          "visit(…): the object's class doesn't have the part visits. In a class that extends DurableBase write `#visits = visits(this)`.",
      });
    }
  });

  it("that a class lists are parts, each once", async () => {
    const made = async (parts: unknown): Promise<string> =>
      await runInDurableObject(env.PROBE.getByName("lists"), (_, ctx) => {
        class Wrong extends DurableBase {
          static override parts = parts as ListedPart[];
        }
        const { code, message } = thrownBy(() => new Wrong(ctx, env));
        return `${String(code)}: ${message}`;
      });
    expect(await made([visited(), visited()])).toContain(
      `bad-part: Wrong.parts must be an array of parts: "visits" isn't a part, or is listed twice.`,
    );
    expect(await made([visited])).toContain(`"visited" isn't a part, or is listed twice.`);
    expect(await made([undefined])).toContain("undefined isn't a part, or is listed twice.");
    expect(await made({})).toContain("[object Object] isn't a part, or is listed twice.");
  });

  it("that a child lists take the place of its parent's, or join it", async () => {
    const seen: string[] = [];
    const part = (name: string, note: string, join?: ListedPart["join"]): ListedPart => ({
      name,
      attach: (object) => void attach(object, name, () => (seen.push(note), {})),
      ...(join && { join }),
    });
    await runInDurableObject(env.PROBE.getByName("child"), (_, ctx) => {
      class Parent extends DurableBase {
        static override parts = [
          part("a", "a of the parent"),
          part("b", "b of the parent"),
          part("c", "c of the parent"),
        ];
      }
      class Child extends Parent {}
      class Heir extends Child {
        static override parts = [
          part("b", "b of the heir"),
          part("c", "c of the heir", (inherited) => part("c", `c after ${inherited.name}`)),
          part("d", "d of the heir"),
        ];
      }
      expect(new Heir(ctx, env)).toBeInstanceOf(Child);
    });
    expect(seen).toEqual(["a of the parent", "b of the heir", "c after c", "d of the heir"]);
  });

  it("run their `retired` hook when a newer instance takes over", async () => {
    await runInDurableObject(env.IN_FIELD.getByName("retired"), async (self, ctx) => {
      const Class = self.constructor as new (ctx: DurableObjectState, env: Cloudflare.Env) => AnyVisited;
      expect(new Class(ctx, env)).not.toBe(self);
      expect(visits(self).hooks).toContain("retired");
      expect(thrownBy(() => visits(self).visit()).code).toBe("stale-instance");
    });
  });

  describe("of a start", () => {
    class Started extends DurableBase {
      readonly hooks: string[] = [];
      failure: Error | undefined;
      override onStart(): void {
        if (this.failure !== undefined) throw this.failure;
        this.hooks.push("onStart");
      }
      tables(): string[] {
        return [...this.ctx.storage.kv.list()].map(([key]) => key);
      }
      async open<R>(work: (self: this) => Promise<R>): Promise<R> {
        return await work(this);
      }
    }

    const withStarted = async (
      name: string,
      make: (self: Started, ctx: DurableObjectState) => Part,
      test: (self: Started, ctx: DurableObjectState) => Promise<void>,
    ): Promise<void> =>
      await runInDurableObject(env.PROBE.getByName(`start ${name}`), async (_, ctx) => {
        class Own extends Started {
          static override parts = [
            { name: "own", attach: (self: object) => void attach(self, "own", () => make(self as Started, ctx)) },
          ];
        }
        const self = new Own(ctx, env);
        await scheduler.wait(0);
        await test(self, ctx);
      });

    it("hear of deleteAll once, however often the start failed", async () => {
      const make = (self: Started): Part => ({ replaced: () => void self.hooks.push("replaced") });
      await withStarted("failed", make, async (self, { storage }) => {
        self.failure = new Error("not yet");
        for (let n = 0; n < 3; n++) expect(thrownBy(() => self.tables()).message).toBe("not yet");
        self.failure = undefined;
        self.tables();
        await storage.deleteAll();
        expect(self.hooks).toEqual(["onStart", "replaced"]);
      });
    });

    it("start again when an open entry deletes everything while one of them is starting", async () => {
      const make = (self: Started, ctx: DurableObjectState): Part => ({
        starting: async () => {
          self.hooks.push("starting");
          ctx.storage.kv.put("made", true);
          await scheduler.wait(5);
        },
      });
      await withStarted("deleted", make, async (self, { storage }) => {
        const { promise: deleted, resolve: tell } = Promise.withResolvers<void>();
        const other = deleted.then(() => self.tables());
        await self.open(async () => {
          await storage.deleteAll();
          tell();
          await scheduler.wait(1);
          await storage.deleteAll();
          expect(await other).toEqual(["made"]);
        });
        expect(self.hooks).toEqual(["starting", "onStart", "starting", "starting"]);
      });
    });

    it("hear of the start once, when onStart deletes everything and one of them then fails", async () => {
      let fails = 0;
      const make = (self: Started): Part => ({
        starting: () => {
          if (self.hooks.length === 1 && fails++ === 0) throw new Error("not yet");
        },
        started: () => void self.hooks.push("started"),
      });
      await withStarted("told", make, async (self, { storage }) => {
        self.onStart = () => {
          self.hooks.push("onStart");
          void storage.deleteAll();
        };
        expect(thrownBy(() => self.tables()).message).toBe("not yet");
        self.tables();
        expect(self.hooks).toEqual(["onStart", "started"]);
      });
    });

    it("all hear of the start, even when one of them fails then", async () => {
      using _ = vi.spyOn(console, "error").mockImplementation(() => {});
      await runInDurableObject(env.PROBE.getByName("start heard"), async (_, ctx) => {
        const heard: string[] = [];
        const part = (name: string): ListedPart => ({
          name,
          attach: (self) =>
            void attach(self, name, () => ({
              started: () => {
                heard.push(name);
                throw new Error(name);
              },
            })),
        });
        class Own extends Started {
          static override parts = [part("a"), part("b")];
        }
        const self = new Own(ctx, env);
        await scheduler.wait(0);
        self.tables();
        expect([...heard, ...self.hooks]).toEqual(["a", "b", "onStart"]);
      });
    });

    it("run once at a time, however soon an entry comes after a start that failed", async () => {
      let [runs, atOnce, most] = [0, 0, 0];
      let failing!: PromiseWithResolvers<void>;
      const make = (self: Started): Part => {
        // In the object's own context: another context would hear of it in a later turn.
        failing = Promise.withResolvers<void>();
        self.onStart = async () => {
          most = Math.max(most, ++atOnce);
          await scheduler.wait(2);
          atOnce--;
          if (++runs > 1) return;
          failing.resolve();
          throw new Error("not yet");
        };
        return { starting: () => scheduler.wait(1) };
      };
      await withStarted("once", make, async (self) => {
        const failed = errorOf(() => self.tables() as unknown as Promise<string[]>);
        const calls: unknown[] = [];
        await failing.promise;
        // An entry in each microtask from here on.
        for (let n = 0; n < 100; n++) {
          calls.push(Promise.resolve(self.tables()).catch((error: unknown) => error));
          await Promise.resolve();
        }
        expect(await failed).toMatchObject({ message: "not yet" });
        await Promise.all(calls);
        expect([most, runs]).toEqual([1, 2]);
      });
    });

    it("may call the object, and are waited for whatever their promise's class", async () => {
      const make = (self: Started): Part => ({
        starting: () => {
          self.hooks.push(`sees ${self.tables().length} rows`);
          const done = scheduler.wait(1).then(() => void self.hooks.push("waited"));
          // oxlint-disable-next-line unicorn/no-thenable
          return { then: done.then.bind(done) } as Promise<void>;
        },
      });
      await withStarted("calls", make, async (self) => {
        await self.tables();
        expect(self.hooks).toEqual(["sees 0 rows", "waited", "onStart"]);
      });
    });

    it("answer a request as an entry, after the start", async () => {
      let answers = true;
      const make = (self: Started): Part => ({
        starting: async () => (await scheduler.wait(1), void self.hooks.push("starting")),
        fetch: () => (self.hooks.push("fetch"), answers ? new Response("yes") : undefined),
      });
      await withStarted("fetch", make, async (self) => {
        expect(await (await self.fetch(new Request("http://o/"))).text()).toBe("yes");
        answers = false;
        expect((await self.fetch(new Request("http://o/"))).status).toBe(404);
        expect(self.hooks).toEqual(["starting", "onStart", "fetch", "fetch"]);
      });
    });

    it("leave the storage as they found it when a newer instance takes over", async () => {
      const make = (self: Started): Part => {
        jobs(self);
        return {};
      };
      await withStarted("left", make, async (self, { id, storage }) => {
        self.tables();
        expect(Object.hasOwn(storage, "deleteAll")).toBe(true);
        retireLive(id);
        for (const name of ["deleteAll", "transaction", "setAlarm"]) expect(Object.hasOwn(storage, name)).toBe(false);
      });
    });
  });

  it("are missing in the object that lacks them, and not in one that has called it", async () => {
    await runInDurableObject(env.PROBE.getByName("passes on"), async (_, ctx) => {
      class Passing extends DurableBase {
        static override parts: readonly ListedPart[] = [
          {
            name: "visits",
            attach: (self) =>
              void attach(self, "visits", () => ({
                call: async () => await Storage.get(env.TILL.getByName("lacking") as never, "key"),
              })),
          },
        ];
      }
      const self = new Passing(ctx, env);
      await scheduler.wait(0);
      expect((await errorOf(() => visit(self, "add"))).message).toContain("doesn't have the part remote-storage");
    });
  });

  it("that a parent lists leave a child's list free", () => {
    class Parent extends DurableBase {
      static override parts = [migrations([])];
    }
    class Child extends Parent {
      static override parts = [exactlyOnce()];
    }
    expect(Child.parts.map(({ name }) => name)).toEqual(["once"]);
  });
});
