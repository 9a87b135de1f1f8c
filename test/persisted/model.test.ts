import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modelRuns, seed } from "../battery.ts";
import { check } from "../check.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { Run } from "./model-run.ts";
import { large, small, type Program } from "./model.ts";

/** Programs that share a seed, so that few have to run again to see one fail. */
const BATCH = 50;

describe("a persisted value", () => {
  it(`does what plain JavaScript does, in ${modelRuns} random programs`, { timeout: 3_600_000 }, async () => {
    await checkBatches("small", small, modelRuns);
  });

  const runs = Math.ceil(modelRuns / 8);
  it(`does so when it is large, in ${runs} random programs`, { timeout: 3_600_000 }, async () => {
    await checkBatches("large", large, runs);
  });
});

/** Plays so many programs, and throws where one differs from plain JavaScript. */
async function checkBatches(name: string, programs: fc.Arbitrary<Program>, runs: number): Promise<void> {
  console.log(`${name}: npm run test:model -- --runs ${modelRuns} --seed ${seed}`);
  const property = fc.asyncProperty(programs, (program) => play(name, program));
  for (let done = 0; done < runs; done += BATCH) {
    const batch = seed + done;
    const { failed, counterexample, errorInstance } = await check(property, {
      numRuns: Math.min(BATCH, runs - done),
      seed: batch,
      // Long programs matter more here than edge cases of numbers.
      unbiased: true,
    });
    if (!failed) continue;
    const again = `npm run test:model -- --runs ${name === "large" ? BATCH * 8 : BATCH} --seed ${batch}`;
    throw new Error(`${String(errorInstance)}\n\n${fc.stringify(counterexample)}\n\nAgain: ${again}`, {
      cause: errorInstance,
    });
  }
}

/** Plays a program on an object, which is evicted or reset where the program says so, and at last once more. */
async function play(name: string, program: Program): Promise<void> {
  const run = new Run(program);
  try {
    await playOn(name, run);
  } catch (error) {
    throw new Error(`${String(error)}\n\n${run.story}`, { cause: error });
  }
}

async function playOn(name: string, run: Run): Promise<void> {
  const stub = (): DurableObjectStub<AccessorThings> => env.ACCESSOR_THINGS.getByName(`model ${name}`);
  for (;;) {
    const next = await runInDurableObject(stub(), (self, { storage }) => run.play(self, storage));
    if (next === "end") return;
    if (next === "evict") await evictDurableObject(stub());
    else await expect(runInDurableObject(stub(), (self, state) => run.abort(self, state))).rejects.toThrow("reset by");
  }
}
