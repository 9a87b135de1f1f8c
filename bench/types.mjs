/**
 * `npm run bench:types`: how long both compilers take to check 50 classes and every call of their methods, through
 * handles and through native stubs.
 *
 * Prints the least of the compilers' own check times, since what else runs only adds to it, and what the calls add to
 * the classes, beside native stubs. `-- --runs N` for how often.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { readOptions, wholeNumber } from "../scripts/lib/options.mjs";

const CLASSES = 50;
const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");
const { runs } = readOptions({ runs: { type: "string", default: "5" } });
const times = wholeNumber("runs", runs);
const compilers = {
  "tsc 7": "node_modules/typescript/bin/tsc",
  "tsc 5": "test/tsc-matrix/node_modules/typescript/bin/tsc",
};
const stubs = {
  "classes alone": undefined,
  "native stubs": (i) => `env.C${i}.getByName("a")`,
  handles: (i) => `Object.from(env.C${i}).byName("a")`,
};

const folder = mkdtempSync(join(tmpdir(), "durable-base-types-"));
try {
  for (const name of ["durable-base", "@cloudflare/workers-types"]) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(name === "durable-base" ? root : join(root, "node_modules", name), link);
  }
  writeFileSync(join(folder, "classes.ts"), classes());
  console.log(`${CLASSES} classes of 8 methods, each called once; check time in s, the least of ${times}`);
  for (const [compiler, tsc] of Object.entries(compilers)) {
    const least = Object.fromEntries(Object.keys(stubs).map((name) => [name, Infinity]));
    for (let i = 0; i < times; i++) {
      for (const [name, stub] of Object.entries(stubs)) {
        least[name] = Math.min(least[name], await check(join(root, tsc), stub));
      }
    }
    for (const [name, time] of Object.entries(least)) {
      const ratio = (time - least["classes alone"]) / (least["native stubs"] - least["classes alone"]);
      const added = name === "classes alone" ? "" : `calls ${ratio.toFixed(2)}`;
      console.log(`${compiler}  ${name.padEnd(14)} ${time.toFixed(3)}  ${added}`.trimEnd());
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Checks the classes and the calls of all their methods, and gives the compiler's own check time in seconds. */
async function check(tsc, stub) {
  writeFileSync(join(folder, "calls.ts"), stub === undefined ? "export {};" : calls(stub));
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: "es2022",
    lib: ["es2024", "esnext.decorators", "esnext.disposable"],
    module: "esnext",
    moduleResolution: "bundler",
    types: ["@cloudflare/workers-types"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["classes.ts", "calls.ts"] }));
  const { stdout } = await run(process.execPath, [tsc, "-p", folder, "--diagnostics"]).catch((error) => {
    throw new Error(error.stdout);
  });
  return Number(/Check time:\s+([\d.]+)s/.exec(stdout)[1]);
}

function classes() {
  const all = Array.from({ length: CLASSES }, (_, i) => i);
  return `import { RpcTarget } from "cloudflare:workers";
import { DurableBase, Persisted } from "durable-base";
export interface Env {
${all.map((i) => `  C${i}: DurableObjectNamespace<C${i}>;`).join("\n")}
}
${all.map(oneClass).join("\n")}`;
}

function oneClass(i) {
  return `
export interface Item${i} { id: string; n${i}: number; at: Date; tags: Set<string>; children: Item${i}[] }
class Live${i} extends RpcTarget { #n = 0; add(by: number): number { return (this.#n += by); } }
export class C${i} extends DurableBase<Env> {
  @Persisted() accessor items = new Map<string, Item${i}>();
  @Persisted() accessor count = 0;
  add(item: Item${i}): number { this.items.set(item.id, item); return this.items.size; }
  get(id: string): Item${i} | undefined { return this.items.get(id); }
  all(): Map<string, Item${i}> { return this.items; }
  async find({ tag, limit = 10 }: { tag: string; limit?: number }): Promise<Item${i}[]> {
    return [...this.items.values()].filter(({ tags }) => tags.has(tag)).slice(0, limit);
  }
  increment(by = 1): number { return (this.count += by); }
  live(): Live${i} { return new Live${i}(); }
  stream(): ReadableStream<Uint8Array> { return new ReadableStream(); }
  async log(message: string, details: { [key: string]: string | number }): Promise<void> { console.log(message, details); }
}`;
}

function calls(stub) {
  const all = Array.from({ length: CLASSES }, (_, i) => i);
  return `import { Object } from "durable-base";
import type { Env } from "./classes.ts";
${all
  .map(
    (i) => `export async function calls${i}(env: Env): Promise<number> {
  const stub = ${stub(i)};
  const count: number = await stub.add({ id: "a", n${i}: 1, at: new Date(), tags: new Set(), children: [] });
  const one = await stub.get("a");
  const all = await stub.all();
  const found = await stub.find({ tag: "b" });
  const next: number = await stub.increment(2);
  using live = await stub.live();
  const sum: number = await live.add(1);
  const text = await new Response(await stub.stream()).text();
  await stub.log(text, { sum });
  return count + next + sum + all.size + found.length + (one?.n${i} ?? 0);
}`,
  )
  .join("\n")}
void Object;`;
}
