/**
 * Runs the library with both ends of package.json's range of Hono, `hono-oldest` and `hono`, and in an application whose
 * Hono differs from durable-base's. `--oldest name` tries another package in place of `hono-oldest`.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { check, report } from "../lib/check.mjs";
import { readOptions } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const root = resolve(import.meta.dirname, "../..");
const { oldest } = readOptions({ oldest: { type: "string", default: "hono-oldest" } });
const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));

await check("the tests run both ends of the range of Hono that package.json names", () => {
  const { peerDependencies, devDependencies } = read("package.json");
  const { version } = read(`node_modules/${oldest}/package.json`);
  assert.equal(peerDependencies.hono, `>=${version} <5`);
  assert.equal(devDependencies.hono, read("node_modules/hono/package.json").version);
});
for (const [ours, theirs] of [
  [oldest, oldest],
  ["hono", oldest],
  [oldest, "hono"],
  ["hono", "hono"],
]) {
  await check(`durable-base on ${ours} in an application on ${theirs}`, () => runOn(ours, theirs));
}
report();
// A Worker that crashes at load leaves miniflare waiting.
process.exit();

async function runOn(ours, theirs) {
  const require = createRequire(import.meta.url);
  /** Loads a separate Hono for each side; if both have the same name, it is loaded twice. */
  const copies = {
    name: "copies",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^hono(\/|$)/ }, ({ path, importer }) => {
        const isOurs = importer.startsWith(join(root, "src/"));
        const file = require.resolve(path.replace("hono", isOurs ? ours : theirs));
        return { path: file.replace("/dist/cjs/", "/dist/"), namespace: isOurs ? "ours" : "theirs" };
      });
      // Hono's imports of its own files stay on the side that asked.
      onResolve({ filter: /^\./ }, ({ path, resolveDir, namespace }) =>
        namespace === "file" ? undefined : { path: join(resolveDir, path), namespace },
      );
      onLoad({ filter: /.*/, namespace: "ours" }, load);
      onLoad({ filter: /.*/, namespace: "theirs" }, load);
    },
  };
  const runtime = await start({
    script: await bundle("test/hono/worker.ts", { plugins: [copies] }),
    objects: { COUNTER: "Counter" },
  });
  try {
    for (const prefix of ["", "/api/acme", "/mounted"])
      await ask(`${runtime.url}${prefix}/counters/${prefix.slice(1).replace("/", "-") || "alice"}`, prefix);
  } finally {
    await runtime.stop();
  }
}

function load({ path }) {
  return { contents: readFileSync(path), loader: "js", resolveDir: resolve(path, "..") };
}

/** Returns all answers as one list, so that every difference shows at once. */
async function ask(url, prefix) {
  const answers = [];
  const send = async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, { method, body, headers });
    answers.push([path, response.status, await response.text()]);
    return response;
  };
  const json = { "content-type": "application/json" };
  const problem = (status, title, code, rest = {}) =>
    JSON.stringify({ type: "about:blank", title, status, code, ...rest });

  const first = await send("POST", "/add/2", '{"twice":true}', { ...json, origin: "https://a.example" });
  await send("POST", "/add/x", "{}", json);
  await send("GET", "/query?a=1&a=2&b=%20");
  await send("GET", "/query?__proto__=1");
  await send("POST", "/form", new URLSearchParams({ a: "1" }));
  // Hono's `mount` can't pass on a body that was read.
  await send("POST", "/form", new URLSearchParams({ a: "2" }), prefix === "/mounted" ? {} : { "x-read": "text" });
  const items = await send("GET", "/items");
  const events = await send("GET", "/items", undefined, { accept: "text/event-stream" });
  await send("GET", "/refused");
  await send("GET", "/answered");
  const broken = await send("GET", "/broken");
  await send("GET", "/sub/7");
  await send("GET", "/add/2");
  await send("GET", "/nowhere");

  assert.deepEqual(answers, [
    ["/add/2", 200, "4"],
    ["/add/x", 404, problem(404, "Not Found", "not-found")],
    ["/query?a=1&a=2&b=%20", 200, '{"a":["1","2"],"b":" "}'],
    [
      "/query?__proto__=1",
      400,
      problem(400, "Bad Request", "forbidden-key", { detail: "`__proto__` is not allowed in the query." }),
    ],
    ["/form", 200, '{"a":"1"}'],
    ["/form", 200, '{"a":"2"}'],
    ["/items", 200, "1\n2\n"],
    ["/items", 200, "data: 1\n\ndata: 2\n\n"],
    ["/refused", 402, problem(402, "Payment Required", "payment-required", { detail: "pay first" })],
    ["/answered", 418, "a teapot"],
    ["/broken", 500, problem(500, "Internal Server Error", "internal-server-error")],
    ["/sub/7", 200, '{"id":"7"}'],
    ["/add/2", 405, problem(405, "Method Not Allowed", "method-not-allowed")],
    ["/nowhere", 404, problem(404, "Not Found", "not-found")],
  ]);
  const header = (response, name) => response.headers.get(name);
  assert.equal(header(first, "access-control-allow-origin"), "https://a.example");
  assert.equal(header(first, "x-outer"), prefix === "" ? "yes" : null);
  for (const response of [first, broken]) {
    assert.deepEqual([header(response, "x-before"), header(response, "x-after")], ["yes", "yes"]);
  }
  assert.deepEqual(
    [header(items, "content-type"), header(events, "content-type")],
    ["application/x-ndjson", "text/event-stream"],
  );
}
