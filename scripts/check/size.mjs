/**
 * `npm run size`: what an application grows by, minified and gzipped; `--check` fails over the budget.
 */
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/**
 * Kilobytes of gzip that an application may have: our own code, and with hono and reflect-metadata.
 * `aim` is what we want, `most` fails `npm test`; say in the commit why one is raised.
 */
const BUDGETS = {
  // Over its aim. Half of it is what tracks and lays out values (src/persisted).
  counter: { own: { aim: 24, most: 29.1 }, whole: { aim: 27.3, most: 32.3 } },
  routes: { own: { aim: 35, most: 40.2 }, whole: { aim: 45, most: 49.6 } },
  // A module alone.
  storage: { own: { aim: 3, most: 3 }, whole: { aim: 3, most: 3 } },
  object: { own: { aim: 3, most: 3 }, whole: { aim: 3, most: 3 } },
};

/** The most gzipped kilobytes that importing a subpath may add to an application; one without the import has none of it. */
const SUBPATHS = {
  // The code that the first part brings along, and the others share.
  part: { beside: "counter", most: 2.7 },
  jobs: { beside: "part", most: 9 },
  once: { beside: "part", most: 4 },
  sockets: { beside: "part", most: 4.3 },
  sync: { beside: "sockets", most: 5 },
  migrations: { beside: "part", most: 2.9 },
  "remote-storage": { beside: "part", most: 3.2 },
  shards: { beside: "counter", most: 1 },
  transfer: { beside: "counter", most: 10.2 },
  openapi: { beside: "routes", most: 4.2 },
};

/**
 * The most gzipped kilobytes of what pages load: `client` for `connect` with all that it imports, `http`, and what `react` adds to
 * `client` beside React.
 */
const PAGES = { client: 5.2, http: 3.8, react: 1 };

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
let isOver = false;
// What is there without us, esbuild's decorator helpers included, is not ours.
const hand = await measure("hand", []);
console.log(`the application without us: ${kilobytes(hand.gzip)} gzipped, not counted below`);

for (const [app, budget] of Object.entries(BUDGETS)) {
  const own = await added(app, ["hono", "hono/*", "reflect-metadata", "reflect-metadata/*"]);
  const whole = await added(app, []);
  // What is not imported costs nothing.
  isOver ||= whole.parts.some(([part]) => part === "croner");
  isOver ||= own.gzip > budget.own.most * 1024 || whole.gzip > budget.whole.most * 1024;
  console.log(
    `${app}: own code ${against(own, budget.own)}, with dependencies ${against(whole, budget.whole)}, gzipped`,
  );
  console.log(`  minified, before gzip: ${kilobytes(whole.minified)}, of which`);
  for (const [part, bytes] of whole.parts) console.log(`  ${kilobytes(bytes).padStart(8)}  ${part}`);
}
for (const [subpath, { beside, most }] of Object.entries(SUBPATHS)) {
  const [before, after] = [await measure(beside, []), await measure(subpath, [])];
  const bytes = after.gzip - before.gzip;
  isOver ||= bytes > most * 1024 || before.parts.some(([part]) => part.startsWith(`src/${subpath}/`));
  console.log(`durable-base/${subpath} adds ${kilobytes(bytes)} to ${beside} (at most ${most}), gzipped`);
}
const page = await measure("client", []);
const http = await measure("http", []);
const pageWithReact = await measure("react", ["react"]);
for (const [subpath, bytes] of [
  ["client", page.gzip],
  ["http", http.gzip],
  ["react", pageWithReact.gzip - page.gzip],
]) {
  isOver ||= bytes > PAGES[subpath] * 1024;
  console.log(`durable-base/${subpath} adds ${kilobytes(bytes)} to a page (at most ${PAGES[subpath]}), gzipped`);
}
// Nothing else of the library belongs in a page.
const isOfPages = ([file]) =>
  /^(bench\/size\/|src\/(client|react)\/|src\/core\/(errors|values\/json)\.ts$|src\/sync\/(frames|values)\.ts$)/.test(
    file,
  );
isOver ||= ![...page.parts, ...http.parts, ...pageWithReact.parts].every(isOfPages);
if (values.check && isOver) process.exitCode = 1;

async function added(app, external) {
  const measured = await measure(app, external);
  return { ...measured, gzip: measured.gzip - hand.gzip };
}

/** Bundles an application of `bench/size/` as wrangler would with `--minify`. */
async function measure(app, external) {
  const { metafile, outputFiles } = await build({
    entryPoints: [`bench/size/${app}.ts`],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    outdir: "out",
    format: "esm",
    target: "es2022",
    external: ["cloudflare:*", "node:*", ...external],
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  const parts = new Map();
  for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
    const part = /node_modules\/([^/]+)/.exec(file)?.[1] ?? file;
    parts.set(part, (parts.get(part) ?? 0) + bytesInOutput);
  }
  return {
    gzip: gzipSync(outputFiles[0].contents, { level: 9 }).length,
    minified: outputFiles[0].contents.length,
    parts: [...parts].filter(([, bytes]) => bytes > 0).toSorted(([, a], [, b]) => b - a),
  };
}

function against({ gzip }, { aim, most }) {
  return `${kilobytes(gzip)} (aim ${aim}, at most ${most})`;
}

function kilobytes(bytes) {
  return `${(bytes / 1024).toFixed(2)} KB`;
}
