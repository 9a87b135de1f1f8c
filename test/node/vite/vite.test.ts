/** The plugin for vite, alone and in a vite server over a project on disk. */
import { decorators } from "durable-base/vite";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Script } from "node:vm";
import { createViteServer } from "vitest/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "durable-base-vite-"));
const DECORATORS = `export const seen = [];
const note = (_, { name }) => void seen.push(name);
`;

function write(name: string, code: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, code);
  return file;
}

/** Returns the plugin's output for a file with this code; undefined if it leaves the file alone. */
async function transform(name: string, code: string, query = ""): Promise<{ code: string; map: string } | undefined> {
  return await decorators().transform(code, write(name, code) + query);
}

beforeAll(() => {
  write("tsconfig.json", "{}");
  write("legacy/tsconfig.json", '{ "compilerOptions": { "experimentalDecorators": true } }');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("decorators() of durable-base/vite", () => {
  const decorated = `${DECORATORS}export class A { @note x = 1; }\n`;

  it.each(["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"])("lowers decorators in a .%s file", async (ending) => {
    const { code } = (await transform(`src/endings/a.${ending}`, decorated))!;
    expect(code).toContain("__decorateElement(");
    expect(code).not.toContain("@note");
  });

  it.each([
    ["at the start of a line", "@note\nexport class B {}"],
    ["behind a comment", "export class B { /* a */@note x = 1 }"],
    ["behind a block", "export class B { static {}@note x = 1 }"],
    ["behind the end of JSDoc", "/** @module */ export class B { /** @type {number} */ @note x = 1 }"],
    ["in parentheses", "export class B { @(note) x = 1 }"],
    ["in an array", "export const list = [@note class {}];"],
    ["behind an operator", "export const B =@note class {};"],
    ["with a name that is not ASCII", "const ñ = note; export class B { @ñ x = 1 }"],
    ["on a static method", "export class B { @note static x() {} }"],
  ])("lowers a decorator %s", async (_, code) => {
    expect((await transform("src/places.ts", DECORATORS + code))?.code).toMatch(/__decorat\w+\(/);
  });

  it.each([
    ["an accessor", "class A { accessor x = 1 }"],
    ["a static private accessor", "class A { static accessor #x = 1; static y() { return this.#x } }"],
    ["an accessor behind a comment", "class A { /* own */ accessor x = 1 }"],
    ["an accessor with a name in brackets", 'class A { accessor ["x"] = 1 }'],
  ])("lowers %s without a decorator, which no runtime can parse either", async (_, code) => {
    const { code: lowered } = (await transform("src/accessor.js", code))!;
    expect(lowered).not.toContain("accessor");
    expect(() => new Script(lowered)).not.toThrow();
  });

  it.each([
    ["a string", 'export const text = "write @Persisted() here";'],
    ["a template", "export const text = `\n  @Persisted() count = 0;\n`;"],
    ["a line comment", "// @Persisted() accessor count = 0\nexport const text = 1;"],
    ["JSDoc", "/**\n * An accessor holds it.\n * @param {number} a\n */\nexport const text = (a) => a;"],
    ["a JSDoc type", "/** @type {number} */\nexport const text = 1;"],
    ["the name of a package", 'import * as text from "@scope/name";\nexport { text };'],
  ])("leaves a file alone that has an @ only in %s", async (_, code) => {
    for (const name of ["src/none.ts", "src/none.js"]) expect(await transform(name, code)).toBeUndefined();
  });

  it("reads a line of megabytes, with accessors in it, as quickly as short ones", async () => {
    const line = `export const a = [${'"x; accessor", '.repeat(200_000)}];\n`;
    expect(await transform("src/long.ts", line)).toBeUndefined();
    expect((await transform("src/long.ts", `${line}class A { accessor x = 1 }`))?.code).not.toMatch(/accessor x/);
  });

  it("leaves packages alone, except those that `include` names", async () => {
    const file = write("node_modules/lib/a.ts", decorated);
    expect(await decorators().transform(decorated, file)).toBeUndefined();
    const { transform } = decorators({ include: /\/node_modules\/lib\// });
    expect((await transform(decorated, file))?.code).toContain("__decorateElement(");
  });

  it("uses the dialect of the nearest tsconfig.json for TypeScript, and the standard one for JavaScript", async () => {
    expect((await transform("legacy/a.ts", decorated))?.code).toContain("__decorateClass(");
    expect((await transform("legacy/a.js", decorated))?.code).toContain("__decorateElement(");
  });

  it.each(["src/deep/er/map.ts", "map.js"])("maps %s to itself, line by line", async (name) => {
    const code = `${decorated}\n\nexport function thrower() {\n  throw new Error("here");\n}\n`;
    const result = (await transform(name, code, "?v=1"))!;
    const map = JSON.parse(result.map) as SourceMapPayload;
    const file = join(folder, name);
    expect(map.sources.map((source) => resolve(dirname(file), source))).toEqual([file]);
    const line = result.code.split("\n").findIndex((text) => text.includes("throw new Error"));
    const column = result.code.split("\n")[line]!.indexOf("throw");
    expect(new SourceMap(map).findEntry(line, column)).toMatchObject({ originalLine: 6, originalColumn: 2 });
  });

  it.each(["\0virtual:a.ts", "\0virtual:dir/a.js?v=1", "virtual:a.ts", "/@id/__x00__dir/a.ts", "C:/project/src/a.ts"])(
    "lowers %j, which is on no disk",
    async (id) => {
      const { code, map } = (await decorators().transform(decorated, id))!;
      expect(code).toContain("__decorateElement(");
      expect((JSON.parse(map) as SourceMapPayload).sources).toHaveLength(1);
    },
  );
});

describe("decorators() in a vite server", () => {
  const thrower = `${DECORATORS}
export class A {
  @note accessor x = 1;
  fail() {
    throw new Error("here");
  }
}
`;

  it("keeps the file and line in stack traces, and returns the file as it is for `?raw`", async () => {
    for (const name of ["src/thrower.ts", "src/deep/thrower.js"]) write(name, thrower);
    const server = await createViteServer({
      root: folder,
      configFile: false,
      logLevel: "silent",
      appType: "custom",
      server: { middlewareMode: true, ws: false, watch: null },
      plugins: [decorators()],
    });
    try {
      for (const name of ["src/thrower.ts", "src/deep/thrower.js"]) {
        const { A, seen } = (await server.ssrLoadModule(`/${name}`)) as {
          A: new () => { x: number; fail(): void };
          seen: string[];
        };
        expect([seen, new A().x]).toEqual([["x"], 1]);
        let stack = "";
        try {
          new A().fail();
        } catch (error) {
          server.ssrFixStacktrace(error as Error);
          stack = (error as Error).stack!;
        }
        expect(stack).toContain(`${join(folder, name)}:7:`);
        const raw = (await server.ssrLoadModule(`/${name}?raw`)) as { default: string };
        expect(raw.default).toBe(thrower);
      }
    } finally {
      await server.close();
    }
  });
});
