/**
 * @module
 * Tracked Dates, bytes, RegExps and Errors: values without members.
 */
import { NativeDate } from "../../core/values/snapshot.ts";
import { refused } from "./copy.ts";
import { Node, nodeBehind, nodeFor, type Leaf, type Parent } from "./node.ts";

/**
 * The setters of a tracked Date, which report the change. They are own, non-enumerable properties, so that its prototype
 * stays `Date.prototype`: other code (`util.isDeepStrictEqual`, capnweb) recognizes a Date by that.
 */
const SETTERS: readonly (readonly [name: string, property: PropertyDescriptor])[] = Object.getOwnPropertyNames(
  NativeDate.prototype,
)
  .filter((name) => name.startsWith("set"))
  .map((name) => {
    const original = Reflect.get(NativeDate.prototype, name) as (...args: number[]) => number;
    const value = function (this: Date, ...args: number[]): number {
      const node = nodeBehind(this) as DateNode | undefined;
      const tell = node?.touch();
      const time = Reflect.apply(original, this, args);
      node?.accept();
      tell?.(node!);
      return time;
    };
    return [name, { value }];
  });

abstract class LeafNode extends Node implements Leaf {
  get isSilent(): boolean {
    return false;
  }

  abstract hasChanged(): boolean;
  abstract accept(): void;
  abstract undo(): void;

  override handOut(): object {
    this.root?.watch(this);
    return this.outward;
  }
}

/** A Date, which gets its {@link SETTERS} when it is first handed out. */
export class DateNode extends LeafNode {
  declare readonly raw: Date;
  readonly outward: Date;
  #was: number;

  constructor(raw: Date, parent: Parent) {
    super(raw, parent);
    // One by one takes three quarters of the time that `defineProperties` takes.
    for (const [name, property] of SETTERS) Object.defineProperty(raw, name, property);
    // Properties that users add wouldn't be stored, so it takes none.
    this.outward = Object.preventExtensions(raw);
    this.#was = raw.getTime();
    this.remember();
  }

  /** `Date.prototype.setTime.call(date, …)` goes past our setters. */
  hasChanged(): boolean {
    return !Object.is(this.raw.getTime(), this.#was);
  }

  accept(): void {
    this.#was = this.raw.getTime();
  }

  undo(): void {
    Date.prototype.setTime.call(this.raw, this.#was);
  }
}

/** Bytes are handed out as they are, and compared with a copy of what they were. */
export class BytesNode extends LeafNode {
  declare readonly raw: ArrayBufferView | ArrayBuffer;
  readonly outward: object;
  #was: Uint8Array;

  constructor(raw: ArrayBufferView | ArrayBuffer, parent: Parent) {
    super(raw, parent);
    this.outward = Object.preventExtensions(raw);
    this.#was = this.#now().slice();
    this.remember();
  }

  override get isSilent(): boolean {
    return true;
  }

  override handOut(): object {
    const { parent } = this;
    if (parent === undefined || !this.#isDetached()) return super.handOut();
    const fresh = nodeFor(this.#leaveInPlace(), parent);
    fresh.at = this.at;
    return fresh.handOut();
  }

  hasChanged(): boolean {
    if (this.#isDetached()) {
      this.#leaveInPlace();
      return false;
    }
    const now = this.#now();
    const was = this.#was;
    // A plain loop: a megabyte takes a closure ten times as long.
    for (let i = 0; i < now.length; i++) if (now[i] !== was[i]) return true;
    return false;
  }

  accept(): void {
    this.#was = this.#now().slice();
  }

  undo(): void {
    this.#now().set(this.#was);
  }

  #now(): Uint8Array {
    const { raw } = this;
    return ArrayBuffer.isView(raw) ? new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength) : new Uint8Array(raw);
  }

  #isDetached(): boolean {
    return ((ArrayBuffer.isView(this.raw) ? this.raw.buffer : this.raw) as ArrayBuffer).detached;
  }

  /** What was handed out was transferred away (`structuredClone`, a byte stream): the field keeps the bytes it had. */
  #leaveInPlace(): object {
    const { buffer } = this.#was;
    const kind = this.raw.constructor as new (bytes: ArrayBufferLike) => object;
    const parent = this.parent as { swap(old: object, fresh: object): void } | undefined;
    const fresh = this.raw instanceof ArrayBuffer ? buffer : new kind(buffer);
    this.parent = undefined;
    parent?.swap(this.raw, fresh);
    return fresh;
  }
}

/**
 * A RegExp, whose `lastIndex` is not stored, and whose `compile`, the one thing that changes the rest, is refused; or an Error,
 * which holds nothing but primitives, plain objects, arrays and Errors: all of it is frozen.
 */
export class FixedNode extends Node {
  readonly outward: object;

  constructor(raw: RegExp | Error, parent: Parent) {
    super(raw, parent);
    const value = (): never => {
      throw refused("`compile` cannot change a stored RegExp. Assign another.", this);
    };
    this.outward =
      raw instanceof Error ? freeze(raw) : Object.preventExtensions(Object.defineProperty(raw, "compile", { value }));
    this.remember();
  }
}

function freeze(value: object): object {
  for (const part of Object.values(Object.getOwnPropertyDescriptors(value))) {
    if (typeof part.value === "object" && part.value !== null) freeze(part.value as object);
  }
  return Object.freeze(value);
}
