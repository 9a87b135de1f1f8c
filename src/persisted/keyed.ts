/**
 * @module
 * Tracked Maps and Sets.
 */
import { rawBehind } from "../snapshot.ts";
import { ContainerNode, isSame, nodeOf } from "./node.ts";

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

export class MapNode extends KeyedNode<Map<unknown, unknown>> {
  get methods(): object {
    return mapMethods;
  }

  holds(key: unknown): boolean {
    return this.raw.has(key);
  }
}

export class SetNode extends KeyedNode<Set<unknown>> {
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
    node.raw.forEach((value, key) => {
      node.release(key);
      node.release(value);
    });
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
for (const name of [
  "union",
  "intersection",
  "difference",
  "symmetricDifference",
  "isSubsetOf",
  "isSupersetOf",
  "isDisjointFrom",
]) {
  Object.defineProperty(setMethods, name, {
    value(this: AnySet, other: unknown): unknown {
      return Reflect.apply(Reflect.get(Set.prototype, name) as (other: unknown) => unknown, new Set(this), [other]);
    },
  });
}
