/**
 * @module
 * Loading fields: from the record, a row of their own or a key of the user's, or as their default.
 */
import { DurableError } from "../core/errors.ts";
import { copyPlain } from "../core/values/snapshot.ts";
import { withoutSqlite } from "../storage/handle.ts";
import {
  adoptedKey,
  find,
  nameIn,
  NOTHING,
  remake,
  replaceUnreadable,
  revive,
  type Found,
  type Revived,
} from "./evolve.ts";
import { Field, type Keeper } from "./field.ts";
import { isKept, readRecord, rowKey, setEntry, type StoredRecord } from "./rows/layout.ts";
import { prepare } from "./tracking/node.ts";
import type { Plan } from "../core/plan.ts";
import { optionsOf } from "./options.ts";
import { encode } from "./rows/packing.ts";

/** Loads the fields of one object; who keeps them keeps the record, too. */
export class FieldLoader {
  readonly #keeper: Keeper;
  readonly #className: string;
  readonly #fields: Plan["fields"];
  readonly #storage: DurableObjectStorage;
  #kv: SyncKvStorage | undefined;

  constructor(keeper: Keeper, className: string, fields: Plan["fields"], storage: DurableObjectStorage) {
    this.#keeper = keeper;
    this.#className = className;
    this.#fields = fields;
    this.#storage = storage;
  }

  /** Looked up once: native properties aren't cheap, and storage without SQLite has none. */
  get kv(): SyncKvStorage {
    return (this.#kv ??= this.#storage.kv);
  }

  /** @throws DurableError `record-unreadable`; `no-sqlite-storage`. */
  readRecord(): StoredRecord | null {
    try {
      return readRecord(this.kv) ?? null;
    } catch (error) {
      throw withoutSqlite(this.#storage, this.#className) ?? error;
    }
  }

  /**
   * Loads what is stored for a field; undefined when nothing is.
   *
   * @throws DurableError `field-unreadable`, `field-newer`, or what `onUnreadable` throws.
   */
  load(name: string, record: StoredRecord | null): Field | undefined {
    const stored = this.make(name, NOTHING);
    const { key, onUnreadable } = stored.options;
    // Once the user has deleted the unreadable row under a key, the field's value goes there again.
    if (key !== undefined && isKept(record, key) && !this.#hasRow(key)) setEntry(record, "unreadable", key, undefined);
    const found = find(record, stored);
    if (found === undefined) return undefined;
    try {
      return this.#revive(found, record, stored);
    } catch (error) {
      if (onUnreadable === undefined || !DurableError.is(error, "field-unreadable")) throw error;
      const field = this.make(name, replaceUnreadable(error, plain(found, stored), stored));
      field.unreadable = found;
      return field;
    }
  }

  /** Makes a field of its default. */
  remake(name: string, given: unknown): Field {
    return this.make(name, remake(given, this.make(name, NOTHING)));
  }

  make(name: string, revived: Revived): Field {
    // A class that a decorator of the user's has replaced has the fields of the one that it was given, and no plan of them.
    const plan = this.#fields.get(name) ?? { name, dialect: "accessor" };
    return new Field(this.#keeper, this.#className, plan, revived);
  }

  /** Returns true if something is stored for a field. */
  isKnown(name: string, record: StoredRecord | null): boolean {
    const field = { name, options: optionsOf(this.#fields.get(name)) };
    if (nameIn(record, field) !== undefined) return true;
    const key = adoptedKey(record, field);
    return key !== undefined && this.#hasRow(key);
  }

  /** A row that cannot be read is there all the same. */
  #hasRow(key: string): boolean {
    try {
      return this.kv.get(key) !== undefined;
    } catch {
      return true;
    }
  }

  /** Makes a field of what was found. */
  #revive(found: Found, record: StoredRecord | null, stored: Field): Field {
    const { name } = stored;
    const { from, flaw } = found;
    if (flaw !== undefined) throw flaw;
    // A row of the user's holds plain data.
    if (from === undefined) return this.make(name, revive(found, stored));
    stored.from = from;
    stored.key = rowKey(record!, from);
    stored.load(found.value);
    // What decoding put in the place of pointers is not what is stored.
    if (stored.held.size > 0 && Object.hasOwn(record!.fields, from)) record!.fields[from] = encode(stored.raw);
    // Later there would be no other value to take its place.
    if (stored.options.onUnreadable !== undefined) prepare(stored.raw, true);
    const revived = revive({ ...found, value: stored.raw }, stored);
    if (revived.isStored && adoptedKey(record, stored) === undefined) {
      stored.isStored = true;
      return stored;
    }
    const raw = revived.raw === stored.raw ? copyPlain(stored.raw) : revived.raw;
    const field = this.make(name, { ...revived, raw, isStored: false });
    field.replaceOf(stored);
    return field;
  }
}

/** The plain data that was found; undefined if not all of it can be decoded. */
function plain({ from, value }: Found, { raw }: Field): unknown {
  try {
    return from === undefined ? value : copyPlain(raw);
  } catch {
    return undefined;
  }
}
