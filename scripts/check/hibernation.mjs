/**
 * Objects with 100 open sockets are evicted when they are idle, which takes workerd 10 seconds, and their sockets stay open.
 *
 * Each case runs beside the same class by hand: where both fail, it's the platform. An eviction is seen by the count of an object's
 * constructions, which the Worker keeps, and which is one more at the next message. A case that isn't evicted in time is tried again
 * after longer breaks, so nothing depends on the speed of the machine.
 *
 * Then the clients that docs/guides/sockets.md warns of: those that vanish in a moment in which workerd doesn't notice, and those that
 * don't read.
 */
import { connect as connectTo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { WebSocket } from "ws";
import { check, report } from "../lib/check.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const SOCKETS = 100;
/** Seconds without an event, which a message ends. */
const BREAKS = [12, 20, 40];
const PATIENCE = 30_000;

/** By name, the binding of each, and what clients do before the break and in it. */
const CASES = {
  "after connecting": {},
  "after messages and broadcasts": {
    before: async (clients) => {
      for (let n = 0; n < 5; n++) {
        for (const client of clients.slice(0, 10)) client.send(`all ${n}`);
        await Promise.all(clients.map((client) => client.take(10)));
      }
    },
  },
  "after new states": {
    before: async (clients) => {
      for (const [nth, client] of clients.entries()) client.send(`state new-${nth}`);
    },
    after: async (clients) => {
      clients[7].send("state");
      equal(await clients[7].next(), "new-7", "the state");
    },
  },
  "while pings are answered": {
    during: async (clients, until, key) => {
      const before = await seenOf(key);
      do {
        for (const client of clients) client.send("ping");
        for (const client of clients) equal(await client.next(), "pong", "the answer to a ping");
        await wait(2_000);
      } while (Date.now() < until);
      // The last one just before the message that wakes the object.
      clients[0].send("ping");
      equal(await clients[0].next(), "pong", "the answer to a ping");
      equal(await seenOf(key), before, "what happened to the object");
    },
  },
  "after clients have left": {
    before: async (clients) => {
      const gone = clients.splice(0, 20);
      for (const [nth, client] of gone.entries()) {
        if (nth % 2 === 0) client.close(4000, "bye");
        else client.terminate();
        await client.ended;
      }
      await Promise.all(clients.map((client) => client.take(gone.length)));
    },
  },
  "after a client was refused": {
    before: async (_, path) => {
      for (let n = 0; n < 5; n++) await refused(path);
    },
  },
  "with a job in the future": { ours: "BUSY_ROOM", hand: "BUSY_HAND" },
  "with limits": {
    ours: "RATED_ROOM",
    hand: "RATED_HAND",
    before: async (clients) => {
      for (const client of clients) client.send("size");
      for (const client of clients) equal(await client.next(), String(SOCKETS), "the size");
    },
  },
  "through serve, with data of authorize": {
    ours: "SERVED_ROOM",
    before: (_, path) => refused(path),
    after: async (clients) => {
      clients[7].send("state");
      equal(await clients[7].next(), "user-7", "the data");
    },
  },
};
/** Clients that vanish while an async `connect` holds them: what they have sent, and what comes of them. */
const VANISHING = {
  "that is reset stays listed until the object is evicted": { isReset: true, isListed: true, isEvicted: true },
  "that is reset, and closed then, keeps the object awake": { isReset: true, isListed: true, isClosed: true },
  "whose ping comes after messages stays listed, and keeps the object awake": { isListed: true, said: ["ping"] },
  "whose ping comes after messages, and is closed then, keeps it awake": {
    isListed: true,
    isClosed: true,
    said: ["ping"],
  },
  "whose ping isn't answered by the platform is gone": { kind: "QUIET_", isEvicted: true, said: ["ping"] },
  "that sends no ping is gone": { isEvicted: true, said: ["boots"] },
};
const CLASSES = {
  ROOM: "Room",
  QUIET_ROOM: "QuietRoom",
  WATCHED_ROOM: "WatchedRoom",
  RATED_ROOM: "RatedRoom",
  BUSY_ROOM: "BusyRoom",
  SERVED_ROOM: "ServedRoom",
  HAND: "Hand",
  QUIET_HAND: "QuietHand",
  RATED_HAND: "RatedHand",
  BUSY_HAND: "BusyHand",
};

const runtime = await start({ script: await bundle("test/hibernation/worker.ts"), objects: CLASSES });
try {
  await Promise.all(
    Object.entries(CASES).flatMap(([name, { ours = "ROOM", hand = "HAND", ...steps }]) => [
      check(`evicted ${name}`, () => play(ours, name, steps)),
      check(`evicted ${name}, by hand`, () => play(hand, name, steps)),
    ]),
  );
  await Promise.all(
    Object.entries(VANISHING).flatMap(([name, { kind = "", ...how }]) => [
      check(`a client ${name}`, () => vanish(`${kind}ROOM`, name, how)),
      check(`a client ${name}, by hand`, () => vanish(`${kind}HAND`, name, how)),
    ]),
  );
  await check(
    "a client that doesn't read is closed by maxUnread though it sends pings, and one that reads isn't",
    leaveUnread,
  );
} finally {
  await runtime.stop();
}
report();

async function play(binding, name, { before, during, after }) {
  const slug = name.replaceAll(/\W+/g, "-");
  const path = `${binding}/${slug}`;
  const key = `${CLASSES[binding]}/${slug}`;
  const clients = [];
  // Some at a time: a backlog of connections is short.
  while (clients.length < SOCKETS) {
    const from = clients.length;
    clients.push(...(await Promise.all(Array.from({ length: 10 }, (_, nth) => connect(path, `user-${from + nth}`)))));
  }
  try {
    await before?.(clients, path);
    await evicted(clients, key, during);
    await after?.(clients);
    clients[0].send("size");
    equal(await clients[0].next(), String(clients.length), "the size");
    clients[1].send("all still-here");
    for (const client of clients) equal(await client.next(), "still-here", "a broadcast");
  } finally {
    for (const client of clients) client.terminate();
  }
}

/** Has ten clients vanish while `connect` holds them; another sees what comes of them. */
async function vanish(binding, name, { isReset = false, isListed = false, isEvicted = false, isClosed = false, said }) {
  const slug = name.replaceAll(/\W+/g, "-");
  const key = `${CLASSES[binding]}/${slug}`;
  const keeper = await connect(`${binding}/${slug}`, "keeper");
  const messages = said === undefined ? [] : [...Array.from({ length: 8 }, () => "boots"), ...said];
  const sockets = Array.from({ length: 10 }, () => open(`${binding}/${slug}?as=gone&held`, messages));
  await until(async () => JSON.parse(await seenOf(key)).held === sockets.length, "clients are held");
  for (const socket of sockets) {
    if (isReset) socket.resetAndDestroy();
    else socket.destroy();
  }
  // Until workerd knows.
  await wait(500);
  await fetch(`${runtime.url}/release/${key}`);
  await until(async () => JSON.parse(await seenOf(key)).released === sockets.length, "clients go on");
  await wait(1_000);
  if (!isListed) await until(async () => (await sizeFor(keeper)) === 1, "nobody is listed who is gone");
  else if ((await sizeFor(keeper)) === 1) throw new Error("None is listed.");
  if (isClosed) {
    keeper.send("close");
    equal(await sizeFor(keeper), 1, "the size after a close");
  }
  if (isEvicted) await evicted([keeper], key);
  else {
    await wait(2 * BREAKS[0] * 1_000);
    keeper.send("boots");
    equal(await skipTo(keeper, /^\d+$/), "1", "the count of constructions");
  }
  if (!isListed || isEvicted) equal(await sizeFor(keeper), 1, "the size in the end");
  keeper.terminate();
}

/** Some megabytes are in the network, and are read as far as workerd knows: the limit counts from then on. */
async function leaveUnread() {
  const path = "WATCHED_ROOM/unread";
  const text = "x".repeat(200_000);
  const reader = await connect(path, "reader");
  const other = await connect(path, "other");
  other._socket.pause();
  try {
    for (let sent = 0; (await sizeFor(reader)) === 2; sent++) {
      if (sent === 200) throw new Error(`${sent * text.length} bytes were sent.`);
      for (const client of [reader, other]) client.send("ping");
      equal(await reader.next(), "pong", "the answer to a ping");
      reader.send(`all ${text}`);
      equal(await reader.next(), text, "a broadcast");
    }
    equal(reader.readyState, WebSocket.OPEN, "the state of the one that reads");
  } finally {
    for (const client of [reader, other]) client.terminate();
  }
}

/** A connection that says something right behind its handshake: messages in frames whose mask is zero. */
function open(path, messages) {
  const socket = connectTo({ host: "127.0.0.1", port: Number(new URL(runtime.url).port) });
  const lines = [
    `GET /${path} HTTP/1.1`,
    "Host: vanishing",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  socket.on("error", () => {});
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  for (const text of messages) {
    socket.write(Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)]));
  }
  return socket;
}

async function sizeFor(client) {
  client.send("size");
  return Number(await skipTo(client, /^\d+$/));
}

/** The next message of a kind: news of others who have left may come between. */
async function skipTo(client, pattern) {
  for (;;) {
    const message = await client.next();
    if (pattern.test(message)) return message;
  }
}

async function until(isSo, what) {
  for (const late = Date.now() + PATIENCE; !(await isSo()); await wait(50)) {
    if (Date.now() > late) throw new Error(`It never comes that ${what}.`);
  }
}

/** Resolves once the object has been evicted and woken up. */
async function evicted(clients, key, during) {
  for (const seconds of BREAKS) {
    const until = Date.now() + seconds * 1_000;
    if (during === undefined) await wait(seconds * 1_000);
    else await during(clients, until, key);
    clients[0].send("boots");
    const boots = Number(await skipTo(clients[0], /^\d+$/));
    if (boots > 2) throw new Error(`It was constructed ${boots} times.`);
    if (boots === 2) return;
    console.log(`  ${key} wasn't evicted in ${seconds} s`);
  }
  throw new Error("It is never evicted.");
}

/** A client whose messages are taken in order. */
async function connect(path, as) {
  const socket = new WebSocket(`${runtime.url.replace("http", "ws")}/${path}?as=${as}`, { perMessageDeflate: false });
  const got = [];
  let arrived = () => {};
  socket.on("message", (data) => {
    got.push(String(data));
    arrived();
  });
  const next = async () => {
    const late = Date.now() + PATIENCE;
    while (got.length === 0) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error(`${as} is closed.`);
      if (Date.now() > late) throw new Error(`${as} got no message.`);
      await Promise.race([new Promise((done) => (arrived = done)), wait(200, undefined, { ref: false })]);
    }
    return got.shift();
  };
  const client = Object.assign(socket, {
    next,
    take: async (count) => {
      for (let n = 0; n < count; n++) await next();
    },
    ended: new Promise((done) => socket.on("close", done)),
  });
  await new Promise((done, fail) => socket.on("open", done).on("error", fail));
  return client;
}

async function refused(path) {
  const socket = new WebSocket(`${runtime.url.replace("http", "ws")}/${path}`);
  const status = await new Promise((done) => {
    socket.on("unexpected-response", (request, { statusCode }) => {
      request.destroy();
      done(statusCode);
    });
    socket.on("open", () => done(101)).on("error", () => {});
  });
  equal(status, 403, "the status of a refusal");
}

async function seenOf(key) {
  const seen = await (await fetch(`${runtime.url}/seen`)).json();
  return JSON.stringify(seen[key]);
}

function equal(found, expected, what) {
  if (found !== expected) throw new Error(`${what} is ${found}, not ${expected}.`);
}
