/**
 * @module
 * One loaded field: its raw value, and the tracked one that reading gives.
 */
import { DurableError } from "../errors.ts";
import { isPrimitive } from "../snapshot.ts";
import { collectionOf, decode, isHead, makeHeaded, unreadable, type Collection, type Store } from "./collection.ts";
import type { Site } from "./copy.ts";
import { isEqual } from "./equal.ts";
import { attach, detach, type Leaf, type Node, type Root } from "./node.ts";
import { track } from "./tree.ts";

/** Who keeps the fields of an object. */
export interface Keeper {
  /** Called before each change of a field's value. */
  change(field: Field): void;
  /** Reads a row of a field. */
  fetch(key: string): unknown;
  /** Called when another raw value has taken the place of a field's own. */
  swapped(field: Field): void;
  /** Called when a value that can change without our notice was handed out. */
  watch(leaf: Leaf): void;
}

/** Where a field's value as a whole goes. */
export class Place implements Site {
  readonly name: string;
  readonly #className: string;

  constructor(className: string, name: string) {
    this.#className = className;
    this.name = name;
  }

  get field(): string {
    return `${this.#className}.${this.name}`;
  }

  path(): PropertyKey[] {
    return [];
  }

  depth(): number {
    return 0;
  }
}

/** One loaded field. */
export class Field extends Place implements Root, Store {
  raw: unknown;
  isStored: boolean;
  isStale = false;
  /** True when the row that the value as a whole lies in has to be written. */
  isDirty = false;
  /** The collections that have something to write. */
  readonly dirty: Set<Collection> = new Set();
  /** The collections that the row of the value as a whole points to. */
  held: Set<Collection> = new Set();
  /** The collection that was the whole value, as long as its rows are there. */
  removed: Collection | undefined;
  readonly #keeper: Keeper;
  #node: Node | undefined;

  constructor(keeper: Keeper, className: string, name: string, isStored: boolean) {
    super(className, name);
    this.#keeper = keeper;
    this.isStored = isStored;
  }

  /** Takes what was read from the record or from the field's own row, or the default. */
  load(stored: unknown): void {
    this.raw = isHead(stored) ? makeHeaded(this, stored).raw : decode(stored, this, this.held);
  }

  /** What reading the field gives. */
  get value(): unknown {
    this.#node ??= track(this.raw, this);
    return this.#node === undefined ? this.raw : this.#node.handOut();
  }

  replace(raw: unknown): void {
    const old = this.raw;
    const collection = isPrimitive(old) ? undefined : collectionOf(old);
    // Before anything is changed, since it may be unreadable.
    collection?.complete();
    if (collection?.adopt(raw) === true) {
      attach(old as object, undefined);
      attach(raw as object, collection);
    } else {
      this.isDirty ||= !this.isStored || this.held.size > 0 || !isEqual(old, raw);
      this.removed ??= collection;
    }
    detach(old);
    this.swap(old, raw);
  }

  change(): void {
    this.#keeper.change(this);
  }

  mark(): void {
    this.isDirty = true;
  }

  fetch(key: string): unknown {
    if (this.isStale) throw staleValue(this);
    try {
      return this.#keeper.fetch(key);
    } catch (cause) {
      throw unreadable(this.field, `the row "${key}" cannot be decoded`, cause);
    }
  }

  changed(collection: Collection): void {
    this.dirty.add(collection);
  }

  swap(_: unknown, fresh: unknown): void {
    this.raw = fresh;
    this.#node = undefined;
    if (!this.isStale) this.#keeper.swapped(this);
  }

  watch(leaf: Leaf): void {
    this.#keeper.watch(leaf);
  }
}

/** The error for a change inside a value before the object was ready. */
export function changedInConstructor(field: string): DurableError {
  return new DurableError(
    "changed-in-constructor",
    `${field} was changed inside in the constructor, where only assigning (a default) is possible. Move it to onStart: \`onStart() { … }\`.`,
  );
}

/** The error for a change of a value from before a failed write or a rollback. */
export function staleValue({ field, name }: Field): DurableError {
  return new DurableError(
    "stale-value",
    `A value of ${field} from before a failed write was used. Read it again: \`this.${name}\`.`,
  );
}
