/**
 * `npm run bench`: a hand-written class and ours, side by side in one workerd.
 *
 * Every round runs one batch of each contender, in alternating order, and gives one ratio to the
 * hand-written batch of the same round; the table has the median of the ratios and their quartiles.
 * `again` is the hand-written class once more: how far its ratio strays from 1 is the noise.
 *
 * `-- --quick` for fewer rounds, `-- --case noop` for one case (`memory` for the heap, `socket-memory` for
 * that of idle sockets), `-- --folder DIR` for where
 * objects live.
 */
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, readOptions } from "../scripts/lib/options.mjs";
import { bundle, start } from "../scripts/lib/runtime.mjs";
import { fieldClasses } from "./fields.mjs";
import { measureMemory } from "./memory.mjs";
import { routeClasses } from "./routes.mjs";
import { broadcasting, calling, connecting, echoing, measureSocketMemory, objects, syncing } from "./sockets.mjs";

/**
 * `others` are more contenders than the two. A batch holds a multiple of `unit` operations, at most `most` where each
 * wants an object of its own; `rounds` is the part of all rounds that is done. `outside` is a request that comes over
 * HTTP, through a Worker of the contender's kind; the others come from a Worker, by its binding.
 */
const CASES = [
  { name: "noop", title: "no-op call", aim: 1.08, others: ["native"] },
  // By hand a native stub, of the same object.
  { name: "handle", title: "call by a kept handle", aim: 1.05, others: [] },
  { name: "freshhandle", title: "call by a fresh handle", aim: 1.05, others: [] },
  { name: "increment", title: "increment, one by one", aim: 1.08, others: ["native"] },
  { name: "increment32", title: "increment, 32 at once", aim: 1.08, others: ["native"] },
  { name: "set100", title: "a field set 100 times", aim: 1.1, others: [] },
  { name: "fields10of100", title: "10 of 100 fields changed", aim: 1.1, others: [] },
  { name: "entry1000", title: "one of 1,000 entries", aim: 1.15, others: [] },
  { name: "entry10000", title: "one of 10,000 entries", aim: 1.15, others: [] },
  { name: "entries1000", title: "1,000 of 10,000 entries", aim: 2, others: [], unit: 1, rounds: 1 / 3 },
  // Written once; `recorded` is ours with a part that gets each change.
  { name: "change1000", title: "one entry 1,000 times", aim: 1.5, others: ["recorded"], unit: 4 },
  { name: "fill10000", title: "10,000 entries filled", aim: 1, others: [], unit: 1, rounds: 1 / 3 },
  { name: "get", title: "GET route", aim: 1.1, others: ["hono"] },
  { name: "getparam50", title: "GET, parameter, 50 routes", aim: 1.1, others: ["hono"] },
  { name: "post", title: "POST route, zod", aim: 1.1, others: ["hono"] },
  { name: "get-out", title: "GET, from outside", aim: 1.1, others: ["hono"], outside: get },
  { name: "getparam50-out", title: "GET 1 of 50, from outside", aim: 1.1, others: ["hono"], outside: getParam50 },
  { name: "post-out", title: "POST, from outside", aim: 1.1, others: ["hono"], outside: post },
  { name: "cold10", title: "cold start, 10 fields", aim: 1.1, others: [] },
  { name: "cold100", title: "cold start, 100 fields", aim: 1.1, others: [] },
  // By hand a key a field, read by one `list`; `gets` reads one by one.
  { name: "cold10keys", title: "cold start, 10 keys", aim: 1.08, others: [] },
  { name: "cold100keys", title: "cold start, 100 keys", aim: 0.95, others: ["gets"] },
  { name: "coldentry", title: "cold start, 1 of 10,000", aim: 1.1, others: [], unit: 1, most: 24 },
  // Over 10,000; by hand through a Proxy that only forwards.
  { name: "walk", subject: "walkNumbers", title: "walk, for-of numbers", aim: 1.5, others: [], unit: 1 },
  { name: "walk", subject: "walkIndex", title: "walk, index loop", aim: 1.5, others: [], unit: 1 },
  { name: "walk", subject: "walkEntries", title: "walk, for-of objects", aim: 1.5, others: [], unit: 1 },
  // By hand `ctx.storage.kv` and `sql`; many of them in a call.
  { name: "storage-get", title: "Storage.get", aim: 1.05, others: [] },
  { name: "storage-put", title: "Storage.put", aim: 1.05, others: [] },
  { name: "storage-list", title: "Storage.list of 1,000", aim: 1.1, others: [], unit: 1 },
  { name: "storage-select", title: "Storage.sql, select one", aim: 1.05, others: [] },
  { name: "storage-insert", title: "Storage.sql, insert 1,000", aim: 1.05, others: [], unit: 1 },
  // By hand a queue of rows over one alarm; 1,000 and more in a call.
  { name: "jobs-insert", title: "1,000 jobs inserted", aim: 1.3, others: [], unit: 1_000 },
  { name: "jobs-fire", title: "1,000 jobs fired", aim: 1.5, others: [], unit: 1_000, rounds: 1 / 3, make: firing },
  // Over TCP, to objects whose sockets hibernate.
  { name: "echo", title: "echo of a message", aim: 1.1, others: ["partyserver"], make: () => echoing(runtime.url) },
  {
    name: "broadcast",
    title: "broadcast to 1,000",
    aim: 1.05,
    others: ["partyserver"],
    unit: 1,
    make: () => broadcasting(runtime.url),
  },
  { name: "connect", title: "connect", aim: 1.1, others: ["partyserver"], make: () => connecting(runtime.url) },
  { name: "call", title: "call over a socket", aim: 1.15, others: [], make: () => calling(runtime.url) },
  { name: "sync", title: "change to 1,000 clients", aim: 1.15, others: [], unit: 1, make: () => syncing(runtime.url) },
  // By hand over the plain array, and `structuredClone` of it.
  { name: "snapshot", subject: "walkCopy", title: "walk of a snapshot", aim: 1.2, others: [] },
  { name: "snapshot", subject: "copy", title: "snapshot itself", others: [], unit: 1, rounds: 1 / 3 },
];
const OBJECTS = {
  HAND: "HandCounter",
  HONO: "HonoCounter",
  OURS: "Counter",
  HAND10: "HandFields10",
  HAND100: "HandFields100",
  OURS10: "Fields10",
  OURS100: "Fields100",
  HAND_KEYS10: "HandKeys10",
  HAND_KEYS100: "HandKeys100",
  HAND_GETS100: "HandGets100",
  HAND_ROUTES: "HandRoutes",
  HONO_ROUTES: "HonoRoutes",
  OUR_ROUTES: "OurRoutes",
  HAND_ENTRIES: "HandEntries",
  ENTRIES: "Entries",
  RECORDED_ENTRIES: "RecordedEntries",
  HAND_STORAGE: "HandStorage",
  OUR_STORAGE: "OurStorage",
  HAND_QUEUE: "HandQueue",
  OUR_QUEUE: "OurQueue",
  ...objects,
};

const values = readOptions({
  quick: { type: "boolean", default: false },
  case: { type: "string" },
  folder: { type: "string" },
});
const isChosen = (name) => values.case === undefined || values.case === name;
const names = [...CASES.map(({ name }) => name), "memory", "socket-memory"];
if (!names.some(isChosen)) fail(`No case "${values.case}": choose from ${[...new Set(names)].join(", ")}.`);
// Many short batches: what else runs on the machine comes in bursts, and then spoils few ratios.
const rounds = values.quick ? 25 : 121;
const milliseconds = 20;
// In memory where there is such a folder: a disk's own noise would hide our part.
const parent = values.folder ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
/** Milliseconds, beside 50 µs for each, from the order to insert jobs until they are due. */
const LEAD = 100;
/** One connection, kept open. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let runtime;

if (CASES.some(({ name }) => isChosen(name))) await measureTimes();
if (isChosen("memory")) await measureMemory();
if (isChosen("socket-memory")) await measureSocketMemory(row);

async function measureTimes() {
  const folder = mkdtempSync(join(parent, "durable-base-bench-"));
  try {
    const contents = `
      import { DurableObject } from "cloudflare:workers";
      import { DurableBase, Persisted, Route } from "../src/index.ts";
      import { Hono } from "hono/tiny";
      export * from "./worker.ts";
      export { default } from "./worker.ts";
      ${fieldClasses(10, 100)}
      ${routeClasses(50)}`;
    const script = await bundle({ contents, loader: "ts", resolveDir: import.meta.dirname });
    runtime = await start({ script, objects: OBJECTS, folder });
    console.log(`${rounds} rounds of ${milliseconds} ms batches, objects in ${parent}`);
    console.log(row("case", "contender", "µs", "ratio", "[q1 – q3]", "aim"));
    for (const subject of CASES) if (isChosen(subject.name)) await measure(subject);
  } finally {
    agent.destroy();
    await runtime?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure({ name, subject = name, title, aim, others, outside, make = inside, unit = 32, ...rest }) {
  const { most, rounds: part = 1 } = rest;
  const contenders = ["hand", "ours", "again", ...others];
  const batch = outside === undefined ? make(subject) : from(outside);
  const size = await batchSize(batch, unit, most ?? Infinity);
  const times = Object.fromEntries(contenders.map((contender) => [contender, []]));
  for (let round = -3; round < rounds * part; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const time = await batch(contender, size);
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
        contender === "ours" ? (aim?.toFixed(2) ?? "") : "",
      ),
    );
  }
}

/** How many operations the hand-written class does in the time of a batch: a multiple of `unit`, at most `most`. */
async function batchSize(batch, unit, most) {
  const probe = Math.min(2 * unit, most);
  for (let i = 0; i < 5; i++) await batch("hand", probe);
  const time = await batch("hand", probe);
  return Math.min(most, Math.max(probe, Math.round((probe * milliseconds) / time / unit) * unit));
}

/** Runs a batch of a contender inside workerd, and gives its milliseconds. */
function inside(subject) {
  return async (contender, size) => {
    const path = `${subject}/${kindOf(contender)}?name=${contender}&size=${size}`;
    await request(`prepare/${path}`);
    const began = performance.now();
    await request(`run/${path}`);
    return performance.now() - began;
  };
}

/** As {@link inside}, of jobs that are inserted before: from the time at which they are due until the last one has run. */
function firing(subject) {
  return async (contender, size) => {
    const due = Date.now() + LEAD + size / 20;
    const path = `${subject}/${kindOf(contender)}?name=${contender}&size=${size}&time=${due}`;
    await request(`prepare/${path}`);
    if (Date.now() >= due) throw new Error(`${subject}: ${size} jobs were due before they were inserted`);
    await request(`run/${path}`);
    return performance.timeOrigin + performance.now() - due;
  };
}

/** Sends the requests of a batch one by one from here, over one connection; `make` gives the path and options of one. */
function from(make) {
  return async (contender, size) => {
    const began = performance.now();
    for (let i = 0; i < size; i++) await send(...make(kindOf(contender), contender, i));
    return performance.now() - began;
  };
}

function get(kind, name) {
  return [`/${kind}/counters/${name}`, {}];
}

function getParam50(kind, name, i) {
  return [`/${kind}/routes/${name}/route${(i * 7) % 50}/${i}`, {}];
}

function post(kind, name) {
  return [
    `/${kind}/counters/${name}/double`,
    { method: "POST", headers: { "content-type": "application/json" } },
    '{"by":2}',
  ];
}

async function send(path, options, body) {
  // `end` with a body tells its length.
  const sent = httpRequest(`${runtime.url}${path}`, { ...options, agent }).end(body);
  const [response] = await once(sent, "response");
  response.resume();
  await once(response, "end");
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`);
}

function kindOf(contender) {
  return contender === "again" ? "hand" : contender;
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
  return `${title.padEnd(26)}${contender.padEnd(10)}${time.padStart(9)}${ratio.padStart(9)}  ${spread.padEnd(19)}${aim}`;
}
