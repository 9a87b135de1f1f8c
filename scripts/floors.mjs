/**
 * Checks that a file of `src/` imports only from lower floors or from its own room, type imports included, that none imports a part,
 * and that only `durable-base.ts`, and `testing/` beside it, import `cloudflare:workers` by value.
 *
 * A room is a folder of `src/` or a file beside them. A new one needs a line here.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const FLOORS = {
  "copies.ts": 0,
  "part-key.ts": 0,
  "call-part.ts": 1,
  "errors.ts": 0,
  "vite.ts": 0,
  "functions.ts": 0,
  "live-instance.ts": 0,
  "after-write.ts": 0,
  "reset.ts": 0,
  "snapshot.ts": 0,
  "platform.ts": 0,
  "plan.ts": 1,
  "equal.ts": 1,
  "kinds.ts": 1,
  "schema.ts": 1,
  "thrown.ts": 1,
  "entry.ts": 2,
  storage: 2,
  "part-types.ts": 2.5,
  persisted: 3,
  route: 3,
  call: 3,
  transfer: 3,
  object: 4,
  openapi: 4,
  "destroy.ts": 4,
  "surface.ts": 4,
  shards: 5,
  "parts.ts": 5,
  "part-host.ts": 6,
  "part-entries.ts": 6,
  "part-sockets.ts": 6,
  "life.ts": 6,
  "part.ts": 7,
  "durable-base.ts": 7,
  "alarm.ts": 8,
  jobs: 9,
  migrations: 9,
  once: 9,
  "remote-storage": 9,
  "part-api.ts": 9,
  "index.ts": 8,
  testing: 10,
};

/** The parts: nothing in `src/` imports one, except `durable-base/testing`, and they don't import each other. */
const PARTS = ["jobs", "migrations", "once", "remote-storage"];

const IMPORT = /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
const files = globSync("src/**/*.ts", { exclude: ["**/*.d.ts"] });
const problems = [];

for (const file of files) {
  const room = roomOf(file);
  if (FLOORS[room] === undefined) problems.push(`${file}: give "${room}" a floor in scripts/floors.mjs`);
  for (const [, isType, from] of readFileSync(file, "utf8").matchAll(IMPORT)) {
    if (from === "cloudflare:workers" && !isType && room !== "durable-base.ts" && room !== "testing") {
      problems.push(`${file}: only durable-base.ts imports cloudflare:workers by value`);
    }
    if (!from.startsWith(".")) continue;
    const other = roomOf(join(dirname(file), from));
    if (other === "alarm.ts" && ![...PARTS, "part-api.ts", "testing"].includes(room)) {
      problems.push(`${file}: must not import ${from}, which comes with the parts that need it`);
    }
    if (PARTS.includes(other) && other !== room && room !== "testing") {
      problems.push(`${file}: must not import ${from}, which belongs to the part ${other}`);
    }
    if (other !== room && !(FLOORS[other] < FLOORS[room])) {
      problems.push(`${file}: floor ${FLOORS[room]} must not import ${from} of floor ${FLOORS[other]}`);
    }
  }
}

for (const problem of problems) console.error(problem);
console.log(`${files.length} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

function roomOf(file) {
  return relative("src", file).split("/")[0];
}
