import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError } from "durable-base";
import { describe, expect, it, vi } from "vitest";
import { planOf, type Plan } from "../../src/core/plan.ts";
import { errorOf } from "../error-of.ts";
import type { Disposing } from "./fixtures/disposing.ts";
import { type Handing, Narrow, Starting, Surface } from "./fixtures/base.ts";
import { LeftLegacy, RightLegacy } from "../legacy/base.ts";
import type { AccessorThings } from "../persisted/fixtures/persisted.ts";
import { inside } from "../persisted/things.ts";

type Stub = Record<string, () => Promise<unknown>>;

/** Every name on an instance and its prototypes that answers through a stub. */
async function reachable(stub: DurableObjectStub<Surface>): Promise<string[]> {
  const names = await runInDurableObject(stub, (self) => {
    const found = new Set<string>();
    for (let at: object = self; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
      for (const name of Object.getOwnPropertyNames(at)) found.add(name);
    }
    return [...found];
  });
  expect(names).toEqual(
    expect.arrayContaining(["count", "name", "onStart", "onDestroy", "destroy", "method", "constructor"]),
  );
  const answers: string[] = [];
  for (const name of names) {
    // These are members of the stub itself; nothing is sent.
    if (name === "fetch" || name === "constructor" || name === "name") continue;
    try {
      await (stub as unknown as Record<string, Promise<unknown>>)[name];
      answers.push(name);
    } catch (error) {
      if (!/does not implement|is a reserved method/.test(String(error))) throw error;
    }
  }
  return answers.sort();
}

describe("DurableBase", () => {
  describe("what a stub can reach", () => {
    it("is what the subclass defines as methods and getters, and of the base the method that calls parts alone, no hooks or fields", async () => {
      expect(await reachable(env.SURFACE.getByName("all"))).toEqual([
        "__call",
        "_private",
        "callsPrivate",
        "doubled",
        "method",
      ]);
      const stub = env.SURFACE.getByName("all");
      const response = await stub.fetch("http://o/");
      expect([response.status, await response.json()]).toMatchObject([404, { code: "not-found" }]);
      expect(await (stub.name as unknown)).toBe("all");
    });

    it("is narrowed by static rpc", async () => {
      expect(await reachable(env.NARROW.getByName("narrow"))).toEqual(["__call", "method"]);
      expect(Narrow.rpc).toEqual(["method"]);
    });

    it("still lets the class itself use everything", async () => {
      const stub = env.NARROW.getByName("inside");
      expect(await stub.method()).toBe(2);
      expect(
        await runInDurableObject(stub, (self) => [self.name, self.doubled, self.callsPrivate(), self.arrow()]),
      ).toEqual(["overridden 2", 0, 2, 1]);
    });
  });

  describe("onStart", () => {
    it("ends before the first call of any kind, once per wake-up", async () => {
      const stub = env.STARTING.getByName("once");
      expect(await Promise.all([stub.read(), stub.started, stub.read()])).toEqual([1, 1, 1]);
      expect(await (await stub.fetch("http://o")).text()).toBe("1");
      await evictDurableObject(stub);
      expect(await (await stub.fetch("http://o")).text()).toBe("2");
      await stub.wake();
      await evictDurableObject(stub);
      await runDurableObjectAlarm(stub);
      expect(await runInDurableObject(stub, (self) => [self.starts, self.alarms])).toEqual([3, 3]);
    });

    it("gives its error to the callers that waited, and is tried again by the next", async () => {
      Starting.fail.add("failing");
      const stub = env.STARTING.getByName("failing");
      const errors = await Promise.all([errorOf(() => stub.read()), errorOf(() => stub.fetch("http://o"))]);
      expect(errors.map(({ name, message }) => [name, message])).toEqual(
        Array(2).fill(["RangeError", "cannot start yet"]),
      );
      expect(await stub.read()).toBe(1);
    });
  });

  it("lets a start that does not end fail its callers after 30 s, and tries again", async () => {
    await runInDurableObject(env.SLEEPING.getByName("a"), async (self) => {
      vi.useFakeTimers();
      try {
        const error = errorOf(() => self.tries());
        await vi.advanceTimersByTimeAsync(29_999);
        expect(await Promise.race([error, "still waiting"])).toBe("still waiting");
        await vi.advanceTimersByTimeAsync(1);
        expect(DurableError.is(await error, "start-timeout")).toBe(true);
      } finally {
        vi.useRealTimers();
      }
      expect(await self.tries()).toBe(2);
    });
  });

  describe("name", () => {
    it("is the name the object was addressed by", async () => {
      expect(await runInDurableObject(env.HANDING.getByName("named"), ({ name }) => name)).toBe("named");
    });

    it("is known after a wake-up by id alone once something was written, and refused before", async () => {
      const byId = (name: string): DurableObjectStub<Handing> =>
        env.HANDING.get(env.HANDING.idFromString(env.HANDING.idFromName(name).toString()));
      const error = await runInDurableObject(byId("unwritten"), (self) => errorOf(() => self.name));
      expect(error).toMatchObject({ code: "name-unknown", message: expect.stringContaining("byName(name)") as string });
      const stub = env.HANDING.getByName("written");
      await stub.outer();
      await abortAllDurableObjects();
      expect(
        await runInDurableObject(byId("written"), ({ ctx, name: known }: Handing & { ctx?: DurableObjectState }) => [
          ctx?.id.name,
          known,
        ]),
      ).toEqual([undefined, "written"]);
    });

    it("is learned from a later call if the first write came without it", async () => {
      const name = "named later";
      const byId = (): DurableObjectStub<AccessorThings> =>
        env.ACCESSOR_THINGS.get(env.ACCESSOR_THINGS.idFromString(env.ACCESSOR_THINGS.idFromName(name).toString()));
      await inside(byId(), (self) => (self.count = 1));
      await abortAllDurableObjects();
      await inside(env.ACCESSOR_THINGS.getByName(name), (self) => (self.count = 2));
      await abortAllDurableObjects();
      expect(await inside(byId(), (self) => self.name)).toBe(name);
    });
  });

  describe("results", () => {
    const stub = (): DurableObjectStub<Handing> & Stub => env.HANDING.getByName(crypto.randomUUID()) as never;

    it("cross as plain data, tracked values at any depth", async () => {
      expect(await stub().whole()).toEqual({
        list: [{ n: 1 }],
        map: new Map([["a", { n: 1 }]]),
        at: new Date(1_123),
        bytes: new Uint8Array([1, 2, 3]),
        nested: [[{ n: 1 }]],
      });
    });

    it("may hold cycles and shared parts", async () => {
      const both = (await stub().shared()) as { list: unknown; self: unknown };
      expect(both.self).toBe(both);
      expect(both.list).toEqual([{ n: 1 }]);
    });

    it("are detached: a caller in the same isolate changes a copy", async () => {
      const object = stub();
      await runInDurableObject(object, (self: Handing) => {
        (self.whole() as { list: { n: number }[] }).list[0]!.n = 99;
      });
      expect(await object.inner()).toEqual([{ n: 1 }]);
    });

    it("stay tracked between methods of the object", async () => {
      const object = stub();
      expect(await object.outer()).toBe(2);
      await evictDurableObject(object);
      expect(await object.inner()).toEqual([{ n: 1 }, { n: 2 }]);
    });

    it("may be streams", async () => {
      expect(await new Response((await stub().stream()) as unknown as ReadableStream).bytes()).toEqual(
        new Uint8Array([1, 2, 3]),
      );
    });

    it("may be functions and RpcTargets, whose later calls are entries too", async () => {
      const object = stub();
      const made = (await object.functions()) as unknown as Disposable & {
        add: (by: number) => Promise<number>;
        list: () => Promise<unknown>;
        target: { add(by: number): Promise<unknown>; count: Promise<number> };
      };
      expect(await made.add(2)).toBe(2);
      expect(await made.list()).toEqual([{ n: 1 }]);
      expect(await made.target.add(3)).toEqual([{ n: 1 }]);
      expect(await made.target.count).toBe(5);
      // An eviction waits for what is still held.
      made[Symbol.dispose]();
      await evictDurableObject(object);
      expect(await runInDurableObject(object, (self: Handing) => self.count)).toBe(5);
    });

    describe("that are disposable", () => {
      type Used = Disposable & { use?: () => Promise<number>; x?: number };
      const disposed = (stub: DurableObjectStub<Disposing>): Promise<string[]> =>
        runInDurableObject(stub, (self) => [...self.disposed]);

      it.each([
        ["functions", "functions, x = 1"],
        ["plain", "plain"],
        ["frozen", "frozen"],
        ["tracked", "tracked"],
        ["cyclic", "cyclic"],
        ["accessors", "accessors"],
        ["function", "function"],
        ["inner", "inner"],
        ["target", "target"],
        ["later", "later"],
        ["changesLater", "changed later"],
        ["fails", "fails"],
      ])("tell the object, whose disposer is an entry: %s", async (kind, noted) => {
        const stub = env.DISPOSING.getByName(`disposed ${kind}`);
        const result = (await (stub as unknown as Stub)[kind]!()) as Used;
        if (result.use !== undefined && kind !== "function") expect(await result.use()).toBe(1);
        expect(await disposed(stub)).toEqual([]);
        result[Symbol.dispose]();
        await vi.waitFor(async () => expect(await disposed(stub)).toEqual([noted]));
        await evictDurableObject(stub);
        expect(await disposed(stub)).toEqual([noted]);
      });

      it("are the same data as without a disposer, cycles and accessors included", async () => {
        const stub = env.DISPOSING.getByName("data") as unknown as Stub;
        using plain = (await stub["plain"]!()) as Used;
        expect([globalThis.Object.keys(plain), plain.x]).toEqual([["x"], 1]);
        using cyclic = (await stub["cyclic"]!()) as Disposable & { self: unknown };
        expect(cyclic.self).toBe(cyclic);
        using accessors = (await stub["accessors"]!()) as Used;
        expect(accessors.x).toEqual(expect.any(Number));
        using none = (await stub["none"]!()) as Used;
        expect(await none.use!()).toBe(1);
        using self = (await stub["handle"]!()) as Disposable & Stub;
        using again = (await self["plain"]!()) as Used;
        expect(again.x).toBe(1);
      });

      it("are passed on unchanged when another object returned them, and tell only that object", async () => {
        const [stub, other] = ["passing", "passed"].map((name) => env.DISPOSING.getByName(name)) as [never, never];
        const result = (await (stub as DurableObjectStub<Disposing>).forward("passed")) as Required<Used>;
        expect([await result.use(), await disposed(other)]).toEqual([1, []]);
        result[Symbol.dispose]();
        await vi.waitFor(async () => expect(await disposed(other)).toEqual(["functions, x = 1"]));
        expect(await runInDurableObject(stub, (self: Disposing) => [self.isPassedOn, self.starts])).toEqual([true, 1]);
      });

      it("stay as they are inside the object", async () => {
        await runInDurableObject(env.DISPOSING.getByName("inside"), async (self) => {
          const handed: unknown = await self.frozen();
          expect(globalThis.Object.isFrozen(handed)).toBe(false);
          const made = globalThis.Object.freeze({ use: () => 1, [Symbol.dispose]: () => undefined });
          self.target = () => made as never;
          expect(self.target()).toBe(made);
        });
      });
    });

    it.each(["generator", "iterator"])("refuse a %s, with the fix", async (method) => {
      const error = await errorOf(() => stub()[method]!());
      expect(DurableError.is(error, "not-transferable")).toBe(true);
      expect(error.message).toContain("ReadableStream");
    });
  });

  describe("a write that fails", () => {
    it("resets the object when nobody is left to tell", async () => {
      const object = env.HANDING.getByName("outside");
      await object.outer();
      await object.failOutside();
      await scheduler.wait(20);
      const error = await errorOf(() => object.inner());
      expect(error.message).toContain("outside any entry");
      expect(await env.HANDING.getByName("outside").inner()).toHaveLength(2);
    });

    it("rejects only the entries that wrote in that stretch", async () => {
      const object = env.HANDING.getByName("together");
      const slow = errorOf(() => object.failTogether());
      await scheduler.wait(1);
      expect(await object.inner()).toEqual([{ n: 1 }]);
      expect(DurableError.is(await slow, "write-failed")).toBe(true);
      await evictDurableObject(object);
      expect(await runInDurableObject(object, (self) => self.count)).toBe(1);
    });
  });

  describe("the constructor", () => {
    it("may call the class's own methods and assign defaults, and refuses changes inside a value", async () => {
      const object = env.EAGER.getByName("eager");
      expect(await object.read()).toEqual(["changed-in-constructor", [], 5]);
      await object.write();
      await evictDurableObject(object);
      expect(await object.read()).toEqual(["changed-in-constructor", [], 6]);
    });
  });

  describe("a field that could not be persisted", () => {
    it.each([
      [
        "a legacy field with [[Define]] semantics",
        () => env.DEFINED.getByName("a").read(),
        "legacy-define",
        "useDefineForClassFields",
      ],
      ["a field declared again", () => env.REDECLARED.getByName("a").read(), "redeclared-field", "Redeclared.count"],
      ["an accessor declared again", () => env.REACCESSED.getByName("a").read(), "redeclared-field", "accessor count"],
    ])("is refused at the first call: %s", async (_, call, code, text) => {
      for (const _attempt of [1, 2]) {
        const error = (await errorOf(call)) as DurableError;
        expect(error.code).toBe(code);
        expect(error.message).toContain(text);
      }
    });
  });

  describe("the plan", () => {
    it("is inherited by copy, published for tools, and the same for an instance", async () => {
      const names = (cls: typeof LeftLegacy | typeof RightLegacy | typeof Surface): string[] => [
        ...planOf(cls).fields.keys(),
      ];
      expect([names(LeftLegacy), names(RightLegacy), names(Surface)]).toEqual([
        ["shared", "left"],
        ["shared", "right"],
        ["count", "plain"],
      ]);
      expect([...(Reflect.getMetadata("durable-base:plan", LeftLegacy) as Plan).fields.keys()]).toEqual([
        "shared",
        "left",
      ]);
      expect(await env.LEFT_LEGACY.getByName("a").all()).toEqual({ shared: "parent", left: 1 });
      expect(await env.RIGHT_LEGACY.getByName("a").all()).toEqual({ shared: "right", right: 2 });
    });
  });
});
