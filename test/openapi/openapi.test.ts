import { env } from "cloudflare:workers";
import { createExecutionContext } from "cloudflare:test";
import { type } from "arktype";
import { DurableBase, Route, type RouteOptions } from "durable-base";
import { openapi, type OpenApiDocument } from "durable-base/openapi";
import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { Counter as ExampleCounter } from "../../example/counter/counter.ts";
import { problem } from "../../src/route/problem.ts";
import { thrownBy } from "../error-of.ts";
import { LegacyRoutes } from "../legacy/twins/route.ts";
import { library, Shelf } from "./fixtures/openapi.ts";
import { Routes } from "../route/fixtures/route.ts";

const problemOf = (name: string): object => ({ $ref: `#/components/responses/${name}` });

/** The only operation of a class with one route of these options. */
function documentOf(method: string, path: string, options: RouteOptions = {}): OpenApiDocument {
  class Subject extends DurableBase {
    @Route(method, path, options) member(): void {}
  }
  return openapi(Subject);
}

function operationOf(method: string, path: string, options: RouteOptions = {}) {
  const [item] = Object.values(documentOf(method, path, options).paths);
  return item![method.toLowerCase() as "get"]!;
}

const parametersOf = (...args: Parameters<typeof operationOf>) => operationOf(...args).parameters ?? [];
const bodyOf = (...args: Parameters<typeof operationOf>) => operationOf(...args).requestBody!;

describe("openapi", () => {
  it("describes a class: what it is called, what it takes, how it answers", () => {
    const { paths, components, ...head } = openapi(ExampleCounter);
    expect(head).toEqual({ openapi: "3.1.0", info: { title: "Counter", version: "0.0.0" } });
    expect(paths["/increment"]).toEqual({
      post: {
        operationId: "increment",
        requestBody: {
          required: false,
          content: {
            "application/json": {
              schema: {
                type: "object",
                properties: { by: { type: "integer", minimum: -(2 ** 53) + 1, maximum: 2 ** 53 - 1, default: 1 } },
              },
            },
          },
        },
        responses: {
          200: {
            description: "The result.",
            content: { "application/json": { schema: {} }, "text/plain": { schema: { type: "string" } } },
          },
          204: { description: "Done, without a result." },
          400: problemOf("BadRequest"),
          413: problemOf("ContentTooLarge"),
          415: problemOf("UnsupportedMediaType"),
          422: problemOf("InvalidInput"),
          default: problemOf("Refused"),
        },
      },
    });
    expect(Object.keys(components.responses["InvalidInput"]!.content!)).toEqual(["application/problem+json"]);
  });

  it("takes a title, a version and servers", () => {
    const info = { title: "Counters", version: "2.0.0", license: { name: "MIT" } };
    const { servers, ...document } = openapi(ExampleCounter, { info, servers: [{ url: "/counters/alice" }] });
    expect([document.info, servers]).toEqual([info, [{ url: "/counters/alice" }]]);
  });

  it("gives the same text each time, and the same for both dialects", () => {
    const info = { title: "Routes" };
    expect(JSON.stringify(openapi(Routes, { info }))).toBe(JSON.stringify(openapi(LegacyRoutes, { info })));
  });

  it("describes the problems that are sent", async () => {
    const { Problem } = openapi(ExampleCounter).components.schemas;
    const sent = await problem(422, { detail: "no", issues: [{ path: ["by", 0], message: "no" }] }).json<object>();
    expect(Object.keys(sent).toSorted()).toEqual(Object.keys(Problem!["properties"] as object).toSorted());
  });

  it.each([
    [
      "a function that gives a namespace",
      { "/counters/:name": () => env.SHELF },
      '`openapi({ "/counters/:name": Counter })`',
    ],
    ["a function", () => env.SHELF, "`openapi(Counter)`"],
    ["no class", { "/counters/:name": undefined }, "undefined is no class"],
    ["nothing", undefined, "undefined is no class"],
    ["a path without a slash", { "counters/:name": Shelf }, '"counters/:name" must begin with "/"'],
    [
      "a path with a slash at its end",
      { "/counters/:name/": Shelf },
      '"/counters/:name/" must begin with "/" and not end',
    ],
  ])("refuses %s", (_, target, part) => {
    const error = thrownBy(() => openapi(target as never));
    expect(error.code).toBe("bad-option");
    expect(error.message).toContain(part);
  });
});

describe("openapi, paths", () => {
  it("takes targets as `serve` does: with options, and at the root", () => {
    const document = openapi({ "/shelves/:name": { object: Shelf }, "/": { object: ExampleCounter } });
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(["/shelves/{name}/books", "/increment", "/"]));
    expect(thrownBy(() => openapi({ "/": { object: () => env.SHELF } as never }))).toMatchObject({
      code: "bad-option",
    });
  });

  it.each<[string, string[], object[]]>([
    ["/items/:id", ["/items/{id}"], [{ type: "string" }]],
    ["/items/:id{[0-9]+}", ["/items/{id}"], [{ type: "string", pattern: "^(?:[0-9]+)$" }]],
    [
      "/:year{[0-9]{4}}/:month",
      ["/{year}/{month}"],
      [{ type: "string", pattern: "^(?:[0-9]{4})$" }, { type: "string" }],
    ],
    ["/items/:id?", ["/items", "/items/{id}"], [{ type: "string" }]],
    ["/:a?", ["/", "/{a}"], [{ type: "string" }]],
    ["/x/:a?/:b?", ["/x", "/x/{a}", "/x/{a}/{b}"], [{ type: "string" }, { type: "string" }]],
    ["/files/*", ["/files/{wildcard}"], [{ type: "string" }]],
    ["/a/*/b/:wildcard/*", ["/a/{wildcard}/b/{wildcard2}/{wildcard3}"], [{}, {}, {}].map(() => ({ type: "string" }))],
    ["/:path{.+}", ["/{path}"], [{ type: "string", pattern: "^(?:.+)$" }]],
    ["/:file.png", ["/{file}.png"], [{ type: "string" }]],
    ["/v:major/x", ["/v:major/x"], []],
    ["/a{b}", ["/a%7Bb%7D"], []],
    ["/a/", ["/a"], []],
    ["/", ["/"], []],
  ])("makes templates of %s", (path, templates, schemas) => {
    const { paths } = documentOf("GET", path);
    expect(Object.keys(paths)).toEqual(templates);
    const { parameters = [] } = paths[templates.at(-1)!]!.get!;
    expect(parameters.map(({ schema }) => schema)).toEqual(schemas);
    expect(parameters.every(({ in: place, required }) => place === "path" && required)).toBe(true);
  });

  it("says where further segments are taken", () => {
    const described = (path: string) => parametersOf("GET", path).map(({ description }) => description !== undefined);
    expect(described("/files/*")).toEqual([true]);
    expect(described("/:path{.+}")).toEqual([true]);
    expect(described("/*/:id{[^/]+}")).toEqual([false, false]);
  });

  it("joins paths that differ in names of parameters, and describes the first of one verb", () => {
    class Joined extends DurableBase {
      @Route.get("/items/:id{[0-9]+}") byId(): void {}
      @Route.get("/items/:slug{[a-z]+}") bySlug(): void {}
      @Route.put("/items/:slug", { input: z.object({ slug: z.string().min(3) }) }) put(): void {}
    }
    const { paths } = openapi(Joined);
    expect(Object.keys(paths)).toEqual(["/items/{id}"]);
    const { get, put } = paths["/items/{id}"]!;
    expect(get!.operationId).toBe("byId");
    expect(put!.parameters).toEqual([
      { name: "id", in: "path", required: true, schema: { type: "string", minLength: 3 } },
    ]);
  });

  it("describes `all` by every verb that it answers by itself, and leaves out what OpenAPI does not know", () => {
    expect(Object.keys(documentOf("ALL", "/x").paths["/x"]!)).toEqual([
      ...["get", "put", "post", "delete", "options", "patch"],
    ]);
    expect(documentOf("REPORT", "/x").paths).toEqual({});
  });

  it("takes a subclass's routes for those they replace", () => {
    class Parent extends DurableBase {
      @Route.get("/x") old(): void {}
      @Route.get("/moved") moved(): void {}
    }
    class Child extends Parent {
      @Route.get("/x") fresh(): void {}
      @Route.get("/here") override moved(): void {}
    }
    const { paths } = openapi(Child);
    expect(Object.entries(paths).map(([path, { get }]) => [path, get!.operationId])).toEqual([
      ["/x", "fresh"],
      ["/here", "moved"],
    ]);
  });

  it("puts the paths of a map's classes behind their prefix", () => {
    const document = openapi({ "/:tenant/shelves/:name": Shelf, "/counters/:name": ExampleCounter });
    expect(document.info.title).toBe("Shelf, Counter");
    expect(Object.keys(document.paths)).toContain("/{tenant}/shelves/{name}/books/{id}");
    expect(document.paths["/counters/{name}"]!.get).toMatchObject({
      operationId: "Counter.read",
      tags: ["Counter"],
      parameters: [{ name: "name", in: "path", required: true, schema: { type: "string" } }],
    });
  });

  it("tells the object's name from a parameter that is called so too", () => {
    class Named extends DurableBase {
      @Route.get("/by/:name", { input: z.object({ name: z.string().max(5) }) }) read(): void {}
    }
    const { paths } = openapi({ "/named/:name": Named });
    expect(paths["/named/{name}/by/{name2}"]!.get!.parameters).toMatchObject([
      { name: "name", schema: { type: "string" } },
      { name: "name2", schema: { type: "string", maxLength: 5 } },
    ]);
  });
});

describe("openapi, input", () => {
  const input = z.object({ id: z.string().min(2), by: z.number(), note: z.string().default("none") });

  it.each(["GET", "DELETE", "OPTIONS"])("shares input out to path and query for %s", (method) => {
    expect(operationOf(method, "/x/:id", { input }).requestBody).toBeUndefined();
    expect(parametersOf(method, "/x/:id", { input })).toEqual([
      { name: "id", in: "path", required: true, schema: { type: "string", minLength: 2 } },
      { name: "by", in: "query", required: true, schema: { type: "number" } },
      { name: "note", in: "query", required: false, schema: { type: "string", default: "none" } },
    ]);
  });

  it.each(["POST", "PUT", "PATCH"])("shares input out to path and body for %s", (method) => {
    expect(parametersOf(method, "/x/:id", { input }).map(({ name }) => name)).toEqual(["id"]);
    const { required, content } = bodyOf(method, "/x/:id", { input });
    expect([required, content["application/json"]!.schema["required"]]).toEqual([true, ["by"]]);
    expect(Object.keys(content["application/json"]!.schema["properties"] as object)).toEqual(["by", "note"]);
  });

  it("puts an optional parameter in the query of the path without it", () => {
    const { paths } = documentOf("GET", "/x/:id?", { input: z.object({ id: z.string().optional() }) });
    expect(paths["/x"]!.get!.parameters).toMatchObject([{ name: "id", in: "query", required: false }]);
    expect(paths["/x/{id}"]!.get!.parameters).toMatchObject([{ name: "id", in: "path", required: true }]);
  });

  it("keeps the pattern of a path beside that of a schema", () => {
    const both = { input: z.object({ id: z.string().regex(/^a/) }) };
    expect(parametersOf("GET", "/:id{[a-z]+}", both)[0]!.schema).toEqual({
      allOf: [{ type: "string", pattern: "^a" }, { pattern: "^(?:[a-z]+)$" }],
    });
    const one = { input: z.object({ id: z.coerce.number().min(1) }) };
    expect(parametersOf("GET", "/:id{[0-9]+}", one)[0]!.schema).toEqual({
      type: "number",
      minimum: 1,
      pattern: "^(?:[0-9]+)$",
    });
  });

  it("describes each part by its own schema", () => {
    const options = {
      params: z.object({ id: z.coerce.number() }),
      query: z.object({ page: z.string() }),
      body: z.array(z.string()),
    };
    expect(parametersOf("POST", "/x/:id", options)).toEqual([
      { name: "id", in: "path", required: true, schema: { type: "number" } },
      { name: "page", in: "query", required: true, schema: { type: "string" } },
    ]);
    const body = {
      required: true,
      content: { "application/json": { schema: { type: "array", items: { type: "string" } } } },
    };
    expect(bodyOf("POST", "/x/:id", options)).toEqual(body);
    expect(bodyOf("DELETE", "/x/:id", options)).toEqual(body);
    expect(operationOf("GET", "/x/:id", options).requestBody).toBeUndefined();
  });

  it("finds the schema that another route of the method gives", () => {
    class Two extends DurableBase {
      @Route.get("/one", { input: z.object({ by: z.string() }) })
      @Route.get("/two/:by", { openapi: { hidden: true } })
      @Route.get("/three/:by")
      member(): void {}
    }
    const { paths } = openapi(Two);
    expect(Object.keys(paths).toSorted()).toEqual(["/one", "/three/{by}"]);
    expect(Object.keys(paths["/three/{by}"]!.get!.responses)).toContain("422");
  });

  it("tells members apart beside annotations", () => {
    const query = z
      .object({ page: z.string().describe("From 1") })
      .meta({ id: "Query", title: "Q", examples: [{}], own: 1 });
    expect(parametersOf("GET", "/", { query })).toEqual([
      { name: "page", in: "query", required: true, schema: { type: "string", description: "From 1" } },
    ]);
  });

  it("lets one parameter stand for a query whose members cannot be told apart", () => {
    const anyOf = z.union([z.object({ id: z.string(), a: z.string() }), z.object({ b: z.string() })]);
    expect(parametersOf("GET", "/:id", { input: anyOf })[1]).toEqual({
      name: "query",
      in: "query",
      required: true,
      style: "form",
      explode: true,
      schema: {
        type: "object",
        anyOf: [
          { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
          { type: "object", properties: { b: { type: "string" } }, required: ["b"] },
        ],
      },
    });
    const record = z.record(z.string(), z.string());
    expect(parametersOf("GET", "/", { query: record })).toMatchObject([
      { name: "query", required: false, explode: true, schema: { additionalProperties: { type: "string" } } },
    ]);
  });

  it("describes an input that is no object by what HTTP can give: an object", () => {
    const schemaOf = (schema: z.ZodType): unknown =>
      bodyOf("POST", "/", { input: schema }).content["application/json"]!.schema;
    expect(schemaOf(z.array(z.string()))).toEqual({
      type: "object",
      allOf: [{ type: "array", items: { type: "string" } }],
    });
    expect(schemaOf(z.union([z.string(), z.object({ a: z.string() })]))).toMatchObject({ type: "object" });
  });

  it("takes an input's only member `body` for the body, when it is no object", () => {
    const scores = bodyOf("POST", "/:id", { input: z.object({ id: z.string(), body: z.array(z.number()) }) });
    expect(scores).toEqual({
      required: true,
      content: { "application/json": { schema: { type: "array", items: { type: "number" } } } },
    });
    const nested = bodyOf("POST", "/", { input: z.object({ body: z.object({ a: z.string() }) }) });
    expect(nested.content["application/json"]!.schema["required"]).toEqual(["body"]);
  });

  it.each<[string, unknown, string[], string[]]>([
    ["json", undefined, ["application/json"], ["413", "415"]],
    ["form", "form", ["application/x-www-form-urlencoded", "multipart/form-data"], ["413", "415"]],
    [
      "json and form",
      ["json", "form"],
      ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
      ["413", "415"],
    ],
    ["text", "text", ["text/plain"], ["413"]],
    ["bytes", "bytes", ["application/octet-stream"], ["413"]],
    ["json and a stream", ["json", "stream"], ["application/json", "application/octet-stream"], ["413"]],
    ["json and text", ["json", "text"], ["application/json", "text/plain"], ["413", "415"]],
  ])("names the content types of %s", (_, accept, types, codes) => {
    const { requestBody, responses } = operationOf("POST", "/", { accept } as RouteOptions);
    expect(Object.keys(requestBody!.content)).toEqual(types);
    expect(Object.keys(responses).filter((code) => code === "413" || code === "415")).toEqual(codes);
  });

  it("describes text by the member `body` and bytes by nothing", () => {
    const body = z.object({ body: z.string().max(5) });
    expect(bodyOf("POST", "/", { accept: "text", input: body }).content["text/plain"]).toEqual({
      schema: { type: "string", maxLength: 5 },
    });
    expect(bodyOf("POST", "/", { accept: "text" }).content["text/plain"]).toEqual({ schema: { type: "string" } });
    expect(bodyOf("POST", "/", { accept: "bytes" }).content["application/octet-stream"]).toEqual({ schema: {} });
  });

  it("describes a schema that cannot describe itself as unknown", () => {
    const unknown = { required: false, content: { "application/json": { schema: {} } } };
    expect(bodyOf("POST", "/", { input: v.object({ a: v.string() }) })).toEqual(unknown);
    const mute = { ...z.string()["~standard"], jsonSchema: undefined };
    const failing = {
      input(): never {
        throw new Error("cannot be described");
      },
    };
    for (const jsonSchema of [
      mute.jsonSchema,
      failing,
      {},
      { input: () => undefined },
      { input: () => ({ default: 1n }) },
    ]) {
      const schema = { "~standard": { ...mute, jsonSchema } };
      expect(bodyOf("POST", "/", { input: schema as RouteOptions["input"] & {} })).toEqual(unknown);
      expect(parametersOf("GET", "/", { input: schema as RouteOptions["input"] & {} })).toMatchObject([
        { name: "query", required: false, schema: {} },
      ]);
    }
  });

  it("describes the rest of a schema of which a part cannot be described", () => {
    const input = z.object({ at: z.date(), n: z.number() });
    expect(bodyOf("POST", "/", { input }).content["application/json"]!.schema["properties"]).toEqual({
      at: {},
      n: { type: "number" },
    });
    const morph = type({ n: "string.numeric.parse", "at?": "Date" });
    expect(bodyOf("POST", "/", { input: morph }).content["application/json"]!.schema).toMatchObject({
      properties: { n: { type: "string" }, at: {} },
      required: ["n"],
    });
  });
});

describe("openapi, schemas that refer", () => {
  const Tree = z.object({
    name: z.string(),
    get kids() {
      return z.array(Tree);
    },
  });
  const UserId = z.string().min(3).meta({ id: "UserId" });

  it("moves a schema that refers to itself to the components", () => {
    const { paths, components } = documentOf("POST", "/", { input: Tree });
    const $ref = "#/components/schemas/memberInput";
    expect(paths["/"]!.post!.requestBody).toEqual({
      required: true,
      content: { "application/json": { schema: { $ref } } },
    });
    expect(components.schemas["memberInput"]).toEqual({
      type: "object",
      properties: { name: { type: "string" }, kids: { type: "array", items: { $ref } } },
      required: ["name", "kids"],
    });
  });

  it("shares out the members of a schema that refers to itself", () => {
    const nodes = type.module({ node: { name: "string", "kids?": "node[]" } });
    for (const input of [Tree, nodes.node]) {
      const { paths, components } = documentOf("POST", "/:name", { input });
      const { parameters, requestBody } = paths["/{name}"]!.post!;
      expect(parameters![0]!.schema).toEqual({ type: "string" });
      const { properties } = requestBody!.content["application/json"]!.schema as { properties: object };
      expect(Object.keys(properties)).toEqual(["kids"]);
      expect(Object.keys(components.schemas).length).toBeGreaterThan(1);
      expect(danglingIn(documentOf("POST", "/:name", { input }))).toEqual([]);
    }
  });

  it("gives definitions of the same name and text one component, others a name of their own", () => {
    const Other = z.string().max(9).meta({ id: "Other" });
    const described = (schema: object, name: string) => ({
      $defs: { Shared: schema },
      type: "object",
      properties: { [name]: { $ref: "#/$defs/Shared" } },
    });
    const offering = (text: object) =>
      ({
        "~standard": { version: 1, vendor: "own", validate: () => ({ value: 1 }), jsonSchema: { input: () => text } },
      }) as never;
    class Users extends DurableBase {
      @Route.post("/a", { input: z.object({ id: UserId }) }) a(): void {}
      @Route.post("/b", { input: z.object({ id: UserId, other: Other }) }) b(): void {}
      @Route.post("/c", { input: offering(described({ type: "string" }, "x")) }) c(): void {}
      @Route.post("/d", { input: offering(described({ type: "number" }, "x")) }) d(): void {}
      @Route.post("/e", {
        input: offering({
          $defs: { Problem: { enum: [{ $ref: "#/data" }] }, "a/b~c": {} },
          properties: { $ref: { $ref: "#/$defs/Problem" }, default: { $ref: "#/$defs/a~1b~0c" } },
        }),
      })
      e(): void {}
      @Route.post("/f", {
        input: offering({
          $defs: { P: { properties: { q: {} } } },
          properties: { p: { $ref: "#/$defs/P/properties/q" }, r: { $ref: "#/properties/p" } },
        }),
      })
      f(): void {}
    }
    const document = openapi(Users);
    const bodies = Object.values(document.paths).map(
      ({ post }) => post!.requestBody!.content["application/json"]!.schema,
    );
    expect(Object.keys(document.components.schemas)).toEqual([
      "Problem",
      "UserId",
      "Other",
      "Shared",
      "Shared2",
      "Problem2",
      "a_b_c",
      "P",
      "fInput",
    ]);
    expect(bodies.slice(2, 4)).toMatchObject([
      { properties: { x: { $ref: "#/components/schemas/Shared" } } },
      { properties: { x: { $ref: "#/components/schemas/Shared2" } } },
    ]);
    expect(document.components.schemas["Problem2"]).toEqual({ enum: [{ $ref: "#/data" }] });
    expect(bodies[4]).toMatchObject({
      properties: { $ref: { $ref: "#/components/schemas/Problem2" }, default: { $ref: "#/components/schemas/a_b_c" } },
    });
    expect(document.components.schemas["fInput"]).toMatchObject({
      properties: {
        p: { $ref: "#/components/schemas/P/properties/q" },
        r: { $ref: "#/components/schemas/fInput/properties/p" },
      },
    });
  });
});

describe("openapi, operations", () => {
  it("says what a route says of itself", () => {
    const about = { summary: "Short", description: "Long", tags: ["x"], deprecated: true };
    expect(operationOf("GET", "/", { openapi: about })).toMatchObject(about);
    expect(documentOf("GET", "/", { openapi: { hidden: true } }).paths).toEqual({});
  });

  it("gives each operation an id of its own, and leaves a chosen one alone", () => {
    class Same extends DurableBase {
      @Route.get("/c", { openapi: { operationId: "read" } }) other(): void {}
      @Route.get("/b/:id?") @Route.get("/a") read(): void {}
      @Route.get("/d") read2(): void {}
    }
    const ids = Object.values(openapi(Same).paths).map(({ get }) => get!.operationId);
    expect(ids).toEqual(["read", "read2", "read3", "read4", "read22"]);
  });

  it.each<[RouteOptions, string[]]>([
    [{}, ["200", "204"]],
    // A result of `undefined` is 204 then, too.
    [{ status: 200 }, ["200", "204"]],
    [{ status: 201 }, ["201"]],
    [{ status: 204 }, ["204"]],
    [{ openapi: { responses: { 404: { description: "None." } } } }, ["200", "204", "404"]],
    [{ status: 201, openapi: { responses: { 303: { description: "There." } } } }, ["303"]],
  ])("answers with %j", (options, codes) => {
    const { responses } = operationOf("GET", "/", options);
    expect(Object.keys(responses)).toEqual([...codes, "400", "default"].toSorted());
  });

  it("describes answers by the output of schemas, or by JSON Schema", () => {
    const Sent = z.object({ n: z.string().transform(Number).pipe(z.number()) });
    const responses = {
      200: { description: "Sent.", content: { "application/json": { schema: Sent } } },
      409: { content: { "application/json": { schema: { type: "integer" } }, "text/plain": {} } },
      500: { content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } } },
      default: { description: "Mine." },
    };
    const described = operationOf("GET", "/", { openapi: { responses } }).responses;
    expect(described["200"]).toMatchObject({
      description: "Sent.",
      content: { "application/json": { schema: { properties: { n: { type: "number" } } } } },
    });
    expect(described["409"]).toEqual({
      description: "The answer.",
      content: { "application/json": { schema: { type: "integer" } }, "text/plain": {} },
    });
    expect(described["500"]).toEqual({ description: "The answer.", ...responses[500] });
    expect(described["default"]).toEqual({ description: "Mine." });
  });

  it("lists 404 where a path has a pattern, and 422 where there is a schema", () => {
    const codes = (path: string, options?: RouteOptions) => Object.keys(operationOf("GET", path, options).responses);
    expect(codes("/:id")).toEqual(["200", "204", "400", "default"]);
    expect(codes("/:id{[a-z]}", { params: z.object({ id: z.string() }) })).toEqual([
      "200",
      "204",
      "400",
      "404",
      "422",
      "default",
    ]);
  });
});

describe("openapi, served", () => {
  let warn: { mockRestore(): void };
  beforeEach(() => {
    warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  });
  afterEach(() => warn.mockRestore());

  it("is sent by the object itself, and by a Worker", async () => {
    const own = await env.SHELF.getByName("document").fetch("http://o/openapi.json");
    expect(own.headers.get("content-type")).toBe("application/json");
    expect(await own.json()).toEqual(openapi(Shelf, { info: { title: "Shelves", version: "1.0.0" } }));
    const worker = await library.fetch(new Request("http://o/openapi.json"), env, createExecutionContext());
    const document = await worker.json<OpenApiDocument>();
    expect(document).toEqual(openapi({ "/shelves/:name": Shelf }));
    expect(Object.keys(document.paths)).not.toContain("/shelves/{name}/openapi.json");
  });
});

/** References of a document that lead nowhere. */
function danglingIn(document: OpenApiDocument): string[] {
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
  const found = (path: string) =>
    path.split("/").reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], document);
  return refs.filter((path) => found(path) === undefined);
}
