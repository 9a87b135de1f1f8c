/**
 * Damages rows in an object's SQLite file and asks: does only that field fail, are its bytes kept, can it be repaired?
 */
import assert from "node:assert/strict";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { bundle, start } from "../lib/runtime.mjs";

const OWN = "durable-base:field:log";
const damages = {
  "cut short": (bytes) => bytes.slice(0, -1),
  empty: () => new Uint8Array(),
  "other bytes": (bytes) => bytes.fill(0xee),
  "a flipped header": (bytes) => bytes.with(0, 0x7f),
};

const script = await bundle("test/damage/worker.ts");
let passed = 0;
let failed = 0;
for (const [name, damage] of Object.entries(damages)) {
  const folder = mkdtempSync(join(tmpdir(), "durable-base-damage-"));
  try {
    await check(folder, damage);
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stack}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function check(folder, damage) {
  const said = (...calls) => answers(folder, calls);
  await said("write");
  const kept = edit(folder, [OWN, "visits"], damage);
  assert.deepEqual(await said("state", "state"), [
    [2, "field-unreadable", "field-unreadable"],
    [3, "field-unreadable", "field-unreadable"],
  ]);
  assert.deepEqual(await said("repair", "repair", "state"), [
    [1, 100],
    [1, 101],
    [4, 2, 102],
  ]);
  assert.deepEqual(await said("state"), [[5, 3, 103]]);
  assert.deepEqual(rows(folder, [OWN, "visits"]), kept);
  edit(folder, ["durable-base:record"], damage);
  assert.deepEqual(await said("state"), [["record-unreadable", "record-unreadable", "record-unreadable"]]);
}

/** What a Worker on that folder answers, one call after the other. */
async function answers(folder, calls) {
  const runtime = await start({ script, objects: { DAMAGED: "Damaged" }, folder });
  try {
    const all = [];
    for (const call of calls) all.push(await (await fetch(`${runtime.url}/${call}`)).json());
    return all;
  } finally {
    await runtime.stop();
  }
}

/** Changes the bytes of rows; gives what they are then. */
function edit(folder, keys, change) {
  return withFile(folder, (file) => {
    const update = file.prepare("UPDATE _cf_KV SET value = ? WHERE key = ?");
    return keys.map((key, i) => {
      const bytes = change(read(file, keys)[i]);
      assert.equal(update.run(bytes, key).changes, 1);
      return bytes;
    });
  });
}

function rows(folder, keys) {
  return withFile(folder, (file) => read(file, keys));
}

function read(file, keys) {
  const select = file.prepare("SELECT value FROM _cf_KV WHERE key = ?");
  return keys.map((key) => new Uint8Array(select.get(key).value));
}

function withFile(folder, work) {
  const [path, ...others] = globSync("**/*.sqlite", { cwd: folder }).filter(
    (path) => !path.endsWith("metadata.sqlite"),
  );
  assert.deepEqual(others, []);
  const file = new DatabaseSync(join(folder, path));
  try {
    return work(file);
  } finally {
    file.close();
  }
}
