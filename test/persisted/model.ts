/**
 * The model of persisted values: random programs, run on a tracked value and on plain JavaScript at once.
 *
 * This file says what a program is, `model-recipes.ts` how it describes large collections, `model-ops.ts` what a
 * step can do, and `model-run.ts` how it is played.
 */
import fc from "fast-check";
import { few, flat, Large, nested, type Recipe } from "./model-recipes.ts";

/** A step of a program: which value, what to do to it, with what. */
export interface Step {
  /** Which of the values that were held in earlier steps to begin at; below 0 for the field itself. */
  readonly held: number;
  /** The way down from there: at each number, which member. */
  readonly path: readonly number[];
  /** Which of the things that can be done to such a value; 0 assigns the field as a whole. */
  readonly op: number;
  readonly n: number;
  readonly m: number;
  readonly value: unknown;
  /** Which held value to put in, in place of `value`; below 0 for none. */
  readonly from: number;
  readonly bulk: Recipe;
  /** Whether to hold on to the target, or to what was taken out of it. */
  readonly hold: boolean;
}

/** What a program does at a time: an entry of a few steps that ends in one way or another, or what befalls the object. */
export interface Act {
  readonly kind: "do" | "throw" | "commit" | "rollback" | "fail" | "reload" | "evict" | "abort";
  /** In whose transaction, for those that have one. */
  readonly by: "transactionSync" | "@Atomic";
  /** The put or delete that fails. */
  readonly at: number;
  readonly steps: readonly Step[];
  /** Steps of the same entry, behind the transaction. */
  readonly after: readonly Step[];
  /** Whether another field changes too. */
  readonly isTicking: boolean;
  /** Whether to compare all of it then; else parts of it stay as unread as they are. */
  readonly isLooking: boolean;
}

export interface Program {
  readonly start: unknown;
  readonly acts: readonly Act[];
}

const scalar = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.string({ maxLength: 4, unit: "binary" }),
  fc.constantFrom(null, undefined, NaN, -0, true, false, 2n ** 70n, Infinity),
);

/** Trees of everything a field can hold, small enough to be looked at. */
const { value, container } = fc.letrec<{ value: unknown; container: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    scalar,
    scalar,
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 4 }),
    tie("container"),
    tie("container"),
  ),
  container: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    fc.array(tie("value"), { maxLength: 6, size: "max" }),
    fc.array(tie("value"), { maxLength: 6, size: "max" }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom("a", "b", 1, NaN), tie("value")), tie("value")), { maxLength: 3 })
      .map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 3 }).map((members) => new Set(members)),
  ),
}));

/** Programs whose steps have numbers and bulk of that size. */
function programs(
  start: fc.Arbitrary<unknown>,
  bulk: fc.Arbitrary<Recipe>,
  far: number,
  acts: number,
): fc.Arbitrary<Program> {
  const near = fc.integer({ min: -3, max: 6 });
  const number = fc.oneof(near, fc.integer({ min: -far, max: far }));
  const some = fc.oneof({ weight: 3, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(5) });
  const step: fc.Arbitrary<Step> = fc.record({
    held: some,
    path: fc.array(fc.nat(Math.max(far, 10)), { maxLength: 3, size: "max" }),
    op: fc.nat(199),
    n: number,
    m: number,
    value: fc.oneof(value, container),
    from: some,
    bulk,
    hold: fc.boolean(),
  });
  const kind = fc.oneof(
    { weight: 50, arbitrary: fc.constant("do" as const) },
    { weight: 20, arbitrary: fc.constant("reload" as const) },
    { weight: 15, arbitrary: fc.constantFrom("throw", "commit", "rollback") },
    { weight: 12, arbitrary: fc.constant("fail" as const) },
    { weight: 2, arbitrary: fc.constant("evict" as const) },
    { weight: 1, arbitrary: fc.constant("abort" as const) },
  );
  const act: fc.Arbitrary<Act> = fc.record({
    kind,
    by: fc.constantFrom("transactionSync", "@Atomic"),
    at: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 6 })),
    steps: fc.array(step, { minLength: 1, maxLength: 3, size: "max" }),
    after: fc.array(step, { maxLength: 1, size: "max" }),
    isTicking: fc.boolean(),
    isLooking: fc.boolean(),
  });
  return fc.record({ start, acts: fc.array(act, { minLength: 1, maxLength: acts, size: "max" }) });
}

/** Programs on trees of everything a field can hold, small enough to be looked at; some 50 steps. */
export const small: fc.Arbitrary<Program> = programs(container, few, 6, 30);

/** Programs on collections of hundreds of entries, which outgrow a row's size and shrink back to nothing. */
export const large: fc.Arbitrary<Program> = programs(
  fc.oneof(flat, nested).map((recipe) => new Large(recipe)),
  flat,
  700,
  24,
);

/** A text that two values share only if JavaScript cannot tell them apart: kinds, order, holes, -0. */
export function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[${Array.from(value, (item, i) => (i in value ? show(item) : "hole")).join()}]`;
  if (value instanceof Map) return `Map(${[...value].map(([key, item]) => `${show(key)}=>${show(item)}`).join()})`;
  if (value instanceof Set) return `Set(${[...value].map(show).join()})`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Uint8Array) return `Bytes(${[...value].join()})`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    const [buffer, at] = value instanceof ArrayBuffer ? [value, 0] : [value.buffer, value.byteOffset];
    return `${value.constructor.name}(${[...new Uint8Array(buffer, at, value.byteLength)].join()})`;
  }
  if (value instanceof RegExp) return String(value);
  if (value instanceof Error) {
    const own = Object.getOwnPropertyNames(value).filter((key) => !["stack", "message"].includes(key));
    const parts = own.toSorted().map((key) => `${key}:${show(Reflect.get(value, key))}`);
    return `${value.name}(${[show(value.message), ...parts].join()})`;
  }
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}:${show(item)}`)
    .join()}}`;
}
