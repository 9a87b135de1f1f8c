/**
 * The commands of package.json as a user types them: mistakes get one line, and `npm start` ends with npm.
 *
 * `--every 8` tries every eighth mistake only.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { readNumbers } from "../lib/options.mjs";

const mistakes = {
  "../bench/bench.mjs --case nothing": "nothing",
  "../bench/types.mjs --runs 0": "--runs",
  "crash/crash.mjs --rounds 0": "--rounds",
  "crash/crash.mjs --rounds many": "--rounds",
  "crash/crash.mjs --seed -1": "--seed",
  "crash/crash.mjs destroy --rounds 0": "--rounds",
  "crash/crash.mjs once --rounds 0": "--rounds",
  "crash/crash.mjs migrations --first 0": "--first",
  "crash/crash.mjs steps --every 0": "--every",
  "crash/crash.mjs step": "step",
  "check/formats.mjs --write 1": "1.sqlite",
  "check/formats.mjs --write next": "--write",
  "fuzz/fuzz.mjs --requests 0": "--requests",
  "fuzz/fuzz.mjs raw --seed x": "--seed",
  "model.mjs --runs 1.5": "--runs",
  "rows.mjs --updat": "--updat",
  "start.mjs --port 0": "port",
  "start.mjs --prot 80": "--prot",
  "start.mjs 80": "80",
  "suites.mjs --suite nothing": "nothing",
  "test.mjs nothing": "nothing",
  "transfer.mjs --gc maybe": "maybe",
  "transfer.mjs --mb 0": "--mb",
};
const { every } = readNumbers({ every: 1 });
let passed = 0;
let failed = 0;

for (const [line, named] of Object.entries(mistakes).filter((_, nth) => nth % every === 0)) {
  const [script, ...args] = line.split(" ");
  const { status, stderr } = spawnSync("node", [`scripts/${script}`, ...args], { encoding: "utf8" });
  check(line, status === 1 && stderr.includes(named) && stderr.trim().split("\n").length === 1, stderr);
}

const port = await freePort();
const npm = spawn("npm", ["start", "--", "--port", `${port}`], { stdio: "ignore" });
const hasStarted = await eventually(isServed);
npm.kill("SIGKILL");
check("npm start serves", hasStarted);
check("npm start ends when npm is killed", await eventually(async () => !(await isServed())));

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(name, isRight, output = "") {
  if (isRight) passed++;
  else failed++;
  console.log(`${isRight ? "ok" : "FAIL"} ${name}${isRight ? "" : `\n${output}`}`);
}

async function isServed() {
  try {
    return (await fetch(`http://localhost:${port}/nowhere`)).status === 404;
  } catch {
    return false;
  }
}

/** Asks for up to five minutes: a slow machine takes its time. */
async function eventually(isTrue) {
  for (let i = 0; i < 1_500; i++) {
    if (await isTrue()) return true;
    await new Promise((done) => setTimeout(done, 200));
  }
  return false;
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "localhost"), "listening");
  const { port } = server.address();
  await once(server.close(), "close");
  return port;
}
