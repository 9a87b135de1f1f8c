/**
 * @module
 * A vite plugin that lowers decorators the way wrangler does.
 *
 * Vite 8 and vitest leave standard decorators and `accessor` in place, which no runtime can parse yet. They also compile
 * the fields of classes with legacy decorators differently from wrangler. This plugin compiles files that use decorators
 * with esbuild and the nearest `tsconfig.json`, so tests run the code that is deployed.
 */
import { build, type Loader } from "esbuild";

/** Options of {@link decorators}. */
export interface DecoratorsOptions {
  /** The files to compile, by path; by default TypeScript and JavaScript files outside `node_modules`. */
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

const SOURCE = /^(?!.*\/node_modules\/).*\.[cm]?[jt]sx?$/;

/** Finds every decorator, but not the tags of JSDoc. It may also find an `@` that isn't a decorator, such as one in a string. */
const DECORATOR = /@(?<![\p{ID_Continue}$'"`]@)(?<!^\s*(?:\/\*)?\*+\s*@)[\p{ID_Start}$_(]/mu;

/** Finds every `accessor`. It may also find the word elsewhere, but not in a line that is a comment. */
const ACCESSOR = /^(?!\s*(?:\*(?!\/)|\/\/|\/\*(?!.*\*\/)))(?:.*[\s;{}*/])?accessor\s+[\p{ID_Start}$_#["'[\d]/mu;

/** The helpers that esbuild calls for a decorator that it compiles. */
const LOWERED = /\b__decora\w+\(/;

/** Marks the question to esbuild whether a file is on disk. */
const onDisk = {};

/**
 * Makes decorators work under vite and vitest; goes before `cloudflareTest()` in the list of plugins.
 *
 * Standard or legacy is decided by `experimentalDecorators` of the nearest `tsconfig.json`; a virtual module,
 * which is on no disk, is standard unless `tsconfig` says otherwise, and JavaScript always is. Needs
 * `esbuild`, an optional peer dependency, and runs in Node only.
 *
 * @example
 * ```ts
 * import { decorators } from "durable-base/vite";
 * export default defineConfig({ plugins: [decorators(), cloudflareTest({ wrangler: { configPath: "./wrangler.toml" } })] });
 * ```
 */
export function decorators(options: DecoratorsOptions = {}): DecoratorsPlugin {
  const include = options.include ?? SOURCE;
  return {
    name: "durable-base:decorators",
    enforce: "pre",
    async transform(code, id) {
      const [file = id] = id.split("?");
      // Not `test`, which goes on where a global expression last ended.
      if (file.search(include) === -1) return undefined;
      const hasAccessor = ACCESSOR.test(code);
      if (!hasAccessor && !DECORATOR.test(code)) return undefined;
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
              onLoad({ filter: /.*/ }, () => ({ contents: code, loader: loaderOf(file) }));
            },
          },
        ],
        bundle: false,
        write: false,
        // Decorators stay in place at "esnext"; es2022 keeps everything else that workerd runs.
        target: "es2022",
        // As wrangler has it: esbuild calls a decorated class that names itself `_Counter`, and `serve` finds a class by name.
        keepNames: true,
        sourcemap: "external",
        // Beside the file: esbuild writes a source map's paths as relative to this one, vite reads them as relative to the file.
        outfile: `${file}.js`,
        ...(options.tsconfig === undefined ? {} : { tsconfig: options.tsconfig }),
      });
      const text = (ending: string): string => result.outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
      const lowered = text(".js");
      // A file that has no decorator after all is left to vite.
      return hasAccessor || LOWERED.test(lowered) ? { code: lowered, map: text(".js.map") } : undefined;
    },
  };
}

/** Returns the language of a file, as wrangler reads it: any JavaScript may contain JSX. */
function loaderOf(file: string): Loader {
  if (!/\.[cm]?tsx?$/.test(file)) return "jsx";
  return file.endsWith("x") ? "tsx" : "ts";
}
