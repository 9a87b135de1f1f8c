/** How a large value is divided among its rows, and what that takes: `planRows` upon rows in memory. */
import { snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { Field, type Keeper } from "../../src/persisted/field.ts";
import { PLAIN } from "../../src/persisted/options.ts";
import { collectionOf, type Chunk } from "../../src/persisted/rows/collection.ts";
import { emptyRecord, fieldKey } from "../../src/persisted/rows/layout.ts";
import type { Rows } from "../../src/persisted/rows/packing.ts";
import { planRows } from "../../src/persisted/rows/planner.ts";

const HEAD = fieldKey("any");
const part = (id: number): string => `durable-base:part:any:${id}`;

/** A field and its rows. */
class Table {
  readonly stored = new Map<string, unknown>();
  readonly #record = emptyRecord();
  #field: Field;

  constructor(value: unknown) {
    this.#field = this.#load(undefined);
    this.write(() => this.#field.replace(value));
  }

  /** The field as another instance reads it. */
  wake(): void {
    const { fields, rows } = this.#record;
    this.#field = this.#load(rows.has("any") ? this.stored.get(HEAD) : fields["any"]);
  }

  #load(stored: unknown): Field {
    const keeper: Keeper = {
      change: () => undefined,
      fetch: (key) => structuredClone(this.stored.get(key)),
      swapped() {},
      took() {},
      watch() {},
    };
    const from = stored === undefined ? undefined : "any";
    const plan = { name: "any", dialect: "accessor" as const, options: PLAIN };
    const field = new Field(keeper, "Table", plan, { raw: undefined, isStored: from !== undefined, from });
    if (from !== undefined) field.load(structuredClone(stored));
    return field;
  }

  /** Changes the value and writes it; returns what was written. */
  write<T>(change: (value: T) => unknown): Rows {
    change(this.#field.value as T);
    return this.flush();
  }

  flush(): Rows {
    const rows = planRows([this.#field], this.#record, false);
    for (const [key, value] of rows.puts) this.stored.set(key, structuredClone(value));
    for (const key of rows.deletes) this.stored.delete(key);
    return rows;
  }

  read(): unknown {
    return snapshot(this.#field.value);
  }

  get chunks(): readonly Chunk[] {
    return collectionOf(this.#field.raw as object)!.chunks;
  }

  /** The same, and how often a chunk that was there was asked for its number of entries, on the average. */
  steps<T>(change: (value: T) => unknown): number {
    const chunks = [...this.chunks];
    let steps = 0;
    for (const chunk of chunks) {
      let { count } = chunk;
      Object.defineProperty(chunk, "count", {
        get: () => {
          steps++;
          return count;
        },
        set: (value: number) => {
          count = value;
        },
      });
    }
    this.write(change);
    return steps / chunks.length;
  }
}

const items = (count: number): { text: string }[] => Array.from({ length: count }, () => ({ text: "x".repeat(350) }));

describe("the steps that it takes to write a large value", () => {
  type List = { text: string }[];
  type Items = Map<number, { text: string }>;
  const list = (): List => items(6_000);
  const map = (): Items => new Map(items(6_000).entries());
  const all = (text: string) => (value: List | Items) => value.forEach((item) => (item.text = text));

  it.each<[string, () => List | Items, (value: never) => unknown]>([
    ["an array of which each item shrinks", list, all("")],
    ["an array of which each item grows", list, all("y".repeat(700))],
    [
      "an array of which each item grows, in some order",
      list,
      (value: List) => value.forEach((_, i) => (value[(i * 1_777) % 6_000]!.text = "y".repeat(700))),
    ],
    ["an array that is emptied", list, (value: List) => (value.length = 0)],
    ["an array that loses half its items", list, (value: List) => value.splice(10, 3_000)],
    [
      "an array that loses its first items one by one",
      list,
      (value: List) => Array.from({ length: 1_000 }, () => value.shift()),
    ],
    ["a Map of which each value shrinks", map, all("")],
    ["a Map of which each value grows", map, all("y".repeat(700))],
    ["a Map that is emptied", map, (value: Items) => value.clear()],
  ])("are so many a chunk, however many there are: %s", (_, make, change) => {
    const table = new Table(make());
    expect(table.chunks.length).toBeGreaterThan(500);
    expect(table.steps(change)).toBeLessThan(20);
    const after = table.read();
    table.wake();
    expect(table.read()).toEqual(after);
  });
});

describe("a new entry of a large Map", () => {
  const map = (): Map<unknown, unknown> => new Map(Array.from({ length: 1_500 }, (_, i) => [`k${i}`, i]));

  it("that goes again at once leaves all rows as they are", () => {
    const table = new Table(map());
    table.wake();
    const { puts, deletes } = table.write((value: Map<unknown, unknown>) => {
      value.set("tmp", 1);
      value.delete("tmp");
      value.set(Number.NaN, 1);
      value.delete(Number.NaN);
    });
    expect([puts.size, deletes.size]).toEqual([0, 0]);
  });

  it("that is changed before it is written leaves the full row before it as it is", () => {
    const table = new Table(new Map());
    let written = 0;
    for (let i = 0; i < 60; i++) {
      const { puts, deletes } = table.write((value: Map<unknown, unknown>) => {
        value.set(i, "x".repeat(700));
        value.set(i, "y".repeat(700));
      });
      written += puts.size + deletes.size;
    }
    const plain = new Table(new Map());
    for (let i = 0; i < 60; i++) {
      const { puts, deletes } = plain.write((value: Map<unknown, unknown>) => value.set(i, "y".repeat(700)));
      written -= puts.size + deletes.size;
    }
    expect(written).toBe(0);
  });

  it.each([Number.NaN, 0, "k"])("does not hide that %s, which was there, changed or went", (key) => {
    const table = new Table(map().set(key, 1));
    table.wake();
    table.write((value: Map<unknown, unknown>) => {
      value.set("new", 1);
      value.set(Object.is(key, 0) ? -0 : key, 2);
      value.delete("new");
    });
    table.wake();
    expect(table.read()).toEqual(map().set(key, 2));
    table.write((value: Map<unknown, unknown>) => {
      value.set("new", 1);
      value.delete(Object.is(key, 0) ? -0 : key);
    });
    table.wake();
    expect(table.read()).toEqual(map().set("new", 1));
  });
});

it("an object is divided by the sizes of its entries, even where numbers were added behind texts", () => {
  const table = new Table(Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`k${i}`, i])));
  let puts = 0;
  for (let r = 1; r <= 5; r++) {
    puts += table.write((value: Record<string, unknown>) => {
      value[`b${r}`] = "y".repeat(1_200);
      for (let i = 0; i < 100; i++) value[r * 100 + i] = 1;
    }).puts.size;
  }
  expect([puts, table.stored.size]).toEqual([15, 18]);
});

it("a row that is measured as a neighbour is written if a collection was made of what it holds", () => {
  const table = new Table(Array.from({ length: 60 }, () => ["x".repeat(220)]));
  // One who counts the bytes of a value otherwise would have left it there.
  const long = Array.from({ length: 3_000 }, (_, i) => i);
  (table.stored.get(part(1)) as unknown[])[0] = long;
  const [first, second] = table.chunks.map(({ count }) => count) as [number, number];
  table.wake();
  table.write((value: unknown[][]) => {
    for (const item of value.slice(first, first + second)) item[0] = "";
  });
  expect(table.chunks[1]!.count).toBe(second);
  table.write((value: unknown[][]) => value[0]!.push("new"));
  table.wake();
  expect((table.read() as unknown[][])[0]).toEqual([...long, "new"]);
});
