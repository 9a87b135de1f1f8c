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
import { fieldsOf } from "./accessors.ts";
import { adoptedKey, nameIn } from "./evolve.ts";
import { isSetAside, rowKey, setEntry, takeOut, versionOf, type StoredRecord } from "./layout.ts";
import type { FieldOptions } from "./options.ts";

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
    fields.read(field);
    return false;
  } catch (error) {
    if (!DurableError.is(error, "field-unreadable") && !DurableError.is(error, "field-newer")) throw error;
  }
  fields.edit(
    (record, kv) => setAside(record, kv, field, options),
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
  return Object.entries(quarantined).map(([key, what]) => ({ key, ...what }));
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
    setEntry(record, "quarantined", key, undefined);
    kv.delete(key);
  });
  return true;
}

/** Takes the value of a field out of the record and remembers where it is. */
function setAside(record: StoredRecord, kv: SyncKvStorage, field: string, options: FieldOptions | undefined): void {
  const adopted = adoptedKey(record, options);
  const row = adopted === undefined ? undefined : read(kv, adopted);
  if (row !== undefined) {
    const version = versionOf(record, field);
    setEntry(record, "versions", field, undefined);
    return keep(adopted!, row, version);
  }
  const name = nameIn(record, field, options) ?? field;
  const version = versionOf(record, name);
  const key = rowKey(record, name);
  const value = record.fields[name];
  const isShared = takeOut(record, name) === undefined;
  keep(key, isShared ? { value } : read(kv, key), version);

  function keep(from: string, row: Row | undefined, version: number): void {
    // A row that is missing leaves nothing to keep.
    if (row === undefined) return;
    let key = from;
    if (row !== DAMAGED) {
      for (let nth = 1; isSetAside(record, (key = `${PREFIX}quarantine:${nth}`)); nth++);
      kv.put(key, row.value);
      kv.delete(from);
    }
    setEntry(record, "quarantined", key, { field, version });
  }
}

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
