/**
 * `npm test`: every check, two at a time, one line each. Random tests use a fixed seed and exhaustive tables run a fixed
 * slice, so the same commit always gives the same result. `npm test -- lint build` runs only those steps, and what they need.
 *
 * `npm run test:long -- --seed 7` runs everything in full, with a fresh seed unless one is given.
 *
 * A step that failed prints its failures and where its whole output is kept. The last line is `N passed, N failed`: vitest's
 * tests, those that a step counts in such a line of its own, and one for any other step. No step has a time limit: a slow
 * machine takes longer, and a test that hangs has a limit of its own.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fail, wholeNumber } from "./lib/options.mjs";
import { quiet } from "./lib/quiet.mjs";

const AT_ONCE = 2;
const FIXED_SEED = 20_261_130;

const { values, positionals: only } = parseCommand();
const isLong = values.long;
const seed = values.seed === undefined ? (isLong ? Date.now() % 1e6 : FIXED_SEED) : wholeNumber("seed", values.seed);
const folder = mkdtempSync(join(tmpdir(), "durable-base-test-"));
const report = join(folder, "vitest.json");
const memory = memoryFolder();

/** `quick` is a step's command in `npm test`, `long` in `npm run test:long`, `both` in either; one without is left out. */
const steps = [
  { name: "build", both: "node build.mjs" },
  {
    name: "workerd",
    both: `vitest run --reporter=default --reporter=json --outputFile.json=${report}`,
    isVitest: true,
  },
  { name: "typecheck", quick: "npm run --silent typecheck:core", long: "npm run --silent typecheck" },
  // The rules that know types take ten times as long.
  { name: "lint", quick: "oxlint --deny-warnings", long: "oxlint --type-aware --deny-warnings", after: "build" },
  { name: "format", both: "oxfmt --check" },
  { name: "prose", both: "node scripts/check/prose.mjs" },
  { name: "layers", both: "node scripts/check/layers.mjs" },
  { name: "size", both: "node scripts/check/size.mjs --check" },
  { name: "publint", long: "publint --strict", after: "build" },
  { name: "attw", long: "attw --pack . --profile esm-only", after: "build" },
  { name: "knip", long: "knip", after: "build" },
  { name: "smoke", long: "node scripts/check/smoke.mjs", after: "build" },
  { name: "tsc-matrix", long: "node scripts/check/tsc-matrix.mjs", after: "build" },
  { name: "stubs", both: "node scripts/check/stubs.mjs" },
  { name: "vite-dev", long: "node scripts/check/vite-dev.mjs" },
  { name: "vite-edit", long: "node scripts/check/vite-edit.mjs" },
  { name: "hono", long: "node scripts/check/hono.mjs" },
  { name: "browser", long: "node scripts/check/browser.mjs" },
  { name: "react", long: "node scripts/check/react.mjs" },
  { name: "board", long: "node scripts/check/board.mjs", after: "build" },
  { name: "troubleshooting", long: "node scripts/check/troubleshooting.mjs" },
  { name: "commands", quick: "node scripts/check/commands.mjs --every 16", long: "node scripts/check/commands.mjs" },
  { name: "model", long: `node scripts/model.mjs --runs 10000 --seed ${seed}` },
  {
    name: "crash",
    quick: `node scripts/crash/crash.mjs --rounds 2 --seed ${seed}`,
    long: `node scripts/crash/crash.mjs --rounds 50 --seed ${seed}`,
  },
  {
    name: "crash-steps",
    quick: "node scripts/crash/crash.mjs steps --every 150",
    long: "node scripts/crash/crash.mjs steps",
  },
  {
    name: "crash-migrations",
    quick: "node scripts/crash/crash.mjs migrations --every 120",
    long: "node scripts/crash/crash.mjs migrations",
  },
  { name: "crash-once", long: `node scripts/crash/crash.mjs once --rounds 20 --seed ${seed}` },
  { name: "crash-destroy", long: `node scripts/crash/crash.mjs destroy --rounds 20 --seed ${seed}` },
  { name: "crash-jobs", long: `node scripts/crash/crash.mjs jobs --rounds 3 --seed ${seed}` },
  {
    name: "sockets-model",
    quick: `node scripts/crash/crash.mjs sockets --rounds 2 --seed ${seed}`,
    long: `node scripts/crash/crash.mjs sockets --rounds 60 --seed ${seed}`,
  },
  {
    name: "fuzz-raw",
    quick: `node scripts/fuzz/fuzz.mjs raw --requests 60 --seed ${seed}`,
    long: `node scripts/fuzz/fuzz.mjs raw --requests 1600 --seed ${seed}`,
  },
  {
    name: "fuzz-sockets",
    quick: `node scripts/fuzz/fuzz.mjs sockets --frames 60 --clients 100 --seed ${seed}`,
    long: `node scripts/fuzz/fuzz.mjs sockets --frames 2000 --clients 5000 --seed ${seed}`,
  },
  { name: "hibernation", long: "node scripts/check/hibernation.mjs" },
  { name: "damage", long: "node scripts/check/damage.mjs" },
  { name: "formats", long: "node scripts/check/formats.mjs" },
  { name: "transfer", quick: "node scripts/transfer.mjs --mb 5", long: "node scripts/transfer.mjs --mb 1000" },
  {
    name: "suites",
    // The suite of keyv is among vitest's tests.
    long: "node scripts/suites.mjs --suite abstract-level",
  },
].map(({ quick, long, both, ...step }) => ({ ...step, command: both ?? (isLong ? long : quick) }));

const unknown = only.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  fail(`No step ${unknown.join(", ")}: choose from ${steps.map(({ name }) => name).join(", ")}.`);
}

const needed = new Set(only.flatMap((name) => [name, steps.find((step) => step.name === name).after]));
const waiting = steps.filter(({ name, command }) => command !== undefined && (only.length === 0 || needed.has(name)));
const running = new Map();
const children = new Set();
const total = { passed: 0, failed: 0 };
const began = Date.now();

process.on("exit", () => {
  children.forEach(end);
  if (memory !== undefined) rmSync(memory, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

if (isLong) console.log(`npm run test:long -- --seed ${seed}`);
while (waiting.length > 0 || running.size > 0) {
  const blocked = ({ after }) => running.has(after) || waiting.some(({ name }) => name === after);
  const next = waiting.find((step) => !blocked(step));
  if (next !== undefined && running.size < AT_ONCE) {
    waiting.splice(waiting.indexOf(next), 1);
    running.set(next.name, run(next));
    continue;
  }
  running.delete(await Promise.race(running.values()));
}

if (total.failed === 0) rmSync(folder, { recursive: true, force: true });
console.log(`in ${seconds(began)}\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

function parseCommand() {
  const options = { long: { type: "boolean", default: false }, seed: { type: "string" } };
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return fail(error.message.split("\n")[0]);
  }
}

/**
 * A folder in memory, for the objects of vitest's tests: they are small and many, and on a disk each of their writes is waited
 * for. Without enough memory, undefined.
 */
function memoryFolder() {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize >= 2e9 ? mkdtempSync("/dev/shm/durable-base-test-") : undefined;
  } catch {
    // Not on this system.
    return undefined;
  }
}

/** Runs a step, prints its line, adds to the total; resolves to its name. */
async function run(step) {
  const start = Date.now();
  const { code, output } = await execute(step);
  const results = step.isVitest ? readReport() : undefined;
  const { passed, failed } = counted(results, code, output);
  total.passed += passed;
  total.failed += failed;
  console.log(
    `${failed === 0 ? "ok  " : "FAIL"} ${step.name.padEnd(16)} ${seconds(start).padStart(7)}  ${passed} passed, ${failed} failed`,
  );
  if (failed > 0) {
    const log = join(folder, `${step.name}.log`);
    writeFileSync(log, output);
    console.log(`\n$ ${step.command}\n${failuresOf(results, output)}\nWhole output: ${log}\n`);
  }
  return step.name;
}

function execute({ command, isVitest }) {
  return new Promise((done) => {
    // Packing would build `dist/` anew while another step reads it.
    const env = { ...process.env, ...quiet, npm_config_ignore_scripts: "true" };
    Object.assign(env, { TEST_SEED: `${seed}`, TEST_LONG: isLong ? "1" : "" });
    if (isVitest && memory !== undefined) env.TMPDIR = memory;
    // A group of its own, so that a step ends with everything it started.
    const child = spawn(command, { shell: true, detached: true, stdio: ["ignore", "pipe", "pipe"], env });
    let output = "";
    children.add(child);
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.on("close", (code) => {
      children.delete(child);
      done({ code, output });
    });
  });
}

function end({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself in this moment.
  }
}

/** vitest's report; undefined if it broke before it wrote one. */
function readReport() {
  try {
    return JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return undefined;
  }
}

function counted(results, code, output) {
  const line = /^(\d+) passed, (\d+) failed$/m.exec(output);
  const counts =
    results !== undefined
      ? { passed: results.numPassedTests, failed: results.numFailedTests }
      : line !== null
        ? { passed: Number(line[1]), failed: Number(line[2]) }
        : { passed: code === 0 ? 1 : 0, failed: 0 };
  return code === 0 || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** The failures that a step's output is about, without what passed. */
function failuresOf(results, output) {
  const tests = (results?.testResults ?? []).flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0 && message) return [`FAIL ${name}\n${message}`];
    return failed.map(({ fullName, failureMessages }) => `FAIL ${name}\n  ${fullName}\n${failureMessages.join("\n")}`);
  });
  const checks = output.match(/^FAIL .*\n(?:(?!(?:ok|FAIL) |\d+ passed).*\n?)*/gm) ?? [];
  const failures = tests.length > 0 ? tests : checks;
  if (failures.length === 0) return output.trimEnd().split("\n").slice(-60).join("\n");
  const shown = failures.slice(0, 20).map((text) => text.split("\n").slice(0, 25).join("\n"));
  return [...shown, ...(failures.length > 20 ? [`… and ${failures.length - 20} more`] : [])].join("\n\n");
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
