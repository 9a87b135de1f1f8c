/**
 * `npm test`: every check, two at a time, one line each; `npm test -- lint build` runs only those, and what
 * they need.
 *
 * Prints the whole output of a step that failed, and `N passed, N failed` at the end: vitest's tests and
 * those that a step counts in such a line of its own, one for any other step.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quiet } from "./quiet.mjs";

const AT_ONCE = 2;
const LONGEST_STEP = 600_000;
const folder = mkdtempSync(join(tmpdir(), "durable-base-test-"));
const report = join(folder, "vitest.json");

const steps = [
  { name: "build", command: "node build.mjs" },
  {
    name: "workerd",
    command: `vitest run --reporter=default --reporter=json --outputFile.json=${report}`,
    count: () => {
      const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(readFileSync(report, "utf8"));
      return { passed, failed };
    },
  },
  { name: "smoke", command: "node scripts/smoke.mjs", after: "build" },
  { name: "format", command: "oxfmt --check" },
  { name: "lint", command: "oxlint --type-aware --deny-warnings", after: "build" },
  { name: "floors", command: "node scripts/floors.mjs" },
  { name: "typecheck", command: "npm run --silent typecheck" },
  { name: "publint", command: "publint --strict", after: "build" },
  { name: "attw", command: "attw --pack . --profile esm-only", after: "build" },
  { name: "knip", command: "knip", after: "build" },
  { name: "tsc-matrix", command: "node scripts/tsc-matrix.mjs", after: "build" },
  { name: "stubs", command: "node scripts/stubs.mjs" },
  { name: "commands", command: "node scripts/commands.mjs" },
  { name: "size", command: "node scripts/size.mjs --check" },
  { name: "crash", command: "node scripts/crash.mjs --rounds 20" },
  { name: "crash-steps", command: "node scripts/crash.mjs steps --every 7" },
  { name: "crash-migrations", command: "node scripts/crash.mjs migrations --every 7" },
  { name: "crash-once", command: "node scripts/crash.mjs once --rounds 4" },
  { name: "crash-destroy", command: "node scripts/crash.mjs destroy --rounds 6" },
  { name: "crash-jobs", command: "node scripts/crash.mjs jobs --rounds 1" },
  { name: "fuzz-raw", command: "node scripts/fuzz.mjs raw" },
  { name: "damage", command: "node scripts/damage.mjs" },
  { name: "transfer", command: "node scripts/transfer.mjs --mb 50" },
  { name: "formats", command: "node scripts/formats.mjs" },
  // The suite of keyv is among vitest's tests.
  { name: "suites", command: "node scripts/suites.mjs --suite abstract-level" },
];

const only = process.argv.slice(2);
const unknown = only.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`No step ${unknown.join(", ")}: choose from ${steps.map(({ name }) => name).join(", ")}.`);
  process.exit(1);
}

const needed = new Set(only.flatMap((name) => [name, steps.find((step) => step.name === name).after]));
const waiting = steps.filter(({ name }) => only.length === 0 || needed.has(name));
const running = new Map();
const children = new Set();
const total = { passed: 0, failed: 0 };
const began = Date.now();

process.on("exit", () => children.forEach(end));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

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

rmSync(folder, { recursive: true, force: true });
console.log(`in ${seconds(began)}\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** Runs a step, prints its line, adds to the total; resolves to its name. */
async function run(step) {
  const start = Date.now();
  const { code, output } = await execute(step.command);
  const { passed, failed } = counted(step, code, output);
  total.passed += passed;
  total.failed += failed;
  console.log(
    `${failed === 0 ? "ok  " : "FAIL"} ${step.name.padEnd(12)} ${seconds(start).padStart(7)}  ${passed} passed, ${failed} failed`,
  );
  if (failed > 0) console.log(`\n$ ${step.command}\n${output}`);
  return step.name;
}

function execute(command) {
  return new Promise((done) => {
    // Packing would build `dist/` anew while another step reads it.
    const env = { ...process.env, ...quiet, npm_config_ignore_scripts: "true" };
    // A group of its own, so that a step that hangs ends with everything it started.
    const child = spawn(command, { shell: true, detached: true, stdio: ["ignore", "pipe", "pipe"], env });
    let output = "";
    const timer = setTimeout(() => {
      output += `\nstopped after ${LONGEST_STEP / 1000} s\n`;
      end(child);
    }, LONGEST_STEP);
    children.add(child);
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.on("close", (code) => {
      clearTimeout(timer);
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

function counted(step, code, output) {
  let counts;
  try {
    const line = /^(\d+) passed, (\d+) failed$/m.exec(output);
    if (step.count !== undefined) counts = step.count();
    else if (line !== null) counts = { passed: Number(line[1]), failed: Number(line[2]) };
  } catch {
    // A run that broke before its report was written is one failure.
  }
  counts ??= { passed: code === 0 ? 1 : 0, failed: 0 };
  return code === 0 || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
