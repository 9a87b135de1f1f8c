/**
 * Checks the imports of the files of `src/`, type imports included:
 * - A file imports only from lower layers, or from the same path of the table, and never in a cycle.
 * - Nothing imports a part, and parts don't import each other. No code outside its folder knows a part's name.
 * - Only `core/durable-base.ts`, and `testing/` beside it, import `cloudflare:workers` by value.
 */
import { globSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** From the lowest layer to the highest, the folders and files of `src/`. The longest path that matches a file counts. */
const LAYERS = [
  [
    "core/after-write.ts",
    "core/alarm-types.ts",
    "core/bare-problem.ts",
    "core/destroy-reason.ts",
    "core/errors.ts",
    "core/live-instance.ts",
    "core/part/key.ts",
    "core/platform.ts",
    "core/two-copies.ts",
    "core/values/async.ts",
    "core/values/snapshot.ts",
    "sync/frames.ts",
    "sync/values.ts",
    "vite.ts",
  ],
  ["core/entry/rpc-errors.ts", "core/part/call-part.ts", "core/plan.ts", "core/values"],
  ["core/entry/scope.ts", "storage"],
  ["core/entry/run.ts", "core/part/types.ts"],
  ["calls", "core/entry/gate.ts", "persisted", "route", "transfer"],
  ["core/destroy.ts", "core/entry/results.ts", "core/rpc-surface.ts", "object", "openapi"],
  ["client", "core/part/attached.ts", "shards"],
  ["core/instance.ts", "core/part/entries.ts", "core/part/host.ts", "core/part/sockets.ts", "react"],
  ["core/durable-base.ts", "core/part/part.ts"],
  ["core/alarm.ts", "index.ts"],
  ["jobs", "migrations", "once", "part.ts", "remote-storage", "sockets"],
  ["sync"],
  ["testing"],
];

/** The parts: nothing in `src/` imports one, except `durable-base/testing`, and they don't import each other. */
const PARTS = ["jobs", "migrations", "once", "remote-storage", "sockets", "sync"];

/** The part that another is built on. */
const BASE_OF = { sync: "sockets" };

/** The caller's side of a part: functions of `Storage` take handles whether their object has the part or not. */
const NAMES_ITS_PART = "storage/remote.ts";

const IMPORT = /(?:^(?:import|export)\s+(?<type>type\s)?(?:[^"';]*?\sfrom\s+)?|\bimport\()"(?<from>[^"]+)"/gm;

/** A string that is a part's name; comments and messages may have one in them. */
const NAME = new RegExp(`(["'\`])(?<part>${PARTS.join("|")})\\1`, "g");

const layerOf = new Map(LAYERS.flatMap((paths, layer) => paths.map((path) => [path, layer])));
const problems = [];
/** By file, the files of `src/` that it imports. */
const imported = new Map();

for (const path of globSync("src/**/*.ts", { exclude: ["**/*.d.ts"] })) {
  const file = relative("src", path);
  imported.set(file, new Set());
  const text = readFileSync(path, "utf8");
  for (const { groups } of text.matchAll(IMPORT)) {
    if (groups.from.startsWith(".")) imported.get(file).add(join(file, "..", groups.from));
    else if (groups.from === "cloudflare:workers" && groups.type === undefined) checkPlatform(file);
  }
  checkNames(file, text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, ""));
}
for (const [file, others] of imported) {
  const place = placeOf(file);
  if (place === undefined) problems.push(`src/${file}: give it a layer in scripts/check/layers.mjs`);
  else for (const other of others) checkImport(file, place, other);
}
for (const [file, ...rest] of cycles()) problems.push(`src/${file}: an import cycle: ${[file, ...rest].join(" → ")}`);

for (const problem of problems) console.error(problem);
console.log(`${imported.size} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** The longest path of the table that is the file or a folder around it. */
function placeOf(file) {
  for (let path = file; path !== "."; path = join(path, "..")) if (layerOf.has(path)) return path;
  return undefined;
}

function checkPlatform(file) {
  if (file === "core/durable-base.ts" || file.startsWith("testing/")) return;
  problems.push(`src/${file}: only core/durable-base.ts imports cloudflare:workers by value`);
}

function checkNames(file, code) {
  if (file === NAMES_ITS_PART || PARTS.some((part) => file.startsWith(`${part}/`))) return;
  for (const { groups } of code.matchAll(NAME)) problems.push(`src/${file}: must not know the part ${groups.part}`);
}

function checkImport(file, place, other) {
  const target = placeOf(other);
  // A file without a layer has a problem of its own.
  if (target === undefined || target === place) return;
  const refuse = (why) => problems.push(`src/${file}: must not import ${other}, ${why}`);
  if (place !== "testing" && PARTS.includes(target) && BASE_OF[place] !== target)
    refuse(`which belongs to the part ${target}`);
  if (target === "core/alarm.ts" && ![...PARTS, "part.ts", "testing"].includes(place)) {
    refuse("which comes with the parts that need it");
  }
  const [layer, below] = [layerOf.get(place), layerOf.get(target)];
  if (below >= layer) refuse(`of layer ${below}, from layer ${layer}`);
}

/** The cycles that a walk in depth meets, each with its first file at both ends: one at least if there are any. */
function cycles() {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    const start = path.indexOf(file);
    if (start !== -1) found.push([...path.slice(start), file]);
    if (start !== -1 || done.has(file)) return;
    for (const other of imported.get(file) ?? []) visit(other, [...path, file]);
    done.add(file);
  };
  for (const file of imported.keys()) visit(file, []);
  return found;
}
