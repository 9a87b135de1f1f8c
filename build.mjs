/**
 * Builds `dist/`: one JavaScript file a source file by esbuild, declarations by tsc.
 *
 * Files stay apart so that an application's bundler drops what it does not import; hono is not
 * marked `sideEffects: false`, so a single file would pull the router into every application.
 */
import { execFileSync } from "node:child_process";
import { globSync, rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });

const toJavaScript = {
  name: "ts-to-js",
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ kind, path }) =>
      kind === "entry-point" ? undefined : { path: path.replace(/\.ts$/, ".js"), external: true },
    );
  },
};

await build({
  entryPoints: globSync("src/**/*.ts", { exclude: ["**/*.d.ts"] }),
  outbase: "src",
  outdir: "dist",
  bundle: true,
  packages: "external",
  external: ["cloudflare:*", "node:*"],
  plugins: [toJavaScript],
  format: "esm",
  target: "es2022",
  sourcemap: true,
  sourcesContent: false,
});

execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
