/**
 * @module
 * The fields of one object: loading them, writing what changed, forgetting what could not be written.
 */
import { AfterWrite } from "../after-write.ts";
import { openScope, type Owner, type Scope } from "../entry.ts";
import { isEqual } from "../equal.ts";
import { DurableError, quote } from "../errors.ts";
import type { Plan } from "../plan.ts";
import { copyPlain, isPrimitive } from "../snapshot.ts";
import { adopt } from "../storage/keys.ts";
import { bytesOf, MAX_ROW, sizeOf } from "../storage/size.ts";
import { withoutSqlite } from "../storage/sqlite.ts";
import { stateOf } from "../storage/storage-state.ts";
import { CodedField } from "./coded.ts";
import { collectionOf, NONE, type Collection } from "./collection.ts";
import { copyIn, isSmall } from "./copy.ts";
import { validate, admit, adoptedKey, encode, find, nameIn, NOTHING, remake, revive, type Revived } from "./evolve.ts";
import { changedInConstructor, Field, staleValue, type Keeper } from "./field.ts";
import {
  emptyRecord,
  isVersioned,
  fieldKey,
  readRecord,
  RECORD_KEY,
  rowKey,
  setEntry,
  setVersion,
  sharesRecord,
  takeOut,
  upgrade,
  type StoredRecord,
} from "./layout.ts";
import type { Leaf, Node } from "./node.ts";
import { allOptions, fieldsByKey, type FieldOptions } from "./options.ts";
import { encode as withPointers, freeRows, isTooLarge, Packer, Rows, tooLarge } from "./packing.ts";
import { joinTransactions } from "./transactions.ts";

/** Where an instance keeps its {@link Fields}; a symbol, since a stub reaches string names only. */
export const FIELDS: unique symbol = Symbol("durable-base.fields");

/** Stands for a value that has to be loaded first. */
const NOT_HERE = {};

/** The fields of one object. */
export class Fields implements Keeper {
  readonly #owner: Owner;
  readonly #ctx: DurableObjectState;
  readonly #className: string;
  readonly #plan: Plan;
  /** By name, of the fields that have any; null when none has. */
  readonly #options: ReadonlyMap<string, FieldOptions> | null;
  readonly #defaults = new Map<string, unknown>();
  #loaded = new Map<string, Field>();
  /** The platform's own, without the fields' part in it. */
  readonly #transact: (work: () => void) => void;
  /** Restores the storage's own transactions. */
  #leave: (() => void) | undefined;
  #storage: SyncKvStorage | undefined;
  /** Undefined until it is needed; null when nothing is stored. */
  #record: StoredRecord | null | undefined;
  readonly #changed = new Set<Field>();
  /** What was handed out and can change without a call of ours, with the entries that got it. */
  readonly #watched = new Map<Leaf, Set<Scope>>();
  /** The entries that changed something since the last write; undefined stands for code outside any entry. */
  readonly #writers = new Set<Scope | undefined>();
  /** What was taken out of fields and would be theirs again after a rollback. */
  readonly #taken = new Map<Node, Field>();
  /** Work that waits until the fields are written. It knows the user's open transactions. */
  readonly #after = new AfterWrite();
  #isScheduled = false;
  /** The error of the last write that failed; not undefined, which would be no argument. */
  failure: DurableError | null = null;
  /** True once the record holds every field of the plan. */
  #isComplete = false;
  #isRetired = false;

  constructor(className: string, plan: Plan, ctx: DurableObjectState, owner: Owner) {
    this.#className = className;
    this.#plan = plan;
    this.#options = allOptions(plan);
    this.#ctx = ctx;
    this.#owner = owner;
    const { storage } = stateOf(ctx.storage);
    this.#transact = storage.transactionSync.bind(storage);
    if (plan.fields.size > 0) this.join();
    if (this.#options !== null) adopt(ctx.storage, fieldsByKey(this.#options));
  }

  /** Follows the user's transactions from now on: called before one matters. */
  join(): void {
    this.#leave ??= joinTransactions(stateOf(this.#ctx.storage).storage, this);
  }

  /** What reading the field gives: the stored value, else the default. */
  read(name: string): unknown {
    const field = this.#loaded.get(name);
    if (field !== undefined) return field.value;
    // Most values are primitives of the record, which need no bookkeeping until they are written.
    const record = this.#readRecord();
    const value =
      this.#options?.has(name) === true || isVersioned(record, name)
        ? NOT_HERE
        : record !== null && Object.hasOwn(record.fields, name)
          ? record.fields[name]
          : record === null || !record.rows.has(name)
            ? this.#defaults.get(name)
            : NOT_HERE;
    return isPrimitive(value) ? value : this.#load(name).value;
  }

  /** Assigns the field; in the constructor this sets the default only. */
  assign(name: string, value: unknown): void {
    const known = this.#loaded.get(name);
    if (known?.writer !== undefined && known.writer === this.#owner.running && known.rewrite(value)) return;
    const options = this.#options?.get(name);
    if (this.#owner.isConstructing) {
      this.#defaults.set(name, isSmall(value) && options?.codec === undefined ? value : this.#asDefault(name, value));
      if (known !== undefined && !known.isStored) {
        known.isStale = true;
        this.#loaded.delete(name);
      }
      return;
    }
    const field = known ?? this.#load(name, true);
    const isHeld = field.isHeld(value);
    if (isHeld && field.isStored) return;
    const isReplaced = !isHeld || known === undefined;
    const raw = !isReplaced ? undefined : options === undefined ? copyIn(value, field) : admit(value, options, field);
    checkKeyed(raw, options, field);
    this.change(field);
    if (!isReplaced) return;
    // Only what differs from the old value is written, so that has to be known.
    if (this.#watched.size > 0) this.#noticeChanges(openScope(this.#owner), field);
    field.replace(raw);
    field.isChecked = true;
    this.#loaded.set(name, field);
    // Until the next write, nothing has to be noted when the same entry assigns it again.
    if (options === undefined && this.#owner.refusal === undefined) field.writer = this.#owner.running;
  }

  /** What is kept for a default that is no small primitive, as most are. */
  #asDefault(name: string, value: unknown): unknown {
    const options = this.#options?.get(name);
    const field = this.#make(name, NOTHING);
    const raw = encode(options?.codec, value, field);
    checkKeyed(raw, options, field);
    return raw;
  }

  /** The name stored with the object, for wake-ups by id alone. */
  storedName(): string | undefined {
    return this.#readRecord()?.name;
  }

  /** Called before each change of a field's value. */
  change(field: Field): void {
    this.#allow(field.field);
    if (field.isStale) throw staleValue(field);
    const scope = openScope(this.#owner);
    if (scope?.failure !== undefined) throw scope.failure;
    field.isChecked = false;
    this.#writers.add(scope);
    this.#changed.add(field);
    this.#schedule();
  }

  /** Throws where nothing may be changed. */
  #allow(what: string): void {
    if (this.#owner.isConstructing) throw changedInConstructor(what);
    const refusal = this.#owner.refusal?.();
    if (refusal !== undefined) throw refusal;
  }

  /** Called when a part of a field was taken out of it, or out of a part that was: after a rollback it is the field's again. */
  took(field: Field, node: Node, from?: Node): void {
    if (from === undefined || this.#taken.has(from)) this.#taken.set(node, field);
  }

  /** A transaction of the user's begins. The function that is returned ends it. */
  begun(): (isCommitted: boolean) => void {
    const end = this.#after.begin();
    return (isCommitted) => {
      end(isCommitted);
      if (this.#after.open === 0) this.#taken.clear();
    };
  }

  /** See `Host.afterWrite`. */
  afterWrite(work: () => void): void {
    if (this.#owner.refusal?.() !== undefined) return;
    this.#after.add(work, openScope(this.#owner));
    this.#schedule();
  }

  /** The object is over: what waits is dropped. */
  drop(): void {
    this.#after.drop(0);
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
      if (this.#changed.size > 0) this.#writeChanges();
    } catch (cause) {
      this.#fail(cause);
    }
    this.#after.stored();
  }

  #writeChanges(): void {
    if (this.#isRetired) throw this.#owner.refusal!();
    if (this.#options !== null) this.#checkChanges(this.#options);
    this.#writeRows();
    for (const field of this.#changed) field.writer = undefined;
    this.#changed.clear();
    this.#writers.clear();
    if (this.#after.open === 0) this.#taken.clear();
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
  #noticeChanges(ending: Scope | undefined, only?: Field): void {
    for (const [leaf, holders] of this.#watched) {
      if (only !== undefined && leaf.root !== only) continue;
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
      field.isChecked = false;
      this.#changed.add(field);
      for (const scope of scopes) this.#writers.add(scope);
    }
  }

  /** Lets schemas and codecs see what was changed inside. */
  #checkChanges(all: ReadonlyMap<string, FieldOptions>): void {
    for (const field of this.#changed) {
      const options = all.get(field.name);
      if (field.isChecked || (options?.schema === undefined && options?.codec === undefined)) continue;
      // A schema that gives what it got has nothing to say about it again.
      if (options.codec === undefined && isEqual(validate(options.schema!, field.content(), field), field.raw))
        continue;
      const raw = admit(field.content(), options, field);
      if (field.settle(raw)) continue;
      // The schema made another value of it: what is held of this one is no part of the field any more.
      this.#changed.delete(field);
      field.isStale = true;
      const fresh = this.#keep(this.#make(field.name, { ...NOTHING, raw, from: field.from }));
      fresh.replaceOf(field);
      this.#changed.add(fresh);
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
    this.#after.drop();
    const writers = [...this.#writers];
    this.forget();
    this.#tell(error, writers);
  }

  /** Called when a newer instance of the object takes over: this one only reads what is stored, and writes nothing. */
  retire(): void {
    this.#isRetired = true;
    this.drop();
    this.forget();
    this.#leave?.();
  }

  /** Memory goes back to what is stored: everything is read again when it is used again. */
  forget(): void {
    // What was changed in place until now goes back with the rest; only a later change is one of a stale value.
    for (const leaf of this.#watched.keys()) if (leaf.hasChanged()) leaf.accept();
    for (const field of this.#loaded.values()) field.isStale = true;
    for (const [node, field] of this.#taken) node.parent ??= field;
    this.#taken.clear();
    this.#loaded = new Map();
    this.#record = undefined;
    this.#isComplete = false;
    this.#changed.clear();
    this.#writers.clear();
  }

  /** The record holds a field's raw value itself, unless its options made another of it. */
  swapped({ from, raw }: Field, old: unknown): void {
    if (from !== undefined && !isPrimitive(old) && this.#record?.fields[from] === old) this.#record.fields[from] = raw;
  }

  fetch(key: string): unknown {
    return this.#kv.get(key);
  }

  /** Stores the fields that are to be stored when the object wakes up, if they are not. */
  begin(): void {
    if (this.#options === null) return;
    try {
      for (const [name, { eager }] of this.#options) {
        if (eager === true && !this.#isKnown(this.#readRecord(), name)) this.#addDefault(name);
      }
    } catch (error) {
      // Whoever uses a field is told.
      if (!DurableError.is(error, "record-unreadable")) throw error;
    }
    this.write();
  }

  /** @throws DurableError `bad-option` when there is no such field. */
  optionsOf(name: string): FieldOptions | undefined {
    if (this.#plan.fields.has(name)) return this.#options?.get(name);
    throw new DurableError(
      "bad-option",
      `${this.#className} has no persisted field ${quote(name)}. It has: ${[...this.#plan.fields.keys()].join(", ")}.`,
    );
  }

  /** Tells whether any field has been written, as far as that can be read. */
  get isWritten(): boolean {
    try {
      return this.#readRecord() !== null;
    } catch {
      return false;
    }
  }

  /** What is stored about the object; null when nothing is. */
  get record(): StoredRecord | null {
    return this.#readRecord();
  }

  /** Changes the record itself, forgets a field, then does `change`, and writes all of it or nothing: for `quarantine.ts`. */
  edit(edit: (record: StoredRecord, kv: SyncKvStorage) => void, name?: string, change?: () => void): void {
    this.#allow(this.#className);
    // The object's own, which writes what is pending before, and what was changed within.
    this.#ctx.storage.transactionSync(() => {
      const record = readRecord(this.#kv) ?? emptyRecord();
      edit(record, this.#kv);
      this.#kv.put(RECORD_KEY, record);
      this.#record = undefined;
      const known = name === undefined ? undefined : this.#loaded.get(name);
      if (known !== undefined) {
        known.isStale = true;
        this.#loaded.delete(known.name);
      }
      change?.();
    });
  }

  /** The collections that a stored value is, or points to, where `key` is that of the field's own row. */
  collectionsIn(name: string, key: string, stored: unknown): readonly Collection[] {
    const field = new Field(this, this.#className, name, key, NOTHING);
    // Loading puts the collections in the place of what points to them.
    field.load(structuredClone(stored));
    const whole = isPrimitive(field.raw) ? undefined : collectionOf(field.raw);
    return whole === undefined ? [...field.held] : [whole];
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

  /** Loads a field; where nothing is stored and it is about to be assigned, its default does not matter. */
  #load(name: string, isAssigned = false): Field {
    const options = this.#options?.get(name);
    const stored = this.#make(name, NOTHING);
    const record = this.#readRecord();
    const found = find(this.#kv, record, stored, options);
    if (found === undefined) {
      if (isAssigned) return stored;
      return this.#keep(this.#make(name, remake(this.#defaults.get(name), options, stored)));
    }
    const { from } = found;
    // A row of the user's holds plain data.
    if (from === undefined) return this.#keep(this.#make(name, revive(found, options, stored)));
    stored.from = from;
    stored.key = rowKey(record!, from);
    stored.load(found.value);
    // What decoding put in the place of pointers is not what is stored.
    if (stored.held.size > 0 && Object.hasOwn(record!.fields, from)) record!.fields[from] = withPointers(stored.raw);
    const revived = revive({ ...found, value: stored.raw }, options, stored);
    if (revived.isStored && adoptedKey(record, options) === undefined) {
      stored.isStored = true;
      return this.#keep(stored);
    }
    const raw = revived.raw === stored.raw ? copyPlain(stored.raw) : revived.raw;
    const field = this.#make(name, { ...revived, raw, isStored: false });
    field.replaceOf(stored);
    return this.#keep(field);
  }

  /** Tells whether something is stored for a field. */
  #isKnown(record: StoredRecord | null, name: string): boolean {
    const options = this.#options?.get(name);
    if (nameIn(record, name, options) !== undefined) return true;
    const key = adoptedKey(record, options);
    if (key === undefined) return false;
    try {
      return this.#loaded.get(name)?.isStored === true || this.#kv.get(key) !== undefined;
    } catch {
      // What cannot be read is stored all the same; whoever uses the field is told.
      return true;
    }
  }

  #make(name: string, revived: Revived): Field {
    const codec = this.#options?.get(name)?.codec;
    const key = fieldKey(name);
    return codec === undefined
      ? new Field(this, this.#className, name, key, revived)
      : new CodedField(this, this.#className, name, key, revived, codec);
  }

  #keep(field: Field): Field {
    this.#loaded.set(field.name, field);
    return field;
  }

  /** Lets a field that is not stored be written with its default, if that can be stored: whoever reads it is told why not. */
  #addDefault(name: string): void {
    try {
      this.#changed.add(this.#loaded.get(name) ?? this.#load(name));
    } catch (error) {
      if (!DurableError.is(error)) throw error;
    }
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
      if (!this.#isKnown(record, name)) this.#addDefault(name);
    }
    const rows = new Rows();
    let isRecordChanged = stored === null || name !== undefined;
    for (const field of this.#changed) if (this.#place(field, record, rows)) isRecordChanged = true;
    const { puts, deletes } = rows;
    const isAnyChanged = isRecordChanged || puts.size + deletes.size > 0;
    if (isAnyChanged && (upgrade(record) || isRecordChanged)) rows.put(RECORD_KEY, record);
    const writeAll = (): void => {
      for (const [key, value] of puts) kv.put(key, value);
      for (const key of deletes) kv.delete(key);
    };
    if (puts.size + deletes.size === 1) writeAll();
    else if (puts.size + deletes.size > 1) this.#transact(writeAll);
    this.#record = record;
    this.#isComplete = true;
    if (stored === null) this.#owner.written();
  }

  /** Puts what changed of a field into its rows; tells whether the record changed by it. */
  #place(field: Field, record: StoredRecord, rows: Rows): boolean {
    const { name, raw, from } = field;
    const options = this.#options?.get(name);
    // Most fields are numbers and short texts that stay in the record.
    if (
      isPrimitive(raw) &&
      isSmall(raw) &&
      options === undefined &&
      from === name &&
      Object.hasOwn(record.fields, name)
    ) {
      if (field.removed === undefined && field.held === NONE && !isVersioned(record, name)) {
        record.fields[name] = raw;
        field.isDirty = false;
        field.isStored = true;
        return true;
      }
    }
    const adopted = adoptedKey(record, options);
    // `undefined` under a key of the user's would look like no row: it is noted in the record.
    const key = raw === undefined ? undefined : adopted;
    if (adopted !== undefined && adopted !== key) rows.delete(adopted, true);
    let isRecordChanged = false;
    const packer = new Packer(field, rows);
    if (field.removed !== undefined) freeRows(field.removed, rows);
    if (from !== undefined && (from !== name || key !== undefined)) {
      isRecordChanged = true;
      const old = takeOut(record, from);
      if (old !== undefined) rows.delete(old, true);
    }
    packer.writeAll(field.dirty);
    const isCollection = !isPrimitive(raw) && collectionOf(raw) !== undefined;
    if (key !== undefined) {
      this.#putOwn(field, key, raw, sizeOf(raw), rows);
      packer.drop(field.held);
      field.held = NONE;
    } else if (!isCollection && (field.isDirty || !field.isStored)) {
      const hadRow = record.rows.has(name);
      field.key = rowKey(record, name);
      const { stored, bytes, held } = packer.inline(raw, field.held);
      const isShared = sharesRecord(bytes, hadRow);
      if (isShared) {
        if (hadRow) rows.delete(takeOut(record, name)!, true);
        record.fields[name] = stored;
      } else {
        // What its parts are, its own rows point to.
        if (isTooLarge(raw, bytes)) packer.make(raw, "");
        else this.#putOwn(field, field.key, stored, bytes, rows);
        record.rows.add(name);
        delete record.fields[name];
      }
      const isNamed = (!isShared || held.size > 0) && field.key !== fieldKey(name);
      setEntry(record, "keys", name, isNamed ? field.key : undefined);
      field.held = isPrimitive(raw) || collectionOf(raw) === undefined ? held : NONE;
      isRecordChanged ||= isShared || !hadRow;
    }
    packer.end();
    field.from = key === undefined ? name : undefined;
    field.removed = undefined;
    field.isDirty = false;
    field.isStored = true;
    return setVersion(record, name, options?.version ?? 1) || isRecordChanged;
  }

  #putOwn({ field }: Field, key: string, stored: unknown, bytes: number, rows: Rows): void {
    if (bytes + bytesOf(key) > MAX_ROW) throw tooLarge(field, bytes);
    rows.put(key, stored);
  }
}

/** Refuses what cannot lie in the one row of a key. */
function checkKeyed(raw: unknown, options: FieldOptions | undefined, { field }: Field): void {
  if (options?.key === undefined) return;
  const bytes = sizeOf(raw);
  if (bytes + bytesOf(options.key) > MAX_ROW) throw tooLarge(field, bytes);
}
