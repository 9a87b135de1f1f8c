/** Documents, checked by a public validator; in Node, as it compiles its schemas by `new Function`. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { DurableBase, DurableError, Route, type RouteOptions } from "durable-base";
import { openapi, type OpenApiDocument, type OpenApiTarget } from "durable-base/openapi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Counter } from "../../example/counter/counter.ts";
import { TodoList } from "../../example/todo-list/todo-list.ts";
import { LegacyChildRoutes, LegacyRoutes } from "../legacy/twins/route.ts";
import { Shelf } from "../openapi/fixtures/openapi.ts";
import { FetchingRoutes, StuckRoutes } from "../route/fixtures/failing.ts";
import { ChildRoutes, Routes } from "../route/fixtures/route.ts";
import { isLong } from "../battery.ts";

async function errorsOf(document: OpenApiDocument): Promise<unknown> {
  const validator = new Validator();
  const { errors } = await validator.validate(JSON.parse(JSON.stringify(document)) as Record<string, unknown>);
  expect(validator.version).toBe("3.1");
  return errors;
}

const dialect = new Ajv2020();

/** The schemas of a document, wherever they are. */
function schemasIn(part: unknown): object[] {
  if (typeof part !== "object" || part === null) return [];
  return Object.entries(part as Record<string, object>).flatMap(([key, value]) =>
    key === "schema" ? [value] : key === "schemas" ? Object.values(value) : schemasIn(value),
  );
}

/** What the validator's schema of OpenAPI does not look at. */
function slipsOf(document: OpenApiDocument): string[] {
  const slips = schemasIn(document)
    .filter((schema) => dialect.validateSchema(schema) !== true)
    .map((schema) => `${JSON.stringify(schema)} is no JSON Schema`);
  const ids = new Set<string>();
  const shapes = new Set<string>();
  for (const [path, item] of Object.entries(document.paths)) {
    const names = Array.from(path.matchAll(/\{(.*?)\}/g), ([, name]) => name);
    const shape = path.replaceAll(/\{.*?\}/g, "{}");
    if (shapes.has(shape)) slips.push(`${path} is there twice`);
    shapes.add(shape);
    for (const { operationId, parameters = [] } of Object.values(item)) {
      if (ids.has(operationId)) slips.push(`${operationId} is there twice`);
      ids.add(operationId);
      const inPath = parameters.filter(({ in: place }) => place === "path").map(({ name }) => name);
      if (inPath.join() !== names.join()) slips.push(`${path} has parameters ${inPath.join()}`);
      const keys = parameters.map(({ in: place, name }) => `${place} ${name}`);
      if (new Set(keys).size < keys.length) slips.push(`${path} has a parameter twice`);
    }
  }
  for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = ref!
      .split("/")
      .reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], document);
    if (found === undefined) slips.push(`${ref} leads nowhere`);
  }
  return slips;
}

describe("openapi, by a public validator", () => {
  it.each<[string, OpenApiTarget]>([
    ["Routes", Routes],
    ["ChildRoutes", ChildRoutes],
    ["StuckRoutes", StuckRoutes],
    ["FetchingRoutes", FetchingRoutes],
    ["LegacyRoutes", LegacyRoutes],
    ["LegacyChildRoutes", LegacyChildRoutes],
    ["Shelf", Shelf],
    ["the example", { "/counters/:name": Counter, "/lists/:name": TodoList }],
    ["many classes", { "/:tenant/routes/:name": Routes, "/more/:name": Routes, "/shelves/:name": Shelf }],
    ["a class without routes", class extends DurableBase {}],
  ])("takes the document of %s", async (_, target) => {
    const document = openapi(target);
    expect(await errorsOf(document)).toBeUndefined();
    expect(slipsOf(document)).toEqual([]);
  });

  it("would refuse what is no document", async () => {
    const document = openapi(Shelf);
    expect(await errorsOf({ ...document, paths: { "no/slash": {} } })).toBeDefined();
    const broken = { ...document, components: { schemas: { Wrong: { type: "nonsense" } }, responses: {} } };
    expect(slipsOf(broken)).toContainEqual('{"type":"nonsense"} is no JSON Schema');
    expect(slipsOf(broken)).toContainEqual("components/responses/Refused leads nowhere");
  });

  it("takes the documents of arbitrary classes", async () => {
    const validator = new Validator();
    await fc.assert(
      fc.asyncProperty(fc.array(route, { minLength: 1, maxLength: 8 }), fc.boolean(), async (routes, isServed) => {
        const document = openapi(isServed ? { "/x/:name": classOf(routes) } : classOf(routes));
        expect(JSON.parse(JSON.stringify(document))).toEqual(document);
        expect(slipsOf(document)).toEqual([]);
        const { errors } = await validator.validate(document as never);
        expect(errors).toBeUndefined();
      }),
      { numRuns: isLong ? 300 : 40 },
    );
  });
});

interface Arbitrary {
  readonly method: string;
  readonly path: string;
  readonly member: string;
  readonly options: RouteOptions;
}

/** A class with those of the routes that can be. */
function classOf(routes: readonly Arbitrary[]): abstract new (...args: never[]) => object {
  class Subject extends DurableBase {}
  // As the legacy dialect applies it: to members whose names are not known when this is written.
  for (const { method, path, member, options } of routes) {
    const descriptor = { value: () => undefined, writable: true, configurable: true };
    try {
      (Route(method, path, options) as (prototype: object, name: string, property: object) => void)(
        Subject.prototype,
        member,
        descriptor,
      );
    } catch (error) {
      // Twice the same route, a parameter twice: refused where it is written.
      if (!DurableError.is(error)) throw error;
    }
  }
  return Subject;
}

const NAMES = ["id", "name", "query", "body", "constructor", "wildcard"] as const;
const name = fc.constantFrom(...NAMES);

const part = fc.oneof(
  fc.stringMatching(/^[a-zä.~%@:{}-]{1,6}$/),
  name.map((word) => `:${word}`),
  name.map((word) => `:${word}{[0-9]{2}}`),
  name.map((word) => `:${word}{.+}`),
  name.map((word) => `:${word}.json`),
  fc.constant("*"),
);
const path = fc
  .tuple(fc.array(part, { maxLength: 4 }), fc.constantFrom("", "", "?", "/*", "/"))
  .map(([parts, end]) => `/${parts.join("/")}${end}`);

const { schema } = fc.letrec<{ schema: z.ZodType }>((tie) => ({
  schema: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<z.ZodType>(
      z.string().regex(/^a/),
      z.int().min(1),
      z.boolean(),
      z.null(),
      z.date(),
      z.enum(["a", "b"]),
      z.any(),
      recursive(),
      z.string().meta({ id: "Word" }),
    ),
    tie("schema").map((inner) => inner.optional()),
    tie("schema").map((inner) => z.array(inner)),
    tie("schema").map((inner) => z.record(z.string(), inner)),
    tie("schema").map((inner) => inner.transform(() => 1)),
    fc.tuple(tie("schema"), tie("schema")).map(([one, two]) => z.union([one, two])),
    fc.dictionary(name, tie("schema"), { maxKeys: 4 }).map((members) => z.object(members)),
    fc.dictionary(name, tie("schema"), { maxKeys: 4 }).map((members) => z.strictObject(members)),
    fc
      .tuple(fc.dictionary(name, tie("schema")), tie("schema"))
      .map(([members, rest]) => z.object(members).catchall(rest)),
  ),
}));

function recursive(): z.ZodType {
  const Node = z.object({
    id: z.string(),
    get kids() {
      return z.array(Node).optional();
    },
  });
  return Node;
}

const schemas = fc.oneof(
  fc.record({ input: schema }),
  fc.record({ params: schema, query: schema, body: schema }, { requiredKeys: [] }),
);

const others = fc.record(
  {
    accept: fc.subarray(["json", "form", "text", "bytes", "stream"] as const, { minLength: 1 }),
    status: fc.constantFrom(200, 201, 204),
    openapi: fc.record(
      {
        summary: fc.string(),
        tags: fc.array(fc.string()),
        operationId: name,
        deprecated: fc.boolean(),
        hidden: fc.boolean(),
        responses: fc.dictionary(
          fc.constantFrom("200", "303", "404", "default"),
          fc.record(
            { description: fc.string(), content: schema.map((sent) => ({ "application/json": { schema: sent } })) },
            { requiredKeys: [] },
          ),
        ),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);

const options = fc.tuple(schemas, others).map(([given, about]) => ({ ...given, ...about }));

const route: fc.Arbitrary<Arbitrary> = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ALL", "REPORT"),
  path,
  member: name.filter((word) => word !== "constructor"),
  options,
});
