/**
 * @module
 * Tracked Maps and Sets: their contents lie in internal slots, so the Proxy offers methods of its own.
 */
import { rawBehind } from "../snapshot.ts";
import { ContainerNode, isSame, nodeOf, type Parent } from "./node.ts";

type AnyMap = Map<unknown, unknown>;
type AnySet = Set<unknown>;
type Keyed = AnyMap | AnySet;

export class KeyedNode<T extends Keyed = Keyed> extends ContainerNode<T> {
  readonly #methods: object;
  /** For an object that was passed to `add` or `set` as key: the copy that is held in its place. */
  #originals: WeakMap<object, object> | undefined;

  constructor(raw: T, parent: Parent) {
    super(raw, parent);
    this.#methods = raw instanceof Map ? mapMethods : setMethods;
  }

  get(target: T, key: PropertyKey): unknown {
    return Reflect.get(Object.hasOwn(this.#methods, key) ? this.#methods : target, key, target) as unknown;
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
    return raw !== undefined && this.raw.has(raw) ? raw : (this.#originals?.get(key) ?? key);
  }

  /** A copy of a new key, remembered for its original. */
  adopt(key: unknown): unknown {
    const copy = this.copyIn(key);
    if (typeof copy === "object" && copy !== null) (this.#originals ??= new WeakMap()).set(key as object, copy);
    return copy;
  }

  override keyOf(child: object): PropertyKey {
    for (const [key, value] of this.raw.entries()) if (value === child && key !== child) return nameOf(key);
    return "key";
  }
}

function nameOf(key: unknown): PropertyKey {
  return typeof key === "string" || typeof key === "number" ? key : "value";
}

function keyedOf<T extends Keyed>(outward: T): KeyedNode<T> {
  return nodeOf(outward, KeyedNode<T>, "a Map or Set");
}

/** Those that Map and Set share: of a Set, a member is its own key and value. */
const keyedMethods = {
  has(this: Keyed, key: unknown): boolean {
    const node = keyedOf(this);
    return node.raw.has(node.find(key));
  },
  delete(this: Keyed, key: unknown): boolean {
    const node = keyedOf(this);
    const { raw } = node;
    const found = node.find(key);
    if (!raw.has(found)) return false;
    node.touch();
    node.release(found);
    if (raw instanceof Map) node.release(raw.get(found));
    return raw.delete(found);
  },
  clear(this: Keyed): void {
    const node = keyedOf(this);
    if (node.raw.size === 0) return;
    node.touch();
    for (const [key, value] of node.raw.entries()) {
      node.release(key);
      node.release(value);
    }
    node.raw.clear();
  },
  forEach(this: Keyed, visit: (value: unknown, key: unknown, all: Keyed) => void, self?: unknown): void {
    const node = keyedOf(this);
    node.raw.forEach((value: unknown, key: unknown) => visit.call(self, node.give(value), node.give(key), this));
  },
  *entries(this: Keyed): Generator<[unknown, unknown], undefined> {
    const node = keyedOf(this);
    for (const [key, value] of node.raw.entries()) yield [node.give(key), node.give(value)];
  },
  *keys(this: Keyed): Generator<unknown, undefined> {
    const node = keyedOf(this);
    for (const key of node.raw.keys()) yield node.give(key);
  },
  *values(this: Keyed): Generator<unknown, undefined> {
    const node = keyedOf(this);
    for (const value of node.raw.values()) yield node.give(value);
  },
};

const mapMethods = {
  ...keyedMethods,
  [Symbol.iterator]: keyedMethods.entries,
  get(this: AnyMap, key: unknown): unknown {
    const node = keyedOf(this);
    return node.give(node.raw.get(node.find(key)));
  },
  set(this: AnyMap, key: unknown, value: unknown): AnyMap {
    const node = keyedOf(this);
    const found = node.find(key);
    const isHeld = node.raw.has(found);
    const old = node.raw.get(found);
    if (isHeld && isSame(old, value)) return this;
    const copy = node.copyIn(value, nameOf(key));
    const held = isHeld ? found : node.adopt(key);
    node.touch();
    node.release(old);
    node.raw.set(held, copy);
    return this;
  },
};

const setMethods = {
  ...keyedMethods,
  [Symbol.iterator]: keyedMethods.values,
  keys: keyedMethods.values,
  add(this: AnySet, member: unknown): AnySet {
    const node = keyedOf(this);
    if (node.raw.has(node.find(member))) return this;
    const copy = node.adopt(member);
    node.touch();
    node.raw.add(copy);
    return this;
  },
};

// The set algebra gives new Sets, so it runs on a copy that holds the tracked members.
const ALGEBRA = "union intersection difference symmetricDifference isSubsetOf isSupersetOf isDisjointFrom";
for (const name of ALGEBRA.split(" ")) {
  Object.defineProperty(setMethods, name, {
    value(this: AnySet, other: unknown): unknown {
      return Reflect.apply(Reflect.get(Set.prototype, name) as (other: unknown) => unknown, new Set(this), [other]);
    },
  });
}
