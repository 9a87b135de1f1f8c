/**
 * `npm run transfer -- --mb 1000`: fills an object, exports it, imports it into another, and tells how much memory that took.
 *
 * What is counted is the resident memory of the whole workerd process, with both objects and SQLite's pages: its peak
 * while it transfers, less what it was before. V8 collects garbage when it likes, mostly not before there are some
 * tens of megabytes, whatever a program does; so that it is not counted, the Worker asks for a collection after each
 * megabyte (`--gc no` leaves V8 to itself, and judges nothing). A small transfer goes before, so that code is compiled.
 * Fails when it is over 32 MB, or when the objects differ. Then workerd is killed within imports, which go on.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as read } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { check, report } from "./lib/check.mjs";
import { fail, readOptions, wholeNumber } from "./lib/options.mjs";
import { bundle } from "./lib/runtime.mjs";

const MOST = 32 * 1024 * 1024;
const WARM = 8;
const KILLS = 3;
/** Megabytes that one call fills. */
const STEP = 5;

const values = readOptions({ mb: { type: "string", default: "50" }, gc: { type: "string", default: "yes" } });
const mb = wholeNumber("mb", values.mb, { most: 5_000 });
if (!["yes", "no"].includes(values.gc)) fail(`--gc ${JSON.stringify(values.gc)} is neither yes nor no.`);

const folder = mkdtempSync(join(tmpdir(), "durable-base-transfer-"));
mkdirSync(join(folder, "objects"));
writeFileSync(join(folder, "worker.mjs"), await bundle("test/transfer/worker.ts"));
writeFileSync(join(folder, "config.capnp"), config());
let runtime;
try {
  runtime = await wake();
  await fill("warm", WARM);
  await fill("source", mb);
  // What filling took is given back.
  await runtime.stop();
  runtime = await wake();
  await ask("warm/sink");
  const began = Date.now();
  await ask("warmed/copy?warm");
  const took = Date.now() - began;
  await measured("export", "source/sink");
  await measured("export and import", "target/copy?source");
  await check("both objects are the same", async () => {
    const [source, target] = [await ask("source/digest"), await ask("target/digest")];
    const counts = `${source.keys} keys, ${source.rows} rows, ${megabytes(source.stored)} stored`;
    console.log(`  ${counts}, ${megabytes(target.stored)} imported`);
    if (source.hash !== target.hash || source.keys + source.rows === 0) throw new Error("they differ");
  });
  await check(`an import that workerd is killed in goes on, ${KILLS} times`, async () => {
    const kept = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const copy = ask("again/copy?warm").catch(() => "cut off by the kill");
      // In the middle of an import, however fast the machine is.
      await wait((took * (kill + 2)) / (KILLS + 2));
      await runtime.stop();
      await copy;
      runtime = await wake();
      const begun = await ask("again/importing");
      kept.push(begun === null ? 0 : begun.keys + begun.rows);
    }
    console.log(`  keys and rows that were there after each: ${kept.join(", ")}`);
    if (!kept.some((count) => count > 0)) throw new Error("no kill fell into an import: no test");
    if (kept.at(-1) > 0) await ask("again/copy?warm");
    const [source, target] = [await ask("warm/digest"), await ask("again/digest")];
    if (source.hash !== target.hash) throw new Error("they differ");
  });
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true, force: true });
}
report();

/** A workerd of our own, since miniflare passes no flags to V8. */
async function wake() {
  const require = createRequire(import.meta.resolve("miniflare"));
  const binary = require("workerd").default;
  const child = spawn(binary, ["serve", join(folder, "config.capnp"), "--control-fd=3"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const exit = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await exit;
  };
  let said = "";
  for await (const data of child.stdio[3]) {
    said += data;
    const [, port] = /"event":"listen".*"port":(\d+)/.exec(said) ?? [];
    if (port !== undefined) return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop };
  }
  throw new Error("workerd did not start");
}

function config() {
  const flags = values.gc === "yes" ? '"--expose-gc"' : "";
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = [${flags}],
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
      compatibilityDate = "2026-11-01",
      bindings = [(name = "TRANSFERRED", durableObjectNamespace = "Transferred")],
      durableObjectNamespaces = [(className = "Transferred", uniqueKey = "transferred", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),
    )),
    (name = "disk", disk = (path = ${JSON.stringify(join(folder, "objects"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);`;
}

async function fill(name, mb) {
  for (let from = 0; from < mb; from += STEP) await ask(`${name}/fill?from=${from}&mb=${Math.min(STEP, mb - from)}`);
}

/** Does it, and checks the peak of memory. */
async function measured(name, path) {
  const before = memory("VmRSS");
  // From here on the kernel counts the peak anew.
  writeFileSync(`/proc/${runtime.pid}/clear_refs`, "5");
  const began = performance.now();
  const { bytes } = await ask(path);
  const seconds = (performance.now() - began) / 1_000;
  const extra = memory("VmHWM") - before;
  await check(`${name} of ${mb} MB`, () => {
    console.log(`  ${megabytes(bytes)} in ${seconds.toFixed(1)} s; ${megabytes(extra)} more than ${megabytes(before)}`);
    if (extra > MOST && values.gc === "yes") throw new Error(`over ${megabytes(MOST)}`);
  });
}

/** Not by `fetch`, which gives up after five minutes without an answer. */
async function ask(path) {
  const [response] = await once(get(`${runtime.url}/${path}`), "response");
  const text = await read(response);
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

/** Bytes of resident memory of workerd: now or the peak. */
function memory(what) {
  const status = readFileSync(`/proc/${runtime.pid}/status`, "utf8");
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, "m").exec(status)[1]) * 1024;
}

function megabytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
