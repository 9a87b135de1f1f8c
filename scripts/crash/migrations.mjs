/**
 * `npm run crash -- migrations`: kills workerd inside the first step of storage of migrations, the second, the third …
 *
 * The migrations are those of `test/steps/versions.ts`, and objects come from each older version. At its step (before or
 * after a statement, a put, a delete, the begin or end of the transaction) the object says so and never returns; then the
 * process is SIGKILLed and started again on the same folder. What is stored must be what was there before, or all that the
 * migrations make of it, and after the next wake-up the latter.
 *
 * `-- migrations --every 8` takes every eighth step only, `--first 5` begins at the fifth.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expected, MIGRATIONS } from "../../test/steps/versions.ts";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const { every, first } = readNumbers({ every: 1, first: 1 }, process.argv.slice(3));

const script = await bundle("test/crash/migrations/worker.ts");
const folder = mkdtempSync(join(tmpdir(), "durable-base-migrations-"));
/** How often the object was found as it was, and with all steps made. */
const found = { before: 0, after: 0 };
let failures = 0;
let wasStopped = () => {};
let runtime;
try {
  runtime = await wake();
  for (let version = 0; version < MIGRATIONS.length; version++) {
    for (let step = first + (version % every); await isKilled(version, step); step += every);
  }
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
const stopped = found.before + found.after;
// A run that never came from within a step shows nothing.
if (found.before === 0) failures++;
console.log(`${found.before} as before, ${found.after} with all steps`);
console.log(`${Math.max(0, stopped - failures)} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** Migrates a new object of that version until it is killed at that step; false if the migrations ended before. */
async function isKilled(version, step) {
  const name = `version ${version} step ${step}`;
  const ask = (path) => request(`${name}/${path}`);
  const goal = JSON.stringify(expected(version));
  await ask(`deploy/${version}`);
  const before = await ask(`write/${version}`);
  await ask("reset");
  await ask(`deploy/${MIGRATIONS.length}`);
  await ask(`arm/${step}`);
  const heard = new Promise((done) => (wasStopped = done));
  const answered = ask("stored");
  const answer = await Promise.race([answered, heard]);
  const problems = [];
  if (answer === undefined) {
    answered.catch(() => {});
    process.kill(runtime.pid, "SIGKILL");
    await runtime.stop();
    runtime = await wake();
    const left = await ask("look");
    if (left === before) found.before++;
    else if (left === goal) found.after++;
    else problems.push(`left ${left}`);
    const end = await ask("stored");
    if (end !== goal) problems.push(`ended with ${end}`);
    await ask("reset");
    const again = await ask("stored");
    if (again !== end) problems.push(`woke up again with ${again}`);
    console.log(
      `${problems.length === 0 ? "ok" : "FAIL"} ${name}: ${problems.join("; ") || (left === before ? "as before" : "all steps")}`,
    );
  } else if (answer !== goal) {
    problems.push(answer);
    console.log(`FAIL ${name}: without a stop, ended with ${answer}`);
  }
  failures += problems.length > 0 ? 1 : 0;
  return answer === undefined;
}

function wake() {
  const onLog = ({ message }) => message === "stopped" && wasStopped();
  return start({ script, objects: { UPGRADED: "Upgraded" }, folder, onLog });
}

async function request(path) {
  const response = await fetch(`${runtime.url}/${path}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text;
}
