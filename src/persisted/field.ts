/**
 * @module
 * One loaded field: its raw value, and the tracked one that reading gives.
 */
import { isEqual } from "../core/values/equal.ts";
import { DurableError, quote } from "../core/errors.ts";
import { copyPlain, isPrimitive } from "../core/values/snapshot.ts";
import { collectionOf, isHead, NONE, type Collection, type Store } from "./rows/collection.ts";
import { isSmall, type Site } from "./tracking/copy.ts";
import { fieldKey, unreadable } from "./rows/layout.ts";
import { Instance } from "./codec-instance.ts";
import { decode, type Found, type Revived } from "./evolve.ts";
import { optionsOf, type FieldOptions } from "./options.ts";
import type { FieldPlan } from "../core/plan.ts";
import { attach, detach, isSame, mark, prepare, type Leaf, type Node, type Root, type Tell } from "./tracking/node.ts";
import { decode as decodePointers, makeHeaded } from "./rows/pointers.ts";
import { track } from "./tracking/tree.ts";

/** Who keeps the fields of an object. */
export interface Keeper {
  /** Called before each change of a field's value. */
  change(field: Field): Tell | undefined;
  /** Reads a row. */
  fetch(key: string): unknown;
  /** Called when another raw value has taken the place of a field's `old` one. */
  swapped(field: Field, old: unknown): void;
  /** Called when a part of a field was taken out of it, or out of another that may be its again. */
  took(field: Field, node: Node, from?: Node): void;
  /** Called when a value that can change without our notice was handed out. */
  watch(leaf: Leaf): void;
}

/** One loaded field. */
export class Field implements Root, Store, Site {
  readonly name: string;
  readonly field: string;
  readonly options: FieldOptions;
  raw: unknown;
  isStored: boolean;
  from: string | undefined;
  isStale = false;
  /** False when it was changed inside, and its schema or codec has not seen it since. */
  isChecked = true;
  /** True when the row that the value as a whole lies in has to be written. */
  isDirty = false;
  /** The entry that assigned it, as long as it may do so again without anything to note. */
  writer: object | undefined;
  /** The key of the field's own row, which those of its parts come from. */
  key: string;
  /** The collections that have something to write. */
  dirty: Set<Collection> | undefined;
  /** The collections that the row of the value as a whole points to. */
  held: ReadonlySet<Collection> = NONE;
  /** The stored value that couldn't be read and is to be kept when this one is written. */
  unreadable: Found | undefined;
  /** A collection that was the whole value, as long as its rows are there. */
  removed: Collection | undefined;
  readonly #keeper: Keeper;
  /** The part that reading hands out, unless the raw value is a primitive. */
  #part: Node | Instance | undefined;

  constructor(keeper: Keeper, className: string, plan: FieldPlan, { raw, value, isStored, from }: Revived) {
    this.name = plan.name;
    this.field = `${className}.${plan.name}`;
    this.options = optionsOf(plan);
    this.#keeper = keeper;
    this.key = fieldKey(plan.name);
    this.raw = raw;
    this.isStored = isStored;
    this.from = from;
    if (this.options.codec !== undefined && value !== undefined) this.#part = new Instance(this, value);
  }

  path(): PropertyKey[] {
    return [];
  }

  depth(): number {
    return 0;
  }

  /** Takes what lies in the record or in the field's own row; what is large is loaded when it is used. */
  load(stored: unknown): void {
    if (isHead(stored)) {
      this.raw = makeHeaded(this, stored).raw;
    } else if (isPrimitive(stored)) {
      this.raw = stored;
    } else {
      const held = new Set<Collection>();
      this.raw = this.decode(stored, held);
      if (held.size > 0) this.held = held;
    }
  }

  /** Takes the place of a field whose rows go with its own next write. */
  replaceOf(field: Field): void {
    this.removed = field.removed ?? (isPrimitive(field.raw) ? undefined : collectionOf(field.raw));
    this.held = field.held;
    this.unreadable = field.unreadable;
  }

  /** What reading the field gives. */
  get value(): unknown {
    const { raw } = this;
    if (this.options.codec !== undefined) return this.#instance().handOut();
    if (isPrimitive(raw)) return raw;
    return (this.#part ??= track(raw, this)).handOut();
  }

  #instance(): Instance {
    return (this.#part ??= new Instance(this, decode(copyPlain(this.raw), this))) as Instance;
  }

  /** Tells whether assigning `value` changes nothing. */
  isHeld(value: unknown): boolean {
    if (this.options.codec === undefined) return isSame(this.raw, value);
    return this.#part !== undefined && Object.is(this.#instance().value, value);
  }

  /** The value as its schema sees it. */
  content(): unknown {
    return this.options.codec === undefined ? copyPlain(this.raw) : this.#instance().value;
  }

  /** Takes what {@link content} was admitted as; false when that is another value, and this one stale. */
  settle(raw: unknown): boolean {
    if (this.options.codec === undefined) return isEqual(raw, this.raw);
    const instance = this.#instance();
    if (!isEqual(instance.encoded(), raw)) return false;
    this.replace(raw);
    this.#part = instance;
    instance.root = this;
    return true;
  }

  /** Lets go of what was handed out: reading makes another. */
  release(): void {
    if (this.#part instanceof Instance) this.#part.root = undefined;
    this.#part = undefined;
  }

  /** Takes another small primitive in place of one; false where that is not what they are. */
  rewrite(value: unknown): boolean {
    if (!isPrimitive(this.raw) || !isSmall(value)) return false;
    this.raw = value;
    return true;
  }

  replace(raw: unknown): void {
    const old = this.raw;
    if (isPrimitive(old) && isPrimitive(raw)) {
      this.raw = raw;
      this.isDirty = true;
      this.release();
      return;
    }
    const collection = isPrimitive(old) ? undefined : collectionOf(old);
    prepare(old);
    collection?.complete();
    for (const inner of this.dirty ?? []) if (inner !== collection) mark(inner.raw);
    if (collection?.adopt(raw) === true) {
      attach(old as object, undefined);
      attach(raw as object, collection);
    } else {
      this.isDirty ||= !this.isStored || this.held.size > 0 || !isEqual(old, raw, true);
      this.removed ??= collection;
      if (collection !== undefined) this.dirty?.delete(collection);
    }
    detach(old);
    this.swap(old, raw);
  }

  change(): Tell | undefined {
    return this.#keeper.change(this);
  }

  mark(): void {
    this.isDirty = true;
  }

  fetch(key: string): unknown {
    if (this.isStale) throw staleValue(this);
    try {
      return this.#keeper.fetch(key);
    } catch (cause) {
      throw unreadable(this, `The bytes of its row ${quote(key)} cannot be decoded.`, { cause });
    }
  }

  decode(stored: unknown, held: Set<Collection>): unknown {
    return decodePointers(stored, this, held);
  }

  changed(collection: Collection): void {
    (this.dirty ??= new Set()).add(collection);
  }

  swap(old: unknown, fresh: unknown): void {
    this.raw = fresh;
    this.release();
    if (!this.isStale) this.#keeper.swapped(this, old);
  }

  took(node: Node, from?: Node): void {
    this.#keeper.took(this, node, from);
  }

  watch(leaf: Leaf): void {
    this.#keeper.watch(leaf);
  }
}

/** The error for a change of a value from before a failed write or a rollback. */
export function staleValue({ field, name }: Field): DurableError {
  return new DurableError(
    "stale-value",
    `A value of ${field} from before a failed write, or a conversion by its schema, was used. Read it again: \`this.${name}\`.`,
  );
}
