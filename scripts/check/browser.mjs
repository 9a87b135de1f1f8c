/**
 * The chat of `example/chat` in Chromium: two tabs talk, while the chat really hibernates, and after its server was gone.
 *
 * Chromium is Debian's: `apt-get install -y chromium`, or another one in `CHROMIUM=/path/to/it`. `--shots <folder>` keeps pictures.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import axe from "axe-core";
import { check, report } from "../lib/check.mjs";
import { launchChromium } from "../lib/chromium.mjs";
import { readOptions } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

/** How long an object is left alone until the platform evicts it, in milliseconds: it does so after 10 seconds. */
const IDLE = 12_000;
/** How often that is tried: a slow machine may be busy with the object for longer. */
const TRIES = 20;
/** Stops a test that hangs, in milliseconds. */
const HANGS = 600_000;

const MARKUP = `<img src="x" onerror="document.title = 'run'"> <b>bold</b> & <script>document.title = "run"</script>`;

/** The example, and beside it how often a chat was constructed. */
const WORKER = `
import app from "./example/worker.ts";
import { wakeUps } from "./src/testing/wake-ups.ts";
export * from "./example/worker.ts";
export default {
  fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/wake-ups") return app.fetch(request, env, ctx);
    return Response.json(wakeUps(env.CHAT.getByName(searchParams.get("chat"))));
  },
};`;

const { shots } = readOptions({ shots: { type: "string" } });
const folder = mkdtempSync(join(tmpdir(), "durable-base-browser-"));
const script = await bundle({ contents: WORKER, resolveDir: resolve(import.meta.dirname, "../.."), loader: "ts" });
const objects = { BOARD: "Board", CHAT: "Chat", COUNTER: "Counter", LIST: "TodoList", ORDER: "Order" };
let runtime = await start({ script, objects, folder });
const { url } = runtime;
const browser = await launchChromium();
const errors = [];

try {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 } });
  const [ann, bob] = [await open(context), await open(context)];

  await check("two tabs join, and see each other", async () => {
    await ann.page.locator("#name").fill("<Ann>");
    await ann.page.getByRole("button", { name: "Join the chat" }).click();
    assert.equal(await ann.page.locator("#chat").isVisible(), false);
    await look(ann, "join");
    await enter(ann, "Ann");
    assert.deepEqual(await textsOf(ann, "#lines > *", 1), ["Nothing said yet. Say hello!"]);
    await enter(bob, "Bob");
    assert.deepEqual(await textsOf(ann, "#people li", 2), ["Ann (you)", "Bob"]);
    assert.deepEqual(await textsOf(bob, "#people li", 2), ["Ann", "Bob (you)"]);
  });

  await check("they talk", async () => {
    await say(ann, "Hello Bob!");
    await say(bob, "Hello Ann.");
    await say(bob, "How are you?");
    for (const tab of [ann, bob]) {
      assert.deepEqual(await textsOf(tab, "#lines b", 3), ["Ann", "Bob", "Bob"]);
      assert.deepEqual(await textsOf(tab, "#lines p", 3), ["Hello Bob!", "Hello Ann.", "How are you?"]);
    }
  });

  await check("markup in a message is shown as text", async () => {
    await say(bob, MARKUP);
    for (const tab of [ann, bob]) {
      assert.equal((await textsOf(tab, "#lines p", 4))[3], MARKUP);
      assert.equal(await tab.page.locator("#lines p *").count(), 0);
      assert.equal(await tab.page.title(), "lobby");
    }
  });

  await check("the chat is evicted, and they talk on over the same sockets", async () => {
    const before = await wakeUps();
    let said = 4;
    while ((await wakeUps()) === before && said < 4 + TRIES) {
      await new Promise((done) => setTimeout(done, IDLE));
      await say(ann, "Still here?");
      said++;
      assert.equal((await textsOf(bob, "#lines p", said)).at(-1), "Still here?");
    }
    assert.equal(await wakeUps(), before + 1);
    await say(bob, "I was always here.");
    assert.deepEqual((await textsOf(ann, "#lines b", said + 1)).slice(-2), ["Ann", "Bob"]);
    assert.deepEqual(await textsOf(ann, "#people li", 2), ["Ann (you)", "Bob"]);
    assert.deepEqual([ann.sockets.length, bob.sockets.length], [1, 1]);
    await look(ann, "desktop");
  });

  await check("a tab that reloads comes back as the same person, with the history", async () => {
    const lines = await textsOf(bob, "#lines p");
    const names = await textsOf(bob, "#lines b");
    await bob.page.reload();
    assert.deepEqual(await textsOf(bob, "#lines p", lines.length), lines);
    assert.deepEqual(await textsOf(bob, "#lines b", names.length), names);
    assert.equal(await bob.page.locator("#lines p *").count(), 0);
    assert.deepEqual(await textsOf(bob, "#people li", 2), ["Ann", "Bob (you)"]);
    assert.deepEqual(await textsOf(ann, "#people li", 2), ["Ann (you)", "Bob"]);
  });

  await check("when the server comes back, they reconnect by themselves", async () => {
    const count = (await textsOf(ann, "#lines p")).length;
    await runtime.stop();
    await ann.page.getByText("Offline. Reconnecting…").waitFor();
    assert.equal(await ann.page.getByRole("button", { name: "Send" }).isDisabled(), true);
    await look(ann, "offline");
    runtime = await start({ script, objects, folder, port: Number(new URL(url).port) });
    await textsOf(ann, "#people li", 2);
    await ann.page.getByText("2 here").waitFor();
    await bob.page.getByText("2 here").waitFor();
    await say(ann, "Back again.");
    assert.equal((await textsOf(bob, "#lines p", count + 1)).at(-1), "Back again.");
    assert.equal((await textsOf(ann, "#lines p", count + 1))[0], "Hello Bob!");
  });

  await check("it fits a phone", async () => {
    const { page } = bob;
    await page.setViewportSize({ width: 360, height: 640 });
    await say(bob, `A word without an end: ${"long".repeat(60)}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    for (const place of ["#people", "#text", "#lines > :last-child p", "#compose button"]) {
      const { x, y, width, height } = await page.locator(place).boundingBox();
      assert.ok(x >= 0 && y >= 0 && x + width <= 360 && y + height <= 640, place);
    }
    await look(bob, "phone");
    await page.emulateMedia({ colorScheme: "dark" });
    await look(bob, "phone-dark");
  });

  await check("who leaves is gone for the others, and can join under another name", async () => {
    await bob.page.getByRole("button", { name: "Leave" }).click();
    await look(bob, "phone-join");
    assert.deepEqual(await textsOf(ann, "#people li", 1), ["Ann (you)"]);
    await enter(bob, "Žofie 李");
    assert.deepEqual(await textsOf(ann, "#people li", 2), ["Ann (you)", "Žofie 李"]);
  });

  await check("no script failed", () => assert.deepEqual(errors, []));
} finally {
  await browser.close();
  await runtime.stop();
  rmSync(folder, { recursive: true, force: true });
}
report();

/** A new tab with the chat, and the sockets that it opens. */
async function open(context) {
  const page = await context.newPage();
  const sockets = [];
  page.setDefaultTimeout(HANGS);
  page.on("websocket", (socket) => sockets.push(socket));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`${url}/chats/lobby`);
  return { page, sockets };
}

async function enter({ page }, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Join the chat" }).click();
  await page.locator("#status.good").waitFor();
}

async function say({ page }, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
  await page.locator("#lines .own p").getByText(text, { exact: true }).last().waitFor();
}

/** The texts of elements, once there are `count` of them. */
async function textsOf({ page }, selector, count) {
  if (count !== undefined) {
    await page.waitForFunction(([css, most]) => document.querySelectorAll(css).length === most, [selector, count]);
  }
  return await page.locator(selector).allTextContents();
}

async function wakeUps() {
  return await (await fetch(`${url}/wake-ups?chat=lobby`)).json();
}

/** Checks that the page as it is can be used by everybody, as far as axe sees, and keeps a picture. */
async function look({ page }, name) {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`) });
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.flatMap(({ help, nodes }) => nodes.map(({ html }) => [name, help, html])),
    [],
  );
  assert.ok(passes.length > 10);
}
