/** Which rows are put and deleted for a change, case by case; `test/rows/rows.test.ts` counts what real objects write. */
import type { DurableError } from "durable-base";
import { describe, expect, it } from "vitest";
import { nameIn, type Found } from "../../src/persisted/evolve.ts";
import { Field, type Keeper } from "../../src/persisted/field.ts";
import { emptyRecord, fieldKey, rowKey, versionOf, type StoredRecord } from "../../src/persisted/rows/layout.ts";
import { PLAIN, type FieldOptions } from "../../src/persisted/options.ts";
import { planRows } from "../../src/persisted/rows/planner.ts";

const RECORD = "durable-base:record";
const LONG = "x".repeat(1_100);
const many = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1_000);

/** The rows of `list`, an array of 300 numbers. */
const COLLECTION = {
  [fieldKey("list")]: { chunks: new globalThis.String("array"), ids: [1, 2], counts: [170, 130] },
  "durable-base:part:list:1": many(170),
  "durable-base:part:list:2": many(300).slice(170),
};

type Stored = Partial<Omit<StoredRecord, "rows">> & { readonly rows?: readonly string[] };

interface Case {
  readonly it: string;
  /** The record before; none for a new object. */
  readonly record?: Stored;
  /** The other rows before. */
  readonly rows?: Record<string, unknown>;
  readonly options?: Record<string, Partial<FieldOptions>>;
  /** By field: its new value, or what changes its tracked value. */
  readonly change: Record<string, unknown>;
  /** The unreadable values of fields. */
  readonly unreadable?: Record<string, Found>;
  readonly puts?: Record<string, unknown>;
  readonly deletes?: readonly string[];
  /** The record's row, unless it isn't put. */
  readonly becomes?: Stored;
  readonly throws?: string;
}

const cases: readonly Case[] = [
  {
    it: "a new object stores its first field in the record",
    change: { count: 1 },
    becomes: { fields: { count: 1 } },
  },
  {
    it: "a small field that changed rewrites the record alone",
    record: { fields: { count: 1, label: "a" } },
    change: { count: 2 },
    becomes: { fields: { count: 2, label: "a" } },
  },
  {
    it: "two small fields are one row",
    record: { fields: { count: 1, label: "a" } },
    change: { count: 2, label: "b" },
    becomes: { fields: { count: 2, label: "b" } },
  },
  {
    it: "a field that the class no longer has is kept",
    record: { fields: { count: 1, gone: [1] }, rows: ["old"] },
    change: { count: 2 },
    becomes: { fields: { count: 2, gone: [1] }, rows: ["old"] },
  },
  {
    it: "a value that outgrows the record gets a row of its own",
    record: { fields: { text: "a", count: 1 } },
    change: { text: LONG },
    puts: { [fieldKey("text")]: LONG },
    becomes: { fields: { count: 1 }, rows: ["text"] },
  },
  {
    it: "a value with a row of its own leaves the record alone",
    record: { fields: { count: 1 }, rows: ["text"] },
    rows: { [fieldKey("text")]: LONG },
    change: { text: `${LONG}!` },
    puts: { [fieldKey("text")]: `${LONG}!` },
  },
  {
    it: "a value that shrank a little keeps its row",
    record: { rows: ["text"] },
    rows: { [fieldKey("text")]: LONG },
    change: { text: LONG.slice(0, 600) },
    puts: { [fieldKey("text")]: LONG.slice(0, 600) },
  },
  {
    it: "a value that shrank to half moves back to the record",
    record: { rows: ["text"] },
    rows: { [fieldKey("text")]: LONG },
    change: { text: "short" },
    deletes: [fieldKey("text")],
    becomes: { fields: { text: "short" } },
  },
  {
    it: "a large array becomes a collection: a head and its chunks",
    record: { fields: { list: [] } },
    change: { list: many(300) },
    puts: {
      [fieldKey("list")]: expect.objectContaining({ ids: [1, 2], counts: [256, 44] }) as unknown,
      "durable-base:part:list:1": many(256),
      "durable-base:part:list:2": many(300).slice(256),
    },
    becomes: { rows: ["list"] },
  },
  {
    it: "an entry added to a collection writes one chunk",
    record: { rows: ["list"] },
    rows: COLLECTION,
    change: { list: (list: number[]) => list.push(7) },
    puts: { "durable-base:part:list:2": [...many(300).slice(170), 7] },
  },
  {
    it: "a collection that was emptied goes back to the record",
    record: { rows: ["list"] },
    rows: COLLECTION,
    change: { list: (list: number[]) => (list.length = 0) },
    deletes: [fieldKey("list"), "durable-base:part:list:1", "durable-base:part:list:2"],
    becomes: { fields: { list: [] } },
  },
  {
    it: "a collection that was replaced by a primitive takes all its rows along",
    record: { rows: ["list"] },
    rows: COLLECTION,
    change: { list: null },
    deletes: [fieldKey("list"), "durable-base:part:list:1", "durable-base:part:list:2"],
    becomes: { fields: { list: null } },
  },
  {
    it: "a renamed field moves with its write",
    record: { fields: { nick: "a", count: 1 } },
    options: { alias: { renamedFrom: ["nick"] } },
    change: { alias: "b" },
    becomes: { fields: { alias: "b", count: 1 } },
  },
  {
    it: "a renamed field leaves the row of its old name",
    record: { rows: ["nick"] },
    rows: { [fieldKey("nick")]: LONG },
    options: { alias: { renamedFrom: ["nick"] } },
    change: { alias: `${LONG}!` },
    puts: { [fieldKey("alias")]: `${LONG}!` },
    deletes: [fieldKey("nick")],
    becomes: { rows: ["alias"] },
  },
  {
    it: "a field with a key has that row and no place in the record",
    record: { fields: { count: 1 } },
    options: { visits: { key: "visits" } },
    change: { visits: 3 },
    puts: { visits: 3 },
  },
  {
    it: "a field that got a key takes what it had along",
    record: { fields: { visits: 2, count: 1 } },
    options: { visits: { key: "visits" } },
    change: { visits: 3 },
    puts: { visits: 3 },
    becomes: { fields: { count: 1 } },
  },
  {
    it: "`undefined` under a key is noted in the record",
    record: { fields: { count: 1 } },
    options: { visits: { key: "visits" } },
    change: { visits: undefined },
    deletes: ["visits"],
    becomes: { fields: { count: 1, visits: undefined } },
  },
  {
    it: "the version is noted unless it is 1",
    record: { fields: { total: 1 } },
    options: { total: { version: 3 } },
    change: { total: 100 },
    becomes: { fields: { total: 100 }, versions: { total: 3 } },
  },
  {
    it: "the version of a field whose code has none any more is dropped",
    record: { fields: { total: 1 }, versions: { total: 3 } },
    change: { total: 100 },
    becomes: { fields: { total: 100 } },
  },
  {
    it: "an unreadable value of the record moves to the row it would have had",
    record: { fields: { user: "bad", count: 1 } },
    options: { user: {} },
    unreadable: { user: { value: "bad", version: 1, from: "user" } },
    change: { user: "good" },
    puts: { [fieldKey("user")]: "bad" },
    becomes: { fields: { user: "good", count: 1 }, unreadable: { [fieldKey("user")]: { field: "user", version: 1 } } },
  },
  {
    it: "an unreadable row stays, and the new value gets the next key",
    record: { rows: ["text"], unreadable: { "durable-base:field-2:text": { field: "text", version: 1 } } },
    options: { text: {} },
    unreadable: { text: { value: undefined, version: 2, from: "text" } },
    change: { text: LONG },
    puts: { "durable-base:field-3:text": LONG },
    becomes: {
      rows: ["text"],
      keys: { text: "durable-base:field-3:text" },
      unreadable: {
        "durable-base:field-2:text": { field: "text", version: 1 },
        [fieldKey("text")]: { field: "text", version: 2 },
      },
    },
  },
  {
    it: "a value over 2 MB is refused",
    record: { fields: { text: "a" } },
    change: { text: "x".repeat(2_100_000) },
    throws: "too-large",
  },
  {
    it: "a value over 2 MB under a key is refused",
    options: { text: { key: "text" } },
    change: { text: "x".repeat(2_100_000) },
    throws: "too-large",
  },
];

describe("planRows", () => {
  it.each(cases)("$it", ({ record: given, rows = {}, options = {}, change, unreadable = {}, ...expected }) => {
    const record = given === undefined ? emptyRecord() : recordOf(given);
    const all = new Map(Object.entries(options).map(([name, one]) => [name, { ...PLAIN, ...one } as FieldOptions]));
    const changed = Object.entries(change).map(([name, value]) => {
      const field = load(name, record, rows, all.get(name), unreadable[name]);
      if (typeof value === "function") (value as (tracked: unknown) => void)(field.value);
      else field.replace(value);
      return field;
    });
    const plan = () => planRows(changed, record, given === undefined);
    if (expected.throws !== undefined) {
      expect(plan).toThrowError(
        expect.objectContaining({ name: "DurableError", code: expected.throws }) as DurableError,
      );
      return;
    }
    const { puts, deletes } = plan();
    const { becomes } = expected;
    const stored = becomes === undefined ? {} : { [RECORD]: recordOf(becomes) };
    expect(Object.fromEntries(puts)).toStrictEqual({ ...expected.puts, ...stored });
    expect([...deletes].sort()).toEqual([...(expected.deletes ?? [])].sort());
  });
});

function recordOf({ rows = [], ...record }: Stored): StoredRecord {
  return { format: 1, fields: {}, ...record, rows: new Set(rows) };
}

/** A field as an object has it once it was read. */
function load(
  name: string,
  record: StoredRecord,
  rows: Record<string, unknown>,
  options: FieldOptions = PLAIN,
  unreadable: Found | undefined,
): Field {
  const keeper: Keeper = {
    change: () => undefined,
    fetch: (key) => structuredClone(rows[key]),
    swapped() {},
    took() {},
    watch() {},
  };
  const from = unreadable === undefined ? nameIn(record, { name, options }) : undefined;
  const key = from === undefined ? fieldKey(name) : rowKey(record, from);
  const isStored = from === name && versionOf(record, name) === options.version;
  const field = new Field(keeper, "Table", { name, dialect: "accessor", options }, { raw: undefined, isStored, from });
  field.key = key;
  field.unreadable = unreadable;
  if (from !== undefined) field.load(record.rows.has(from) ? rows[key] : record.fields[from]);
  return field;
}
