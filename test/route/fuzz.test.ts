/**
 * Random requests, straight to an object and through `serve`: only 2xx to 4xx, where no method throws on purpose;
 * nothing of an error or a stored value gets out, every refusal is a documented problem, and the object stays the
 * same and counts right.
 */
import { createExecutionContext, evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import errorsText from "../../docs/errors.md?raw";
import routesText from "../../docs/routes.md?raw";
import { fuzzRequests, seed } from "../battery.ts";
import { check } from "../check.ts";
import { app, thrown } from "./fixtures/fuzz.ts";
import { flawOf, requests, type FuzzRequest } from "./fuzz.ts";

/** Lists of requests that share a seed. */
const BATCH = 25;

const documented = routesText + errorsText;
/** How often each object said that it was changed, by its name. */
const changes = new Map<string, number>();
const generations = new Map<string, string>();
const statuses = new Map<number, number>();
let sent = 0;

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a random request", () => {
  it(`does no harm, in ${fuzzRequests} of them`, { timeout: 3_600_000 }, async () => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    // The runtime warns of many a header.
    vi.spyOn(console, "warn").mockReturnValue();
    console.log(`npm run fuzz -- --requests ${fuzzRequests} --seed ${seed}`);
    const property = fc.asyncProperty(requests, async (list) => {
      const changed = await Promise.all(list.map(send));
      await checkState(new Set(changed));
    });
    for (let batch = seed; sent < fuzzRequests; batch++) {
      const { failed, counterexample, errorInstance } = await check(property, { numRuns: BATCH, seed: batch });
      log.mockClear();
      if (!failed) continue;
      throw new Error(
        `${String(errorInstance)}\n\n${fc.stringify(counterexample)}\n\nAgain: npm run fuzz -- --requests ${BATCH} --seed ${batch}`,
        { cause: errorInstance },
      );
    }
    await checkState(changes.keys());
    const seen = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${count} of ${status}`);
    console.log(`${sent} requests, ${changes.size} objects: ${seen.join(", ")}`);
    for (const name of changes.keys()) {
      await evictDurableObject(env.FUZZED.getByName(name));
      expect([name, (await env.FUZZED.getByName(name).state()).total]).toEqual([name, changes.get(name)]);
    }
  });
});

/**
 * Sends a request, throws where its answer is not what any answer has to be, and gives the name of the object that
 * said that it was changed.
 */
async function send(request: FuzzRequest): Promise<string | undefined> {
  const id = String(sent++);
  const { name, method, path } = request;
  const before = name === undefined ? "http://o" : `http://worker/${name}`;
  // A redirect is an answer too: it is not followed.
  const made = new Request(before + path, { ...initOf(request, id), redirect: "manual" });
  const response = await (name === undefined
    ? env.FUZZED.getByName("straight").fetch(made)
    : app.fetch(made, env, createExecutionContext()));
  const answer = { status: response.status, headers: response.headers, text: await response.text() };
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  const header = answer.headers.get("x-changed");
  const changed = header === null ? undefined : decodeURIComponent(header);
  if (changed !== undefined) changes.set(changed, (changes.get(changed) ?? 0) + 1);
  const flaw = flawOf(answer, method, thrown.delete(id), documented);
  if (flaw === undefined) return changed;
  throw new Error(
    `The answer to ${method} ${path.slice(0, 200)} ${flaw}: ${answer.status} ${answer.headers.get("content-type")} ${answer.text.slice(0, 400)}`,
  );
}

function initOf({ method, headers, body, isChunked }: FuzzRequest, id: string): RequestInit {
  const own = new Headers([["x-id", id]]);
  for (const [name, value] of headers) own.set(name, value);
  if (body === undefined || method === "GET" || method === "HEAD") return { method, headers: own };
  return { method, headers: own, body: isChunked ? inPieces(body) : body };
}

/** A body of a length that nobody knows before its end. */
function inPieces(body: string | Uint8Array<ArrayBuffer>): ReadableStream {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return new ReadableStream({
    start(controller) {
      const middle = Math.ceil(bytes.length / 3);
      for (const piece of [bytes.slice(0, middle), bytes.slice(middle)])
        if (piece.length > 0) controller.enqueue(piece);
      controller.close();
    },
  });
}

/** None of the objects was reset, and each has counted what it said. */
async function checkState(names: Iterable<string | undefined>): Promise<void> {
  for (const name of names) {
    if (name === undefined) continue;
    const count = changes.get(name);
    const { generation, total } = await env.FUZZED.getByName(name).state();
    if (!generations.has(name)) generations.set(name, generation);
    if (generations.get(name) !== generation) throw new Error(`The object ${name} was reset.`);
    if (total !== count) throw new Error(`The object ${name} counts ${total}, and said ${count}.`);
  }
}
