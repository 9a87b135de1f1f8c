/**
 * @module
 * Tracked Maps and Sets: their contents lie in internal slots, so the Proxy offers methods of its own.
 */
import { isPrimitive, nameOf, rawBehind } from "../../core/values/snapshot.ts";
import type { Keyed as Collection } from "../rows/entries.ts";
import { ContainerNode, isSame, nodeOf, NOWHERE, type Parent } from "./node.ts";

type AnyMap = Map<unknown, unknown>;
type AnySet = Set<unknown>;
type Keyed = AnyMap | AnySet;

/** What can be answered without having every entry. */
const PARTIAL: ReadonlySet<PropertyKey> = new Set(["get", "set", "has", "add", "delete", "clear", "constructor"]);

/** A Map or Set. */
export class KeyedNode<T extends Keyed = Keyed> extends ContainerNode<T, Collection> {
  readonly #methods: object;
  /** For an object that was passed to `add` or `set` as key: the copy that is held in its place. */
  #originals: WeakMap<object, object> | undefined;

  constructor(raw: T, parent: Parent) {
    super(raw, parent);
    this.#methods = raw instanceof Map ? mapMethods : setMethods;
  }

  get(target: T, key: PropertyKey): unknown {
    if (!PARTIAL.has(key)) this.collection?.complete();
    return Reflect.get(Object.hasOwn(this.#methods, key) ? this.#methods : target, key, target) as unknown;
  }

  set(): boolean {
    throw this.refuse("a Map or Set cannot carry properties. Use its `set` or `add`.");
  }

  defineProperty(): boolean {
    return this.set();
  }

  /** The held key that equals `key`; its entry is loaded then. */
  find(key: unknown): unknown {
    if (typeof key !== "object" || key === null) {
      this.need(key);
      return key;
    }
    const raw = rawBehind(key);
    return raw !== undefined && this.raw.has(raw) ? raw : (this.#originals?.get(key) ?? key);
  }

  /** A copy of a new key, remembered for its original. */
  adopt(key: unknown): unknown {
    const copy = this.copyIn(key);
    if (typeof copy === "object" && copy !== null) (this.#originals ??= new WeakMap()).set(key as object, copy);
    return copy;
  }

  swap(old: object, fresh: object): void {
    const { raw } = this;
    const [key] = [...raw.entries()].find(([, value]) => value === old) ?? [old];
    // Another key cannot take a key's place in the order, and running iterators would meet it again.
    if (!(raw instanceof Map) || key === old)
      throw this.refuse("bytes that are a key were transferred away. Pass a copy: `bytes.slice()`.");
    raw.set(key, fresh);
  }

  override keyOf(child: object, at?: unknown): unknown {
    const { raw } = this;
    if (raw instanceof Set) return NOWHERE;
    const key = raw.get(at) === child ? at : [...raw.keys()].find((key) => raw.get(key) === child);
    return raw.get(key) === child && isPrimitive(key) ? key : NOWHERE;
  }
}

function keyedOf<T extends Keyed>(outward: T): KeyedNode<T> {
  return nodeOf(outward, KeyedNode<T>, "a Map or Set");
}

/** The same with every entry there, also for a method that another value's was. */
function wholeOf<T extends Keyed>(outward: T): KeyedNode<T> {
  const node = keyedOf(outward);
  node.collection?.complete();
  return node;
}

/** An iterator with each item changed; no generator, which a `break` would end for ever, as it does not end a Map's. */
function through<T, U>(items: Iterator<T, undefined>, change: (item: T) => U): Iterator<U> {
  const next = (): IteratorResult<U> => {
    const { done, value } = items.next();
    return done === true ? { value, done } : { value: change(value), done: false };
  };
  return Object.assign(Object.create(Object.getPrototypeOf(items) as object) as Iterator<U>, { next });
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
    const tell = node.touch([found, raw instanceof Map && raw.get(found)]);
    node.collection?.remove(found);
    raw.delete(found);
    tell?.(node, { op: "delete", key: found });
    return true;
  },
  clear(this: Keyed): void {
    const node = keyedOf(this);
    const { raw } = node;
    if (raw.size === 0 && node.collection === undefined) return;
    const tell = node.touch([...raw.keys(), ...raw.values()]);
    node.collection?.clear();
    raw.clear();
    tell?.(node, { op: "clear" });
  },
  forEach(this: Keyed, visit: (value: unknown, key: unknown, all: Keyed) => void, self?: unknown): void {
    const node = wholeOf(this);
    node.raw.forEach((value: unknown, key: unknown) =>
      visit.call(self, node.give(value, key), node.give(key, key), this),
    );
  },
  entries(this: Keyed): Iterator<[unknown, unknown]> {
    const node = wholeOf(this);
    return through(node.raw.entries(), ([key, value]) => [node.give(key, key), node.give(value, key)]);
  },
  keys(this: Keyed): Iterator<unknown> {
    const node = wholeOf(this);
    return through(node.raw.keys(), (key) => node.give(key, key));
  },
  values(this: Keyed): Iterator<unknown> {
    const node = wholeOf(this);
    return through(node.raw.entries(), ([key, value]) => node.give(value, key));
  },
};

const mapMethods = {
  ...keyedMethods,
  [Symbol.iterator]: keyedMethods.entries,
  get(this: AnyMap, key: unknown): unknown {
    const node = keyedOf(this);
    const found = node.find(key);
    return node.give(node.raw.get(found), found);
  },
  set(this: AnyMap, key: unknown, value: unknown): AnyMap {
    const node = keyedOf(this);
    const found = node.find(key);
    if (node.raw.has(found) && isSame(node.raw.get(found), value)) return this;
    const copy = node.copyIn(value, nameOf(key));
    const isHeld = node.raw.has(found);
    const old = node.raw.get(found);
    const held = isHeld ? found : node.adopt(key);
    const tell = node.touch([old]);
    if (isHeld) node.collection?.change(held);
    else node.collection?.add(held);
    node.raw.set(held, copy);
    tell?.(node, { op: "set", key: held, value: copy });
    return this;
  },
};

// Newer than ES2024, so offered only where the platform has them.
if ("getOrInsert" in Map.prototype) {
  Object.assign(mapMethods, {
    getOrInsert(this: AnyMap, key: unknown, value: unknown): unknown {
      if (!this.has(key)) this.set(key, value);
      return this.get(key);
    },
    getOrInsertComputed(this: AnyMap, key: unknown, compute: (key: unknown) => unknown): unknown {
      if (!this.has(key)) this.set(key, compute(key));
      return this.get(key);
    },
  });
}

const setMethods = {
  ...keyedMethods,
  [Symbol.iterator]: keyedMethods.values,
  keys: keyedMethods.values,
  add(this: AnySet, member: unknown): AnySet {
    const node = keyedOf(this);
    if (node.raw.has(node.find(member))) return this;
    const copy = node.adopt(member);
    const tell = node.touch();
    node.collection?.add(copy);
    node.raw.add(copy);
    tell?.(node, { op: "add", value: copy });
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
