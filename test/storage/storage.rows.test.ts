/** The rows of docs/storage.md, counted below `ctx.storage`. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import * as Storage from "durable-base/storage";
import { describe, expect, it } from "vitest";
import docs from "../../docs/storage.md?raw";
import { PREFIX } from "../../src/storage/kv/keys.ts";
import { meterOf } from "../testing/fixtures/meter.ts";

/** What is in storage before each: ten entries. */
const TEN = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`k${i}`, i]));
const PRESENT = ["k1", "k2", "k3"];
const MANY = [...PRESENT, "none"];

/** By the function's first cell in the docs: what is done, and the rows that the docs' third cell says of it. */
const COUNTED: Record<string, readonly [(ctx: DurableObjectState) => unknown, read: number, written: number]> = {
  "get(handle, key, fallback?)": [(ctx) => Storage.get(ctx, "k1"), 1, 0],
  "has(handle, key)": [(ctx) => Storage.has(ctx, "k1"), 1, 0],
  "put(handle, key, value)": [(ctx) => Storage.put(ctx, "k1", 2), 0, 1],
  "delete(handle, key)": [(ctx) => Storage.delete(ctx, "k1"), 0, 1],
  "update(handle, key, fn)": [(ctx) => Storage.update(ctx, "k1", () => 2), 1, 1],
  "getMany(handle, keys)": [(ctx) => Storage.getMany(ctx, PRESENT), 3, 0],
  "putMany(handle, entries)": [(ctx) => Storage.putMany(ctx, { a: 1, b: 2, k1: 3 }), 0, 3],
  "deleteMany(handle, keys)": [(ctx) => Storage.deleteMany(ctx, MANY), 0, 3],
  "batch(handle, operations)": [(ctx) => Storage.batch(ctx, [{ put: "a", value: 1 }, { delete: "k1" }]), 0, 2],
  "list(handle, options?)": [(ctx) => [...Storage.list(ctx)], 11, 0],
  "count(handle, options?)": [(ctx) => Storage.count(ctx), 11, 0],
  "clear(handle, options?)": [(ctx) => Storage.clear(ctx), 11, 10],
};

describe("rows of Storage", () => {
  it.each(Object.entries(COUNTED))("%s", async (name, [work, read, written]) => {
    await runInDurableObject(env.ROWS_1.getByName(`storage ${name}`), async (_, ctx) => {
      Storage.putMany(ctx, TEN);
      const rows = await meterOf(ctx.storage).during(() => work(ctx));
      expect([rows.read, rows.written]).toEqual([read, written]);
    });
  });

  it("of nothing found are not written", async () => {
    await runInDurableObject(env.ROWS_1.getByName("storage nothing"), async (_, ctx) => {
      const { written } = await meterOf(ctx.storage).during(() => {
        Storage.delete(ctx, "none");
        Storage.update(ctx, "none", () => undefined);
        Storage.deleteMany(ctx, ["none"]);
        Storage.batch(ctx, [{ delete: "none" }]);
        Storage.clear(ctx);
      });
      expect(written).toBe(0);
    });
  });

  it("of a list that ends early are those of the pages read, and 1 to begin", async () => {
    await runInDurableObject(env.ROWS_1.getByName("storage early"), async (_, ctx) => {
      const all = Array.from({ length: 500 }, (_, i): [string, number] => [`${1_000 + i}`, i]);
      Storage.putMany(ctx, all);
      const readOf = async (options: Storage.ListOptions): Promise<number> =>
        (await meterOf(ctx.storage).during(() => Storage.list(ctx, options).next())).read;
      expect([await readOf({}), await readOf({ limit: 3 }), await readOf({ limit: 0 })]).toEqual([17, 4, 0]);
    });
  });

  it("of a list that meets the library's are a page more at most, however many there are", async () => {
    await runInDurableObject(env.ROWS_1.getByName("storage between"), async (_, ctx) => {
      Storage.putMany(ctx, { a: 1, z: 2 });
      for (let i = 0; i < 500; i++) ctx.storage.kv.put(`${PREFIX}${i}`, i);
      for (const reverse of [false, true]) {
        const { read } = await meterOf(ctx.storage).during(() => Storage.count(ctx, { reverse }));
        expect(read).toBe(1 + 16 + 1);
      }
    });
  });

  it("are told for each function that docs/storage.md lists", () => {
    const listed = [...docs.matchAll(/^\| `([a-zA-Z]+\(handle.*?\))` \|.*\d/gm)].map(([, name]) => name!);
    expect(listed.toSorted()).toEqual(Object.keys(COUNTED).toSorted());
  });
});
