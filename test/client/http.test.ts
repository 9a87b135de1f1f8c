import { env } from "cloudflare:workers";
import { http, HttpError } from "durable-base/client";
import { afterEach, describe, expect, it, vi } from "vitest";
import { errorOf, thrownBy } from "../error-of.ts";
import type { StandardNotes } from "./fixtures/notes.ts";
import { httpCases } from "./http.cases.ts";

httpCases("standard", () => env.STANDARD_NOTES);
httpCases("legacy", () => env.LEGACY_NOTES as never);

const lines = { add: "POST /notes", read: "GET /notes/:id", remove: "DELETE /notes/:id" } as const;

/** A client whose requests are answered by one after another of `answers`; the last one answers all others. */
function answered(
  answers: (Response | Error)[],
  options: Parameters<typeof http<StandardNotes, typeof lines>>[2] = {},
) {
  const fetch = vi.fn(async (_: string, { signal }: RequestInit) => {
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer.clone();
  });
  return { client: http<StandardNotes, typeof lines>("http://o", lines, { fetch, ...options }), fetch };
}

const lost = new TypeError("fetch failed");
const ok = (): Response => Response.json({ id: 0 });

afterEach(() => void vi.useRealTimers());

describe("http", () => {
  it("rejects with call-lost when no answer comes, and says so of a body that breaks off", async () => {
    const { client } = answered([lost]);
    const error = await errorOf(() => client.add({ text: "a" }));
    expect(error).toMatchObject({ code: "call-lost", cause: lost });
    expect(error.message).toBe("add (POST /notes): no answer came (TypeError: fetch failed). It may have run.");
    const keyed = await errorOf(() => client.add({ text: "a" }, { key: "k" }));
    expect(keyed.message).toMatch(/call again with the same key\.$/);
    for (const status of [200, 500]) {
      const broken = new ReadableStream({ pull: (controller) => controller.error(lost) });
      const headers = { "content-type": "application/json" };
      const { client: breaking } = answered([new Response(broken, { status, headers })]);
      expect(await errorOf(() => breaking.add({ text: "a" }))).toMatchObject({ code: "call-lost", cause: lost });
    }
  });

  it.each([
    [
      new Response("<html>", { status: 502, headers: { "content-type": "text/html" } }),
      502,
      "text/html, which isn't a problem",
    ],
    [new Response("no", { status: 403 }), 403, "text/plain;charset=UTF-8, which isn't a problem"],
    [new Response(null, { status: 500 }), 500, "a body without a type, which isn't a problem"],
    [
      new Response("{", { status: 400, headers: { "content-type": "application/problem+json" } }),
      400,
      "application/problem+json, which isn't a problem",
    ],
    [
      new Response("null", { status: 400, headers: { "content-type": "application/problem+json" } }),
      400,
      "application/problem+json, which isn't a problem",
    ],
    [new Response("{", { headers: { "content-type": "application/json" } }), 200, "JSON that can't be read"],
    [new Response("a", { headers: { "content-type": "text/event-stream" } }), 200, "text/event-stream"],
    [new Response(null, { status: 304 }), 304, "a body without a type, which isn't a problem"],
  ])("rejects with bad-answer for an answer that isn't ours: %#", async (response, status, what) => {
    const error = await errorOf(() => answered([response]).client.add({ text: "a" }));
    expect(error).toBeInstanceOf(HttpError);
    expect(error).toMatchObject({ code: "bad-answer", status });
    expect(error.message).toBe(`add (POST /notes): the answer was ${status} with ${what}.`);
  });

  it("takes nothing of a problem that isn't as RFC 9457 has it", async () => {
    const problemOf = async (problem: unknown): Promise<HttpError> => {
      const headers = { "content-type": "application/problem+json;charset=utf-8", "retry-after": "Fri, 01 Jan 2027" };
      const { client } = answered([new Response(JSON.stringify(problem), { status: 418, headers })]);
      return (await errorOf(() => client.add({ text: "a" }))) as HttpError;
    };
    for (const hostile of [
      { code: 7, detail: {}, issues: [7] },
      { issues: [{ path: "a", message: "b" }] },
      { issues: "many" },
    ]) {
      const { code, detail, issues, status, retryAfter } = await problemOf({ title: "Odd", status: 200, ...hostile });
      expect([code, detail, issues, status, retryAfter]).toEqual(["bad-answer", undefined, undefined, 418, undefined]);
    }
    const error = await problemOf({ code: "my-own", title: "Odd", issues: [{ path: [0, "a"], message: "b" }] });
    expect(error).toMatchObject({ code: "my-own", issues: [{ path: [0, "a"], message: "b" }] });
    expect(error.message).toBe("add (POST /notes): 418 Odd");
  });

  it.each([
    [new Response(null, { status: 204 })],
    [new Response(null, { status: 201 })],
    [new Response(new Blob([]).stream())],
    [new Response("", { headers: { "content-length": "0", "content-type": "" } })],
  ])("returns undefined for an answer without a body: %#", async (response) => {
    expect(await answered([response]).client.remove({ id: "0" })).toBeUndefined();
  });

  it("retries nothing by itself, and with `retry` only what is safe to repeat", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const calls = async (options: object): Promise<number[]> => {
      const counts = [];
      for (const [name, own] of [
        ["add", {}],
        ["add", { key: "k" }],
        ["read", {}],
        ["remove", {}],
      ] as const) {
        const { client, fetch } = answered([lost], options);
        await errorOf(() =>
          (client[name] as (input: object, own: object) => Promise<unknown>)({ id: "0", text: "a" }, own),
        );
        counts.push(fetch.mock.calls.length);
      }
      return counts;
    };
    expect(await calls({})).toEqual([1, 1, 1, 1]);
    expect(await calls({ retry: {} })).toEqual([1, 5, 5, 1]);
    expect(await calls({ retry: { maxRetries: 1 }, idempotent: ["remove"] })).toEqual([1, 2, 2, 2]);
    expect(await calls({ retry: { maxRetries: 0 } })).toEqual([1, 1, 1, 1]);
  });

  it("sends the same request again, with the same key and fresh headers, until it is answered", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    let token = 0;
    const headers = (): Record<string, string> => ({ authorization: `${++token}` });
    const gone = new Response("no", { status: 503 });
    const { client, fetch } = answered([lost, gone, ok()], { retry: {}, headers });
    expect(await client.add({ text: "a" }, { key: "k" })).toEqual({ id: 0 });
    const sent = fetch.mock.calls.map(([url, { method, headers, body }]) => [
      ...[url, method, body],
      ...["authorization", "content-type", "idempotency-key"].map((name) => (headers as Headers).get(name)),
    ]);
    expect(sent).toEqual(
      ["1", "2", "3"].map((n) => ["http://o/notes", "POST", '{"text":"a"}', n, "application/json", '"k"']),
    );
  });

  it("retries no refusal, and no error of its own code", async () => {
    const failing = new Error("no token");
    for (const status of [400, 409, 422, 429, 500]) {
      const { client, fetch } = answered([new Response(null, { status })], { retry: {} });
      await errorOf(() => client.read({ id: "0" }));
      expect(fetch).toHaveBeenCalledOnce();
    }
    const headers = vi.fn(() => Promise.reject(failing));
    const { client, fetch } = answered([ok()], { retry: {}, headers });
    expect(await errorOf(() => client.read({ id: "0" }))).toBe(failing);
    expect([headers.mock.calls.length, fetch.mock.calls.length]).toEqual([1, 0]);
  });

  it("waits as long as an answer asks for, and no longer than its time", async () => {
    vi.useFakeTimers();
    const busy = (seconds: string): Response =>
      new Response(null, { status: 503, headers: { "retry-after": seconds } });
    const { client, fetch } = answered([busy("5"), ok()], { retry: {} });
    const answer = client.read({ id: "0" });
    await vi.advanceTimersByTimeAsync(4_999);
    expect(fetch).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answer).toEqual({ id: 0 });
    const late = answered([busy("11"), ok()], { retry: {} });
    expect(await errorOf(() => late.client.read({ id: "0" }))).toMatchObject({ status: 503, retryAfter: 11 });
    expect(late.fetch).toHaveBeenCalledOnce();
  });

  it("ends with the signal's reason: before it is sent, on its way, and while it waits for a retry", async () => {
    const reason = new Error("enough");
    const { client, fetch } = answered([ok()]);
    expect(await errorOf(() => client.read({ id: "0" }, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(fetch).not.toHaveBeenCalled();
    const hanging = http<StandardNotes>("http://o", lines, {
      fetch: (_, { signal }) =>
        new Promise((_, reject) => signal!.addEventListener("abort", () => reject(new Error("other")))),
    });
    const controller = new AbortController();
    const call = errorOf(() => hanging.read({ id: "0" }, { signal: controller.signal }));
    await scheduler.wait(1);
    controller.abort(reason);
    expect(await call).toBe(reason);
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    const second = new AbortController();
    const retrying = answered([lost], { retry: {} });
    const waiting = errorOf(() => retrying.client.read({ id: "0" }, { signal: second.signal }));
    await vi.advanceTimersByTimeAsync(1);
    second.abort(reason);
    expect(await waiting).toBe(reason);
    expect(retrying.fetch).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each(["", "é", "a\nb", "k".repeat(1_025), 7 as never])(
    "refuses the key %j before anything is sent",
    async (key) => {
      const { client, fetch } = answered([ok()]);
      expect(await errorOf(() => client.add({ text: "a" }, { key }))).toMatchObject({ code: "bad-key" });
      expect(fetch).not.toHaveBeenCalled();
    },
  );

  it("calls below the path of its URL, and by the global fetch", async () => {
    const fetch = vi.spyOn(globalThis, "fetch").mockImplementation(async () => ok());
    for (const url of ["https://example.com/rooms/a%2Fb", new URL("https://example.com/rooms/a%2Fb/")]) {
      await http<StandardNotes>(url, lines).read({ id: "x/y" });
    }
    const urls = fetch.mock.calls.map(([url]) => url);
    fetch.mockRestore();
    expect(urls).toEqual(Array(2).fill("https://example.com/rooms/a%2Fb/notes/x%2Fy"));
  });

  it.each([
    "/rooms/lobby",
    "rooms",
    "",
    "ftp://a",
    "https://a?b",
    "https://a#b",
    "https://user:secret@a",
    "javascript:alert(1)",
  ])("refuses the URL %j", (url) => {
    const error = thrownBy(() => http<StandardNotes>(url, lines));
    expect(error.code).toBe("bad-option");
    expect(error.message).toContain("is not a URL of an object");
  });

  it("takes a URL relative to the page, in a browser", async () => {
    vi.stubGlobal("location", { href: "https://example.com/app/?x=1#y" });
    const fetch = vi.fn(() => Promise.resolve(ok()));
    await http<StandardNotes>("/rooms/lobby", lines, { fetch }).read({ id: "0" });
    vi.unstubAllGlobals();
    expect(fetch).toHaveBeenCalledExactlyOnceWith("https://example.com/rooms/lobby/notes/0", expect.anything());
  });

  it.each([
    "",
    "GET",
    "/notes",
    "get /notes",
    "HEAD /notes",
    "PURGE /notes",
    "constructor /notes",
    "GET notes",
    "GET /*",
    "GET /notes?x",
    "GET /notes#x",
    "GET /{a}",
    "GET  /notes",
    "GET /notes ",
    "GET /notes x",
    "GET /notes ?x body",
    "GET /notes body",
    "DELETE /notes body",
    "POST /notes body ?x",
    "POST /notes ?",
    "POST /notes ?x ?y",
    7,
    undefined,
    null,
  ])("refuses the line %j", (line) => {
    const error = thrownBy(() => http<StandardNotes>("http://o", { add: line as "GET /" }));
    expect(error.code).toBe("bad-option");
    expect(error.message).toContain(`http: add (${String(line)}) `);
  });
});
