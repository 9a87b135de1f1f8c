/** `Storage` over a stub of an object that opens its storage. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { DurableObject, env } from "cloudflare:workers";
import { DurableError, Object } from "durable-base";
import { remoteStorage } from "durable-base/remote-storage";
import * as Storage from "durable-base/storage";
import * as Transfer from "durable-base/transfer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Locker } from "./fixtures/locker.ts";
import { isLong } from "../battery.ts";
import { errorOf } from "../error-of.ts";

type Box = ReturnType<ReturnType<typeof Object.from<Locker>>["byName"]>;
type Untyped = Record<string, (...args: unknown[]) => Promise<unknown>>;

async function all<Entry>(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

async function codeOf(call: () => unknown): Promise<unknown> {
  const error = await errorOf(call);
  expect(error).toBeInstanceOf(DurableError);
  return (error as DurableError).code;
}

const NAMESPACES = {
  standard: env.LOCKER,
  legacy: env.LEGACY_LOCKER as unknown as DurableObjectNamespace<Locker>,
};

describe.each(["standard", "legacy"] as const)("Storage over a stub, %s decorators", (dialect) => {
  const namespace = NAMESPACES[dialect];

  it.each(["handle", "native stub"])("reads and writes one key, by a %s", async (kind) => {
    const name = `one key by ${kind}`;
    const locker = kind === "handle" ? Object.from(namespace).byName(name) : namespace.getByName(name);
    expect(await Storage.get(locker, "a")).toBeUndefined();
    expect(await Storage.get(locker, "a", "fallback")).toBe("fallback");
    expect(await Storage.put(locker, "a", { n: 1 })).toBeUndefined();
    expect(await Storage.get(locker, "a")).toEqual({ n: 1 });
    expect(await Storage.put(locker, "none", null)).toBeUndefined();
    expect(await Storage.get(locker, "none", "fallback")).toBeNull();
    expect([await Storage.has(locker, "a"), await Storage.has(locker, "b")]).toEqual([true, false]);
    expect(await Storage.update<{ n: number }>(locker, "a", (value) => ({ n: value!.n + 1 }))).toEqual({ n: 2 });
    expect([await Storage.delete(locker, "a"), await Storage.delete(locker, "a")]).toEqual([true, false]);
    await evictDurableObject(namespace.getByName(name));
    expect(await all(Storage.list(locker))).toEqual([["none", null]]);
  });

  it("reads and writes several", async () => {
    const locker = Object.from(namespace).byName("several");
    const pairs = function* (): Generator<[string, number]> {
      yield ["a", 1];
      yield ["b", 2];
    };
    await Storage.putMany(locker, pairs());
    await Storage.putMany(locker, new Map([["c", 3]]));
    await Storage.putMany(locker, { d: 4, e: 5 });
    expect(await Storage.getMany(locker, new Set(["e", "x", "a"]))).toEqual(
      new Map([
        ["e", 5],
        ["a", 1],
      ]),
    );
    expect(await Storage.count(locker)).toBe(5);
    expect(await Storage.deleteMany(locker, ["a", "x", "b"])).toBe(2);
    await Storage.batch(locker, [{ put: "f", value: 6 }, { delete: "c" }]);
    expect(await all(Storage.entries(locker, { reverse: true }))).toEqual([
      ["f", 6],
      ["e", 5],
      ["d", 4],
    ]);
    expect(await Storage.clear(locker, { start: "e" })).toBe(2);
    expect(await all(Storage.list(locker))).toEqual([["d", 4]]);
  });

  it("neither shows nor writes the library's rows, and lets fields alone", async () => {
    const locker = Object.from(namespace).byName("fields");
    await locker.add();
    await Storage.put(locker, "a", 1);
    expect(await all(Storage.list(locker))).toEqual([
      ["a", 1],
      ["count", 1],
    ]);
    expect(await Storage.get(locker, "count")).toBe(1);
    for (const write of [
      () => Storage.put(locker, "count", 5),
      () => Storage.delete(locker, "count"),
      () => Storage.update(locker, "count", () => 5),
      () => Storage.putMany(locker, { b: 1, count: 5 }),
      () => Storage.deleteMany(locker, ["a", "count"]),
      () => Storage.batch(locker, [{ delete: "a" }, { delete: "count" }]),
      () => Storage.put(locker, "durable-base:record", 5),
      () => Storage.get(locker, "durable-base:record"),
    ]) {
      expect(await codeOf(write)).toBe("reserved-key");
    }
    expect(await Storage.clear(locker)).toBe(1);
    expect(await locker.add()).toBe(2);
    expect(await all(Storage.list(locker))).toEqual([["count", 2]]);
  });
});

describe("Storage over a stub", () => {
  it("keeps what structured clone keeps", async () => {
    const locker = Object.from(env.LOCKER).byName("values");
    const value = {
      none: undefined,
      zero: -0,
      nan: NaN,
      big: 2n ** 70n,
      date: new Date(123),
      map: new Map<unknown, unknown>([["a", new Set([1])]]),
      bytes: new Uint8Array([1, 2, 3]),
      pattern: /x/gi,
    };
    await Storage.put(locker, "value", value);
    expect(await Storage.get(locker, "value")).toStrictEqual(value);
    await Storage.put(locker, "nothing", undefined);
    expect(await Storage.has(locker, "nothing")).toBe(true);
  });

  it("refuses what its functions refuse inside, and what cannot cross, with errors of their class", async () => {
    const stub = env.LOCKER.getByName("refused");
    class Point {
      x = 1;
    }
    for (const [call, code] of [
      [() => Storage.get(stub, ""), "bad-key"],
      [() => Storage.put(stub, "\ud800", 1), "bad-key"],
      [() => Storage.put(stub, "a", "x".repeat(2_200_000)), "too-large"],
      [() => Storage.put(stub, "a", () => 1), "not-persistable"],
      [() => Storage.put(stub, "a", new Point()), "not-persistable"],
      [() => Storage.put(stub, "a", Symbol("a")), "not-persistable"],
      [() => Storage.count(stub, { limit: -1 }), "bad-option"],
      [() => Storage.getMany(stub, "ab" as never), "bad-key"],
      [() => Storage.batch(stub, [{ put: "a" } as never]), "bad-option"],
    ] as const) {
      expect([code, await codeOf(call)]).toEqual([code, code]);
    }
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(await codeOf(() => Storage.put(stub, "a", cycle))).toBe("not-persistable");
    // A message of some bytes, which would keep the object busy for ever.
    let sharing: unknown[] = [];
    for (let i = 0; i < 60; i++) sharing = [sharing, sharing];
    for (const value of [sharing, new Array(2 ** 32 - 1)])
      expect(await codeOf(() => Storage.put(stub, "a", value))).toBe("too-large");
    expect(() => Storage.list(stub, { limit: -1 })).toThrow(DurableError);
    expect(await Storage.count(stub)).toBe(0);
  });

  it("writes all or nothing", async () => {
    const locker = Object.from(env.LOCKER).byName("atomic");
    await Storage.put(locker, "a", 1);
    expect(await codeOf(() => Storage.putMany(locker, { a: 2, "durable-base:x": 1 }))).toBe("reserved-key");
    expect(await Storage.get(locker, "a")).toBe(1);
  });

  it("gives what a list over the storage itself gives, whatever the options", async () => {
    const stub = env.LOCKER.getByName("list");
    const locker = Object.from(env.LOCKER).byName("list");
    const key = fc.string({ unit: fc.constantFrom("a", "b", "é", "\u{1f600}"), minLength: 1, maxLength: 3 });
    await Storage.putMany(
      locker,
      fc.sample(key, { numRuns: 40, seed: 5 }).map((name, i) => [name, i] as const),
    );
    const options = fc.record(
      {
        start: key,
        end: key,
        prefix: key,
        reverse: fc.boolean(),
        limit: fc.nat(50),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(options, fc.option(key), async (given, startAfter) => {
        const { start, ...rest } = given;
        const asked =
          startAfter === null ? { ...rest, ...(start !== undefined && { start }) } : { ...rest, startAfter };
        const inside = await runInDurableObject(stub, (_, ctx) => [...Storage.list(ctx, asked)]);
        expect(await all(Storage.list(locker, asked))).toEqual(inside);
        expect(await Storage.count(locker, asked)).toBe(inside.length);
      }),
      { numRuns: 60 },
    );
  });

  it.each([false, true])(
    "goes through more than one call can bring, and ends at what was there (reverse: %j)",
    async (reverse) => {
      const locker = Object.from(env.LOCKER).byName(`pages ${reverse}`);
      const name = (i: number): string => `k${String(i).padStart(2, "0")}`;
      const large = "x".repeat(400_000);
      for (let i = 10; i < 20; i++) await Storage.put(locker, name(i), large);
      const seen: string[] = [];
      for await (const [key, value] of Storage.list<string>(locker, { prefix: "k", reverse })) {
        seen.push(key);
        expect(value).toBe(large);
        // Behind the end: a loop that writes would not end.
        await Storage.put(locker, name(reverse ? 30 - seen.length - 21 : seen.length + 19), "later");
        // Ahead, and not yet read.
        if (seen.length === 1) await Storage.delete(locker, name(reverse ? 11 : 18));
      }
      const expected = Array.from({ length: 10 }, (_, i) => name(i + 10)).filter(
        (key) => key !== name(reverse ? 11 : 18),
      );
      expect(seen).toEqual(reverse ? expected.toReversed() : expected);
      const few = await all(Storage.list(locker, { prefix: "k1", reverse, limit: 7 }));
      expect(few.map(([key]) => key)).toEqual((reverse ? expected.toReversed() : expected).slice(0, 7));
    },
  );

  // 34 MB of keys: of a size for `npm run test:long` (2026-11-30).
  it.runIf(isLong)("goes through more keys than one call can bring", async () => {
    const stub = env.LOCKER.getByName("long keys");
    const keys = Array.from({ length: 17_000 }, (_, i) => String(i).padStart(5, "0") + "k".repeat(2_000));
    await runInDurableObject(stub, (_, ctx) =>
      Storage.putMany(
        ctx,
        keys.map((key) => [key, null] as const),
      ),
    );
    const seen: string[] = [];
    for await (const [key] of Storage.list(stub)) seen.push(key);
    expect(seen).toEqual(keys);
  });

  it("updates by a function of the caller's, which is asked again when others wrote meanwhile", async () => {
    const locker = Object.from(env.LOCKER).byName("update");
    let rounds = 0;
    const add = async (): Promise<unknown> =>
      await Storage.update<{ n: number }>(locker, "sum", (sum) => {
        rounds++;
        return { n: (sum?.n ?? 0) + 1 };
      });
    await Promise.all(Array.from({ length: 8 }, add));
    expect(await Storage.get(locker, "sum")).toEqual({ n: 8 });
    expect(rounds).toBeGreaterThan(8);
    expect(await Storage.update(locker, "sum", () => undefined)).toBeUndefined();
    expect(await Storage.has(locker, "sum")).toBe(false);
  });

  it("gives up an update whose value others change in every round", async () => {
    const locker = Object.from(env.LOCKER).byName("contended");
    const door = locker as unknown as Untyped;
    let n = 0;
    const change = async (): Promise<string> => {
      await Storage.put(locker, "a", ++n);
      return "mine";
    };
    expect(await codeOf(async () => await door["__call"]!("remote-storage", "update", ["a", change]))).toBe(
      "write-failed",
    );
    expect(await Storage.get(locker, "a")).toBe(n);
  });

  it("asks once, and updates nothing, where no change of the value could be told", async () => {
    const stub = env.LOCKER.getByName("incomparable");
    for (const value of [new Headers({ a: "b" }), { n: new Number(1) }]) {
      await runInDurableObject(stub, (_, ctx) => Storage.put(ctx, "a", value));
      let rounds = 0;
      expect(await codeOf(() => Storage.update(stub, "a", () => ++rounds))).toBe("not-persistable");
      expect(rounds).toBe(1);
      expect(await Storage.get(stub, "a")).not.toBe(1);
    }
  });

  it("updates what is plain data of any kind", async () => {
    const stub = env.LOCKER.getByName("plain data");
    const failure = globalThis.Object.assign(new AggregateError([new Error("inner")], "outer"), { code: 5 });
    const values = [failure, new Date(NaN), [1, , undefined], new Map([[{ a: 1 }, new Set([-0])]]), /x/g, NaN, 2n];
    for (const value of [...values, new DataView(new ArrayBuffer(3)), new Float32Array([NaN, 1]), undefined, null]) {
      await runInDurableObject(stub, (_, ctx) => Storage.put(ctx, "a", value));
      expect(await Storage.update(stub, "a", () => "updated")).toBe("updated");
      expect(await Storage.get(stub, "a")).toBe("updated");
    }
  });

  it("rejects an update with what its function threw, itself, and writes nothing", async () => {
    const locker = Object.from(env.LOCKER).byName("failing update");
    const failure = new RangeError("mine");
    const failing = (): never => {
      throw failure;
    };
    expect(await errorOf(() => Storage.update(locker, "a", failing))).toBe(failure);
    const later = (async () => 1) as unknown as () => number;
    expect(await codeOf(() => Storage.update(locker, "a", later))).toBe("returned-promise");
    expect(await codeOf(() => Storage.update(locker, "count", () => 1))).toBe("reserved-key");
    expect(await Storage.has(locker, "a")).toBe(false);
  });

  it("waits for onStart", async () => {
    expect(await Storage.get(env.LATE_LOCKER.getByName("late"), "started")).toBe(true);
  });

  it("keeps the order of calls that are not awaited", async () => {
    const locker = Object.from(env.LOCKER).byName("order");
    const calls = Array.from({ length: 50 }, (_, i) => Storage.put(locker, "a", i));
    expect(await Storage.get(locker, "a")).toBe(49);
    await Promise.all(calls);
  });
});

describe("Transfer.export and import over a stub", () => {
  it("carry a whole object to another, and tell how far they are", async () => {
    const [source, target] = ["source", "target"].map((name) => Object.from(env.LOCKER).byName(name)) as [Box, Box];
    await source.add();
    await runInDurableObject(env.LOCKER.getByName("source"), (_, ctx) => {
      Storage.put(ctx, "bytes", new Uint8Array(700_000));
      ctx.storage.sql.exec("create table t (a); insert into t values (1), ('two')");
    });
    const told: Transfer.TransferProgress[] = [];
    const stream = await Transfer.export(source, { onProgress: (progress) => void told.push(progress) });
    const done = await Transfer.import(target, stream, { onProgress: (progress) => void told.push(progress) });
    expect(done.rows).toBe(2);
    expect(told.filter(({ rows }) => rows === 2).length).toBeGreaterThan(1);
    expect(await Transfer.importing(target)).toBeUndefined();
    expect(await target.add()).toBe(2);
    expect(await Storage.get(target, "bytes")).toEqual(new Uint8Array(700_000));
    const rows = await runInDurableObject(env.LOCKER.getByName("target"), (_, ctx) =>
      ctx.storage.sql.exec("select a from t").toArray(),
    );
    expect(rows).toEqual([{ a: 1 }, { a: "two" }]);
    expect(await codeOf(async () => await Transfer.import(target, await Transfer.export(source)))).toBe("not-empty");
  });

  it("need the part, to import the right to write", async () => {
    const reader = Object.from(env.READ_LOCKER).byName("exported");
    await reader.fill({ a: 1 });
    const text = await new Response(await Transfer.export(reader)).text();
    expect(text).toContain('"a"');
    const stream = (): ReadableStream<Uint8Array> => new Response(text).body!;
    expect(await codeOf(() => Transfer.import(reader, stream(), { replace: true }))).toBe("storage-closed");
    const closed = Object.from(env.TILL).byName("not exported");
    expect(await codeOf(() => Transfer.export(closed))).toBe("part-missing");
    expect(await codeOf(() => Transfer.import(closed, stream()))).toBe("part-missing");
    expect(await codeOf(() => Transfer.restore(reader, "b"))).toBe("storage-closed");
    expect(await codeOf(() => Transfer.bookmark(closed))).toBe("part-missing");
  });

  it("name the function that the caller wrote", async () => {
    const reader = Object.from(env.READ_LOCKER).byName("labels");
    const messages = [
      errorOf(() => Transfer.restore(reader, "b")),
      errorOf(() => Transfer.export(env.PROBE.getByName("labels"))),
      errorOf(() => Storage.put(reader, "a", 1)),
      errorOf(() => Storage.get(env.PROBE.getByName("labels"), "a")),
    ].map(async (error) => (await error).message.split(":")[0]);
    expect(await Promise.all(messages)).toEqual(["Transfer.restore", "Transfer.export", "Storage.put", "Storage.get"]);
    const door = Object.from(env.LOCKER).byName("labels") as unknown as Untyped;
    for (const [operation, called] of [
      ["sql", "Storage.sql"],
      ["Transfer.vanish", "Transfer.vanish"],
    ]) {
      const { message } = await errorOf(async () => await door["__call"]!("remote-storage", operation, []));
      expect(message).toContain(`"${operation}" isn't a function that a stub can be asked for`);
      expect(message).toContain(`let it call \`${called}\` somewhere`);
    }
  });
});

describe("Transfer.bookmark and restore over a stub", () => {
  it("tell that local workerd has no recovery", async () => {
    const locker = Object.from(env.LOCKER).byName("bookmark");
    expect(await codeOf(() => Transfer.bookmark(locker))).toBe("no-recovery");
    expect(await codeOf(() => Transfer.restore(locker, "b"))).toBe("no-recovery");
    expect(await codeOf(() => Transfer.bookmark(locker, Number.NaN))).toBe("bad-option");
  });

  // workerd has no recovery, so what is asked of the platform is all that can be seen.
  it("answer with the way back, and then reset the object", async () => {
    const locker = Object.from(env.LOCKER).byName("restore");
    const asked: string[] = [];
    await runInDurableObject(env.LOCKER.getByName("restore"), (self, ctx) => {
      globalThis.Object.assign(self, { note: 1 });
      ctx.storage.onNextSessionRestoreBookmark = async (bookmark) => {
        asked.push(bookmark);
        return "back";
      };
    });
    expect(await Transfer.restore(locker, "there")).toBe("back");
    expect(asked).toEqual(["there"]);
    await expect
      .poll(async () => await runInDurableObject(env.LOCKER.getByName("restore"), (self) => "note" in self))
      .toBe(false);
  });
});

describe("remoteStorage()", () => {
  const reads = (locker: Storage.RemoteStorage): [string, () => unknown][] => [
    ["get", () => Storage.get(locker, "a")],
    ["has", () => Storage.has(locker, "a")],
    ["getMany", () => Storage.getMany(locker, ["a"])],
    ["list", () => all(Storage.list(locker))],
    ["count", () => Storage.count(locker)],
  ];
  const writes = (locker: Storage.RemoteStorage): [string, () => unknown][] => [
    ["put", () => Storage.put(locker, "a", 2)],
    ["delete", () => Storage.delete(locker, "a")],
    ["update", () => Storage.update(locker, "a", () => 2)],
    ["putMany", () => Storage.putMany(locker, { a: 2 })],
    ["deleteMany", () => Storage.deleteMany(locker, ["a"])],
    ["batch", () => Storage.batch(locker, [{ delete: "a" }])],
    ["clear", () => Storage.clear(locker)],
  ];

  it('lets stubs read, and no more, when it is "read"', async () => {
    const locker = Object.from(env.READ_LOCKER).byName("read");
    await locker.fill({ a: 1 });
    const answers = await Promise.all(reads(locker).map(async ([, call]) => await call()));
    expect(answers).toEqual([1, true, new Map([["a", 1]]), [["a", 1]], 1]);
    for (const [name, call] of writes(locker)) {
      const error = await errorOf(call);
      expect([name, (error as DurableError).code]).toEqual([name, "storage-closed"]);
      expect(error.message).toContain('static override parts = [remoteStorage("write")]');
    }
    expect(await Storage.get(locker, "a")).toBe(1);
  });

  it("refuses everything where the class lacks the part, or is none of ours", async () => {
    const closed = Object.from(env.TILL).byName("closed");
    await runInDurableObject(env.TILL.getByName("closed"), (_, ctx) => Storage.put(ctx, "a", 1));
    for (const locker of [closed, env.PROBE.getByName("no part")]) {
      for (const [name, call] of [...reads(locker), ...writes(locker)])
        expect([name, await codeOf(call)]).toEqual([name, "part-missing"]);
    }
    const { message } = await errorOf(() => Storage.get(closed, "a"));
    expect(message).toBe(
      "Storage.get: the object's class doesn't have the part remote-storage. In a class that extends DurableBase write `static override parts = [remoteStorage(\"read\")]`.",
    );
    expect(() => remoteStorage("all" as never)).toThrow('Write `remoteStorage("read")`');
    expect(await runInDurableObject(env.TILL.getByName("closed"), (_, ctx) => Storage.get(ctx, "a"))).toBe(1);
  });

  it("has nothing to do with static rpc, and is inherited", async () => {
    const locker = Object.from(env.NARROW_LOCKER).byName("narrow");
    await Storage.put(locker, "a", 1);
    expect(await Storage.get(locker, "a")).toBe(1);
    expect(String(await errorOf(() => (locker as unknown as Untyped)["inside"]!("a")))).toContain("does not implement");
  });

  it.each([
    ["sql", ["select 1"]],
    ["transaction", [() => 1]],
    ["constructor", []],
    ["__proto__", []],
    ["toString", []],
    ["get", "args"],
    ["get", undefined],
    [undefined, []],
    [{}, []],
  ])("offers nothing but those functions: %j, %j", async (operation, args) => {
    const door = Object.from(env.LOCKER).byName("misused") as unknown as Untyped;
    expect(await codeOf(async () => await door["__call"]!("remote-storage", operation, args))).toBe("bad-option");
  });

  it("is nothing that HTTP reaches", async () => {
    const locker = Object.from(env.LOCKER).byName("http");
    const response = await locker.fetch("http://o/__call", { method: "POST", body: '["get",["a"]]' });
    expect(response.status).toBe(404);
  });

  it("does not open SQL and transactions, which say where they work", async () => {
    const locker = Object.from(env.LOCKER).byName("sql");
    for (const call of [
      // @ts-expect-error -- a stub has none
      () => Storage.sql(locker)`select 1`.all(),
      // @ts-expect-error -- a stub has none
      () => Storage.transaction(locker, () => 1),
    ]) {
      const error = await errorOf(call);
      expect((error as DurableError).code).toBe("bad-option");
      expect(error.message).toContain("this.ctx");
    }
  });
});

describe("Storage", () => {
  it.each([undefined, null, 5, "ctx", {}, { storage: null }])("refuses what is no handle: %j", async (handle) => {
    expect(await codeOf(() => Storage.get(handle as never, "a"))).toBe("bad-option");
    expect(await codeOf(() => Storage.list(handle as never))).toBe("bad-option");
  });

  it("takes an object that has a storage of its own for that, though it fetches", async () => {
    class Room extends DurableObject {
      readonly storage = this.ctx.storage;
      override fetch = (): Response => new Response();
      visit(): number | undefined {
        return Storage.update<number>(this, "visits", (n = 0) => n + 1);
      }
    }
    await runInDurableObject(env.PROBE.getByName("own storage"), (self, ctx) => {
      const room = new Room(ctx, (self as unknown as { env: Cloudflare.Env }).env);
      expect([room.visit(), room.visit()]).toEqual([1, 2]);
    });
  });

  it("refuses to write under the key of a persisted field inside too", async () => {
    const locker = env.LOCKER.getByName("inside");
    await runInDurableObject(locker, async (self, ctx) => {
      expect(await codeOf(() => self.inside("count"))).toBe("reserved-key");
      expect((await errorOf(() => self.inside("count"))).message).toContain("`this.count = value`");
      expect(self.inside("counted")).toBe("stored");
      expect(Storage.clear(ctx.storage)).toBe(1);
    });
  });
});
