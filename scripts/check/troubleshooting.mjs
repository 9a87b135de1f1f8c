/**
 * Produces every message that docs/guides/troubleshooting.md explains, with the tool or runtime that shows it to users.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { createViteServer } from "vitest/node";
import { check, report } from "../lib/check.mjs";
import { quiet } from "../lib/quiet.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "durable-base-troubleshooting-"));
const objects = { COUNTER: "Counter", TWICE: "Twice", DEFINED: "Defined" };

/** Makes the Worker's imports of `src/` a second copy of the library, beside the package. */
const secondCopy = {
  name: "second-copy",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\.\/\.\.\/src\// }, toCopy);
    onResolve({ filter: /^\./, namespace: "copy" }, toCopy);
    onLoad({ filter: /.*/, namespace: "copy" }, ({ path }) => ({
      contents: readFileSync(path),
      loader: "ts",
      resolveDir: dirname(path),
    }));
  },
};

/** Functions that produce a text with the message, by heading. */
const produced = {
  'No such module "node:async_hooks"': onOldDate,
  "but the newest date supported by this server binary is": onNewDate,
  "Invalid or unexpected token": withoutPlugin,
  "is not persisted: the compiler": () => ask("/defined"),
  "mixes two copies of durable-base": () => ask("/twice"),
  "that isn't a Durable Object namespace": () => ask("/binding"),
  "the Worker's main module exports no": () => ask("/unexported"),
  "is exported, but isn't a namespace": () => ask("/plain"),
  "`migrations` and `exports` are mutually exclusive": withBothForms,
  "has no exported member": withoutType,
  "does not implement the method": () => ask("/hidden"),
};

let runtime;
try {
  const page = readFileSync(join(root, "docs/guides/troubleshooting.md"), "utf8");
  const headings = [...page.matchAll(/^### (`+) ?(.+?) ?\1$/gm)].map(([, , text]) => text);
  await check("the page explains these messages and no others", () => {
    assert.deepEqual(headings, Object.keys(produced));
  });
  const script = await bundle("test/troubleshooting/worker.ts", { plugins: [secondCopy] });
  runtime = await start({ script, objects });
  for (const [heading, produce] of Object.entries(produced)) {
    await check(heading, async () => assert.ok((await produce(script)).includes(heading)));
  }
} finally {
  await runtime?.stop();
  rmSync(folder, { recursive: true });
}
report();
// A Worker that crashes at load leaves miniflare waiting.
process.exit();

function toCopy({ path, resolveDir }) {
  return { path: join(resolveDir, path), namespace: "copy" };
}

async function ask(path) {
  return await (await fetch(runtime.url + path)).text();
}

async function onOldDate(script) {
  const old = await start({ script, objects, compatibilityDate: "2025-01-01" }).catch((error) => error);
  await old.stop?.();
  // The log that the message quotes is JSON.
  return String(old.message).replaceAll('\\"', '"');
}

/** Asks workerd itself: miniflare refuses a date in the future, and a past one that workerd doesn't know passes with the next update. */
async function onNewDate() {
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = (
  modules = [(name = "worker.js", esModule = "export default {}")],
  compatibilityDate = "2099-01-01",
))]);
`;
  writeFileSync(join(folder, "config.capnp"), config);
  const workerd = join(root, "node_modules/.bin/workerd");
  return await promisify(execFile)(workerd, ["serve", join(folder, "config.capnp")]).then(
    () => "no error",
    ({ stderr }) => stderr,
  );
}

async function withoutType() {
  writeFileSync(join(folder, "wrapped.ts"), "export const Counter = class {};\n");
  writeFileSync(join(folder, "env.d.ts"), 'type Bound = import("./wrapped").Counter;\n');
  const args = ["--noEmit", "--ignoreConfig", "--module", "esnext", "--moduleResolution", "bundler", "env.d.ts"];
  return await promisify(execFile)(join(root, "node_modules/.bin/tsc"), args, { cwd: folder }).then(
    () => "no error",
    ({ stdout }) => stdout,
  );
}

async function withoutPlugin() {
  writeFileSync(join(folder, "tsconfig.json"), "{}");
  writeFileSync(join(folder, "decorated.ts"), "const d = () => {};\nexport class A { @d accessor x = 1; }\n");
  const server = await createViteServer({
    root: folder,
    configFile: false,
    logLevel: "silent",
    appType: "custom",
    server: { middlewareMode: true, ws: false, watch: null },
  });
  try {
    return await server.ssrLoadModule("/decorated.ts").then(() => "no error", String);
  } finally {
    await server.close();
  }
}

async function withBothForms() {
  const config = `name = "both"
main = "worker.js"
compatibility_date = "2026-11-01"

[exports.Counter]
type = "durable-object"
storage = "sqlite"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Counter"]
`;
  writeFileSync(join(folder, "wrangler.toml"), config);
  writeFileSync(join(folder, "worker.js"), "export default {};\n");
  const wrangler = join(root, "node_modules/.bin/wrangler");
  return await promisify(execFile)(wrangler, ["deploy", "--dry-run"], {
    cwd: folder,
    env: { ...process.env, ...quiet },
  }).then(
    ({ stdout }) => stdout,
    ({ stderr }) => stderr,
  );
}
