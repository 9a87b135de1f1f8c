/**
 * @module
 * One loaded field: its raw value, and the tracked one that reading gives.
 */
import { isEqual } from "../core/values/equal.ts";
import { DurableError, quote } from "../core/errors.ts";
import { copyPlain, isPrimitive } from "../core/values/snapshot.ts";
import { collectionOf, isHead, NONE, type Collection, type Store } from "./rows/collection.ts";
import { isSmall, type Site } from "./tracking/copy.ts";
import { unreadable } from "./rows/layout.ts";
import { attach, detach, isSame, mark, prepare, type Leaf, type Node, type Root, type Tell } from "./tracking/node.ts";
import { decode, makeHeaded } from "./rows/pointers.ts";
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

/** A field's stored value. */
export interface Found {
  readonly value: unknown;
  readonly version: number;
  /** The name under which the record knows it, the field's own or an older one; undefined for a row of the user's. */
  readonly from: string | undefined;
  /** Why its row can't be read. */
  readonly flaw?: DurableError;
}

/** What a field is loaded with. */
export interface Loaded {
  /** Its value as plain data. */
  readonly raw: unknown;
  /** True when that is what is stored, as the field's own. */
  readonly isStored: boolean;
  /** The name under which the record knows what is stored; undefined when it does not. */
  readonly from: string | undefined;
}

/** One loaded field. */
export class Field implements Root, Store, Site {
  readonly name: string;
  readonly field: string;
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
  #node: Node | undefined;

  constructor(keeper: Keeper, className: string, name: string, key: string, { raw, isStored, from }: Loaded) {
    this.name = name;
    this.field = `${className}.${name}`;
    this.#keeper = keeper;
    this.key = key;
    this.raw = raw;
    this.isStored = isStored;
    this.from = from;
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
    this.#node ??= track(this.raw, this);
    return this.#node === undefined ? this.raw : this.#node.handOut();
  }

  /** Tells whether assigning `value` changes nothing. */
  isHeld(value: unknown): boolean {
    return isSame(this.raw, value);
  }

  /** The value as its schema sees it. */
  content(): unknown {
    return copyPlain(this.raw);
  }

  /** Takes what {@link content} was admitted as; false when that is another value, and this one stale. */
  settle(raw: unknown): boolean {
    return isEqual(raw, this.raw);
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
    return decode(stored, this, held);
  }

  changed(collection: Collection): void {
    (this.dirty ??= new Set()).add(collection);
  }

  swap(old: unknown, fresh: unknown): void {
    this.raw = fresh;
    this.#node = undefined;
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
