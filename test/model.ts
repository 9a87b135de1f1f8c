/**
 * The model of persisted values: random programs, run on a tracked value and on plain JavaScript at once.
 *
 * The differences from plain JavaScript that the documentation states are part of the model: what is put in
 * is copied, and a container holds no container twice.
 */
import fc from "fast-check";

/** A step of a program: which container (by a number), what to do to it, with what. */
export interface Step {
  readonly at: number;
  readonly op: string;
  readonly n: number;
  readonly m: number;
  readonly value: unknown;
}

/** What else can happen between two steps. */
export const EVENTS = ["reload", "throw", "fail"] as const;

const scalar = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.string({ maxLength: 4, unit: "binary" }),
  fc.constantFrom(null, undefined, NaN, -0, true, false, 2n ** 70n, Infinity),
);

/** Trees of everything a field can hold, small enough to be looked at. */
export const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    scalar,
    scalar,
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 4 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom("a", "b", 1, NaN), tie("value")), tie("value")), { maxLength: 3 })
      .map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 3 }).map((members) => new Set(members)),
  ),
}));

type List = unknown[];
type Op<T> = (target: T, step: Step) => unknown;

const arrayOps: Record<string, Op<List>> = {
  push: (list, { value }) => list.push(value, value),
  pop: (list) => list.pop(),
  shift: (list) => list.shift(),
  unshift: (list, { value }) => list.unshift(value),
  splice: (list, { n, m, value }) => list.splice(n, m, value),
  spliceOut: (list, { n, m }) => list.splice(n, m),
  index: (list, { n, value }) => (list[Math.abs(n) % (list.length + 2)] = value),
  length: (list, { n }) => (list.length = Math.min(list.length + 2, Math.abs(n))),
  delete: (list, { n }) => delete list[Math.abs(n) % (list.length + 1)],
  sort: (list) => list.sort(),
  sortBy: (list) => list.sort((a, b) => (typeof a < typeof b ? -1 : typeof a > typeof b ? 1 : 0)),
  reverse: (list) => list.reverse(),
  fill: (list, { n, m, value }) => list.fill(value, n, m),
  copyWithin: (list, { n, m }) => list.copyWithin(n, m),
  swap: (list, { n, m }) => {
    if (list.length < 2) return;
    const [a, b] = [Math.abs(n) % list.length, Math.abs(m) % list.length];
    [list[a], list[b]] = [list[b], list[a]];
  },
  copy: (list, { n }) => list.push(list[Math.abs(n) % (list.length || 1)]),
  read: (list, { n, m }) => [
    list.at(n),
    list.slice(n, m),
    list.concat([n]),
    list.includes(list[0]),
    list.indexOf(list[1]),
  ],
  walk: (list) => [
    list.map((item) => item),
    [...list],
    list.filter(Boolean).length,
    Object.keys(list),
    list.findLast(() => true),
  ],
  toSorted: (list) => [list.toReversed(), list.toSpliced(0, 1), list.with(0, 1)],
};

const mapOps: Record<string, Op<Map<unknown, unknown>>> = {
  set: (map, { n, value }) => (map.set(["a", "b", n][Math.abs(n) % 3], value), map.size),
  setAny: (map, { value, n }) => (map.set(value, n), map.size),
  setHeld: (map, { value }) => (map.set([...map.keys()][0], value), map.size),
  delete: (map, { n }) => map.delete([...map.keys()][Math.abs(n) % (map.size || 1)]),
  clear: (map, { n }) => (n === 0 ? map.clear() : undefined),
  read: (map, { n }) => [
    map.get("a"),
    map.has(n),
    map.has([...map.keys()][0]),
    [...map.values()],
    map.get([...map.keys()].at(-1)),
  ],
  walk: (map) => {
    const seen: unknown[] = [];
    map.forEach((value, key) => seen.push(key, value));
    return [seen, [...map], new Map(map)];
  },
};

const setOps: Record<string, Op<Set<unknown>>> = {
  add: (set, { value }) => set.add(value).size,
  addHeld: (set) => set.add([...set][0]).size,
  delete: (set, { n }) => set.delete([...set][Math.abs(n) % (set.size || 1)]),
  clear: (set, { n }) => (n === 0 ? set.clear() : undefined),
  read: (set, { value }) => [set.has(value) && typeof value !== "object", [...set], set.has([...set][0])],
};

const objectOps: Record<string, Op<Record<string, unknown>>> = {
  set: (object, { n, value }) => (object["abcd"[Math.abs(n) % 4]!] = value),
  delete: (object, { n }) => delete object["abcd"[Math.abs(n) % 4]!],
  assign: (object, { value }) => Object.keys(Object.assign(object, { b: value, c: 1 })),
  copy: (object) => (object["d"] = object["a"]),
  define: (object, { value }) =>
    Object.keys(Object.defineProperty(object, "a", { value, writable: true, enumerable: true, configurable: true })),
  read: (object, { n }) => [Object.entries(object), "a" in object, { ...object }, object["abcd"[Math.abs(n) % 4]!]],
};

const dateOps: Record<string, Op<Date>> = {
  setTime: (date, { n }) => date.setTime(n * 1_000),
  setMinutes: (date, { n, m }) => date.setMinutes(n, m),
  foreign: (date, { n }) => Date.prototype.setTime.call(date, n),
  read: (date) => [date.getTime(), Number(date)],
};

const bytesOps: Record<string, Op<Uint8Array>> = {
  set: (bytes, { n, m }) => (bytes[Math.abs(m) % (bytes.length || 1)] = n),
  fill: (bytes, { n }) => bytes.fill(n).length,
  read: (bytes) => [...bytes],
};

const EVERY = [arrayOps, mapOps, setOps, objectOps, dateOps, bytesOps].flatMap((ops) => Object.keys(ops));

export const step: fc.Arbitrary<Step | (typeof EVENTS)[number]> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...EVENTS) },
  {
    weight: 8,
    arbitrary: fc.record({
      at: fc.nat(30),
      op: fc.constantFrom(...new Set(EVERY)),
      n: fc.integer({ min: -3, max: 6 }),
      m: fc.integer({ min: -3, max: 6 }),
      value,
    }),
  },
);

/** Does a step to a holder's value; the result is what JavaScript gives. Where an op does not fit, one that fits is done. */
export function apply(holder: { any: unknown }, step: Step): unknown {
  const parts = [...partsOf(holder.any)];
  if (parts.length === 0 || step.at === 0) {
    holder.any = step.value;
    return undefined;
  }
  const target = parts[step.at % parts.length]!;
  const ops = opsFor(target);
  const names = Object.keys(ops);
  const op = ops[step.op] ?? ops[names[(step.at + step.op.length) % names.length]!]!;
  // Each side gets its own copy, since what is put in is copied.
  return op(target as never, { ...step, value: structuredClone(step.value) });
}

function opsFor(target: object): Record<string, Op<never>> {
  if (Array.isArray(target)) return arrayOps;
  if (target instanceof Map) return mapOps;
  if (target instanceof Set) return setOps;
  if (target instanceof Date) return dateOps;
  return target instanceof Uint8Array ? bytesOps : objectOps;
}

/** Every object in a tree, the outermost first. */
function* partsOf(value: unknown): Iterable<object> {
  if (typeof value !== "object" || value === null) return;
  yield value;
  if (value instanceof Date || value instanceof Uint8Array) return;
  const members: Iterable<unknown> =
    value instanceof Map ? [...value].flat(1) : value instanceof Set ? value : Object.values(value);
  for (const member of members) yield* partsOf(member);
}

/**
 * Makes a plain value a tree again after a step, as the tracked one is by itself: of a container that is held
 * twice, the second place gets a copy.
 */
export function untangle(value: unknown, seen = new Set<object>()): unknown {
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

/** A text that two values share only if JavaScript cannot tell them apart: kinds, order, holes, -0. */
export function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[${Array.from(value, (item, i) => (i in value ? show(item) : "hole")).join()}]`;
  if (value instanceof Map) return `Map(${[...value].map(([key, item]) => `${show(key)}=>${show(item)}`).join()})`;
  if (value instanceof Set) return `Set(${[...value].map(show).join()})`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Uint8Array) return `Bytes(${[...value].join()})`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    const [buffer, at] = value instanceof ArrayBuffer ? [value, 0] : [value.buffer, value.byteOffset];
    return `${value.constructor.name}(${[...new Uint8Array(buffer, at, value.byteLength)].join()})`;
  }
  if (value instanceof RegExp) return String(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}:${show(item)}`)
    .join()}}`;
}
