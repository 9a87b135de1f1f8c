/**
 * `npm run crash -- steps`: kills workerd inside the first step of storage of a program, the second, the third …
 *
 * The program is `test/steps/program.ts`. At its step the object says so and never returns, within the turn, the
 * transaction even, that it is in; then the process is SIGKILLed and started again on the same folder. What is
 * stored must be a state that the program passed through, and not before the last call that was answered.
 *
 * `-- steps --every 8` takes every eighth step only, `--first 5` begins at the fifth.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { begin, boundaries, PROGRAM, textOf } from "../../test/steps/program.ts";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const { every, first } = readNumbers({ every: 1, first: 1 }, process.argv.slice(3));

const script = await bundle("test/steps/worker.ts");
const folder = mkdtempSync(join(tmpdir(), "durable-base-steps-"));
let stopped = 0;
let failures = 0;
let wasStopped = () => {};
let runtime;
try {
  runtime = await wake();
  for (let step = first; await isKilled(step); step += every) stopped++;
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
// A run that was never stopped shows nothing.
if (stopped === 0) failures++;
console.log(`${Math.max(0, stopped - failures)} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** Runs the program in a new object until it is killed at that step; false if it ended before. */
async function isKilled(step) {
  await request(step, `arm/${step}`);
  let state = begin();
  for (const [nth, call] of PROGRAM.entries()) {
    const heard = new Promise((done) => (wasStopped = done));
    const answered = request(step, `play/${nth}`).then(() => true);
    const isAnswered = await Promise.race([answered, heard.then(() => false)]);
    const states = boundaries(call, state);
    state = states.at(-1);
    if (isAnswered) continue;
    answered.catch(() => {});
    process.kill(runtime.pid, "SIGKILL");
    await runtime.stop();
    runtime = await wake();
    const found = await request(step, "state");
    const at = states.findIndex((state) => textOf(state) === found);
    if (at < 0) failures++;
    console.log(
      at < 0
        ? `FAIL step ${step}, in call ${nth} (${call.how}): ${found.slice(0, 200)}`
        : `ok step ${step}, in call ${nth} (${call.how}): boundary ${at} of ${states.length - 1}`,
    );
    return true;
  }
  if ((await request(step, "state")) !== textOf(state)) {
    failures++;
    console.log(`FAIL the whole program, without a stop, leaves another state`);
  }
  return false;
}

function wake() {
  const onLog = ({ message }) => message === "stopped" && wasStopped();
  return start({ script, objects: { HANGING: "Hanging" }, folder, onLog });
}

async function request(step, path) {
  const response = await fetch(`${runtime.url}/step ${step}/${path}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text;
}
