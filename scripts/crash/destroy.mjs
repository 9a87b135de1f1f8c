/**
 * `npm run crash -- destroy --rounds 20 --seed 7`: kills workerd at random moments while an object destroys itself.
 *
 * Each round fills an object, lets it destroy itself, and SIGKILLs workerd within `LONGEST` ms. After a start on the same
 * folder all must be there or nothing; and nothing, if the destroying call was answered.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mulberry32 } from "../../test/random.ts";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const LONGEST = 40;
const WHOLE = "[1,5000,1,1,4000000000000]";
const GONE = "[0,0,null,0,null]";

const { rounds, seed } = readNumbers({ rounds: 20, seed: Date.now() % 1e6 }, process.argv.slice(3));
const random = mulberry32(seed);

const script = await bundle("test/crash/destroy/worker.ts");
const folder = mkdtempSync(join(tmpdir(), "durable-base-destroy-"));
let failures = 0;

console.log(`seed ${seed}, ${rounds} rounds`);
let runtime;
try {
  runtime = await wake();
  for (let round = 1; round <= rounds; round++) {
    const filled = await request(`${round}/fill`);
    const answered = request(`${round}/end`).catch(() => undefined);
    await new Promise((done) => setTimeout(done, random() * LONGEST));
    process.kill(runtime.pid, "SIGKILL");
    const answer = await answered;
    await runtime.stop();
    runtime = await wake();
    const found = await request(`${round}/state`);
    const isRight = filled === WHOLE && (found === GONE || (found === WHOLE && answer === undefined));
    if (!isRight) failures++;
    console.log(`${isRight ? "ok" : "FAIL"} round ${round}: ${answer ?? "no answer"}, then ${found}`);
  }
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${rounds - failures} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

function wake() {
  return start({ script, objects: { DOOMED: "Doomed" }, folder });
}

async function request(path) {
  const response = await fetch(`${runtime.url}/${path}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text;
}
