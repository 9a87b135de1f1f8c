/**
 * `npm run bench`: a hand-written class and ours, side by side in one workerd.
 *
 * Every round runs one batch of each contender, in alternating order, and gives one ratio to the
 * hand-written batch of the same round; the table has the median of the ratios and their quartiles.
 * `again` is the hand-written class once more: how far its ratio strays from 1 is the noise.
 *
 * `-- --quick` for fewer rounds, `-- --case noop` for one case, `-- --folder DIR` for where objects live.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle, start } from "../scripts/runtime.mjs";
import { fieldClasses } from "./fields.mjs";

const CASES = [
  { name: "noop", title: "no-op call", aim: 1.08, others: ["native"] },
  { name: "increment", title: "increment, one by one", aim: 1.08, others: ["native"] },
  { name: "increment32", title: "increment, 32 at once", aim: 1.08, others: ["native"] },
  { name: "get", title: "GET route", aim: 1.1, others: ["hono"] },
  { name: "post", title: "POST route", aim: 1.1, others: ["hono"] },
  { name: "cold10", title: "cold start, 10 fields", aim: 1.1, others: [] },
  { name: "cold100", title: "cold start, 100 fields", aim: 1.1, others: [] },
];
const OBJECTS = {
  HAND: "HandCounter",
  HONO: "HonoCounter",
  OURS: "Counter",
  HAND10: "HandFields10",
  HAND100: "HandFields100",
  OURS10: "Fields10",
  OURS100: "Fields100",
};

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, case: { type: "string" }, folder: { type: "string" } },
});
// Many short batches: what else runs on the machine comes in bursts, and then spoils few ratios.
const rounds = values.quick ? 25 : 121;
const milliseconds = 20;
// In memory where there is such a folder: a disk's own noise would hide our part.
const parent = values.folder ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
const folder = mkdtempSync(join(parent, "durable-base-bench-"));

let runtime;
try {
  const contents = `export * from "./worker.ts"; export { default } from "./worker.ts"; ${fieldClasses(10, 100)}`;
  const script = await bundle({ contents, loader: "ts", resolveDir: import.meta.dirname });
  runtime = await start({ script, objects: OBJECTS, folder });
  console.log(`${rounds} rounds of ${milliseconds} ms batches, objects in ${parent}`);
  console.log(row("case", "contender", "µs", "ratio", "[q1 – q3]", "aim"));
  for (const subject of CASES) if (values.case === undefined || values.case === subject.name) await measure(subject);
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measure({ name, title, aim, others }) {
  const contenders = ["hand", "ours", "again", ...others];
  const size = await batchSize(name);
  const times = Object.fromEntries(contenders.map((contender) => [contender, []]));
  for (let round = -3; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const time = await batch(name, contender, size);
      if (round >= 0) times[contender].push((time * 1000) / size);
    }
  }
  for (const contender of contenders) {
    const ratios = times[contender].map((time, i) => time / times.hand[i]);
    const spread =
      contender === "hand" ? "" : `[${quantile(ratios, 0.25).toFixed(3)} – ${quantile(ratios, 0.75).toFixed(3)}]`;
    const ratio = contender === "hand" ? "" : quantile(ratios, 0.5).toFixed(3);
    console.log(
      row(
        contender === "hand" ? title : "",
        contender,
        quantile(times[contender], 0.5).toFixed(1),
        ratio,
        spread,
        contender === "ours" ? aim.toFixed(2) : "",
      ),
    );
  }
}

/** How many operations the hand-written class does in the time of a batch; a multiple of 32. */
async function batchSize(name) {
  const probe = 64;
  for (let i = 0; i < 5; i++) await batch(name, "hand", probe);
  const time = await batch(name, "hand", probe);
  return Math.max(64, Math.round((probe * milliseconds) / time / 32) * 32);
}

/** Runs a batch and gives its milliseconds. */
async function batch(subject, contender, size) {
  const path = `${subject}/${contender === "again" ? "hand" : contender}?name=${contender}&size=${size}`;
  await request(`prepare/${path}`);
  const began = performance.now();
  await request(`run/${path}`);
  return performance.now() - began;
}

async function request(path) {
  const response = await fetch(`${runtime.url}/${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

function quantile(numbers, part) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)];
}

function row(title, contender, time, ratio, spread, aim) {
  return `${title.padEnd(24)}${contender.padEnd(10)}${time.padStart(9)}${ratio.padStart(9)}  ${spread.padEnd(17)}${aim}`;
}
