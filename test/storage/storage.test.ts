import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import * as Storage from "durable-base/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sizeOf } from "../../src/storage/size.ts";
import { PREFIX } from "../../src/storage/kv/keys.ts";
import { byBytes, codeOf, errorOf, keysOf, within } from "./storages.ts";

describe("Storage.get, put, delete", () => {
  it("read, write and remove, by ctx or by storage", async () => {
    await within("all", (ctx) => {
      expect(Storage.get(ctx, "a")).toBeUndefined();
      Storage.put(ctx, "a", { n: 1 });
      expect(Storage.get(ctx.storage, "a")).toEqual({ n: 1 });
      expect(ctx.storage.kv.get("a")).toEqual({ n: 1 });
      expect(Storage.delete(ctx.storage, "a")).toBe(true);
      expect(Storage.delete(ctx, "a")).toBe(false);
      expect(Storage.get(ctx, "a")).toBeUndefined();
    });
  });

  it("keep what structured clone keeps, and share nothing with the caller", async () => {
    await within("values", (ctx) => {
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
      Storage.put(ctx, "value", value);
      value.map.clear();
      const first = Storage.get<typeof value>(ctx, "value")!;
      expect(first).toStrictEqual({ ...value, map: new Map([["a", new Set([1])]]) });
      first.date.setTime(0);
      expect(Storage.get<typeof value>(ctx, "value")!.date).toEqual(new Date(123));
      for (const odd of [null, 0, "", false]) {
        Storage.put(ctx, "odd", odd);
        expect(Storage.get(ctx, "odd")).toBe(odd);
      }
    });
  });

  it("store a view's own bytes, and not the rest of its buffer", async () => {
    await within("views", (ctx) => {
      class Pooled extends Uint8Array {}
      const buffer = new Uint8Array(3_000_000).fill(7).buffer;
      const views = {
        bytes: new Uint8Array(buffer, 5, 3),
        none: new Uint8Array(buffer, 5, 0),
        wide: new Float64Array(buffer, 8, 2),
        data: new DataView(buffer, 1, 4),
        map: new Map([["a", [new Pooled(buffer, 0, 2)]]]),
      };
      const before = ctx.storage.sql.databaseSize;
      Storage.put(ctx, "view", views.bytes);
      Storage.putMany(ctx, { views });
      Storage.batch(ctx, [{ put: "batch", value: [views.wide] }]);
      Storage.update(ctx, "update", () => views);
      expect(ctx.storage.sql.databaseSize - before).toBeLessThan(50_000);
      expect(Storage.get<Uint8Array>(ctx, "view")!.buffer).toEqual(new Uint8Array([7, 7, 7]).buffer);
      expect(Storage.get<Float64Array[]>(ctx, "batch")![0]).toEqual(views.wide);
      for (const key of ["views", "update"]) {
        const { bytes, none, wide, data, map } = Storage.get<typeof views>(ctx, key)!;
        expect([bytes, none, wide]).toEqual([views.bytes, views.none, views.wide]);
        expect([none, wide, data].map((view) => view.buffer.byteLength)).toEqual([0, 16, 4]);
        expect([data instanceof DataView, data.getInt32(0)]).toEqual([true, views.data.getInt32(0)]);
        expect(map.get("a")![0]).toStrictEqual(new Uint8Array([7, 7]));
      }
      // The caller's value is left as it was.
      expect([views.bytes.byteOffset, views.bytes.buffer.byteLength]).toEqual([5, 3_000_000]);
    });
  });

  it("write the plain data behind a tracked value", async () => {
    const handle = Object.from(env.PEER).byName("storage");
    await handle.fill();
    await runInDurableObject(env.PEER.getByName("storage"), (peer, ctx) => {
      Storage.put(ctx, "copy", { items: peer.items, at: peer.items.get("milk")!.at });
      peer.items.get("milk")!.tags.push("later");
      expect(Storage.get(ctx, "copy")).toStrictEqual({
        items: new Map([["milk", { at: new Date(5), tags: ["shop"] }]]),
        at: new Date(5),
      });
    });
  });

  it("are rolled back with the transaction they are in", async () => {
    await within("rollback", (ctx) => {
      Storage.put(ctx, "a", 1);
      expect(() =>
        ctx.storage.transactionSync(() => {
          Storage.put(ctx, "a", 2);
          Storage.delete(ctx, "a");
          throw new RangeError("back");
        }),
      ).toThrow(RangeError);
      expect(Storage.get(ctx, "a")).toBe(1);
    });
  });
});

describe("keys", () => {
  it("are refused where the platform would take another one, or break", async () => {
    await within("keys", (ctx) => {
      for (const key of [
        "",
        undefined,
        null,
        5,
        Symbol("k"),
        "a\ud800",
        "x".repeat(2_049),
        "€".repeat(683),
      ] as string[]) {
        expect(codeOf(() => Storage.get(ctx, key))).toBe("bad-key");
        expect(codeOf(() => Storage.put(ctx, key, 1))).toBe("bad-key");
        expect(codeOf(() => Storage.delete(ctx, key))).toBe("bad-key");
      }
      expect([...ctx.storage.kv.list()]).toEqual([]);
    });
  });

  it("are taken as they are otherwise", async () => {
    await within("odd keys", (ctx) => {
      const keys = [
        "x".repeat(2_048),
        "€".repeat(682),
        "__proto__",
        " ",
        "\0",
        "a\0b",
        "😀",
        "durable-base",
        "durable-base;",
      ];
      for (const key of keys) Storage.put(ctx, key, key);
      for (const key of keys) expect(Storage.get(ctx, key)).toBe(key);
      expect(new Set(keysOf(ctx))).toEqual(new Set(keys));
    });
  });

  it("of the library are reserved", async () => {
    await within("reserved", (ctx) => {
      ctx.storage.kv.put(`${PREFIX}record`, "ours");
      for (const key of [PREFIX, `${PREFIX}record`, `${PREFIX}new`]) {
        expect(codeOf(() => Storage.get(ctx, key))).toBe("reserved-key");
        expect(codeOf(() => Storage.put(ctx, key, 1))).toBe("reserved-key");
        expect(codeOf(() => Storage.delete(ctx, key))).toBe("reserved-key");
      }
      expect([...ctx.storage.kv.list()]).toEqual([[`${PREFIX}record`, "ours"]]);
    });
  });
});

/** Some arrays, which a message carries in bytes, and which are 2^depth when each is gone through where it stands. */
function sharing(depth: number): unknown[] {
  let list: unknown[] = [];
  for (let i = 0; i < depth; i++) list = [list, list];
  return list;
}

describe("values that cannot be stored", () => {
  it("are refused, naming the key and what it is", async () => {
    await within("refused", (ctx) => {
      const cycle: { self?: object } = {};
      cycle.self = cycle;
      let deep: unknown[] = [];
      for (let i = 0; i < 100_000; i++) deep = [deep];
      for (const [value, what] of [
        [() => 1, "() => 1"],
        [{ at: Symbol("s") }, "Symbol(s)"],
        [[new WeakMap()], "WeakMap"],
        [Promise.resolve(), "Promise"],
        [new Proxy({}, {}), "#<Object>"],
        [cycle, "cycle"],
        [deep, "nests too deeply"],
      ] as const) {
        const error = errorOf(() => Storage.put(ctx, "the key", value));
        expect([error.code, error.message]).toEqual(["not-persistable", expect.stringContaining(what)]);
        expect(error.message).toContain('"the key"');
      }
      expect(Storage.get(ctx, "the key")).toBeUndefined();
    });
  });

  it("are too large over 2 MB of key and value, which local workerd would take", async () => {
    await within("large", (ctx) => {
      for (const value of [
        "x".repeat(2_000_001),
        "€".repeat(1_000_001),
        new Uint8Array(2_000_001),
        [["x".repeat(2_000_001)]],
        sharing(60),
        [new Array(2 ** 32 - 1)],
        { a: new Map([["b", new Array(1e9)]]) },
        new Array(250_000).fill(1n),
        new Array(230_000).fill(-0),
        new Blob(["x".repeat(2_000_001)]),
      ]) {
        expect(codeOf(() => Storage.put(ctx, "large", value))).toBe("too-large");
      }
      expect(codeOf(() => Storage.put(ctx, "k".repeat(2_000), "x".repeat(1_999_000)))).toBe("too-large");
      expect(Storage.get(ctx, "large")).toBeUndefined();
      Storage.put(ctx, "large", "x".repeat(1_990_000));
      expect(Storage.get<string>(ctx, "large")).toHaveLength(1_990_000);
    });
  });

  it("are not taken for smaller than the row they would take", async () => {
    await within("sizes", (ctx) => {
      const many = (item: unknown): unknown[] => new Array(50_000).fill(item);
      // By `push`: V8 sometimes stores an array made by `map` with the index of each item, which takes 4 bytes more.
      const dates: Date[] = [];
      while (dates.length < 50_000) dates.push(new Date());
      const values: [name: string, value: unknown][] = [
        ["integers", many(1 << 29)],
        ["doubles", many(2 ** 40)],
        ["negative zeros", many(-0)],
        ["bigints", many(1n)],
        ["a bigint", 2n ** 4_000_000n - 1n],
        ["texts", many("é")],
        ["wide texts", many("€")],
        ["objects", many({ a: 1, b: null }).map((item) => ({ ...(item as object) }))],
        ["dates", dates],
        ["a Map", new Map(many(0).map((_, i) => [i, null]))],
        ["bytes", new Uint8Array(500_000)],
        ["a Blob", new Blob(["x".repeat(500_000)], { type: "text/plain" })],
      ];
      const { sql, kv } = ctx.storage;
      for (const [name, value] of values) {
        const before = sql.databaseSize;
        kv.put(name, value);
        // Beside the value a row takes some bytes of each of its pages of 4 KB, and part of the last.
        const taken = (sql.databaseSize - before - 4 * 4_096) * 0.99;

        expect([name, taken > 50_000, sizeOf(value) >= taken]).toEqual([name, true, true]);
      }
    });
  });

  it("leave an error of the value's own code as it is", async () => {
    await within("own error", (ctx) => {
      const value = {
        get bad(): number {
          throw new TypeError("mine");
        },
      };
      expect(() => Storage.put(ctx, "a", value)).toThrow(new TypeError("mine"));
    });
  });
});

describe("an object without SQLite-backed storage", () => {
  it("is told at the call what to write in wrangler.toml", async () => {
    await runInDurableObject(env.UNBACKED.getByName("storage"), (_, ctx) => {
      for (const act of [
        () => Storage.get(ctx, "a"),
        () => Storage.put(ctx, "a", 1),
        () => Storage.delete(ctx, "a"),
        () => Storage.list(ctx),
      ]) {
        const error = errorOf(act);
        expect(error.code).toBe("no-sqlite-storage");
        expect(error.message).toContain('storage = "sqlite"');
      }
    });
  });
});

describe("Storage.list", () => {
  const fill = (ctx: DurableObjectState, keys: string): void => {
    for (const key of keys) Storage.put(ctx, key, key.toUpperCase());
  };

  it("gives entries in order, from and to where it is told", async () => {
    await within("options", (ctx) => {
      fill(ctx, "gbdface");
      expect([...Storage.list(ctx)]).toEqual([..."abcdefg"].map((key) => [key, key.toUpperCase()]));
      expect(keysOf(ctx, { start: "c" }).join("")).toBe("cdefg");
      expect(keysOf(ctx, { startAfter: "c" }).join("")).toBe("defg");
      expect(keysOf(ctx, { end: "c" }).join("")).toBe("ab");
      expect(keysOf(ctx, { start: "b", end: "e", reverse: true }).join("")).toBe("dcb");
      expect(keysOf(ctx, { startAfter: "b", end: "e", reverse: true, limit: 1 }).join("")).toBe("d");
      expect(keysOf(ctx, { limit: 2 }).join("")).toBe("ab");
      expect(keysOf(ctx, { limit: 0 })).toEqual([]);
      expect(keysOf(ctx, { start: "x" })).toEqual([]);
      expect(keysOf(ctx, { start: "e", end: "b" })).toEqual([]);
    });
  });

  it("gives all there is, whatever the size of its pages", async () => {
    await within("pages", (ctx) => {
      const keys = Array.from({ length: 700 }, (_, n) => `k${String(n).padStart(4, "0")}`);
      for (const key of keys) Storage.put(ctx, key, key < "k0300" ? 1 : "x".repeat(20_000));
      expect(keysOf(ctx)).toEqual(keys);
      expect(keysOf(ctx, { reverse: true })).toEqual(keys.toReversed());
      expect(keysOf(ctx, { limit: 650 })).toEqual(keys.slice(0, 650));
    });
  });

  it("agrees with a sorted list of the keys, for any keys and options", async () => {
    const text = fc.stringMatching(/^[a-c\0€😀\ufb00]{1,3}$/u);
    const options = fc.record(
      { start: text, end: text, prefix: text, reverse: fc.boolean(), limit: fc.nat(6) },
      { requiredKeys: [] },
    );
    await within("model", (ctx) => {
      fc.assert(
        fc.property(
          fc.uniqueArray(text, { maxLength: 12 }),
          options,
          fc.boolean(),
          (keys, { start, ...rest }, isAfter) => {
            for (const key of keysOf(ctx)) Storage.delete(ctx, key);
            for (const key of keys) Storage.put(ctx, key, 1);
            const asked = { ...rest, ...(start === undefined ? {} : { [isAfter ? "startAfter" : "start"]: start }) };
            const expected = keys
              .toSorted(byBytes)
              .filter((key) => start === undefined || byBytes(key, start) > 0 || (!isAfter && key === start))
              .filter((key) => rest.end === undefined || byBytes(key, rest.end) < 0)
              .filter((key) => key.startsWith(rest.prefix ?? ""));
            if (rest.reverse === true) expected.reverse();
            expect(keysOf(ctx, asked)).toEqual(expected.slice(0, rest.limit));
          },
        ),
        { numRuns: 300 },
      );
    });
  });

  it("skips the library's rows, in both directions, without counting them", async () => {
    await within("skipping", (ctx) => {
      fill(ctx, "az");
      Storage.put(ctx, "durable-basf", 1);
      for (let i = 0; i < 300; i++) ctx.storage.kv.put(`${PREFIX}${i}`, i);
      expect(keysOf(ctx)).toEqual(["a", "durable-basf", "z"]);
      expect(keysOf(ctx, { reverse: true })).toEqual(["z", "durable-basf", "a"]);
      expect(keysOf(ctx, { limit: 2 })).toEqual(["a", "durable-basf"]);
      expect(keysOf(ctx, { reverse: true, limit: 3 })).toEqual(["z", "durable-basf", "a"]);
      expect(keysOf(ctx, { prefix: "durable-bas" })).toEqual(["durable-basf"]);
      expect(keysOf(ctx, { prefix: PREFIX })).toEqual([]);
      expect(keysOf(ctx, { start: `${PREFIX}5`, end: `${PREFIX}7` })).toEqual([]);
      Storage.delete(ctx, "durable-basf");
      Storage.delete(ctx, "z");
      expect(keysOf(ctx)).toEqual(["a"]);
    });
  });

  it("ends, though the loop writes ahead of it", async () => {
    await within("writing", (ctx) => {
      fill(ctx, "abc");
      const seen: string[] = [];
      for (const [key] of Storage.list(ctx)) {
        seen.push(key);
        Storage.put(ctx, `${key}+`, 1);
        Storage.put(ctx, `z${key}`, 1);
        Storage.put(ctx, key, "again");
      }
      expect(seen).toEqual(["a", "b", "c"]);
      for (const [key] of Storage.list(ctx, { reverse: true })) Storage.put(ctx, `A${key}`, 1);
      expect(keysOf(ctx, { prefix: "AA" })).toEqual([]);
    });
  });

  it("lets the loop delete what it is given, and lists inside lists", async () => {
    await within("nested", (ctx) => {
      for (let i = 0; i < 100; i++) Storage.put(ctx, String(i).padStart(3, "0"), i);
      let sum = 0;
      for (const [key, value] of Storage.list<number>(ctx)) {
        sum += value;
        for (const [inner] of Storage.list(ctx, { limit: 1 })) expect(inner).toBe(key);
        Storage.delete(ctx, key);
      }
      expect(sum).toBe(4_950);
      expect(keysOf(ctx)).toEqual([]);
    });
  });

  it("sees changes ahead from the next page on, after awaits and rollbacks too", async () => {
    await within("next page", async (ctx) => {
      for (let i = 0; i < 400; i++) Storage.put(ctx, String(i).padStart(3, "0"), i);
      const entries = Storage.list<number>(ctx);
      expect(entries.next().value).toEqual(["000", 0]);
      Storage.delete(ctx, "399");
      Storage.put(ctx, "398", "changed");
      await scheduler.wait(1);
      expect(() =>
        ctx.storage.transactionSync(() => {
          Storage.put(ctx, "397", "rolled back");
          throw new RangeError("back");
        }),
      ).toThrow(RangeError);
      expect([...entries].slice(-2)).toEqual([
        ["397", 397],
        ["398", "changed"],
      ]);
    });
  });

  it("gives what was stored without this module too, cycles and shared parts included", async () => {
    await within("raw", (ctx) => {
      const cycle: { self?: object } = {};
      cycle.self = cycle;
      for (const key of ["a", "b"]) ctx.storage.kv.put(key, cycle);
      ctx.storage.kv.put("0", sharing(60));
      const [, , last] = [...Storage.list<{ self: object }>(ctx)];
      expect(last![1].self).toBe(last![1]);
    });
  });

  it("leaves nothing open when the loop breaks: tables can be dropped at once", async () => {
    await within("break", (ctx) => {
      fill(ctx, "abc");
      for (const [key] of Storage.list(ctx)) if (key === "a") break;
      ctx.storage.sql.exec("create table t (n integer)");
      ctx.storage.sql.exec("drop table t");
      expect(ctx.storage.sql.exec("select name from sqlite_master where name = 't'").toArray()).toEqual([]);
    });
  });

  it("refuses options that cannot work, at the call", async () => {
    await within("bad options", (ctx) => {
      for (const limit of [-1, 1.5, NaN, "2" as unknown as number]) {
        expect(codeOf(() => Storage.list(ctx, { limit }))).toBe("bad-option");
      }
      expect(codeOf(() => Storage.list(ctx, { start: "a", startAfter: "b" }))).toBe("bad-option");
    });
  });
});
