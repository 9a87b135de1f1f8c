/**
 * `npm run rows`: what operations cost in rows, on persisted fields and by hand, beside what the design allows.
 *
 * `-- --update` writes `docs/rows.md` anew, which the test otherwise compares; look at the difference before
 * you commit it. The bounds, and what does not keep them yet, are in `test/rows/rows.ts`.
 */
import { spawnSync } from "node:child_process";
import { readOptions } from "./lib/options.mjs";
import { quiet } from "./lib/quiet.mjs";

const { update } = readOptions({ update: { type: "boolean", default: false } });
const { status } = spawnSync("vitest", ["run", "--project", "rows", ...(update ? ["--update"] : [])], {
  stdio: "inherit",
  env: { ...process.env, ...quiet, TEST_LONG: "1" },
});
process.exitCode = status ?? 1;
