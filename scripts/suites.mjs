/**
 * `npm run suites`: the public suites of `abstract-level` and `keyv` over `Storage`, in a real Durable Object.
 *
 * Prints the failures, how many tests passed, and which were left out and why. `--suite keyv` runs only that suite, and
 * `--keys text` runs the suite of `abstract-level` with only that kind of keys.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as keyvSuite from "@keyv/test-suite";
import { fail, readOptions } from "./lib/options.mjs";
import { quiet } from "./lib/quiet.mjs";
import { bundle, start } from "./lib/runtime.mjs";

/** The longest that a run may take: after that it hangs, however slow the machine is. */
const LONGEST_RUN = 1_800_000;

/** The kinds of keys that `abstract-level` is tried with, by their encoding. */
const KEYS = { utf8: "text", view: "bytes" };

/** By the name on the command line: gives each run's name, tests with their faults, and tests left out. */
const suites = { "abstract-level": runAbstractLevel, keyv: runKeyv };

const { suite, keys: onlyKeys } = readOptions({ suite: { type: "string" }, keys: { type: "string" } });
if (suite !== undefined && !Object.hasOwn(suites, suite)) {
  fail(`No suite ${suite}: choose from ${Object.keys(suites).join(", ")}.`);
}

if (onlyKeys !== undefined && !Object.values(KEYS).includes(onlyKeys)) {
  fail(`No keys ${onlyKeys}: choose from ${Object.values(KEYS).join(", ")}.`);
}

let passed = 0;
let failed = 0;
for (const name of suite === undefined ? Object.keys(suites) : [suite]) {
  for (const run of await suites[name]()) print(run);
}
// Nothing that ran is no success.
if (passed === 0) failed++;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function print({ name, tests, leftOut }) {
  const faulty = tests.filter(({ faults }) => faults.length > 0);
  for (const { name, faults } of faulty)
    console.log(`FAIL ${name}\n${faults.map((fault) => `  ${fault.slice(0, 1_000)}`).join("\n")}`);
  passed += tests.length - faulty.length;
  failed += faulty.length;
  console.log(`${name}: ${tests.length - faulty.length} passed, ${faulty.length} failed`);
  for (const { feature, reason, tests } of leftOut) {
    console.log(`  ${tests.length} left out for ${feature}: ${reason}`);
    for (const [name, times] of counted(tests)) console.log(`    ${name}${times > 1 ? ` (${times} times)` : ""}`);
  }
}

/** The suite runs most of its tests twice: on a database, and on a part of one. */
function counted(names) {
  const times = new Map();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return times;
}

async function runAbstractLevel() {
  const script = await bundle("test/suites/worker.ts", { plugins: [asInNode()] });
  const runtime = await start({ script, objects: { SUITE: "Suite" } });
  const name = `abstract-level ${versionOf("abstract-level")}`;
  try {
    const runs = [];
    for (const [format, keys] of Object.entries(KEYS)) {
      if (onlyKeys !== undefined && keys !== onlyKeys) continue;
      const response = await fetch(`${runtime.url}/${format}`, { signal: AbortSignal.timeout(LONGEST_RUN) });
      if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
      runs.push({ name: `${name}, keys are ${keys}`, ...(await response.json()) });
    }
    return runs;
  } finally {
    await runtime.stop();
  }
}

/** In vitest, whose `expect` the suite asks for: `test/suites/keyv.test.ts`, which `npm test` runs with all others. */
function runKeyv() {
  const folder = mkdtempSync(join(tmpdir(), "durable-base-suites-"));
  const report = join(folder, "vitest.json");
  try {
    const args = ["run", "--project", "test", "test/suites/keyv.test.ts", "--reporter=json", `--outputFile=${report}`];
    const env = { ...process.env, ...quiet };
    const { status, stdout, stderr } = spawnSync("vitest", args, { encoding: "utf8", env, timeout: LONGEST_RUN });
    if (status !== 0) console.log(`${stdout}${stderr}`);
    const { testResults } = JSON.parse(readFileSync(report, "utf8"));
    const tests = testResults.flatMap(({ name, status, message, assertionResults }) => [
      ...assertionResults.map(({ fullName, status, failureMessages }) => ({
        name: fullName,
        faults: status === "passed" ? [] : [status, ...failureMessages],
      })),
      ...(assertionResults.length === 0 || (status !== "passed" && message)
        ? [{ name, faults: [message || status] }]
        : []),
    ]);
    return [{ name: `@keyv/test-suite ${versionOf("@keyv/test-suite")}`, tests, leftOut: [keyvLeftOut()] }];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function keyvLeftOut() {
  const names = [];
  keyvSuite.keyvCompresstionTests({ beforeEach() {}, it: (name) => names.push(name) }, {});
  return { feature: "compression", tests: names, reason: "about what compresses values; its store is always a Map" };
}

/** What the suite and tape have from Node: built-in modules, which workerd gives to `import` alone, and their folder. */
function asInNode() {
  const names = builtinModules.filter((name) => /^[a-z]/.test(name) && !name.startsWith("node:"));
  return {
    name: "as-in-node",
    setup({ initialOptions, onResolve, onLoad }) {
      // tape asks for it when an assertion fails, to leave its own files out of the stack.
      initialOptions.define = { __dirname: JSON.stringify("/tape") };
      onResolve({ filter: new RegExp(`^(node:)?(${names.join("|")})$`) }, ({ kind, path }) =>
        kind === "require-call" ? { path: path.replace(/^node:/, ""), namespace: "builtin" } : undefined,
      );
      onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({
        contents: `import builtin from "node:${path}"; module.exports = builtin;`,
      }));
    },
  };
}

function versionOf(name) {
  return JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
}
