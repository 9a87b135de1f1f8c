/**
 * Every method of JavaScript's own collections and Dates, as this workerd has them, on tracked values and on plain
 * ones: the same result, the same state, and the same after an eviction. A method that is new to the platform fails
 * the test of names until it is in the tables.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { slice } from "../battery.ts";
import { thrownBy } from "../error-of.ts";
import { show } from "./model.ts";
import { agreed, freshThings, inside } from "./things.ts";

type Case<T> = (target: T, other: T, plain: T) => unknown;
/** By the method's name; several cases where there is more than one way. */
type Table<T> = Record<string | symbol, Case<T> | Case<T>[]>;
type List = unknown[];
type AnyMap = Map<unknown, unknown>;
type AnySet = Set<unknown>;
type Item = { n: number } | undefined;

const list = (): List => [3, { n: 2 }, "b", , [1, [2]], "a", { n: 1 }, new Date(5), NaN];
const otherList = (): List => [{ n: 9 }, 8];
const by = (a: unknown, b: unknown): number => show(a).localeCompare(show(b));
const isObject = (item: unknown): boolean => typeof item === "object";
const label = (item: unknown, i: unknown, all: unknown): unknown => [show(item), i, (all as List).length];

/** A function's `this`, which some methods pass on. */
function withSelf(this: unknown, item: unknown): unknown {
  return [this, item];
}

const arrayCases: Table<List> = {
  at: [(a) => [a.at(0), a.at(-2), a.at(99)], (a) => a.at(1) === a[1]],
  concat: [(a, b) => a.concat(b, [1], 2), (a) => [0].concat(a as never), (a, _, plain) => plain.concat(a)],
  copyWithin: [(a) => a.copyWithin(0, 4), (a) => a.copyWithin(2, 0, 3) === a, (a) => a.copyWithin(-2, -4)],
  entries: (a) => [...a.entries()],
  every: (a) => [a.every(isObject), a.every(() => true)],
  fill: [(a) => a.fill({ n: 0 }, 1, 3), (a) => a.fill(0) === a, (a) => a.fill("f", -1)],
  filter: [(a) => a.filter(isObject), (a) => a.filter(isObject)[0] === a[1]],
  find: [(a) => a.find(isObject), (a) => a.find(isObject) === a[1]],
  findIndex: (a) => a.findIndex(isObject),
  findLast: (a) => a.findLast(isObject),
  findLastIndex: (a) => a.findLastIndex((item) => item === undefined),
  flat: [(a) => a.flat(), (a) => a.flat(Infinity)],
  flatMap: (a) => a.flatMap((item, i) => [item, i]),
  forEach: (a) => {
    const seen: unknown[] = [];
    a.forEach((item, i, all) => seen.push(label(item, i, all), all === a));
    return seen;
  },
  includes: [(a) => [a.includes(a[1]), a.includes(undefined), a.includes({ n: 2 })], (a) => a.includes(NaN)],
  indexOf: (a) => [a.indexOf(a[1]), a.indexOf("b"), a.indexOf(NaN), a.indexOf(undefined)],
  join: (a) => [a.join(), a.join("-")],
  keys: (a) => [...a.keys()],
  lastIndexOf: (a) => [a.lastIndexOf("a"), a.lastIndexOf(a[6]), a.lastIndexOf(0)],
  length: [(a) => a.length, (a) => (a.length = 2), (a) => (a.length = 12)],
  map: [(a) => a.map(label), (a) => a.map(withSelf, "self"), (a) => a.map((item) => item)],
  pop: (a) => [a.pop(), a.pop(), a.length],
  push: [(a, b) => a.push(1, b[0]), (a) => a.push(), (a) => a.push(a[1])],
  reduce: (a) => [a.reduce((sum, item) => `${show(sum)}${show(item)}`), a.reduce((n) => (n as number) + 1, 0)],
  reduceRight: (a) => a.reduceRight((sum, item) => `${show(sum)}${show(item)}`),
  reverse: [(a) => a.reverse(), (a) => a.reverse() === a],
  shift: (a) => [a.shift(), a.shift(), a.length],
  slice: [(a) => a.slice(), (a) => a.slice(1, -2), (a) => a.slice(1, 2)[0] === a[1]],
  some: (a) => [a.some(isObject), a.some(() => false)],
  sort: [(a) => a.sort(), (a) => a.sort(by), (a) => a.sort(undefined) === a, (a) => a.sort(() => 0)],
  splice: [
    (a) => a.splice(1, 2),
    (a) => a.splice(1),
    (a) => (a.splice as () => List)(),
    (a) => a.splice(-2, 1, "x", { n: 7 }),
    (a) => a.splice(99, 1, "end"),
    (a) => (a.splice as (start: number, count: undefined) => List)(2, undefined),
  ],
  toLocaleString: (a: List) => a.toLocaleString(),
  toReversed: [(a) => a.toReversed(), (a) => a.toReversed() === a],
  toSorted: [(a) => a.toSorted(by), (a) => a.toSorted()],
  toSpliced: [(a) => a.toSpliced(1, 3, "x"), (a) => a.toSpliced(0)],
  toString: (a: List) => [a.toString(), String(a)],
  unshift: [(a, b) => a.unshift(1, b[0]), (a) => a.unshift()],
  values: [(a) => [...a.values()], (a) => a.values().next()],
  with: [(a) => [-1, 0, 3].map((i) => a.with(i, "w")), (a) => a.with(99, 1)],
  constructor: (a: List) => a.constructor === Array,
  [Symbol.iterator]: [
    (a) => [...a],
    ([a, b, ...rest]) => [a, b, rest],
    (a) => Math.max(...(a.slice(0, 1) as number[])),
  ],
  [Symbol.unscopables]: (a) => Object.keys((a as never)[Symbol.unscopables]),
};

const map = (): AnyMap =>
  new Map<unknown, unknown>([
    ["a", { n: 1 }],
    [1, "one"],
    [NaN, undefined],
    ["d", new Map([["x", [1]]])],
  ]);
const otherMap = (): AnyMap =>
  new Map<unknown, unknown>([
    ["a", 0],
    ["z", { n: 26 }],
  ]);

const mapCases: Table<AnyMap> = {
  clear: (a) => [a.clear(), a.size],
  delete: (a) => [a.delete("a"), a.delete("a"), a.delete(NaN), a.size],
  entries: [(a) => [...a.entries()], (a) => a.entries().next()],
  forEach: (a) => {
    const seen: unknown[] = [];
    a.forEach(function (this: unknown, item, key, all) {
      seen.push(this, show(item), key, all === a);
    }, "self");
    return seen;
  },
  get: [(a) => [a.get("a"), a.get(NaN), a.get("absent"), a.get("1")], (a) => a.get("a") === a.get("a")],
  getOrInsert: (a) => [a.getOrInsert("a", 5), a.getOrInsert("new", { n: 3 }), a.getOrInsert(NaN, 1), a.size],
  getOrInsertComputed: (a) => [
    a.getOrInsertComputed("a", () => 5),
    a.getOrInsertComputed("new", (key) => [key]),
    a.size,
  ],
  has: (a) => [a.has("a"), a.has(NaN), a.has(-0), a.has("absent")],
  keys: (a) => [...a.keys()],
  set: [(a) => a.set("a", 2).set("new", { n: 1 }).size, (a) => a.set(-0, 1) === a, (a) => a.set("x", a.get("a"))],
  size: (a) => a.size,
  values: [(a) => [...a.values()], (a) => [...a.values()][0] === a.get("a")],
  constructor: (a: AnyMap) => a.constructor === Map,
  [Symbol.iterator]: [(a) => [...a], (a) => new Map(a), ([first, ...rest]) => [first, rest]],
  [Symbol.toStringTag]: (a) => [a[Symbol.toStringTag], String(a)],
};

const set = (): AnySet => new Set<unknown>(["a", 1, NaN, { n: 1 }, "b"]);
const otherSet = (): AnySet => new Set<unknown>(["b", 1, "z"]);

/** With a plain one, as a plain one's argument, and with another tracked one. */
const algebra = (name: "union" | "isSubsetOf"): Case<AnySet>[] => [
  (a, b) => a[name](b),
  (a) => a[name](otherSet()),
  (a, _, plain) => plain[name](a),
  (a) => a[name](a),
  (a) => a[name](new Map([["a", 1]])),
];

const setCases: Table<AnySet> = {
  add: (a) => [a.add("a").add("new").size, a.add({ n: 1 }).size, a.add(NaN) === a],
  clear: (a) => [a.clear(), a.size],
  delete: (a) => [a.delete("a"), a.delete("a"), a.delete([...a].find(isObject)), a.size],
  entries: (a) => [...a.entries()],
  forEach: (a) => {
    const seen: unknown[] = [];
    a.forEach((item, key, all) => seen.push(show(item), item === key, all === a));
    return seen;
  },
  has: (a) => [a.has("a"), a.has(NaN), a.has({ n: 1 }), a.has([...a].find(isObject))],
  keys: (a) => [...a.keys()],
  size: (a) => a.size,
  values: (a) => [...a.values()],
  constructor: (a: AnySet) => a.constructor === Set,
  [Symbol.iterator]: [(a) => [...a], (a) => new Set(a), ([first, ...rest]) => [first, rest]],
  [Symbol.toStringTag]: (a) => [a[Symbol.toStringTag], String(a)],
  ...Object.fromEntries(
    ["union", "intersection", "difference", "symmetricDifference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"].map(
      (name) => [name, algebra(name as "union")],
    ),
  ),
};

type Helped = Iterator<unknown> & Record<string, (...args: unknown[]) => unknown>;
/** The iterator helpers, on the iterators of each kind of collection. */
const iteratorCases: Record<string | symbol, (items: Helped) => unknown> = {
  drop: (items) => [...(items.drop!(1) as Iterable<unknown>)],
  every: (items) => items.every!((item: unknown) => item !== 0),
  filter: (items) => [...(items.filter!(isObject) as Iterable<unknown>)],
  find: (items) => items.find!(isObject),
  flatMap: (items) => [...(items.flatMap!((item: unknown, i: unknown) => [item, i]) as Iterable<unknown>)],
  forEach: (items) => {
    const seen: unknown[] = [];
    items.forEach!((item: unknown, i: unknown) => seen.push(show(item), i));
    return seen;
  },
  includes: (items) => items.includes!("a"),
  join: (items) => items.join!("+"),
  map: (items) => [...(items.map!((item: unknown, i: unknown) => [item, i]) as Iterable<unknown>)],
  reduce: (items) => items.reduce!((all: unknown, item: unknown) => `${String(all)} ${show(item)}`, ""),
  some: (items) => items.some!(isObject),
  take: (items) => [...(items.take!(2) as Iterable<unknown>)],
  toArray: (items) => items.toArray!(),
  constructor: (items: Helped) => items.constructor === Iterator,
  [Symbol.iterator]: (items) => (items as unknown as Iterable<unknown>)[Symbol.iterator]() === items,
  [Symbol.toStringTag]: (items) => Object.prototype.toString.call(items),
  [Symbol.dispose]: (items) => (items as unknown as Disposable)[Symbol.dispose](),
};

const date = (): Date => new Date(1_700_000_000_123);
const dateCases: Table<Date> = {};
for (const name of Object.getOwnPropertyNames(Date.prototype)) {
  if (/^(get|to)|^valueOf$/.test(name)) {
    dateCases[name] = (at) => (Reflect.get(at, name) as (arg?: unknown) => unknown).call(at);
  } else if (name.startsWith("set")) {
    // In the range of each of them, and beyond it.
    dateCases[name] = [0, 3, 99, -7, NaN, 2.7].map(
      (n): Case<Date> =>
        (at) =>
          (Reflect.get(at, name) as (n: number) => number).call(at, n),
    );
  }
}
Object.assign(dateCases, {
  constructor: (at: Date) => at.constructor === Date,
  [Symbol.toPrimitive]: (at: Date) => [at[Symbol.toPrimitive]("number"), String(at), at > new Date(0), Number(at)],
} satisfies Table<Date>);

const object = (): Record<string, unknown> => ({ b: { n: 1 }, a: [1, , { n: 2 }], 2: "two", 1: undefined });
type Plain = Record<string, unknown>;
const full = (value: unknown): PropertyDescriptor => ({ value, writable: true, enumerable: true, configurable: true });

/** What Object, Reflect, JSON and the language itself do to an object, and the statics of the collections. */
const languageCases: Record<string, Case<Plain>> = {
  "Object.keys": (o) => Object.keys(o),
  "Object.values": (o) => Object.values(o),
  "Object.entries": (o) => Object.entries(o),
  "Object.assign to it": (o) => Object.assign(o, { a: 1, z: { n: 3 } }) === o,
  "Object.assign from it": (o) => Object.assign({}, o),
  "Object.hasOwn": (o) => [Object.hasOwn(o, "a"), Object.hasOwn(o, "1"), Object.hasOwn(o, "toString")],
  "Object.fromEntries": (o) => Object.fromEntries(Object.entries(o)),
  "Object.groupBy": (o) => Object.groupBy(o["a"] as List, (item) => typeof item),
  "Map.groupBy": (o) => Map.groupBy(o["a"] as List, (item) => typeof item),
  "Object.getOwnPropertyNames": (o) => Object.getOwnPropertyNames(o),
  "Object.getOwnPropertySymbols": (o) => Object.getOwnPropertySymbols(o),
  "Object.getOwnPropertyDescriptor": (o) => Object.getOwnPropertyDescriptor(o, "2"),
  "Object.getOwnPropertyDescriptors": (o) => Object.getOwnPropertyDescriptors(o),
  "Object.getPrototypeOf": (o) => Object.getPrototypeOf(o) === Object.prototype,
  "Object.isExtensible": (o) => [Object.isExtensible(o), Object.isFrozen(o), Object.isSealed(o)],
  "Object.is": (o) => [Object.is(o["b"], o["b"]), Object.is(o["b"], o["a"])],
  "Object.defineProperty": (o) => Object.defineProperty(o, "z", full([1])) === o,
  "Object.defineProperties": (o) => Object.keys(Object.defineProperties(o, { y: full(1), a: full({}) })),
  "Object.create": (o) => (Object.create(o) as Plain)["2"],
  "Reflect.ownKeys": (o) => Reflect.ownKeys(o),
  "Reflect.has": (o) => [Reflect.has(o, "a"), Reflect.has(o, "toString")],
  "Reflect.get": (o) => Reflect.get(o, "b"),
  "Reflect.set": (o) => [Reflect.set(o, "b", 5), o["b"]],
  "Reflect.deleteProperty": (o) => [Reflect.deleteProperty(o, "b"), Reflect.deleteProperty(o, "b")],
  "JSON.stringify": (o) => [JSON.stringify(o), JSON.stringify(o, null, 1), JSON.stringify(o, ["b", "n"])],
  "structuredClone of a snapshot": (o) => structuredClone(snapshot(o)),
  "Object.prototype.toString": (o) => [o, o["a"], o["b"]].map((one) => Object.prototype.toString.call(one)),
  "Array.isArray": (o) => [Array.isArray(o), Array.isArray(o["a"])],
  instanceof: (o) => [o instanceof Object, o["a"] instanceof Array, o["a"] instanceof Object],
  in: (o) => ["a" in o, 1 in o, "x" in o, "toString" in o, 1 in (o["a"] as List), 0 in (o["a"] as List)],
  delete: (o) => [delete o["a"], delete o["absent"], Object.keys(o)],
  "for-in": (o) => {
    const seen: string[] = [];
    for (const key in o) seen.push(key);
    for (const key in o["a"] as object) seen.push(key);
    return seen;
  },
  "for-in while keys go": (o) => {
    const seen: string[] = [];
    for (const key in o) {
      seen.push(key);
      delete o["b"];
      o["new"] = 1;
    }
    return seen.filter((key) => key !== "new");
  },
  spread: (o) => [{ ...o }, [...(o["a"] as List)]],
  destructuring: ({ b, absent = "default", ...rest }) => [b, absent, rest],
  "destructuring into it": (o) => {
    [o["x"], o["y"] = 5] = [{ n: 1 }];
    ({ q: o["b"] } = { q: "moved" });
  },
  "compound assignment": (o) => {
    (o["b"] as { n: number }).n++;
    (o["b"] as { n: number }).n **= 3;
    o["absent"] ??= [];
    (o["absent"] as List).push(1);
    o["2"] += "!";
    o["1"] ||= "set";
    o["2"] &&= "and";
  },
  "optional chaining": (o) => [(o["b"] as Item)?.n, (o["absent"] as Item)?.n],
  "hasOwnProperty and its kind": (o) => [o.hasOwnProperty("a"), o.propertyIsEnumerable("a"), o.valueOf() === o],
  "String and comparison": (o) => [String(o), o == o["self"], o["b"] === o["b"]],
  "Array.from": (o) => [
    Array.from(o["a"] as List),
    Array.from({ ...o, length: 3 } as never),
    Array.from(o["a"] as List, show),
  ],
  "Array.prototype on an object": (o) => Array.prototype.map.call({ length: 3, ...o }, show),
  "Symbol.isConcatSpreadable": (o) => [[0].concat(o["a"] as never), [0].concat(o as never).length],
  "a getter that inherits from it": (o) => (Object.setPrototypeOf({ own: 1 }, o) as Plain)["2"],
};

/** Loops that change what they walk, as JavaScript defines it. */
const loopCases: Record<string, Case<{ list: List; map: AnyMap; set: AnySet }>> = {
  "a list that grows": ({ list }) => {
    const seen: unknown[] = [];
    for (const item of list) {
      seen.push(show(item));
      if (list.length < 14) list.push({ n: list.length });
    }
    return seen;
  },
  "a list that shrinks": ({ list }) => {
    const seen: unknown[] = [];
    for (const item of list) {
      seen.push(show(item));
      list.shift();
    }
    return seen;
  },
  "forEach of a list that is spliced": ({ list }) => {
    const seen: unknown[] = [];
    list.forEach((item, i) => {
      seen.push(show(item), i);
      if (i % 2 === 0) list.splice(i, 1);
    });
    return seen;
  },
  "a Map whose keys go, come and go to the end": ({ map }) => {
    const seen: unknown[] = [];
    for (const [key, item] of map) {
      seen.push(key, show(item));
      if (key === "a") map.delete(1);
      if (key === "a") map.set("a", "again");
      if (seen.length < 12 && map.delete("d")) map.set("d", "late");
      if (seen.length < 8) map.set(`new ${seen.length}`, { n: 1 });
    }
    return seen;
  },
  "a Map that is cleared and filled": ({ map }) => {
    const seen: unknown[] = [];
    for (const key of map.keys()) {
      seen.push(key);
      if (seen.length === 2) {
        map.clear();
        map.set("first", 1).set("second", 2);
      }
    }
    return seen;
  },
  "forEach of a Set that changes": ({ set }) => {
    const seen: unknown[] = [];
    set.forEach((member) => {
      seen.push(show(member));
      set.delete("b");
      if (seen.length < 8) set.add(`new ${seen.length}`);
    });
    return seen;
  },
  "an iterator that outlives its end": ({ map, set }) => {
    const items = [map.keys(), set.values()];
    for (const one of items) while (one.next().done !== true);
    map.set("late", 1);
    set.add("late");
    return items.map((one) => one.next());
  },
  "two iterators at once": ({ map }) => {
    const [one, two] = [map.entries(), map.values()];
    one.next();
    map.delete("a");
    return [one.next(), two.next(), one.next(), two.next()];
  },
};

const fresh = freshThings("methods");

/** Result and state as text; of an error its kind. */
function outcome<T>(one: Case<T>, target: T, other: T, plain: T): string[] {
  let result: string;
  try {
    result = show(snapshot(one(target, other, plain)));
  } catch (error) {
    result = (error as Error).name;
  }
  return [result, show(snapshot(target)), show(snapshot(other))];
}

/** Runs a case on plain values and on tracked ones, and looks again after an eviction. */
async function compare<T>(one: Case<T>, make: () => T, makeOther: () => T): Promise<void> {
  const target = make();
  const expected = outcome(one, target, makeOther(), make());
  const stub = fresh();
  const found = await inside(stub, (self) => {
    self.any = { target: make(), other: makeOther() };
    const { target, other } = self.any as { target: T; other: T };
    return outcome(one, target, other, make());
  });
  expect(found).toEqual(expected);
  await evictDurableObject(stub);
  const stored = await inside(stub, (self) => show(snapshot((self.any as { target: T }).target)));
  expect(stored).toBe(expected[1]);
}

const prototypes: [name: string, prototype: object, table: object][] = [
  ["Array", Array.prototype, arrayCases],
  ["Map", Map.prototype, mapCases],
  ["Set", Set.prototype, setCases],
  ["Iterator", Iterator.prototype, iteratorCases],
  ["Date", Date.prototype, dateCases],
];

describe("the tables", () => {
  it.each(prototypes)("have every method of %s.prototype, and no other", (_, prototype, table) => {
    const names = (of: object): string[] => Reflect.ownKeys(of).map(String).toSorted();
    expect(names(table)).toEqual(names(prototype));
  });
});

const cases = <T>(table: Table<T>): [name: string, nth: number, one: Case<T>][] =>
  Reflect.ownKeys(table).flatMap((name) =>
    [table[name]!].flat().map((one, i): [string, number, Case<T>] => [String(name), i, one]),
  );

describe("a tracked array", () => {
  it.each(slice(cases(arrayCases), 15))("does %s as JavaScript does (%i)", (_, __, one) =>
    compare(one, list, otherList),
  );
});
describe("a tracked array in the middle of a method", () => {
  it("keeps its elements attached when a comparator empties it", async () => {
    const stub = fresh();
    await inside(stub, (self) => {
      self.any = [{ n: 2 }, { n: 1 }];
      const list = self.any as { n: number }[];
      list.sort((a, b) => {
        list.length = 0;
        return a.n - b.n;
      });
    });
    await inside(stub, (self) => ((self.any as { n: number }[])[0]!.n = 50));
    expect(await agreed(stub, (self) => self.any)).toBe("[{n:50},{n:2}]");
  });

  it("stays as it was when a value throws while it is copied in", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = [1, 2, 3]));
    let reads = 0;
    const value = {
      get x(): number {
        if (reads++ > 1) throw new Error("read");
        return 1;
      },
    };
    await inside(stub, (self) => expect(() => (self.any as unknown[]).push(value, value, value)).toThrow("read"));
    expect(await agreed(stub, (self) => self.any)).toBe("[1,2,3]");
  });
});
describe("a tracked Map", () => {
  it.each(slice(cases(mapCases), 15))("does %s as JavaScript does (%i)", (_, __, one) => compare(one, map, otherMap));
});
describe("a tracked Set", () => {
  it.each(slice(cases(setCases), 15))("does %s as JavaScript does (%i)", (_, __, one) => compare(one, set, otherSet));
});
describe("a tracked Date", () => {
  it.each(slice(cases(dateCases), 15))("does %s as JavaScript does (%i)", (_, __, one) => compare(one, date, date));
});
describe("a tracked object", () => {
  it.each(Object.entries(languageCases))("does %s as JavaScript does", (_, one) => compare(one, object, object));
});

describe("a tracked collection's iterators", () => {
  const sources: Record<string, Case<{ list: List; map: AnyMap; set: AnySet }>> = {
    "list.values": ({ list }) => list.values(),
    "list.entries": ({ list }) => list.entries(),
    "map.keys": ({ map }) => map.keys(),
    "map.values": ({ map }) => map.values(),
    "map.entries": ({ map }) => map.entries(),
    "set.values": ({ set }) => set.values(),
    "set.entries": ({ set }) => set.entries(),
  };
  const all = (): { list: List; map: AnyMap; set: AnySet } => ({ list: list(), map: map(), set: set() });
  const helpers = Reflect.ownKeys(iteratorCases).map((name) => [String(name), iteratorCases[name]!] as const);

  it.each(helpers)("do %s as JavaScript does", async (_, help) => {
    for (const source of Object.values(sources)) {
      await compare((target) => help(source(target, target, target) as Helped), all, all);
    }
  });

  it.each(Object.entries(loopCases))("walk %s as JavaScript does", (_, one) => compare(one, all, all));

  it("go on after a break", async () => {
    await inside(fresh(), (self) => {
      self.any = [
        new Map([
          ["a", 1],
          ["b", 2],
        ]),
        new Set([1, 2, 3]),
      ];
      const [map, set] = self.any as [Map<string, number>, Set<number>];
      const values = set.values();
      const [first] = values;
      expect([first, ...values]).toEqual([1, 2, 3]);
      const helped = map.keys() as unknown as { map(change: (key: string) => string): { toArray(): string[] } };
      expect(helped.map((key) => key + key).toArray()).toEqual(["aa", "bb"]);
      expect(
        (map as Map<string, number> & { getOrInsert(key: string, value: number): number }).getOrInsert("c", 3),
      ).toBe(3);
    });
  });

  it("give Array.fromAsync what they give Array.from", async () => {
    const stub = fresh();
    await runInDurableObject(stub, (self) =>
      self.run(async (things) => {
        things.any = all();
        const tracked = things.any as ReturnType<typeof all>;
        for (const key of ["list", "map", "set"] as const) {
          const plain: unknown[] = await Array.fromAsync(all()[key] as Iterable<unknown>);
          const found: unknown[] = await Array.fromAsync(tracked[key] as Iterable<unknown>);
          expect(show(snapshot(found))).toBe(show(plain));
        }
      }),
    );
  });
});

describe("an item of an array that is filled or moved", () => {
  type Numbered = { n: number };
  const numbered = (): Numbered[] => [0, 1, 2, 3].map((n) => ({ n }));
  const held: [what: string, move: (items: Numbered[]) => unknown, at: number, expected: number[]][] = [
    ["keeps its place beside a copy of it by fill", (items) => items.fill(items[2]!, 0, 1), 2, [2, 1, 99, 3]],
    ["keeps its place beside a copy of it by copyWithin", (items) => items.copyWithin(0, 2), 2, [2, 3, 99, 3]],
    ["goes along with reverse", (items) => items.reverse(), 2, [3, 99, 1, 0]],
    ["goes along with sort", (items) => items.sort((a, b) => b.n - a.n), 2, [3, 99, 1, 0]],
  ];

  it.each(held)("%s", async (_, move, at, expected) => {
    const stub = fresh();
    await inside(stub, (self) => {
      self.any = numbered();
      const items = self.any as Numbered[];
      const item = items[at]!;
      move(items);
      item.n = 99;
    });
    expect(await agreed(stub, (self) => (self.any as Numbered[]).map(({ n }) => n))).toBe(show(expected));
  });

  it("isn't loaded by fill and reverse", async () => {
    const stub = fresh();
    await inside(stub, (self) => {
      self.any = Array.from({ length: 5 }, (_, i) => Array.from({ length: 300 }, (_, k) => `${i}-${k}`));
    });
    await evictDurableObject(stub);
    await runInDurableObject(stub, (_, { storage: { kv } }) => {
      const head = [...kv.list({ prefix: "durable-base:part:any:" })].find(([key]) => !key.includes("."))!;
      kv.delete(head[0]);
    });
    await evictDurableObject(stub);
    await inside(stub, (self) => {
      const items = self.any as unknown[];
      items.reverse();
      items.fill("filled", 5);
      expect(items).toHaveLength(5);
    });
  });

  it("is a copy if a getter of the filling value took it out", async () => {
    const stub = fresh();
    await inside(stub, (self) => {
      self.any = numbered();
      const items = self.any as Numbered[];
      const taken: Numbered[] = [];
      items.fill(
        {
          get n() {
            return taken.push(...items.splice(3, 1));
          },
        },
        0,
        1,
      );
      taken[0]!.n = 99;
    });
    expect(await agreed(stub, (self) => (self.any as Numbered[]).map(({ n }) => n))).toBe(show([1, 1, 2, 3]));
  });
});

describe("Object.defineProperty on a tracked value", () => {
  it("takes what changes nothing, and the length of an array", async () => {
    await inside(fresh(), (self) => {
      self.any = { a: 1, list: [1, 2, 3] };
      const object = self.any as { a: number; list: number[] };
      Object.defineProperty(object, "a", { enumerable: true });
      Object.defineProperty(object, "a", {});
      expect(Reflect.defineProperty(object, "a", { configurable: true })).toBe(true);
      Object.defineProperties(object.list, Object.getOwnPropertyDescriptors(object.list) as never);
      const length = Object.getOwnPropertyDescriptor(object.list, "length")!;
      Object.defineProperty(object.list, "length", { ...length, value: 2 });
      expect(snapshot(object)).toEqual({ a: 1, list: [1, 2] });
    });
  });

  it("refuses what can't be stored", async () => {
    await inside(fresh(), (self) => {
      self.any = { a: 1, list: [1] };
      const object = self.any as { a: number; list: number[] };
      const hidden: [object, string, PropertyDescriptor][] = [
        [object, "a", { enumerable: false }],
        [object, "a", { writable: false }],
        [object, "a", { get: () => 1 }],
        [object, "length", { value: 1, writable: true }],
        [object, "b", {}],
        [object.list, "length", { writable: false }],
        [object.list, "0", { configurable: false }],
      ];
      for (const [target, key, property] of hidden) {
        expect(thrownBy(() => Object.defineProperty(target, key, property))).toMatchObject({ code: "not-persistable" });
      }
      expect(snapshot(object)).toEqual({ a: 1, list: [1] });
    });
  });
});
