/** The HTTP client in plain Node, against a workerd of its own that is killed in between. */
import { DurableError } from "durable-base";
import { http, HttpError } from "durable-base/client";
import { build } from "esbuild";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle, start, type Runtime } from "../../../scripts/lib/runtime.mjs";
import type { Account } from "./worker.ts";

const folder = mkdtempSync(join(tmpdir(), "durable-base-http-"));
const routes = { charge: "POST /charge", read: "GET /charges/:nth", state: "GET /state" } as const;
let script: string;
/** The running workerd; another one once it was killed. */
let runtime: Promise<Runtime>;
/** Runs once the object has answered, while the client waits. */
let onAnswer = (): unknown => undefined;

/** Starts workerd on the folder. */
function wake(): void {
  runtime = start({
    script,
    objects: { ACCOUNT: "Account" },
    folder,
    onLog: ({ message }) => {
      if (message.includes("answered")) onAnswer();
    },
  });
}

/** Kills workerd, and starts another. */
async function kill(): Promise<void> {
  const killed = await runtime;
  process.kill(killed.pid, "SIGKILL");
  runtime = killed.stop().then(() => {
    wake();
    return runtime;
  });
}

/** A client of an account, which finds it wherever workerd listens; `isHanging` keeps the answer to its first request back. */
function accountOf(name: string, { isHanging = false, ...options }: { isHanging?: boolean; retry?: object } = {}) {
  const lives: string[] = [];
  const account = http<Account, typeof routes>(`http://object/accounts/${name}`, routes, {
    fetch: async (url, init) => {
      const { url: origin } = await runtime;
      lives.push(origin);
      return await fetch(url.replace("http://object", origin), init);
    },
    headers: () => (isHanging && lives.length === 0 ? { "x-hang": "1" } : {}),
    ...options,
  });
  return { account, lives };
}

beforeAll(async () => {
  script = await bundle("test/node/client/worker.ts");
  wake();
});
afterAll(async () => {
  await (await runtime).stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("http of durable-base/client, in Node", () => {
  it("calls an object behind serve", async () => {
    const { account } = accountOf("plain/name %".replaceAll(/[/ %]/g, encodeURIComponent));
    expect(await account.charge({ id: "a", amount: 3 })).toEqual({ sum: 3, life: expect.any(String) as string });
    expect(await account.read({ nth: "0" })).toEqual({ id: "a", at: "1970-01-01T00:00:00.000Z" });
    expect(await account.read({ nth: "7" })).toBeUndefined();
    const error = await account.charge({ id: "b", amount: -1 }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(HttpError);
    expect(DurableError.is(error, "invalid-input")).toBe(true);
    expect(error).toMatchObject({ status: 422, issues: [{ path: ["amount"] }] });
  });

  it("gets the answer of the one run when workerd is killed between commit and answer", async () => {
    const { account, lives } = accountOf("keyed", { isHanging: true, retry: { timeoutMs: 600_000 } });
    onAnswer = kill;
    const { sum, life } = await account.charge({ id: "a", amount: 5 }, { key: "order 7" });
    const state = await account.state();
    expect([sum, state.sum, state.ids]).toEqual([5, 5, ["a"]]);
    // The answer was made by the process that was killed, and sent by its successor.
    expect(life).not.toBe(state.life);
    expect(lives.length).toBeGreaterThan(2);
    expect(await account.charge({ id: "a", amount: 5 }, { key: "order 7" })).toEqual({ sum, life });
  });

  it("leaves it to the caller to send a lost call again, which may have run", async () => {
    const { account } = accountOf("unkeyed", { isHanging: true, retry: {} });
    onAnswer = kill;
    const error = await account.charge({ id: "a", amount: 5 }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "call-lost", cause: expect.any(TypeError) as TypeError });
    expect((await account.charge({ id: "a", amount: 5 })).sum).toBe(10);
  });

  it("ends a call by its signal", async () => {
    const { account } = accountOf("ended", { isHanging: true });
    const controller = new AbortController();
    const { signal } = controller;
    onAnswer = () => controller.abort(new Error("enough"));
    const error = await account.charge({ id: "a", amount: 5 }, { signal }).catch((error: unknown) => error);
    expect(error).toBe(signal.reason);
    expect((await account.state()).sum).toBe(5);
  });

  it("rejects with call-lost where nobody listens", async () => {
    // A port that `fetch` refuses.
    const account = http<Account>("http://127.0.0.1:1", { state: "GET /state" });
    expect(await account.state().catch((error: unknown) => error)).toMatchObject({ code: "call-lost" });
  });

  it("brings its own folder, errors, the check of JSON and the frames of sync, and nothing of a server", async () => {
    // Nothing is external: an import of the platform's would fail.
    const options = { bundle: true, write: false, metafile: true, format: "esm", platform: "browser" } as const;
    const { metafile } = await build({ entryPoints: ["src/client/client.ts"], ...options });
    const files = Object.keys(metafile.inputs).filter((file) => !file.startsWith("src/client/"));
    expect(files.toSorted()).toEqual([
      "src/core/errors.ts",
      "src/core/values/json.ts",
      "src/sync/frames.ts",
      "src/sync/values.ts",
    ]);
  });
});
