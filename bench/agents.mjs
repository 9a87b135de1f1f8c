/**
 * `node bench/agents.mjs DIR`: one change of a state of 10 to 10,000 entries, to ten clients, beside the package `agents`, in one
 * workerd. Prints the bytes that a client gets for a change, and the time of workerd's processor for it.
 *
 * DIR is a folder of its own where `npm install agents @modelcontextprotocol/client` was run: that brings too many packages for everybody who
 * tests this one.
 */
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fail } from "../scripts/lib/options.mjs";
import { bundle, start } from "../scripts/lib/runtime.mjs";

const CLIENTS = 10;
const CHANGES = 200;
const SIZES = [10, 100, 1_000, 10_000];
/** Ticks of `/proc/PID/stat` in a second, on every Linux. */
const TICKS = 100;

const folder = process.argv[2];
if (folder === undefined || !existsSync(join(folder, "node_modules/agents/package.json"))) {
  fail("Pass a folder in which `npm install agents` was run: node bench/agents.mjs DIR");
}
const { version } = JSON.parse(readFileSync(join(folder, "node_modules/agents/package.json"), "utf8"));

const contents = `
  import { env } from "cloudflare:workers";
  import { Agent } from "agents";
  import { DurableBase, Persisted } from "durable-base";
  import { Callable, Synced } from "durable-base/sync";

  const entries = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => ["key" + i, { n: i, done: false }]));

  export class TheirBoard extends Agent {
    initialState = { entries: {} };
    fill(count) { this.setState({ entries: entries(count) }); }
    change(key, n) {
      const { entries } = this.state;
      this.setState({ entries: { ...entries, [key]: { ...entries[key], n } } });
    }
  }

  export class OurBoard extends DurableBase {
    @Synced() @Persisted() accessor entries = {};
    fill(count) { this.entries = entries(count); }
    change(key, n) { this.entries[key].n = n; }
  }

  export default { async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const [, what, binding, name] = pathname.split("/");
    const stub = env[binding].getByName(name);
    if (what === "open") return await stub.fetch(request);
    const size = Number(searchParams.get("size"));
    if (what === "fill") await stub.fill(size);
    else for (let i = 0; i < size; i++) await stub.change("key" + (i % Number(searchParams.get("of"))), i + 100_000);
    return new Response("done");
  } };`;

/** A package that `agents` brings asks for it as in Node. */
const pathOfNode = {
  name: "path-of-node",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^path$/ }, () => ({ path: "path", namespace: "node" }));
    onLoad({ filter: /./, namespace: "node" }, () => ({
      contents: 'import path from "node:path"; module.exports = path;',
    }));
  },
};
const script = await bundle(
  { contents, loader: "ts", resolveDir: import.meta.dirname },
  { nodePaths: [resolve(folder, "node_modules")], plugins: [pathOfNode] },
);
const state = mkdtempSync(join(tmpdir(), "durable-base-agents-"));
const runtime = await start({
  script,
  objects: { OUR_BOARD: "OurBoard", THEIR_BOARD: "TheirBoard" },
  folder: state,
  flags: ["nodejs_compat"],
});
try {
  console.log(`agents ${version}, ${CHANGES} changes to ${CLIENTS} clients`);
  console.log("entries   ours: bytes    ms    agents: bytes    ms, for one change");
  for (const size of SIZES) {
    const [ours, theirs] = [await measure("OUR_BOARD", size), await measure("THEIR_BOARD", size)];
    const cells = [ours.bytes, ours.time, theirs.bytes, theirs.time].map((number) => number.toFixed(2).padStart(12));
    console.log(`${String(size).padEnd(8)}${cells.join("")}`);
  }
} finally {
  await runtime.stop();
  rmSync(state, { recursive: true, force: true });
}

async function measure(binding, size) {
  const ask = async (path) => {
    const response = await fetch(`${runtime.url}/${path}`);
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    await response.text();
  };
  const name = `${binding}/board-${size}`;
  await ask(`fill/${name}?size=${size}`);
  const clients = [];
  while (clients.length < CLIENTS) clients.push(await open(`open/${name}`));
  await ask(`change/${name}?size=20&of=${size}`);
  await settle(clients);
  const before = clients.map(({ bytes }) => bytes);
  const began = ticks();
  await ask(`change/${name}?size=${CHANGES}&of=${size}`);
  await settle(clients);
  const time = ((ticks() - began) * 1000) / TICKS / CHANGES;
  const bytes = clients.reduce((sum, client, i) => sum + client.bytes - before[i], 0) / CLIENTS / CHANGES;
  for (const { socket } of clients) socket.destroy();
  return { bytes, time };
}

/** Waits until nothing more comes. */
async function settle(clients) {
  for (let last = -1; ;) {
    const sum = clients.reduce((total, { bytes }) => total + bytes, 0);
    if (sum === last) return;
    last = sum;
    await wait(300);
  }
}

/** The time of workerd's processor so far, in ticks. */
function ticks() {
  const fields = readFileSync(`/proc/${runtime.pid}/stat`, "utf8").split(") ")[1].split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function open(path) {
  const { hostname, port } = new URL(runtime.url);
  const socket = connectTo(Number(port), hostname);
  const client = { socket, bytes: 0 };
  socket.write(
    `GET /${path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Protocol: durable-base.sync.1\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  const [head] = await once(socket, "data");
  if (!head.toString("latin1").startsWith("HTTP/1.1 101")) throw new Error(`${path}: ${head.toString("latin1")}`);
  socket.on("data", ({ length }) => (client.bytes += length));
  return client;
}
