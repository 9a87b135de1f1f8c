/**
 * @module
 * How an object's fields lie in its storage: the keys, the record, and which field goes where.
 *
 * Small fields share one row, the record; a larger field has a row of its own, and the record lists it, so
 * that one read tells where everything is. `docs/storage-format.md` is the reference.
 */
import { DurableError } from "../../core/errors.ts";
import { PREFIX, RECORD_KEY } from "../../storage/kv/keys.ts";

/** The key of a field that has a row of its own. */
export function fieldKey(name: string): string {
  return `${PREFIX}field:${name}`;
}

/** The key of a part of the field whose own row has that key: a chunk of a collection, or a collection in the field. */
export function partKey(ownKey: string, id: string): string {
  return `${ownKey.replace("field", "part")}:${id}`;
}

/** The version of the format that this code reads and writes. */
const FORMAT = 1;

/** The most bytes that a container takes within a row, before it is held in chunks of at most as many. */
export const CHUNK_MAX = 1_536;

/** The most bytes a field may have to share the record; it comes back when it has shrunk to half. */
const SHARED_MAX = 1_024;

/** The one row that small fields share. */
export interface StoredRecord {
  readonly format: number;
  /** The object's name, for wake-ups by id alone. */
  name?: string;
  /** The small fields by name, those of older code included. */
  readonly fields: Record<string, unknown>;
  /** The fields that have a row of their own. */
  readonly rows: Set<string>;
  /** Keys of such rows that are not {@link fieldKey}'s, which an unreadable row holds. */
  keys?: Record<string, string>;
  /** The versions of fields whose is not 1. */
  versions?: Record<string, number>;
  /** Values that couldn't be read and were replaced, by the keys of their rows, which are kept. */
  unreadable?: Record<string, Kept>;
}

/** A value that couldn't be read and was replaced. */
export interface Kept {
  /** The field it was the value of. */
  readonly field: string;
  /** The version it was stored as. */
  readonly version: number;
}

/** A record for an object that has stored nothing yet. */
export function emptyRecord(): StoredRecord {
  return { format: FORMAT, fields: {}, rows: new Set() };
}

/**
 * Reads the record; undefined when the object has stored nothing.
 *
 * @throws DurableError `record-unreadable` when the row is damaged or newer than this code; the row is kept.
 */
export function readRecord(kv: SyncKvStorage): StoredRecord | undefined {
  let stored: unknown;
  try {
    stored = kv.get(RECORD_KEY);
  } catch (cause) {
    throw recordUnreadable("its bytes cannot be decoded", cause);
  }
  if (stored === undefined) return undefined;
  if (!isRecord(stored)) throw recordUnreadable("it has another shape than a record");
  if (stored.format > FORMAT)
    throw recordUnreadable(
      `it has format ${stored.format}, newer than ${FORMAT} of this code. Deploy the newer code again`,
    );
  return stored;
}

function isRecord(value: unknown): value is StoredRecord {
  if (typeof value !== "object" || value === null) return false;
  const { format, fields, rows, ...maps } = value as Partial<StoredRecord>;
  const { keys = {}, versions = {}, unreadable = {} } = maps;
  const areObjects = [fields, keys, versions, unreadable].every((map) => typeof map === "object" && map !== null);
  return typeof format === "number" && areObjects && rows instanceof Set;
}

function recordUnreadable(why: string, cause?: unknown): DurableError {
  return new DurableError(
    "record-unreadable",
    `The row "${RECORD_KEY}" of this object cannot be read: ${why}. It is kept, and no field is written, until you repair or delete it with \`ctx.storage.kv\`.`,
    { cause },
  );
}

/** What messages call a field. */
export interface Named {
  readonly name: string;
  /** `Class.field`. */
  readonly field: string;
}

/** The error for a field of which something that is stored cannot be read. */
export function unreadable(
  { field, name }: Named,
  why: string,
  options?: ConstructorParameters<typeof DurableError>[2],
): DurableError {
  return new DurableError(
    "field-unreadable",
    `${field} cannot be read. ${why} The stored value is kept, the field takes no other, and the other fields work. To go on without it: \`@Persisted({ onUnreadable: (error, stored) => … }) accessor ${name}\`.`,
    options,
  );
}

/** Tells whether a field of so many bytes shares the record, given where it lies now. */
export function sharesRecord(bytes: number, hasOwnRow: boolean): boolean {
  return bytes <= (hasOwnRow ? SHARED_MAX / 2 : SHARED_MAX);
}

/** The key of the row that a field has of its own, or would get. */
export function rowKey({ keys, unreadable }: StoredRecord, name: string): string {
  if (keys !== undefined && Object.hasOwn(keys, name)) return keys[name]!;
  let key = fieldKey(name);
  for (let nth = 2; isIn(unreadable, key); nth++) key = `${PREFIX}field-${nth}:${name}`;
  return key;
}

/** Tells whether the record knows a field's value, in itself or in a row. */
export function isInRecord(record: StoredRecord | null, name: string): record is StoredRecord {
  return record !== null && (Object.hasOwn(record.fields, name) || record.rows.has(name));
}

/** Returns the value of a field of version 1 that the record itself holds; undefined for any other. */
export function plainIn(record: StoredRecord | null, name: string): unknown {
  return record !== null && versionOf(record, name) === 1 && Object.hasOwn(record.fields, name)
    ? record.fields[name]
    : undefined;
}

/** The version of a stored field. */
export function versionOf({ versions }: StoredRecord, name: string): number {
  return isIn(versions, name) ? versions[name]! : 1;
}

/** Sets the version of a stored field; tells whether it had another. */
export function setVersion(record: StoredRecord, name: string, version: number): boolean {
  if (versionOf(record, name) === version) return false;
  setEntry(record, "versions", name, version === 1 ? undefined : version);
  return true;
}

/** Takes a field's value out of the record, with its version; gives the key of the row it had of its own. */
export function takeOut(record: StoredRecord, name: string): string | undefined {
  const key = record.rows.has(name) ? rowKey(record, name) : undefined;
  delete record.fields[name];
  record.rows.delete(name);
  setEntry(record, "keys", name, undefined);
  setEntry(record, "versions", name, undefined);
  return key;
}

/** Returns true if a row holds a value that couldn't be read and was replaced. */
export function isKept(record: StoredRecord | null, key: string): record is StoredRecord {
  return isIn(record?.unreadable, key);
}

/** Puts an entry into one of the record's maps, or removes it; an empty map is left out of the record. */
export function setEntry<Name extends "keys" | "versions" | "unreadable">(
  record: StoredRecord,
  name: Name,
  key: string,
  value: NonNullable<StoredRecord[Name]>[string] | undefined,
): void {
  const { [key]: _, ...others } = (record[name] ?? {}) as Record<string, unknown>;
  const map = value === undefined ? others : { ...others, [key]: value };
  if (Object.keys(map).length === 0) delete record[name];
  else (record as unknown as Record<string, unknown>)[name] = map;
}

function isIn<T>(map: Record<string, T> | undefined, key: string): map is Record<string, T> {
  return map !== undefined && Object.hasOwn(map, key);
}
