/**
 * `npm run test:model -- --runs N --seed S`: random programs on persisted values, compared with plain JavaScript.
 *
 * A failure prints its seed and the shrunk program.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { quiet } from "./quiet.mjs";

const { values } = parseArgs({ options: { runs: { type: "string", default: "100000" }, seed: { type: "string" } } });
const env = { ...process.env, ...quiet, MODEL_RUNS: values.runs, ...(values.seed && { MODEL_SEED: values.seed }) };
const { status } = spawnSync("vitest", ["run", "--project", "test", "test/model.test.ts"], { stdio: "inherit", env });
process.exitCode = status ?? 1;
