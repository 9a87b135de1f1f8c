/**
 * `npm run test:model -- --runs N --seed S`: random programs on persisted values, compared with plain JavaScript.
 *
 * A failure prints its seed and the shrunk program.
 */
import { spawnSync } from "node:child_process";
import { readOptions, wholeNumber } from "./options.mjs";
import { quiet } from "./quiet.mjs";

const { runs, seed } = readOptions({ runs: { type: "string", default: "100000" }, seed: { type: "string" } });
const env = { ...process.env, ...quiet, MODEL_RUNS: `${wholeNumber("runs", runs)}` };
if (seed !== undefined) env.MODEL_SEED = `${wholeNumber("seed", seed, { least: 0 })}`;
const { status } = spawnSync("vitest", ["run", "--project", "test", "test/model.test.ts"], { stdio: "inherit", env });
process.exitCode = status ?? 1;
