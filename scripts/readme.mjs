/**
 * The project that the README describes: each fenced block with a file name, as that file in `readme/`.
 *
 * vitest.config.ts and the typecheck run it, so that what the README shows is what works.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const folder = join(root, "readme");
const FENCE = /^```\w+ ([\w.-]+\.\w+)\n(.*?)^```$/gms;

const env = `declare namespace Cloudflare {
  interface Env {
    COUNTER: DurableObjectNamespace<import("./counter.ts").Counter>;
  }
}
`;

const tsconfig = {
  extends: "../example/tsconfig.json",
  include: [".", "../src/async-hooks.d.ts"],
  exclude: ["vitest.config.ts"],
};

/** Writes the files, with the types that `wrangler types` would write. */
export function extractReadme() {
  mkdirSync(folder, { recursive: true });
  for (const [, name, text] of readFileSync(join(root, "README.md"), "utf8").matchAll(FENCE)) {
    writeFileSync(join(folder, name), text);
  }
  writeFileSync(join(folder, "env.d.ts"), env);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
}

if (import.meta.main) extractReadme();
