/**
 * `node bench/against.mjs DIR`: cold starts of this checkout and of another one, such as a worktree of an older commit, beside the same
 * class written by hand, in one workerd.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fail } from "../scripts/lib/options.mjs";
import { bundle, start } from "../scripts/lib/runtime.mjs";

const FIELDS = [10, 100];
const ROUNDS = 60;
/** As many objects as wake up in a round. */
const OBJECTS = 64;

const other = process.argv[2];
if (other === undefined || !existsSync(join(other, "src/index.ts"))) {
  fail("Pass another checkout of this repository, with its packages installed: node bench/against.mjs DIR");
}
const libraries = { this: resolve(import.meta.dirname, ".."), other: resolve(other) };

for (const count of FIELDS) {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "durable-base-against-"));
  const script = await bundle({ contents: sourceOf(count), loader: "ts", resolveDir: import.meta.dirname });
  const names = ["hand", ...Object.keys(libraries)];
  const runtime = await start({
    script,
    objects: Object.fromEntries(names.map((name) => [name, `${name}Fields`])),
    folder,
  });
  try {
    const times = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = -5; round < ROUNDS; round++) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        await ask(runtime, "prepare", name);
        const began = performance.now();
        await ask(runtime, "wake", name);
        if (round >= 0) times[name].push(((performance.now() - began) * 1000) / OBJECTS);
      }
    }
    for (const name of names) {
      const ratio = median(times[name].map((time, i) => time / times.hand[i]));
      console.log(
        `${count} fields  ${name.padEnd(8)}${median(times[name]).toFixed(1).padStart(8)} µs  ${ratio.toFixed(3)}`,
      );
    }
  } finally {
    await runtime.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ask({ url }, what, name) {
  const response = await fetch(`${url}/${what}/${name}`);
  const text = await response.text();
  if (text !== "done") throw new Error(`${what} ${name}: ${text}`);
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

/** A Worker with one class of each library, and one by hand that keeps its fields in one row. */
function sourceOf(count) {
  const names = Array.from({ length: count }, (_, i) => `field${i}`);
  const sum = (of) => names.map((name) => `${of}.${name}`).join(" + ");
  const ofLibrary = ([library, root]) => `
    import * as ${library}Library from ${JSON.stringify(join(root, "src/index.ts"))};
    export class ${library}Fields extends ${library}Library.DurableBase {
      ${names.map((name, i) => `@${library}Library.Persisted() accessor ${name} = ${i};`).join("\n")}
      save() { this.field0 = -1; }
      sum() { return ${sum("this")}; }
      evict() { this.ctx.abort("evicted"); }
    }`;
  return `
    import { DurableObject } from "cloudflare:workers";
    ${Object.entries(libraries).map(ofLibrary).join("\n")}
    export class handFields extends DurableObject {
      #state;
      #load() {
        return this.#state ??= this.ctx.storage.kv.get("state") ?? { ${names.map((name, i) => `${name}: ${i}`).join()} };
      }
      save() { const state = this.#load(); state.field0 = -1; this.ctx.storage.kv.put("state", state); }
      sum() { const state = this.#load(); return ${sum("state")}; }
      evict() { this.ctx.abort("evicted"); }
    }
    export default { async fetch(request, env) {
      const [, what, name] = new URL(request.url).pathname.split("/");
      for (let i = 0; i < ${OBJECTS}; i++) {
        const object = env[name].getByName(name + i);
        if (what === "wake") await object.sum();
        else {
          await object.save();
          await env[name].getByName(name + i).evict().catch(() => {});
        }
      }
      return new Response("done");
    } };`;
}
