import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { snapshot } from "../src/index.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { rowsOf } from "./persisted.cases.ts";

const PART = "durable-base:part:any:";

let made = 0;

function fresh(): DurableObjectStub<AccessorThings> {
  return env.ACCESSOR_THINGS.getByName(`collection ${made++}`);
}

/** Runs inside the object, within an entry. */
function inside<T>(
  stub: DurableObjectStub<AccessorThings>,
  work: (self: AccessorThings, storage: DurableObjectStorage) => T,
): Promise<T> {
  return runInDurableObject(stub, (self, { storage }) => self.run(() => work(self, storage)));
}

async function cold<T>(
  stub: DurableObjectStub<AccessorThings>,
  work: (self: AccessorThings, storage: DurableObjectStorage) => T,
): Promise<T> {
  await evictDurableObject(stub);
  return inside(stub, work);
}

/** What `work` throws. */
function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("expected an error");
}

const numbers = (n: number): { n: number; text: string }[] =>
  Array.from({ length: n }, (_, i) => ({ n: i, text: `entry ${i}` }));

type Kind = "array" | "map" | "set" | "record";

const fill: Record<Kind, (self: AccessorThings) => unknown> = {
  array: (self: AccessorThings) => (self.any = numbers(1_500)),
  map: (self: AccessorThings) => (self.any = new Map(numbers(1_500).map((item) => [`k${item.n}`, item]))),
  set: (self: AccessorThings) => (self.any = new Set(numbers(1_500).map((item) => `k${item.n}`))),
  record: (self: AccessorThings) => (self.any = Object.fromEntries(numbers(1_500).map((item) => [`k${item.n}`, item]))),
};

/** Reads one entry. */
function read(self: AccessorThings, kind: Kind, n: number): unknown {
  if (kind === "array") return snapshot((self.any as unknown[])[n]);
  if (kind === "map") return snapshot((self.any as Map<string, unknown>).get(`k${n}`));
  if (kind === "set") return (self.any as Set<string>).has(`k${n}`);
  return snapshot((self.any as Record<string, unknown>)[`k${n}`]);
}

describe("a collection that is damaged", () => {
  const damages: Record<string, (kv: SyncKvStorage, key: string) => void> = {
    "is missing": (kv, key) => kv.delete(key),
    "has another type": (kv, key) => kv.put(key, "text"),
    "has another kind of container": (kv, key) =>
      kv.put(key, kv.get(key) instanceof Map ? [1] : new Map([["chunks", 1]])),
  };
  for (const kind of Object.keys(fill) as Kind[]) {
    for (const [damage, harm] of Object.entries(damages)) {
      it(`throws for the entries of a row of a ${kind} that ${damage}, and only for those`, async () => {
        const stub = fresh();
        await inside(stub, fill[kind]);
        const expected = await inside(stub, (self) => [read(self, kind, 0), read(self, kind, 1_499)]);
        const whole = await inside(stub, (self) => snapshot(self.any));
        const [key, row] = await cold(stub, (_, { kv }) => {
          const found = [...kv.list({ prefix: PART })].find(
            ([, part]) =>
              JSON.stringify(entriesOf(part)).includes("k700") || JSON.stringify(part).includes("entry 700"),
          )!;
          harm(kv, found[0]);
          return found;
        });
        await cold(stub, (self) => {
          expect(thrown(() => read(self, kind, 700))).toMatchObject({ code: "field-unreadable" });
          expect([read(self, kind, 0), read(self, kind, 1_499)]).toEqual(expected);
          expect(thrown(() => JSON.stringify(snapshot(self.any)))).toMatchObject({ code: "field-unreadable" });
          self.count++;
          expect(thrown(() => (self.any = []))).toMatchObject({ code: "field-unreadable" });
        });
        await cold(stub, (self, { kv }) => {
          expect(self.count).toBe(1);
          kv.put(key, row);
        });
        expect(await cold(stub, (self) => snapshot(self.any))).toEqual(whole);
      });
    }

    it(`throws for a ${kind} whose head is missing or of another shape, and lets the other fields work`, async () => {
      const stub = fresh();
      await inside(stub, fill[kind]);
      const head = await inside(stub, (_, { kv }) => kv.get<object>("durable-base:field:any")!);
      for (const harmed of [
        undefined,
        { ...head, ids: [] },
        { ...head, counts: [1] },
        { ...head, chunks: new globalThis.String("tree") },
      ]) {
        await cold(stub, (_, { kv }) => {
          if (harmed === undefined) kv.delete("durable-base:field:any");
          else kv.put("durable-base:field:any", harmed);
        });
        await cold(stub, (self) => {
          expect(thrown(() => self.any)).toMatchObject({ code: "field-unreadable" });
          expect(thrown(() => (self.any = 1))).toMatchObject({ code: "field-unreadable" });
          self.count++;
        });
      }
      await cold(stub, (_, { kv }) => kv.put("durable-base:field:any", head));
      expect(await cold(stub, (self) => [read(self, kind, 1_499) !== undefined, self.count])).toEqual([true, 4]);
    });
  }
});

function entriesOf(part: unknown): unknown[] {
  return part instanceof Map || part instanceof Set ? [...part] : [];
}

describe("a collection", () => {
  it("that was replaced is a plain value from then on, though it was not all loaded", async () => {
    const stub = fresh();
    await inside(stub, fill.array);
    const drained = await cold(stub, (self) => {
      const old = self.any as { n: number }[];
      self.any = [];
      old.push({ n: 1_500 });
      return old.reduce((sum, { n }) => sum + n, 0);
    });
    expect(drained).toBe((1_500 * 1_501) / 2);
    expect(await cold(stub, (self, { kv }) => [self.any, [...kv.list({ prefix: PART })].length])).toEqual([[], 0]);
  });

  it("inside another that was removed is a plain value from then on", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = new Map(["a", "b"].map((key) => [key, { list: numbers(300) }]))));
    const [held, left] = await cold(stub, (self, { kv }) => {
      const map = self.any as Map<string, { list: unknown[] }>;
      const old = map.get("a")!;
      map.delete("a");
      old.list.push(1);
      return [old.list.length, [...kv.list({ prefix: PART })].length];
    });
    expect(held).toBe(301);
    const rows = await cold(stub, (self, { kv }) => {
      expect([...(self.any as Map<string, unknown>).keys()]).toEqual(["b"]);
      return [...kv.list({ prefix: PART })].length;
    });
    expect(rows).toBeLessThan(left);
  });

  it("may be of more than 2 MB in all, and one entry may not", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = Array.from({ length: 30 }, (_, i) => `${i}`.repeat(100_000))));
    expect(await cold(stub, (self) => (self.any as string[]).reduce((sum, { length }) => sum + length, 0))).toBe(
      5_000_000,
    );
    await inside(stub, (self) => {
      const error = thrown(() => (self.any as unknown[]).push({ deep: ["x".repeat(2_000_001)] }));
      expect(error).toMatchObject({ code: "too-large", message: expect.stringContaining("any[30].deep[0]") as string });
    });
    expect(await cold(stub, (self) => (self.any as string[]).length)).toBe(30);
  });

  it("takes the rows that differ when it is replaced by nearly the same", async () => {
    const stub = fresh();
    await inside(stub, fill.array);
    const replaced = await rowsOf(stub, (self) => (self.any = [...(self.any as unknown[]), { n: 1_500, text: "" }]));
    expect(replaced).toHaveLength(1);
    const mapped = await rowsOf(
      stub,
      (self) => (self.any = (self.any as { n: number }[]).map((item) => (item.n === 250 ? { n: -1 } : item))),
    );
    expect(mapped).toHaveLength(1);
    expect(await rowsOf(stub, (self) => (self.any = snapshot(self.any)))).toEqual([]);
    expect(await cold(stub, (self) => [(self.any as unknown[]).length, (self.any as unknown[])[250]])).toEqual([
      1_501,
      { n: -1 },
    ]);
  });

  it("sorts by text what is not all loaded", async () => {
    const stub = fresh();
    const lists = Array.from({ length: 30 }, (_, i) => Array.from({ length: 400 }, () => (i * 7) % 30));
    await inside(stub, (self) => (self.any = lists));
    const sorted = structuredClone(lists).sort();
    expect(await cold(stub, (self) => snapshot((self.any as number[][]).sort()))).toEqual(sorted);
    expect(await cold(stub, (self) => snapshot(self.any))).toEqual(sorted);
  });

  it("keeps bytes that were changed in place before it was replaced by a copy", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = Array.from({ length: 50 }, () => new Uint8Array(100))));
    await inside(stub, (self) => {
      const list = self.any as Uint8Array[];
      list[30]![5] = 7;
      self.any = list.map((bytes) => bytes.slice());
    });
    expect(await cold(stub, (self) => (self.any as Uint8Array[])[30]![5])).toBe(7);
  });
});
