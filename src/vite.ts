/**
 * @module
 * A vite plugin that lowers decorators the way wrangler does.
 *
 * Vite 8 and vitest leave standard decorators in place, which no runtime can parse yet, and give
 * legacy ones other field semantics than wrangler. This plugin hands TypeScript files that use
 * decorators to esbuild with the nearest `tsconfig.json`, so tests run the code that is deployed.
 */
import { build } from "esbuild";

/** Options of {@link decorators}. */
export interface DecoratorsOptions {
  /** Which files are looked at, by path; TypeScript files outside `node_modules` by default. */
  include?: RegExp;
  /** A `tsconfig.json` to use for every file in place of the nearest one. */
  tsconfig?: string;
}

/** The part of vite's plugin interface that is used here, so that no vite has to be installed. */
export interface DecoratorsPlugin {
  name: string;
  enforce: "pre";
  transform(code: string, id: string): Promise<{ code: string; map: string } | undefined>;
}

const TYPESCRIPT = /^(?!.*\/node_modules\/).*\.[cm]?tsx?$/;
const DECORATOR = /(^|[\s;{(])@[\w(]/m;

/** Marks the question to esbuild whether a file is on disk. */
const onDisk = {};

/**
 * Makes decorators work under vite and vitest; goes before `cloudflareTest()` in the list of plugins.
 *
 * Standard or legacy is decided by `experimentalDecorators` of the nearest `tsconfig.json`; a virtual module,
 * which is on no disk, is standard unless `tsconfig` says otherwise. Needs
 * `esbuild`, an optional peer dependency, and runs in Node only.
 *
 * @example
 * ```ts
 * import { decorators } from "durable-base/vite";
 * export default defineConfig({ plugins: [decorators(), cloudflareTest({ wrangler: { configPath: "./wrangler.toml" } })] });
 * ```
 */
export function decorators(options: DecoratorsOptions = {}): DecoratorsPlugin {
  const include = options.include ?? TYPESCRIPT;
  return {
    name: "durable-base:decorators",
    enforce: "pre",
    async transform(code, id) {
      const [file = id] = id.split("?");
      // Not `test`, which goes on where a global expression last ended.
      if (file.search(include) === -1 || !DECORATOR.test(code)) return undefined;
      const result = await build({
        // An entry point, not stdin: esbuild looks for the nearest tsconfig.json of files only.
        entryPoints: [file],
        plugins: [
          {
            name: "contents",
            setup({ resolve, onResolve, onLoad }) {
              // A virtual module is on no disk. Files are left to esbuild, which forgets their tsconfig otherwise.
              onResolve({ filter: /.*/ }, async ({ path, kind, resolveDir, pluginData }) => {
                if (pluginData === onDisk) return undefined;
                const { errors } = await resolve(path, { kind, resolveDir, pluginData: onDisk });
                return errors.length === 0 ? undefined : { path, namespace: "virtual" };
              });
              onLoad({ filter: /.*/ }, () => ({ contents: code, loader: file.endsWith("x") ? "tsx" : "ts" }));
            },
          },
        ],
        bundle: false,
        write: false,
        // Decorators stay in place at "esnext"; es2022 keeps everything else that workerd runs.
        target: "es2022",
        // As wrangler: a class that names itself is renamed otherwise, and `serve` finds classes by their name.
        keepNames: true,
        sourcemap: "external",
        outfile: "out.js",
        ...(options.tsconfig === undefined ? {} : { tsconfig: options.tsconfig }),
      });
      const text = (ending: string): string => result.outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
      return { code: text(".js"), map: text(".js.map") };
    },
  };
}
