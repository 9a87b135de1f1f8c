/**
 * @module
 * Tracked plain objects and arrays.
 */
import { isIndex, MAX_HOLES } from "./copy.ts";
import { ContainerNode, isSame, nodeOf } from "./node.ts";

/** Plain objects and arrays: changed by assigning, deleting and defining properties. */
export class ObjectNode<T extends object = object> extends ContainerNode<T> {
  get(target: T, key: PropertyKey, receiver: unknown): unknown {
    const value: unknown = Reflect.get(target, key, receiver);
    if (typeof value !== "object" || value === null) return value;
    // `__proto__` of Object.prototype is no data of ours.
    return key === "__proto__" && !Object.hasOwn(target, key) ? value : this.give(value);
  }

  set(target: T, key: PropertyKey, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.outward) return Reflect.set(target, key, value, receiver);
    this.checkKey(key);
    const old: unknown = Reflect.get(target, key);
    if (isSame(old, value) && Object.hasOwn(target, key)) return true;
    const copy = this.copyIn(value, key);
    this.touch();
    this.release(old);
    return Reflect.set(target, key, copy);
  }

  deleteProperty(target: T, key: PropertyKey): boolean {
    if (!Object.hasOwn(target, key)) return true;
    this.touch();
    this.release(Reflect.get(target, key));
    return Reflect.deleteProperty(target, key);
  }

  defineProperty(target: T, key: PropertyKey, property: PropertyDescriptor): boolean {
    this.checkKey(key);
    const full = {
      writable: false,
      enumerable: false,
      configurable: false,
      ...Reflect.getOwnPropertyDescriptor(target, key),
      ...property,
    };
    const isArrayLength = key === "length" && Array.isArray(target);
    if (
      !("value" in full) ||
      "get" in property ||
      !full.writable ||
      (!isArrayLength && !(full.enumerable && full.configurable))
    ) {
      throw this.refuse(
        "only plain properties can be stored: no getters, all of them writable, enumerable and configurable. Assign the value.",
        key,
      );
    }
    return "value" in property ? this.set(target, key, property.value, this.outward) : true;
  }

  getOwnPropertyDescriptor(target: T, key: PropertyKey): PropertyDescriptor | undefined {
    const property: PropertyDescriptor | undefined = Reflect.getOwnPropertyDescriptor(target, key);
    if (property !== undefined) property.value = this.give(property.value);
    return property;
  }

  checkKey(key: PropertyKey): void {
    if (typeof key === "symbol")
      throw this.refuse("a property named by a symbol cannot be stored. Name it by a string.");
    if (key === "__proto__")
      throw this.refuse("a property cannot be named `__proto__`. Use a Map for keys that come from outside.");
  }

  swap(old: object, fresh: object): void {
    Reflect.set(this.raw, this.keyOf(old), fresh);
  }

  override keyOf(child: object): PropertyKey {
    return Object.keys(this.raw).find((key) => Reflect.get(this.raw, key) === child) ?? "?";
  }
}

/** An array: its methods that move elements are its own, so that a held reference goes along. */
export class ArrayNode extends ObjectNode<unknown[]> {
  override get(target: unknown[], key: PropertyKey, receiver: unknown): unknown {
    const value: unknown = Reflect.get(target, key, receiver);
    if (typeof value === "object" && value !== null) return super.get(target, key, receiver);
    return typeof value === "function" && Object.hasOwn(arrayMethods, key)
      ? arrayMethods[key as keyof typeof arrayMethods]
      : value;
  }

  override set(target: unknown[], key: PropertyKey, value: unknown, receiver: unknown): boolean {
    if (key !== "length" || receiver !== this.outward) return super.set(target, key, value, receiver);
    const length = Number(value);
    if (length === target.length) return true;
    if (length > target.length) this.checkGap(length);
    this.touch();
    const removed = target.slice(length);
    target.length = length;
    for (const child of removed) this.release(child);
    return true;
  }

  override checkKey(key: PropertyKey): void {
    super.checkKey(key);
    if (key === "length") return;
    if (!isIndex(key as string)) throw this.refuse(`an array cannot carry the property ${String(key)}. Use an object.`);
    this.checkGap(Number(key));
  }

  checkGap(length: number): void {
    if (length - this.raw.length > MAX_HOLES)
      throw this.refuse("that leaves over a million holes in the array. Use a Map.");
  }

  override keyOf(child: object): PropertyKey {
    return this.raw.indexOf(child);
  }
}

/**
 * The array methods that change the array. JavaScript's own would work through the traps, but would copy
 * each element they move, and a reference held to one would go astray.
 */
const arrayMethods = {
  push(this: unknown[], ...items: unknown[]): number {
    const node = arrayOf(this);
    const copies = items.map((item, i) => node.copyIn(item, node.raw.length + i));
    if (copies.length > 0) node.touch();
    for (const copy of copies) node.raw.push(copy);
    return node.raw.length;
  },
  pop(this: unknown[]): unknown {
    const node = arrayOf(this);
    if (node.raw.length === 0) return undefined;
    node.touch();
    return node.release(node.raw.pop());
  },
  shift(this: unknown[]): unknown {
    const node = arrayOf(this);
    if (node.raw.length === 0) return undefined;
    node.touch();
    return node.release(node.raw.shift());
  },
  unshift(this: unknown[], ...items: unknown[]): number {
    const node = arrayOf(this);
    const copies = items.map((item, i) => node.copyIn(item, i));
    if (copies.length > 0) node.touch();
    return node.raw.unshift(...copies);
  },
  splice(this: unknown[], ...args: [start: number, count?: number, ...items: unknown[]]): unknown[] {
    const node = arrayOf(this);
    const [start, count, ...items] = args;
    const copies = items.map((item, i) => node.copyIn(item, start + i));
    if (args.length === 0) return [];
    node.touch();
    // With one argument everything behind `start` goes; an explicit undefined counts as 0.
    const removed = args.length === 1 ? node.raw.splice(start) : node.raw.splice(start, count!, ...copies);
    return removed.map((child) => node.release(child));
  },
  sort(this: unknown[], compare?: (a: unknown, b: unknown) => number): unknown[] {
    const node = arrayOf(this);
    // A copy, since a comparator can change the list.
    const sorted =
      typeof compare === "function"
        ? node.raw.slice().sort((a, b) => compare(node.give(a), node.give(b)))
        : node.raw.slice().sort(compare);
    node.touch();
    // Emptied first, so that holes come back as holes, at the end.
    node.raw.length = 0;
    node.raw.length = sorted.length;
    sorted.forEach((item, i) => (node.raw[i] = item));
    return this;
  },
  reverse(this: unknown[]): unknown[] {
    const node = arrayOf(this);
    node.touch();
    node.raw.reverse();
    return this;
  },
  fill(this: unknown[], value: unknown, start?: number, end?: number): unknown[] {
    const node = arrayOf(this);
    const filled = node.raw.slice().fill(FILL, start, end);
    // Each element is a copy of its own: a tree shares nothing.
    const copies = filled.map((item, i) => (item === FILL ? node.copyIn(value, i) : item));
    node.touch();
    for (let i = 0; i < filled.length; i++) {
      if (filled[i] !== FILL) continue;
      node.release(node.raw[i]);
      node.raw[i] = copies[i];
    }
    return this;
  },
  copyWithin(this: unknown[], target: number, start: number, end?: number): unknown[] {
    const node = arrayOf(this);
    node.touch();
    const before = node.raw.slice();
    node.raw.copyWithin(target, start, end);
    const seen = new Set<unknown>();
    // What stayed in its place stays attached there; a second place gets a copy.
    for (let i = 0; i < before.length; i++) if (node.raw[i] === before[i]) seen.add(before[i]);
    for (let i = 0; i < before.length; i++) {
      const child = node.raw[i];
      if (typeof child !== "object" || child === null || child === before[i]) continue;
      if (seen.has(child)) node.raw[i] = node.copyIn(child, i);
      else seen.add(child);
    }
    for (const child of before) if (!seen.has(child)) node.release(child);
    return this;
  },
};

/** Marks the places that `fill` fills. */
const FILL = {};

function arrayOf(outward: object): ArrayNode {
  return nodeOf(outward, ArrayNode, "an array");
}
