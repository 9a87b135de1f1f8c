/** What `@Route` promises, as cases that run once per dialect. */
import { runInDurableObject } from "cloudflare:test";
import { type DurableBase, DurableError } from "durable-base";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import errorsText from "../../docs/errors.md?raw";
import routesText from "../../docs/routes.md?raw";
import { losses, SECRET, streamOf, type RoutesLike } from "./fixtures/route-data.ts";

type Namespace<T extends DurableBase> = DurableObjectNamespace<T>;

const json = (body: string): RequestInit => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json" },
});

/** The error that a call ends in. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("the call was expected to fail");
}

export function routeCases(
  dialect: string,
  routes: () => Namespace<RoutesLike & DurableBase>,
  child: () => Namespace<DurableBase>,
): void {
  describe(`Route, ${dialect}`, () => {
    const stub = (): DurableObjectStub<RoutesLike & DurableBase> => routes().getByName(dialect);
    const send = async (path: string, init?: RequestInit): Promise<Response> =>
      await stub().fetch(`http://o${path}`, init);
    const get = async (path: string): Promise<unknown> => await (await send(path)).json();
    /** The answer of a refusal, checked for what all of them have. */
    const refusal = async (path: string, init?: RequestInit): Promise<Record<string, unknown>> => {
      const response = await send(path, init);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      const problem: Record<string, unknown> = await response.json();
      expect(problem).toMatchObject({ type: "about:blank", title: expect.any(String), status: response.status });
      expect(routesText + errorsText).toContain(`\`${String(problem["code"])}\``);
      return problem;
    };
    let log: MockInstance<typeof console.error>;
    const logged = (): string => log.mock.calls.map(([error]) => String(error)).join("\n");

    beforeEach(() => {
      log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    });
    afterEach(() => {
      log.mockRestore();
    });

    describe("matching", () => {
      it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "REPORT"])("answers %s", async (method) => {
        expect(await (await send("/verb", { method })).text()).toBe(method);
      });

      it("answers every method of an `all` route", async () => {
        expect(await (await send("/every/thing", { method: "OPTIONS" })).text()).toBe("OPTIONS /every/thing");
        expect(await (await send("/every/thing", { method: "DELETE" })).text()).toBe("DELETE /every/thing");
      });

      it("takes the first route that matches", async () => {
        expect(await (await send("/first/new")).text()).toBe("the first match wins");
        expect(await (await send("/first/other")).text()).toBe("anything: other");
      });

      it("takes the first of one method's routes too", async () => {
        expect(await get("/stacked/new")).toEqual({ id: "new" });
        expect(await get("/stacked/new/one")).toEqual({ other: "new/one" });
      });

      it("refuses an unknown path with 404", async () => {
        expect(await refusal("/nowhere")).toMatchObject({ status: 404, code: "not-found", title: "Not Found" });
        expect(await refusal("/nowhere", { method: "OPTIONS" })).toMatchObject({ status: 404 });
      });

      it("refuses a wrong method with 405 and the right ones", async () => {
        expect(await refusal("/verb", { method: "PROPFIND" })).toMatchObject({
          status: 405,
          code: "method-not-allowed",
        });
        const response = await send("/only-post");
        expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
        const verbs = (await send("/verb", { method: "PROPFIND" })).headers.get("allow")!.split(", ");
        expect(verbs.toSorted()).toEqual("DELETE GET HEAD OPTIONS PATCH POST PUT REPORT".split(" "));
      });

      it("refuses HEAD where there is no GET", async () => {
        const response = await send("/only-post", { method: "HEAD" });
        expect([response.status, await response.text()]).toEqual([405, ""]);
      });

      it("answers HEAD as GET without the body", async () => {
        const response = await send("/results/object", { method: "HEAD" });
        expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
        expect(await response.text()).toBe("");
      });

      it("answers OPTIONS of a known path with 204 and Allow", async () => {
        const response = await send("/same/7", { method: "OPTIONS" });
        const verbs = response.headers.get("allow")!.split(", ").toSorted();
        expect([response.status, verbs]).toEqual([204, ["GET", "HEAD", "OPTIONS", "POST"]]);
      });

      it("leaves OPTIONS to a route of its own, and allows it once", async () => {
        expect(await (await send("/own-options", { method: "OPTIONS" })).text()).toBe("mine");
        expect((await send("/own-options")).headers.get("allow")).toBe("OPTIONS");
      });

      it("sends 404 where a method asks for it with `c.notFound()`", async () => {
        expect(await refusal("/missing/here")).toMatchObject({ status: 404, code: "not-found" });
        expect(await refusal("/every/missing", { method: "PROPFIND" })).toMatchObject({
          status: 404,
          code: "not-found",
        });
      });

      it("inherits routes, also to a method that a subclass overrides without the decorator", async () => {
        const of = async (path: string, method = "POST"): Promise<Response> =>
          await child().getByName(dialect).fetch(`http://o${path}`, { method });
        expect(await (await of("/only-post")).text()).toBe("overridden");
        expect(await (await of("/counted")).text()).toBe("-1");
        expect((await of("/count")).status).toBe(404);
        expect(await (await of("/context/own", "GET")).text()).toBe("taken over");
        // Also where an inherited one matches more.
        expect(await (await of("/every/new", "GET")).text()).toBe("taken over");
        expect(await (await of("/every/other", "GET")).text()).toBe("GET /every/other");
        expect(await (await of("/first/new", "GET")).text()).toBe("all taken over");
        expect(await (await of("/first/other", "GET")).text()).toBe("anything: other");
        expect((await send("/counted", { method: "POST" })).status).toBe(404);
      });
    });

    describe("input", () => {
      it("is an empty object without prototype when nothing is given", async () => {
        expect(await get("/same")).toEqual({ input: {}, hasPrototype: false });
        const empty = json("");
        expect(await (await send("/same", empty)).json()).toEqual({ input: {}, hasPrototype: false });
        expect(await (await send("/same", { method: "POST", body: streamOf() })).json()).toMatchObject({ input: {} });
      });

      it("takes the query, with arrays for repeated keys", async () => {
        expect(await get("/same?a=1&b=x%20y+z&a=2&flag&=nameless")).toMatchObject({
          input: { a: ["1", "2"], b: "x y z", flag: "" },
        });
      });

      it("takes decoded path parameters", async () => {
        expect(await get("/same/a%2Fb%20%C3%BC")).toMatchObject({ input: { id: "a/b ü" } });
      });

      it("prefers path parameters to the body and the body to the query", async () => {
        const response = await send("/same/path?id=query&who=query&only=query", json('{"id":"body","who":"body"}'));
        expect(await response.json()).toMatchObject({ input: { id: "path", who: "body", only: "query" } });
      });

      it.each([["[1,2]"], ['"text"'], ["0"], ["null"], ["false"]])("puts a body of %s under `body`", async (body) => {
        expect(await (await send("/same?a=1", json(body))).json()).toEqual({
          input: { a: "1", body: JSON.parse(body) as unknown },
          hasPrototype: false,
        });
      });

      it.each(["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])(
        "reads %s",
        async (type) => {
          const init = { method: "POST", body: '{"a":1}', headers: { "content-type": type } };
          expect(await (await send("/same", init)).json()).toMatchObject({ input: { a: 1 } });
        },
      );

      it("reads a body that comes in pieces and splits a character", async () => {
        const bytes = new TextEncoder().encode('{"a":"ü"}');
        const body = new ReadableStream({
          async start(controller) {
            for (const byte of bytes) {
              controller.enqueue(new Uint8Array([byte]));
              await scheduler.wait(0);
            }
            controller.close();
          },
        });
        const response = await send("/same", { ...json(""), body });
        expect(await response.json()).toMatchObject({ input: { a: "ü" } });
      });

      it("leaves the body readable through the context", async () => {
        expect(await (await send("/raw", json('{ "a": 1 }'))).json()).toEqual(['{ "a": 1 }', { a: 1 }]);
      });

      it.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/json", ""])(
        "refuses a body of type %j with 415",
        async (type) => {
          const init = { method: "POST", body: new TextEncoder().encode('{"a":1}'), headers: { "content-type": type } };
          expect(await refusal("/same", init)).toMatchObject({ status: 415, code: "unsupported-media-type" });
        },
      );

      it.each([{}, { "content-length": "9" }])("refuses a body that breaks off with 400 (case %#)", async (length) => {
        const headers = { "content-type": "application/json", ...length };
        // Inside the object: a stub takes the end of a broken stream for a good one. `scripts/fuzz/raw.mjs` breaks HTTP's own.
        const problem = await runInDurableObject(stub(), async (self) => {
          const body = new ReadableStream({ pull: (controller) => controller.error(new Error(SECRET)) });
          return await (await self.fetch(new Request("http://o/same", { method: "POST", body, headers }))).json();
        });
        expect(problem).toMatchObject({ status: 400, code: "bad-request", detail: "The body broke off." });
        expect(logged()).toBe("");
      });

      it("refuses a body of another type before it reads it", async () => {
        const headers = { "content-type": "application/octet-stream" };
        for (const body of [new Uint8Array([0xff]), new Blob([new Uint8Array([0xff])]).stream()]) {
          expect(await refusal("/same", { method: "POST", body, headers })).toMatchObject({ status: 415 });
        }
        const endless = new ReadableStream({ pull: () => new Promise(() => undefined) });
        const declared = { ...headers, "content-length": "9" };
        const init = { method: "POST", body: endless, headers: declared };
        expect(await refusal("/same", init)).toMatchObject({ status: 415 });
        expect(await (await send("/same", { method: "POST", body: "", headers })).json()).toMatchObject({ input: {} });
      });

      it.each(["[", '{"a":'])("refuses a body of `%s` nested beyond 500 levels with 400", async (open) => {
        const nested = (levels: number): RequestInit =>
          json(open.repeat(levels) + "1" + (open === "[" ? "]" : "}").repeat(levels));
        expect((await send("/same", nested(500))).status).toBe(200);
        for (const levels of [501, 1_000, 100_000]) {
          expect(await refusal("/same", nested(levels))).toMatchObject({
            status: 400,
            code: "invalid-json",
            detail: "The body nests deeper than 500 levels.",
          });
        }
      });

      it.each(["1e309", "-1E+400", "1e0000400", "9".repeat(310), `${"9".repeat(220)}e99`])(
        "refuses a number that is too large with 400 (case %#)",
        async (number) => {
          for (const body of [number, `{"a":[${number}]}`]) {
            expect(await refusal("/same", json(body))).toMatchObject({
              status: 400,
              code: "invalid-json",
              detail: "The body has a number that is too large.",
            });
          }
        },
      );

      it("takes the largest numbers", async () => {
        for (const number of ["1.7976931348623157e308", "-1e308", "1e-400", "9".repeat(308)]) {
          expect(await (await send("/same", json(number))).json()).toMatchObject({ input: { body: Number(number) } });
        }
      });

      it.each([
        ["{"],
        ["{'a':1}"],
        ["undefined"],
        ["{}{}"],
        [`{"a":"\\u00"}`],
        ["[".repeat(100_000)],
        ["[".repeat(300_000) + "\\u"],
      ])("refuses invalid JSON with 400 (case %#)", async (body) => {
        const problem = await refusal("/same", json(body));
        expect(problem).toEqual({
          type: "about:blank",
          title: "Bad Request",
          status: 400,
          code: "invalid-json",
          detail: "The body is not JSON.",
        });
      });

      it("refuses text that is not UTF-8 with 400", async () => {
        for (const wrong of [[0xff], [0xe2, 0x82], [0xff, 0xff], ["\uFEFF", 0xff], ["\uFEFF", 0xe2, 0x82]]) {
          const [mark, rest] = typeof wrong[0] === "string" ? [wrong[0], wrong.slice(1)] : ["", wrong];
          const bytes = new Blob([mark, '"', new Uint8Array(rest as number[]), '"']);
          for (const body of [await bytes.bytes(), bytes.stream()]) {
            expect(await refusal("/same", { ...json(""), body })).toMatchObject({ status: 400, code: "invalid-json" });
          }
        }
      });

      it("takes U+FFFD and a byte order mark for what they are", async () => {
        for (const text of ['{"a":"\uFFFD"}', '\uFEFF{"a":"\uFFFD"}']) {
          for (const body of [text, new Blob([text]).stream()]) {
            const response = await send("/same", { ...json(""), body });
            expect(await response.json()).toMatchObject({ input: { a: "\uFFFD" } });
          }
        }
      });

      it("refuses a body over the limit with 413, and takes one of its length", async () => {
        expect(await (await send("/small", json('{"a":"12345678"}'))).json()).toEqual({ a: "12345678" });
        const over = json('{"a":"123456789"}');
        expect(await refusal("/small", over)).toMatchObject({ status: 413, code: "content-too-large" });
        // Bytes count, not characters.
        expect(await refusal("/small", json('{"a":"üüüüü"}'))).toMatchObject({ status: 413 });
      });

      it("does not wait for a body that is declared too long", async () => {
        const body = new ReadableStream({ pull: () => new Promise(() => undefined) });
        const headers = { "content-type": "application/json", "content-length": "17" };
        expect(await refusal("/small", { method: "POST", body, headers })).toMatchObject({ status: 413 });
      });

      it("takes 1 MiB by default and no byte more", async () => {
        const text = (length: number): string => JSON.stringify("x".repeat(length - 2));
        expect((await send("/same", json(text(1_048_576)))).status).toBe(200);
        expect(await refusal("/same", json(text(1_048_577)))).toMatchObject({ status: 413 });
      });

      it("refuses a body that is longer than it declares, once it was read", async () => {
        const body = new Blob(['{"a":"', "x".repeat(100), '"}']).stream();
        const headers = { "content-type": "application/json", "content-length": "4" };
        expect(await refusal("/small", { method: "POST", body, headers })).toMatchObject({ status: 413 });
      });

      it.each([
        ["no length", {}],
        ["a length that is no number", { "content-length": "many" }],
      ])("stops reading an endless body with %s", async (_, headers) => {
        let chunks = 0;
        const body = new ReadableStream({
          pull(controller) {
            chunks++;
            controller.enqueue(new TextEncoder().encode("x".repeat(1_024)));
          },
        });
        const init = { method: "POST", body, headers: { "content-type": "application/json", ...headers } };
        expect(await refusal("/small", init)).toMatchObject({ status: 413 });
        expect(chunks).toBeLessThan(1_000);
      });
    });

    describe("prototypes", () => {
      afterEach(() => {
        expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
      });

      it.each([
        ["a body", "/same", '{"__proto__":{"polluted":1}}', "body"],
        ["deep in a body", "/same", '{"a":[{"b":{"__proto__":{"polluted":1}}}]}', "body"],
        ["in escapes", "/same", '{"a":{"\\u005f_pr\\u006fto__":{"polluted":1}}}', "body"],
        ["inside an array as body", "/same", '[{"__proto__":{"polluted":1}}]', "body"],
        ["a query", "/same?__proto__=polluted", "{}", "query"],
        ["an encoded query", "/same?a=1&%5F_proto__=polluted", "{}", "query"],
        ["a path parameter", "/same/__proto__", "{}", "path"],
        ["an encoded path parameter", "/same/%5F_proto%5F_", "{}", "path"],
      ])("refuses `__proto__` in %s with 400", async (_, path, body, place) => {
        expect(await refusal(path, json(body))).toMatchObject({
          status: 400,
          code: "forbidden-key",
          detail: `\`__proto__\` is not allowed in the ${place}.`,
        });
      });

      it("takes `constructor`, `prototype` and `toString` for the names they are", async () => {
        const body = '{"constructor":{"prototype":{"polluted":1}},"prototype":1,"toString":2}';
        const response = await send("/same?hasOwnProperty=3", json(body));
        expect(await response.json()).toEqual({
          input: { ...(JSON.parse(body) as object), hasOwnProperty: "3" },
          hasPrototype: false,
        });
        expect(await get("/pair/a/b")).toEqual({ input: { constructor: "a", toString: "b" }, hasPrototype: false });
      });

      it("takes `__proto__` as a value", async () => {
        expect(await (await send("/same?q=__proto__", json('{"a":"__proto__"}'))).json()).toMatchObject({
          input: { a: "__proto__", q: "__proto__" },
        });
      });

      it("refuses `__proto__` as a key of a call's argument", async () => {
        const input = JSON.parse('{"__proto__":{"polluted":1}}') as { by: number };
        for (const call of [() => stub().same(input), () => stub().add(input)]) {
          const error = await errorOf(call);
          expect(DurableError.is(error, "invalid-input")).toBe(true);
          expect((error as DurableError).issues).toEqual([{ path: ["__proto__"], message: "not allowed as a key" }]);
        }
      });
    });

    describe("validation", () => {
      it("refuses what the schema refuses with 422 that names the field", async () => {
        expect(await refusal("/add", json('{"by":"x"}'))).toEqual({
          type: "about:blank",
          title: "Unprocessable Content",
          status: 422,
          code: "invalid-input",
          detail: "by: Invalid input: expected number, received string",
          issues: [{ path: ["by"], message: "Invalid input: expected number, received string" }],
        });
      });

      it("validates every route of a method by the schema of one", async () => {
        expect(await refusal("/add", { ...json('{"by":"x"}'), method: "PUT" })).toMatchObject({ status: 422 });
        expect((await send("/add", { ...json('{"by":0}'), method: "PUT" })).status).toBe(200);
      });

      it.each(["true", "false"])("says nothing of a schema that throws (async: %s)", async (flag) => {
        expect(await refusal("/broken", json(`{"async":${flag}}`))).toEqual({
          type: "about:blank",
          title: "Internal Server Error",
          status: 500,
          code: "internal-server-error",
        });
        expect(logged()).toContain(SECRET);
      });

      it("names nested places, of another library's schema", async () => {
        const problem = await refusal("/nested", json('{"list":[{"n":"1"},{"n":2}]}'));
        expect(problem).toMatchObject({ status: 422, issues: [{ path: ["list", 1, "n"] }] });
        expect(await refusal("/nested", json("[]"))).toMatchObject({ status: 422, issues: [{ path: ["list"] }] });
      });

      it("lists at most a hundred issues", async () => {
        const { issues } = await refusal("/nested", json(JSON.stringify({ list: new Array(500).fill(1) })));
        expect(issues).toHaveLength(100);
      });

      it("gives the method what the schema made of the input", async () => {
        expect(await get("/pages/7?page=2&other=3")).toEqual({ id: "7", page: 2 });
        expect(await get("/pages/7")).toEqual({ id: "7", page: 1 });
        expect(await (await send("/nested", json('{"list":[{"n":"5"}]}'))).json()).toEqual({ list: [{ n: 5 }] });
      });

      it("waits for an asynchronous schema", async () => {
        expect(await (await send("/slow", json('{"name":"free"}'))).text()).toBe("free!");
        expect(await refusal("/slow", json('{"name":"taken"}'))).toMatchObject({
          status: 422,
          issues: [{ path: ["name"], message: "is taken" }],
        });
      });

      it("validates and converts a call through a stub alike", async () => {
        expect(await stub().nested({ list: [{ n: "5" }] })).toEqual({ list: [{ n: 5 }] });
        expect(await stub().slow({ name: "free" })).toBe("free!");
        const error = await errorOf(() => stub().add({ by: "x" as never }));
        expect(DurableError.is(error, "invalid-input")).toBe(true);
        expect(error).toMatchObject({
          message: expect.stringMatching(/^\w*Routes\.add: by: Invalid input: expected number, received string\.$/),
          issues: [{ path: ["by"], message: "Invalid input: expected number, received string" }],
        });
        const slow = await errorOf(() => stub().slow({ name: "taken" }));
        expect(slow).toMatchObject({ code: "invalid-input", issues: [{ path: ["name"], message: "is taken" }] });
      });

      it("gives a call through a stub exactly one argument", async () => {
        expect(await stub().count(1, 2, 3)).toBe(1);
        expect(await stub().count()).toBe(1);
        // Over RPC an object without prototype could not be handed on: it does not cross.
        expect(await stub().same()).toEqual({ input: {}, hasPrototype: true });
        expect(await stub().same(null)).toEqual({ input: null });
      });

      it("gives a request the context as the second argument", async () => {
        expect(await (await send("/count", { method: "POST" })).text()).toBe("2");
      });

      it("does not validate calls from inside", async () => {
        expect(await (await send("/inside", { method: "POST" })).text()).toContain("not validated");
      });
    });

    describe("output", () => {
      const result = async (kind: string): Promise<[number, string | null, string]> => {
        const response = await send(`/results/${kind}`);
        return [response.status, response.headers.get("content-type"), await response.text()];
      };
      const JSON_TYPE = "application/json";

      it("sends a Response as it is", async () => {
        const response = await send("/results/response");
        expect([response.status, response.headers.get("x-mine"), await response.text()]).toEqual([299, "yes", "mine"]);
      });

      it("sends undefined as 204", async () => {
        expect(await result("nothing")).toEqual([204, null, ""]);
      });

      it("sends a string as text", async () => {
        expect(await result("text")).toEqual([
          200,
          expect.stringMatching(/^text\/plain; ?charset=utf-8$/i),
          "grüß dich",
        ]);
        expect(await result("empty")).toEqual([200, expect.stringMatching(/^text\/plain/), ""]);
      });

      it("keeps the content type that the method sets", async () => {
        for (const [kind, text] of [
          ["text", "<p>hi</p>"],
          ["stream", "<p>hi</p>"],
          ["json", '{"hi":1}'],
        ]) {
          const response = await send(`/typed/${kind}`);
          expect([kind, response.headers.get("content-type"), await response.text()]).toEqual([kind, "x/y", text]);
        }
      });

      it("sends a stream as a stream", async () => {
        expect(await result("stream")).toEqual([200, null, "part one, part two"]);
      });

      it.each([
        ["number", "2"],
        ["zero", "0"],
        ["no", "false"],
        ["null", "null"],
        ["array", '[1,"two",null,[true]]'],
        ["object", '{"at":"1970-01-01T00:00:00.000Z","deep":{"list":[{"ok":true}]}}'],
        ["bare", '{"constructor":"harmless"}'],
        ["json", '{"money":{"amount":5},"url":"http://o/x"}'],
        ["instance", '{"x":1}'],
        ["moment", '{"x":1,"at":"1970-01-01T00:00:00.000Z"}'],
        ["promise", '{"later":true}'],
        ["thenable", '{"later":true}'],
      ])("sends %s as JSON", async (kind, text) => {
        expect(await result(kind)).toEqual([200, JSON_TYPE, text]);
      });

      it("sends persisted values as what they hold", async () => {
        const entry = { at: "1970-01-01T00:00:00.000Z", tags: ["a"] };
        expect(await get("/tracked/log")).toEqual([entry]);
        expect(await get("/tracked/inside")).toEqual({ first: entry, at: entry.at, label: { n: 1 } });
        expect(await refusal("/tracked/map")).toMatchObject({ status: 500, code: "not-json" });
      });

      it.each(Object.keys(losses))("refuses to falsify %s", async (kind) => {
        const response = await send(`/losses/${kind}`);
        const text = await response.text();
        expect(JSON.parse(text)).toEqual({
          type: "about:blank",
          title: "Internal Server Error",
          status: 500,
          code: "not-json",
        });
        expect(logged()).toContain(losses[kind]!.path);
        expect(logged()).toMatch(/\w*Routes\.loss: /);
      });

      it("sends the status of the options, or the one that the method sets, and its headers", async () => {
        expect((await send("/add", json('{"by":1}'))).status).toBe(201);
        const chosen = await send("/chosen", { method: "POST" });
        expect([chosen.status, chosen.headers.get("x-chosen"), await chosen.text()]).toEqual([202, "yes", "accepted"]);
        expect((await send("/created/nothing", { method: "POST" })).status).toBe(201);
        expect((await send("/chosen/nothing", { method: "POST" })).status).toBe(205);
      });

      it("gives the method the object's own environment and ctx", async () => {
        expect(await get("/context/own")).toEqual({ env: true, ctx: true, name: dialect });
      });
    });

    describe("errors", () => {
      it.each(["error", "string", "nothing", "rejection", "string rejection"])(
        "sends nothing of what was thrown (%s), and logs it",
        async (kind) => {
          const response = await send(`/throws/${kind}`);
          const text = await response.text();
          expect([response.status, JSON.parse(text)]).toEqual([
            500,
            { type: "about:blank", title: "Internal Server Error", status: 500, code: "internal-server-error" },
          ]);
          expect(log).toHaveBeenCalledTimes(1);
          if (kind !== "nothing") expect(logged()).toContain(SECRET);
        },
      );

      it.each([
        ["our error", "not-persistable"],
        ["invalid inside", "invalid-input"],
      ])("sends of %s the code alone", async (kind, code) => {
        expect(await refusal(`/throws/${kind}`)).toEqual({
          type: "about:blank",
          title: "Internal Server Error",
          status: 500,
          code,
        });
        expect(logged()).toContain(SECRET);
      });

      it("sends what an HTTPException says", async () => {
        expect(await refusal("/throws/not found")).toMatchObject({
          status: 404,
          code: "not-found",
          detail: "There is no todo 7.",
        });
        expect(await refusal("/throws/conflict")).toEqual({
          type: "about:blank",
          title: "Conflict",
          status: 409,
          code: "conflict",
        });
        expect(await refusal("/throws/teapot")).toMatchObject({ status: 418, detail: "short and stout" });
        expect(log).not.toHaveBeenCalled();
      });

      it("hides and logs the message of an HTTPException that is the server's fault", async () => {
        expect(await refusal("/throws/unavailable")).toEqual({
          type: "about:blank",
          title: "Service Unavailable",
          status: 503,
          code: "service-unavailable",
        });
        expect(logged()).toContain(SECRET);
      });

      it.each(["no function", "no status", "a success", "a status text", "beyond"])(
        "takes an error with a `getResponse` for an HTTPException only if it is one (%s)",
        async (kind) => {
          const response = await send(`/throws/${kind}`);
          expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining(SECRET)]);
          expect(logged()).toContain(SECRET);
        },
      );

      it("sends the response of an HTTPException", async () => {
        const response = await send("/throws/response");
        expect([response.status, response.headers.get("www-authenticate"), await response.text()]).toEqual([
          401,
          "Basic",
          "who?",
        ]);
        const redirect = await send("/throws/redirect", { redirect: "manual" });
        expect([redirect.status, redirect.headers.get("location")]).toEqual([302, "./login"]);
        await redirect.body?.cancel();
      });

      it("says nothing but the code when the write fails, and nothing was changed", async () => {
        const before = await stub().add({ by: 0 });
        expect(await refusal("/unwritable", { method: "POST" })).toEqual({
          type: "about:blank",
          title: "Internal Server Error",
          status: 500,
          code: "write-failed",
        });
        expect(await stub().add({ by: 0 })).toBe(before);
        expect(logged()).not.toBe("");
      });
    });
  });
}
