/**
 * `npm run crash -- once --rounds 20 --seed 7`: kills workerd at random moments under exactly-once calls.
 *
 * In each round 32 callers charge accounts by `once`, workerd is SIGKILLed and started again on the same folder,
 * and each caller repeats its call, with its key, until it is answered. Then each account's sum must be exact.
 *
 * A call that was cut off and whose answer comes from before the kill was committed and not answered: what only a
 * remembered answer can mend. A run without such a call, or without one that was cut off, fails, since it shows nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { mulberry32 } from "../../test/random.ts";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const CALLERS = 32;
const ACCOUNTS = ["a", "b", "c"];
const LONGEST_LOAD = 400;
/** Milliseconds for the callers of a round to get their answers. */
const LONGEST_REPEATS = 20_000;

const { rounds, seed } = readNumbers({ rounds: 20, seed: Date.now() % 1e6 }, process.argv.slice(3));
const random = mulberry32(seed);

const script = await bundle("test/crash/once/worker.ts");
const folder = mkdtempSync(join(tmpdir(), "durable-base-once-"));
/** By account, the amounts of all charges by their ids. */
const charges = new Map(ACCOUNTS.map((account) => [account, new Map()]));
const total = { cut: 0, remembered: 0 };
let isEnding = false;
let failures = 0;

console.log(`seed ${seed}, ${rounds} rounds`);
let runtime;
try {
  runtime = await wake();
  for (let round = 1; round <= rounds; round++) {
    const after = Math.round(50 + random() * LONGEST_LOAD);
    const load = Promise.all(Array.from({ length: CALLERS }, (_, number) => charge(round, number)));
    await wait(after);
    isEnding = true;
    process.kill(runtime.pid, "SIGKILL");
    await runtime.stop();
    runtime = await wake();
    const outcomes = await load;
    isEnding = false;
    const cut = outcomes.filter(({ wasCut }) => wasCut);
    const problems = outcomes.flatMap(({ problem }) => problem ?? []);
    let remembered = 0;
    for (const account of ACCOUNTS) {
      const state = await request(account);
      problems.push(...check(account, state));
      remembered += cut.filter(
        (one) => one.account === account && one.problem === undefined && one.life !== state.life,
      ).length;
    }
    total.cut += cut.length;
    total.remembered += remembered;
    failures += problems.length > 0 ? 1 : 0;
    const verdict = problems.join("; ") || "ok";
    console.log(
      `round ${round}: killed after ${after} ms, ${cut.length} cut off, ${remembered} remembered, ${verdict}`,
    );
  }
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
for (const [what, count] of Object.entries(total)) {
  if (count > 0) continue;
  console.log(`no call was ${what}: no test`);
  failures = Math.max(failures, 1);
}
console.log(`${rounds - failures} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** Charges without a pause until the round ends; gives how its last charge went. */
async function charge(round, number) {
  for (let i = 0; ; i++) {
    const account = ACCOUNTS[(number + i) % ACCOUNTS.length];
    const [id, amount] = [`${round}-${number}-${i}${i % 2 === 0 ? "" : "-later"}`, number + i + 1];
    charges.get(account).set(id, amount);
    const began = Date.now();
    let wasCut = false;
    let answer;
    while (answer === undefined) {
      if (isEnding && Date.now() - began > LONGEST_REPEATS) return { account, wasCut, problem: `${id} got no answer` };
      answer = await request(account, `?id=${id}&amount=${amount}`).catch(() => undefined);
      if (answer !== undefined) break;
      wasCut = true;
      await wait(10);
    }
    if (isEnding) return { account, wasCut, life: answer.life };
    if (wasCut) return { account, wasCut, problem: `${id} was cut off before the kill` };
  }
}

/** What is wrong with an account, in words. */
function check(account, { sum, ids }) {
  const problems = [];
  const expected = charges.get(account);
  const once = new Set(ids);
  const right = [...expected.values()].reduce((all, amount) => all + amount, 0);
  if (sum !== right) problems.push(`${account}: ${sum} in place of ${right}`);
  if (once.size < ids.length) problems.push(`${account}: ${ids.length - once.size} charged twice`);
  const lost = [...expected.keys()].filter((id) => !once.has(id));
  if (lost.length > 0) problems.push(`${account}: ${lost.length} lost, such as ${lost[0]}`);
  if (once.size + lost.length > expected.size) problems.push(`${account}: some that were never sent`);
  return problems;
}

function wake() {
  return start({ script, objects: { ACCOUNT: "Account" }, folder });
}

async function request(account, query = "") {
  const response = await fetch(`${runtime.url}/${account}${query}`);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return await response.json();
}
