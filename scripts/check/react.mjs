/**
 * The hooks of durable-base/react in Chromium, with React in development: `test/react/page.mjs` has the checks.
 *
 * Chromium is Debian's: `apt-get install -y chromium`, or another one in `CHROMIUM=/path/to/it`.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { check, report } from "../lib/check.mjs";
import { launchChromium } from "../lib/chromium.mjs";

/** Stops a check that hangs, in milliseconds. */
const HANGS = 600_000;
/** Begins the names of checks of a page that a server has rendered. */
const HYDRATES = "takes over what a server has rendered";

const root = resolve(import.meta.dirname, "../..");
const script = await bundle({ entryPoints: ["test/react/page.mjs"], format: "iife" });
const html = await render();
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/page.js") response.setHeader("content-type", "text/javascript").end(script);
  else {
    const body = pathname === "/rendered" ? html : "";
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><div id="root">${body}</div><script src="/page.js"></script>`);
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}`;
const browser = await launchChromium();

try {
  await check("renders on a server without a state, and connects to nothing", () => {
    assert.equal(html, "<main><button>connecting</button><p>nothing</p><ul></ul></main>");
  });
  const first = await open("/");
  const names = await first.evaluate(() => globalThis.names);
  assert.equal(names.filter((name) => name.startsWith(HYDRATES)).length, 2);
  await first.close();
  for (const name of names) {
    await check(name, async () => {
      const page = await open(name.startsWith(HYDRATES) ? "/rendered" : "/");
      const problems = [];
      page.on("pageerror", (error) => problems.push(String(error)));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await page.evaluate((name) => globalThis.run(name), name);
      assert.deepEqual(problems, []);
      await page.close();
    });
  }
} finally {
  await browser.close();
  server.close();
}
report();

async function open(path) {
  const page = await browser.newPage();
  page.setDefaultTimeout(HANGS);
  await page.goto(url + path);
  return page;
}

/** Returns the HTML of the page's component, as a server without a `WebSocket` renders it. */
async function render() {
  const contents = `
    import { createElement } from "react";
    import { renderToString } from "react-dom/server.edge";
    import { Room } from "./test/react/page.mjs";
    globalThis.WebSocket = undefined;
    export const html = renderToString(createElement(Room));`;
  const text = await bundle({ stdin: { contents, resolveDir: root }, format: "esm", platform: "node" });
  const folder = mkdtempSync(join(tmpdir(), "durable-base-react-"));
  try {
    writeFileSync(join(folder, "render.mjs"), text);
    return (await import(pathToFileURL(join(folder, "render.mjs")))).html;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bundle(options) {
  const { outputFiles } = await build({
    ...options,
    absWorkingDir: root,
    bundle: true,
    write: false,
    target: "es2022",
    // Its warnings are errors here, and StrictMode mounts components twice.
    define: { "process.env.NODE_ENV": '"development"' },
  });
  return outputFiles[0].text;
}
