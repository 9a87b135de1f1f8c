/** A vite dev server with `@cloudflare/vite-plugin` for scripts: start it on a copy of a folder, request, edit, stop. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cloudflare } from "@cloudflare/vite-plugin";
import { createLogger, createServer } from "vite";
import { decorators } from "../../src/vite.ts";
import { quiet } from "./quiet.mjs";

Object.assign(process.env, quiet);

const root = resolve(import.meta.dirname, "../..");

/**
 * Serves a copy of `folder`, whose `worker.ts` is the Worker, on a free port of 127.0.0.1; `durable-base` is `src/`.
 *
 * `objects` has the class of each binding. Their state is lost at the end.
 */
export async function startVite({ folder, objects }) {
  const project = mkdtempSync(join(tmpdir(), "durable-base-vite-"));
  const { paths } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")).compilerOptions;
  const logged = [];
  let reloaded = Promise.withResolvers();
  const note = (message) => {
    logged.push(message);
    if (/\[vite\] (hot updated|program reload)/.test(message)) reloaded.resolve();
  };
  cpSync(join(root, folder), project, { recursive: true });
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"));
  // Otherwise a tsconfig.json in a folder above would be the nearest one.
  if (!existsSync(join(project, "tsconfig.json"))) writeFileSync(join(project, "tsconfig.json"), "{}");
  writeFileSync(join(project, "wrangler.json"), JSON.stringify(configuration(objects)));
  const server = await createServer({
    root: project,
    configFile: false,
    appType: "custom",
    cacheDir: join(project, ".vite"),
    // The plugin doesn't know this module, and without it no dependency is found before the first request.
    environments: { vite_dev: { optimizeDeps: { exclude: ["cloudflare:durable-objects"] } } },
    customLogger: { ...createLogger("silent"), info: note, warn: note, warnOnce: note, error: note },
    server: { host: "127.0.0.1", port: 0, hmr: { host: "127.0.0.1" } },
    resolve: { alias: Object.entries(paths).map(([find, [path]]) => alias(find, join(root, path))) },
    plugins: [
      decorators(),
      cloudflare({ configPath: join(project, "wrangler.json"), persistState: false, inspectorPort: false }),
    ],
  });
  const stop = async () => {
    await server.close();
    rmSync(project, { recursive: true, force: true });
  };
  try {
    await server.listen();
  } catch (error) {
    await stop();
    throw error;
  }
  const url = `http://127.0.0.1:${server.httpServer.address().port}`;
  return {
    url,
    /** The lines that vite and the Worker have logged so far. */
    logged,
    /** The status and the body's text of a request. */
    async request(path, init) {
      const response = await fetch(url + path, init);
      return [response.status, await response.text()];
    },
    /** Changes the text of a file, and waits until the Worker has the new code. */
    async edit(file, change) {
      const path = join(project, file);
      const [before, { promise }] = [readFileSync(path, "utf8"), (reloaded = Promise.withResolvers())];
      if (change(before) === before) throw new Error(`Nothing to change in ${file}.`);
      writeFileSync(path, change(before));
      await promise;
    },
    stop,
  };
}

function configuration(objects) {
  const classes = Object.entries(objects);
  return {
    name: "vite-dev",
    main: "worker.ts",
    compatibility_date: "2026-11-01",
    durable_objects: { bindings: classes.map(([name, class_name]) => ({ name, class_name })) },
    migrations: [{ tag: "1", new_sqlite_classes: [...new Set(classes.map(([, className]) => className))] }],
  };
}

function alias(find, replacement) {
  return { find: new RegExp(`^${find}$`), replacement };
}
