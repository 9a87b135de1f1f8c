/**
 * `npm run crash -- --rounds 20 --seed 7`: kills workerd at random moments under load.
 *
 * Each round sends increments with unique ids, SIGKILLs workerd, starts it again on the same folder
 * and asks: was every acknowledged increment kept, was none applied twice?
 *
 * `npm run crash -- steps` kills it inside each step of a program: see `steps.mjs`; `-- migrations` inside each step
 * of migrations, from each older version: see `migrations.mjs`; `-- once` under exactly-once calls: see
 * `once.mjs`; `-- destroy` while objects destroy themselves: see `destroy.mjs`;
 * `-- jobs` while jobs run: see `jobs.mjs`; `-- sockets` while clients play random programs: see `sockets.mjs`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mulberry32 } from "../../test/random.ts";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

if (["destroy", "jobs", "migrations", "once", "sockets", "steps"].includes(process.argv[2])) {
  await import(`./${process.argv[2]}.mjs`);
  process.exit();
}

const WORKERS = 8;
const COUNTERS = ["a", "b", "c"];
const LONGEST_LOAD = 600;

const { rounds, seed } = readNumbers({ rounds: 20, seed: Date.now() % 1e6 });
const random = mulberry32(seed);

const script = await bundle("test/crash/worker.ts");
const folder = mkdtempSync(join(tmpdir(), "durable-base-crash-"));
const sent = new Set();
const acknowledged = new Set();
let failures = 0;

console.log(`seed ${seed}, ${rounds} rounds`);
let runtime;
try {
  runtime = await start({ script, objects: { COUNTER: "Counter" }, folder });
  for (let round = 1; round <= rounds; round++) {
    const before = acknowledged.size;
    const after = Math.round(random() * LONGEST_LOAD);
    const load = underLoad(runtime.url, round);
    await new Promise((done) => setTimeout(done, after));
    process.kill(runtime.pid, "SIGKILL");
    await load;
    await runtime.stop();
    runtime = await start({ script, objects: { COUNTER: "Counter" }, folder });
    const problems = await check(runtime.url);
    failures += problems.length > 0 ? 1 : 0;
    console.log(
      `round ${round}: killed after ${after} ms, ${acknowledged.size - before} acknowledged, ${problems.join("; ") || "ok"}`,
    );
  }
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
// A run that had nothing to lose shows nothing.
if (acknowledged.size < rounds) {
  console.log(`only ${acknowledged.size} increments were acknowledged: no test`);
  failures++;
}
console.log(`${sent.size} sent, ${acknowledged.size} acknowledged\n${rounds - failures} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** Increments without a pause until the connection breaks. */
async function underLoad(url, round) {
  const worker = async (number) => {
    for (let i = 0; ; i++) {
      const counter = COUNTERS[(number + i) % COUNTERS.length];
      const id = `${counter}-${round}-${number}-${i}`;
      sent.add(id);
      try {
        const response = await fetch(`${url}/${counter}?id=${id}`);
        await response.text();
        if (response.status !== 200) return;
        acknowledged.add(id);
      } catch {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, number) => worker(number)));
}

/** What is wrong with the stored state, in words. */
async function check(url) {
  const stored = [];
  const problems = [];
  for (const counter of COUNTERS) {
    const { count, ids } = await (await fetch(`${url}/${counter}`)).json();
    if (count !== ids.length) problems.push(`${counter}: count ${count} beside ${ids.length} ids`);
    stored.push(...ids);
  }
  const kept = new Set(stored);
  const lost = [...acknowledged].filter((id) => !kept.has(id));
  const unknown = [...kept].filter((id) => !sent.has(id));
  if (kept.size !== stored.length) problems.push(`${stored.length - kept.size} applied twice`);
  if (lost.length > 0) problems.push(`${lost.length} acknowledged increments lost, such as ${lost[0]}`);
  if (unknown.length > 0) problems.push(`${unknown.length} that were never sent, such as ${unknown[0]}`);
  return problems;
}
