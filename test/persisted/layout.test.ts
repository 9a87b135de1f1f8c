import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FIELDS, type Fields } from "../../src/persisted/fields.ts";
import { modelRuns } from "../battery.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { show } from "./model.ts";
import { storedAny } from "../storage/stored.ts";

/** Programs of a kind of collection. */
const LAYOUT_RUNS = Math.ceil(modelRuns / 50);

/** Entries of every size that matters: several a chunk, one a chunk, more than a chunk, collections of their own. */
const entry = fc.oneof(
  { weight: 6, arbitrary: fc.nat(999) },
  { weight: 6, arbitrary: fc.record({ n: fc.nat(99), s: fc.string({ maxLength: 9 }) }) },
  { weight: 2, arbitrary: fc.integer({ min: 200, max: 900 }).map((n) => "x".repeat(n)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 2_000, max: 5_000 }).map((n) => ({ deep: { text: "y".repeat(n) }, n: 1 })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 200 }).map((n) => Array.from({ length: n }, (_, i) => ({ i, of: n }))),
  },
  {
    weight: 1,
    // Four levels, of which each may be a collection.
    arbitrary: fc.integer({ min: 1, max: 60 }).map((n) => ({
      n: 1,
      p: {
        a: "z".repeat(n * 50),
        b: "z".repeat(900),
        list: Array.from({ length: n * 2 }, (_, i) => [i, "t".repeat(n)]),
      },
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 1, max: 150 })
      .map(
        (n) => new Map(Array.from({ length: n }, (_, i) => [`k${i}`, { list: Array.from({ length: n }, () => i) }])),
      ),
  },
);

interface Bulk {
  readonly op: number;
  readonly n: number;
  readonly m: number;
  readonly many: number;
  readonly entry: unknown;
  readonly flush: number;
}

const bulk: fc.Arbitrary<Bulk> = fc.record({
  op: fc.nat(99),
  n: fc.nat(1_000),
  m: fc.nat(1_000),
  many: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 120 })),
  entry,
  flush: fc.nat(5),
});

type Place = "list" | "map" | "set" | "record";

interface Holder {
  any: unknown;
}

/** Does one step; the result is what JavaScript gives. */
function act(holder: Holder, at: Place, { op, n, m, many, entry }: Bulk): unknown {
  const fresh = (): unknown => structuredClone(entry);
  const inside = (value: unknown): unknown => {
    if (Array.isArray(value)) return (value.push(n), value.length);
    if (value instanceof Map) return (value.set(`k${n % 9}`, m), value.has("k3"));
    if (typeof value === "object" && value !== null) {
      const object = value as { n?: number; deep?: { text: string }; p?: { a?: string; b?: string; list: unknown[] } };
      if (object.p !== undefined) {
        if (m % 3 === 0) delete object.p.a;
        if (m % 3 === 1) object.p.b = "";
        return object.p.list.push([m, { chunks: "t".repeat(n) }]);
      }
      if (object.deep !== undefined && m % 3 === 0) object.deep.text = object.deep.text.slice(0, n);
      return (object.n = m);
    }
    return value;
  };
  if (at === "list") {
    const list = holder.any as unknown[];
    const index = list.length === 0 ? 0 : n % list.length;
    const ops = [
      () => list.push(fresh()),
      () => list.pop(),
      () => show(list.shift()),
      () => list.unshift(fresh()),
      () => (list[index] = fresh()),
      () => inside(list[index]),
      () => show(list.at(-1 - index)),
      () => show(list.splice(index, m % 3, ...(m % 2 ? [fresh()] : []))),
      () => list.length,
      () => show(list.splice(index, many)),
      () => list.push(...Array.from({ length: many }, fresh)),
      () => list.splice(index, 0, ...Array.from({ length: many }, fresh)).length,
      () => (list.length = Math.max(0, list.length - many)),
      () => (list.length += m % 5),
      () => (list.reverse(), 0),
      () => (list.sort((a, b) => show(a).length - show(b).length), 0),
      () => (list.sort(), 0),
      () => (list.fill(fresh(), index, index + (many % 9)), 0),
      () => (list.copyWithin(index, m % 50, (m % 50) + (many % 40)), 0),
      () => delete list[index],
      () => index in list,
      () => ((holder.any = list.filter((_, i) => i % 7 !== n % 7)), 0),
      () => ((holder.any = [...list, fresh()]), 0),
      () => ((holder.any = list.map((item, i) => (i === index ? fresh() : item))), 0),
      () => list.includes(list[index]),
      () => ([list[index], list[m % (list.length || 1)]] = [list[m % (list.length || 1)], list[index]]).length,
      () => {
        const held = list[index];
        list.splice(m % (list.length || 1), 1);
        list.unshift(1);
        return inside(held);
      },
      () => (m % 9 === 0 ? (list.length = 0) : 0),
      () => {
        // What was replaced is a plain value from then on.
        holder.any = [];
        (holder.any as unknown[]).push(1, ...list.slice(m % 5));
        return (list.push(1), list.length);
      },
    ];
    return show(ops[op % ops.length]!());
  }
  const box = holder.any as Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;
  const key = n % 5 === 0 ? n % 40 : `key ${n % 300}`;
  const keyAt = (i: number): unknown => (m % 4 === 0 ? key : `key ${i % 300}`);
  const has = (k: unknown): boolean =>
    box instanceof Map || box instanceof Set ? box.has(k) : Object.hasOwn(box, k as string);
  const get = (k: unknown): unknown =>
    box instanceof Map ? box.get(k) : box instanceof Set ? undefined : box[k as string];
  const set = (k: unknown): unknown => {
    if (box instanceof Map) box.set(k, fresh());
    else if (box instanceof Set) box.add(m % 3 === 0 ? fresh() : k);
    else box[k as string] = fresh();
    return 0;
  };
  const remove = (k: unknown): unknown =>
    box instanceof Map || box instanceof Set ? box.delete(k) : delete box[k as string];
  const keys = (): unknown[] => (box instanceof Map || box instanceof Set ? [...box.keys()] : Object.keys(box));
  const range = <T>(work: (i: number) => T): T[] => Array.from({ length: many }, (_, i) => work(n + i));
  const ops = [
    () => set(key),
    () => set(key),
    () => show(get(key)),
    () => has(key),
    () => remove(key),
    () => inside(get(key)),
    () => range((i) => set(keyAt(i))),
    () => range((i) => remove(keyAt(i))),
    () => keys().length,
    () => (box instanceof Map || box instanceof Set ? box.size : Object.keys(box).length),
    () => show(keys()[0]),
    () => remove(keys()[0]),
    () => remove(keys().at(-1)),
    () => keys().forEach((k, i) => i % 3 === m % 3 && remove(k)),
    () => (m % 9 !== 0 ? 0 : box instanceof Map || box instanceof Set ? box.clear() : (holder.any = {})),
    () =>
      box instanceof Set
        ? box.delete([...box].find((k) => typeof k === "object"))
        : (holder.any = structuredClone(plain(box))),
    () => {
      holder.any = box instanceof Map ? new Map([...box].filter((_, i) => i % 5 !== m % 5)) : box;
    },
    () => {
      if (!(box instanceof Map)) return 0;
      holder.any = new Map([["only", 1]]);
      return show(box.get(key)) + box.size;
    },
  ];
  return show(ops[op % ops.length]!());
}

const plain = (value: unknown): unknown => (self_.snapshot as (value: unknown) => unknown)(value);
const self_ = { snapshot: (value: unknown): unknown => value };

const starts: Record<Place, () => unknown> = {
  list: () => [],
  map: () => new Map(),
  set: () => new Set(),
  record: () => ({}),
};

describe("the rows of large collections", () => {
  for (const place of ["list", "map", "set", "record"] as const) {
    it(`of a ${place} follow plain JavaScript, and none is left behind`, async () => {
      const { snapshot } = await import("durable-base");
      self_.snapshot = snapshot;
      await runInDurableObject(env.ACCESSOR_THINGS.getByName(`layout ${place}`), (self, { storage }) => {
        fc.assert(
          fc.property(fc.array(bulk, { minLength: 1, maxLength: 60, size: "max" }), (steps) => {
            play(self, storage, place, steps);
          }),
          { numRuns: LAYOUT_RUNS },
        );
      });
    });
  }
});

function play(self: AccessorThings, storage: DurableObjectStorage, place: Place, steps: readonly Bulk[]): void {
  const reload = (): void => (self as unknown as { [FIELDS]: Fields })[FIELDS].forget();
  // What a program that failed left behind is not the next one's.
  for (const [key] of storage.kv.list({ prefix: "durable-base:" })) storage.kv.delete(key);
  reload();
  const model: Holder = { any: starts[place]() };
  self.run(() => (self.any = starts[place]()));
  for (const [i, step] of steps.entries()) {
    const name = `step ${i} (${step.op})`;
    const [expected, found] = [model, self].map((holder) => self.run(() => act(holder, place, step)));
    if (expected !== found) throw new Error(`${name} gave ${String(found)}, not ${String(expected)}`);
    model.any = untangle(model.any);
    if (step.flush === 0) reload();
    if (step.flush === 1) compare(`${name}, from memory`, model, self);
    if (step.flush <= 2) expect(storedAny(storage), name).toBe(show(self.any));
  }
  compare("at the end", model, self);
  reload();
  compare("reloaded", model, self);
  expect(storedAny(storage)).toBe(show(self.any));
}

function compare(when: string, model: Holder, self: AccessorThings): void {
  const [expected, found] = [show(model.any), show(self.any)];
  if (expected === found) return;
  const at = [...expected].findIndex((letter, i) => letter !== found[i]);
  throw new Error(`${when}: at ${at}, ${found.slice(at - 60, at + 60)}, not ${expected.slice(at - 60, at + 60)}`);
}

/**
 * Makes a plain value a tree again after a step, as the tracked one is by itself: of a container that is held
 * twice, the second place gets a copy.
 */
function untangle(value: unknown, seen = new Set<object>()): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return untangle(structuredClone(value), seen);
  seen.add(value);
  if (Array.isArray(value)) {
    for (const key of Object.keys(value)) value[Number(key)] = untangle(value[Number(key)], seen);
  } else if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [untangle(key, seen), untangle(item, seen)] as const);
    value.clear();
    for (const [key, item] of entries) value.set(key, item);
  } else if (value instanceof Set) {
    const members = [...value].map((member) => untangle(member, seen));
    value.clear();
    for (const member of members) value.add(member);
  } else if (!(value instanceof Date) && !(value instanceof Uint8Array)) {
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) object[key] = untangle(object[key], seen);
  }
  return value;
}
