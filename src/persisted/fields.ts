/**
 * @module
 * The fields of one object: loading them, writing what changed, forgetting what could not be written.
 */
import { openScope, type Owner, type Scope } from "../entry.ts";
import { DurableError } from "../errors.ts";
import type { Plan } from "../plan.ts";
import { copyPlain, isPrimitive } from "../snapshot.ts";
import { MAX_ROW } from "../storage/size.ts";
import { withoutSqlite } from "../storage/sqlite.ts";
import { unreadable } from "./collection.ts";
import { copyIn, isSmall } from "./copy.ts";
import { changedInConstructor, Field, Place, staleValue, type Keeper } from "./field.ts";
import { emptyRecord, fieldKey, readRecord, RECORD_KEY, sharesRecord, upgrade, type StoredRecord } from "./layout.ts";
import { isSame, type Leaf } from "./node.ts";
import { encode, isTooLarge, Packer, Rows, tooLarge } from "./packing.ts";
import { joinTransactions } from "./transactions.ts";

/** Where an instance keeps its {@link Fields}; a symbol, since a stub reaches string names only. */
export const FIELDS: unique symbol = Symbol("durable-base.fields");

/** Stands for a value that lies in a row of its own. */
const NOT_HERE = {};

/** The fields of one object. */
export class Fields implements Keeper {
  readonly #owner: Owner;
  readonly #ctx: DurableObjectState;
  readonly #className: string;
  readonly #plan: Plan;
  readonly #defaults = new Map<string, unknown>();
  #loaded = new Map<string, Field>();
  /** The platform's own, without the fields' part in it. */
  readonly #transact: (work: () => void) => void;
  #storage: SyncKvStorage | undefined;
  /** Undefined until it is needed; null when nothing is stored. */
  #record: StoredRecord | null | undefined;
  readonly #changed = new Set<Field>();
  /** What was handed out and can change without a call of ours, with the entries that got it. */
  readonly #watched = new Map<Leaf, Set<Scope>>();
  /** The entries that changed something since the last write; undefined stands for code outside any entry. */
  readonly #writers = new Set<Scope | undefined>();
  #isScheduled = false;
  /** The error of the last write that failed; not undefined, which would be no argument. */
  failure: DurableError | null = null;
  /** True once the record holds every field of the plan. */
  #isComplete = false;

  constructor(className: string, plan: Plan, ctx: DurableObjectState, owner: Owner) {
    this.#className = className;
    this.#plan = plan;
    this.#ctx = ctx;
    this.#owner = owner;
    this.#transact = ctx.storage.transactionSync.bind(ctx.storage);
    if (plan.fields.size > 0) joinTransactions(ctx.storage, this);
  }

  /** What reading the field gives: the stored value, else the default. */
  read(name: string): unknown {
    const field = this.#loaded.get(name);
    if (field !== undefined) return field.value;
    // Most values are primitives of the record, which need no bookkeeping until they are written.
    const record = this.#readRecord();
    const value =
      record !== null && Object.hasOwn(record.fields, name)
        ? record.fields[name]
        : record === null || !record.rows.has(name)
          ? this.#defaults.get(name)
          : NOT_HERE;
    return isPrimitive(value) ? value : this.#load(name).value;
  }

  /** Assigns the field; in the constructor this sets the default only. */
  assign(name: string, value: unknown): void {
    const known = this.#loaded.get(name);
    if (this.#owner.isConstructing) {
      this.#defaults.set(name, isSmall(value) ? value : copyIn(value, new Place(this.#className, name)));
      if (known !== undefined && !known.isStored) {
        known.isStale = true;
        this.#loaded.delete(name);
      }
      return;
    }
    const field = known ?? this.#load(name);
    if (field.isStored && isSame(field.raw, value)) return;
    const raw = copyIn(value, field);
    this.change(field);
    // Only what differs from the old value is written, so that has to be known.
    if (this.#watched.size > 0) this.#noticeChanges(openScope(this.#owner));
    field.replace(raw);
  }

  /** The name stored with the object, for wake-ups by id alone. */
  storedName(): string | undefined {
    return this.#readRecord()?.name;
  }

  /** Called before each change of a field's value. */
  change(field: Field): void {
    if (this.#owner.isConstructing) {
      throw changedInConstructor(field.field);
    }
    if (field.isStale) {
      throw staleValue(field);
    }
    const refusal = this.#owner.refusal?.();
    if (refusal !== undefined) throw refusal;
    const scope = openScope(this.#owner);
    if (scope?.failure !== undefined) throw scope.failure;
    this.#writers.add(scope);
    this.#changed.add(field);
    this.#schedule();
  }

  /** Called when a value that can change without our notice was handed out. */
  watch(leaf: Leaf): void {
    const scope = openScope(this.#owner);
    const holders = this.#watched.get(leaf);
    if (holders === undefined) this.#watched.set(leaf, new Set(scope === undefined ? [] : [scope]));
    else if (scope !== undefined) holders.add(scope);
    this.#schedule();
  }

  /** Writes what changed since the last time. Never throws: see {@link Owner.flush}. */
  flush(scope?: Scope): void {
    // Nothing may be written before the subclass has given its defaults.
    if (this.#owner.isConstructing) return;
    try {
      if (this.#watched.size > 0) this.#noticeChanges(scope);
      if (this.#changed.size === 0) return;
      this.#writeRows();
      this.#changed.clear();
      this.#writers.clear();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** As {@link flush}, but throws; also the error of an earlier write, if it came after `failure`. */
  write(failure: Error | null = this.failure): void {
    this.flush(openScope(this.#owner));
    if (this.failure !== failure) throw this.failure;
  }

  /** Ends the constructor phase: a change that could not be refused at its line is undone, and its error given. */
  endConstruction(): DurableError | undefined {
    let error: DurableError | undefined;
    for (const leaf of this.#watched.keys()) {
      if (leaf.root === undefined || !leaf.hasChanged()) continue;
      leaf.undo();
      error ??= changedInConstructor(leaf.root.field);
    }
    return error;
  }

  /** The synchronous part of an entry ends with a write anyway. */
  #schedule(): void {
    if (this.#isScheduled || this.#owner.running !== undefined) return;
    this.#isScheduled = true;
    // Not queueMicrotask, which takes workerd 2 µs to a promise's 0.3.
    void Promise.resolve().then(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }

  /** Finds what was changed without a call of ours; whoever holds it changed it, else the entry that is about to end. */
  #noticeChanges(ending: Scope | undefined): void {
    for (const [leaf, holders] of this.#watched) {
      for (const scope of holders) if (!scope.isOpen) holders.delete(scope);
      const field = leaf.root as Field | undefined;
      if (field === undefined || (field.isStale && holders.size === 0)) this.#watched.delete(leaf);
      else if (leaf.hasChanged()) this.#blame(leaf, field, holders.size === 0 ? [ending] : [...holders]);
      else if (holders.size === 0 && !leaf.isSilent) this.#watched.delete(leaf);
    }
  }

  #blame(leaf: Leaf, field: Field, scopes: readonly (Scope | undefined)[]): void {
    if (field.isStale) {
      leaf.accept();
      this.#tell(staleValue(field), scopes);
    } else if (scopes.every((scope) => scope?.failure !== undefined)) {
      // An entry that failed changes nothing any more.
      leaf.undo();
    } else {
      leaf.accept();
      leaf.mark();
      this.#changed.add(field);
      for (const scope of scopes) this.#writers.add(scope);
    }
  }

  /** Fails the entries that wrote; where there is none to tell, the object starts again from what is stored. */
  #tell(error: DurableError, scopes: readonly (Scope | undefined)[]): void {
    for (const scope of scopes) {
      if (scope?.isOpen) scope.failure ??= error;
      else this.#ctx.abort(`durable-base: a change made outside any entry failed. ${error.message}`);
    }
  }

  #fail(cause: unknown): void {
    const names = [...this.#changed].map(({ field }) => field).join(", ");
    const error = DurableError.is(cause)
      ? cause
      : new DurableError(
          "write-failed",
          `${names} could not be written; the change was taken back. The cause is in \`error.cause\`.`,
          { cause },
        );
    this.failure = error;
    const writers = [...this.#writers];
    this.forget();
    this.#tell(error, writers);
  }

  /** Memory goes back to what is stored: everything is read again when it is used again. */
  forget(): void {
    // What was changed in place until now goes back with the rest; only a later change is one of a stale value.
    for (const leaf of this.#watched.keys()) if (leaf.hasChanged()) leaf.accept();
    for (const field of this.#loaded.values()) field.isStale = true;
    this.#loaded = new Map();
    this.#record = undefined;
    this.#isComplete = false;
    this.#changed.clear();
    this.#writers.clear();
  }

  /** The record holds a field's raw value itself. */
  swapped({ name, raw, held }: Field): void {
    if (this.#record && Object.hasOwn(this.#record.fields, name))
      this.#record.fields[name] = held.size > 0 ? encode(raw) : raw;
  }

  fetch(key: string): unknown {
    return this.#kv.get(key);
  }

  /** Native properties are no cheap ones, so it is looked up once. */
  get #kv(): SyncKvStorage {
    return (this.#storage ??= this.#ctx.storage.kv);
  }

  #readRecord(): StoredRecord | null {
    if (this.#record !== undefined) return this.#record;
    try {
      return (this.#record = readRecord(this.#kv) ?? null);
    } catch (error) {
      throw withoutSqlite(this.#ctx.storage, this.#className) ?? error;
    }
  }

  #load(name: string): Field {
    const record = this.#readRecord();
    const isShared = record !== null && Object.hasOwn(record.fields, name);
    const isStored = isShared || record?.rows.has(name) === true;
    const field = new Field(this, this.#className, name, isStored);
    if (isShared) field.load(record.fields[name]);
    else if (!isStored) field.load(copyPlain(this.#defaults.get(name)));
    else {
      const stored = field.fetch(fieldKey(name));
      if (stored === undefined) throw unreadable(field.field, `the row "${fieldKey(name)}" is missing`);
      field.load(stored);
    }
    // What decoding put in the place of pointers is not what is stored.
    if (isShared && field.held.size > 0) record.fields[name] = encode(field.raw);
    this.#loaded.set(name, field);
    return field;
  }

  /** One row where one is enough, else all or nothing. */
  #writeRows(): void {
    const kv = this.#kv;
    const stored = this.#readRecord();
    const record = stored ?? emptyRecord();
    const isFirst = !this.#isComplete;
    // An object that was woken by its id alone may learn its name later.
    const name = isFirst && record.name === undefined ? this.#ctx.id.name : undefined;
    if (name !== undefined) record.name = name;
    // The first write stores all defaults with it, so a random one is stable from then on.
    for (const name of isFirst ? this.#plan.fields.keys() : []) {
      if (!Object.hasOwn(record.fields, name) && !record.rows.has(name)) {
        this.#changed.add(this.#loaded.get(name) ?? this.#load(name));
      }
    }
    const rows = new Rows();
    let isRecordChanged = stored === null || name !== undefined;
    for (const field of this.#changed) if (this.#place(field, record, rows)) isRecordChanged = true;
    if (isRecordChanged) {
      upgrade(record);
      rows.put(RECORD_KEY, record);
    }
    const { puts, deletes } = rows;
    const writeAll = (): void => {
      for (const [key, value] of puts) kv.put(key, value);
      for (const key of deletes) kv.delete(key);
    };
    if (puts.size + deletes.size === 1) writeAll();
    else if (puts.size + deletes.size > 1) this.#transact(writeAll);
    this.#record = record;
    this.#isComplete = true;
  }

  /** Puts what changed of a field into its rows; tells whether the record changed by it. */
  #place(field: Field, record: StoredRecord, rows: Rows): boolean {
    const { name, raw } = field;
    const packer = new Packer(field, rows);
    packer.writeAll(field.dirty);
    if (!field.isDirty && field.isStored) {
      packer.end();
      return false;
    }
    if (field.removed !== undefined) packer.free(field.removed);
    const key = fieldKey(name);
    const hadRow = record.rows.has(name);
    const { stored, bytes, held } = packer.inline(raw, field.held);
    const isShared = sharesRecord(bytes, hadRow);
    if (isShared) {
      record.fields[name] = stored;
      record.rows.delete(name);
      rows.delete(key, hadRow);
    } else {
      if (isTooLarge(raw, bytes)) packer.make(raw, "");
      else if (bytes + key.length > MAX_ROW) throw tooLarge(field.field, bytes);
      else rows.put(key, stored);
      delete record.fields[name];
      record.rows.add(name);
    }
    packer.end();
    field.held = held;
    field.removed = undefined;
    field.isDirty = false;
    field.isStored = true;
    return isShared || !hadRow;
  }
}
