/** Jobs beside a simple list: any program of schedules, time, stops and deploys comes to the same. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { modelRuns, seed } from "../battery.ts";
import { check } from "../check.ts";
import type { ModelJobs } from "./fixtures/schedule-model.ts";
import { mulberry32 } from "../random.ts";
import { programs, UNDONE, type Program } from "./schedule.programs.ts";
import { Play } from "./schedule.play.ts";

/** Each takes some ten times as long as one of persisted values. */
const RUNS = Math.ceil(modelRuns / 10);

/** Programs that share a seed, so that few have to run again to see one fail. */
const BATCH = 25;

/** A fixed day: a seed always makes the same programs and times. It is far ahead: no native alarm fires by itself. */
const START = Date.UTC(2100, 0, 1);

describe("the jobs of an object", () => {
  beforeEach(() => {
    for (const name of ["error", "warn"] as const) vi.spyOn(console, name).mockImplementation(() => {});
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it(`do what a simple list does, in ${RUNS} random programs`, { timeout: 3_600_000 }, async () => {
    console.log(`jobs: npm run test:model -- --runs ${modelRuns} --seed ${seed}`);
    const property = fc.asyncProperty(programs(30), play);
    for (let done = 0; done < RUNS; done += BATCH) {
      const batch = seed + done;
      const settings = {
        numRuns: Math.min(BATCH, RUNS - done),
        seed: batch,
        examples: done === 0 ? [[UNDONE] as [Program]] : [],
        unbiased: true,
      };
      const { failed, counterexample, errorInstance } = await check(property, settings);
      if (!failed) continue;
      const again = `npm run test:model -- --runs ${BATCH * 10} --seed ${batch}`;
      throw new Error(`${String(errorInstance)}\n\n${fc.stringify(counterexample)}\n\nAgain: ${again}`, {
        cause: errorInstance,
      });
    }
  });
});

let nth = 0;

/** Plays a program on an object, which is evicted or stopped where the program says so. */
async function play(program: Program): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: START });
  const random = vi.spyOn(Math, "random");
  random.mockImplementation(mulberry32(program.seed));
  const name = `model ${nth++}`;
  const stub = (): DurableObjectStub<ModelJobs> => env.MODEL_JOBS.getByName(name);
  const run = new Play(program, START);
  try {
    for (;;) {
      let next: "evict" | "end";
      try {
        next = await runInDurableObject(stub(), (self, state) => run.play(self, state));
      } catch (error) {
        if (!run.isStopped) throw error;
        continue;
      }
      if (next === "end") return;
      await evictDurableObject(stub());
    }
  } catch (error) {
    const why = error instanceof Error && error.cause !== undefined ? ` ${String(error.cause)}` : "";
    throw new Error(`${String(error)}${why}\n\n${run.story.join("\n")}`, { cause: error });
  } finally {
    random.mockRestore();
    vi.useRealTimers();
  }
}
