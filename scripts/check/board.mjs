/**
 * The board of `example/board` in Chromium. It's a copy with the built package, as its README says to make one: run `npm run build` first.
 *
 * Two people use it, while connections drop and the board really hibernates, and after its server was gone.
 *
 * Chromium is Debian's: `apt-get install -y chromium`, or another one in `CHROMIUM=/path/to/it`. `--shots <folder>` keeps pictures.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import axe from "axe-core";
import { createBuilder, preview } from "vite";
import { check, report } from "../lib/check.mjs";
import { launchChromium } from "../lib/chromium.mjs";
import { readOptions } from "../lib/options.mjs";
import { quiet } from "../lib/quiet.mjs";

/** How long an object is left alone until the platform evicts it, in milliseconds: it does so after 10 seconds. */
const IDLE = 12_000;
/** How often that is tried: a slow machine may be busy with the object for longer. */
const TRIES = 20;
/** Stops a test that hangs, in milliseconds. */
const HANGS = 600_000;

const MARKUP = `<img src="x" onerror="document.title = 'run'"> <b>bold</b> & <script>document.title = "run"</script>`;

/** The Worker, and beside it how often a board was constructed. */
const WORKER = `
import app from "./worker.ts";
import { wakeUps } from "./node_modules/durable-base/dist/testing/wake-ups.js";
export * from "./worker.ts";
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/wake-ups") return app.fetch(request, env, ctx);
    return Response.json(wakeUps(env.BOARD.getByName("main")));
  },
};`;

Object.assign(process.env, quiet);

const { shots } = readOptions({ shots: { type: "string" } });
const root = resolve(import.meta.dirname, "../..");
const project = mkdtempSync(join(tmpdir(), "durable-base-board-"));
const errors = [];
const lines = [];
let server;
let browser;

try {
  copyExample();
  await check("a copy typechecks", () =>
    promisify(execFile)("node", [join(root, "node_modules/typescript/bin/tsc"), "-p", project]),
  );
  await check("a copy is built", async () => {
    writeFileSync(join(project, "checked.ts"), WORKER);
    edit("wrangler.toml", ['main = "worker.ts"', 'main = "checked.ts"']);
    const builder = await createBuilder({ root: project, logLevel: "warn" });
    await builder.buildApp();
  });
  server = await serve(await freePort());
  browser = await launchChromium();
  const ann = await open({ viewport: { width: 1200, height: 800 } });
  const bob = await open({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });

  await check("two people join, and see each other", async () => {
    await look(ann, "join");
    await enter(ann, "Ann");
    await shows(ann, { todo: [], doing: [], done: [] });
    await look(ann, "empty");
    await enter(bob, "Bob");
    await hasPeople(ann, ["Ann (you)", "Bob"]);
    await hasPeople(bob, ["Bob (you)", "Ann"]);
  });

  await check("a card that one adds is there for both", async () => {
    await add(ann, "To do", "Plan");
    await add(ann, "To do", "Build");
    await add(bob, "To do", "Test");
    await add(bob, "Doing", MARKUP);
    await bothShow({ todo: ["Plan", "Build", "Test"], doing: [MARKUP], done: [] });
    for (const { page } of [ann, bob]) {
      assert.equal(await page.locator("li p *").count(), 0);
      assert.equal(await page.title(), "Board");
    }
  });

  await check("a mouse drags a card, for both", async () => {
    await drag(ann, "Test", "Plan");
    await bothShow({ todo: ["Test", "Plan", "Build"], doing: [MARKUP], done: [] });
    await drag(ann, "Plan", MARKUP, { onDrop: () => look(ann, "drag") });
    await bothShow({ todo: ["Test", "Build"], doing: ["Plan", MARKUP], done: [] });
    await dragToEnd(ann, "Test", "doing");
    await bothShow({ todo: ["Build"], doing: ["Plan", MARKUP, "Test"], done: [] });
    await ann.page.mouse.down();
    await ann.page.mouse.up();
    await bothShow({ todo: ["Build"], doing: ["Plan", MARKUP, "Test"], done: [] });
  });

  await check("a card is dragged while somebody else moves or deletes it", async () => {
    await drag(ann, "Test", "Build", { onDrop: () => move(bob, "Test", "to Done") });
    await bothShow({ todo: ["Test", "Build"], doing: ["Plan", MARKUP], done: [] });
    await drag(ann, "Test", "Plan", {
      onDrop: async () => {
        await bob.page.getByRole("button", { name: "Delete “Test”" }).click();
        await bothShow({ todo: ["Build"], doing: ["Plan", MARKUP], done: [] });
      },
    });
    assert.equal(await ann.page.getByRole("alert").textContent(), "");
    await add(ann, "Doing", "Test");
    await bothShow({ todo: ["Build"], doing: ["Plan", MARKUP, "Test"], done: [] });
  });

  await check("Escape ends a drag without a move", async () => {
    await drag(ann, "Build", "Plan", { onDrop: () => ann.page.keyboard.press("Escape") });
    await bothShow({ todo: ["Build"], doing: ["Plan", MARKUP, "Test"], done: [] });
    assert.equal(await ann.page.locator(".dragged, .drop").count(), 0);
  });

  await check("a finger drags a card by its grip, and scrolls elsewhere", async () => {
    await touchDrag(bob, bob.page.locator("li", { hasText: "Test" }).locator(".grip"), card(bob, "Build"));
    await bothShow({ todo: ["Test", "Build"], doing: ["Plan", MARKUP], done: [] });
    const before = await bob.page.evaluate(() => scrollY);
    await touchDrag(bob, card(bob, "Plan").locator("p"), card(bob, "Test"), { isScroll: true });
    assert.notEqual(await bob.page.evaluate(() => scrollY), before);
    await bothShow({ todo: ["Test", "Build"], doing: ["Plan", MARKUP], done: [] });
  });

  await check("keys move, rename and delete a card", async () => {
    await ann.page.getByRole("button", { name: "Move “Test” to Doing" }).focus();
    await ann.page.keyboard.press("Enter");
    await bothShow({ todo: ["Build"], doing: ["Plan", MARKUP, "Test"], done: [] });
    await until(() => focused(ann), "Move “Test” to Done");
    await ann.page.getByText("Test: Doing, 3 of 3").waitFor();
    await ann.page.getByRole("button", { name: "Move “Test” up" }).focus();
    await ann.page.keyboard.press("Space");
    await ann.page.keyboard.press("Space");
    await bothShow({ todo: ["Build"], doing: ["Test", "Plan", MARKUP], done: [] });
    await ann.page.getByRole("button", { name: "Rename “Test”" }).focus();
    await ann.page.keyboard.press("Enter");
    await look(ann, "rename");
    await ann.page.keyboard.press("ControlOrMeta+A");
    await ann.page.keyboard.type("Test it");
    await ann.page.keyboard.press("Enter");
    await bothShow({ todo: ["Build"], doing: ["Test it", "Plan", MARKUP], done: [] });
    await until(() => focused(ann), "Rename “Test it”");
    await ann.page.getByRole("button", { name: "Delete “<img" }).focus();
    await ann.page.keyboard.press("Enter");
    await bothShow({ todo: ["Build"], doing: ["Test it", "Plan"], done: [] });
  });

  await check("what the board refuses is shown until it has answered, and then taken back", async () => {
    ann.line.cut();
    await ann.page.getByText("Offline.").waitFor();
    await add(ann, "Done", "  ");
    await rename(ann, "Plan", "");
    await shows(ann, { todo: ["Build"], doing: ["Test it", ""], done: ["  "] });
    await look(ann, "offline");
    ann.line.mend();
    await ann.page.getByRole("alert").getByText("A card needs a title").waitFor();
    await look(ann, "refused");
    await bothShow({ todo: ["Build"], doing: ["Test it", "Plan"], done: [] });
  });

  await check("a card too many is taken back", async () => {
    for (let nth = 1; nth <= 100; nth++) {
      const response = await fetch(`${server.url}/boards/full/cards/${crypto.randomUUID()}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title: `Card ${nth}`, column: ["todo", "doing", "done"][nth % 3] }),
      });
      assert.equal(response.status, 204);
    }
    const { page, context } = await open({ viewport: { width: 1200, height: 800 } }, "/?board=full");
    await enter({ page }, "Cid");
    await page.waitForFunction(() => document.querySelectorAll("li[data-card]").length === 100);
    // Each number of cards that the page has shown.
    await page.evaluate(() => {
      globalThis.counts = [];
      const count = () => globalThis.counts.push(document.querySelectorAll("li[data-card]").length);
      new MutationObserver(count).observe(document.querySelector("#columns"), { childList: true, subtree: true });
    });
    await add({ page }, "Done", "One too many");
    await page.getByRole("alert").getByText("The board is full: it has 100 cards.").waitFor();
    assert.deepEqual([...new Set(await page.evaluate(() => globalThis.counts))], [101, 100]);
    await look({ page }, "full");
    await context.close();
  });

  await check("whoever was offline comes back, and both have the changes of both", async () => {
    bob.line.cut();
    await bob.page.getByText("Offline.").waitFor();
    await hasPeople(ann, ["Ann (you)"]);
    await add(bob, "To do", "From a train");
    await move(bob, "Plan", "to To do");
    await add(ann, "To do", "Meanwhile");
    await move(ann, "Test it", "to Done");
    await rename(ann, "Plan", "Plan B");
    await shows(ann, { todo: ["Build", "Meanwhile"], doing: ["Plan B"], done: ["Test it"] });
    await shows(bob, { todo: ["Build", "From a train", "Plan"], doing: ["Test it"], done: [] });
    bob.line.mend();
    await bothShow({ todo: ["Build", "Meanwhile", "From a train", "Plan B"], doing: [], done: ["Test it"] });
    await hasPeople(ann, ["Ann (you)", "Bob"]);
  });

  await check("a connection that is silent, but not closed, is noticed", async () => {
    await bob.context.setOffline(true);
    await move(ann, "Plan B", "to Doing");
    await add(bob, "Done", "Said into the void");
    await bob.page.getByText("Offline.").waitFor();
    await move(ann, "Plan B", "to To do");
    await bob.context.setOffline(false);
    await bothShow({
      todo: ["Build", "Meanwhile", "From a train", "Plan B"],
      doing: [],
      done: ["Test it", "Said into the void"],
    });
  });

  await check("the board is evicted, and they go on over the same sockets", async () => {
    const opened = [ann, bob].map(({ sockets }) => sockets.length);
    const before = await wakeUps();
    let titles = ["Test it", "Said into the void"];
    while ((await wakeUps()) === before && titles.length < TRIES) {
      await new Promise((done) => setTimeout(done, IDLE));
      const title = `Still here ${titles.length}`;
      await add(ann, "Done", title);
      titles = [...titles, title];
      await bothShow({ todo: ["Build", "Meanwhile", "From a train", "Plan B"], doing: [], done: titles });
    }
    assert.equal(await wakeUps(), before + 1);
    await move(bob, "Build", "to Doing");
    await bothShow({ todo: ["Meanwhile", "From a train", "Plan B"], doing: ["Build"], done: titles });
    await hasPeople(bob, ["Bob (you)", "Ann"]);
    assert.deepEqual(
      [ann, bob].map(({ sockets }) => sockets.length),
      opened,
    );
  });

  await check("when the server comes back with its state, so do they", async () => {
    const before = await boardOf(ann);
    await server.stop();
    await ann.page.getByText("Offline.").waitFor();
    await bob.page.getByText("Offline.").waitFor();
    await add(ann, "Doing", "Without a server");
    server = await serve(server.port);
    await bothShow({ ...before, doing: ["Build", "Without a server"] });
    await hasPeople(ann, ["Ann (you)", "Bob"]);
    await move(bob, "Build", "down");
    await bothShow({ ...before, doing: ["Without a server", "Build"] });
    await look(ann, "desktop");
    await ann.page.emulateMedia({ colorScheme: "dark" });
    await look(ann, "desktop-dark");
  });

  await check("it fits a phone", async () => {
    const { page } = bob;
    await add(bob, "To do", `A word without an end: ${"long".repeat(40)}`);
    await page.setViewportSize({ width: 360, height: 740 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    for (const box of await page
      .locator("button, input")
      .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON()))) {
      assert.ok(box.left >= 0 && box.right <= 360, JSON.stringify(box));
    }
    await page.evaluate(() => scrollTo(0, 0));
    await look(bob, "phone");
    await page.emulateMedia({ colorScheme: "dark" });
    await look(bob, "phone-dark");
  });

  await check("who leaves is gone for the others", async () => {
    await bob.page.getByRole("button", { name: "Leave" }).click();
    await look(bob, "phone-join");
    await hasPeople(ann, ["Ann (you)"]);
  });

  await check("`npm start` in the repository serves it", async () => {
    const port = await freePort();
    const npm = spawn("npm", ["start", "--", "--port", `${port}`, "--host", "127.0.0.1"], {
      cwd: join(root, "example/board"),
      stdio: "ignore",
      detached: true,
    });
    try {
      while (!(await isServed(port))) await new Promise((done) => setTimeout(done, 100));
      const tab = await open({}, `/?board=${crypto.randomUUID()}`, { port });
      await enter(tab, "Dora");
      await add(tab, "Doing", "Served by vite");
      await tab.page.reload();
      await shows(tab, { todo: [], doing: ["Served by vite"], done: [] });
      await tab.context.close();
    } finally {
      end(npm);
    }
  });

  await check("no script failed", () => assert.deepEqual(errors, []));

  /** Waits until both show the same board. */
  async function bothShow(expected) {
    for (const tab of [ann, bob]) await shows(tab, expected);
  }
} finally {
  await browser?.close();
  for (const line of lines) line.stop();
  await server?.stop();
  rmSync(project, { recursive: true, force: true });
}
report();

/** Copies the example, with the packages that its package.json names and the library as it is packed. */
function copyExample() {
  cpSync(join(root, "example/board"), project, {
    recursive: true,
    filter: (path) => !/\/(dist|node_modules|\.wrangler|board\.test\.ts)$/.test(path),
  });
  edit(
    "vite.config.ts",
    ['"../../src/vite.ts"', '"durable-base/vite"'],
    [/ {2}\/\/ In the library's.*?(?=^\}\))/ms, ""],
  );
  edit("tsconfig.json", [/,\s*\/\/ The library in its own.*?\}/s, ""]);
  const own = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  const { version, dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { "durable-base": library, ...needed } = { ...own.dependencies, ...own.devDependencies };
  assert.equal(library, version);
  for (const [name, wanted] of Object.entries(needed)) assert.equal(wanted, devDependencies[name], name);
  const modules = join(project, "node_modules");
  for (const name of Object.keys({ ...dependencies, ...needed })) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(realpathSync(join(root, "node_modules", name)), join(modules, name));
  }
  for (const name of ["package.json", "dist"]) {
    cpSync(join(root, name), join(modules, "durable-base", name), { recursive: true });
  }
}

function edit(file, ...changes) {
  const path = join(project, file);
  let text = readFileSync(path, "utf8");
  for (const [from, to] of changes) {
    const changed = text.replace(from, to);
    assert.notEqual(changed, text, `nothing to change in ${file}`);
    text = changed;
  }
  writeFileSync(path, text);
}

/** Serves what was built. Its state stays in the project. */
async function serve(port) {
  const served = await preview({ root: project, logLevel: "error", preview: { host: "127.0.0.1", port } });
  return { port, url: `http://127.0.0.1:${port}`, stop: () => served.close() };
}

/** Ends a process with those that it has started. */
function end({ pid }) {
  process.kill(-pid, "SIGTERM");
}

async function isServed(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`)).ok;
  } catch {
    return false;
  }
}

async function freePort() {
  const probe = createServer();
  await new Promise((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

/** A new browser with the board, on a line of its own, and the sockets that it opens to the board. */
async function open(options, path = "/", { port } = {}) {
  const line = port === undefined ? await layLine() : { port };
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const sockets = [];
  page.setDefaultTimeout(HANGS);
  page.on("websocket", (socket) => socket.url().includes("/boards/") && sockets.push(socket));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${line.port}${path}`);
  return { context, page, sockets, line };
}

/** A way to the server that can be cut. Chromium's own "offline" leaves sockets open, and silent. */
async function layLine() {
  let isCut = false;
  const ends = new Set();
  const listener = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(server.port, "127.0.0.1");
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      ends.add(one);
      one.pipe(other);
      // It is always followed by a close.
      one.on("error", () => {});
      one.on("close", () => {
        ends.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  const cut = () => {
    isCut = true;
    for (const end of ends) end.destroy();
  };
  const stop = () => {
    cut();
    listener.close();
  };
  const line = { port: listener.address().port, cut, mend: () => void (isCut = false), stop };
  lines.push(line);
  return line;
}

async function enter({ page }, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Open the board" }).click();
  await page.getByText("Connected").waitFor();
}

async function add({ page }, column, title) {
  await page.getByLabel(`New card in ${column}`).fill(title);
  await page.keyboard.press("Enter");
}

async function move({ page }, title, where) {
  await page.getByRole("button", { name: `Move “${title}” ${where}` }).click();
}

async function rename({ page }, title, to) {
  await page.getByRole("button", { name: `Rename “${title}”` }).click();
  await page.getByLabel("Title", { exact: true }).fill(to);
  await page.keyboard.press("Enter");
}

function card({ page }, title) {
  return page.locator("li[data-card]").filter({ has: page.getByText(title, { exact: true }) });
}

/** Drags a card by the mouse to the upper half of another one. */
async function drag(tab, title, before, { onDrop } = {}) {
  const from = await card(tab, title).locator("p").boundingBox();
  const to = await card(tab, before).boundingBox();
  const { mouse } = tab.page;
  await mouse.move(from.x + 10, from.y + 10);
  await mouse.down();
  await mouse.move(to.x + 30, to.y + 8, { steps: 8 });
  await onDrop?.();
  await mouse.up();
}

async function dragToEnd(tab, title, column) {
  const from = await card(tab, title).locator("p").boundingBox();
  const to = await tab.page.locator(`section[data-column="${column}"] > form`).boundingBox();
  const { mouse } = tab.page;
  await mouse.move(from.x + 10, from.y + 10);
  await mouse.down();
  await mouse.move(to.x + 30, to.y + 5, { steps: 8 });
  await mouse.up();
}

/** Drags by a finger from the middle of an element to the upper half of another one. */
async function touchDrag({ page, context }, element, target) {
  await target.scrollIntoViewIfNeeded();
  const [from, to] = [await element.boundingBox(), await target.boundingBox()];
  const session = await context.newCDPSession(page);
  const [startX, startY] = [from.x + from.width / 2, from.y + from.height / 2];
  const touch = async (type, x, y) => {
    await session.send("Input.dispatchTouchEvent", { type, touchPoints: x === undefined ? [] : [{ x, y }] });
  };
  await touch("touchStart", startX, startY);
  for (let step = 1; step <= 10; step++) {
    await touch("touchMove", startX + ((to.x + 20 - startX) * step) / 10, startY + ((to.y + 8 - startY) * step) / 10);
  }
  await touch("touchEnd");
  await session.detach();
}

async function focused({ page }) {
  return await page.evaluate(() => document.activeElement.ariaLabel);
}

/** The titles of the cards, by column. */
async function boardOf({ page }) {
  return await page.evaluate(() =>
    Object.fromEntries(
      Array.from(document.querySelectorAll("[data-column]"), (column) => [
        column.dataset.column,
        Array.from(column.querySelectorAll("li p"), ({ textContent }) => textContent),
      ]),
    ),
  );
}

/** Waits until a page shows a board. */
async function shows(tab, expected) {
  await until(() => boardOf(tab), expected);
}

/** Waits until a page shows who is here. */
async function hasPeople({ page }, expected) {
  await until(() => page.locator("#people li").allTextContents(), expected);
}

async function until(read, expected) {
  const began = Date.now();
  for (;;) {
    const actual = await read();
    if (JSON.stringify(actual) === JSON.stringify(expected) || Date.now() - began > HANGS) {
      return assert.deepEqual(actual, expected);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function wakeUps() {
  return await (await fetch(`${server.url}/wake-ups`)).json();
}

/** Checks that the page as it is can be used by everybody, as far as axe sees, and keeps a picture. */
async function look({ page }, name) {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), animations: "disabled" });
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.flatMap(({ help, nodes }) => nodes.map(({ html }) => [name, help, html])),
    [],
  );
  assert.ok(passes.length > 10);
}
