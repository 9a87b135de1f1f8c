/** One real workerd process for scripts: bundle a Worker, start it, find its process, stop it. */
import { execFileSync } from "node:child_process";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { WebSocket } from "ws";
import { quiet } from "./quiet.mjs";

Object.assign(process.env, quiet);

/** Bundles a Worker, a file or a text, as wrangler would; `durable-base` is `src/`, by tsconfig's `paths`. */
export async function bundle(entry, { plugins = [], external = [], nodePaths = [] } = {}) {
  const { outputFiles } = await build({
    ...(typeof entry === "string" ? { entryPoints: [entry] } : { stdin: entry }),
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*", "workerd:*", ...external],
    nodePaths,
    loader: { ".html": "text" },
    plugins,
  });
  return outputFiles[0].text;
}

/**
 * Starts one workerd with `script` as its Worker, or several `modules` of which the first is the main one.
 *
 * `objects` gives the class of each binding; `folder` keeps their state, otherwise it is lost at the end; `port` is
 * a free one unless you pass one; `flags` are compatibility flags; `onLog` gets what is logged; `isInspected` lets `heap` work.
 */
export async function start({ script, modules, objects, folder, flags = [], onLog = () => {}, ...options }) {
  const { port, isInspected = false, compatibilityDate = "2026-11-01" } = options;
  const before = new Set(workerdChildren());
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...(modules === undefined
        ? { modules: true, script }
        : { modules: Object.entries(modules).map(([path, contents]) => ({ type: "ESModule", path, contents })) }),
      compatibilityDate,
      compatibilityFlags: flags,
      durableObjects: Object.fromEntries(
        Object.entries(objects).map(([binding, className]) => [binding, { className, useSQLite: true }]),
      ),
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: onLog,
      telemetry: { enabled: false },
      ...(folder === undefined ? {} : { resourcePersistencePath: folder }),
      ...(port === undefined ? {} : { port }),
      ...(isInspected ? { inspectorPort: 0 } : {}),
    }),
  );
  const url = await miniflare.ready.catch(async (error) => {
    // Without this the script would never end.
    await miniflare.dispose();
    throw error;
  });
  return {
    url: url.origin,
    /** The process to kill: of this miniflare, not of another test that runs beside it. */
    pid: workerdChildren().find((pid) => !before.has(pid)),
    /** The bytes that JavaScript holds, after a collection of garbage. */
    heap: async () => await heapAt(await miniflare.getInspectorURL()),
    stop: () => miniflare.dispose(),
  };
}

function workerdChildren() {
  return execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, command]) => parent === `${process.pid}` && command?.endsWith("workerd"))
    .map(([pid]) => Number(pid));
}

/** Asks an inspector; all Workers and objects of a script share one heap. */
async function heapAt(url) {
  const [{ webSocketDebuggerUrl }] = await (await fetch(new URL("/json", url.href.replace("ws", "http")))).json();
  const inspector = new WebSocket(webSocketDebuggerUrl);
  await new Promise((done, fail) => inspector.on("open", done).on("error", fail));
  const ask = async (id, method) => {
    const answered = new Promise((done, fail) => {
      inspector.on("close", () => fail(new Error(`The inspector left before it answered ${method}.`)));
      inspector.on("message", (data) => {
        const answer = JSON.parse(data);
        if (answer.id === id) done(answer.result);
      });
    });
    inspector.send(JSON.stringify({ id, method }));
    return await answered;
  };
  // One collection leaves what only finalizers let go.
  for (const id of [1, 2, 3]) await ask(id, "HeapProfiler.collectGarbage");
  const { usedSize } = await ask(4, "Runtime.getHeapUsage");
  inspector.terminate();
  return usedSize;
}
