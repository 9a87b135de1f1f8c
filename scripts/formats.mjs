/**
 * Opens a real file of every storage format with the present code: is every value there, does reading write nothing,
 * can it be changed, does the reader of `docs/storage-format.md` say the same?
 *
 * `node scripts/formats.mjs --write 3` makes `test/formats/3.sqlite` when 3 is the code's format, once: what a released
 * version wrote is never written anew. (`1.sqlite` is of 05d3a45, with this script and `test/formats/` put there;
 * `2.sqlite` has chunks of at most 1,024 bytes.)
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, parse, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readField, whole } from "../test/formats/read-field.ts";
import { openRows } from "../test/formats/read-file.mjs";
import { changeLarge, changeLog, changeSmall, makeOld, makeValues, now } from "../test/formats/values.ts";
import { show } from "../test/model.ts";
import { fail, readOptions, wholeNumber } from "./options.mjs";
import { bundle, start } from "./runtime.mjs";

const root = resolve(import.meta.dirname, "..");
const fixtures = join(root, "test/formats");
const RECORD = "durable-base:record";

const { write } = readOptions({ write: { type: "string" } });
if (write === undefined) await checkAll();
else await make(wholeNumber("write", write));

async function checkAll() {
  const [older, newer] = await Promise.all([script("older"), script("newer")]);
  const checks = { "the docs show the readers": async () => checkDocs() };
  const files = globSync("*.sqlite", { cwd: fixtures }).sort((a, b) => parseInt(a) - parseInt(b));
  for (const file of files) checks[file] = () => inFolder((folder) => checkFile(folder, file));
  const latest = await inFolder((folder) => writtenBy(folder, "older"));
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
    const format = Number(parse(file).name);
    const path = join(folder, latest.path);
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(join(fixtures, file), path);
    const values = makeValues();
    assert.equal(openRows(path)(RECORD).format, format);
    checkStored(path, format, values);
    const before = rowsOf(path);

    assert.deepEqual(await read(folder, newer, format, values), given(format, values));
    assert.deepEqual(rowsOf(path), before, "reading wrote something");

    // Rows of the present format under a record of an older one would be misread by code that knows only that. The
    // class of `older` has no new fields, whose defaults would be written to the record.
    await answers(folder, older, ["changeLog"]);
    assert.equal(openRows(path)(RECORD).format, latest.format);
    changeLog(values);
    checkStored(path, format, values);

    changeLarge(values);
    changeSmall(values);
    assert.deepEqual(await read(folder, newer, format, values, "changeLarge", "changeSmall"), given(format, values));
    assert.deepEqual(await read(folder, newer, format, values), given(format, values), "after a restart");
    checkStored(path, format, values);
  }
}

/** What the present code gives for the fields, as text; of one that it cannot read, the error's code. */
function given(format, values) {
  const { label, price } = makeOld();
  // The options came with format 2: a file of 1 has none of what they store.
  const early = { price: { amount: price, currency: "EUR" }, visits: 0, cents: { cents: 0 } };
  return {
    ...texts({ ...values, title: label, ...(format === 1 ? early : now) }),
    broken: format === 1 ? "field-unreadable" : show({ kind: "whole" }),
  };
}

/** Checks what is stored, by the docs' readers alone. */
function checkStored(path, format, values) {
  const old = makeOld();
  const later = { ...now, cents: now.cents.cents, broken: { kind: "whole" } };
  const stored = texts({ ...values, ...old, ...(format === 1 ? {} : later) });
  const get = openRows(path);
  const found = Object.keys(stored).map((name) => [name, readField(get, name, name === "visits" ? name : undefined)]);
  assert.deepEqual(texts(Object.fromEntries(found)), stored);
  const { name, rows, versions, quarantined = {} } = get(RECORD);
  assert.equal(name, "kept");
  // Else the file has no large field.
  assert.ok(rows.size > 5);
  assert.deepEqual(versions, format === 1 ? undefined : { price: 2 });
  const aside = Object.entries(quarantined).map(([key, { own = key }]) => show(whole(get, own, get(key))));
  assert.deepEqual(aside, format === 1 ? [] : [show(old.broken)]);
}

function texts(values) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, show(value)]));
}

/** The fields as the present code gives them, after a call if there is one. */
async function read(folder, script, format, values, ...calls) {
  const names = Object.keys(given(format, values));
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

function script(name) {
  const contents = `export { Kept } from "./${name}.ts"; export { front as default } from "./fields.ts";`;
  return bundle({ contents, resolveDir: fixtures, loader: "ts" });
}

/** Lets code write its values; gives the object's file, from the folder on, and the format of what is there then. */
async function writtenBy(folder, name) {
  await answers(folder, await script(name), ["write"]);
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
    const { path, format: written } = await writtenBy(folder, "older");
    if (written !== format) return written;
    if (format > 1) await writtenBy(folder, "newer");
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
