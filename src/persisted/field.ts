/**
 * @module
 * One loaded field: its raw value, and the tracked one that reading gives.
 */
import { DurableError } from "../errors.ts";
import { copyPlain } from "../snapshot.ts";
import type { Site } from "./copy.ts";
import { isEqual } from "./equal.ts";
import { detach, isSame, type Leaf, type Node, type Root } from "./node.ts";
import { track } from "./tree.ts";

/** Who keeps the fields of an object. */
export interface Keeper {
  /** Called before each change of a field's value. */
  change(field: Field): void;
  /** Called when another raw value has taken the place of a field's `old` one. */
  swapped(field: Field, old: object): void;
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
export class Field extends Place implements Root {
  raw: unknown;
  isStored: boolean;
  from: string | undefined;
  isStale = false;
  /** False when it was changed inside, and its schema or codec has not seen it since. */
  isChecked = true;
  readonly #keeper: Keeper;
  #node: Node | undefined;

  constructor(keeper: Keeper, className: string, name: string, { raw, isStored, from }: Loaded) {
    super(className, name);
    this.#keeper = keeper;
    this.raw = raw;
    this.isStored = isStored;
    this.from = from;
    this.#node = track(raw, this);
  }

  /** What reading the field gives. */
  get value(): unknown {
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

  replace(raw: unknown): void {
    detach(this.raw);
    this.raw = raw;
    this.#node = track(raw, this);
  }

  change(): void {
    this.#keeper.change(this);
  }

  swap(old: object, fresh: object): void {
    this.raw = fresh;
    this.#node = track(fresh, this);
    if (!this.isStale) this.#keeper.swapped(this, old);
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
    `A value of ${field} from before a failed write, or a conversion by its schema, was changed. Read it again: \`this.${name}\`.`,
  );
}
