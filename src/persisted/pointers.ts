/**
 * @module
 * What stands for a collection in the row that holds it, and the collections made from there.
 */
import { isContainer, loadBy } from "../snapshot.ts";
import type { Collection, Head, Kind, Store } from "./collection.ts";
import { Keyed, type Entries } from "./entries.ts";
import { unreadable } from "./layout.ts";
import { List } from "./list.ts";
import { loadToPrint } from "./printing.ts";

/** The kinds of containers, as the first letter of a pointer tells them. */
const KINDS = { a: "array", m: "map", s: "set", o: "object" } as const;

/** A collection for a raw container. */
export function makeCollection(store: Store, id: string, raw: object): Collection {
  return Array.isArray(raw) ? new List(store, id, raw) : new Keyed(store, id, raw as Entries);
}

/** The stored value with the collections it points to in place of their pointers, gathered in `held` too. */
export function decode(value: unknown, store: Store, held: Set<Collection>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof globalThis.String) return collectionAt(String(value), store, held).raw;
  if (!isContainer(value)) return value;
  if (value instanceof Set) {
    const members = [...value].map((member) => decode(member, store, held));
    // A member cannot be put in the place of another.
    return held.size === 0 ? value : new Set(members);
  }
  const each = (member: unknown, place: (fresh: unknown) => void): void => {
    if (typeof member !== "object" || member === null) return;
    const decoded = decode(member, store, held);
    if (decoded !== member) place(decoded);
  };
  if (value instanceof Map) {
    for (const [key, member] of value) each(member, (fresh) => value.set(key, fresh));
  } else if (Array.isArray(value)) {
    value.forEach((member, i) => each(member, (fresh) => (value[i] = fresh)));
  } else {
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) each(object[key], (fresh) => (object[key] = fresh));
  }
  return value;
}

const EMPTY = { array: () => [], map: () => new Map(), set: () => new Set(), object: () => ({}) };

function collectionAt(pointer: string, store: Store, held: Set<Collection>): Collection {
  const collection = makeEmpty(store, pointer.slice(1), KINDS[pointer[0] as keyof typeof KINDS]);
  held.add(collection);
  return collection;
}

/** The collection whose head was read as the value of a field. */
export function makeHeaded(store: Store, head: Head): Collection {
  const kind = String(head.chunks);
  if (!Object.hasOwn(EMPTY, kind)) throw unreadable(store, `It is of the unknown kind "${kind}".`);
  const collection = makeEmpty(store, "", kind as Kind);
  collection.open(head);
  return collection;
}

function makeEmpty(store: Store, id: string, kind: Kind): Collection {
  const collection = makeCollection(store, id, EMPTY[kind]());
  loadBy(collection.raw, collection);
  loadToPrint(collection.raw);
  return collection;
}
