/**
 * The configurations of the tests' Workers, made from what `test/worker.ts` and its neighbours export: a class in SQLite and
 * a binding for each, `HandRows100` as `HAND_ROWS_100`, a bucket, and the types of `env`; and the twins of fixtures.
 *
 * vitest.config.ts and the typecheck run it; these files are ignored by git.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { bindingOf } from "./binding-of.mjs";
import { makeTwins } from "./twins.mjs";

const folder = resolve(import.meta.dirname, "../../test");
const EXPORTS = /^export \{ (.+) \} from "(.+)";$/gm;

/** The classes that have no SQLite, on purpose. */
const KV_ONLY = new Set(["Unbacked"]);

/** The configuration of each Worker, by its file. */
const CONFIGS = { "worker.ts": "wrangler.toml", "testing-worker.ts": "testing.toml", "rows-worker.ts": "rows.toml" };

/** Writes `test/*.toml`, `test/bindings.d.ts` and the twins of fixtures. */
export function writeTestConfig() {
  const twins = new Map(makeTwins(folder));
  for (const [path, text] of twins) write(path, text);
  // A fixture that was renamed leaves its twin behind, which the typecheck would still see.
  for (const path of globSync("*/twins/*", { cwd: folder })) if (!twins.has(path)) rmSync(join(folder, path));
  const lines = new Set();
  for (const [main, config] of Object.entries(CONFIGS)) {
    const worker = readFileSync(join(folder, main), "utf8");
    const blocks = [];
    for (const [, names, file] of worker.matchAll(EXPORTS)) {
      for (const name of names.split(", ")) {
        const binding = bindingOf(name);
        blocks.push(classBlock(name, binding));
        lines.add(`    ${binding}: DurableObjectNamespace<InstanceType<typeof import("${file}").${name}>>;`);
      }
    }
    write(config, [headOf(main), ...blocks].join("\n"));
  }
  lines.add("    BACKUPS: R2Bucket;");
  write("bindings.d.ts", `declare namespace Cloudflare {\n  interface Env {\n${[...lines].join("\n")}\n  }\n}\n`);
}

function headOf(main) {
  return `name = "durable-base-test"
main = "${main}"
compatibility_date = "2026-11-01"

[[r2_buckets]]
binding = "BACKUPS"
bucket_name = "backups"
`;
}

function classBlock(name, binding) {
  return `[exports.${name}]
type = "durable-object"
storage = "${KV_ONLY.has(name) ? "legacy-kv" : "sqlite"}"

[[durable_objects.bindings]]
name = "${binding}"
class_name = "${name}"
`;
}

/** Leaves a file that is right alone, so that a watching vitest does not start again. */
function write(name, text) {
  const path = join(folder, name);
  let old;
  try {
    old = readFileSync(path, "utf8");
  } catch {
    // The first time.
  }
  if (old === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

if (import.meta.main) writeTestConfig();
