/**
 * The project that the README describes: each fenced block with a file name, as that file in `readme/`.
 *
 * vitest.config.ts and the typecheck run it, so that what the README shows is what works.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
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
  include: [".", "../src/core/async-hooks.d.ts"],
  exclude: ["vitest.config.ts"],
};

/**
 * Writes the files, of which `own` take the place of the README's, and gives the packages that the README
 * says to install, as `name@version`.
 */
export function extractProject(folder, own = {}) {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const shown = Object.fromEntries([...readme.matchAll(FENCE)].map(([, name, text]) => [name, text]));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries({ ...shown, ...own })) writeFileSync(join(folder, name), text);
  const [, install] = /^```sh install\n(.*?)^```$/ms.exec(readme);
  return install.split(/\s+/).filter((word) => /.@|^durable-base$/.test(word));
}

/** Writes the files for `src/` in place of the package, with the types that `wrangler types` would write. */
export function extractReadme() {
  extractProject(folder, { "env.d.ts": env, "tsconfig.json": JSON.stringify(tsconfig) });
}

if (import.meta.main) extractReadme();
