/**
 * `npm run fuzz -- sockets --frames 300 --clients 5000 --seed S`: WebSockets as no client would speak, written by hand to TCP.
 *
 * Frames with reserved bits and opcodes, without a mask, cut off, too long, with bad text and bad codes; handshakes that break off;
 * clients that vanish. Then so many clients come and go in each of three rounds, 250 at a time. The object must never be reset, must go
 * on serving others and list nobody who is gone. The process must free its file descriptors, and JavaScript must keep nothing of a client.
 *
 * The memory of the process is only printed: workerd's allocator decides about that. Eight rounds of 5,000, in MiB: 212, 269, 297, 330, 327,
 * 346, 358, 344. For a class by hand, in a process of its own: 204, 258, 276, 322, 295, 284, 287, 296. Meanwhile the heap of JavaScript
 * stayed at 1.47 and 1.19 MB.
 */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { WebSocket } from "ws";
import { mulberry32 } from "../../test/random.ts";
import { check, report } from "../lib/check.mjs";
import { readNumbers } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const AT_ONCE = 250;
const ROUNDS = 3;
/** The most bytes of JavaScript's heap that a client may leave behind. A connection takes over 400; 40,000 clients left none. */
const LEFT = 64;
/** With fewer clients the heap's usual ups and downs, some 30 KB, are more than what they would leave. */
const ENOUGH = 1_000;
/** Milliseconds until something that has to happen must have, even on a slow machine. */
const PATIENCE = 30_000;

const { frames, clients, seed } = readNumbers(
  { frames: 300, clients: 5_000, seed: Date.now() % 1e6 },
  process.argv.slice(3),
);
const random = mulberry32(seed);
const below = (end) => Math.floor(random() * end);
const pick = (list) => list[below(list.length)];

const isInspected = clients >= ENOUGH;
const script = await bundle("test/fuzz/sockets-worker.ts");
const runtime = await start({ script, objects: { ECHO: "Echo", PLAIN: "Plain" }, isInspected });
const { port } = new URL(runtime.url);
console.log(`npm run fuzz -- sockets --frames ${frames} --clients ${clients} --seed ${seed}`);

/** Each returns the bytes that a client sends after its handshake. */
const SPEECHES = {
  "a message": () => [frame({ text: "whole" })],
  fragments: () => [
    frame({ isLast: false, text: "fr" }),
    frame({ opcode: 9, text: "in between" }),
    frame({ isLast: false, opcode: 0, text: "ag" }),
    frame({ opcode: 0, text: "ment" }),
  ],
  "fragments without an end": () => [
    frame({ isLast: false, text: "fr" }),
    frame({ isLast: false, opcode: 0, text: "ag" }),
  ],
  "a continuation of nothing": () => [frame({ opcode: 0, text: "x" })],
  "a message inside another": () => [frame({ isLast: false, text: "a" }), frame({ text: "b" })],
  "invalid UTF-8": () => [frame({ body: Buffer.from([0xc3, 0x28, 0xff, 0xfe]) })],
  "a half surrogate": () => [frame({ body: Buffer.from([0xed, 0xa0, 0x80]) })],
  bytes: () => [frame({ opcode: 2, body: noise(below(2_000)) })],
  "a reserved opcode": () => [frame({ opcode: pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), text: "x" })],
  "reserved bits": () => [frame({ reserved: 1 + below(7), text: "x" })],
  "no mask": () => [frame({ isMasked: false, text: "x" })],
  "a bad close code": () => [
    frame({ opcode: 8, body: code(pick([0, 999, 1004, 1005, 1006, 1015, 2_999, 5_000, 65_535])) }),
  ],
  "half a close code": () => [frame({ opcode: 8, body: Buffer.from([3]) })],
  "a reason that is no text": () => [frame({ opcode: 8, body: Buffer.concat([code(1000), Buffer.from([0xff])]) })],
  "two closes": () => [
    frame({ opcode: 8, body: code(1000) }),
    frame({ opcode: 8, body: code(1001) }),
    frame({ text: "late" }),
  ],
  "a long control frame": () => [frame({ opcode: 9, body: noise(126) })],
  "a control frame in parts": () => [frame({ opcode: 9, isLast: false, text: "x" })],
  "a length without a body": () => [frame({ text: "short", length: 5_000 })],
  "an impossible length": () => [frame({ text: "x", length: 2n ** 63n })],
  "half a header": () => [frame({ text: "hello" }).subarray(0, 1 + below(5))],
  noise: () => [noise(1 + below(400))],
  nothing: () => [],
};
const ENDINGS = ["end", "destroy", "reset", "stay a while"];

try {
  const witness = new WebSocket(`ws://127.0.0.1:${port}/echo`);
  await new Promise((done, fail) => witness.on("open", done).on("error", fail));
  const { boot } = await state("echo");
  // An object that sleeps would come back as another instance.
  const awake = setInterval(() => void state("echo").catch(() => {}), 2_000);
  const isWell = async () => {
    const echo = new Promise((done) => witness.once("message", (data) => done(String(data))));
    witness.send("are you there?");
    if ((await Promise.race([echo, wait(PATIENCE, "no answer")])) !== "are you there?")
      throw new Error("It serves nobody.");
    if ((await state("echo")).boot !== boot) throw new Error("The object was reset.");
  };
  const isAlone = async () => {
    let seen;
    for (const end = Date.now() + PATIENCE; Date.now() < end; await wait(50)) {
      seen = await state("echo");
      if (seen.open === 1 && seen.listed === 1) return;
    }
    throw new Error(`It lists ${seen.listed} sockets, and ${seen.open} as open, of which 1 is.`);
  };

  await check(`${frames} clients that speak badly`, async () => {
    for (let done = 0; done < frames; done += 10) {
      const batch = Array.from({ length: Math.min(10, frames - done) }, () => [
        pick(Object.keys(SPEECHES)),
        pick(ENDINGS),
      ]);
      await Promise.all(
        batch.map(([what, ending]) => speak(SPEECHES[what](), { ending, isPipelined: random() < 0.3 })),
      );
      await isWell().catch((error) => {
        throw new Error(`after ${JSON.stringify(batch)}`, { cause: error });
      });
    }
    await isAlone();
  });
  await check("handshakes that are cut off or wrong", async () => {
    const whole = handshake();
    const wrong = [
      whole.replace(/Sec-WebSocket-Key.*\r\n/, ""),
      whole.replace("Version: 13", "Version: 12"),
      whole.replace("GET", "POST"),
      whole.replace(/Key: .*\r\n/, "Key: short\r\n"),
    ];
    const cut = Array.from({ length: 30 }, () => whole.slice(0, below(whole.length)));
    await Promise.all([...wrong, ...cut].map((text) => speak([], { ending: pick(ENDINGS), text })));
    await isWell();
    await isAlone();
  });
  await check("a message of 32 MiB arrives, and one byte more ends its socket alone", async () => {
    const most = 32 * 1024 * 1024;
    const client = new WebSocket(`ws://127.0.0.1:${port}/echo`);
    const got = new Promise((done) => client.on("message", (data) => done(String(data))).on("close", done));
    await new Promise((done, fail) => client.on("open", done).on("error", fail));
    client.send(Buffer.alloc(most));
    const found = await Promise.race([got, wait(PATIENCE, "nothing")]);
    client.terminate();
    if (found !== String(most)) throw new Error(`${most} bytes: ${found}`);
    const heard = [];
    await speak([frame({ opcode: 2, text: "x", length: most + 1 })], { ending: "stay a while", heard });
    const close = Buffer.concat(heard).indexOf(Buffer.from([1009 >> 8, 1009 & 255]));
    if (close === -1) throw new Error("No Close with 1009.");
    await isWell();
    await isAlone();
  });

  const counts = [];
  for (let round = 1; round <= ROUNDS; round++) {
    await check(`round ${round}: ${clients} clients come and go`, async () => {
      for (let done = 0; done < clients; done += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, clients - done) }, () => [frame({ text: "hello" })]);
        await Promise.all(some.map((said, nth) => speak(said, { ending: ENDINGS[nth % 3] })));
      }
      await isWell();
      await isAlone();
      counts.push(await measure());
      const { files, memory, heap } = counts.at(-1);
      const heaps = isInspected ? `, ${heap} bytes of JavaScript` : "";
      console.log(`  ${files} file descriptors, ${Math.round(memory / 1024)} MiB${heaps}`);
    });
  }
  await check("file descriptors are freed", () => {
    const [, second, third] = counts;
    if (third.files > second.files + 5) throw new Error(`${second.files} file descriptors, then ${third.files}`);
  });
  if (isInspected) {
    await check("JavaScript keeps nothing of a client", () => {
      const [, second, third] = counts;
      const left = (third.heap - second.heap) / clients;
      if (left > LEFT) throw new Error(`${second.heap} bytes, then ${third.heap}: ${left} of each client`);
    });
  }
  clearInterval(awake);
  witness.terminate();
  const said = [...Array.from({ length: 8 }, () => frame({ text: "x" })), frame({ text: "ping" })];
  await Promise.all(
    Array.from({ length: 50 }, () => speak(said, { ending: "destroy", text: handshake().replace("echo", "plain") })),
  );
  await wait(500);
  console.log(
    `workerd still lists ${(await state("plain")).listed} of 50 that vanished before their ping was answered, in a plain class`,
  );
} finally {
  await runtime.stop();
}
report();

/** Opens a connection, says something and ends it in some way; resolves when it has ended. */
function speak(said, { ending, isPipelined = false, text = handshake(), heard = [] }) {
  return new Promise((done) => {
    const socket = connect({ host: "127.0.0.1", port: Number(port), allowHalfOpen: true });
    const isWhole = text.endsWith("\r\n\r\n");
    let isSaid = false;
    const finish = () => {
      if (isSaid) return;
      isSaid = true;
      if (!isPipelined) for (const part of said) socket.write(part);
      if (ending === "end") socket.end();
      setTimeout(
        () => (ending === "reset" ? socket.resetAndDestroy() : socket.destroy()),
        ending === "destroy" ? 0 : 20,
      );
    };
    socket.on("data", (part) => {
      heard.push(part);
      finish();
    });
    socket.on("error", () => {});
    socket.on("close", done);
    socket.write(text);
    if (isPipelined) for (const part of said) socket.write(part);
    // A handshake that is cut off gets no answer.
    setTimeout(finish, isWhole ? PATIENCE : 50).unref();
  });
}

function handshake() {
  const lines = [
    "GET /echo HTTP/1.1",
    "Host: fuzz",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
  ];
  return `${[...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="].join("\r\n")}\r\n\r\n`;
}

/** A frame; `length` is what it says of its body. */
function frame({
  text = "",
  body = Buffer.from(text),
  opcode = 1,
  reserved = 0,
  isLast = true,
  isMasked = true,
  length,
}) {
  const size = length ?? body.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = (isLast ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (size < 126 ? Number(size) : size < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(Number(size), 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
  if (!isMasked) return Buffer.concat([head, body]);
  const mask = noise(4);
  return Buffer.concat([head, mask, body.map((byte, nth) => byte ^ mask[nth % 4])]);
}

function code(number) {
  return Buffer.from([number >> 8, number & 255]);
}

function noise(length) {
  return Buffer.from(Array.from({ length }, () => below(256)));
}

async function state(name) {
  return await (await fetch(`${runtime.url}/${name}`)).json();
}

/** File descriptors, resident memory in KiB and the bytes of JavaScript's heap, once they have settled. */
async function measure() {
  await wait(clients < 1_000 ? 200 : 3_000);
  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${runtime.pid}/status`, "utf8"))[1]);
  const files = readdirSync(`/proc/${runtime.pid}/fd`).length;
  return { files, memory, heap: isInspected ? await runtime.heap() : NaN };
}
