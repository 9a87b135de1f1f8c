/** Random states and what can be done to them. */
import fc from "fast-check";
import { toWire } from "../../src/sync/values.ts";

export type State = Record<string, unknown>;
export type Path = readonly unknown[];
export type Container = unknown[] | Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

const NAMES = ["a", "b", "0", "$", "__proto__", "constructor", "length"];

const primitive = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom("", "a", "1", null, undefined, true, NaN, -0, Infinity, 1n),
);

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    primitive,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(primitive, { minLength: 1, maxLength: 4 }).map((list) => [, ...list]),
    fc.dictionary(fc.constantFrom(...NAMES), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc.array(fc.tuple(primitive, tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 3 }).map((members) => new Set(members)),
    fc.integer({ min: 0, max: 9 }).map((n) => new Date(n)),
    fc.uint8Array({ maxLength: 3 }),
  ),
}));

/** Any value that a field can hold, of each kind and within each other. */
export const values: fc.Arbitrary<unknown> = value;

/** The state of an object with a few fields. */
export const states: fc.Arbitrary<State> = fc.dictionary(fc.constantFrom("x", "y", "z", "$"), value, {
  minKeys: 1,
  noNullPrototype: true,
});

/** Numbers that choose what to do, so that a shrunk program does the same to a smaller state. */
export interface Step {
  readonly at: number;
  readonly what: number;
  readonly key: number;
  readonly count: number;
  readonly value: unknown;
}

const few = fc.nat(60);

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ at: few, what: few, key: few, count: fc.nat(3), value }),
  { maxLength: 6 },
);

/** The text of a state: two that differ have different ones, by a hole, a key's place or a kind of zero. */
export function textOf(state: State): string {
  return JSON.stringify(Object.entries(state).map(([name, field]) => [name, toWire(field)]));
}

export function isContainer(found: unknown): found is Container {
  if (typeof found !== "object" || found === null) return false;
  return (
    Array.isArray(found) ||
    found instanceof Map ||
    found instanceof Set ||
    Object.getPrototypeOf(found) === Object.prototype
  );
}

/** All containers of a state that a path leads to, with the path. */
export function containersOf(state: State): [Path, Container][] {
  const found: [Path, Container][] = [];
  const visit = (path: Path, at: unknown): void => {
    if (!isContainer(at)) return;
    found.push([path, at]);
    if (at instanceof Set) return;
    for (const [key, member] of at instanceof Map ? at : Object.entries(at)) {
      visit([...path, Array.isArray(at) ? Number(key) : key], member);
    }
  };
  visit([], state);
  return found;
}

/** Follows a path from the state down, reading as a program does. */
export function follow(state: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, key) => (at instanceof Map ? at.get(key) : (at as State)[key as string]), state);
}

/** Returns the item that a number chooses. */
export function choose<T>(from: readonly T[], nth: number): T {
  return from[nth % from.length]!;
}

/** The name of a property that a number chooses: one of the container's, or another. */
export function nameFor(at: State, { key }: Step): string {
  return choose([...Object.keys(at), ...NAMES], key);
}

/** Sets a property, even one called `__proto__`. */
export function define(at: State, name: string, member: unknown): void {
  Object.defineProperty(at, name, { value: member, enumerable: true, writable: true, configurable: true });
}
