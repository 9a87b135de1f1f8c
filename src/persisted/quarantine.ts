/**
 * @module
 * The `Quarantine` module: gives fields that cannot be read another value, without losing what is stored.
 *
 * @example
 * ```ts
 * onStart() {
 *   Quarantine.repair(this, "log", []);   // does nothing while `log` can be read
 * }
 * ```
 */
import { DurableError } from "../errors.ts";
import { PREFIX } from "../storage/keys.ts";
import { snapshot } from "../snapshot.ts";
import { fieldsOf } from "./accessors.ts";
import { adoptedKey, nameIn } from "./evolve.ts";
import { isSetAside, rowKey, setEntry, takeOut, versionOf, type StoredRecord } from "./layout.ts";
import type { Collection } from "./collection.ts";
import type { Fields } from "./fields.ts";
import type { FieldOptions } from "./options.ts";
import { freeRows, Rows } from "./packing.ts";

/**
 * What was set aside: `ctx.storage.kv.get(key)` gives it, or throws as it did before.
 *
 * @example
 * ```ts
 * const { key, field, version }: Quarantined = Quarantine.list(this)[0]!;
 * ```
 */
export interface Quarantined {
  /** The key of its row. */
  readonly key: string;
  /** The field it was the value of. */
  readonly field: string;
  /** The version it was stored as. */
  readonly version: number;
}

/**
 * Gives a field that cannot be read (`field-unreadable`, `field-newer`) a new value; tells whether it had to. A field
 * that can be read stays as it is.
 *
 * What was stored is set aside in the same transaction: a value that can be decoded is moved to a row of its own, a
 * damaged row stays where it is, and the field gets another. All of it is written when it returns.
 *
 * @throws DurableError `bad-option` when there is no such field, and whatever assigning the value throws.
 *
 * @example
 * ```ts
 * if (Quarantine.repair(this, "log", [])) console.warn("the log was unreadable and begins anew");
 * ```
 */
export function repair<T extends object, Name extends keyof T & string>(
  object: T,
  field: Name,
  value: T[Name],
): boolean {
  const fields = fieldsOf(object, field);
  const options = fields.optionsOf(field);
  try {
    // All of it: what is large is read when it is used.
    snapshot(fields.read(field));
    return false;
  } catch (error) {
    if (!DurableError.is(error, "field-unreadable") && !DurableError.is(error, "field-newer")) throw error;
  }
  fields.edit(
    (record, kv) => {
      while (setAside(fields, record, kv, field, options));
    },
    field,
    () => fields.assign(field, value),
  );
  return true;
}

/**
 * What of this object was set aside.
 *
 * @throws DurableError `record-unreadable`.
 *
 * @example
 * ```ts
 * for (const { key, field } of Quarantine.list(this)) console.log(field, this.ctx.storage.kv.get(key));
 * ```
 */
export function list(object: object): Quarantined[] {
  const { quarantined = {} } = fieldsOf(object, "quarantine").record ?? {};
  return Object.entries(quarantined).map(([key, { field, version }]) => ({ key, field, version }));
}

/**
 * Deletes what was set aside under a key that {@link list} gave; tells whether there was anything.
 *
 * @throws DurableError `record-unreadable`.
 *
 * @example
 * ```ts
 * for (const { key } of Quarantine.list(this)) Quarantine.discard(this, key);
 * ```
 */
export function discard(object: object, key: string): boolean {
  const fields = fieldsOf(object, "quarantine");
  if (!isSetAside(fields.record, key)) return false;
  fields.edit((record, kv) => {
    const { field, own = key } = record.quarantined![key]!;
    setEntry(record, "quarantined", key, undefined);
    deleteParts(fields, kv, field, own, read(kv, key));
    kv.delete(key);
  }, fields.record!.quarantined![key]!.field);
  return true;
}

/** Takes a value of a field out of the record and remembers where it is; false when there is none any more. */
function setAside(
  fields: Fields,
  record: StoredRecord,
  kv: SyncKvStorage,
  field: string,
  options: FieldOptions | undefined,
): boolean {
  const adopted = adoptedKey(record, options);
  const ofUser = adopted === undefined ? undefined : read(kv, adopted);
  if (ofUser !== undefined) {
    const version = versionOf(record, field);
    setEntry(record, "versions", field, undefined);
    keep(adopted!, ofUser, version, false, false);
    return true;
  }
  const name = nameIn(record, field, options);
  if (name === undefined) return false;
  const version = versionOf(record, name);
  const key = rowKey(record, name);
  const value = record.fields[name];
  const isShared = takeOut(record, name) === undefined;
  const row = isShared ? { value } : read(kv, key);
  const hasParts = row !== undefined && row !== DAMAGED && partsOf(fields, field, key, row) !== NONE;
  keep(key, row, version, isShared, hasParts);
  return true;

  function keep(from: string, row: Row | undefined, version: number, isShared: boolean, hasParts: boolean): void {
    // A row that is missing leaves nothing to keep.
    if (row === undefined) return;
    let key = from;
    // What has parts stays where it is, so that the field gets another key, and its parts other ones than these.
    if (row !== DAMAGED && (isShared || !hasParts)) {
      for (let nth = 1; isSetAside(record, (key = `${PREFIX}quarantine:${nth}`)); nth++);
      kv.put(key, row.value);
      kv.delete(from);
    }
    setEntry(record, "quarantined", key, { field, version, ...(hasParts && key !== from && { own: from }) });
  }
}

/** Deletes the rows that a value which was set aside has beside its own, as far as they can be found. */
function deleteParts(fields: Fields, kv: SyncKvStorage, name: string, own: string, row: Row | undefined): void {
  if (row === undefined || row === DAMAGED) return;
  const rows = new Rows();
  // Of what is damaged, the rows that only it tells about cannot be found.
  for (const collection of partsOf(fields, name, own, row) ?? []) freeRows(collection, rows, true);
  for (const key of rows.deletes) kv.delete(key);
}

/** The collections in what a row holds, if any; undefined where that cannot be read. */
function partsOf(fields: Fields, name: string, own: string, { value }: Row): readonly Collection[] | undefined {
  try {
    const found = fields.collectionsIn(name, own, value);
    return found.length > 0 ? found : NONE;
  } catch (error) {
    if (DurableError.is(error, "field-unreadable")) return undefined;
    throw error;
  }
}

const NONE: readonly Collection[] = [];

/** What a row holds. */
interface Row {
  readonly value: unknown;
}

/** Stands for bytes that cannot be decoded. */
const DAMAGED: Row = { value: undefined };

function read(kv: SyncKvStorage, key: string): Row | undefined {
  try {
    const value: unknown = kv.get(key);
    return value === undefined ? undefined : { value };
  } catch {
    return DAMAGED;
  }
}
