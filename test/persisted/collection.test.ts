import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { isLong } from "../battery.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { show } from "./model.ts";
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
          expect(thrownBy(() => read(self, kind, 700))).toMatchObject({ code: "field-unreadable" });
          expect([read(self, kind, 0), read(self, kind, 1_499)]).toEqual(expected);
          expect(thrownBy(() => JSON.stringify(snapshot(self.any)))).toMatchObject({ code: "field-unreadable" });
          self.count++;
          expect(thrownBy(() => (self.any = []))).toMatchObject({ code: "field-unreadable" });
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
          expect(thrownBy(() => self.any)).toMatchObject({ code: "field-unreadable" });
          expect(thrownBy(() => (self.any = 1))).toMatchObject({ code: "field-unreadable" });
          self.count++;
        });
      }
      await cold(stub, (_, { kv }) => kv.put("durable-base:field:any", head));
      expect(await cold(stub, (self) => [read(self, kind, 1_499) !== undefined, self.count])).toEqual([true, 4]);
    });
  }
});

it("throws for a Map of which the head has too few prints to find every key, where it would seem to have none", async () => {
  const stub = fresh();
  await inside(stub, fill.map);
  await cold(stub, (_, { kv }) => {
    const head = kv.get<{ prints: Uint16Array }>("durable-base:field:any")!;
    kv.put("durable-base:field:any", { ...head, prints: head.prints.slice(0, 3) });
  });
  await cold(stub, (self) =>
    expect(thrownBy(() => read(self, "map", 700))).toMatchObject({ code: "field-unreadable" }),
  );
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
      const error = thrownBy(() => (self.any as unknown[]).push({ deep: ["x".repeat(2_000_001)] }));
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

describe("a collection in an unusual place or state", () => {
  const nums = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const of = <T>({ any }: AccessorThings): T => any as T;

  it("is filled with copies, even of one of its own items", async () => {
    const seen = await inside(fresh(), (self) => {
      self.any = [new Date(0), { n: 0 }];
      const list = of<[Date, { n: number }]>(self);
      const [date] = list;
      list.fill(date);
      date.setTime(1_000);
      return snapshot(list).map(Number);
    });
    expect(seen).toEqual([0, 0]);
  });

  it("that lies in its own row again keeps the collections inside it", async () => {
    const stub = fresh();
    const text = "x".repeat(3_000);
    await inside(stub, (self) => (self.any = { p: { a: text, b: text, big: nums(1_000) } }));
    await inside(stub, (self) => {
      const { p } = of<{ p: { a?: string; b?: string } }>(self);
      delete p.a;
      delete p.b;
    });
    expect(await cold(stub, (self) => of<{ p: { big: number[] } }>(self).p.big.length)).toBe(1_000);
  });

  it("may be called chunks", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = { chunks: nums(2_000), pages: [], ids: [], counts: [] }));
    expect(await cold(stub, (self) => of<{ chunks: number[] }>(self).chunks.length)).toBe(2_000);
  });

  it("that was changed deep inside before it was replaced by nearly the same is written", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = nums(300).map((i) => ({ i, list: nums(600) }))));
    type Entry = { list: unknown[] };
    await inside(stub, (self) => {
      of<Entry[]>(self)[10]!.list.push("x");
      self.any = of<Entry[]>(self).filter((_, i) => i !== 250);
    });
    expect(await cold(stub, (self) => of<Entry[]>(self)[10]!.list.at(-1))).toBe("x");
    await inside(stub, (self) => {
      of<Entry[]>(self)[20]!.list.push("y");
      self.any = snapshot(self.any);
    });
    expect(await cold(stub, (self) => of<Entry[]>(self)[20]!.list.at(-1))).toBe("y");
  });

  it("loses no other write when bytes that are a member are transferred away", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.set = new Set([new Uint8Array(3)])));
    for (let i = 0; i < 3; i++) {
      await inside(stub, (self) => {
        self.count++;
        if (i > 0) return;
        for (const bytes of self.set as Set<Uint8Array>) structuredClone(bytes, { transfer: [bytes.buffer] });
      }).catch((error: unknown) => expect(error).toMatchObject({ code: "not-persistable" }));
    }
    expect(await cold(stub, (self) => self.count)).toBe(2);
  });

  it("takes back nothing half when there are too many arguments", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = nums(2_000)));
    const shown = await inside(stub, (self) => {
      try {
        of<number[]>(self).unshift(...nums(120_000));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
      return JSON.stringify(self.any);
    });
    expect(await cold(stub, (self) => JSON.stringify(self.any))).toBe(shown);
  });

  it("stores a change of bytes that were given back after a transfer", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = new Map(nums(200).map((i) => [`k${i}`, new Uint8Array(40)]))));
    await inside(stub, (self) => {
      const bytes = (): Uint8Array => of<Map<string, Uint8Array>>(self).get("k5")!;
      structuredClone(bytes(), { transfer: [bytes().buffer] });
      bytes()[0] = 7;
    });
    expect(await cold(stub, (self) => of<Map<string, Uint8Array>>(self).get("k5")![0])).toBe(7);
  });

  const reentrant: Record<string, (self: AccessorThings) => void> = {
    "a comparator": (self) => {
      let isFirst = true;
      of<number[]>(self).sort((a, b) => {
        if (isFirst) of<number[]>(self).length = 1_000;
        isFirst = false;
        return b - a;
      });
    },
    "fill's argument": (self) =>
      of<number[]>(self).fill(0, { valueOf: () => ((of<number[]>(self).length = 1_000), 0) } as never),
    "splice's argument": (self) =>
      of<number[]>(self).splice({ valueOf: () => ((of<number[]>(self).length = 1_000), 500) } as never, 1_000),
    "a getter of what is set": (self) =>
      (of<unknown[]>(self)[1_999] = {
        get x() {
          of<number[]>(self).length = 1_000;
          return 1;
        },
      }),
  };
  for (const [what, change] of Object.entries(reentrant)) {
    it(`is in memory what it is on disk when ${what} changes it`, async () => {
      const stub = fresh();
      await inside(stub, (self) => (self.any = nums(2_000)));
      const shown = await inside(stub, (self) => (change(self), show(self.any)));
      expect(await cold(stub, (self) => show(self.any))).toBe(shown);
    });
  }

  it("is in memory what it is on disk when a getter changes the key that is set", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = new Map<unknown, unknown>(nums(500).map((i) => [i, i]))));
    const shown = await inside(stub, (self) => {
      const map = of<Map<unknown, unknown>>(self);
      map.set(5, {
        get x() {
          return map.delete(5);
        },
      });
      map.set("n", {
        get x() {
          return map.set("n", 1).size;
        },
      });
      map.delete("n");
      return show(map);
    });
    expect(await cold(stub, (self) => show(self.any))).toBe(shown);
  });

  it("refuses a length that is none, and changes nothing", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = numbers(2_000)));
    await inside(stub, (self) => {
      const list = of<{ n: number }[]>(self);
      const held = list[1_500]!;
      for (const length of [-1, 1.5, NaN]) expect(() => (list.length = length)).toThrow(RangeError);
      held.n = -7;
    });
    expect(await cold(stub, (self) => of<{ n: number }[]>(self)[1_500]!.n)).toBe(-7);
  });

  it.runIf(isLong)("is refused when the list of its chunks is over 2 MB, and stays as it was", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = new Map([[0, 0]])));
    const many = (self: AccessorThings): unknown =>
      (self.any = new Map(Array.from({ length: 1_000_000 }, (_, i) => [i, i])));
    expect(await errorOf(() => inside(stub, many))).toMatchObject({
      code: "too-large",
      message: expect.stringContaining("AccessorThings.any, the list of its chunks, takes") as string,
    });
    expect(await cold(stub, (self) => snapshot(self.any))).toEqual(new Map([[0, 0]]));
  });

  it("may have over 2 MB of keys", async () => {
    const stub = fresh();
    await inside(
      stub,
      (self) => (self.any = Object.fromEntries(nums(80_000).map((i) => [`the key with the number ${i}`, i]))),
    );
    expect(await cold(stub, (self) => of<Record<string, number>>(self)["the key with the number 79999"])).toBe(79_999);
  });

  it("is all there for a method that was taken from another", async () => {
    const stub = fresh();
    await inside(stub, fill.map);
    await cold(stub, (self) => {
      const { values, forEach } = self.map;
      expect([...values.call(of<Map<unknown, unknown>>(self))]).toHaveLength(1_500);
      forEach.call(of<Map<unknown, unknown>>(self), (value) => expect(value).toBeDefined());
    });
  });

  it("of which a neighbour is damaged takes deletes, and of which an inner one is damaged is left whole", async () => {
    const stub = fresh();
    await inside(stub, fill.map);
    await cold(stub, (_, { kv }) => kv.put(`${PART}2`, "damaged"));
    await cold(stub, (self, { kv }) => {
      const healthy = [...kv.get<Map<string, unknown>>(`${PART}1`)!.keys()];
      for (const key of healthy.slice(1)) expect(of<Map<string, unknown>>(self).delete(key)).toBe(true);
    });
    expect(await cold(stub, (self) => of<Map<string, unknown>>(self).has("k1"))).toBe(false);

    const nested = fresh();
    await inside(nested, (self) => (self.any = new Map(nums(60).map((i) => [i, { i, list: numbers(200) }]))));
    await cold(nested, (_, { kv }) => {
      const inner = [...kv.list({ prefix: PART })].find(([key]) => key.endsWith(".2"))![0];
      kv.put(inner, "damaged");
    });
    await cold(nested, (self) => {
      const map = of<Map<number, { i: number }>>(self);
      const held = map.get(3)!;
      for (let i = 0; i < 60; i++) map.get(i);
      expect(thrownBy(() => map.clear())).toMatchObject({ code: "field-unreadable" });
      expect(thrownBy(() => (self.any = []))).toMatchObject({ code: "field-unreadable" });
      held.i = -1;
      self.count++;
    });
    expect(await cold(nested, (self) => [of<Map<number, { i: number }>>(self).get(3)!.i, self.count])).toEqual([-1, 1]);
  });

  it("lies in its own row again when its entries have shrunk where they are", async () => {
    const stub = fresh();
    const text = "x".repeat(1_200);
    await inside(stub, (self) => (self.any = { z: 1, p: { a: text, b: text } }));
    await cold(stub, (self) => Object.assign(of<{ p: object }>(self).p, { a: "", b: "" }));
    expect(await cold(stub, (self, { kv }) => [[...kv.list({ prefix: PART })].length, snapshot(self.any)])).toEqual([
      0,
      { z: 1, p: { a: "", b: "" } },
    ]);
  });
});
