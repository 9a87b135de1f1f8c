/**
 * A file that imports `Object` from the package, through both compilers and both dialects, run as tsc left it;
 * and the type tests of routes, stubs and the HTTP client through the older compiler (the typecheck has the newer). The HTTP client
 * also has to fit a project without the types of Workers.
 *
 * tsc's decorator helpers call `Object.create` and its fellows in the file's own scope, where the import
 * stands in for the global one. A bundler renames the import and hides that, so nothing is bundled here.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { bundle, start } from "../lib/runtime.mjs";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "durable-base-tsc-"));
const source = readFileSync(join(root, "test/tsc-matrix/worker.ts"), "utf8");

const compilers = {
  "tsc 7": "node_modules/typescript/bin/tsc",
  "tsc 5": "test/tsc-matrix/node_modules/typescript/bin/tsc",
};
const dialects = {
  standard: { source, helper: "__esDecorate(", options: {} },
  // Initializers of fields call setters here; by default they define the fields.
  "standard [[Set]]": { source, helper: "__esDecorate(", options: { useDefineForClassFields: false } },
  legacy: {
    source: source.replaceAll(" accessor ", " "),
    helper: "__decorate(",
    options: { experimentalDecorators: true, useDefineForClassFields: false },
  },
};

/** Every entry that the file imports from, as one module: bundles of their own would be two copies of the library. */
const library = await bundle({
  contents: 'export * from "./index.js"; export * from "./jobs/jobs.js"; export * from "./once/once.js";',
  resolveDir: join(root, "dist"),
});
for (const name of ["durable-base", "@cloudflare/workers-types"]) {
  const link = join(folder, "node_modules", name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(name === "durable-base" ? root : join(root, "node_modules", name), link);
}

let passed = 0;
let failed = 0;
for (const [compiler, tsc] of Object.entries(compilers)) {
  for (const [dialect, { source, helper, options }] of Object.entries(dialects)) {
    const name = `${compiler}, ${dialect} decorators`;
    try {
      const script = await compile(join(folder, name), join(root, tsc), source, options);
      assert.ok(script.includes(helper), `tsc emits its helper ${helper}`);
      assert.match(script, /import \{[^}]*\bObject\b[^}]*\} from "durable-base"/);
      await runs(script);
      passed++;
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n${error.stdout ?? ""}${error.stack}`);
    }
  }
}
for (const [dialect, file] of [
  ["standard", "test/route/route.test-d.ts"],
  ["legacy", "test/route/route.test-d.ts"],
  ["standard", "test/route/validated.test-d.ts"],
  ["legacy", "test/route/validated.test-d.ts"],
  ["standard", "test/object/stub.test-d.ts"],
  ["standard", "test/object/object.test-d.ts"],
  ["standard", "test/persisted/persisted.test-d.ts"],
  ["standard", "test/client/http.test-d.ts"],
  ["standard", "test/sync/sync.test-d.ts"],
  ["standard", "test/client/client.test-d.ts"],
  ["standard", "test/react/react.test-d.ts"],
]) {
  const name = `tsc 5, ${file}, ${dialect} decorators`;
  try {
    await checkTypes(
      join(folder, name.replaceAll("/", "-")),
      join(root, compilers["tsc 5"]),
      file,
      dialects[dialect].options,
    );
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stdout ?? ""}${error.stack}`);
  }
}
for (const [compiler, tsc] of Object.entries(compilers)) {
  const name = `${compiler}, the client in a browser's project`;
  try {
    // The library's declarations are checked, too.
    const options = { lib: ["es2024", "dom", "dom.iterable"], types: [], skipLibCheck: false };
    await compile(
      join(folder, name),
      join(root, tsc),
      readFileSync(join(root, "test/tsc-matrix/browser.ts"), "utf8"),
      options,
    );
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stdout ?? ""}${error.stack}`);
  }
}
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
// A Worker that crashes at load leaves miniflare waiting.
process.exit(failed === 0 ? 0 : 1);

/** Typechecks and compiles the file as a user's project would; gives what is to run. */
async function compile(project, tsc, source, options) {
  const compilerOptions = {
    strict: true,
    target: "es2022",
    lib: ["es2024", "esnext.decorators"],
    module: "esnext",
    moduleResolution: "bundler",
    types: ["@cloudflare/workers-types"],
    outDir: "out",
    ...options,
  };
  mkdirSync(project);
  writeFileSync(join(project, "worker.ts"), source);
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["worker.ts"] }));
  await run(process.execPath, [tsc, "--project", project]);
  return readFileSync(join(project, "out/worker.js"), "utf8");
}

/** Typechecks one file of this repository, and whether the compiler can write its declarations. */
async function checkTypes(project, tsc, file, options) {
  const compilerOptions = { types: ["@cloudflare/workers-types"], declaration: true, ...options };
  const files = [join(root, file), join(root, "src/core/async-hooks.d.ts"), join(root, "test/env.d.ts")];
  mkdirSync(project);
  const config = { extends: join(root, "test/tsconfig.json"), compilerOptions, files, include: [] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  await run(process.execPath, [tsc, "--project", project]);
}

async function runs(script) {
  const modules = {
    "worker.js": script,
    "durable-base": library,
    "durable-base/jobs": 'export { jobs, Scheduled } from "../durable-base";',
    "durable-base/once": 'export { exactlyOnce, once } from "../durable-base";',
  };
  const worker = await start({ modules, objects: { COUNTER: "Counter" } });
  try {
    const response = await fetch(worker.url);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.deepEqual(JSON.parse(text), {
      calls: [2, "Error: reset", 5],
      state: [
        5,
        "changed",
        [["n", 5]],
        { "by 2": { at: "1970-01-01T00:00:00.002Z" }, "by 3": { at: "1970-01-01T00:00:00.003Z" } },
      ],
      once: [10, 10],
      jobs: ["hourly", true, ["@daily", "hourly"]],
      lamp: 4,
      steps: [6, 8, 9],
      global: [["a"], true, true],
    });
  } finally {
    await worker.stop();
  }
}
