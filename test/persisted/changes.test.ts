/** The changes that a recorder gets: each operation in a table, and those of random programs, applied to a plain copy. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Persisted, snapshot } from "durable-base";
import { attach, type Change, type ChangeRecorder, type Part } from "durable-base/part";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { FIELDS, type Fields } from "../../src/persisted/fields.ts";
import { record } from "../../src/persisted/tracking/changes.ts";
import { isLong, modelRuns, seed } from "../battery.ts";
import { check } from "../check.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { AccessorThings } from "./fixtures/persisted.ts";
import { FieldThings } from "./twins/persisted.ts";
import { LegacyThings } from "../legacy/twins/persisted.ts";
import { readField } from "../formats/read-field.ts";
import { Run } from "./model-run.ts";
import { large, show, small, type Program } from "./model.ts";
import type { Things } from "./persisted.cases.ts";

type Values = Record<string, unknown>;

/** Applies a change to plain values, by field. */
function apply(values: Values, change: Change): void {
  const steps: unknown[] = [change.field, ...change.path];
  const key = change.op === "set" || change.op === "delete" ? steps.pop() : undefined;
  let at: unknown = values;
  for (const step of steps) at = at instanceof Map ? at.get(step) : (at as Values)[step as string];
  if (change.op === "splice") {
    const list = at as unknown[];
    const tail = list.splice(change.start).slice(change.count);
    for (const item of change.items) list.push(item);
    const { length } = list;
    list.length += tail.length;
    // Holes stay holes.
    tail.forEach((item, i) => (list[length + i] = item));
  } else if (change.op === "add") (at as Set<unknown>).add(change.value);
  else if (change.op === "clear") (at as Set<unknown>).clear();
  else if (change.op === "delete") {
    if (at instanceof Map || at instanceof Set) at.delete(key);
    else delete (at as Values)[key as string];
  } else if (at instanceof Map) at.set(key, change.value);
  else (at as Values)[key as string] = change.value;
}

type ThingsClass = new (state: DurableObjectState, env: Cloudflare.Env) => DurableBase & Things;

let nth = 0;

/** Runs `work` on an object with a recorder, and returns the changes that it got. */
async function recorded(
  Class: ThingsClass,
  work: (self: Things, state: DurableObjectState) => unknown,
  begin?: (self: Things) => void,
): Promise<(Change | "reset")[]> {
  const told: (Change | "reset")[] = [];
  class Recorded extends Class {
    readonly part: Part = attach(this, "recorder", (host) => {
      host.onChange({ changed: (change) => told.push(change), reset: () => told.push("reset") });
      return {};
    });
  }
  await runInDurableObject(env.PROBE.getByName(`changes ${nth++}`), async (_, state) => {
    const self = new Recorded(state, env);
    await scheduler.wait(0);
    self.run((things) => begin?.(things));
    told.length = 0;
    await self.run((things) => work(things, state));
  });
  return told;
}

const OPERATIONS: Record<string, [work: (self: Things) => void, told: object[], begin?: (self: Things) => void]> = {
  "the assignment of a field": [
    (self) => ((self.count = 5), (self.count = 6)),
    [
      { field: "count", path: [], op: "set", value: 5 },
      { field: "count", path: [], op: "set", value: 6 },
    ],
  ],
  "no assignment that changes nothing": [
    (self) => ((self.tree = self.tree), self.map.delete("no"), self.tree.list.sort()),
    [],
  ],
  "a property at any depth": [
    (self) => (self.tree.a.b.n = 2),
    [{ field: "tree", path: ["a", "b", "n"], op: "set", value: 2 }],
  ],
  "a deleted property": [
    (self) => delete (self.tree.a as { b?: object }).b,
    [{ field: "tree", path: ["a", "b"], op: "delete" }],
  ],
  "an item and what is in it": [
    (self) => ((self.tree.list[1] = { x: 5 }), self.tree.list[1].x++),
    [
      { field: "tree", path: ["list", 1], op: "set", value: { x: 5 } },
      { field: "tree", path: ["list", 1, "x"], op: "set", value: 6 },
    ],
  ],
  "an item that moved": [
    (self) => {
      const [, last] = self.tree.list;
      self.tree.list.unshift({ x: 0 });
      last!.x = 9;
    },
    [
      { field: "tree", path: ["list"], op: "splice", start: 0, count: 0, items: [{ x: 0 }] },
      { field: "tree", path: ["list", 2, "x"], op: "set", value: 9 },
    ],
  ],
  "push, pop, shift and splice": [
    ({ tree: { list } }) => (list.push({ x: 3 }), list.pop(), list.shift(), list.splice(0, 1, { x: 7 }, { x: 8 })),
    [
      { field: "tree", path: ["list"], op: "splice", start: 2, count: 0, items: [{ x: 3 }] },
      { field: "tree", path: ["list"], op: "splice", start: 2, count: 1, items: [] },
      { field: "tree", path: ["list"], op: "splice", start: 0, count: 1, items: [] },
      { field: "tree", path: ["list"], op: "splice", start: 0, count: 1, items: [{ x: 7 }, { x: 8 }] },
    ],
  ],
  "sort, reverse and fill by the items that moved, copyWithin by item": [
    ({ any }) => {
      const list = any as number[];
      list.sort();
      list.sort();
      list.reverse();
      list.fill(0, 1, 3);
      list.copyWithin(0, 4);
    },
    [
      { field: "any", path: [], op: "splice", start: 1, count: 2, items: [2, 3] },
      { field: "any", path: [], op: "splice", start: 0, count: 5, items: [5, 4, 3, 2, 1] },
      { field: "any", path: [], op: "splice", start: 1, count: 2, items: [0, 0] },
      { field: "any", path: [0], op: "set", value: 1 },
    ],
    (self) => (self.any = [1, 3, 2, 4, 5]),
  ],
  "an array's length and holes": [
    ({ any }) => {
      const list = any as unknown[];
      list.length = 1;
      list.length = 3;
      delete list[0];
      list.sort();
    },
    [
      { field: "any", path: ["length"], op: "set", value: 1 },
      { field: "any", path: ["length"], op: "set", value: 3 },
      { field: "any", path: [0], op: "delete" },
    ],
    (self) => (self.any = [1, 2]),
  ],
  "an array with holes as a whole, when its items move": [
    ({ any }) => (any as number[]).reverse(),
    [{ field: "any", path: [], op: "set", value: [2, , 1] }],
    (self) => (self.any = [1, , 2]),
  ],
  "a Map's set, delete and clear, by any primitive key": [
    ({ map }) => (
      map.set(NaN, [1]),
      (map.get(NaN) as number[]).push(2),
      map.set(undefined, 1),
      map.delete(undefined),
      map.clear()
    ),
    [
      { field: "map", path: [NaN], op: "set", value: [1] },
      { field: "map", path: [NaN], op: "splice", start: 1, count: 0, items: [2] },
      { field: "map", path: [undefined], op: "set", value: 1 },
      { field: "map", path: [undefined], op: "delete" },
      { field: "map", path: [], op: "clear" },
    ],
  ],
  "a Set's add, delete and clear": [
    ({ set }) => (set.add("a"), set.add({ n: 1 }), set.delete("a"), set.clear()),
    [
      { field: "set", path: [], op: "add", value: "a" },
      { field: "set", path: [], op: "add", value: { n: 1 } },
      { field: "set", path: ["a"], op: "delete" },
      { field: "set", path: [], op: "clear" },
    ],
  ],
  "a Map or Set as a whole, where no path leads": [
    ({ map, set }) => {
      set.add({ n: 1 });
      for (const member of set) (member as { n: number }).n = 2;
      map.set({ k: 1 }, { v: [] });
      for (const value of map.values()) (value as { v: number[] }).v.push(1);
      for (const key of map.keys()) map.delete(key);
    },
    [
      { field: "set", path: [], op: "add", value: { n: 1 } },
      { field: "set", path: [], op: "set", value: new Set([{ n: 2 }]) },
      { field: "map", path: [], op: "set", value: new Map([[{ k: 1 }, { v: [] }]]) },
      { field: "map", path: [], op: "set", value: new Map([[{ k: 1 }, { v: [1] }]]) },
      { field: "map", path: [], op: "set", value: new Map() },
    ],
  ],
  "a Date's setters": [
    (self) => (self.date.setTime(5), (self.log[0] = { at: new Date(1), by: 1 }), self.log[0].at.setTime(2)),
    [
      { field: "date", path: [], op: "set", value: new Date(5) },
      { field: "log", path: [0], op: "set", value: { at: new Date(1), by: 1 } },
      { field: "log", path: [0, "at"], op: "set", value: new Date(2) },
    ],
  ],
  "bytes, and a Date changed past its setters, when they are written": [
    (self) => {
      self.bytes[1] = 9;
      Date.prototype.setTime.call(self.date, 7);
      self.count++;
    },
    [
      { field: "count", path: [], op: "set", value: 1 },
      { field: "bytes", path: [], op: "set", value: new Uint8Array([1, 9, 3]) },
      { field: "date", path: [], op: "set", value: new Date(7) },
    ],
  ],
};

describe.each([
  ["standard accessor", AccessorThings as ThingsClass, () => env.ACCESSOR_THINGS],
  ["standard field", FieldThings as ThingsClass, () => env.FIELD_THINGS],
  ["legacy field", LegacyThings as ThingsClass, () => env.LEGACY_THINGS],
])("onChange (%s)", (_, Class, namespace) => {
  it.each(Object.entries(OPERATIONS))("tells of %s", async (_, [work, told, begin]) => {
    expect(await recorded(Class, work, begin)).toStrictEqual(told);
  });

  it("gives values of the recorder's own", async () => {
    const [change] = await recorded(Class, (self) => {
      self.tree.list.push({ x: 3 });
      self.tree.list[2]!.x = 4;
    });
    expect(change).toMatchObject({ items: [{ x: 3 }] });
  });

  it("says `reset` after a rollback and a failed write", async () => {
    const told = await recorded(Class, async (self, { storage }) => {
      await errorOf(() =>
        storage.transaction(async () => {
          self.count = 1;
          throw new RangeError("undone");
        }),
      );
      expect(self.count).toBe(0);
    });
    expect(told).toEqual([{ field: "count", path: [], op: "set", value: 1 }, "reset"]);
    const failed = await recorded(Class, (self, { storage: { kv } }) => {
      self.count = 1;
      kv.put = () => {
        throw new Error("disk full");
      };
    }).catch(() => "rejected");
    expect(failed).toBe("rejected");
  });

  const programs: [size: string, programs: fc.Arbitrary<Program>, runs: number][] = [
    ["small", small, isLong ? modelRuns : Math.ceil(modelRuns / 4)],
    ["large", large, Math.ceil(modelRuns / 10)],
  ];
  it.each(programs)(
    "tells enough to keep a plain copy, in random programs on %s values",
    async (size, arbitrary, numRuns) => {
      const property = fc.asyncProperty(arbitrary, async (program) => {
        const run = new Run(program);
        const id = `changes ${size} ${nth++}`;
        const stub = () => namespace().getByName(id) as unknown as DurableObjectStub<AccessorThings>;
        const followed = new WeakSet<object>();
        let copy: Values = {};
        run.compare = ({ any }) => {
          const [found, expected] = [show(copy["any"]), show(any)];
          return found === expected ? undefined : new Error(`the copy is ${found}, not ${expected}`);
        };
        try {
          for (;;) {
            const next = await runInDurableObject(stub(), (self, { storage }) => {
              const stored = (): Values => ({ any: readField((key) => storage.kv.get(key), "any") });
              if (!followed.has(self)) {
                followed.add(self);
                copy = stored();
                follow(self, { changed: (change) => apply(copy, change), reset: () => (copy = stored()) });
              }
              return run.play(self, storage);
            });
            if (next === "end") return;
            if (next === "evict") await evictDurableObject(stub());
            else await errorOf(() => runInDurableObject(stub(), (self, state) => run.abort(self, state)));
          }
        } catch (error) {
          throw new Error(`${String(error)}\n\n${run.story}`, { cause: error });
        }
      });
      const { failed, counterexample, errorInstance } = await check(property, { numRuns, seed, unbiased: true });
      if (failed) throw new Error(`seed ${seed}: ${String(errorInstance)}\n\n${fc.stringify(counterexample)}`);
    },
  );
});

function follow(self: object, recorder: ChangeRecorder): void {
  record((self as { [FIELDS]: Fields })[FIELDS], recorder);
}

describe("onChange of fields with options", () => {
  class Money {
    cents: number;
    constructor(cents: number) {
      this.cents = cents;
    }
  }
  class Bank extends DurableBase {
    @Persisted({ codec: { encode: ({ cents }) => cents, decode: (cents) => new Money(cents as number) } })
    accessor price = new Money(1);
    @Persisted({ schema: z.array(z.string().trim()) }) accessor words: string[] = [];
    @Persisted({ key: "visits" }) accessor visits = 0;

    run<R>(work: (self: this) => R): R {
      return work(this);
    }
  }

  const told: Change[] = [];
  const onBank = async (work: (bank: Bank) => void): Promise<void> =>
    await runInDurableObject(env.PROBE.getByName(`changes ${nth++}`), async (_, state) => {
      const bank = new Bank(state, env);
      await scheduler.wait(0);
      told.length = 0;
      follow(bank, { changed: (change) => told.push(change), reset: () => (told.length = 0) });
      bank.run(work);
    });

  it("gives what a codec encodes, once it is written", async () => {
    await onBank((bank) => (bank.price.cents++, (bank.visits = 3)));
    expect(told).toEqual([
      { field: "visits", path: [], op: "set", value: 3 },
      { field: "price", path: [], op: "set", value: 2 },
    ]);
    await onBank((bank) => (bank.price = new Money(7)));
    expect(told).toEqual([{ field: "price", path: [], op: "set", value: 7 }]);
  });

  it("tells of what a schema made of a change", async () => {
    await onBank((bank) => bank.words.push(" a "));
    expect(told).toEqual([
      { field: "words", path: [], op: "splice", start: 0, count: 0, items: [" a "] },
      { field: "words", path: [], op: "set", value: ["a"] },
    ]);
    await onBank((bank) => (bank.words = [" b "]));
    expect(told).toEqual([{ field: "words", path: [], op: "set", value: ["b"] }]);
  });

  it("tells of nothing that was refused", async () => {
    await onBank((bank) => {
      thrownBy(() => (bank.words = [1 as never]));
      thrownBy(() => bank.words.push((() => 1) as never));
      expect(snapshot(bank.words)).toEqual([]);
    });
    expect(told).toEqual([]);
  });
});
