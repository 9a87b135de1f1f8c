/** The public suite of `keyv`, inside a Durable Object; what is left out is said in `scripts/suites.mjs`. */
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { Keyv } from "keyv";
import * as vitest from "vitest";
import { within } from "../storage/storages.ts";
import { StorageStore } from "./keyv-store.ts";

let inside: DurableObjectState | undefined;

/** Runs a test of the suite, or what belongs round it, in the object. */
function inObject<Arguments extends unknown[]>(work: (...args: Arguments) => unknown) {
  return (...args: Arguments): Promise<void> =>
    within("suite of keyv", async (ctx) => {
      inside = ctx;
      try {
        await work(...args);
      } finally {
        inside = undefined;
      }
    });
}

const test = {
  ...vitest,
  it: (name: string, work: (t: vitest.TestContext) => unknown) => vitest.it(name, inObject(work)),
  beforeEach: (work: () => unknown) => vitest.beforeEach(inObject(work)),
  afterEach: (work: () => unknown) => vitest.afterEach(inObject(work)),
} as unknown as typeof vitest;

function store(): StorageStore {
  if (inside === undefined) throw new Error("the suite asks for a store outside of a test");
  return new StorageStore(inside);
}

vitest.describe("keyv", () => {
  keyvTestSuite(test, Keyv, store);
});

vitest.describe("keyv's iterator", () => {
  keyvIteratorTests(test, Keyv, store);
});
