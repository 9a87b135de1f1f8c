/**
 * `npm run test:model -- --runs N --seed S`: random programs on persisted values, compared with plain JavaScript,
 * and one on jobs for every ten of them, compared with a list.
 *
 * A failure prints its seed and the shrunk program.
 */
import { spawnSync } from "node:child_process";
import { readOptions, wholeNumber } from "./lib/options.mjs";
import { quiet } from "./lib/quiet.mjs";

/** So many at a time: what vitest keeps of each would fill its heap. */
const PART = 20_000;

const values = readOptions({ runs: { type: "string", default: "100000" }, seed: { type: "string" } });
const runs = wholeNumber("runs", values.runs);
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : wholeNumber("seed", values.seed, { least: 0 });

for (let done = 0; done < runs && !process.exitCode; done += PART) {
  const part = { MODEL_RUNS: `${Math.min(PART, runs - done)}`, TEST_SEED: `${seed + done}` };
  const env = { ...process.env, ...quiet, ...part };
  const files = ["test/persisted/model.test.ts", "test/jobs/schedule.model.test.ts"];
  const { status } = spawnSync("vitest", ["run", "--project", "test", ...files], { stdio: "inherit", env });
  process.exitCode = status ?? 1;
}
