/**
 * `npm run fuzz -- raw --requests N --seed S`: HTTP as no client would send it, written to sockets by hand: lengths
 * that are wrong, chunks that break off, targets with bytes that no URL has, connections that end in the middle.
 *
 * What workerd answers by itself, before our Worker, is its own concern (a CONNECT is a 500 to it). Each of our answers is held to
 * the rules of `test/route/fuzz.ts`; the object must stay the same one, and count what it said and no more than was sent.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import fc from "fast-check";
import { flawOf } from "../../test/route/fuzz.ts";
import { readOptions, wholeNumber } from "../lib/options.mjs";
import { bundle, start } from "../lib/runtime.mjs";

const values = readOptions(
  { requests: { type: "string", default: "800" }, seed: { type: "string", default: `${Date.now() % 1e6}` } },
  process.argv.slice(process.argv[2] === "raw" ? 3 : 2),
);
const requests = wholeNumber("requests", values.requests);
const seed = wholeNumber("seed", values.seed, { least: 0, most: 2 ** 31 - 1 });

/** The longest that a connection whose client has said everything may stay open, in ms; more than a slow machine needs. */
const PATIENCE = 120_000;

const { constantFrom, oneof, record, tuple } = fc;
const latin = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 8,
});

const method = oneof(
  { weight: 8, arbitrary: constantFrom("POST", "POST", "PUT", "GET", "HEAD", "OPTIONS", "DELETE") },
  { weight: 1, arbitrary: oneof(constantFrom("", "get", "G E T", "UNKNOWN_METHOD", "CONNECT", "TRACE"), latin) },
);
const places = ["/add", "/notes", "/small", "/slow", "/tree", "/raw", "/verb", "/exclusive", "/nowhere", "/every/x"];
const target = oneof(
  { weight: 8, arbitrary: constantFrom(...places).map((place) => `/fuzzed/raw${place}`) },
  {
    weight: 2,
    arbitrary: tuple(constantFrom("/items/", "/files/", "/add/", "/notes/"), latin).map(
      ([place, end]) => `/fuzzed/raw${place}${end}`,
    ),
  },
  {
    weight: 2,
    arbitrary: constantFrom(
      ...[
        "",
        "*",
        "/",
        "//",
        "\\",
        "fuzzed/raw/add",
        "http://elsewhere/fuzzed/raw/add",
        "//elsewhere/add",
        "/fuzzed/raw/%",
      ],
      ...[
        "/fuzzed/raw/../raw/add",
        "/fuzzed/raw/%2e%2e/add",
        "/fuzzed/%ff/add",
        "/fuzzed/raw/a\0b",
        "/fuzzed/raw/é",
        "?",
        "#",
      ],
      `/fuzzed/raw/files/${"x/".repeat(4_096)}`,
      `/fuzzed/raw/verb?${"a=%ff&".repeat(1_365)}`,
    ),
  },
);
const body = oneof(
  constantFrom('{"by":3}', '{"name":"bob"}', '{"list":[{"n":"1"}]}', '{"key":"k"}', "", "[", `"${"x".repeat(3_000)}"`),
  constantFrom(
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b',
    `${"[".repeat(600)}${"]".repeat(600)}`,
  ),
  latin,
);
const hex = (text) => text.length.toString(16);

/** How a body is told from what comes after it: the headers that say so, and the bytes that are sent. */
const framings = {
  right: (text) => [[`Content-Length: ${text.length}`], text],
  "too long": (text) => [[`Content-Length: ${text.length + 7}`], text],
  "too short": (text) => [[`Content-Length: ${Math.max(0, text.length - 3)}`], text],
  none: (text) => [[], text],
  negative: (text) => [["Content-Length: -1"], text],
  "no number": (text) => [["Content-Length: 1x"], text],
  huge: (text) => [["Content-Length: 99999999999999999999"], text],
  "over the limit": (text) => [["Content-Length: 2000000"], text],
  twice: (text) => [[`Content-Length: ${text.length}`, "Content-Length: 1"], text],
  chunked: (text) => [["Transfer-Encoding: chunked"], `${text === "" ? "" : `${hex(text)}\r\n${text}\r\n`}0\r\n\r\n`],
  "a chunk too long": (text) => [["Transfer-Encoding: chunked"], `${hex(`${text}..`)}\r\n${text}`],
  "a chunk too short": (text) => [["Transfer-Encoding: chunked"], `1\r\n${text}\r\n0\r\n\r\n`],
  "no last chunk": (text) => [["Transfer-Encoding: chunked"], `${hex(text)}\r\n${text}\r\n`],
  "no size": (text) => [["Transfer-Encoding: chunked"], `zz\r\n${text}\r\n0\r\n\r\n`],
  both: (text) => [["Content-Length: 4", "Transfer-Encoding: chunked"], `${hex(text)}\r\n${text}\r\n0\r\n\r\n`],
  "another coding": (text) => [["Transfer-Encoding: gzip"], text],
};
const header = oneof(
  constantFrom(
    ...[
      "Content-Type: application/json",
      "Content-Type: application/json",
      "Content-Type: multipart/form-data; boundary=b",
    ],
    ...[
      "Content-Type: application/x-www-form-urlencoded",
      "Expect: 100-continue",
      "Content-Encoding: gzip",
      "Host: other",
    ],
    ...["Upgrade: websocket", "Range: bytes=0-1", "If-None-Match: *", ": none", "no colon", "X Y: z", " folded: line"],
    `X-Long: ${"x".repeat(9_000)}`,
    `X-TooLong: ${"x".repeat(90_000)}`,
  ),
  latin.map((text) => `X-Bytes: ${text}`),
);
/** Most get as far as a route that takes a body. */
const first = oneof(
  {
    weight: 2,
    arbitrary: constantFrom(
      ...["POST /fuzzed/raw/add", "POST /fuzzed/raw/slow", "POST /fuzzed/raw/notes", "POST /fuzzed/raw/small"],
      ...["POST /fuzzed/raw/raw", "PUT /fuzzed/raw/verb", "POST /fuzzed/raw/tree"],
    ).map((line) => `${line} HTTP/1.1`),
  },
  {
    weight: 1,
    arbitrary: tuple(
      method,
      target,
      oneof(
        { weight: 9, arbitrary: fc.constant("HTTP/1.1") },
        { weight: 1, arbitrary: constantFrom("HTTP/1.0", "HTTP/2.0", "", "X") },
      ),
    ).map((words) => words.join(" ")),
  },
);
const typed = fc.constant("Content-Type: application/json");
const request = record({
  first,
  headers: oneof(
    { weight: 3, arbitrary: tuple(typed) },
    { weight: 1, arbitrary: tuple(typed, header) },
    { weight: 1, arbitrary: fc.array(header, { maxLength: 2 }) },
  ),
  body,
  framing: constantFrom("right", "chunked", ...Object.keys(framings)),
  // A client that ends its side still hears the answer; one that goes away does not.
  isPatient: fc.nat({ max: 9 }).map((n) => n > 0),
});

const documented = ["docs/routes.md", "docs/errors.md"].map((path) => readFileSync(path, "utf8")).join("");
const seen = new Map();
let sent = 0;
let changed = 0;
let generation;

const script = await bundle("test/fuzz/worker.ts");
const runtime = await start({ script, objects: { FUZZED: "Fuzzed" } });
let problem;
try {
  await checkState();
  console.log(`npm run fuzz -- raw --requests ${requests} --seed ${seed}`);
  const { failed, counterexample, errorInstance } = await fc.check(fc.asyncProperty(request, play), {
    numRuns: requests,
    seed,
  });
  if (failed) problem = `${errorInstance?.stack}\n${fc.stringify(counterexample)}`;
  const counts = [...seen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${count} ${kind}`);
  console.log(`${sent} requests: ${counts.join(", ")}`);
  // Without these the run has shown nothing.
  for (const kind of ["200", "201", "204", "400", "404"])
    if (!failed && !seen.has(kind)) problem ??= `no answer was a ${kind}`;
} finally {
  await runtime.stop();
}
if (problem !== undefined) console.log(problem);
console.log(problem === undefined ? "1 passed, 0 failed" : "0 passed, 1 failed");
process.exitCode = problem === undefined ? 0 : 1;

/** Sends a request, and throws where an answer or the object is not as it has to be. */
async function play({ first, headers, body, framing, isPatient }) {
  const method = first.split(" ")[0];
  const [lengths, bytes] = framings[framing](body);
  const lines = [first, "Host: fuzz", "Connection: close", ...lengths, ...headers];
  sent++;
  for (const answer of answersIn(await exchange(`${lines.join("\r\n")}\r\n\r\n${bytes}`, isPatient), method)) {
    const { status } = answer;
    const isPlatform = !answer.headers.has("x-ours");
    note(isPlatform ? `${status} of workerd` : `${status}`);
    if (isPlatform) continue;
    if (answer.headers.has("x-changed")) changed++;
    const flaw = flawOf(answer, method, false, documented);
    if (flaw !== undefined) {
      throw new Error(
        `An answer ${flaw}: ${answer.status} ${answer.headers.get("content-type")} ${answer.text.slice(0, 400)}`,
      );
    }
  }
  await checkState();
}

/** All that comes back: up to the end where the client listens that long, else what comes at once. */
function exchange(text, isPatient) {
  return new Promise((done, fail) => {
    const { hostname, port } = new URL(runtime.url);
    const parts = [];
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const timer = setTimeout(
      () => {
        socket.destroy();
        if (isPatient) fail(new Error(`No end of the answer after ${PATIENCE} ms`));
      },
      isPatient ? PATIENCE : 5,
    );
    socket.on("data", (part) => parts.push(part));
    // The other side may end the connection before it has read everything.
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearTimeout(timer);
      // Cut off, the last answer may be half of one.
      if (!isPatient) note("left");
      done(isPatient ? Buffer.concat(parts).toString("latin1") : "");
    });
    socket.write(Buffer.from(text, "latin1"));
    if (isPatient) socket.end();
  });
}

/** The answers in what a connection brought. */
function answersIn(text, method) {
  const answers = [];
  for (let rest = text; rest !== "";) {
    const [head, ...more] = rest.split("\r\n\r\n");
    rest = more.join("\r\n\r\n");
    const [line, ...lines] = head.split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3}) /.exec(line)?.[1]);
    if (Number.isNaN(status)) throw new Error(`No HTTP: ${JSON.stringify(head.slice(0, 400))}`);
    const headers = new Headers(
      lines.map((one) => [one.slice(0, one.indexOf(":")), one.slice(one.indexOf(":") + 1).trim()]),
    );
    if (status < 200) continue;
    let body = "";
    if (headers.get("transfer-encoding") === "chunked") [body, rest] = unchunk(rest);
    else if (method !== "HEAD" && status !== 204 && status !== 304) {
      const length = Number(headers.get("content-length") ?? rest.length);
      [body, rest] = [rest.slice(0, length), rest.slice(length)];
    }
    answers.push({ status, headers, text: body });
  }
  return answers;
}

function unchunk(text) {
  let body = "";
  for (let rest = text; ;) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (Number.isNaN(size)) throw new Error("An answer breaks off");
    rest = rest.slice(end + 2);
    if (size === 0) return [body, rest.slice(2)];
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

/** The object is the one that it was, and has counted what it said, and no more than it was asked for. */
async function checkState() {
  const response = await fetch(`${runtime.url}/fuzzed/raw`);
  const state = await response.json();
  generation ??= state.generation;
  if (state.generation !== generation) throw new Error("The object was reset.");
  if (state.total < changed || state.total > sent) throw new Error(`It counts ${state.total}, and said ${changed}.`);
}

function note(kind) {
  seen.set(kind, (seen.get(kind) ?? 0) + 1);
}
