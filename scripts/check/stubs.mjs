/**
 * Stubs on the platform itself: what `retryable` marks there, and who repeats calls where there is none.
 *
 * A test runner would put wrappers of its own between a stub and its object.
 */
import assert from "node:assert/strict";
import { check, report } from "../lib/check.mjs";
import { bundle, start } from "../lib/runtime.mjs";

/** Resolves the platform's module to another: one of ours that notes its calls, or one that no platform has. */
const inPlace = (build) => ({
  name: "in-place",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^cloudflare:durable-objects$/ }, () => build);
    onLoad({ filter: /.*/, namespace: "noting" }, () => ({
      contents: `export const retryable = (...methods) => methods.forEach((method) => marked.add(method));`,
    }));
  },
});
const NOTING = inPlace({ path: "noting", namespace: "noting" });
const MISSING = inPlace({ path: "cloudflare:none-such", external: true });

await check("marks the function that a stub calls, before the first call arrives", async () => {
  assert.deepEqual(await ask("marks", [NOTING], "globalThis.marked = new Set();\n"), ["set"]);
});
await check("has the platform's module before the first constructor runs", async () => {
  assert.ok((await ask("found", [])).includes("retryable"));
  assert.deepEqual(await ask("found", [MISSING]), []);
});
await check("repeats nothing where the platform has `retryable`", async () => {
  assert.deepEqual(await ask("lost", []), ["lost", "lost", "lost", "lost", 0]);
});
await check("repeats marked methods alone where the platform has none", async () => {
  assert.deepEqual(await ask("lost", [MISSING]), ["5", "lost", "1", "lost", 5]);
});
await check(
  "pipelines calls on a getter of a handle, and takes a fresh stub after a reset that another stub met",
  async () => {
    assert.deepEqual(await ask("getter", []), ["2", "reset", "4"]);
  },
);
await check(
  "crosses to a service and to another object, and back, as a handle and as a native stub by `Object.native`",
  async () => {
    assert.deepEqual(await ask("crossing", []), ["2", 404, "5", "9", "14", "20", "27", "27"]);
    for (const refusal of await ask("refused", [])) assert.match(refusal, /does not implement/);
  },
);
report();
// A Worker that crashes at load leaves miniflare waiting.
process.exit();

async function ask(path, plugins, before = "") {
  const script = before + (await bundle("test/stubs/worker.ts", { plugins }));
  const runtime = await start({ script, objects: { COUNTER: "Counter" } });
  try {
    const response = await fetch(`${runtime.url}/${path}`);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text);
  } finally {
    await runtime.stop();
  }
}
