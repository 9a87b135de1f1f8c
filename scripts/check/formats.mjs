/**
 * Opens a real file of the storage format with the present code: is every value there, does reading write nothing, can it be
 * changed, does the reader of `docs/storage-format.md` say the same?
 *
 * `node scripts/check/formats.mjs --write 1` makes `test/formats/1.sqlite`, when 1 is the code's format and there is no such file:
 * what a released version wrote is never written anew.
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, parse, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readField, whole } from "../../test/formats/read-field.ts";
import { openRows } from "../../test/formats/read-file.mjs";
import { changeLarge, changeLog, changeSmall, first, makeValues, mend } from "../../test/formats/values.ts";
import { show } from "../../test/persisted/model.ts";
import { fail, readOptions, wholeNumber } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const root = resolve(import.meta.dirname, "../..");
const fixtures = join(root, "test/formats");
const RECORD = "durable-base:record";

const { write } = readOptions({ write: { type: "string" } });
if (write === undefined) await checkAll();
else await make(wholeNumber("write", write));

async function checkAll() {
  const kept = await script();
  const checks = { "the docs show the readers": async () => checkDocs() };
  const files = globSync("*.sqlite", { cwd: fixtures }).sort((a, b) => parseInt(a) - parseInt(b));
  for (const file of files) checks[file] = () => inFolder((folder) => checkFile(folder, file));
  const latest = await inFolder((folder) => writeFirst(folder, kept));
  checks["there is one of the present format"] = async () => assert.equal(files.at(-1), `${latest.format}.sqlite`);
  let passed = 0;
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      passed++;
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n${error.stack}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;

  async function checkFile(folder, file) {
    const path = join(folder, latest.path);
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(join(fixtures, file), path);
    const values = makeValues();
    assert.equal(openRows(path)(RECORD).format, Number(parse(file).name));
    checkStored(path, values);
    const before = rowsOf(path);

    assert.deepEqual(await read(folder, kept, values), given(values));
    assert.deepEqual(rowsOf(path), before, "reading wrote something");

    changeLog(values);
    changeLarge(values);
    changeSmall(values);
    const changed = await read(folder, kept, values, "changeLog", "changeLarge", "changeSmall");
    assert.deepEqual(changed, given(values));
    assert.deepEqual(await read(folder, kept, values), given(values), "after a restart");
    checkStored(path, values);
  }
}

/** The fields as the present code returns them, as text. */
function given(values) {
  return texts({ ...values, ...first(), broken: mend() });
}

/** Checks what is stored, by the docs' readers alone. */
function checkStored(path, values) {
  const { cents, ...others } = first();
  const stored = texts({ ...values, ...others, cents: cents.cents, broken: mend() });
  const get = openRows(path);
  const found = Object.keys(stored).map((name) => [name, readField(get, name, name === "visits" ? name : undefined)]);
  assert.deepEqual(texts(Object.fromEntries(found)), stored);
  const { name, rows, versions, unreadable } = get(RECORD);
  assert.equal(name, "kept");
  // Else the file has no large field.
  assert.ok(rows.size > 5);
  assert.deepEqual(versions, { price: 2 });
  const [[key, { field }], ...more] = Object.entries(unreadable);
  assert.deepEqual([field, more], ["broken", []]);
  const { kind, list } = whole(get, key, get(key));
  assert.deepEqual([kind, list.length, list[199]], ["broken", 200, "entry 199"]);
}

function texts(values) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, show(value)]));
}

/** The fields as the present code gives them, after a call if there is one. */
async function read(folder, script, values, ...calls) {
  const names = Object.keys(given(values));
  const all = await answers(folder, script, [...calls, `read?names=${names.join()}`]);
  return Object.fromEntries(all.at(-1).map((text, i) => [names[i], text]));
}

/** What a Worker on that folder answers, one call after the other. */
async function answers(folder, script, calls) {
  const runtime = await start({ script, objects: { KEPT: "Kept" }, folder });
  try {
    const all = [];
    for (const call of calls) {
      const response = await fetch(`${runtime.url}/${call}`);
      assert.equal(response.status, 200, call);
      all.push(await response.json());
    }
    return all;
  } finally {
    await runtime.stop();
  }
}

function script() {
  const contents = `export { Kept } from "./kept.ts"; export { front as default } from "./fields.ts";`;
  return bundle({ contents, resolveDir: fixtures, loader: "ts" });
}

/** Writes the first values; returns the object's file, from the folder on, and its format. */
async function writeFirst(folder, script) {
  await answers(folder, script, ["write"]);
  // Another process has another schema.
  await answers(folder, script, ["mend"]);
  const [path, ...others] = globSync("**/*.sqlite", { cwd: folder }).filter(
    (path) => !path.endsWith("metadata.sqlite"),
  );
  assert.deepEqual(others, []);
  return { path, format: openRows(join(folder, path))(RECORD).format };
}

function rowsOf(path) {
  const file = new DatabaseSync(path, { readOnly: true });
  const rows = file.prepare("SELECT key, hex(value) AS value FROM _cf_KV ORDER BY key").all();
  file.close();
  return rows.map(({ key, value }) => [key, value]);
}

async function make(format) {
  const target = join(fixtures, `${format}.sqlite`);
  if (existsSync(target)) fail(`--write ${format}: test/formats/${format}.sqlite is there, and is not written anew.`);
  const written = await inFolder(async (folder) => {
    const { path, format: written } = await writeFirst(folder, await script());
    if (written !== format) return written;
    const file = new DatabaseSync(join(folder, path), { readOnly: true });
    file.exec(`VACUUM INTO '${target}'`);
    file.close();
    return written;
  });
  if (written !== format) fail(`--write ${format}: this code writes format ${written}.`);
}

function checkDocs() {
  const docs = readFileSync(join(root, "docs/storage-format.md"), "utf8");
  for (const name of ["read-field.ts", "read-file.mjs"]) {
    const shown = new RegExp(`^\`\`\`\\w+ ${name}\\n(.*?)^\`\`\`$`, "ms").exec(docs);
    assert.equal(shown?.[1], readFileSync(join(fixtures, name), "utf8"));
  }
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), "durable-base-formats-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
