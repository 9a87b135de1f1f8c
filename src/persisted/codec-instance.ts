/**
 * @module
 * The value that a codec makes of a field's plain data, such as an instance of a class.
 */
import { isEqual } from "../core/values/equal.ts";
import { copyPlain, isPrimitive } from "../core/values/snapshot.ts";
import { encode, type Evolving } from "./evolve.ts";
import type { Leaf, Root } from "./tracking/node.ts";

/** Stands for what an instance that cannot be encoded would be. */
const BROKEN: unique symbol = Symbol();

/** The field of an instance. */
interface Coded extends Root, Evolving {
  /** Lets go of the instance: reading makes another. */
  release(): void;
}

/** The value that reading a field with a codec returns. A change inside it is noticed when the field is written. */
export class Instance implements Leaf {
  root: Coded | undefined;
  readonly value: unknown;
  #was: unknown;

  constructor(root: Coded, value: unknown) {
    this.root = root;
    this.value = value;
    this.#was = copyPlain(root.raw);
  }

  handOut(): unknown {
    if (!isPrimitive(this.value)) this.root?.watch(this);
    return this.value;
  }

  get isSilent(): boolean {
    return true;
  }

  /** Returns the plain data that would be stored for it now. */
  encoded(): unknown {
    try {
      return this.root && encode(this.value, this.root);
    } catch {
      return BROKEN;
    }
  }

  hasChanged(): boolean {
    return !isEqual(this.encoded(), this.#was, true);
  }

  accept(): void {
    this.#was = this.encoded();
  }

  mark(): void {
    this.root?.mark();
  }

  /** An instance cannot be put back: whoever reads the field gets another. */
  undo(): void {
    this.root?.release();
  }
}
