/** What `accept` and the schemas of parts promise, as cases that run once per dialect. */
import { DurableError } from "durable-base";
import { describe, expect, it } from "vitest";
import routesText from "../../docs/routes.md?raw";
import { streamOf } from "./fixtures/route-data.ts";
import type { RouteInputLike } from "./fixtures/route-input-data.ts";

const typed = (type: string, body: BodyInit | null, method = "POST"): RequestInit => ({
  method,
  body,
  headers: type === "" ? {} : { "content-type": type },
});
const json = (value: unknown): RequestInit => typed("application/json", JSON.stringify(value));

/** The same bytes without a declared length. */
const streamed = (text: string): ReadableStream => streamOf(text);

export function routeInputCases(dialect: string, open: (name: string) => { fetch: Fetcher["fetch"] }): void {
  const stub = (): { fetch: Fetcher["fetch"] } => open(dialect);
  const send = async (path: string, init: RequestInit): Promise<unknown> => {
    const response = await stub().fetch(`http://o${path}`, init);
    const text = await response.text();
    expect([response.status, text]).toEqual([200, expect.anything()]);
    return JSON.parse(text);
  };
  const refusal = async (path: string, init: RequestInit): Promise<Record<string, unknown>> => {
    const response = await stub().fetch(`http://o${path}`, init);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const problem: Record<string, unknown> = await response.json();
    expect(routesText).toContain(`\`${String(problem["code"])}\``);
    return problem;
  };

  describe(`Route's accept, ${dialect}`, () => {
    describe("form", () => {
      const multipart = (): FormData => {
        const form = new FormData();
        form.append("title", "grüß");
        form.append("file", new File(["one"], "a.txt", { type: "text/plain" }));
        form.append("more", new File(["two"], "b.txt", { type: "text/plain" }));
        form.append("more", "three");
        form.append("more", "four");
        return form;
      };

      it("takes fields, with arrays for repeated names", async () => {
        const body = "a=1&b=x%20y+z&a=2&flag=&a=3";
        const init = typed("application/x-www-form-urlencoded", body);
        expect(await send("/form?q=query&b=query", init)).toEqual({
          a: ["1", "2", "3"],
          b: "x y z",
          flag: "",
          q: "query",
        });
      });

      it("takes files", async () => {
        expect(await send("/form", { method: "POST", body: multipart() })).toEqual({
          title: "grüß",
          file: { file: "a.txt", type: "text/plain", text: "one" },
          more: [{ file: "b.txt", type: "text/plain", text: "two" }, "three", "four"],
        });
      });

      it("takes what comes in pieces without a length", async () => {
        const { body, headers } = new Response(multipart());
        const init = { ...typed(headers.get("content-type")!, null), body };
        expect(await send("/form", init)).toMatchObject({ title: "grüß" });
        expect(await send("/form", typed("application/x-www-form-urlencoded", streamed("a=1")))).toEqual({ a: "1" });
      });

      it("adds nothing where it is empty", async () => {
        for (const body of [null, "", streamed("")]) {
          expect(await send("/form?q=1", typed("application/x-www-form-urlencoded", body))).toEqual({ q: "1" });
        }
      });

      it("is refused with 415 where it is not accepted, and takes nothing else", async () => {
        const form = typed("application/x-www-form-urlencoded", "a=1");
        expect(await refusal("/parts/1", form)).toMatchObject({
          status: 415,
          detail: "Send the body as JSON (`application/json`).",
        });
        expect(await refusal("/form", json({}))).toMatchObject({
          status: 415,
          detail: "Send the body as a form (`application/x-www-form-urlencoded` or `multipart/form-data`).",
        });
      });

      it("stands beside JSON", async () => {
        expect(await send("/both", json({ a: 1 }))).toEqual({ a: 1 });
        expect(await send("/both", typed("application/x-www-form-urlencoded", "a=1"))).toEqual({ a: "1" });
        expect(await refusal("/both", typed("text/plain", "a=1"))).toMatchObject({ status: 415 });
        expect(await refusal("/both", typed("", new Uint8Array([1])))).toMatchObject({ status: 415 });
      });

      it("is refused with 413 over the limit, declared or not", async () => {
        const long = `a=${"x".repeat(2_000)}`;
        for (const body of [long, streamed(long)]) {
          expect(await refusal("/form", typed("application/x-www-form-urlencoded", body))).toMatchObject({
            status: 413,
            code: "content-too-large",
          });
        }
      });

      it("is refused with 400 where it is truncated or malformed", async () => {
        const response = new Response(multipart());
        const type = response.headers.get("content-type")!;
        const text = await response.text();
        for (const end of [1, 10, text.length / 2, text.length - 10]) {
          expect([end, await refusal("/form", typed(type, text.slice(0, end)))]).toMatchObject([
            end,
            { status: 400, code: "invalid-form" },
          ]);
        }
        for (const wrong of ["multipart/form-data", "multipart/form-data; boundary=other"]) {
          expect(await refusal("/form", typed(wrong, text))).toMatchObject({ status: 400, code: "invalid-form" });
        }
      });

      it("is refused with 400 where a name is `__proto__`", async () => {
        const form = new FormData();
        form.append("__proto__", "1");
        for (const init of [
          { method: "POST", body: form },
          typed("application/x-www-form-urlencoded", "%5F_proto__=1"),
        ]) {
          expect(await refusal("/form", init)).toMatchObject({ status: 400, code: "forbidden-key" });
        }
      });

      it("is validated by the body's schema", async () => {
        const form = new FormData();
        form.append("title", "a title");
        expect(await refusal("/upload", { method: "POST", body: form })).toMatchObject({
          status: 422,
          issues: [{ path: ["file"] }],
        });
        form.append("file", new File(["text"], "f.txt"));
        expect(await send("/upload", { method: "POST", body: form })).toMatchObject(["a title", { file: "f.txt" }]);
      });
    });

    describe("text", () => {
      it("arrives as `body`, of any type where it is the only kind", async () => {
        for (const type of ["text/plain", "text/csv; charset=utf-8", "application/json", "x/y", ""]) {
          const body = new TextEncoder().encode("{grüß}");
          expect(await send("/text?q=1", typed(type, body))).toEqual({ q: "1", body: "{grüß}" });
        }
        expect(await send("/text", typed("text/plain", streamed("a\nb")))).toEqual({ body: "a\nb" });
      });

      it("is an empty one where there is none", async () => {
        for (const body of [null, "", streamed("")]) {
          expect(await send("/text", { method: "POST", body })).toEqual({ body: "" });
        }
      });

      it("is refused with 400 where it is not UTF-8, and with 413 over the limit", async () => {
        for (const body of [new Uint8Array([0xff]), new Response(new Uint8Array([0xe2, 0x82])).body]) {
          expect(await refusal("/text", typed("text/plain", body))).toMatchObject({
            status: 400,
            code: "invalid-text",
          });
        }
        for (const body of ["x".repeat(101), streamed("x".repeat(101))]) {
          expect(await refusal("/text", typed("text/plain", body))).toMatchObject({ status: 413 });
        }
      });

      it("is told from JSON by its type", async () => {
        expect(await send("/json-or-text", typed("text/plain", '{"a":1}'))).toEqual({ body: '{"a":1}' });
        expect(await send("/json-or-text", json({ a: 1 }))).toEqual({ a: 1 });
        expect(await refusal("/json-or-text", typed("x/y", "a"))).toMatchObject({
          status: 415,
          detail: "Send the body as JSON (`application/json`) or text (`text/plain`).",
        });
      });

      it("is validated by the body's schema", async () => {
        const response = await stub().fetch("http://o/shout", typed("text/plain", "quiet"));
        expect(await response.text()).toBe("QUIET");
      });
    });

    describe("bytes", () => {
      it("arrive as a plain Uint8Array, and can be read again through the context", async () => {
        for (const body of [new Uint8Array([104, 105]), streamed("hi")]) {
          expect(await send("/bytes", typed("x/y", body))).toEqual([{ bytes: [104, 105], isPlain: true }, "hi"]);
        }
        expect(await send("/bytes", { method: "POST" })).toEqual([{ bytes: [], isPlain: true }, ""]);
      });

      it("are refused with 413 over the limit", async () => {
        for (const body of [new Uint8Array(101), streamed("x".repeat(101))]) {
          expect(await refusal("/bytes", typed("x/y", body))).toMatchObject({ status: 413 });
        }
        const lying = { ...typed("x/y", streamed("x".repeat(101))), headers: { "content-length": "4" } };
        expect(await refusal("/bytes", lying)).toMatchObject({ status: 413 });
      });

      it("are what no other accepted kind is", async () => {
        expect(await send("/text-or-bytes", typed("text/plain", "hi"))).toEqual({ body: "hi" });
        expect(await send("/text-or-bytes", typed("application/json", "hi"))).toMatchObject({
          body: { bytes: [104, 105] },
        });
        expect(await send("/text-or-bytes", { method: "POST" })).toEqual({});
      });

      it("are validated by the body's schema, whose object joins the input", async () => {
        expect(await send("/size?page=2", typed("x/y", new Uint8Array(3)))).toEqual({ size: 3, page: 2 });
      });
    });

    describe("stream", () => {
      it("arrives as it comes, without a limit of ours", async () => {
        expect(await send("/stream", typed("x/y", streamed("x".repeat(200))))).toEqual({
          body: { stream: "x".repeat(200) },
        });
        expect(await send("/stream", { method: "POST" })).toEqual({ body: { stream: "" } });
      });

      it("is refused with 413 where a longer one is declared", async () => {
        expect(await refusal("/stream", typed("x/y", new Uint8Array(101)))).toMatchObject({ status: 413 });
      });

      it("is what no other accepted kind is", async () => {
        expect(await send("/any", typed("x/y", "hi"))).toEqual({ body: { stream: "hi" } });
        expect(await send("/any", typed("text/plain", "hi"))).toEqual({ body: "hi" });
        expect(await send("/any", typed("application/x-www-form-urlencoded", "a=1"))).toEqual({ a: "1" });
        expect(await send("/any", json([1]))).toEqual({ body: [1] });
      });
    });
  });

  describe(`Route's schemas of parts, ${dialect}`, () => {
    const call = async (method: keyof RouteInputLike, input: unknown): Promise<unknown> =>
      await (stub() as unknown as Record<string, (input: unknown) => Promise<unknown>>)[method]!(input);

    it("convert each its part, over HTTP and through a stub", async () => {
      const expected = { id: 7, page: 2, title: "a" };
      expect(await send("/parts/7?page=2&other=1", json({ title: "a", other: 2 }))).toEqual(expected);
      expect(await call("parts", { id: "7", page: "2", title: "a", other: 2 })).toEqual(expected);
    });

    it("let path parameters win over the body, and the body over the query", async () => {
      expect(await send("/loose?page=1&title=query&only=query", json({ title: "body", page: 3 }))).toEqual({
        page: 3,
        title: "body",
        only: "query",
      });
      expect(await send("/parts/7?title=query", json({ title: "body", id: 8 }))).toEqual({
        id: 7,
        page: 1,
        title: "body",
      });
    });

    it("are shared by all routes of a method", async () => {
      expect(await refusal("/parts/x", { method: "GET" })).toMatchObject({
        status: 422,
        issues: [{ path: ["id"] }, { path: ["title"] }],
      });
      expect(await refusal("/again", json({ title: "a" }))).toMatchObject({ status: 422, issues: [{ path: ["id"] }] });
    });

    it("tell of all that is wrong at once, alike through both doors", async () => {
      const problem = await refusal("/parts/x?page=y", json({ title: 1 }));
      expect(problem).toMatchObject({
        code: "invalid-input",
        issues: [{ path: ["id"] }, { path: ["page"] }, { path: ["title"] }],
      });
      const error = await call("parts", { id: "x", page: "y", title: 1 }).catch((thrown: unknown) => thrown);
      expect(DurableError.is(error, "invalid-input")).toBe(true);
      expect((error as DurableError).issues).toEqual(problem["issues"]);
    });

    it("leave out a part that has none, but for the path and a body of its own kind", async () => {
      expect(await send("/id/7?page=1", json({ title: "a" }))).toEqual({ id: 7 });
      expect(await call("idOnly", { id: "7", page: 1, title: "a" })).toEqual({ id: 7 });
      expect(await send("/query-and-text?page=2&other=1", typed("text/plain", "hi"))).toEqual([2, "hi"]);
      expect(await call("queryAndText", { page: "2", body: "hi", other: 1 })).toEqual([2, "hi"]);
    });

    it("give through a stub what a loose one let pass and another converted", async () => {
      expect(await send("/loose?page=5&more=q", json({ title: "a", extra: 1 }))).toEqual({
        page: 5,
        title: "a",
        more: "q",
        extra: 1,
      });
      expect(await call("loose", { page: "5", more: "q", title: "a", extra: 1 })).toEqual({
        page: 5,
        title: "a",
        more: "q",
        extra: 1,
      });
    });

    it("take `toString` and the like for the names they are", async () => {
      const body = { title: "a", toString: "t", valueOf: "v" };
      expect(await send("/loose-body?page=5", json(body))).toEqual({ ...body, page: 5 });
      expect(await call("looseBody", { ...body, page: "6" })).toEqual({ ...body, page: 6 });
    });

    it("put a body that is no object under `body`, over HTTP and through a stub", async () => {
      const expected = { id: "7", body: ["a"] };
      expect(await send("/list/7", json(["a"]))).toEqual(expected);
      expect(await call("list", { id: "7", body: ["a"] })).toEqual(expected);
      expect(await refusal("/list/7", json([1]))).toMatchObject({ issues: [{ path: ["body", 0] }] });
      expect(await refusal("/list/7", json(null))).toMatchObject({
        issues: [{ path: ["body"], message: expect.stringContaining("null") }],
      });
      const error = await call("list", { id: "7", body: [1] }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "invalid-input", issues: [{ path: ["body", 0] }] });
      expect(await refusal("/list/7", { method: "POST" })).toMatchObject({ status: 422, issues: [{ path: [] }] });
      expect(await call("shout", { body: "quiet" })).toBe("QUIET");
      expect(await call("size", { body: new Uint8Array(3), page: "2" })).toEqual({ size: 3, page: 2 });
    });

    it("take a body that may be an object or not, alike through both doors", async () => {
      expect(await send("/maybe", json(null))).toEqual({ body: null });
      expect(await call("maybe", { body: null })).toEqual({ body: null });
      expect(await send("/maybe", json({ a: 1 }))).toEqual({ a: 1 });
      expect(await call("maybe", { a: 1 })).toEqual({ a: 1 });
      expect(await refusal("/maybe", json({ a: "1" }))).toMatchObject({ issues: [{ path: ["a"] }] });
      const error = await call("maybe", { a: "1" }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ issues: [{ path: ["a"] }] });
    });

    it("do not take an object under `body` for the body", async () => {
      expect(await call("either", { b: 1 })).toEqual({ b: 1 });
      expect(await refusal("/either", json({ body: { a: 1 } }))).toMatchObject({ status: 422 });
      const error = await call("either", { body: { a: 1 } }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "invalid-input" });
    });

    it("may be asynchronous", async () => {
      expect(await send("/later?page=2", json({ title: "free" }))).toEqual({ page: 2, title: "free" });
      expect(await refusal("/later", json({ title: "taken" }))).toMatchObject({ issues: [{ path: ["title"] }] });
      expect(await call("later", { page: "2", title: "free" })).toEqual({ page: 2, title: "free" });
    });

    it("refuse a call's argument that is no object", async () => {
      for (const input of [null, 5]) {
        const error = await call("parts", input).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: "invalid-input", issues: [{ path: [], message: "expected an object" }] });
      }
    });
  });
}
