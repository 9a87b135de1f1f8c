import { resolve } from "node:path";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { extractReadme } from "./scripts/readme.mjs";
import { writeTestConfig } from "./scripts/test-worker.mjs";
import { decorators } from "./src/vite.ts";

extractReadme();
writeTestConfig();

export default defineConfig({
  test: {
    projects: [
      project("test", "./test/wrangler.toml"),
      project("example", "./wrangler.toml"),
      project("readme", "./readme/wrangler.toml"),
      // What needs Node and not workerd.
      {
        plugins: [decorators()],
        resolve: {
          tsconfigPaths: true,
          alias: { "cloudflare:workers": resolve(import.meta.dirname, "test/node/cloudflare-workers.ts") },
        },
        test: { name: "node", include: ["test/node/**/*.test.ts"] },
      },
    ],
  },
});

/** The tests of a folder, in workerd, beside the Worker that `configPath` describes. */
function project(name: string, configPath: string): TestProjectInlineConfiguration {
  return {
    plugins: [decorators(), cloudflareTest({ wrangler: { configPath } })],
    // "durable-base" is this repository's `src/`, by `paths` of tsconfig.json.
    resolve: { tsconfigPaths: true },
    define: {
      FUZZ_REQUESTS: process.env["FUZZ_REQUESTS"] ?? "20000",
      FUZZ_SEED: process.env["FUZZ_SEED"] ?? `${Date.now() % 2 ** 31}`,
      MODEL_RUNS: process.env["MODEL_RUNS"] ?? "2000",
      MODEL_SEED: process.env["MODEL_SEED"] ?? `${Date.now() % 2 ** 31}`,
    },
    test: { name, include: [`${name}/**/*.test.ts`], exclude: ["test/node/**"] },
  };
}
