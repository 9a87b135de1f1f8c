/** What a step of a program can do to each kind of value, in plain JavaScript and on a tracked value alike. */
import { snapshot } from "durable-base";
import { entriesOf, type Recipe } from "./model-recipes.ts";

/**
 * What an op gets beside its target. The documented differences from plain JavaScript are its business: what is put
 * in is a copy, of which the plain side makes one itself; nothing is copied where it lies already.
 */
export interface Hand {
  readonly n: number;
  readonly m: number;
  /** An index of the target as it was before, or up to two behind its end. */
  readonly i: number;
  /** How many members the target had before. */
  readonly size: number;
  /** A primitive key of the target, as it was before; "new" where there is none. */
  readonly key: unknown;
  /** What the step puts in, where `over` gives what lies there now. */
  take(over?: () => unknown): unknown;
  /** What was read from the target, to be put in at another place. */
  put(value: unknown, over?: () => unknown): unknown;
  /** A new value that is no other's, such as a key. */
  fresh(): unknown;
  /** Many new entries. */
  many(): [key: unknown, value: unknown][];
  /** A change after which an element may lie in several places, or copies of it where others were. */
  spread(list: unknown[], change: () => void, areAllCopied?: boolean): void;
}

export type Op<T> = (target: T, hand: Hand) => unknown;

/** Numbers for anything, so that a comparator has something to compare without reading much. */
const rank = (value: unknown): number =>
  typeof value === "number" ? value : typeof value === "string" ? value.length : typeof value === "object" ? 1e6 : 0;

const arrayOps: Record<string, Op<unknown[]>> = {
  push: (list, { take }) => list.push(take(), take()),
  pushMany: (list, { many }) => list.push(...many().map(([, item]) => item)),
  pushOneByOne: (list, { many }) => many().map(([, item]) => list.push(item)),
  pop: (list) => list.pop(),
  popAll: (list) => {
    while (list.length > 0) list.pop();
  },
  shift: (list) => list.shift(),
  shiftSome: (list, { size }) => {
    for (let i = 0; i < size / 2; i++) list.shift();
  },
  unshift: (list, { take }) => list.unshift(take()),
  unshiftMany: (list, { many }) => list.unshift(...many().map(([, item]) => item)),
  splice: (list, { n, m, take }) => list.splice(n, m, take()),
  spliceOut: (list, { n, m }) => list.splice(n, m),
  spliceRest: (list, { i }) => list.splice(i).length,
  spliceHalf: (list, { i, size }) => list.splice(i % (size || 1), Math.ceil(size / 2)).length,
  spliceMany: (list, { i, m, many }) => list.splice(i, m, ...many().map(([, item]) => item)),
  index: (list, { i, take }) => void (list[i] = take(() => list[i])),
  length: (list, { i }) => (list.length = i),
  empty: (list) => (list.length = 0),
  delete: (list, { i }) => delete list[i],
  deleteThird: (list, { size }) => {
    for (let i = 0; i < size; i += 3) delete list[i];
  },
  sort: (list) => list.sort() === list,
  sortBy: (list) => list.sort((a, b) => rank(a) - rank(b)) === list,
  sortDown: (list) => list.sort((a, b) => rank(b) - rank(a)).length,
  reverse: (list) => list.reverse() === list,
  fill: (list, { n, m, take, spread }) => spread(list, () => list.fill(take(), n, m)),
  fillAll: (list, { take, spread }) => spread(list, () => list.fill(take())),
  copyWithin: (list, { i, n, m, spread }) => spread(list, () => list.copyWithin(i, n, m), true),
  copyWithinRest: (list, { n, m, spread }) => spread(list, () => list.copyWithin(n, m), true),
  swap: (list, { i, n, put, size }) => {
    if (size < 2) return;
    const [a, b] = [i % size, Math.abs(n) % size];
    // As `[list[a], list[b]] = [list[b], list[a]]` does it.
    const [left, right] = [list[a], list[b]];
    list[a] = put(right, () => list[a]);
    list[b] = put(left, () => list[b]);
  },
  assignItself: (list, { i }) => void (i in list && (list[i] = list[i])),
  copy: (list, { i, put }) => list.push(put(list[i])),
  at: (list, { n }) => list.at(n),
  get: (list, { i }) => list[i],
  last: (list) => list.at(-1),
  count: (list) => list.length,
  in: (list, { i }) => i in list,
  hasOwn: (list, { i }) => Object.hasOwn(list, i),
  slice: (list, { n, m }) => list.slice(n, m),
  includes: (list, { i }) => [list.includes(list[i]), list.indexOf(list[i]), list.lastIndexOf("absent")],
  entries: (list) => [...list.entries()].length,
  walk: (list) => {
    let seen = 0;
    for (const item of list) {
      if (rank(item) === 7) break;
      seen++;
    }
    return seen;
  },
  keys: (list) => Object.keys(list).length,
  map: (list) => list.map(rank),
  filter: (list) => list.filter((item) => typeof item === "object").length,
  find: (list) => list.findLastIndex((item) => typeof item === "string"),
  copies: (list, { n, m }) => [list.toReversed().length, list.toSpliced(n, m).length, list.with(0, 1)[0]],
  concat: (list) => list.concat(list, 1).length,
};

const mapOps: Record<string, Op<Map<unknown, unknown>>> = {
  set: (map, { n, take }) => {
    const key = ["a", "b", n][Math.abs(n) % 3];
    return map.set(
      key,
      take(() => map.get(key)),
    ).size;
  },
  replace: (map, { key, take }) =>
    map.set(
      key,
      take(() => map.get(key)),
    ) === map,
  setNew: (map, { n, fresh }) => {
    const key = fresh();
    return [map.set(key, n).has(key), map.size];
  },
  setFirst: (map, { take }) => {
    for (const key of map.keys()) {
      return map.set(
        key,
        take(() => map.get(key)),
      ).size;
    }
    return 0;
  },
  setMany: (map, { many }) => {
    for (const [key, item] of many()) map.set(key, item);
  },
  assignItself: (map, { key }) => map.has(key) && map.set(key, map.get(key)).size,
  copy: (map, { key, put }) =>
    map.set(
      "copy",
      put(map.get(key), () => map.get("copy")),
    ).size,
  delete: (map, { key }) => map.delete(key),
  deleteFirst: (map) => {
    for (const key of map.keys()) return map.delete(key);
    return "empty";
  },
  deleteAbsent: (map) => map.delete("absent"),
  deleteThird: (map) => {
    let i = 0;
    for (const key of map.keys()) if (i++ % 3 === 0) map.delete(key);
    return map.size;
  },
  drain: (map) => {
    for (const [key] of map) map.delete(key);
    return map.size;
  },
  toEnd: (map, { key, take }) => map.delete(key) && map.set(key, take()).size,
  clear: (map) => map.clear(),
  clearAndFill: (map, { many }) => {
    map.clear();
    for (const [key, item] of many()) map.set(key, item);
  },
  get: (map, { key }) => map.get(key),
  getAbsent: (map, { n }) => [map.get(`absent ${n}`), map.has(n + 0.5)],
  has: (map, { key }) => map.has(key),
  count: (map) => map.size,
  first: (map) => {
    for (const entry of map) return entry;
    return undefined;
  },
  hasEveryKey: (map) => [...map.keys()].every((key) => map.has(key)),
  values: (map) => [...map.values()].map(rank),
  forEach: (map) => {
    const seen: unknown[] = [];
    map.forEach((value, key) => seen.push(rank(value), rank(key)));
    return seen;
  },
  renew: (map) => new Map(map).size,
};

const setOps: Record<string, Op<Set<unknown>>> = {
  add: (set, { fresh }) => {
    const member = fresh();
    return [set.add(member).size, set.has(member)];
  },
  addMany: (set, { many }) => {
    for (const [, item] of many()) set.add(item);
  },
  addHeld: (set, { key }) => set.add(key) === set,
  addFirst: (set) => {
    for (const member of set) return set.add(member).size;
    return 0;
  },
  delete: (set, { key }) => set.delete(key),
  deleteFirst: (set) => {
    for (const member of set) return set.delete(member);
    return "empty";
  },
  deleteThird: (set) => {
    let i = 0;
    for (const member of set) if (i++ % 3 === 0) set.delete(member);
    return set.size;
  },
  toEnd: (set, { key }) => set.delete(key) && set.add(key).size,
  clear: (set) => set.clear(),
  has: (set, { key }) => set.has(key),
  hasAbsent: (set, { n }) => set.has(`absent ${n}`),
  count: (set) => set.size,
  first: (set) => {
    for (const member of set) return member;
    return undefined;
  },
  values: (set) => [...set].map(rank),
  union: (set, { key }) => [
    set.union(new Set([key, "u"])).size,
    set.isSupersetOf(new Set([key])),
    set.isDisjointFrom(new Set(["no"])),
  ],
};

type Plain = Record<string, unknown>;

const objectOps: Record<string, Op<Plain>> = {
  set: (object, { n, take }) => {
    const key = "abcd"[Math.abs(n) % 4]!;
    object[key] = take(() => object[key]);
  },
  replace: (object, { key, take }) => void (object[String(key)] = take(() => object[String(key)])),
  number: (object, { n, take }) => void (object[Math.abs(n)] = take(() => object[Math.abs(n)])),
  setMany: (object, { many }) => {
    for (const [key, item] of many()) object[String(key)] = item;
  },
  assignMany: (object, { many }) => Object.keys(Object.assign(object, Object.fromEntries(many()))).length,
  assignItself: (object, { key }) => {
    if (Object.hasOwn(object, String(key))) object[String(key)] = object[String(key)];
  },
  delete: (object, { key }) => delete object[String(key)],
  deleteAbsent: (object) => delete object["absent"],
  deleteThird: (object) => {
    Object.keys(object).forEach((key, i) => i % 3 === 0 && delete object[key]);
  },
  drain: (object) => {
    for (const key in object) delete object[key];
  },
  assign: (object, { take }) => Object.keys(Object.assign(object, { b: take(() => object["b"]), c: 1 })).length,
  copy: (object, { put }) => void (object["d"] = put(object["a"], () => object["d"])),
  define: (object, { take }) => {
    const value = take(() => object["a"]);
    return Object.keys(
      Object.defineProperty(object, "a", { value, writable: true, enumerable: true, configurable: true }),
    ).length;
  },
  get: (object, { key }) => object[String(key)],
  in: (object, { key }) => [String(key) in object, "absent" in object, Object.hasOwn(object, String(key))],
  keys: (object) => Object.keys(object),
  values: (object) => Object.values(object).map(rank),
  spread: (object) => Object.keys({ ...object }).length,
  rest: ({ a, ...rest }) => [rank(a), Object.keys(rest).length],
};

const dateOps: Record<string, Op<Date>> = {
  setTime: (date, { n }) => date.setTime(n * 1_000),
  setMinutes: (date, { n, m }) => date.setMinutes(n, m),
  foreign: (date, { n }) => Date.prototype.setTime.call(date, n),
  read: (date) => [date.getTime(), Number(date)],
};

const bytesOps: Record<string, Op<Uint8Array>> = {
  set: (bytes, { n, i }) => (bytes[i] = n),
  fill: (bytes, { n }) => bytes.fill(n).length,
  read: (bytes) => [...bytes],
};

/** Ops after which what they gave belongs to nobody any more. */
export const TAKES_OUT = new Set(["pop", "shift", "splice", "spliceOut"]);

/** Ops that leave little of a large collection: done once in a while. */
const RARE = new Set(["popAll", "spliceRest", "length", "empty", "drain", "clear"]);

/** The op of that number for a target; its name is its key in the tables above. */
export function opFor(target: object, number: number, isRare: boolean): Op<never> {
  const ops = Object.values(opsFor(target));
  const op = ops[number % ops.length]!;
  return RARE.has(op.name) && !isRare ? ops[(number + 7) % ops.length]! : op;
}

function opsFor(target: object): Record<string, Op<never>> {
  if (Array.isArray(target)) return arrayOps;
  if (target instanceof Map) return mapOps;
  if (target instanceof Set) return setOps;
  if (target instanceof Date) return dateOps;
  return target instanceof Uint8Array ? bytesOps : objectOps;
}

/** A change of a target that is one whatever it holds. */
export function changeSurely(target: object): void {
  if (Array.isArray(target)) target.push(0);
  else if (target instanceof Map) target.set("stale", {});
  else if (target instanceof Set) target.add({});
  else if (target instanceof Date) target.setTime(target.getTime() + 1);
  else (target as Plain)["stale"] = {};
}

/** The other part of a {@link Hand}: what depends on the side. Where the target does not copy what is put in, the hand does. */
export function handFor(
  copies: boolean,
  { value, held, bulk }: { value: unknown; held: unknown; bulk: Recipe },
): Pick<Hand, "take" | "put" | "fresh" | "many" | "spread"> {
  const own = held ?? structuredClone(value);
  const put = (value: unknown, over?: () => unknown): unknown =>
    copies && isObject(value) && over?.() !== value ? structuredClone(snapshot(value)) : value;
  return {
    put,
    take: (over) => put(own, over),
    fresh: () => structuredClone(value),
    many: () => entriesOf(bulk),
    spread: (list, change, areAllCopied = false) => {
      const before = copies ? list.slice() : [];
      change();
      if (copies) copySecondPlaces(list, before, areAllCopied);
    },
  };
}

/** What stayed in its place is itself there; of the others the first is, unless all are copies. */
function copySecondPlaces(list: unknown[], before: unknown[], areAllCopied: boolean): void {
  const seen = new Set<unknown>();
  for (const key of Object.keys(list)) if (list[Number(key)] === before[Number(key)]) seen.add(list[Number(key)]);
  for (const key of Object.keys(list)) {
    const item = list[Number(key)];
    if (!isObject(item) || item === before[Number(key)]) continue;
    if (areAllCopied || seen.has(item)) list[Number(key)] = structuredClone(item);
    else seen.add(item);
  }
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
