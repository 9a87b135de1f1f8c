/** Random programs of changes, and of clients that come and go. */
import { DurableError } from "durable-base";
import fc from "fast-check";
import { choose, containersOf, follow, values, type Container } from "../client/states.ts";
import type { StandardRoom } from "./fixtures/room.ts";

/** A change: numbers that choose where and what, and a value to put in. */
export interface Change {
  readonly at: number;
  readonly what: number;
  readonly n: number;
  readonly m: number;
  readonly value: unknown;
}

/** An event of the object, or of one of its clients. */
export type Step =
  | { readonly kind: "change" | "undone" | "failed" | "undoneLater" | "reports"; readonly changes: Change[] }
  | { readonly kind: "later" | "atomicLater"; readonly changes: Change[]; readonly rest: Change[] }
  | { readonly kind: "join" | "drop" | "host" | "guest" | "call"; readonly client: number }
  | { readonly kind: "evict" | "abort" | "quiet" };

const few = fc.nat(1_000);
const change: fc.Arbitrary<Change> = fc.record({ at: few, what: few, n: few, m: fc.nat(4), value: values });
const changes = fc.array(change, { minLength: 1, maxLength: 4 });
const client = fc.nat(2);
const of = <K extends Step["kind"]>(...kinds: K[]): fc.Arbitrary<K> => fc.constantFrom(...kinds);

export const programs: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: of("change"), changes }) },
    { weight: 2, arbitrary: fc.record({ kind: of("undone", "failed", "undoneLater", "reports"), changes }) },
    { weight: 2, arbitrary: fc.record({ kind: of("later", "atomicLater"), changes, rest: changes }) },
    { weight: 4, arbitrary: fc.record({ kind: of("join", "join", "drop", "host", "guest", "call"), client }) },
    { weight: 1, arbitrary: fc.record({ kind: of("evict", "evict", "abort", "quiet") }) },
  ),
  { minLength: 3, maxLength: 14 },
) as fc.Arbitrary<Step[]>;

const text = (value: unknown): string => (typeof value === "object" ? "o" : String(value));

const lists: ((list: unknown[], change: Change) => unknown)[] = [
  (list, { value }) => list.push(value),
  (list, { value, n }) => list.splice(n % (list.length + 1), 0, value, n),
  (list, { n, m }) => list.splice(n % (list.length + 1), m),
  (list) => list.sort((a, b) => (text(a) < text(b) ? -1 : 1)),
  (list) => list.reverse(),
  (list, { n, value }) => (list[n % (list.length + 2)] = value),
  (list, { n }) => delete list[n % (list.length + 1)],
  (list, { n }) => (list.length = n % (list.length + 2)),
  (list) => list.shift(),
  (list, { value }) => list.unshift(value),
  (list, { n, m }) => list.fill(n, m),
  (list, { m }) => list.copyWithin(0, m),
];
const maps: ((map: Map<unknown, unknown>, change: Change) => unknown)[] = [
  (map, { n, value }) => map.set(n % 5, value),
  (map, { n, value }) => map.set(choose([...map.keys(), "new"], n), value),
  (map, { value }) => map.set(value, 1),
  (map, { n }) => map.delete(choose([...map.keys(), "none"], n)),
  (map) => map.clear(),
];
const sets: ((set: Set<unknown>, change: Change) => unknown)[] = [
  (set, { value }) => set.add(value),
  (set, { n }) => set.add(n % 5),
  (set, { n }) => set.delete(choose([...set, "none"], n)),
  (set) => set.clear(),
];
const objects: ((object: Record<string, unknown>, change: Change) => unknown)[] = [
  (object, { n, value }) => (object[choose([...Object.keys(object), "a", "b", "$", "length"], n)] = value),
  (object, { n }) => delete object[choose([...Object.keys(object), "a"], n)],
];

/** Makes a change to the object: of a field, or of something inside one. A value that no field takes changes nothing. */
export function make(self: StandardRoom, change: Change): void {
  try {
    makeOne(self, change);
  } catch (error) {
    if (!DurableError.is(error, "not-persistable")) throw error;
  }
}

function makeOne(self: StandardRoom, change: Change): void {
  const state = { any: self.any, byName: self.byName, names: self.names, messages: self.messages };
  if (change.what % 5 === 0) {
    self.any = change.value;
    return;
  }
  const found = containersOf(state as Record<string, unknown>).slice(1);
  const [path] = choose(found, change.at);
  const at = follow(state, path) as Container;
  if (Array.isArray(at)) choose(lists, change.what)(at, change);
  else if (at instanceof Map) choose(maps, change.what)(at, change);
  else if (at instanceof Set) choose(sets, change.what)(at, change);
  else choose(objects, change.what)(at, change);
}
