/**
 * @module
 * Tracked plain objects and arrays.
 */
import { isIndex, MAX_HOLES } from "./copy.ts";
import { isPrimitive, rawBehind } from "../../core/values/snapshot.ts";
import type { Collection } from "../rows/collection.ts";
import type { Keyed } from "../rows/entries.ts";
import type { List } from "../rows/list.ts";
import { ContainerNode, isSame, nodeOf, prepare } from "./node.ts";

/** Plain objects and arrays: changed by assigning, deleting and defining properties. */
abstract class PropertiesNode<T extends object, C extends Collection> extends ContainerNode<T, C> {
  /** Tells the collection that a property is about to get another value. */
  abstract noteSet(key: PropertyKey, isNew: boolean): void;
  /** Tells the collection that a property is about to go. */
  abstract noteDelete(key: PropertyKey): void;

  get(target: T, key: PropertyKey, receiver: unknown): unknown {
    this.need(key);
    const value: unknown = Reflect.get(target, key, receiver);
    if (typeof value !== "object" || value === null) return value;
    // `__proto__` of Object.prototype is no data of ours.
    return key === "__proto__" && !Object.hasOwn(target, key) ? value : this.give(value, key);
  }

  has(target: T, key: PropertyKey): boolean {
    this.need(key);
    return Reflect.has(target, key);
  }

  set(target: T, key: PropertyKey, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.outward) return Reflect.set(target, key, value, receiver);
    this.checkKey(key);
    this.need(key);
    if (Object.hasOwn(target, key) && isSame(Reflect.get(target, key), value)) return true;
    const copy = this.copyIn(value, key);
    const old: unknown = Reflect.get(target, key);
    const isNew = !Object.hasOwn(target, key);
    const tell = this.touch([old]);
    this.noteSet(key, isNew);
    Reflect.set(target, key, copy);
    tell?.(this, { op: "set", key, value: copy });
    return true;
  }

  deleteProperty(target: T, key: PropertyKey): boolean {
    this.need(key);
    const property = Reflect.getOwnPropertyDescriptor(target, key);
    if (property === undefined) return true;
    if (property.configurable !== true) return false;
    const tell = this.touch([property.value]);
    this.noteDelete(key);
    Reflect.deleteProperty(target, key);
    tell?.(this, { op: "delete", key });
    return true;
  }

  defineProperty(target: T, key: PropertyKey, property: PropertyDescriptor): boolean {
    this.checkKey(key);
    this.need(key);
    const { value, writable, enumerable, configurable, get, set } = {
      ...Reflect.getOwnPropertyDescriptor(target, key),
      ...property,
    };
    const isPlain = writable && ((enumerable && configurable) || (key === "length" && Array.isArray(target)));
    if (!isPlain || (get ?? set) !== undefined)
      throw this.refuse(
        "only plain properties can be stored: no getters, none hidden or read-only. Assign the value.",
        key,
      );
    return "value" in property ? this.set(target, key, value, this.outward) : true;
  }

  getOwnPropertyDescriptor(target: T, key: PropertyKey): PropertyDescriptor | undefined {
    this.need(key);
    const property: PropertyDescriptor | undefined = Reflect.getOwnPropertyDescriptor(target, key);
    if (property !== undefined) property.value = this.give(property.value, key);
    return property;
  }

  checkKey(key: PropertyKey): void {
    if (typeof key === "symbol")
      throw this.refuse("a property named by a symbol cannot be stored. Name it by a string.");
    if (key === "__proto__")
      throw this.refuse("a property cannot be named `__proto__`. Use a Map for keys that come from outside.");
  }

  abstract override keyOf(child: object, at?: unknown): PropertyKey;

  swap(old: object, fresh: object): void {
    Reflect.set(this.raw, this.keyOf(old), fresh);
  }
}

/** A plain object. */
export class ObjectNode extends PropertiesNode<object, Keyed> {
  override noteSet(key: PropertyKey, isNew: boolean): void {
    if (isNew) this.collection?.add(key);
    else this.collection?.change(key);
  }

  override noteDelete(key: PropertyKey): void {
    this.collection?.remove(key);
  }

  override keyOf(child: object, at?: unknown): PropertyKey {
    const isAt = (key: string): boolean => Reflect.get(this.raw, key) === child;
    return typeof at === "string" && isAt(at) ? at : Object.keys(this.raw).find(isAt)!;
  }
}

/** An array: its methods that move elements are its own, so that a held reference goes along. */
export class ArrayNode extends PropertiesNode<unknown[], List> {
  override get(target: unknown[], key: PropertyKey, receiver: unknown): unknown {
    this.need(key);
    const value: unknown = Reflect.get(target, key, receiver);
    if (typeof value === "object" && value !== null) return super.get(target, key, receiver);
    if (typeof value !== "function") return value;
    // Behind a Proxy that users put over this one, JavaScript's own methods run, which go through both Proxies' traps.
    if (receiver === this.outward && Object.hasOwn(arrayMethods, key)) {
      return Reflect.get(arrayMethods, key);
    }
    // `at` reads an index; the others go through all of it.
    if (key !== "at" && key !== "constructor") this.collection?.complete();
    return value;
  }

  override noteSet(key: PropertyKey, isNew: boolean): void {
    const [index, { length }] = [Number(key), this.raw];
    if (!isNew || index < length) this.collection?.change(index);
    else this.collection?.splice(length, 0, index + 1 - length);
  }

  override noteDelete(key: PropertyKey): void {
    this.collection?.change(Number(key));
  }

  override set(target: unknown[], key: PropertyKey, value: unknown, receiver: unknown): boolean {
    if (key !== "length" || receiver !== this.outward) return super.set(target, key, value, receiver);
    const length = Number(value);
    if (length !== length >>> 0) throw new RangeError("Invalid array length");
    if (length === target.length) return true;
    if (length > target.length) this.checkGap(length);
    if (length < target.length) this.collection?.needRange(length, 0);
    const tell = this.touch(target.slice(length));
    const before = target.length;
    this.collection?.splice(Math.min(before, length), Math.max(0, before - length), Math.max(0, length - before));
    target.length = length;
    tell?.(this, { op: "set", key, value: length });
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

  override keyOf(child: object, at?: unknown): PropertyKey {
    return this.raw[Number(at)] === child ? Number(at) : this.raw.indexOf(child);
  }
}

/**
 * The array methods that move items, and iterating. JavaScript's own would work through the traps, as `copyWithin` does, but
 * would copy each item they move, and a reference held to one would go astray; and they ask the traps twice for each item.
 */
const arrayMethods = {
  values,
  [Symbol.iterator]: values,
  push(this: unknown[], ...items: unknown[]): number {
    const node = arrayOf(this);
    splice(node, node.raw.length, 0, items);
    return node.raw.length;
  },
  pop(this: unknown[]): unknown {
    const node = arrayOf(this);
    return splice(node, Math.max(0, node.raw.length - 1), 1, [])[0];
  },
  shift(this: unknown[]): unknown {
    return splice(arrayOf(this), 0, 1, [])[0];
  },
  unshift(this: unknown[], ...items: unknown[]): number {
    const node = arrayOf(this);
    splice(node, 0, 0, items);
    return node.raw.length;
  },
  splice(this: unknown[], ...args: [start: number, count?: number, ...items: unknown[]]): unknown[] {
    const node = arrayOf(this);
    const [first, many, ...items] = args;
    const { length } = node.raw;
    const from = integer(first);
    const start = from < 0 ? Math.max(0, length + from) : Math.min(from, length);
    // With one argument everything behind `start` goes; an explicit undefined counts as 0.
    const count = args.length === 1 ? length - start : Math.min(Math.max(0, integer(many)), length - start);
    return splice(node, start, args.length === 0 ? 0 : count, items);
  },
};

/** Marks the places that `fill` fills. */
const FILLER = {};

// These run on a copy of the items, and what it is then becomes the array's.
for (const name of ["sort", "reverse", "fill"] as const) {
  const value = function (this: unknown[], ...args: unknown[]): unknown[] {
    const node = arrayOf(this);
    // Only a comparison looks at the items, which opens those that are large.
    const items = wholeArray(node).map((item, i) => (name === "sort" ? node.give(item, i) : item));
    const [given] = args;
    if (name === "fill") args[0] = FILLER;
    Reflect.apply(items[name], items, args);
    // A copy for each place, even of one of the items. Getters of the value may change the array.
    const copies = items.map((item, i) => (item === FILLER ? node.copyIn(given, i) : undefined));
    const own = new Set(node.raw);
    const fresh = items.map((item, i) => {
      if (item === FILLER) return copies[i];
      const raw = isPrimitive(item) ? item : (rawBehind(item) ?? item);
      return own.has(raw) ? raw : node.copyIn(item, i);
    });
    rearrange(node, fresh);
    return this;
  };
  Object.defineProperty(arrayMethods, name, { value });
}

const ArrayIterator = Object.getPrototypeOf([].values()) as object;

/** An iterator as JavaScript's: it follows the list as it is, and once at its end it stays there. */
function values(this: unknown[]): ArrayIterator<unknown> {
  const node = arrayOf(this);
  const raw = wholeArray(node);
  let i = 0;
  const next = (): IteratorResult<unknown> => {
    if (i < raw.length) return { value: node.give(raw[i], i++), done: false };
    i = Infinity;
    return { value: undefined, done: true };
  };
  return Object.assign(Object.create(ArrayIterator) as ArrayIterator<unknown>, { next });
}

/** The one way in which items come and go. */
function splice(node: ArrayNode, start: number, count: number, items: readonly unknown[]): unknown[] {
  const copies = items.map((item, i) => node.copyIn(item, start + i));
  const { raw } = node;
  // Copying can run getters, which can change the list.
  start = Math.min(start, raw.length);
  count = Math.min(count, raw.length - start);
  if (count === 0 && copies.length === 0) return [];
  node.collection?.needRange(start, count);
  for (let i = start; i < start + count; i++) prepare(raw[i], true);
  const tell = node.touch();
  const isEnd = start === raw.length;
  // First, since it may throw for too many.
  const gone = isEnd ? [] : raw.splice(start, count, ...copies);
  node.collection?.splice(start, count, copies.length);
  // One by one where that is enough: there may be too many for the arguments of a call.
  if (isEnd) for (const copy of copies) raw.push(copy);
  tell?.(node, { op: "splice", start, count, items: copies });
  return gone.map((child) => node.release(child));
}

/** Fills an array with these items: its own in another order, and copies. */
function rearrange(node: ArrayNode, items: readonly unknown[]): void {
  // A comparator can have changed the array.
  const raw = wholeArray(node);
  const before = raw.slice();
  const kept = new Set(items);
  const tell = node.touch(before.filter((item) => !kept.has(item)));
  // Emptied first, so that holes come back as holes.
  raw.length = 0;
  raw.length = items.length;
  items.forEach((item, i) => (raw[i] = item));
  const grown = raw.length - before.length;
  if (grown !== 0)
    node.collection?.splice(Math.min(raw.length, before.length), Math.max(0, -grown), Math.max(0, grown));
  node.collection?.rearrange(before);
  tell?.(node, { op: "rearrange", before });
}

/** The raw items, all of them loaded. */
function wholeArray(node: ArrayNode): unknown[] {
  node.collection?.complete();
  return node.raw;
}

/** What JavaScript makes of an argument that stands for a place or a number of items. */
function integer(value: unknown): number {
  return Math.trunc(Number(value)) || 0;
}

function arrayOf(outward: object): ArrayNode {
  return nodeOf(outward, ArrayNode, "an array");
}
