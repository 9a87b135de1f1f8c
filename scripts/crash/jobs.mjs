/**
 * `npm run crash -- jobs --rounds 5 --seed 7`: kills workerd at random moments while jobs run.
 *
 * In each round 1,000 jobs are scheduled across 100 objects for random times of the next seconds, workerd is SIGKILLed
 * several times meanwhile and started again on the same folder, and nothing but alarms wakes the objects. At the end every
 * job must have run, sync and `@Atomic` ones exactly once, none before its time, those of an object in the order of
 * their times, and nothing may be left: no job, no dead job, no alarm.
 *
 * A run in which no job was cut off in the middle and run again fails, since it shows nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { mulberry32 } from "../../test/random.ts";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const OBJECTS = 100;
const JOBS_EACH = 10;
const KINDS = ["sync", "atomic", "later"];
/** Milliseconds: before the first job is due, and from then to the last. */
const [LEAD, SPAN] = [1_000, 3_000];
const KILLS = 4;
/** Milliseconds for what was cut off to come again, before anybody looks. */
const PATIENCE = 12_000;

const { rounds, seed } = readNumbers({ rounds: 5, seed: Date.now() % 1e6 }, process.argv.slice(3));
const random = mulberry32(seed);

const script = await bundle("test/crash/jobs/worker.ts");
const folder = mkdtempSync(join(tmpdir(), "durable-base-jobs-"));
let failures = 0;
let repeated = 0;

console.log(`seed ${seed}, ${rounds} rounds`);
let runtime;
try {
  runtime = await wake();
  for (let round = 1; round <= rounds; round++) {
    const desks = Array.from({ length: OBJECTS }, (_, n) => plan(`${round}-${n}`));
    await Promise.all(desks.map(async (desk) => (desk.planned = await request(desk.name, desk.jobs))));
    const end = Math.max(...desks.flatMap(({ jobs }) => jobs.map(({ at }) => at)));
    await wait(Math.max(1, Math.min(...desks.flatMap(({ jobs }) => jobs.map(({ at }) => at))) - Date.now()));
    for (let kill = 0; kill < KILLS; kill++) {
      await wait(Math.max(1, random() * ((end - Date.now()) / (KILLS - kill))));
      process.kill(runtime.pid, "SIGKILL");
      await runtime.stop();
      runtime = await wake();
    }
    await wait(end + PATIENCE - Date.now());
    const found = await Promise.all(desks.map(async (desk) => check(desk, await request(desk.name))));
    const problems = found.flatMap((one) => one.problems);
    const again = found.reduce((sum, one) => sum + one.again, 0);
    repeated += again;
    failures += problems.length > 0 ? 1 : 0;
    const shown = problems.slice(0, 5).join("; ");
    const verdict = problems.length === 0 ? "ok" : `${problems.length} problems: ${shown}`;
    console.log(`round ${round}: ${OBJECTS * JOBS_EACH} jobs, ${KILLS} kills, ${again} ran again, ${verdict}`);
  }
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
if (repeated === 0) {
  console.log("no job was cut off in the middle: no test");
  failures = Math.max(failures, 1);
}
console.log(`${rounds - failures} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** An object with its jobs, some of which are due together. */
function plan(name) {
  const begin = Date.now() + LEAD;
  const jobs = Array.from({ length: JOBS_EACH }, (_, n) => ({
    job: `${name}-${n}`,
    isNamed: n % 2 === 0,
    kind: KINDS[Math.floor(random() * KINDS.length)],
    at: begin + Math.floor(random() * 20) * (SPAN / 20),
  }));
  return { name, jobs };
}

/** What is wrong with an object, in words, and how many of its runs were repeats. */
function check({ name, jobs, planned }, { ran, torn, waiting, dead, alarm }) {
  const problems = [];
  const firsts = [];
  let again = 0;
  const left = Object.entries({ waiting, dead, torn, alarm }).filter(([, value]) => value !== 0 && value !== null);
  for (const [what, value] of left) problems.push(`${name}: ${what} is ${value}`);
  for (const { job, kind, at } of jobs) {
    const runs = ran.filter((run) => run.job === job);
    again += Math.max(0, runs.length - 1);
    if (runs.length === 0) problems.push(`${job} never ran`);
    else firsts.push({ at, nth: ran.indexOf(runs[0]) });
    if (runs.length > 1 && kind !== "later") problems.push(`${job}, ${kind}, ran ${runs.length} times`);
    for (const run of runs) if (run.at < at) problems.push(`${job} ran ${at - run.at} ms early`);
  }
  if (ran.some(({ job }) => !jobs.some((one) => one.job === job)))
    problems.push(`${name}: a job that nobody scheduled`);
  // What had passed when it was scheduled was due then; jobs of one time run in the order in which they were scheduled.
  const due = ({ at }) => Math.max(at, planned);
  const ordered = firsts.toSorted((one, other) => due(one) - due(other));
  if (ordered.some(({ nth }, i) => i > 0 && nth < ordered[i - 1].nth)) problems.push(`${name}: out of order`);
  return { problems, again };
}

function wake() {
  return start({ script, objects: { DESK: "Desk" }, folder });
}

async function request(name, jobs) {
  const response = await fetch(`${runtime.url}/${name}`, {
    ...(jobs !== undefined && { method: "POST", body: JSON.stringify(jobs) }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return await response.json();
}
