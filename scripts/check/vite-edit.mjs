/**
 * An edit under vite's dev server with `@cloudflare/vite-plugin`, which makes a second instance on the same `ctx` while
 * calls still run in the first: data that the second has stored stays.
 */
import assert from "node:assert/strict";
import { check, report } from "../lib/check.mjs";
import { startVite } from "../lib/vite-server.mjs";

const server = await startVite({ folder: "test/vite-edit", objects: { GUESTS: "Guests" } });
const ask = async (path) => JSON.parse((await server.request(path))[1]);
const waits = async (object) => {
  while (!(await ask(`/${object}/waits`)));
};
let version = 1;
const edit = async () => {
  const [from, to] = [`version ${version}`, `version ${++version}`];
  await server.edit("worker.ts", (text) => text.replace(from, to));
};

try {
  await check("a call that is open in the old instance does not write its stale memory", async () => {
    assert.equal(await ask("/a/hit/a"), "version 1");
    const slow = ask("/a/slow/stale");
    await waits("a");
    await edit();
    assert.equal(await ask("/a/hit/b"), "version 2");
    await ask("/a/open");
    assert.equal(await slow, "stale-instance");
    await edit();
    assert.equal(await ask("/a/hit/c"), "version 3");
    assert.deepEqual((await ask("/a/read")).names, ["a", "b", "c"]);
  });
  await check("a job that runs in the old instance runs again in the new one, and writes once", async () => {
    await ask("/b/hit/a");
    await ask("/b/later/job");
    await waits("b");
    await edit();
    await ask("/b/hit/b");
    await ask("/b/open");
    let read;
    do read = await ask("/b/read");
    while (read.jobs.length > 0);
    assert.deepEqual(read, { names: ["a", "b", "job"], jobs: [] });
  });
  await check("after many edits, @Atomic undoes memory and storage alike", async () => {
    for (let n = 0; n < 5; n++) {
      await edit();
      assert.equal(await ask(`/c/hit/${n}`), `version ${version}`);
      assert.equal(await ask("/c/undone"), "Error: undone");
    }
    assert.deepEqual((await ask("/c/read")).names, ["0", "1", "2", "3", "4"]);
  });
} finally {
  await server.stop();
}
report();
