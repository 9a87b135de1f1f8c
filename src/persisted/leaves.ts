/**
 * @module
 * Tracked Dates, bytes, RegExps and Errors: values without members.
 */
import { rawBehind } from "../snapshot.ts";
import { Node, nodeOf, type Leaf, type Parent } from "./node.ts";

/** A Date that reports its setters. */
class TrackedDate extends Date {
  static {
    for (const name of Object.getOwnPropertyNames(Date.prototype)) {
      if (!name.startsWith("set")) continue;
      const original = Reflect.get(Date.prototype, name) as (...args: number[]) => number;
      Object.defineProperty(TrackedDate.prototype, name, {
        value(this: TrackedDate, ...args: number[]): number {
          nodeOf(this, DateNode, "a Date").touch();
          const time = Reflect.apply(original, this, args);
          (rawBehind(this) as Date).setTime(time);
          return time;
        },
      });
    }
  }
}

abstract class LeafNode extends Node implements Leaf {
  abstract hasChanged(): boolean;

  override handOut(): object {
    this.root?.watch(this);
    return this.outward;
  }
}

export class DateNode extends LeafNode {
  declare readonly raw: Date;
  readonly outward: Date;

  constructor(raw: Date, parent: Parent) {
    super(raw, parent);
    // A property of its own would not be stored, so it can have none.
    this.outward = Object.preventExtensions(new TrackedDate(raw.getTime()));
    this.remember();
  }

  /** `Date.prototype.setTime.call(date, …)` goes past our setters. */
  hasChanged(): boolean {
    const time = this.outward.getTime();
    if (Object.is(time, this.raw.getTime())) return false;
    this.raw.setTime(time);
    return true;
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
  }

  hasChanged(): boolean {
    const now = this.#now();
    const was = this.#was;
    if (now.length === was.length && now.every((byte, i) => byte === was[i])) return false;
    this.#was = now.slice();
    return true;
  }

  #now(): Uint8Array {
    return ArrayBuffer.isView(this.raw)
      ? new Uint8Array(this.raw.buffer, this.raw.byteOffset, this.raw.byteLength)
      : new Uint8Array(this.raw);
  }
}

/** A RegExp or Error: nothing in it that is stored can be changed. */
export class FrozenNode extends Node {
  // A RegExp's `lastIndex` must stay writable, and is not part of what is stored.
  readonly outward: object = this.raw instanceof RegExp ? Object.preventExtensions(this.raw) : freeze(this.raw);
}

function freeze(value: object): object {
  for (const part of Object.values(Object.getOwnPropertyDescriptors(value))) {
    if (typeof part.value === "object" && part.value !== null) freeze(part.value as object);
  }
  return Object.freeze(value);
}
