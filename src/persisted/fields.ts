/**
 * @module
 * The registry of one object's loaded fields: what the decorator's accessors read and assign, when it is written, and when memory
 * goes back to what is stored.
 */
import { AfterWrite } from "../core/after-write.ts";
import { changedTooEarly, checkWritable, openScope, type Owner, type Scope } from "../core/entry/scope.ts";
import { isEqual } from "../core/values/equal.ts";
import { DurableError } from "../core/errors.ts";
import type { Plan } from "../core/plan.ts";
import { isPrimitive } from "../core/values/snapshot.ts";
import { adopt } from "../storage/kv/keys.ts";
import { stateOf } from "../storage/storage-state.ts";
import { copyIn, isSmall } from "./tracking/copy.ts";
import { admit, encode, NOTHING, validate } from "./evolve.ts";
import { FieldLoader } from "./field-loader.ts";
import { staleValue, type Field, type Keeper } from "./field.ts";
import { emptyRecord, plainIn, type StoredRecord } from "./rows/layout.ts";
import { Node, type Leaf, type Tell } from "./tracking/node.ts";
import { fieldsByKey, optionsOf, PLAIN } from "./options.ts";
import { checkKeyed, planRows } from "./rows/planner.ts";
import { joinTransactions } from "./transactions.ts";
import { Watcher, type WatcherOwner, type Writers } from "./tracking/watcher.ts";

/** Where an instance keeps its {@link Fields}; a symbol, since a stub reaches string names only. */
export const FIELDS: unique symbol = Symbol("durable-base.fields");

/** The fields of one object. */
export class Fields implements Keeper, WatcherOwner {
  readonly #owner: Owner;
  readonly #ctx: DurableObjectState;
  readonly #plan: Plan;
  readonly #defaults = new Map<string, unknown>();
  #loaded = new Map<string, Field>();
  /** The platform's own, without the fields' part in it. */
  readonly #transact: (work: () => void) => void;
  /** Restores the storage's own transactions. */
  #leave: (() => void) | undefined;
  readonly #loader: FieldLoader;
  /** Undefined until it is needed; null when nothing is stored. */
  #record: StoredRecord | null | undefined;
  readonly #changed = new Set<Field>();
  readonly #watcher = new Watcher(this);
  /** The entries that changed something since the last write; undefined stands for code outside any entry. */
  readonly #writers = new Set<Scope | undefined>();
  /** What was taken out of fields and would be theirs again after a rollback. */
  readonly #taken = new Map<Node, Field>();
  /** Told of each change; undefined while nobody follows them. */
  #tell: Tell | undefined;
  /** Told when fields went back to what is stored. */
  #reset: (() => void) | undefined;
  /** Work that waits until the fields are written. It knows the user's open transactions. */
  readonly #after = new AfterWrite();
  #isScheduled = false;
  /** The error of the last write that failed; not undefined, which would be no argument. */
  failure: DurableError | null = null;
  /** True once the record holds every field of the plan. */
  #isComplete = false;
  #isRetired = false;

  constructor(className: string, plan: Plan, ctx: DurableObjectState, owner: Owner) {
    this.#plan = plan;
    this.#loader = new FieldLoader(this, className, plan.fields, ctx.storage);
    this.#ctx = ctx;
    this.#owner = owner;
    const { storage } = stateOf(ctx.storage);
    this.#transact = storage.transactionSync.bind(storage);
    if (plan.fields.size > 0) this.join();
    // Even if there are none: an older instance on the same storage may have had some.
    adopt(ctx.storage, fieldsByKey(plan.fields));
  }

  /** Follows the user's transactions from now on: called before one matters. */
  join(): void {
    this.#leave ??= joinTransactions(stateOf(this.#ctx.storage).storage, this);
  }

  /** What reading the field gives: the stored value, else the default. */
  read(name: string): unknown {
    const field = this.#loaded.get(name);
    if (field !== undefined) return field.value;
    const record = this.#readRecord();
    // Most values are primitives in the record, which need no field until they are written.
    const value = optionsOf(this.#plan.fields.get(name)) === PLAIN ? plainIn(record, name) : undefined;
    return value !== undefined && isPrimitive(value) ? value : this.#load(name).value;
  }

  /** Assigns the field; in the constructor this sets the default only. */
  assign(name: string, value: unknown): void {
    const known = this.#loaded.get(name);
    if (known?.writer !== undefined && known.writer === this.#owner.running && known.rewrite(value)) return;
    if (this.#owner.isConstructing) {
      this.#defaults.set(name, this.#asDefault(name, value));
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
    const isPlain = field.options === PLAIN;
    const raw = !isReplaced ? undefined : isPlain ? copyIn(value, field) : admit(value, field);
    checkKeyed(raw, field);
    this.change(field);
    if (!isReplaced) return;
    // Only what differs from the old value is written, so that has to be known.
    if (!this.#watcher.isEmpty) this.#watcher.find(openScope(this.#owner), field);
    field.replace(raw);
    field.isChecked = true;
    this.#loaded.set(name, field);
    this.#tell?.(field);
    // Until the next write, nothing has to be noted when the same entry assigns it again.
    if (isPlain && this.#owner.refusal === undefined && this.#tell === undefined) field.writer = this.#owner.running;
  }

  /** Returns the plain data that is kept for a default. */
  #asDefault(name: string, value: unknown): unknown {
    if (isSmall(value) && optionsOf(this.#plan.fields.get(name)).codec === undefined) return value;
    const field = this.#loader.make(name, NOTHING);
    const raw = encode(value, field);
    checkKeyed(raw, field);
    return raw;
  }

  /** The name stored with the object, for wake-ups by id alone. */
  storedName(): string | undefined {
    return this.#readRecord()?.name;
  }

  /** Called before each change of a field's value. */
  change(field: Field): Tell | undefined {
    checkWritable(this.#owner, field.field);
    if (field.isStale) throw staleValue(field);
    const scope = openScope(this.#owner);
    if (scope?.failure !== undefined) throw scope.failure;
    field.isChecked = false;
    this.#writers.add(scope);
    this.#changed.add(field);
    this.#schedule();
    return this.#tell;
  }

  /** Calls `tell` for each change and `reset` for each reset from now on, after those that were added earlier. */
  follow(tell: Tell, reset: () => void): void {
    const [tellOthers, resetOthers] = [this.#tell, this.#reset];
    this.#tell = (part, operation) => {
      tellOthers?.(part, operation);
      tell(part, operation);
    };
    this.#reset = () => {
      resetOthers?.();
      reset();
    };
    for (const field of this.#loaded.values()) field.writer = undefined;
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
  afterWrite(work: () => void, undone?: () => void): void {
    if (this.#owner.refusal?.() !== undefined) return undone?.();
    this.#after.add(work, undone, openScope(this.#owner));
    this.#schedule();
  }

  /** The object is over: what waits is dropped. */
  drop(): void {
    this.#after.drop(0);
  }

  /** Called when a value that can change without our notice was handed out. */
  watch(leaf: Leaf): void {
    this.#watcher.watch(leaf, openScope(this.#owner));
    this.#schedule();
  }

  /** Writes what changed since the last time. Never throws: see `Changes.flush`. */
  flush(scope?: Scope): void {
    // Nothing may be written before the subclass has given its defaults.
    if (this.#owner.isConstructing) return;
    try {
      this.#watcher.find(scope);
      if (this.#changed.size > 0) this.#writeChanges();
    } catch (cause) {
      this.#fail(cause);
    }
    this.#after.stored();
  }

  #writeChanges(): void {
    if (this.#isRetired) throw this.#owner.refusal!();
    this.#checkChanges();
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
    const field = this.#watcher.undo();
    return field === undefined ? undefined : changedTooEarly(field);
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

  foundChange(leaf: Leaf, field: Field, writers: Writers): void {
    if (field.isStale) return this.#failWriters(staleValue(field), writers);
    leaf.mark();
    // What an instance becomes is known once it was encoded.
    if (leaf instanceof Node) this.#tell?.(leaf);
    field.isChecked = false;
    this.#changed.add(field);
    for (const scope of writers) this.#writers.add(scope);
  }

  /** Lets schemas and codecs see what was changed inside. */
  #checkChanges(): void {
    for (const field of this.#changed) {
      const { schema, codec } = field.options;
      if (field.isChecked || (schema === undefined && codec === undefined)) continue;
      // A schema that gives what it got has nothing to say about it again.
      if (codec === undefined && isEqual(validate(schema!, field.content(), field), field.raw)) continue;
      const raw = admit(field.content(), field);
      if (field.settle(raw)) {
        if (codec !== undefined) this.#tell?.(field);
        continue;
      }
      // The schema made another value of it: what is held of this one is no part of the field any more.
      this.#changed.delete(field);
      field.isStale = true;
      const fresh = this.#keep(this.#loader.make(field.name, { ...NOTHING, raw, from: field.from }));
      fresh.replaceOf(field);
      this.#tell?.(fresh);
      this.#changed.add(fresh);
    }
  }

  /** Fails the entries that wrote; where there is none to tell, the object starts again from what is stored. */
  #failWriters(error: DurableError, scopes: Writers): void {
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
    this.#failWriters(error, writers);
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
    // What was changed in place until now goes back with the rest.
    this.#watcher.accept();
    for (const field of this.#loaded.values()) field.isStale = true;
    for (const [node, field] of this.#taken) node.parent ??= field;
    this.#taken.clear();
    this.#loaded = new Map();
    this.#record = undefined;
    this.#isComplete = false;
    this.#changed.clear();
    this.#writers.clear();
    this.#reset?.();
  }

  /** The record holds a field's raw value itself, unless its options made another of it. */
  swapped({ from, raw }: Field, old: unknown): void {
    if (from !== undefined && !isPrimitive(old) && this.#record?.fields[from] === old) this.#record.fields[from] = raw;
  }

  fetch(key: string): unknown {
    return this.#loader.kv.get(key);
  }

  /** Stores the fields that are to be stored when the object wakes up, if they are not. */
  begin(): void {
    try {
      for (const [name, field] of this.#plan.fields) {
        if (optionsOf(field).eager === true && !this.#isKnown(name, this.#readRecord())) this.#addDefault(name);
      }
    } catch (error) {
      // Whoever uses a field gets the error.
      if (!DurableError.is(error, "record-unreadable")) throw error;
    }
    if (this.#changed.size > 0) this.write();
  }

  /** Tells whether any field has been written, as far as that can be read. */
  get isWritten(): boolean {
    try {
      return this.#readRecord() !== null;
    } catch {
      return false;
    }
  }

  #readRecord(): StoredRecord | null {
    return this.#record === undefined ? (this.#record = this.#loader.readRecord()) : this.#record;
  }

  /** Loads a field; where nothing is stored and it is about to be assigned, its default does not matter. */
  #load(name: string, isAssigned = false): Field {
    const field = this.#loader.load(name, this.#readRecord());
    if (field !== undefined) return this.#keep(field);
    return isAssigned
      ? this.#loader.make(name, NOTHING)
      : this.#keep(this.#loader.remake(name, this.#defaults.get(name)));
  }

  #isKnown(name: string, record: StoredRecord | null): boolean {
    return this.#loaded.get(name)?.isStored === true || this.#loader.isKnown(name, record);
  }

  #keep(field: Field): Field {
    this.#loaded.set(field.name, field);
    return field;
  }

  /** Lets a field that is not stored be written with its default, if that can be stored: whoever reads it gets the error. */
  #addDefault(name: string): void {
    try {
      this.#changed.add(this.#loaded.get(name) ?? this.#load(name));
    } catch (error) {
      if (!DurableError.is(error)) throw error;
    }
  }

  /** One row where one is enough, else all or nothing. */
  #writeRows(): void {
    const kv = this.#loader.kv;
    const stored = this.#readRecord();
    const record = stored ?? emptyRecord();
    const isFirst = !this.#isComplete;
    // An object that was woken by its id alone may learn its name later.
    const name = isFirst && record.name === undefined ? this.#ctx.id.name : undefined;
    if (name !== undefined) record.name = name;
    // The first write stores all defaults with it, so a random one is stable from then on.
    for (const name of isFirst ? this.#plan.fields.keys() : []) {
      if (!this.#isKnown(name, record)) this.#addDefault(name);
    }
    const { puts, deletes } = planRows(this.#changed, record, stored === null || name !== undefined);
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
}
