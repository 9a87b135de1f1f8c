import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DurableError } from "../src/errors.ts";
import { FIELDS, type Fields } from "../src/persisted/fields.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { apply, show, step, untangle, value, type Step } from "./model.ts";

declare const MODEL_RUNS: number;
declare const MODEL_SEED: number;

/** Programs per call of the object: an eviction comes between two calls. */
const BATCH = 50;

const program = fc.record({ start: value, steps: fc.array(step, { minLength: 1, maxLength: 50, size: "max" }) });

type Program = typeof program extends fc.Arbitrary<infer T> ? T : never;

describe("a persisted value", () => {
  it(`does what plain JavaScript does, in ${MODEL_RUNS} random programs`, { timeout: 600_000 }, async () => {
    console.log(`npm run test:model -- --runs ${MODEL_RUNS} --seed ${MODEL_SEED}`);
    for (let done = 0; done < MODEL_RUNS; done += BATCH) {
      const stub = env.ACCESSOR_THINGS.getByName("model");
      const last = await runInDurableObject(stub, async (self, { storage }) => {
        let stored = "";
        fc.assert(
          fc.property(program, (one) => {
            stored = play(self, storage, one);
          }),
          { numRuns: BATCH, seed: MODEL_SEED + done },
        );
        return stored;
      });
      await evictDurableObject(stub);
      expect(await runInDurableObject(stub, (self) => show(self.any))).toBe(last);
    }
  });
});

/** Runs a program on a field and on plain JavaScript; throws where they differ. Gives the last state. */
function play(self: AccessorThings, storage: DurableObjectStorage, { start, steps }: Program): string {
  const plain = { any: structuredClone(start) };
  self.run(() => (self.any = start));
  plain.any = untangle(plain.any);
  for (const one of steps) {
    if (one === "reload") {
      (self as unknown as { [FIELDS]: Fields })[FIELDS].forget();
    } else if (one === "throw") {
      expect(() =>
        self.run(() => {
          apply(self, TICK);
          throw new RangeError("thrown");
        }),
      ).toThrow(RangeError);
      apply(plain, TICK);
    } else if (one === "fail") {
      failing(storage, () => expect(() => self.run(() => (self.any = { gone: Math.random() }))).toThrow(DurableError));
    } else {
      const results = [plain, self].map((holder) => self.run(() => attempt(holder, one)));
      if (results[0] !== results[1]) throw new Error(`${show(one)} gave ${results[1]}, not ${results[0]}`);
    }
    plain.any = untangle(plain.any);
    const [expected, found] = [show(plain.any), show(self.any)];
    if (expected !== found) throw new Error(`after ${show(one)}: ${found}, not ${expected}`);
  }
  return show(plain.any);
}

/** What a method does before it throws. */
const TICK: Step = { at: 1, op: "read", n: 0, m: 0, value: 0 };

/** A step's result as text, or what it threw. */
function attempt(holder: { any: unknown }, one: Step): string {
  try {
    return show(apply(holder, one));
  } catch (error) {
    return (error as Error).name;
  }
}

function failing(storage: DurableObjectStorage, work: () => void): void {
  const { put } = storage.kv;
  storage.kv.put = () => {
    throw new Error("disk full");
  };
  try {
    work();
  } finally {
    storage.kv.put = put;
  }
}
