/** `Storage` beside a sorted Map: any operations, in transactions that are kept or undone, come to the same. */
import * as Storage from "durable-base/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PREFIX } from "../../src/storage/kv/keys.ts";
import { isLong } from "../battery.ts";
import { byBytes, within } from "./storages.ts";

type Model = Map<string, unknown>;

/** What one operation gave, or wrote: the same of both sides. */
interface Operation {
  readonly ours: (ctx: DurableObjectState) => unknown;
  readonly model: (model: Model) => unknown;
}

const key = fc.stringMatching(/^[a-c\0€😀\ufb00]{1,2}$/u);
const keys = fc.array(key, { maxLength: 5 });
const value = fc.oneof(fc.integer(), fc.constant(undefined), fc.string({ maxLength: 3 }));
const options: fc.Arbitrary<Storage.ListOptions> = fc.record(
  { start: key, end: key, prefix: key, reverse: fc.boolean(), limit: fc.nat(6) },
  { requiredKeys: [] },
);
const asked = fc.tuple(options, fc.boolean()).map(([{ start, ...rest }, isAfter]) => {
  return start === undefined ? rest : { ...rest, [isAfter ? "startAfter" : "start"]: start };
});
const step: fc.Arbitrary<Storage.BatchOperation> = fc.oneof(fc.record({ put: key, value }), fc.record({ delete: key }));

function chosen(
  model: Model,
  { start, startAfter, end, prefix = "", reverse = false, limit }: Storage.ListOptions,
): [string, unknown][] {
  const found = [...model]
    .toSorted(([a], [b]) => byBytes(a, b))
    .filter(([key]) => start === undefined || byBytes(key, start) >= 0)
    .filter(([key]) => startAfter === undefined || byBytes(key, startAfter) > 0)
    .filter(([key]) => end === undefined || byBytes(key, end) < 0)
    .filter(([key]) => key.startsWith(prefix));
  return (reverse ? found.reverse() : found).slice(0, limit);
}

const remove = (model: Model, keys: Iterable<string>): number => [...keys].filter((key) => model.delete(key)).length;

const next = (old: unknown): unknown => (typeof old === "number" && old % 2 === 0 ? undefined : 2);

const as = (ours: Operation["ours"], model: Operation["model"]): Operation => ({ ours, model });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  key.map((key) =>
    as(
      (ctx) => Storage.get(ctx, key, "none"),
      (model) => model.get(key) ?? "none",
    ),
  ),
  key.map((key) =>
    as(
      (ctx) => Storage.has(ctx, key),
      (model) => model.has(key),
    ),
  ),
  keys.map((keys) =>
    as(
      (ctx) => [...Storage.getMany(ctx, keys)],
      (model) => [...new Set(keys)].filter((key) => model.has(key)).map((key) => [key, model.get(key)]),
    ),
  ),
  fc.tuple(key, value).map(([key, value]) =>
    as(
      (ctx) => Storage.put(ctx, key, value),
      (model) => void model.set(key, value),
    ),
  ),
  fc.array(fc.tuple(key, value), { maxLength: 5 }).map((entries) =>
    as(
      (ctx) => Storage.putMany(ctx, entries),
      (model) => entries.forEach(([key, value]) => model.set(key, value)),
    ),
  ),
  key.map((key) =>
    as(
      (ctx) => Storage.delete(ctx, key),
      (model) => model.delete(key),
    ),
  ),
  keys.map((keys) =>
    as(
      (ctx) => Storage.deleteMany(ctx, keys),
      (model) => remove(model, keys),
    ),
  ),
  key.map((key) =>
    as(
      (ctx) => Storage.update(ctx, key, next),
      (model) => {
        const value = next(model.get(key));
        if (value === undefined) model.delete(key);
        else model.set(key, value);
        return value;
      },
    ),
  ),
  fc.array(step, { maxLength: 5 }).map((steps) =>
    as(
      (ctx) => Storage.batch(ctx, steps),
      (model) => {
        for (const step of steps) {
          if (step.delete === undefined) model.set(step.put, step.value);
          else model.delete(step.delete);
        }
      },
    ),
  ),
  asked.map((options) =>
    as(
      (ctx) => [...Storage.list(ctx, options)],
      (model) => chosen(model, options),
    ),
  ),
  asked.map((options) =>
    as(
      (ctx) => Storage.count(ctx, options),
      (model) => chosen(model, options).length,
    ),
  ),
  asked.map((options) =>
    as(
      (ctx) => Storage.clear(ctx, options),
      (model) => {
        const keys = chosen(model, options).map(([key]) => key);
        return remove(model, keys);
      },
    ),
  ),
);

/** Operations, and transactions of more. */
type Program = readonly (Operation | Inside)[];

interface Inside {
  readonly inside: Program;
  readonly how: "kept" | "undone";
  readonly isAsync: boolean;
}

const { program } = fc.letrec<{ program: Program }>((tie) => ({
  program: fc.array(
    fc.oneof(
      { depthSize: "small" },
      { arbitrary: operation, weight: 6 },
      {
        arbitrary: fc.record({ inside: tie("program"), how: fc.constantFrom("kept", "undone"), isAsync: fc.boolean() }),
        weight: 1,
      },
    ),
    { maxLength: 8 },
  ) as fc.Arbitrary<Program>,
}));

const stop = new Error("stop");

/** Does the steps; inside a function that is not async, transactions of the other kind too are of that one. */
function runSync(ctx: DurableObjectState, model: Model, program: Program): void {
  for (const step of program) {
    if ("ours" in step) {
      expect(step.ours(ctx)).toEqual(step.model(model));
      continue;
    }
    const before = [...model];
    try {
      Storage.transaction(ctx, () => {
        runSync(ctx, model, step.inside);
        if (step.how === "undone") throw stop;
      });
    } catch (error) {
      undo(model, before, error);
    }
  }
}

async function run(ctx: DurableObjectState, model: Model, program: Program): Promise<void> {
  for (const step of program) {
    if ("ours" in step || !step.isAsync) {
      runSync(ctx, model, [step]);
      continue;
    }
    const before = [...model];
    const work = async (): Promise<void> => {
      await run(ctx, model, step.inside);
      if (step.how === "undone") throw stop;
    };
    await Storage.transaction(ctx, work).catch((error: unknown) => undo(model, before, error));
  }
}

function undo(model: Model, before: [string, unknown][], error: unknown): void {
  if (error !== stop) throw error;
  model.clear();
  for (const [key, value] of before) model.set(key, value);
}

describe("Storage", () => {
  it("agrees with a sorted Map, in transactions that are kept or undone", async () => {
    await within("model of all", async (ctx) => {
      const ours = [`${PREFIX}a`, `${PREFIX}z`];
      for (const key of ours) ctx.storage.kv.put(key, "ours");
      await fc.assert(
        fc.asyncProperty(program, async (program) => {
          Storage.clear(ctx);
          const model: Model = new Map();
          await run(ctx, model, program);
          expect([...Storage.list(ctx)]).toEqual(chosen(model, {}));
          expect(ours.map((key) => ctx.storage.kv.get(key))).toEqual(["ours", "ours"]);
        }),
        { numRuns: isLong ? 300 : 60 },
      );
    });
  });
});
