/**
 * @module
 * The state of an object at a client: plain data that is never changed in place.
 */
import type { WireChange } from "../sync/frames.ts";
import { fromWire, setProperty, toWire } from "../sync/values.ts";

/** The fields that a client sees, by name. */
export type State = Readonly<Record<string, unknown>>;

/** A value with members; any other value is changed by putting another in its place. */
export type Container = unknown[] | Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/**
 * Returns the state after changes. The state before stays as it was, and each object, array, Map and Set without a change in it
 * is the same in both.
 *
 * @throws TypeError if a change doesn't fit the state.
 */
export function apply(state: State, changes: readonly WireChange[]): State {
  const root: unknown[] = [state];
  // The copies that are made here, one of each container for all changes.
  const own = new Set<unknown>();
  for (const change of changes) applyOne(root, change, own);
  return root[0] as State;
}

/** Returns a state that was sent as a whole. It may be changed: what is equal in the state before is taken from there. */
export function replaced(before: State | undefined, state: State): State {
  return reused(before, state) as State;
}

function reused(before: unknown, value: unknown): unknown {
  if (Object.is(before, value) || typeof value !== "object" || typeof before !== "object") return value;
  // Members of a Set have no keys to find them by.
  if (!isContainer(value) || !isContainer(before) || value instanceof Set)
    return isSameLeaf(before, value) ? before : value;
  const [old, members] = [membersOf(before), membersOf(value)];
  let isSame =
    Object.getPrototypeOf(before) === Object.getPrototypeOf(value) &&
    old.length === members.length &&
    lengthOf(before) === lengthOf(value);
  members.forEach(([key, member], i) => {
    const found = getMember(before, key);
    const shared = reused(found, member);
    if (shared !== member) setMember(value, key, shared);
    isSame &&= Object.is(key, old[i]?.[0]) && Object.is(shared, found);
  });
  return isSame ? before : value;
}

function applyOne(root: unknown[], change: WireChange, own: Set<unknown>): void {
  const [operation] = change;
  const path = fromWire(typeof operation === "string" ? change[1] : operation) as unknown[];
  const last = typeof operation === "string" ? undefined : path.pop();
  let at = ownMember(root, 0, own);
  for (const key of path) at = ownMember(at, key, own);
  if (typeof operation !== "string") {
    if (change.length === 1) remove(at, last);
    else setMember(at, last, fromWire(change[1]));
  } else if (operation === "+") (at as Set<unknown>).add(fromWire(change[2]));
  else if (operation === "c") (at as Set<unknown>).clear();
  else splice(at as unknown[], change[2], change[3], fromWire(change[4]) as unknown[]);
}

/** Returns the container at a key as one that may be changed. */
function ownMember(of: Container, key: unknown, own: Set<unknown>): Container {
  const member = getMember(of, key);
  if (!isContainer(member)) throw new TypeError("A path leads nowhere.");
  if (own.has(member)) return member;
  const copy = copyOf(member);
  own.add(copy);
  setMember(of, key, copy);
  return copy;
}

const KINDS: ReadonlySet<unknown> = new Set([Object, Array, Map, Set].map(({ prototype }) => prototype as unknown));

/** Returns true for an array, Map, Set or plain object. */
export function isContainer(value: unknown): value is Container {
  if (typeof value !== "object" || value === null) return false;
  return KINDS.has(Object.getPrototypeOf(value));
}

/** Returns a container with the same members. */
export function copyOf(container: Container): Container {
  if (Array.isArray(container)) return container.slice();
  if (container instanceof Map) return new Map(container);
  return container instanceof Set ? new Set(container) : { ...container };
}

/** Returns the member at a key of a Map, or a property of the container's own. */
export function getMember(of: Container, key: unknown): unknown {
  if (of instanceof Map) return of.get(key);
  return Object.hasOwn(of, key as string) ? (of as Record<string, unknown>)[key as string] : undefined;
}

/** @throws TypeError for a Set, whose members have no keys. */
export function setMember(of: Container, key: unknown, value: unknown): void {
  if (of instanceof Set) throw new TypeError("Members of a Set have no keys.");
  if (of instanceof Map) of.set(key, value);
  else setProperty(of, key as string, value);
}

export type Member = [key: unknown, value: unknown];

/** Returns the members in order with their keys; for a Set, with their places. */
export function membersOf(container: Container): Member[] {
  return container instanceof Map
    ? [...container]
    : Object.entries(container instanceof Set ? [...container] : container);
}

/** Returns the length of an array: one that ends with holes has fewer members. */
export function lengthOf(container: unknown): unknown {
  return Array.isArray(container) && container.length;
}

/** Returns true for two values that have the same JSON in frames. */
export function isSameLeaf(one: unknown, other: unknown): boolean {
  return JSON.stringify(toWire(one)) === JSON.stringify(toWire(other));
}

function remove(from: Container, key: unknown): void {
  if (from instanceof Map || from instanceof Set) from.delete(key);
  else delete (from as Record<string, unknown>)[key as string];
}

function splice(list: unknown[], start: number, count: number, items: unknown[]): void {
  const tail = list.splice(start).slice(count);
  for (const part of [items, tail]) {
    const { length } = list;
    // Not `push`: it can't take 100,000 items, and turns holes into `undefined`.
    part.forEach((item, i) => (list[length + i] = item));
    list.length = length + part.length;
  }
}
