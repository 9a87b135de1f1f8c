/**
 * `npm start`: the example on a local workerd, at http://localhost:8787.
 *
 * `PORT=3000 npm start` or `npm start -- --port 3000` choose another port. State lives in
 * `.wrangler/state` and is there again at the next start; delete the folder to begin anew.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fail, readOptions } from "./lib/options.mjs";
import { quiet } from "./lib/quiet.mjs";

const values = readOptions({ port: { type: "string", default: process.env.PORT ?? "8787" } });
const port = Number(values.port);
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  fail(`"${values.port}" is no port: give a number from 1 to 65535.`);
}

// wrangler itself would go on with an obscure error, or on another port.
try {
  const probe = createServer();
  await once(probe.listen(port, "localhost"), "listening");
  await once(probe.close(), "close");
} catch (error) {
  fail(`Cannot listen on port ${port} (${error.code}). Choose another: \`npm start -- --port N\`.`);
}

const wrangler = spawn("wrangler", ["dev", "--local", "--port", `${port}`, "--inspector-port", "0"], {
  stdio: "inherit",
  env: { ...process.env, ...quiet },
});
process.on("SIGINT", () => wrangler.kill("SIGINT"));
process.on("SIGTERM", () => wrangler.kill("SIGTERM"));

// `kill` on npm ends npm and its shell but not us, `kill -9` not even the shell: without one of them, stop too,
// and free the port.
const parent = process.ppid;
const npm = npmAbove(parent);
setInterval(() => (process.ppid === parent && isAlive(npm)) || wrangler.kill("SIGTERM"), 250).unref();

const [code] = await once(wrangler, "exit");
process.exitCode = code ?? 0;

/** The npm that started the shell `pid`; `pid` itself where it is no shell, or we were not started by npm. */
function npmAbove(pid) {
  if (process.env.npm_lifecycle_event === undefined) return pid;
  try {
    const [above, command] = execFileSync("ps", ["-o", "ppid=,comm=", "-p", `${pid}`], { encoding: "utf8" })
      .trim()
      .split(/\s+/);
    return command.endsWith("sh") ? Number(above) : pid;
  } catch {
    return pid;
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
