import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { extractReadme } from "./scripts/lib/readme.mjs";
import { writeTestConfig } from "./scripts/lib/test-worker.mjs";
import { decorators } from "./src/vite.ts";

/** Stops a test that hangs, in milliseconds: half an hour. On a busy machine the longest tests have taken over 5 minutes. */
const HANGS = 1_800_000;

/**
 * The files that use `durable-base/testing`, which moves the alarms of a whole worker while a test mocks the clock, and those
 * with Sentry, whose 1,000 modules would be loaded by each worker of the other files.
 */
const TESTING = [
  "core/decorators",
  "core/hidden",
  "core/reports",
  "core/wrapped",
  "testing/connect",
  "testing/testing",
].map((name) => `test/${name}.test.ts`);

/** The bytes of a row depend on what ran before in the same process: V8 writes `{ n: 1 }` as a double once there was a `{ n: 0.5 }`. */
const ROWS = "test/rows/rows.test.ts";

/** What needs Node, and what runs in browsers and Node and needs no workerd. */
const IN_NODE = ["test/node/**/*.test.ts", "test/client/{connect,draft,state}.test.ts"];

/** Files that share a workerd: each has objects of its own names, and starting one takes longer than most files do. */
const together = { setupFiles: ["./test/setup.ts"], isolate: false };

/**
 * One worker is enough for few files, and each loads every fixture. Another number needs a group of its own, and it comes first:
 * `npm test` has other steps for the second core meanwhile.
 */
const alone = { maxWorkers: 1, sequence: { groupOrder: 0 } };

/** The files of each project that take longest. vitest knows that only from an earlier run, and would leave a core idle at the end. */
const LONGEST = ["life", "schedule", "once", "cron-vectors", "testing"].map((name) => `/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLongest = ({ moduleId }: TestSpecification): boolean => LONGEST.some((name) => moduleId.endsWith(name));
    const projects = [...new Set(sorted.map(({ project }) => project))];
    return projects.flatMap((project) => {
      const own = sorted.filter((file) => file.project === project);
      return [...own.filter(isLongest), ...own.filter((file) => !isLongest(file))];
    });
  }
}

const isLong = Boolean(process.env["TEST_LONG"]);
const seed = process.env["TEST_SEED"] ?? "1";

extractReadme();
writeTestConfig();

export default defineConfig({
  test: {
    // vitest takes one fewer by default. Each worker is a workerd that loads every fixture, so more of them cost more than they save.
    maxWorkers: Math.min(4, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    projects: [
      project("test", "./test/wrangler.toml", { ...together, exclude: [...IN_NODE, ROWS, ...TESTING] }),
      project("rows", "./test/rows.toml", { ...alone, include: [ROWS] }),
      project("testing", "./test/testing.toml", {
        ...together,
        ...alone,
        include: TESTING,
        // Sentry's modules one by one would take longer than most tests.
        deps: {
          optimizer: {
            ssr: {
              enabled: true,
              include: ["sentry-10", "sentry-11"],
              rolldownOptions: { external: [/^node:/, /^cloudflare:/] },
            },
          },
        },
      }),
      project("example", "./wrangler.toml", { ...together, ...alone }),
      project("readme", "./readme/wrangler.toml", alone),
      {
        plugins: [decorators()],
        resolve: {
          tsconfigPaths: true,
          alias: { "cloudflare:workers": resolve(import.meta.dirname, "test/node/cloudflare-workers.ts") },
        },
        define: battery(),
        test: {
          name: "node",
          include: IN_NODE,
          setupFiles: ["./test/setup.ts"],
          testTimeout: HANGS,
          hookTimeout: HANGS,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

/** The tests of a folder, in workerd, beside the Worker that `configPath` describes. */
function project(
  name: string,
  configPath: string,
  more?: TestProjectInlineConfiguration["test"],
): TestProjectInlineConfiguration {
  return {
    plugins: [decorators(), cloudflareTest({ wrangler: { configPath }, verbose: false })],
    // Not verbose: workerd would print a stack for each error that a test expects.
    // "durable-base" is this repository's `src/`, by `paths` of tsconfig.json.
    resolve: { tsconfigPaths: true },
    define: battery(),
    test: {
      name,
      include: [`${name}/**/*.test.ts`],
      exclude: IN_NODE,
      testTimeout: HANGS,
      hookTimeout: HANGS,
      sequence: { groupOrder: 1 },
      ...more,
    },
  };
}

/** How much the random tests do, and where they begin: `test/battery.ts`. */
function battery(): Record<string, string> {
  return {
    TEST_LONG: `${isLong}`,
    TEST_SEED: seed,
    FUZZ_REQUESTS: process.env["FUZZ_REQUESTS"] ?? (isLong ? "50000" : "400"),
    MODEL_RUNS: process.env["MODEL_RUNS"] ?? (isLong ? "2000" : "50"),
  };
}
