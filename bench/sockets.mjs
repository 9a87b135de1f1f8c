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
const SHARED = { HAND_SHARED: "HandShared", OUR_SHARED: "OurShared" };
/** By contender, the binding of its chat. */
const CHAT_OF = { hand: "HAND_CHAT", again: "HAND_CHAT", ours: "OUR_CHAT", partyserver: "PARTY_CHAT" };
/** By contender, the binding of its object with a shared state. */
const SHARED_OF = { hand: "HAND_SHARED", again: "HAND_SHARED", ours: "OUR_SHARED" };
const CLIENTS = 1_000;
/** As many sockets as are open when memory is measured. */
const IDLE = 8_000;
/** After so many the heap has grown to what connecting needs, whoever stays connected. */
const SETTLED = 4_000;
const ECHO = frame("e".repeat(64));
const ASK = frame("all");
const CALL = frame(JSON.stringify(["call", 1, "echo", "e".repeat(64)]));
const ADD = frame(JSON.stringify(["call", 1, "add", 1]));

/** The objects of these cases, by binding. */
export const objects = { ...CHATS, ...SHARED };

/** One message there and back, after the other. */
export function echoing(url) {
  return asking(ECHO, (contender) => open(url, CHAT_OF[contender], `echo-${contender}`));
}

/** One call of a method over the socket, after the other. */
export function calling(url) {
  return asking(CALL, (contender) => open(url, SHARED_OF[contender], `call-${contender}`, "durable-base.sync.1"));
}

function asking(frame, connect) {
  const clients = new Map();
  return async (contender, size) => {
    if (!clients.has(contender)) clients.set(contender, await connect(contender));
    const client = clients.get(contender);
    const began = performance.now();
    for (let i = 0; i < size; i++) {
      client.write(frame);
      await client.received(1);
    }
    return performance.now() - began;
  };
}

/** A message to 1,000 clients, until the last of them has it. */
export function broadcasting(url) {
  return telling(ASK, (contender) => open(url, CHAT_OF[contender], `all-${contender}`));
}

/** A change of the state of 1,000 clients, until the last of them has it. */
export function syncing(url) {
  return telling(ADD, (contender) => open(url, SHARED_OF[contender], `sync-${contender}`, "durable-base.sync.1"));
}

function telling(frame, connect) {
  const groups = new Map();
  return async (contender, size) => {
    if (!groups.has(contender)) {
      const clients = [];
      while (clients.length < CLIENTS) clients.push(await connect(contender));
      groups.set(contender, clients);
    }
    const [first, ...others] = groups.get(contender);
    const began = performance.now();
    for (let i = 0; i < size; i++) {
      first.write(frame);
      await Promise.all(others.map((client) => client.received(1)));
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
      const client = await open(url, CHAT_OF[contender], `connect-${contender}`);
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
        while (clients.length < count) clients.push(await open(runtime.url, CHAT_OF[contender], "idle"));
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

/** Opens a connection to an object; resolves once the object has accepted it, and with a protocol once its first message is there. */
async function open(url, binding, name, protocol) {
  const { hostname, port } = new URL(url);
  const socket = connectTo(Number(port), hostname);
  socket.setNoDelay(true);
  let messages = 0;
  /** How many bytes of the last message are still to come. */
  let rest = 0;
  let head = "";
  let isOpen = false;
  let wake = () => {};
  socket.on("data", (chunk) => {
    if (isOpen) count(chunk);
    else head += chunk.toString("latin1");
    wake();
  });
  /** Counts messages, which have under 126 bytes each. */
  const count = (chunk) => {
    for (let at = rest; ; at += 2 + chunk[at + 1]) {
      rest = at - chunk.length;
      if (rest >= 0) return;
      if (rest === -1) throw new Error("A header came in two parts.");
      messages++;
    }
  };
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
    `GET /chats/${binding}/${name}?user=ann HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
      (protocol === undefined ? "\r\n" : `Sec-WebSocket-Protocol: ${protocol}\r\n\r\n`),
  );
  await until(() => head.includes("\r\n\r\n"));
  if (!head.startsWith("HTTP/1.1 101")) throw new Error(`${binding}: ${head}`);
  isOpen = true;
  count(Buffer.from(head.slice(head.indexOf("\r\n\r\n") + 4), "latin1"));
  if (protocol !== undefined && binding.startsWith("OUR")) await until(() => messages > 0);
  messages = 0;
  return {
    write: (data) => socket.write(data),
    received: async (count) => {
      await until(() => messages >= count);
      messages -= count;
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
