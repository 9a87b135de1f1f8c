/**
 * @module
 * Tracked values: what reading a persisted field gives, so that every change inside it is noticed.
 *
 * A field owns a *raw* tree of plain data: no part of it is shared with anything else, since what is
 * assigned is copied in. Reading a container gives a Proxy over its raw part; the Proxy's handler is a
 * node that knows its parent, so a change finds its way up to the field. Nodes are made when first
 * touched and kept as long as their raw part, so `a[1] === a[1]`. A Date is a Date subclass, and bytes
 * are the raw bytes themselves, compared with a copy when the field is written: code that doesn't know
 * us gets the right data from both.
 */
import { DurableError } from "../errors.ts";
import { markTracked, rawBehind } from "../snapshot.ts";
import { copyIn, isIndex, refused, type Site } from "./copy.ts";

/** What a tree reports to: the place that holds it. */
export interface Root {
  /** `Class.field`, for messages. */
  readonly field: string;
  /** Called before each change inside the tree; throws when there may be none. */
  change(): void;
  /** Called when something was handed out that can change without a call of ours. */
  watch(leaf: Leaf): void;
}

/** A value that can be changed behind our back: bytes, or a Date by another Date's setter. */
export interface Leaf {
  /** True when it is no longer what it was at the last call; forgets what it was. */
  hasChanged(): boolean;
  readonly isAttached: boolean;
  /** Reports the change to the root. */
  touch(): void;
}

/**
 * The tracked value for a field's raw value; primitives are themselves.
 *
 * `raw` must be a tree that nobody else holds.
 */
export function track(raw: unknown, root: Root): unknown {
  return typeof raw === "object" && raw !== null ? nodeFor(raw, root).outward : raw;
}

/** Cuts a replaced value off its field: it becomes an ordinary value. */
export function detach(raw: unknown): void {
  if (typeof raw !== "object" || raw === null) return;
  const node = nodes.get(raw);
  if (node !== undefined) node.parent = undefined;
}

type Parent = Node | Root;

/** By raw part. A node lives as long as its raw part. */
const nodes = new WeakMap<object, Node>();

/** By what was handed out, for methods that get it as `this`. */
const byOutward = new WeakMap<object, Node>();

function nodeFor(raw: object, parent: Parent): Node {
  return nodes.get(raw) ?? makeNode(raw, parent);
}

function makeNode(raw: object, parent: Parent): Node {
  if (Array.isArray(raw)) return new ArrayNode(raw, parent);
  if (raw instanceof Map) return new MapNode(raw, parent);
  if (raw instanceof Set) return new SetNode(raw, parent);
  if (raw instanceof Date) return new DateNode(raw, parent);
  if (ArrayBuffer.isView(raw) || raw instanceof ArrayBuffer) return new BytesNode(raw, parent);
  if (raw instanceof RegExp || raw instanceof Error) return new FrozenNode(raw, parent);
  return new ObjectNode(raw, parent);
}

/** One container or changeable value of a tree. */
abstract class Node implements Site {
  parent: Parent | undefined;
  readonly raw: object;
  /** What reading gives. */
  abstract readonly outward: object;

  constructor(raw: object, parent: Parent) {
    this.raw = raw;
    this.parent = parent;
    nodes.set(raw, this);
  }

  get root(): Root | undefined {
    let at: Parent | undefined = this.parent;
    while (at instanceof Node) at = at.parent;
    return at;
  }

  get isAttached(): boolean {
    return this.root !== undefined;
  }

  /** Reports a change that is about to happen; throws when it may not. */
  touch(): void {
    this.root?.change();
  }

  /** What reading a child gives. */
  give(child: unknown): unknown {
    return typeof child === "object" && child !== null ? nodeFor(child, this).outward : child;
  }

  /** What reading a child that was just removed gives: never tracked by anyone, it is plain already. */
  release(child: unknown): unknown {
    if (typeof child !== "object" || child === null) return child;
    const node = nodes.get(child);
    if (node === undefined) return child;
    node.parent = undefined;
    return node.outward;
  }

  get field(): string {
    return this.root?.field ?? "a removed value";
  }

  depth(): number {
    let depth = 1;
    for (let at = this.parent; at instanceof Node; at = at.parent) depth++;
    return depth;
  }

  path(): PropertyKey[] {
    const path: PropertyKey[] = [];
    for (let child: Node = this, at = this.parent; at instanceof Node; child = at, at = at.parent) {
      path.unshift(at.keyOf(child.raw));
    }
    return path;
  }

  /** Where a child lies, for messages. */
  keyOf(_child: object): PropertyKey {
    return "?";
  }
}

/** An object, Map, Set or array, handed out as a Proxy whose handler is the node. */
abstract class ContainerNode<T extends object> extends Node implements ProxyHandler<T> {
  declare readonly raw: T;
  readonly outward: T;

  constructor(raw: T, parent: Parent) {
    super(raw, parent);
    this.outward = new Proxy(raw, this);
    markTracked(this.outward, raw);
    byOutward.set(this.outward, this);
  }

  copyIn(value: unknown, key?: PropertyKey): unknown {
    return copyIn(value, this, key);
  }

  refuse(what: string, key?: PropertyKey): DurableError {
    return refused(what, this, key === undefined ? [] : [key]);
  }

  setPrototypeOf(target: T, proto: object | null): boolean {
    if (proto === Object.getPrototypeOf(target)) return true;
    throw this.refuse("the prototype of stored data cannot be changed. Store plain data.");
  }

  preventExtensions(): boolean {
    throw this.refuse("stored data cannot be frozen or sealed. Freeze a copy: `Object.freeze(snapshot(value))`.");
  }
}

/** Plain objects and arrays: changed by assigning, deleting and defining properties. */
class ObjectNode<T extends object = object> extends ContainerNode<T> {
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
    const full = { writable: false, enumerable: false, configurable: false, ...Reflect.getOwnPropertyDescriptor(target, key), ...property };
    const isArrayLength = key === "length" && Array.isArray(target);
    if (!("value" in full) || "get" in property || !full.writable || (!isArrayLength && !(full.enumerable && full.configurable))) {
      throw this.refuse("only plain properties can be stored: no getters, all of them writable, enumerable and configurable. Assign the value.", key);
    }
    return "value" in property ? this.set(target, key, property.value, this.outward) : true;
  }

  getOwnPropertyDescriptor(target: T, key: PropertyKey): PropertyDescriptor | undefined {
    const property: PropertyDescriptor | undefined = Reflect.getOwnPropertyDescriptor(target, key);
    if (property !== undefined) property.value = this.give(property.value);
    return property;
  }

  checkKey(key: PropertyKey): void {
    if (typeof key === "symbol") throw this.refuse("a property named by a symbol cannot be stored. Name it by a string.");
    if (key === "__proto__") throw this.refuse("a property cannot be named `__proto__`. Use a Map for keys that come from outside.");
  }

  override keyOf(child: object): PropertyKey {
    return Object.keys(this.raw).find((key) => Reflect.get(this.raw, key) === child) ?? "?";
  }
}

class ArrayNode extends ObjectNode<unknown[]> {
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
    if (length - this.raw.length > 1_000_000) throw this.refuse("that leaves over a million holes in the array. Use a Map.");
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
    const copies = items.map((item, i) => node.copyIn(item, Number(start) + i));
    if (args.length === 0) return [];
    node.touch();
    // With one argument everything behind `start` goes; an explicit undefined counts as 0.
    const removed = args.length === 1 ? node.raw.splice(start) : node.raw.splice(start, count!, ...copies);
    return removed.map((child) => node.release(child));
  },
  sort(this: unknown[], compare?: (a: unknown, b: unknown) => number): unknown[] {
    const node = arrayOf(this);
    node.touch();
    if (compare === undefined) node.raw.sort();
    else if (typeof compare !== "function") node.raw.sort(compare);
    else node.raw.sort((a, b) => compare(node.give(a), node.give(b)));
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
    node.copyIn(value);
    node.touch();
    const before = node.raw.slice();
    node.raw.fill(FILL, start, end);
    for (let i = 0; i < node.raw.length; i++) {
      if (node.raw[i] !== FILL) continue;
      node.release(before[i]);
      // Each element is a copy of its own: a tree shares nothing.
      node.raw[i] = node.copyIn(value, i);
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

function nodeOf<N extends Node>(outward: object, kind: abstract new (...args: never[]) => N, what: string): N {
  const node = byOutward.get(outward);
  if (node instanceof kind) return node;
  throw new TypeError(`This method of a persisted value was called on something else than ${what} of a persisted field.`);
}

/** Map and Set: their contents lie in internal slots, so the Proxy offers its own methods. */
abstract class KeyedNode<T extends object> extends ContainerNode<T> {
  /** For an object that was passed to `add` or `set` as key: the copy that is held in its place. */
  #originals: WeakMap<object, object> | undefined;

  abstract readonly methods: object;
  abstract holds(key: unknown): boolean;

  get(target: T, key: PropertyKey): unknown {
    if (key === "size") return Reflect.get(target, key, target);
    return Reflect.get(Object.hasOwn(this.methods, key) ? this.methods : target, key, target) as unknown;
  }

  set(): boolean {
    throw this.refuse("a Map or Set cannot carry properties. Use its `set` or `add`.");
  }

  defineProperty(): boolean {
    return this.set();
  }

  /** The held key that equals `key`. */
  find(key: unknown): unknown {
    if (typeof key !== "object" || key === null) return key;
    const raw = rawBehind(key);
    return raw !== undefined && this.holds(raw) ? raw : (this.#originals?.get(key) ?? key);
  }

  /** A copy of a new key, remembered for its original. */
  adopt(key: unknown): unknown {
    const copy = this.copyIn(key);
    if (typeof copy === "object" && copy !== null) (this.#originals ??= new WeakMap()).set(key as object, copy);
    return copy;
  }

  override keyOf(child: object): PropertyKey {
    const entries = (this.raw as unknown as Map<unknown, unknown>).entries();
    for (const [key, value] of entries) {
      if (value === child && key !== child) return typeof key === "string" || typeof key === "number" ? key : "value";
    }
    return "key";
  }
}

class MapNode extends KeyedNode<Map<unknown, unknown>> {
  get methods(): object {
    return mapMethods;
  }

  holds(key: unknown): boolean {
    return this.raw.has(key);
  }
}

class SetNode extends KeyedNode<Set<unknown>> {
  get methods(): object {
    return setMethods;
  }

  holds(key: unknown): boolean {
    return this.raw.has(key);
  }
}

function mapOf(outward: object): MapNode {
  return nodeOf(outward, MapNode, "a Map");
}

function setOf(outward: object): SetNode {
  return nodeOf(outward, SetNode, "a Set");
}

type AnyMap = Map<unknown, unknown>;

const mapMethods = {
  get(this: AnyMap, key: unknown): unknown {
    const node = mapOf(this);
    return node.give(node.raw.get(node.find(key)));
  },
  has(this: AnyMap, key: unknown): boolean {
    const node = mapOf(this);
    return node.raw.has(node.find(key));
  },
  set(this: AnyMap, key: unknown, value: unknown): AnyMap {
    const node = mapOf(this);
    const found = node.find(key);
    const isHeld = node.raw.has(found);
    const old = node.raw.get(found);
    if (isHeld && isSame(old, value)) return this;
    const copy = node.copyIn(value, typeof key === "string" || typeof key === "number" ? key : "value");
    const held = isHeld ? found : node.adopt(key);
    node.touch();
    node.release(old);
    node.raw.set(held, copy);
    return this;
  },
  delete(this: AnyMap, key: unknown): boolean {
    const node = mapOf(this);
    const found = node.find(key);
    if (!node.raw.has(found)) return false;
    node.touch();
    node.release(node.raw.get(found));
    node.release(found);
    return node.raw.delete(found);
  },
  clear(this: AnyMap): void {
    const node = mapOf(this);
    if (node.raw.size === 0) return;
    node.touch();
    for (const [key, value] of node.raw) (node.release(key), node.release(value));
    node.raw.clear();
  },
  forEach(this: AnyMap, visit: (value: unknown, key: unknown, map: AnyMap) => void, self?: unknown): void {
    const node = mapOf(this);
    node.raw.forEach((value, key) => visit.call(self, node.give(value), node.give(key), this));
  },
  *entries(this: AnyMap): Generator<[unknown, unknown], undefined> {
    const node = mapOf(this);
    for (const [key, value] of node.raw) yield [node.give(key), node.give(value)];
  },
  *keys(this: AnyMap): Generator<unknown, undefined> {
    const node = mapOf(this);
    for (const key of node.raw.keys()) yield node.give(key);
  },
  *values(this: AnyMap): Generator<unknown, undefined> {
    const node = mapOf(this);
    for (const value of node.raw.values()) yield node.give(value);
  },
  [Symbol.iterator](this: AnyMap): Iterator<[unknown, unknown]> {
    return mapMethods.entries.call(this);
  },
};

type AnySet = Set<unknown>;

const setMethods = {
  has(this: AnySet, member: unknown): boolean {
    const node = setOf(this);
    return node.raw.has(node.find(member));
  },
  add(this: AnySet, member: unknown): AnySet {
    const node = setOf(this);
    if (node.raw.has(node.find(member))) return this;
    const copy = node.adopt(member);
    node.touch();
    node.raw.add(copy);
    return this;
  },
  delete(this: AnySet, member: unknown): boolean {
    const node = setOf(this);
    const found = node.find(member);
    if (!node.raw.has(found)) return false;
    node.touch();
    node.release(found);
    return node.raw.delete(found);
  },
  clear(this: AnySet): void {
    const node = setOf(this);
    if (node.raw.size === 0) return;
    node.touch();
    for (const member of node.raw) node.release(member);
    node.raw.clear();
  },
  forEach(this: AnySet, visit: (value: unknown, key: unknown, set: AnySet) => void, self?: unknown): void {
    const node = setOf(this);
    node.raw.forEach((member) => visit.call(self, node.give(member), node.give(member), this));
  },
  *entries(this: AnySet): Generator<[unknown, unknown], undefined> {
    for (const member of this.values()) yield [member, member];
  },
  *values(this: AnySet): Generator<unknown, undefined> {
    const node = setOf(this);
    for (const member of node.raw) yield node.give(member);
  },
  keys(this: AnySet): Iterator<unknown> {
    return this.values();
  },
  [Symbol.iterator](this: AnySet): Iterator<unknown> {
    return this.values();
  },
};

// The set algebra gives new Sets, so it runs on a copy that holds the tracked members.
for (const name of ["union", "intersection", "difference", "symmetricDifference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"]) {
  Object.defineProperty(setMethods, name, {
    value(this: AnySet, other: unknown): unknown {
      return Reflect.apply(Reflect.get(Set.prototype, name) as (other: unknown) => unknown, new Set(this), [other]);
    },
  });
}

/** A Date that reports its setters. */
class TrackedDate extends Date {
  static {
    for (const name of Object.getOwnPropertyNames(Date.prototype)) {
      if (!name.startsWith("set")) continue;
      const original = Reflect.get(Date.prototype, name) as (...args: number[]) => number;
      Object.defineProperty(TrackedDate.prototype, name, {
        value(this: TrackedDate, ...args: number[]): number {
          byOutward.get(this)?.touch();
          const time = Reflect.apply(original, this, args);
          (rawBehind(this) as Date).setTime(time);
          return time;
        },
      });
    }
  }
}

class DateNode extends Node implements Leaf {
  declare readonly raw: Date;
  readonly outward: Date;

  constructor(raw: Date, parent: Parent) {
    super(raw, parent);
    this.outward = new TrackedDate(raw.getTime());
    // It can be changed by its setters only: a property of its own would not be stored.
    Object.preventExtensions(this.outward);
    markTracked(this.outward, raw);
    byOutward.set(this.outward, this);
    this.root?.watch(this);
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
class BytesNode extends Node implements Leaf {
  declare readonly raw: ArrayBufferView | ArrayBuffer;
  readonly outward: object;
  #was: Uint8Array;

  constructor(raw: ArrayBufferView | ArrayBuffer, parent: Parent) {
    super(raw, parent);
    this.outward = Object.preventExtensions(raw);
    this.#was = this.#now().slice();
    this.root?.watch(this);
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
class FrozenNode extends Node {
  readonly outward: object;

  constructor(raw: object, parent: Parent) {
    super(raw, parent);
    // A RegExp's `lastIndex` must stay writable, and is not part of what is stored.
    this.outward = raw instanceof RegExp ? Object.preventExtensions(raw) : freeze(raw);
  }
}

function freeze(value: object): object {
  for (const part of Object.values(Object.getOwnPropertyDescriptors(value))) {
    if (typeof part.value === "object" && part.value !== null) freeze(part.value as object);
  }
  return Object.freeze(value);
}

/** Tells whether assigning `value` over the raw `old` changes nothing: the same primitive, or itself. */
function isSame(old: unknown, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(old, value);
  return typeof old === "object" && (value === old || rawBehind(value) === old);
}
