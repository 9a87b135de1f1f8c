/** One real workerd process for scripts: bundle a Worker, start it, find its process, stop it. */
import { execFileSync } from "node:child_process";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
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
 * a free one unless you pass one; `flags` are compatibility flags; `onLog` gets what is logged.
 */
export async function start({ script, modules, objects, folder, flags = [], onLog = () => {}, ...options }) {
  const { port, compatibilityDate = "2026-11-01" } = options;
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
