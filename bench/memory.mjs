/**
 * `npm run bench -- --case memory`: the heap of a field of 10,000 entries, beside that of its plain value.
 *
 * Measured in Node, since workerd tells nothing of its heap: the same V8 kind of heap, the whole library, and
 * storage that is a Map of serialized rows, outside the heap. `again` is a plain value once more.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deserialize, serialize, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";

const ROUNDS = 7;
const AIM = 2;

const at = (i) => 1_700_000_000_000 + i;
const entries = (make) => Array.from({ length: 10_000 }, (_, i) => make(i));
const FIELDS = {
  list: ["array of objects", () => entries((i) => ({ n: i, at: at(i) }))],
  numbers: ["Map of numbers", () => new Map(entries((i) => [`key${i}`, i]))],
  map: ["Map of objects", () => new Map(entries((i) => [`key${i}`, { n: i, at: at(i) }]))],
};

/** What the library takes from the platform's module. */
const WORKERS = `
  export class DurableObject { constructor(ctx, env) { this.ctx = ctx; this.env = env; } }
  export class RpcTarget {}`;

/** Prints a line for each kind of field. */
export async function measureMemory() {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc");
  const heap = () => {
    gc();
    gc();
    return process.memoryUsage().heapUsed;
  };
  const { Held } = await load();
  console.log(row("heap of 10,000 entries", "plain KB", "again", "loaded", "touched", "walked", "aim"));
  for (const [name, [title, make]] of Object.entries(FIELDS)) {
    const rows = new Map();
    (await awake(rows)).fill(name, make());
    await written();
    const bytes = serialize(make());
    const rounds = [];
    // The first rounds compile.
    for (let round = -2; round < ROUNDS; round++) {
      const ratios = await once(rows, name, bytes);
      if (round >= 0) rounds.push(ratios);
    }
    const middle = (what) => rounds.map((ratios) => ratios[what]).toSorted((a, b) => a - b)[(ROUNDS - 1) / 2];
    const ratios = ["again", "loaded", "touched", "walked"].map((what) => middle(what).toFixed(2));
    console.log(row(title, (middle("plain") / 1024).toFixed(0), ...ratios, AIM.toFixed(2)));
  }

  async function awake(rows) {
    const object = new Held(stateOver(rows), {});
    // The constructor phase ends.
    await written();
    return object;
  }

  async function once(rows, name, bytes) {
    const held = {};
    let before = heap();
    const grown = () => heap() - before;
    held.plain = deserialize(bytes);
    const plain = grown();
    before = heap();
    held.again = deserialize(bytes);
    const again = grown();
    before = heap();
    held.object = await awake(rows);
    held.object.load(name);
    const loaded = grown();
    held.object.touch(name);
    await written();
    const touched = grown();
    held.object.walk(name);
    const walked = grown();
    // Held until here, or the collector would have had them.
    if (Object.keys(held).length !== 3) throw new Error("unreachable");
    return { plain, again: again / plain, loaded: loaded / plain, touched: touched / plain, walked: walked / plain };
  }
}

/** The class, with the library, as a module of Node's. */
async function load() {
  const { outputFiles } = await build({
    entryPoints: [`${import.meta.dirname}/memory.ts`],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker"],
    external: ["node:*"],
    plugins: [
      {
        name: "cloudflare:workers",
        setup(build) {
          build.onResolve({ filter: /^cloudflare:workers$/ }, () => ({ path: "workers", namespace: "platform" }));
          build.onLoad({ filter: /./, namespace: "platform" }, () => ({ contents: WORKERS }));
        },
      },
    ],
  });
  const folder = mkdtempSync(join(tmpdir(), "durable-base-memory-"));
  try {
    writeFileSync(join(folder, "memory.mjs"), outputFiles[0].text);
    return await import(join(folder, "memory.mjs"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An object's state over serialized rows. */
function stateOver(rows) {
  const read = (key) => (rows.has(key) ? deserialize(rows.get(key)) : undefined);
  const kv = {
    get: read,
    put: (key, value) => void rows.set(key, serialize(value)),
    delete: (key) => rows.delete(key),
    *list({ prefix = "", start = "", startAfter, end, limit = Infinity, reverse = false } = {}) {
      const keys = [...rows.keys()].filter(
        (key) =>
          key.startsWith(prefix) &&
          key >= start &&
          (startAfter === undefined || key > startAfter) &&
          (end === undefined || key < end),
      );
      const sorted = keys.toSorted((a, b) => (a < b ? -1 : 1));
      for (const key of (reverse ? sorted.reverse() : sorted).slice(0, limit)) yield [key, read(key)];
    },
  };
  const storage = {
    kv,
    transactionSync: (work) => work(),
    transaction: (work) => work({ rollback() {} }),
    deleteAll: async () => rows.clear(),
    setAlarm: async () => {},
    getAlarm: async () => null,
    deleteAlarm: async () => {},
  };
  const abort = (why) => {
    throw new Error(why);
  };
  return { id: { name: "held", toString: () => "held" }, storage, abort, waitUntil() {} };
}

/** Changes are written in a microtask. */
function written() {
  return new Promise((done) => setImmediate(done));
}

function row(title, plain, again, loaded, touched, walked, aim) {
  const cells = [plain, again, loaded, touched, walked].map((cell) => cell.padStart(10)).join("");
  return `${title.padEnd(24)}${cells}  ${aim}`;
}
