/**
 * @module
 * An object's persisted fields as they are stored, for inspectors. The core doesn't import this.
 */
import type { Host } from "../core/part/types.ts";
import { planOf, type AnyClass, type FieldPlan } from "../core/plan.ts";
import { isContainer } from "../core/values/snapshot.ts";
import { sizeOf } from "../storage/size.ts";
import { find, type Found } from "./evolve.ts";
import { optionsOf } from "./options.ts";
import { isHead } from "./rows/collection.ts";
import { emptyRecord, partKey, readRecord, rowKey, type StoredRecord } from "./rows/layout.ts";

/**
 * One persisted field as it is stored.
 *
 * @example
 * ```ts
 * const info: FieldInfo = { name: "log", version: 1, bytes: 40_120, rows: 31 };
 * ```
 */
export interface FieldInfo {
  /** The name in the code; for a field of older code, the stored name. */
  readonly name: string;
  /** The stored version, 1 without `version` in its options; undefined if nothing is stored. */
  readonly version: number | undefined;
  /** About how many bytes the value takes; undefined if it can't be read. */
  readonly bytes: number | undefined;
  /** The rows that hold nothing else: 0 for a value in the row that small fields share. */
  readonly rows: number;
}

/**
 * Returns an object's persisted fields as they are stored: first the declared fields, then fields of older code.
 * It reads every row of every field. Changes that aren't written yet don't show.
 *
 * @throws DurableError `record-unreadable` if the row that small fields share is damaged, or newer than this code.
 *
 * @example
 * ```ts
 * attach(this, "inspector", (host) => ({ call: () => storedFields(host).filter(({ rows }) => rows > 100) }));
 * ```
 */
export function storedFields({ ctx, object }: Host): FieldInfo[] {
  const { kv } = ctx.storage;
  const record = readRecord(kv) ?? emptyRecord();
  const left = new Set([...Object.keys(record.fields), ...record.rows]);
  const place = { path: () => [], depth: () => 0, fetch: (key: string) => kv.get(key) };
  const infoOf = (name: string, plan?: FieldPlan): FieldInfo => {
    const found = find(record, { name, field: name, options: optionsOf(plan), ...place });
    if (found?.from !== undefined) left.delete(found.from);
    return found === undefined ? { name, version: undefined, bytes: 0, rows: 0 } : measure(kv, record, name, found);
  };
  const declared = [...planOf(object.constructor as AnyClass).fields.values()];
  return [...declared.map((plan) => infoOf(plan.name, plan)), ...[...left].map((name) => infoOf(name))];
}

function measure(kv: SyncKvStorage, record: StoredRecord, name: string, found: Found): FieldInfo {
  const { version, value, from, flaw } = found;
  let [bytes, rows] = [0, 0];
  if (from === undefined || record.rows.has(from)) rows++;
  if (flaw !== undefined) return { name, version, bytes: undefined, rows };
  /** Reads a row. Throws if the row is missing or can't be decoded. */
  const part = (id: string): unknown => {
    rows++;
    const stored = kv.get(partKey(rowKey(record, from!), id));
    if (stored === undefined) throw new Error("missing");
    return stored;
  };
  /** Adds a stored value with its parts; the ids of a head's chunks begin with `prefix`. */
  const add = (stored: unknown, prefix: string): void => {
    bytes += sizeOf(stored);
    if (isHead(stored)) for (const id of stored.ids) add(part(`${prefix}${id}`), "");
    else for (const id of pointersIn(stored)) add(part(id), `${id}.`);
  };
  try {
    // A row of the user's has no parts.
    if (from === undefined) bytes = sizeOf(value);
    else add(value, "");
    return { name, version, bytes, rows };
  } catch {
    return { name, version, bytes: undefined, rows };
  }
}

/** The ids of the collections that a stored value points to. */
function* pointersIn(value: unknown): Generator<string> {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof globalThis.String) yield value.slice(1);
  else if (isContainer(value)) for (const part of partsOf(value)) yield* pointersIn(part);
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return value.values();
  return value instanceof Set || Array.isArray(value) ? value : Object.values(value);
}
