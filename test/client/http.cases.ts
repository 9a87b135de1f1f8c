/** The promises of `http()`, as cases that run once per dialect of the class that is called. */
import { runInDurableObject } from "cloudflare:test";
import { DurableError } from "durable-base";
import { http, HttpError, type HttpOptions } from "durable-base/client";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isLong, seed } from "../battery.ts";
import { errorOf } from "../error-of.ts";
import type { StandardNotes } from "./fixtures/notes.ts";

const routes = {
  add: "POST /notes",
  read: "GET /notes/:id",
  search: "GET /search",
  replace: "PUT /notes/:id ?dry",
  list: "PATCH /list body",
  remove: "DELETE /notes/:id",
  text: "POST /text body",
  bytes: "POST /bytes body",
  nothing: "GET /nothing",
  headers: "GET /headers",
  map: "GET /map",
  page: "GET /page",
} as const;

export function httpCases(dialect: string, namespace: () => DurableObjectNamespace<StandardNotes>): void {
  let nth = 0;
  const fresh = (): DurableObjectStub<StandardNotes> => namespace().getByName(`notes ${nth++}`);
  const optionsFor = (
    stub: { fetch: (url: string, init: RequestInit) => Promise<Response> },
    more?: Omit<HttpOptions, "idempotent">,
  ) =>
    ({ fetch: async (url: string, init: RequestInit) => await stub.fetch(url, init), ...more }) satisfies HttpOptions;
  const clientOf = (stub: DurableObjectStub<StandardNotes> = fresh(), more?: Omit<HttpOptions, "idempotent">) =>
    http<StandardNotes, typeof routes>("http://object", routes, optionsFor(stub as never, more));
  const echoOf = (line: string) =>
    http<StandardNotes>("http://object/", { echo: line as "GET /" }, optionsFor(fresh() as never)).echo;
  const httpErrorOf = async (call: () => Promise<unknown>): Promise<HttpError> => {
    const error = await errorOf(call);
    expect(error).toBeInstanceOf(HttpError);
    return error as HttpError;
  };

  describe(`http (${dialect})`, () => {
    it("calls methods with their path, query and body, and returns what JSON has of the results", async () => {
      const client = clientOf();
      const at = new Date(1e12);
      const iso = at.toISOString();
      expect(await client.add({ text: "milk", at })).toEqual({ id: 0, at: iso });
      expect(await client.add({ text: "bread" })).toEqual({ id: 1 });
      expect(await client.read({ id: 0 })).toEqual({ text: "milk", at: iso });
      expect(await client.search({ word: "a&b=c", tag: ["x", "y"], limit: 3 })).toEqual({
        word: "a&b=c",
        tag: ["x", "y"],
        limit: 3,
      });
      expect(await client.replace({ id: "7", dry: "yes", text: "new" })).toEqual({ id: 7, dry: true, text: "new" });
      expect(await client.list({ body: ["a", "b"] })).toEqual(["a", "b"]);
      expect(await client.remove({ id: "0", why: "old" })).toBeUndefined();
      expect(await client.read({ id: 0 })).toEqual({ text: "bread" });
      expect(await client.text({ body: "é" })).toBe("É");
      expect(await client.bytes({ body: new Uint8Array([1, 255]) })).toEqual([1, 255, "application/octet-stream"]);
      expect(await client.nothing()).toBeNull();
    });

    it("makes a DurableError of a problem", async () => {
      const client = clientOf();
      const missing = await httpErrorOf(() => client.read({ id: 7 }));
      expect(missing).toMatchObject({
        code: "not-found",
        status: 404,
        detail: "There is no note 7.",
        name: "DurableError",
      });
      expect(missing.message).toBe("read (GET /notes/:id): 404 There is no note 7.");
      const invalid = await httpErrorOf(() => client.add({ text: "" }));
      expect(DurableError.is(invalid, "invalid-input")).toBe(true);
      expect(invalid).toMatchObject({
        status: 422,
        issues: [{ path: ["text"], message: expect.any(String) as string }],
      });
      vi.spyOn(console, "error").mockImplementation(() => {});
      expect(await httpErrorOf(() => client.map())).toMatchObject({ code: "not-json", status: 500, detail: undefined });
    });

    it("runs a call with a key once, and refuses another call under that key", async () => {
      const stub = fresh();
      const client = clientOf(stub);
      const key = 'a "key" with \\ and ,';
      const answers = [await client.add({ text: "milk" }, { key }), await client.add({ text: "milk" }, { key })];
      expect(answers).toEqual([{ id: 0 }, { id: 0 }]);
      expect(await httpErrorOf(() => client.add({ text: "bread" }, { key }))).toMatchObject({
        code: "once-conflict",
        status: 422,
      });
      expect(await runInDurableObject(stub, (self: StandardNotes) => self.calls)).toBe(1);
    });

    it("brings every text to a path, query and body unchanged", async () => {
      const [get, post] = [echoOf("GET /echo/:a/:b?"), echoOf("POST /echo/:a/:b? ?q")];
      const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((t) => !/^(\.\.?|__proto__)$/.test(t));
      const name = fc
        .string({ unit: "binary", minLength: 1 })
        .filter((t) => t !== "a" && t !== "b" && t !== "__proto__");
      const json = fc.jsonValue({ noUnicodeString: false }).filter((v) => !JSON.stringify(v).includes("__proto__"));
      await fc.assert(
        fc.asyncProperty(
          text,
          fc.option(text, { nil: undefined }),
          name,
          fc.string({ unit: "binary" }),
          json,
          async (a, b, q, v, j) => {
            const path = { a, ...(b !== undefined && { b }) };
            expect(await get({ ...path, [q]: v })).toEqual({ ...path, [q]: v });
            const body = { [q === "q" ? "p" : q]: j, q: v };
            expect(await post({ ...path, ...body })).toEqual({ ...path, ...JSON.parse(JSON.stringify(body)) });
          },
        ),
        { seed, numRuns: isLong ? 5_000 : 200 },
      );
    });

    it("takes numbers, booleans, bigints and dates in path and query, and repeats the name of a list", async () => {
      const echo = echoOf("GET /echo/:a/:b?");
      const input = {
        a: 1 as never,
        b: true as never,
        n: -0.5,
        big: 10n,
        at: new Date(0),
        list: ["x", 1],
        none: undefined,
        empty: [],
      };
      expect(await echo(input)).toEqual({
        ...{ a: "1", b: "true", n: "-0.5", big: "10", at: "1970-01-01T00:00:00.000Z" },
        list: ["x", "1"],
      });
    });

    it.each([
      ["GET /echo/:a", {}, "a: undefined can't be a part of the path"],
      ["GET /echo/:a", undefined, "a: undefined can't be a part of the path"],
      ["GET /echo/:a", { a: "" }, 'a: "" can\'t be a part of the path'],
      ["GET /echo/:a", { a: "." }, 'a: "." can\'t be a part of the path'],
      ["GET /echo/:a", { a: ".." }, 'a: ".." can\'t be a part of the path'],
      ["GET /echo/:a", { a: null }, "a: null can't be a part of the path"],
      ["GET /echo/:a", { a: ["x"] }, "a: x can't be a part of the path"],
      ["GET /echo/:a", { a: NaN }, "a: NaN can't be a part of the path"],
      ["GET /echo/:a", { a: new Date(NaN) }, "a: Invalid Date can't be a part of the path"],
      ["GET /echo/:a/:b?/:c?", { a: "a", c: "c" }, 'c: "c" can\'t be a part of the path'],
      ["GET /echo/:a", { a: "\ud800" }, "a: ill-formed text, which no URL can hold"],
      ["GET /echo/:a", { a: "a", q: "\ud800" }, "q: ill-formed text, which no URL can hold"],
      ["GET /echo/:a", { a: "a", q: null }, "q: null can't be a part of the query"],
      ["GET /echo/:a", { a: "a", q: { x: 1 } }, "q: [object Object] can't be a part of the query"],
      ["GET /echo/:a", { a: "a", q: [undefined] }, "q: undefined can't be a part of the query"],
      ["POST /text body", { body: "a", other: 1 }, "other: the line has no place for it beside `body`"],
      ["GET /echo/:a", "text", "input: expected an object"],
      ["GET /echo/:a", null, "input: expected an object"],
    ])("refuses for %s the input %j before anything is sent", async (line, input, message) => {
      const send = vi.fn();
      const { echo } = http<StandardNotes>("http://object", { echo: line as "GET /" }, { fetch: send });
      const error = await errorOf(() => echo(input as never));
      expect(error).toMatchObject({ code: "invalid-input", issues: [expect.anything()] });
      expect(error.message).toBe(`echo (${line}): ${message}.`);
      expect(send).not.toHaveBeenCalled();
    });

    it("refuses in a body what JSON can't hold", async () => {
      const echo = echoOf("POST /echo/:a");
      for (const part of [new Map(), 1n, new Uint8Array(1), NaN, new Blob(["a"]).stream()]) {
        expect(await errorOf(() => echo({ a: "a", part }))).toMatchObject({ code: "not-json" });
      }
    });

    it("sends a key of the server's own words to it, which refuses them", async () => {
      const input = JSON.parse('{ "a": "a", "__proto__": 1 }') as { a: string };
      for (const verb of ["GET", "POST"]) {
        expect(await httpErrorOf(() => echoOf(`${verb} /echo/:a`)(input))).toMatchObject({
          status: 400,
          code: "forbidden-key",
        });
      }
      expect(await httpErrorOf(() => echoOf("GET /echo/:a")({ a: "__proto__" }))).toMatchObject({
        code: "forbidden-key",
      });
    });

    it("refuses answers that aren't one value", async () => {
      const lines = { yields: "GET /yields", stream: "GET /stream", page: "GET /page" } as const;
      const client = http<StandardNotes>("http://object", lines, optionsFor(fresh() as never));
      const found = [];
      for (const name of ["yields", "stream", "page"] as const) {
        const call = (client as unknown as Record<string, () => Promise<unknown>>)[name]!;
        const { code, status, message } = await httpErrorOf(call);
        found.push([code, status, message]);
      }
      expect(found).toEqual([
        ["bad-answer", 200, "yields (GET /yields): the answer was 200 with application/x-ndjson."],
        ["bad-answer", 200, "stream (GET /stream): the answer was 200 with a stream."],
        ["bad-answer", 200, "page (GET /page): the answer was 200 with text/html."],
      ]);
    });

    it("sends the headers of the client, of the call, and those that a function returns, in this order", async () => {
      const stub = fresh();
      let token = 0;
      const headers = async () => ({ authorization: `Bearer ${++token}`, "x-own": "client" });
      const client = clientOf(stub, { headers });
      const sent = [await client.headers(), await client.headers({}, { headers: [["X-Own", "call"]] })];
      expect(sent).toEqual([
        expect.objectContaining({ authorization: "Bearer 1", "x-own": "client" }),
        expect.objectContaining({ authorization: "Bearer 2", "x-own": "call" }),
      ]);
      expect(await clientOf(stub, { headers: new Headers({ a: "1" }) }).headers()).toMatchObject({ a: "1" });
      expect((await clientOf(stub).headers())["content-type"]).toBeUndefined();
    });

    it("refuses a method that the map lacks, without sending anything, and one without a route", async () => {
      const loose = http<StandardNotes>("http://object", { unrouted: "GET /unrouted" }, optionsFor(fresh() as never));
      expect(await httpErrorOf(() => loose.unrouted())).toMatchObject({ status: 404, code: "not-found" });
      const error = await errorOf(() => loose.nothing());
      expect(error).toMatchObject({ code: "unknown-method" });
      expect(error.message).toContain('the map has no method "nothing"');
      expect(await Promise.resolve(loose)).toBe(loose);
      expect([JSON.stringify(loose), String(loose), Object.keys(loose)]).toEqual([
        "{}",
        "[object Object]",
        ["unrouted"],
      ]);
    });
  });
}
