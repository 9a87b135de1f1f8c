/**
 * @module
 * What stands for a collection in the row that holds it, and the collections made from there.
 */
import { isContainer, loadBy } from "../../core/values/snapshot.ts";
import type { Collection, Head, Store } from "./collection.ts";
import { Keyed } from "./entries.ts";
import { List } from "./list.ts";
import { loadToPrint } from "../tracking/printing.ts";

/** A collection for a raw container. */
export function makeCollection(store: Store, id: string, raw: object): Collection {
  return Array.isArray(raw) ? new List(store, id, raw) : new Keyed(store, id, raw);
}

/** The stored value with the collections it points to in place of their pointers, gathered in `held` too. */
export function decode(value: unknown, store: Store, held: Set<Collection>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof globalThis.String) {
    const collection = makeEmpty(store, value.slice(1), value[0]!);
    held.add(collection);
    return collection.raw;
  }
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

/** The collection whose head was read as the value of a field. */
export function makeHeaded(store: Store, head: Head): Collection {
  const collection = makeEmpty(store, "", head.chunks[0]!);
  // Which checks the kind.
  collection.open(head);
  return collection;
}

function makeEmpty(store: Store, id: string, letter: string): Collection {
  // The first letter of a kind.
  const raw = letter === "a" ? [] : letter === "m" ? new Map() : letter === "s" ? new Set() : {};
  const collection = makeCollection(store, id, raw);
  loadBy(collection.raw, collection);
  loadToPrint(collection.raw);
  return collection;
}
