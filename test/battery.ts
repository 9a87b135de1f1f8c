/**
 * How much of an exhaustive table or a random test runs: a fixed slice with a fixed seed in `npm test`, all of it with a
 * fresh seed in `npm run test:long`.
 */

declare const TEST_LONG: boolean;
declare const TEST_SEED: number;

/** True in `npm run test:long`. */
export const isLong: boolean = TEST_LONG;

/** The seed at which every random test begins. */
export const seed: number = TEST_SEED;

/** The cases to run: every nth in `npm test`, all of them in `npm run test:long`. */
export function slice<T>(cases: readonly T[], every: number): readonly T[] {
  return isLong ? cases : cases.filter((_, nth) => nth % every === 0);
}

declare const FUZZ_REQUESTS: number;
declare const MODEL_RUNS: number;

/** How many requests `test/route/fuzz.test.ts` makes: `npm run fuzz -- --requests N`. */
export const fuzzRequests: number = FUZZ_REQUESTS;

/** How many programs `test/persisted/model.test.ts` plays: `npm run test:model -- --runs N`. */
export const modelRuns: number = MODEL_RUNS;
