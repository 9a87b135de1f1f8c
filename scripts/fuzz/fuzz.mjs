/**
 * `npm run fuzz -- --requests N --seed S`: random requests to an object with routes, see `test/route/fuzz.test.ts`.
 *
 * A failure prints its seed and the shrunk requests. `npm run fuzz -- raw` sends malformed HTTP: see `raw.mjs`;
 * `-- sockets` malformed WebSockets: see `sockets.mjs`.
 */
import { spawnSync } from "node:child_process";
import { readOptions, wholeNumber } from "../lib/options.mjs";
import { quiet } from "../lib/quiet.mjs";

if (["raw", "sockets"].includes(process.argv[2])) {
  await import(`./${process.argv[2]}.mjs`);
  process.exit();
}

const { requests, seed } = readOptions({ requests: { type: "string", default: "200000" }, seed: { type: "string" } });
const env = { ...process.env, ...quiet, FUZZ_REQUESTS: `${wholeNumber("requests", requests)}` };
if (seed !== undefined) env.TEST_SEED = `${wholeNumber("seed", seed, { least: 0, most: 2 ** 31 - 1 })}`;
const { status } = spawnSync("vitest", ["run", "--project", "test", "test/route/fuzz.test.ts"], {
  stdio: "inherit",
  env,
});
process.exitCode = status ?? 1;
