/** What results that come bit by bit, middleware and `onError` promise, as cases that run once per dialect. */
import type { DurableBase } from "durable-base";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import { SECRET } from "./fixtures/route-data.ts";
import type { RouteAppLike } from "./fixtures/route-app-data.ts";
import { eventually } from "../eventually.ts";

type App = RouteAppLike & DurableBase;

export function routeAppCases(
  dialect: string,
  namespace: () => DurableObjectNamespace<App>,
  children: () => DurableObjectNamespace<App>,
): void {
  const stub = (): DurableObjectStub<App> => namespace().getByName(dialect);
  const send = async (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> =>
    await stub().fetch(`http://o${path}`, { method, headers });
  const state = async (): Promise<unknown> => await stub().state();
  let log: MockInstance<typeof console.error>;
  const logged = (): string => log.mock.calls.map(([error]) => String(error)).join("\n");

  beforeEach(async () => {
    log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await stub().reset();
  });
  afterEach(() => {
    log.mockRestore();
  });

  describe(`A route's items, ${dialect}`, () => {
    it("are lines of JSON", async () => {
      const response = await send("/items/2");
      expect(response.headers.get("content-type")).toBe("application/x-ndjson");
      expect(response.headers.get("vary")).toContain("accept");
      expect(await response.text()).toBe('{"n":1}\n{"n":2}\n');
      expect(await state()).toEqual({ count: 2, ended: 1, started: 1 });
    });

    it.each([
      ["text/event-stream", true],
      ["text/event-stream, application/json;q=0.5", true],
      ["application/x-ndjson, text/event-stream;q=0.9", false],
      ["text/event-stream;q=0", false],
      ["*/*", false],
    ])("are events where Accept %s prefers them: %s", async (accept, areEvents) => {
      const response = await send("/items/2", { accept });
      expect(response.headers.get("content-type")).toBe(areEvents ? "text/event-stream" : "application/x-ndjson");
      expect(response.headers.get("cache-control")).toBe(areEvents ? "no-cache" : null);
      expect(await response.text()).toBe(areEvents ? 'data: {"n":1}\n\ndata: {"n":2}\n\n' : '{"n":1}\n{"n":2}\n');
    });

    it("are those of a generator, an async iterable or an iterator", async () => {
      const sync = await send("/sync/2");
      expect([sync.headers.get("x-kind"), sync.headers.get("cache-control")]).toEqual(["sync", "max-age=5"]);
      expect(await sync.text()).toBe("1\n2\n");
      expect(await (await send("/iterable")).text()).toBe("1\n2\n3\n");
      expect(await (await send("/iterator")).text()).toBe('["a",{"n":1}]\n');
      expect(await (await send("/items/0")).text()).toBe("");
    });

    it("are written as the type that the method sets says", async () => {
      const response = await send("/chosen");
      expect([response.headers.get("content-type"), response.headers.get("cache-control")]).toEqual([
        "text/event-stream; charset=utf-8",
        "no-store",
      ]);
      expect(await response.text()).toBe("data: 1\n\ndata: 2\n\n");
      expect(await (await send("/events")).text()).toBe('data: "two\\nlines"\n\n');
      // A generator's body runs after the answer has begun.
      const late = await send("/typed");
      expect([late.headers.get("content-type"), await late.text()]).toEqual(["application/x-ndjson", "1\n"]);
    });

    it("give way to Hono's own events, which have names", async () => {
      const response = await send("/named");
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      expect(await response.text()).toBe("event: tick\ndata: 0\nid: 7\n\n");
    });

    it("are fetched as they are read, and what each changed is stored", async () => {
      const response = await send("/items/1000");
      const reader = response.body!.getReader();
      await reader.read();
      expect(await state()).toMatchObject({ started: 1, ended: 0 });
      const { count } = await stub().state();
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThan(1_000);
      await reader.cancel();
      await eventually(async () => expect(await state()).toMatchObject({ ended: 1 }));
    });

    it("are not fetched for HEAD", async () => {
      const response = await send("/items/2", {}, "HEAD");
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
      expect(await response.text()).toBe("");
      expect(await state()).toEqual({ count: 0, ended: 0, started: 0 });
    });

    it.each(["throw", "json", "write"])("break off where one fails (%s), which is logged and not told", async (how) => {
      const response = await send(`/broken/${how}`);
      const reader = response.body!.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe('"fine"\n');
      const error: unknown = await reader.read().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Error);
      expect(String(error)).not.toContain(SECRET);
      expect(logged()).toContain({ throw: SECRET, json: "of type Map", write: "RouteApp" }[how]);
      // A throw keeps what was changed, as in every entry; a write that failed is taken back.
      expect(await state()).toMatchObject({ count: how === "write" ? 0 : 5, ended: 1 });
    });

    it("are ended for a reader that leaves while one is fetched, once it has come", async () => {
      const reader = (await send("/waiting")).body!.getReader();
      await reader.read();
      const pending = reader.read().catch(() => "left");
      await scheduler.wait(10);
      await reader.cancel();
      await pending;
      await scheduler.wait(10);
      expect(await state()).toMatchObject({ ended: 0 });
      await stub().go();
      await eventually(async () => expect(await state()).toMatchObject({ ended: 1 }));
      expect(logged()).toBe("");
    });
  });

  it(`A generator cannot be called through a stub, ${dialect}`, async () => {
    const call = async (): Promise<unknown> =>
      await (stub() as unknown as { items(input: object): Promise<unknown> }).items({ upTo: "1" });
    expect(await call().catch((thrown: unknown) => thrown)).toMatchObject({ code: "not-transferable" });
  });

  describe(`A route's options, ${dialect}`, () => {
    it("give status and headers to a result, over which the method's win", async () => {
      const response = await send("/text");
      expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
        203,
        "text/csv",
        "a,b",
      ]);
      expect([response.headers.get("x-a"), response.headers.get("x-b")]).toEqual(["option", "method"]);
      const nothing = await send("/nothing");
      expect([nothing.status, nothing.headers.get("x-a")]).toEqual([204, "option"]);
    });

    it.each(["", "/204", "/205", "/304"])("leave out a result where the status has no body (%j)", async (status) => {
      for (const kind of ["text", "json", "items", "stream"]) {
        const response = await send(`/bare/${kind}${status}`);
        expect([kind, response.status, await response.text()]).toEqual([kind, Number(status.slice(1) || 204), ""]);
        if (kind === "json") expect(response.headers.get("content-type")).toBe(null);
      }
      expect(await state()).toEqual({ count: 4, ended: 1, started: 0 });
      expect(logged()).toBe("");
      expect(await (await send("/bare/json/200")).json()).toEqual({ count: 5 });
    });

    it("end a stream for HEAD, which nobody reads", async () => {
      const response = await send("/bare/stream/200", {}, "HEAD");
      expect([response.status, await response.text()]).toEqual([200, ""]);
      expect(await state()).toMatchObject({ ended: 1 });
    });

    it("leave a Response and an error alone", async () => {
      const own = await send("/own-response");
      expect([own.status, own.headers.get("x-a")]).toEqual([200, null]);
      const error = await send("/throws");
      expect([error.status, error.headers.get("cache-control")]).toEqual([500, null]);
    });

    it("give optional parameters, and several paths, to one method", async () => {
      expect(await (await send("/optional")).json()).toEqual({});
      expect(await (await send("/optional/1")).json()).toEqual({ a: "1" });
      expect(await (await send("/optional/1/2")).json()).toEqual({ a: "1", b: "2" });
      expect(await (await send("/others/3")).json()).toEqual({ c: "3" });
      expect((await send("/others/x")).status).toBe(404);
    });
  });

  describe(`Middleware, ${dialect}`, () => {
    it("of the class sees every request, and its variables reach the method", async () => {
      const response = await send("/user", { "x-user": "alice" });
      expect(await response.json()).toEqual({ user: "alice", count: 10, isSelf: true });
      expect(response.headers.get("x-after")).toBe("200");
      for (const [path, method, status] of [
        ["/nowhere", "GET", "404"],
        ["/only-post", "GET", "405"],
        ["/throws", "GET", "500"],
        ["/only-post", "OPTIONS", "204"],
      ] as const) {
        const answer = await send(path, { origin: "https://example.com" }, method);
        expect([path, answer.headers.get("x-after")]).toEqual([
          path,
          path === "/only-post" && method === "OPTIONS" ? null : status,
        ]);
        expect(answer.headers.get("access-control-allow-origin")).toBe("https://example.com");
      }
    });

    it("answers a preflight before routing", async () => {
      const headers = { origin: "https://example.com", "access-control-request-method": "POST" };
      const response = await send("/only-post", headers, "OPTIONS");
      expect([response.status, response.headers.get("access-control-allow-methods")]).toEqual([
        204,
        expect.stringContaining("POST"),
      ]);
    });

    it("of a route runs in the entry, and may answer in the method's place", async () => {
      const response = await send("/closed");
      expect([response.status, await response.text()]).toEqual([403, "closed"]);
      expect(await state()).toMatchObject({ count: 10 });
    });

    it.each(["error", "string", "forget", "after", "twice"])("says nothing of its own error (%s)", async (kind) => {
      const response = await send("/state", { "x-fail": kind });
      expect([response.status, await response.json()]).toEqual([
        500,
        { type: "about:blank", title: "Internal Server Error", status: 500, code: "internal-server-error" },
      ]);
      expect(logged()).not.toBe("");
    });

    it("may refuse", async () => {
      const response = await send("/state", { "x-fail": "refuse" });
      expect(await response.json()).toMatchObject({ status: 401, detail: "Who are you?" });
    });

    it("is inherited as any static, and added to", async () => {
      const response = await children()
        .getByName(dialect)
        .fetch("http://o/user", { headers: { "x-user": "bob" } });
      expect([response.headers.get("x-after"), response.headers.get("x-child")]).toEqual(["200", "yes"]);
      expect(await response.json()).toMatchObject({ user: "bob", isSelf: true });
    });

    it("guards what a form on another site can send: a query without a body", async () => {
      for (const type of [undefined, "application/x-www-form-urlencoded", "text/plain"]) {
        const headers = { origin: "https://example.com", ...(type === undefined ? {} : { "content-type": type }) };
        expect(await (await send("/unguarded?by=5", headers, "POST")).json()).toEqual({ by: "5" });
        expect((await send("/guarded?by=5", headers, "POST")).status).toBe(403);
        expect((await send("/guarded?by=5", { ...headers, origin: "http://o" }, "POST")).status).toBe(200);
      }
    });

    it("makes ETags, and answers conditional requests", async () => {
      const response = await send("/tagged");
      const tag = response.headers.get("etag")!;
      expect([await response.text(), tag]).toEqual(["the same", expect.stringMatching(/^".+"$/)]);
      const again = await send("/tagged", { "if-none-match": tag });
      expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, tag, ""]);
      expect((await send("/tagged", { "if-none-match": '"other"' })).status).toBe(200);
      const head = await send("/tagged", {}, "HEAD");
      expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, tag, ""]);
      expect((await send("/tagged", { "if-none-match": tag }, "HEAD")).status).toBe(304);
    });
  });

  describe(`onError, ${dialect}`, () => {
    it.each([
      ["/throws", "GET", 0, "Error"],
      ["/nowhere", "GET", 404, "HTTPException"],
      ["/only-post", "GET", 405, "HTTPException"],
      ["/state?__proto__=1", "GET", 400, "HTTPException"],
    ])("answers for %s", async (path, method, status, name) => {
      const response = await send(path, { "x-hook": "answer" }, method);
      expect([response.status, await response.json()]).toEqual([418, { hook: status, name }]);
    });

    it.each(["error", "string", "refuse"])("answers for middleware (%s)", async (kind) => {
      const response = await send("/state", { "x-hook": "answer", "x-fail": kind });
      expect([response.status, await response.json()]).toMatchObject([418, { hook: kind === "refuse" ? 401 : 0 }]);
    });

    it("answers for a change that could not be written", async () => {
      const response = await send("/unwritten", { "x-hook": "answer" });
      expect([response.status, await response.json()]).toEqual([418, { hook: 0, name: "DurableError" }]);
      expect(await (await send("/state")).json()).toMatchObject({ count: 0 });
    });

    it("leaves the problem where it gives no Response, or fails itself", async () => {
      for (const hook of ["none", "other", "throw"]) {
        const response = await send("/nowhere", { "x-hook": hook });
        expect([hook, await response.json()]).toMatchObject([hook, { status: 404, code: "not-found" }]);
      }
      expect(logged()).toContain(`${SECRET} in the hook`);
      const failed = await send("/throws", { "x-hook": "throw" });
      expect(await failed.text()).not.toContain(SECRET);
    });

    it("may read the problem, which is sent all the same", async () => {
      for (const [path, method, status] of [
        ["/nowhere", "GET", 404],
        ["/only-post", "GET", 405],
        ["/state?__proto__=1", "GET", 400],
      ] as const) {
        const response = await send(path, { "x-hook": "read" }, method);
        expect([response.status, await response.json()]).toMatchObject([status, { status }]);
      }
      expect(logged()).toBe("");
    });

    it("cannot be called through a stub", async () => {
      const call = async (): Promise<unknown> => await (stub() as unknown as { onError(): Promise<unknown> }).onError();
      expect(String(await call().catch((thrown: unknown) => thrown))).toMatch(/does not implement|TypeError/);
    });
  });

  describe(`Routes of a class, ${dialect}`, () => {
    it("are removed by `@Route.none()`, and the method stays reachable by stub", async () => {
      const child = children().getByName(dialect);
      expect((await child.fetch("http://o/gone")).status).toBe(404);
      expect((await child.fetch("http://o/gone", { method: "POST" })).status).toBe(404);
      expect(await child.gone()).toBe("by stub only");
      expect(await (await send("/gone")).text()).toBe("here");
    });

    it("answer before what is added to the app", async () => {
      expect(await (await send("/added")).json()).toBe(0);
      expect(await (await send("/state")).json()).toMatchObject({ count: 0 });
      expect((await children().getByName(dialect).fetch("http://o/added")).status).toBe(404);
    });

    it("may have an `all` after a route of the same path", async () => {
      expect(await (await send("/late", {}, "PUT")).text()).toBe("PUT");
      expect((await send("/late")).status).toBe(203);
    });
  });
}
