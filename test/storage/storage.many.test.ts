/** `Storage`, of one key more than get and put, and of several. */
import * as Storage from "durable-base/storage";
import { describe, expect, it } from "vitest";
import { PREFIX } from "../../src/storage/kv/keys.ts";
import { codeOf, errorOf, keysOf, within } from "./storages.ts";

const BAD_KEYS = ["", 5, "a\ud800", "x".repeat(2_049)] as string[];

describe("Storage.get with a fallback", () => {
  it("gives it for what is not there, and for a stored undefined", async () => {
    await within("fallback", (ctx) => {
      expect(Storage.get(ctx, "a", 7)).toBe(7);
      for (const falsy of [null, 0, "", false]) {
        Storage.put(ctx, "a", falsy);
        expect(Storage.get<unknown>(ctx, "a", 7)).toBe(falsy);
      }
      Storage.put(ctx, "a", undefined);
      expect(Storage.get<unknown>(ctx, "a", 7)).toBe(7);
    });
  });
});

describe("Storage.has", () => {
  it("tells what is there, a stored undefined included, and not its neighbours", async () => {
    await within("has", (ctx) => {
      Storage.put(ctx, "a\0", 1);
      Storage.put(ctx, "aa", 1);
      expect(Storage.has(ctx, "a")).toBe(false);
      Storage.put(ctx, "a", undefined);
      expect(Storage.has(ctx, "a")).toBe(true);
      Storage.delete(ctx, "a");
      expect(Storage.has(ctx, "a")).toBe(false);
      for (const key of BAD_KEYS) expect(codeOf(() => Storage.has(ctx, key))).toBe("bad-key");
      expect(codeOf(() => Storage.has(ctx, `${PREFIX}record`))).toBe("reserved-key");
    });
  });
});

describe("Storage.update", () => {
  it("stores what the function makes of the value, and gives it", async () => {
    await within("update", (ctx) => {
      const add = (n = 0): number => n + 1;
      expect([Storage.update<number>(ctx, "n", add), Storage.update<number>(ctx, "n", add)]).toEqual([1, 2]);
      expect(Storage.get(ctx, "n")).toBe(2);
    });
  });

  it("gives the function a copy of its own", async () => {
    await within("update copy", (ctx) => {
      Storage.put(ctx, "list", [1]);
      Storage.update<number[]>(ctx, "list", (list = []) => (list.push(2), list));
      expect(Storage.get(ctx, "list")).toEqual([1, 2]);
      expect(() =>
        Storage.update<number[]>(ctx, "list", (list = []) => {
          list.push(3);
          throw new RangeError("stop");
        }),
      ).toThrow(RangeError);
      expect(Storage.get(ctx, "list")).toEqual([1, 2]);
    });
  });

  it("removes the key when the function gives undefined", async () => {
    await within("update away", (ctx) => {
      Storage.put(ctx, "n", 1);
      expect(Storage.update(ctx, "n", () => undefined)).toBeUndefined();
      expect(Storage.update(ctx, "none", () => undefined)).toBeUndefined();
      expect(keysOf(ctx)).toEqual([]);
    });
  });

  it("refuses a promise, and writes nothing", async () => {
    await within("update async", (ctx) => {
      Storage.put(ctx, "n", 1);
      for (const work of [async () => 2, () => Promise.reject(new Error("unseen"))]) {
        const error = errorOf(() => Storage.update(ctx, "n", work));
        expect([error.code, error.message]).toEqual(["returned-promise", expect.stringContaining('update("n")')]);
      }
      expect(Storage.get(ctx, "n")).toBe(1);
    });
  });

  it("refuses keys and values as put does", async () => {
    await within("update refused", (ctx) => {
      let calls = 0;
      const work = (): number => ++calls;
      for (const key of BAD_KEYS) expect(codeOf(() => Storage.update(ctx, key, work))).toBe("bad-key");
      expect(codeOf(() => Storage.update(ctx, `${PREFIX}a`, work))).toBe("reserved-key");
      expect(calls).toBe(0);
      expect(codeOf(() => Storage.update(ctx, "a", () => () => 1))).toBe("not-persistable");
      expect(codeOf(() => Storage.update(ctx, "a", () => "x".repeat(2_000_001)))).toBe("too-large");
      expect(keysOf(ctx)).toEqual([]);
    });
  });
});

describe("Storage.getMany", () => {
  it("gives a Map of what is there, in the order asked", async () => {
    await within("get many", (ctx) => {
      for (const key of "abc") Storage.put(ctx, key, key.toUpperCase());
      Storage.put(ctx, "u", undefined);
      expect([...Storage.getMany(ctx, ["c", "none", "u", "a", "c"])]).toEqual([
        ["c", "C"],
        ["u", undefined],
        ["a", "A"],
      ]);
      expect(Storage.getMany(ctx, new Set(["b"]))).toEqual(new Map([["b", "B"]]));
      expect(Storage.getMany(ctx, [])).toEqual(new Map());
    });
  });

  it("refuses keys that cannot be, and a string in place of keys", async () => {
    await within("get many refused", (ctx) => {
      for (const key of BAD_KEYS) expect(codeOf(() => Storage.getMany(ctx, ["a", key]))).toBe("bad-key");
      expect(codeOf(() => Storage.getMany(ctx, [`${PREFIX}a`]))).toBe("reserved-key");
      for (const many of [() => Storage.getMany(ctx, "abc" as never), () => Storage.deleteMany(ctx, "abc" as never)]) {
        const error = errorOf(many);
        expect([error.code, error.message]).toEqual(["bad-key", expect.stringContaining('["abc"]')]);
      }
    });
  });
});

describe("Storage.putMany", () => {
  it("writes entries, a Map or the properties of an object", async () => {
    await within("put many", (ctx) => {
      Storage.putMany(ctx, [
        ["a", 1],
        ["b", 2],
        ["a", 3],
      ]);
      Storage.putMany(ctx, new Map([["c", 4]]));
      Storage.putMany(ctx, { d: 5, ...(JSON.parse('{"__proto__":6}') as object) });
      Storage.putMany(ctx, {});
      expect([...Storage.list(ctx)]).toEqual([
        ["__proto__", 6],
        ["a", 3],
        ["b", 2],
        ["c", 4],
        ["d", 5],
      ]);
    });
  });

  it("writes all or nothing, whatever is wrong with one", async () => {
    await within("put many refused", (ctx) => {
      Storage.put(ctx, "a", "before");
      for (const [key, value, code] of [
        ["", 1, "bad-key"],
        [`${PREFIX}a`, 1, "reserved-key"],
        ["large", "x".repeat(2_000_001), "too-large"],
        ["function", () => 1, "not-persistable"],
        ["deep", [{ at: Symbol("s") }], "not-persistable"],
      ] as const) {
        const entries = [
          ["a", "after"],
          ["z", 1],
          [key, value],
          ["zz", 1],
        ] as const;
        expect(codeOf(() => Storage.putMany(ctx, entries))).toBe(code);
        expect(
          codeOf(() =>
            Storage.batch(
              ctx,
              entries.map(([key, value]) => ({ put: key, value })),
            ),
          ),
        ).toBe(code);
      }
      expect([...Storage.list(ctx)]).toEqual([["a", "before"]]);
    });
  });
});

describe("Storage.deleteMany", () => {
  it("tells how many there were, and removes all or nothing", async () => {
    await within("delete many", (ctx) => {
      Storage.putMany(ctx, { a: 1, b: undefined, c: 3 });
      for (const key of BAD_KEYS) expect(codeOf(() => Storage.deleteMany(ctx, ["a", key]))).toBe("bad-key");
      expect(codeOf(() => Storage.deleteMany(ctx, ["a", `${PREFIX}a`]))).toBe("reserved-key");
      expect(keysOf(ctx)).toEqual(["a", "b", "c"]);
      expect(Storage.deleteMany(ctx, ["a", "none", "b", "a"])).toBe(2);
      expect(keysOf(ctx)).toEqual(["c"]);
    });
  });
});

describe("Storage.batch", () => {
  it("does what it is told in order", async () => {
    await within("batch", (ctx) => {
      Storage.put(ctx, "old", 1);
      Storage.batch(ctx, [
        { put: "a", value: 1 },
        { delete: "old" },
        { put: "b", value: 1 },
        { delete: "b" },
        { put: "a", value: undefined },
        { delete: "none" },
      ]);
      Storage.batch(ctx, new Set<Storage.BatchOperation>());
      expect([...Storage.list(ctx)]).toEqual([["a", undefined]]);
    });
  });

  it("refuses what is neither put nor delete, and writes nothing", async () => {
    await within("batch refused", (ctx) => {
      for (const operation of [
        {},
        { put: "a" },
        { put: "a", value: 1, delete: "a" },
        { put: "a", value: 1, ttl: 5 },
        { get: "a" },
        "a",
      ] as unknown as Storage.BatchOperation[]) {
        expect(codeOf(() => Storage.batch(ctx, [{ put: "first", value: 1 }, operation]))).toBe("bad-option");
      }
      expect(codeOf(() => Storage.batch(ctx, [{ put: "first", value: 1 }, { delete: "" }]))).toBe("bad-key");
      expect(keysOf(ctx)).toEqual([]);
    });
  });
});

describe("Storage.count and clear", () => {
  it("count and remove what list gives, and leave the library's rows and tables", async () => {
    await within("clear", (ctx) => {
      Storage.putMany(ctx, { "a:1": 1, "a:2": 2, "b:1": undefined, z: 4 });
      for (let i = 0; i < 300; i++) ctx.storage.kv.put(`${PREFIX}${i}`, i);
      ctx.storage.sql.exec("create table t (n)");
      expect([Storage.count(ctx), Storage.count(ctx, { prefix: "a:" }), Storage.count(ctx, { limit: 3 })]).toEqual([
        4, 2, 3,
      ]);
      expect(Storage.clear(ctx, { prefix: "a:", reverse: true, limit: 1 })).toBe(1);
      expect(keysOf(ctx)).toEqual(["a:1", "b:1", "z"]);
      expect(Storage.clear(ctx)).toBe(3);
      expect([Storage.clear(ctx), Storage.count(ctx)]).toEqual([0, 0]);
      expect([...ctx.storage.kv.list()]).toHaveLength(300);
      expect(ctx.storage.sql.exec("select * from t").toArray()).toEqual([]);
    });
  });

  it("follow the transaction they are in", async () => {
    await within("clear undone", (ctx) => {
      Storage.putMany(ctx, { a: 1, b: 2 });
      expect(() =>
        Storage.transaction(ctx, () => {
          expect(Storage.clear(ctx)).toBe(2);
          throw new RangeError("stop");
        }),
      ).toThrow(RangeError);
      expect(keysOf(ctx)).toEqual(["a", "b"]);
    });
  });
});

describe("options of list, count and clear", () => {
  it("are refused when there is no such one or it cannot work, and nothing is done", async () => {
    await within("options refused", (ctx) => {
      Storage.put(ctx, "a", 1);
      for (const options of [
        { limt: 1 },
        { allowUnconfirmed: true },
        { noCache: true },
        { limit: -1 },
        { limit: "1" },
        { start: 5 },
        { end: null },
        { prefix: "a\ud800" },
        { startAfter: 1n },
        { reverse: "yes" },
        { start: "a", startAfter: "a" },
        { __proto__: null, toString: 1 },
      ] as unknown as Storage.ListOptions[]) {
        expect(codeOf(() => Storage.list(ctx, options))).toBe("bad-option");
        expect(codeOf(() => Storage.count(ctx, options))).toBe("bad-option");
        expect(codeOf(() => Storage.clear(ctx, options))).toBe("bad-option");
      }
      expect(keysOf(ctx, { start: undefined } as never)).toEqual(["a"]);
    });
  });
});

describe("Storage.entries", () => {
  it("is Storage.list", () => {
    expect(Storage.entries).toBe(Storage.list);
  });
});
