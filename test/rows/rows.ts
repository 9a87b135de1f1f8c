/**
 * The operations whose rows are counted, each with the most that the design allows; `docs/rows.md` has the counts.
 *
 * Each is done twice: first as the first thing after an eviction (cold, `nth` is 0), then when everything has been
 * read (warm, `nth` is 1). It is the same code for persisted fields and for what is written by hand, and both must
 * come to the same state.
 */
import type { Entries, KINDS } from "../persisted/fixtures/entries.ts";
import type { SmallFields } from "./fixtures/rows.ts";

/** The most that an operation may cost; what is left out is not bounded. */
export interface Bound {
  /** Rows written. */
  readonly written: number;
  /** Rows written by one call, of an operation of several. */
  readonly atOnce?: number;
  /** Rows read when it is cold; a warm one reads none in any case. */
  readonly read?: number;
  /** Bytes written. */
  readonly bytes?: number;
  /** Bytes of the largest row written; `ROW` unless told. */
  readonly largest?: number;
}

interface Common {
  readonly name: string;
  readonly bound: Bound;
}

/** An operation on a collection. */
export interface OnEntries extends Common {
  readonly kind: keyof typeof KINDS;
  /** What is in the collection before; without it nothing is stored. */
  readonly before?: readonly unknown[];
  readonly work: (entries: Entries, nth: number) => unknown;
  /** In how many calls it is done, one after another; `nth` counts them. */
  readonly calls?: number;
}

/** An operation on so many small fields. */
export interface OnFields extends Common {
  readonly fields: 1 | 100;
  readonly before?: true;
  readonly work: (fields: SmallFields, nth: number) => unknown;
}

export type Operation = OnEntries | OnFields;

/** A page of SQLite, and a little. */
export const ROW = 4_200;
/** The most bytes of the row that lists the chunks of so many entries, with two for each key; written when a chunk comes or goes. */
const headOf = (count: number): number => 2_000 + 2.5 * count;
/** A split, a merge or a change of form may come on top. */
const FORM = 4;
/** Of the small entries written in one call, this many share a row. */
const SHARED = 8;
/** Rows read to find one entry: the record and what leads to the row. */
const FOUND = 6;
/** A call on one of many entries writes at most two pages. */
const BYTES = 8_192;
const BIG = 100_000;

const scalar = (i: number): unknown => i;
const small = (i: number): unknown => ({ id: i, a: { b: { n: 0 } } });
const text = (i: number): unknown => `${i} `.padEnd(100, "x");
const many = (count: number, make: (i: number) => unknown): unknown[] =>
  Array.from({ length: count }, (_, i) => make(i));
const inWords = (count: number): string => `${count}`.replace(/\B(?=(?:\d{3})+$)/g, ",");

/** An entry somewhere in the middle; another one each time. */
const somewhere = (count: number, nth: number): number => Math.floor(count * (nth === 0 ? 0.31 : 0.72));

/** One entry of so many, the ways that every kind has. */
function oneOf(kind: keyof typeof KINDS, count: number): OnEntries[] {
  const of = `of ${kind} of ${inWords(count)}`;
  const small10 = count === 10;
  // Ten entries lie in the record: nothing can split.
  const form = small10 ? 0 : FORM;
  const [scalars, objects] = [many(count, scalar), many(count, small)];
  const operations: OnEntries[] = [
    {
      name: `one entry ${of} read`,
      kind,
      before: objects,
      work: (entries, nth) => entries.read(somewhere(count, nth)),
      bound: { written: 0, read: FOUND },
    },
    {
      name: `one entry ${of} added`,
      kind,
      before: scalars,
      work: (entries, nth) => entries.add(count + nth, [nth]),
      bound: { written: 1 + form, bytes: (1 + form) * ROW },
    },
    {
      name: `one entry ${of} removed`,
      kind,
      before: scalars,
      work: (entries, nth) => entries.remove(somewhere(count, nth)),
      bound: { written: 1 + form, bytes: (1 + form) * ROW },
    },
  ];
  if (kind === "Set") return operations;
  return [
    {
      name: `one entry ${of} changed`,
      kind,
      before: scalars,
      work: (entries, nth) => entries.change(somewhere(count, nth), -7),
      bound: { written: 1, bytes: BYTES },
    },
    {
      name: `one entry ${of} changed deep inside`,
      kind,
      before: objects,
      work: (entries, nth) => entries.increment(somewhere(count, nth)),
      bound: { written: 1, bytes: BYTES },
    },
    ...operations,
  ];
}

/** Many entries in one call, or one each in many calls. */
function manyOf(kind: keyof typeof KINDS): OnEntries[] {
  const [count, calls] = [10_000, 1_000];
  const shared = count / SHARED;
  const values = many(count, scalar);
  return [
    {
      name: `${kind} filled with ${inWords(count)} (warm: with others in their place)`,
      kind,
      work: (entries, nth) => entries.fill(many(count, (i) => i + nth)),
      bound: { written: shared, largest: headOf(count) },
    },
    {
      name: `${kind} of ${inWords(count)} replaced by its equal`,
      kind,
      before: values,
      work: (entries) => entries.fill(values),
      bound: { written: 0 },
    },
    {
      name: `${kind} of ${inWords(count)} replaced by one with an entry less`,
      kind,
      before: values,
      work: (entries, nth) => entries.fill(values.slice(0, count - 1 - nth)),
      bound: { written: 1 + FORM, largest: headOf(count) },
    },
    {
      name: `${kind} of ${inWords(count)} replaced by one of 10`,
      kind,
      before: values,
      work: (entries, nth) => entries.fill(many(10 - nth, scalar)),
      bound: { written: shared + FORM },
    },
    {
      name: `every entry of ${kind} of ${inWords(count)} read`,
      kind,
      before: values,
      work: (entries) => entries.all().length,
      bound: { written: 0, read: shared + FOUND },
    },
    {
      name: `100 entries added to ${kind} of ${inWords(count)} in one call`,
      kind,
      before: values,
      work: (entries, nth) => entries.add(count + 100 * nth, many(100, scalar)),
      bound: { written: 100 / 4, largest: headOf(count) },
    },
    {
      name: `1,000 entries added to ${kind} of 1,000, one a call`,
      kind,
      before: many(1_000, scalar),
      calls,
      work: (entries, nth) => entries.add(1_000 + nth, [nth]),
      bound: { written: 1.1 * calls, atOnce: 1 + FORM, largest: headOf(count) },
    },
    {
      name: `1,000 entries removed from ${kind} of 2,000, one a call`,
      kind,
      before: many(2_000, scalar),
      calls,
      // In leaps: another row each time.
      work: (entries, nth) => entries.remove((nth * 777) % 2_000),
      bound: { written: 1.1 * calls, atOnce: 1 + FORM },
    },
    {
      name: `${kind} grown from 0 to 200 entries, one a call (warm: to 400)`,
      kind,
      before: [],
      calls: 200,
      work: (entries, nth) => entries.add(nth, [small(nth)]),
      bound: { written: 1.1 * 200, atOnce: 1 + FORM },
    },
  ];
}

function ofArray(count: number): OnEntries[] {
  const [kind, of] = ["array", `of ${inWords(count)}`] as const;
  const before = many(count, scalar);
  const bound = { written: 1 + FORM, bytes: (1 + FORM) * ROW };
  // Each number's place, of which two neighbours are swapped, and warm another two.
  const placeOf = (value: number, nth: number): number => {
    const at = somewhere(count, nth);
    return value === at ? at + 1 : value === at + 1 ? at : value;
  };
  return [
    { name: `shift of array ${of}`, kind, before, work: (list) => list.shift!(), bound },
    { name: `unshift of array ${of}`, kind, before, work: (list) => list.unshift!(-1), bound },
    {
      name: `splice in the middle of array ${of}, 1 for 1`,
      kind,
      before,
      work: (list, nth) => list.splice!(somewhere(count, nth), 1, -1),
      bound: { written: 1, bytes: BYTES },
    },
    {
      name: `splice in the middle of array ${of}, 1 in`,
      kind,
      before,
      work: (list, nth) => list.splice!(somewhere(count, nth), 0, -1),
      bound,
    },
    {
      name: `splice in the middle of array ${of}, 1 out`,
      kind,
      before,
      work: (list, nth) => list.splice!(somewhere(count, nth), 1),
      bound,
    },
    {
      name: `array ${of} replaced by one without two that lie apart`,
      kind,
      before,
      work: (list, nth) => list.fill(before.toSpliced(count - 90, 1 + nth).toSpliced(90, 1 + nth)),
      bound: { written: 2 + FORM, largest: headOf(count) },
    },
    {
      name: `array ${of} replaced by one that moved on by one`,
      kind,
      before,
      work: (list, nth) => list.fill([...before.slice(1 + nth), ...many(1 + nth, (i) => -i)]),
      bound: { written: 2, largest: headOf(count) },
    },
    {
      name: `sort of array ${of} that swaps two neighbours (warm: two times two)`,
      kind,
      before,
      work: (list, nth) => list.sort!((a, b) => placeOf(a, nth) - placeOf(b, nth)),
      bound: { written: 4 },
    },
    {
      name: `sort of array ${of} in disorder (warm: the other way round)`,
      kind,
      before: many(count, (i) => (i * 7_919) % count),
      work: (list, nth) => list.sort!((a, b) => (nth === 0 ? a - b : b - a)),
      bound: { written: count / SHARED },
    },
  ];
}

/** More than the 2 MB of a row. */
function ofLarge(kind: keyof typeof KINDS): OnEntries[] {
  const count = 30_000;
  const before = many(count, text);
  const of = `of ${kind} of ${inWords(count)} texts, 3 MB`;
  return [
    {
      name: `${kind} filled with ${inWords(count)} texts, 3 MB (warm: with others in their place)`,
      kind,
      work: (entries, nth) => entries.fill(many(count, (i) => text(i + nth))),
      bound: { written: count / SHARED, largest: headOf(count) },
    },
    {
      name: `one entry ${of} changed`,
      kind,
      before,
      work: (entries, nth) => entries.change(somewhere(count, nth), text(-1)),
      bound: { written: 1, read: FOUND, bytes: BYTES },
    },
    {
      name: `one entry ${of} added`,
      kind,
      before,
      work: (entries, nth) => entries.add(count + nth, [text(nth)]),
      bound: { written: 1 + FORM, largest: headOf(count) },
    },
  ];
}

function ofBig(kind: keyof typeof KINDS): OnEntries[] {
  const at = 500;
  const before = many(1_000, (i) => (i === at ? "x".repeat(BIG) : i));
  const largest = BIG + ROW;
  return [
    {
      name: `a text of 100 KB in ${kind} of 1,000 changed`,
      kind,
      before,
      work: (entries, nth) => entries.change(at, `${nth}`.repeat(BIG)),
      bound: { written: 1, largest },
    },
    {
      name: `the entry before a text of 100 KB in ${kind} of 1,000 changed`,
      kind,
      before,
      work: (entries, nth) => entries.change(at - 1, -nth),
      bound: { written: 1, largest },
    },
  ];
}

const kinds = ["array", "Map", "Set", "record"] as const;

export const OPERATIONS: readonly Operation[] = [
  {
    name: "defaults of 100 fields read",
    fields: 100,
    work: (fields: SmallFields) => fields.read(),
    bound: { written: 0, read: 1 },
  },
  {
    name: "100 stored fields read",
    fields: 100,
    before: true,
    work: (fields: SmallFields) => fields.read(),
    bound: { written: 0, read: 1 },
  },
  {
    name: "first write of an object of 100 fields (warm: the second)",
    fields: 100,
    work: (fields: SmallFields, nth: number) => fields.set(1, 1_000 + nth),
    bound: { written: 1 },
  },
  {
    name: "1 of 1 field set",
    fields: 1,
    before: true,
    work: (fields: SmallFields, nth: number) => fields.set(1, 1_000 + nth),
    bound: { written: 1 },
  },
  {
    name: "1 of 1 field set 100 times in one call",
    fields: 1,
    before: true,
    work: (fields: SmallFields, nth: number) => fields.set(1, 1_000 + nth, 100),
    bound: { written: 1 },
  },
  {
    name: "10 of 100 fields set 100 times each in one call",
    fields: 100,
    before: true,
    work: (fields: SmallFields, nth: number) => fields.set(10, 1_000 + nth, 100),
    bound: { written: 1 },
  },
  ...kinds.flatMap((kind) => [10, 1_000, 10_000].flatMap((count) => oneOf(kind, count))),
  ...oneOf("nested Map", 1_000),
  ...[1_000, 10_000].flatMap(ofArray),
  ...kinds.flatMap(manyOf),
  ...(["array", "Map"] as const).flatMap((kind) => [...ofLarge(kind), ...ofBig(kind)]),
];
