import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Object, Persisted, Storage } from "durable-base";
import { once } from "durable-base/once";
import { describe, expect, it } from "vitest";
import { hashOf } from "../../src/once/repeatable-data.ts";
import { isLong, seed } from "../battery.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { Starting } from "../core/fixtures/base.ts";
import { works } from "./fixtures/once-data.ts";
import { OpenTill } from "./fixtures/open-till.ts";
import { onceCases } from "./once.cases.ts";
import { mulberry32 } from "../random.ts";

onceCases("standard", "Till", () => env.TILL as never);
onceCases("legacy", "LegacyTill", () => env.LEGACY_TILL as never);

type Untyped = Record<string, (...args: unknown[]) => Promise<unknown>>;

describe("the part of once()", () => {
  /** Every name on an instance and its prototypes, and some more. */
  const namesOf = async (stub: DurableObjectStub<OpenTill>): Promise<string[]> =>
    await runInDurableObject(stub, (self) => {
      const found = new Set(["nothing", "", "__proto__", "0"]);
      for (let at: object | null = self; at !== null; at = globalThis.Object.getPrototypeOf(at) as object | null) {
        for (const name of globalThis.Object.getOwnPropertyNames(at)) found.add(name);
      }
      return [...found];
    });

  /** Of those, the ones that could be called, whatever they did. */
  const callable = async (names: string[], call: (name: string) => unknown): Promise<string[]> => {
    const found: string[] = [];
    for (const name of names) {
      const error = await (async () => void (await call(name)))().catch((error: Error) => error);
      if (!/does not implement|is not a function|is a reserved method/.test(String(error))) found.push(name);
    }
    return found.toSorted();
  };

  it.each(["OPEN_TILL", "CLOSED_TILL"] as const)("calls what a stub can call and nothing else: %s", async (binding) => {
    const stub = env[binding].getByName("all") as unknown as DurableObjectStub<OpenTill>;
    const names = await namesOf(stub);
    expect(names).toEqual(expect.arrayContaining(["sum", "getter", "bound", "shadowed", "onStart", "name", "alarm"]));
    // Members of the stub itself, of which nothing is sent, and the getter, which once does not call.
    const own = new Set(["__call", "constructor", "connect", "dup", "fetch", "getter", "name", "__proto__"]);
    const native = await callable(
      names.filter((name) => !own.has(name) && !(name in globalThis.Object.prototype)),
      (name) => (stub as unknown as Untyped)[name]!(),
    );
    const ours = await callable(names, (name) =>
      (stub as unknown as Untyped)["__call"]!("once", name, `key of ${name}`, []),
    );
    expect(ours).toEqual(native);
    expect(ours).toEqual(
      binding === "CLOSED_TILL"
        ? ["method", "state"]
        : expect.arrayContaining(["_private", "hidden", "method", "odd:name", "state"]),
    );
  });

  it.each([
    [["fetch"], []],
    [undefined, []],
    [null, []],
    [0, []],
    ["method", undefined],
    ["method", { length: 1e9 }],
    ["method", "args"],
  ])("calls nothing when it is misused: %j, %j", async (name, args) => {
    const stub = env.OPEN_TILL.getByName("misused") as unknown as Untyped;
    expect(String(await errorOf(() => stub["__call"]!("once", name, "a", args)))).toContain(
      "does not implement the method",
    );
  });

  it("calls a method that was put on a prototype late, such as a spy, as a stub does", async () => {
    const till = env.OPEN_TILL.getByName("late");
    await till.method();
    const { prototype } = OpenTill;
    const { method } = prototype;
    prototype.method = function (this: OpenTill): string {
      return `late ${method.call(this)}`;
    };
    try {
      expect([await till.method(), await once(till, "a").method()]).toEqual(Array(2).fill("late method"));
    } finally {
      prototype.method = method;
    }
  });

  it("keeps the keys of two methods apart, whatever their names hold", async () => {
    const till = Object.from(env.OPEN_TILL).byName("odd");
    const answers = [await once(till, "name:a").odd(), await once(till, "a")["odd:name"]()];
    expect(answers).toEqual(["not so odd", "odd"]);
  });

  it("waits for onStart, and remembers nothing when that fails", async () => {
    Starting.fail.add("the part");
    const starting = Object.from(env.STARTING).byName("the part");
    const errors = await Promise.all([1, 2].map(() => errorOf(() => once(starting, "a").read())));
    expect(errors.map(({ message }) => message)).toEqual(Array(2).fill("cannot start yet"));
    expect([await once(starting, "a").read(), await once(starting, "a").read()]).toEqual([1, 1]);
  });

  it("is a name that no member can have", async () => {
    const field = (): unknown =>
      class extends DurableBase {
        // @ts-expect-error -- it is a method of the base
        @Persisted() accessor __call = 0;
      };
    expect(thrownBy(field).code).toBe("reserved-name");
    class Wrong extends DurableBase {
      override async __call(): Promise<void> {}
    }
    class Child extends Wrong {}
    await runInDurableObject(env.TILL.getByName("names"), (_, ctx) => {
      for (const cls of [Wrong, Child]) {
        const error = thrownBy(() => new cls(ctx, env));
        expect([error.code, error.message]).toEqual(["reserved-name", expect.stringContaining("`call() { … }`")]);
      }
    });
  });
});

describe("the rows of once", () => {
  it("are no keys, and are in a table that no other may be named like", async () => {
    const till = env.TILL.getByName("rows");
    await once(till, "a").add("a", 1);
    await runInDurableObject(till, (_, { storage }) => {
      const [row] = storage.sql.exec("select day, id from durable_base_once").toArray();
      expect(row).toEqual({ day: Math.floor(Date.now() / 86_400_000) + 1, id: "add:a" });
      expect([...Storage.list(storage)]).toEqual([]);
    });
    const other = env.TILL.getByName("another table");
    await runInDurableObject(other, (_, { storage }) => storage.sql.exec("create table durable_base_once(n)"));
    const error = await errorOf(() => once(other, "a").add("a", 1));
    expect(error).toMatchObject({ code: "reserved-name" });
    expect(error.message).toContain("alter table durable_base_once rename to my_durable_base_once");
  });

  it("have the same hash in every version", async () => {
    const args = [
      [1, -0, NaN, 5n, "\ud800é", true, null, undefined, [1, , 2], { b: 1, a: [] }],
      [new Map([["a", new Set([1])]]), new Date(7), /x/g, new Uint8Array([1, 255]), new RangeError("far")],
    ];
    expect(await hashOf(args)).toBe("a5147e50cd29e7a1c59afe5dccbb991efae2059c616e6957347c2bd36f1c9943");
  });

  it("hash the same whether equal parts are one object or several, and apart where a cycle tells them", async () => {
    const home = { street: "Elm", no: [1] };
    const shared = await hashOf([{ to: home, bill: home, all: new Map([[home, home.no]]) }]);
    expect(await hashOf(JSON.parse(JSON.stringify([{ to: home, bill: home }])))).toBe(
      await hashOf([{ to: home, bill: home }]),
    );
    expect(shared).toBe(
      await hashOf([
        {
          to: { street: "Elm", no: [1] },
          bill: { no: [1], street: "Elm" },
          all: new Map([[{ street: "Elm", no: [1] }, [1]]]),
        },
      ]),
    );
    expect(await hashOf([{ to: home, bill: { street: "Elm", no: [2] } }])).not.toBe(shared);
    const ring = (at: number): unknown[] => {
      const list: unknown[] = [[], []];
      (list[at] as unknown[]).push(list);
      return list;
    };
    expect(new Set(await Promise.all([ring(0), ring(1), ring(0)].map(hashOf))).size).toBe(2);
  });

  it("hash what is shared over and over without writing it out", async () => {
    const doubled = (leaf: number): unknown => {
      let part: unknown = [leaf];
      for (let i = 0; i < 60; i++) part = [part, part];
      return part;
    };
    const [first, second, other] = await Promise.all([1, 1, 2].map(async (leaf) => await hashOf(doubled(leaf))));
    expect(first).toBe(second);
    expect(first).not.toBe(other);
  });

  it("are gone after deleteAll, and the keys free", async () => {
    const till = env.TILL.getByName("deleted");
    await once(till, "a").add("a", 1);
    await runInDurableObject(till, (_, { storage }) => storage.deleteAll());
    expect(await once(till, "a").add("a", 2)).toBe(2);
  });
});

describe("once, called at random", () => {
  it.each(Array.from({ length: isLong ? 8 : 1 }, (_, nth) => seed + nth))(
    "adds each key once whatever fails, seed %i",
    async (seed) => {
      const random = mulberry32(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
      const name = `random ${seed}`;
      const till = Object.from(env.TILL).byName(name);
      const failures = new Map<string, number>();
      let faults = 0;
      works.set(name, async (self, id, isLate) => {
        self.add(id as string, 1);
        if (isLate === true) await scheduler.wait(0);
        const left = failures.get(id as string) ?? 0;
        if (left === 0) return self.sum;
        failures.set(id as string, left - 1);
        faults++;
        const { ctx } = self as unknown as { ctx: DurableObjectState };
        const how = left % 3;
        if (how === 0) ctx.abort("gone");
        // The write of what was changed fails, once.
        if (how === 1)
          ctx.storage.kv.put = () => (delete (ctx.storage.kv as Partial<SyncKvStorage>).put, fail("disk full"));
        if (how === 2) fail("not yet");
        return self.sum;
      });
      const METHODS = ["add", "addLater", "addAtomic", "addAlone", "play", "play", "play", "play"] as const;
      const answers = new Map<string, Set<unknown>>();
      const keep = async (id: string, method: (typeof METHODS)[number], isLate: boolean): Promise<void> => {
        const acknowledged = answers.get(id) ?? new Set();
        answers.set(id, acknowledged);
        for (let tries = 0; ; tries++) {
          try {
            const kept = once(till, id);
            acknowledged.add(method === "play" ? await kept.play(name, id, isLate) : await kept[method](id, 1));
            return;
          } catch (error) {
            // Sent again until it is answered.
            if (tries === 200) throw error;
          }
        }
      };
      const calls: Promise<void>[] = [];
      for (let at = 0; at < 40; at++) {
        const [id, method, isLate] = [`${at}`, pick(METHODS), random() < 0.5];
        failures.set(id, Math.floor(random() * 4));
        for (let repeats = 1 + Math.floor(random() * 3); repeats > 0; repeats--) calls.push(keep(id, method, isLate));
        if (random() < 0.2) await scheduler.wait(Math.floor(random() * 3));
        if (random() < 0.8) continue;
        await Promise.all(calls.splice(0));
        if (random() < 0.5) await evictDurableObject(env.TILL.getByName(name));
      }
      await Promise.all(calls);
      const { sum, ids } = await till.state();
      expect([sum, ids.toSorted()]).toEqual([40, [...answers.keys()].toSorted()]);
      // To each key one answer, and no two the same.
      expect([...answers.values()].map(({ size }) => size)).toEqual(Array(40).fill(1));
      expect(new Set([...answers.values()].flatMap((all) => [...all])).size).toBe(40);
      expect(faults).toBeGreaterThan(0);
    },
  );
});

function fail(message: string): never {
  throw new Error(message);
}
