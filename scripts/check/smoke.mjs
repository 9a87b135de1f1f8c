/**
 * The package as a user gets it: packed, installed into an empty project, typechecked, bundled, run.
 *
 * Each dialect is bundled twice by wrangler: from TypeScript, and from what tsc made of it. The second
 * loses its plan if a bundler drops the statement that sets `Symbol.metadata`.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { check, report } from "../lib/check.mjs";
import { quiet } from "../lib/quiet.mjs";
import { extractProject } from "../lib/readme.mjs";
import { start } from "../lib/runtime.mjs";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "durable-base-smoke-"));
const lowerings = {
  "lowers a decorator": { id: "decorated.ts" },
  "lowers a file that is not on disk": { id: "virtual.ts" },
  "takes the dialect of the file's folder": {
    id: "test/legacy/base.ts",
    at: root,
    helper: "__decorateClass(",
  },
  "lowers a virtual module": { id: "\0virtual:decorated.ts?v=1" },
  "takes a global `include`": { id: "included.ts", include: /\.ts$/g },
  "leaves other files alone": { id: "plain.txt", isLowered: false },
};
let filename;

try {
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: root,
  });
  [{ filename }] = JSON.parse(stdout);
  await install(folder, filename, ["@cloudflare/workers-types", "esbuild"]);

  for (const [name, options] of Object.entries(lowerings)) {
    await check(`durable-base/vite ${name}`, () => vite(options));
  }
  for (const dialect of ["standard", "legacy"]) {
    const project = join(folder, dialect);
    mkdirSync(project);
    for (const file of ["worker.ts", "wrangler.toml", `${dialect}/counter.ts`, `${dialect}/tsconfig.json`]) {
      cpSync(join(root, "test/smoke", file), join(project, file.split("/").at(-1)));
    }
    await check(`${dialect}: typechecks and is lowered by tsc`, () => tool("tsc", [], project));
    for (const main of ["worker.ts", "lowered/worker.js"]) {
      await check(`${dialect}: ${main} is bundled by wrangler and runs`, () => bundleAndCall(project, main));
    }
  }

  await check("an application's own Hono, the oldest of the range, is the only one and fits the types", () =>
    onOldestHono(),
  );

  const project = join(folder, "readme");
  const named = extractProject(project);
  await check("README: what it says to install is there, in these versions", () => readmeInstall(project, named));
  await check("README: its project typechecks", async () => {
    await tool("wrangler", ["types"], project);
    await tool("tsc", [], project);
  });
  await check("README: its tests pass", () => tool("vitest", ["run"], project));
  await check("README: its Worker is bundled by wrangler and runs", () => bundleAndRead(project));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report();

/** Installs the tarball; the user's own tools, which are no part of the package, come from here. */
async function install(project, tarball, tools) {
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  const links = tools.map((name) => join(root, "node_modules", name));
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", join(folder, tarball), ...links], {
    cwd: project,
  });
}

async function readmeInstall(project, named) {
  const tools = [];
  for (const [, name, version] of named.map((word) => /^(.+?)(?:@([\d.]+))?$/.exec(word))) {
    if (name === "durable-base") continue;
    tools.push(name);
    const ours = readVersion(name);
    assert.ok(ours.startsWith(`${version}.`), `the README says ${name}@${version}, the tests run ${ours}`);
  }
  assert.ok(named.includes("durable-base"));
  await install(project, filename, tools);
}

async function onOldestHono() {
  const project = join(folder, "oldest");
  mkdirSync(project);
  await install(project, filename, ["@cloudflare/workers-types", "hono-oldest"]);
  const { stdout } = await run("npm", ["ls", "hono", "--json"], { cwd: project });
  assert.deepEqual(versionsOf("hono", JSON.parse(stdout)), [readVersion("hono-oldest")]);
  cpSync(join(root, "test/hono/worker.ts"), join(project, "worker.ts"));
  cpSync(join(root, "test/smoke/standard/tsconfig.json"), join(project, "tsconfig.json"));
  // Hono's own types are not ours to check.
  await tool("tsc", ["--skipLibCheck"], project);
}

function readVersion(name) {
  return JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;
}

/** The versions of a package that `npm ls` found, each once. */
function versionsOf(name, { dependencies = {} }) {
  const found = Object.entries(dependencies).flatMap(([key, node]) => [
    ...(key === name ? [node.version] : []),
    ...versionsOf(name, node),
  ]);
  return [...new Set(found)];
}

async function bundleAndRead(project) {
  await tool("wrangler", ["deploy", "--dry-run", "--outdir", "out"], project);
  const script = readFileSync(join(project, "out/worker.js"), "utf8");
  await whileRunning({ script, objects: { COUNTER: "Counter" } }, async (runtime) => {
    assert.deepEqual(await call(runtime, "POST", "/counters/a/increment", { by: 2 }), [200, 2]);
    assert.deepEqual(await call(runtime, "GET", "/total?names=a,b"), [200, 2]);
  });
}

async function vite({ id, at = folder, include, helper = "__decorateElement(", isLowered = true }) {
  // A virtual module's name is no path.
  const file = id.startsWith("\0") ? id : join(at, id);
  const code = `const d: any = () => {};\nexport class A { @d ${at === root ? "" : "accessor "}x = 1; }`;
  if (at === folder && !id.includes("virtual")) writeFileSync(file.split("?")[0], code);
  // Twice, since a global expression remembers where it ended.
  const script = `import { decorators } from "durable-base/vite";
    const { transform } = decorators(${include === undefined ? "" : `{ include: ${include} }`});
    for (const _ of [1, 2]) console.log((await transform(${JSON.stringify(code)}, ${JSON.stringify(file)}))?.code);`;
  writeFileSync(join(folder, "vite.mjs"), script);
  const { stdout } = await run("node", ["vite.mjs"], { cwd: folder });
  assert.doesNotMatch(stdout, /@d/);
  assert.equal(stdout.split(helper).length - 1, isLowered ? 2 : 0);
}

async function bundleAndCall(project, main) {
  const out = join(project, "out", main);
  await tool("wrangler", ["deploy", main, "--dry-run", "--outdir", out], project);
  const script = readFileSync(join(out, "worker.js"), "utf8");
  const objects = { COUNTER: "Counter" };
  const state = join(out, "state");

  await whileRunning({ script, objects, folder: state }, async (runtime) => {
    assert.deepEqual(await call(runtime, "POST", "/counters/a/increment", { by: 2 }), [200, 2]);
    assert.deepEqual(await call(runtime, "POST", "/counters/b/increment", { by: 3 }), [200, 3]);
  });
  await whileRunning({ script, objects, folder: state }, async (runtime) => {
    assert.deepEqual(await call(runtime, "GET", "/counters/a"), [200, { count: 2, changes: 1, last: 2, keys: ["by"] }]);
    assert.deepEqual(await call(runtime, "GET", "/total?names=a,b"), [200, 5]);
    assert.deepEqual(await call(runtime, "GET", "/keys"), [200, ["a"]]);
    assert.deepEqual(await call(runtime, "GET", "/twice"), [200, [4, 4]]);
    const described = ["/counters/{name}", "/counters/{name}/increment"];
    assert.deepEqual(Object.keys((await call(runtime, "GET", "/openapi"))[1]), described);
    const copied = { count: 7, changes: 1, last: 7, keys: ["by"] };
    assert.deepEqual(await call(runtime, "GET", "/copied/alice"), [200, ["shard-4", copied]]);
    const names = "count,history,onStart,ctx,env,destroy,read,increment";
    assert.deepEqual(await call(runtime, "GET", `/reachable?names=${names}`), [200, ["read", "increment"]]);
    assert.equal((await call(runtime, "GET", "/counters/a/nowhere"))[0], 404);
    const socket = new WebSocket(`${runtime.url.replace("http", "ws")}/counters/a/live`);
    await once(socket, "open");
    socket.send("5");
    assert.deepEqual(JSON.parse((await once(socket, "message"))[0].data), { count: 7 });
    socket.close();
  });
}

async function whileRunning(options, body) {
  const runtime = await start(options);
  try {
    await body(runtime);
  } finally {
    await runtime.stop();
  }
}

async function call({ url }, method, path, body) {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  return [response.status, await response.json()];
}

function tool(name, args, cwd) {
  return run(join(root, "node_modules/.bin", name), args, { cwd, env: { ...process.env, ...quiet } });
}
