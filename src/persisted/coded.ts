/**
 * @module
 * A field whose value a codec makes, such as an instance of a class.
 */
import { isEqual } from "../core/values/equal.ts";
import { copyPlain, isPrimitive } from "../core/values/snapshot.ts";
import { decode, encode, type Revived } from "./evolve.ts";
import { Field, type Keeper } from "./field.ts";
import type { Leaf } from "./tracking/node.ts";
import type { Codec } from "./options.ts";

/** Stands for what an instance that cannot be encoded would be. */
const BROKEN: unique symbol = Symbol();

/** A loaded field with a codec: its raw value is what the codec gave for the instance. */
export class CodedField extends Field {
  readonly #codec: Codec<unknown>;
  #instance: Instance | undefined;

  constructor(keeper: Keeper, className: string, name: string, key: string, revived: Revived, codec: Codec<unknown>) {
    super(keeper, className, name, key, revived);
    this.#codec = codec;
    if (revived.value !== undefined) this.#instance = new Instance(this, revived.value);
  }

  /** The instance itself; whether it was changed is seen when the field is written. */
  override get value(): unknown {
    const instance = (this.#instance ??= new Instance(this, decode(this.#codec, copyPlain(this.raw), this)));
    if (!isPrimitive(instance.value)) this.watch(instance);
    return instance.value;
  }

  override content(): unknown {
    return this.#instance === undefined ? decode(this.#codec, copyPlain(this.raw), this) : this.#instance.value;
  }

  override replace(raw: unknown): void {
    super.replace(raw);
    this.release();
  }

  override isHeld(value: unknown): boolean {
    return this.#instance !== undefined && Object.is(this.#instance.value, value);
  }

  override settle(raw: unknown): boolean {
    if (this.#instance !== undefined && !isEqual(this.encoded(this.#instance.value), raw)) return false;
    super.replace(raw);
    return true;
  }

  /** Lets go of the instance: reading makes another. */
  release(): void {
    if (this.#instance !== undefined) this.#instance.root = undefined;
    this.#instance = undefined;
  }

  /** What would be stored for an instance now. */
  encoded(value: unknown): unknown {
    try {
      return encode(this.#codec, value, this);
    } catch {
      return BROKEN;
    }
  }
}

/** What was handed out. */
class Instance implements Leaf {
  root: CodedField | undefined;
  readonly value: unknown;
  #was: unknown;

  constructor(root: CodedField, value: unknown) {
    this.root = root;
    this.value = value;
    this.#was = copyPlain(root.raw);
  }

  get isSilent(): boolean {
    return true;
  }

  hasChanged(): boolean {
    return !isEqual(this.root?.encoded(this.value), this.#was, true);
  }

  accept(): void {
    this.#was = this.root?.encoded(this.value);
  }

  mark(): void {
    this.root?.mark();
  }

  /** An instance cannot be put back: whoever reads the field gets another. */
  undo(): void {
    this.root?.release();
  }
}
