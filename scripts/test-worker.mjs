/**
 * The configuration of the tests' Worker, made from what `test/worker.ts` exports: a class in SQLite and a binding
 * for each, `HandRows100` as `HAND_ROWS_100`, a bucket, and the types of `env`.
 *
 * vitest.config.ts and the typecheck run it; these files are ignored by git.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(import.meta.dirname, "../test");
const EXPORTS = /^export \{ (.+) \} from "(.+)";$/gm;

/** The classes that have no SQLite, on purpose. */
const KV_ONLY = new Set(["Unbacked"]);

/** Writes `test/wrangler.toml`, `test/rows.toml` for `rows-worker.ts`, and `test/bindings.d.ts`. */
export function writeTestConfig() {
  const worker = readFileSync(join(folder, "worker.ts"), "utf8");
  const classes = [...worker.matchAll(EXPORTS)].flatMap(([, names, file]) =>
    names.split(", ").map((name) => ({ name, file, binding: bindingOf(name) })),
  );
  write("wrangler.toml", [HEAD, ...classes.map(classBlock)].join("\n"));
  const rows = classes.filter(({ file }) => file === "./fixtures/rows.ts");
  write("rows.toml", [HEAD.replace("worker.ts", "rows-worker.ts"), ...rows.map(classBlock)].join("\n"));
  const lines = classes.map(
    ({ name, file, binding }) =>
      `    ${binding}: DurableObjectNamespace<InstanceType<typeof import("${file}").${name}>>;`,
  );
  lines.push("    BACKUPS: R2Bucket;");
  write("bindings.d.ts", `declare namespace Cloudflare {\n  interface Env {\n${lines.join("\n")}\n  }\n}\n`);
}

const HEAD = `name = "durable-base-test"
main = "worker.ts"
compatibility_date = "2026-11-01"

[[r2_buckets]]
binding = "BACKUPS"
bucket_name = "backups"
`;

function classBlock({ name, binding }) {
  return `[exports.${name}]
type = "durable-object"
storage = "${KV_ONLY.has(name) ? "legacy-kv" : "sqlite"}"

[[durable_objects.bindings]]
name = "${binding}"
class_name = "${name}"
`;
}

function bindingOf(name) {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z0-9])/g, "_").toUpperCase();
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
  if (old !== text) writeFileSync(path, text);
}

if (import.meta.main) writeTestConfig();
