/**
 * The cases with sockets: clients over TCP that write frames by hand and only count what comes, so that the object's side is
 * what takes time.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { bundle, start } from "../scripts/lib/runtime.mjs";

const CHATS = { HAND_CHAT: "HandChat", OUR_CHAT: "OurChat", PARTY_CHAT: "PartyChat" };
/** By contender, the binding of its chat. */
const BINDINGS = { hand: "HAND_CHAT", again: "HAND_CHAT", ours: "OUR_CHAT", partyserver: "PARTY_CHAT" };
const CLIENTS = 1_000;
/** As many sockets as are open when memory is measured. */
const IDLE = 8_000;
/** After so many the heap has grown to what connecting needs, whoever stays connected. */
const SETTLED = 4_000;
/** Header and payload of a message of 64 bytes from the object. */
const FRAME = 66;
const ECHO = frame("e".repeat(64));
const ASK = frame("all");

/** The objects of these cases, by binding. */
export const chats = CHATS;

/** One message there and back, after the other. */
export function echoing(url) {
  const clients = new Map();
  return async (contender, size) => {
    if (!clients.has(contender)) clients.set(contender, await open(url, contender, `echo-${contender}`));
    const client = clients.get(contender);
    const began = performance.now();
    for (let i = 0; i < size; i++) {
      client.write(ECHO);
      await client.received(FRAME);
    }
    return performance.now() - began;
  };
}

/** A message to 1,000 clients, until the last of them has it. */
export function broadcasting(url) {
  const chats = new Map();
  return async (contender, size) => {
    if (!chats.has(contender)) {
      const clients = [];
      while (clients.length < CLIENTS) clients.push(await open(url, contender, `all-${contender}`));
      chats.set(contender, clients);
    }
    const clients = chats.get(contender);
    const began = performance.now();
    for (let i = 0; i < size; i++) {
      clients[0].write(ASK);
      await Promise.all(clients.map((client) => client.received(FRAME)));
    }
    return performance.now() - began;
  };
}

/** Connections, one after the other, each from the request to the answer 101. */
export function connecting(url) {
  return async (contender, size) => {
    let time = 0;
    for (let i = 0; i < size; i++) {
      const began = performance.now();
      const client = await open(url, contender, `connect-${contender}`);
      time += performance.now() - began;
      await client.close();
    }
    return time;
  };
}

/** Prints the memory of workerd for each idle socket, in a process of its own for each contender. */
export async function measureSocketMemory(row) {
  const contents = `
    import { env } from "cloudflare:workers";
    export { HandChat, OurChat, PartyChat } from "./sockets.ts";
    export default { fetch: (request) => {
      const [, , binding, name] = new URL(request.url).pathname.split("/");
      return env[binding].getByName(name).fetch(request);
    } };`;
  const script = await bundle({ contents, loader: "ts", resolveDir: import.meta.dirname });
  console.log(row("memory per idle socket", "contender", "KB", "over", "", "aim"));
  let hand;
  for (const contender of ["hand", "ours", "again", "partyserver"]) {
    const runtime = await start({ script, objects: CHATS });
    try {
      const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${runtime.pid}/status`, "utf8"))[1]);
      const clients = [];
      const fill = async (count) => {
        while (clients.length < count) clients.push(await open(runtime.url, contender, "idle"));
        // The sockets' own turns end.
        await wait(500);
      };
      await fill(SETTLED);
      const before = memory();
      await fill(IDLE);
      const each = (memory() - before) / (IDLE - SETTLED);
      hand ??= each;
      const over = contender === "hand" ? "" : (each - hand).toFixed(1);
      const isFirst = contender === "hand";
      console.log(
        row(
          isFirst ? `${SETTLED} to ${IDLE} sockets` : "",
          contender,
          each.toFixed(1),
          over,
          "",
          contender === "ours" ? "2.0" : "",
        ),
      );
      for (const client of clients) client.end();
    } finally {
      await runtime.stop();
    }
  }
}

/** Opens a connection to a chat; resolves once the object has accepted it. */
async function open(url, contender, name) {
  const { hostname, port } = new URL(url);
  const socket = connectTo(Number(port), hostname);
  socket.setNoDelay(true);
  let bytes = 0;
  let head = "";
  let isOpen = false;
  let wake = () => {};
  socket.on("data", (chunk) => {
    if (isOpen) bytes += chunk.length;
    else head += chunk.toString("latin1");
    wake();
  });
  socket.on("error", (error) => {
    throw error;
  });
  const until = async (isDone) => {
    while (!isDone()) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  };
  socket.write(
    `GET /chats/${BINDINGS[contender]}/${name}?user=ann HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await until(() => head.includes("\r\n\r\n"));
  if (!head.startsWith("HTTP/1.1 101")) throw new Error(`${contender}: ${head}`);
  isOpen = true;
  bytes = head.length - head.indexOf("\r\n\r\n") - 4;
  return {
    write: (data) => socket.write(data),
    received: async (count) => {
      await until(() => bytes >= count);
      bytes -= count;
    },
    close: async () => {
      socket.write(closing());
      const ended = once(socket, "end");
      await ended;
      socket.end();
    },
    end: () => socket.destroy(),
  };
}

/** A frame of a client, masked with zeros. */
function frame(text) {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** A client's Close, with code 1000. */
function closing() {
  return Buffer.from([0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 255]);
}
