/** What a document says a client may send, sent: the object takes it, and refuses what the document rules out. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { openapi, type JsonSchema, type OpenApiDocument } from "durable-base/openapi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { library, Shelf } from "./fixtures/openapi.ts";

const document = openapi({ "/shelves/:name": Shelf });

type Operation = NonNullable<OpenApiDocument["paths"][string]["get"]>;
type Values = Readonly<Record<string, unknown>>;

/** One request as its parts. */
interface Sent {
  readonly path: Values;
  readonly query: Values;
  readonly body: unknown;
}

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([verb, operation]): [string, string, string, Operation] => [
    operation.operationId,
    verb,
    path,
    operation,
  ]),
);

/** Text that the query, the path and JSON all carry unchanged. */
const words = /^[a-zäß 0-9]{1,12}$/u;

/** Values that a schema allows, as far as the fixtures' schemas go. */
function valuesOf(schema: JsonSchema, depth = 0): fc.Arbitrary<unknown> {
  const {
    $ref,
    type,
    anyOf,
    const: only,
    enum: some,
    properties,
    required = [],
    items,
  } = schema as {
    $ref?: string;
    type?: string;
    anyOf?: JsonSchema[];
    const?: unknown;
    enum?: unknown[];
    properties?: Record<string, JsonSchema>;
    required?: string[];
    items?: JsonSchema;
  };
  const {
    minItems = 0,
    maxItems = 3,
    minimum,
    exclusiveMinimum,
    maximum,
    pattern,
  } = schema as Record<string, number> & {
    pattern?: string;
  };
  if ($ref !== undefined) return valuesOf(document.components.schemas[$ref.split("/").at(-1)!]!, depth);
  if (anyOf !== undefined) return fc.oneof(...anyOf.map((branch) => valuesOf(branch, depth)));
  if (only !== undefined) return fc.constant(only);
  if (some !== undefined) return fc.constantFrom(...some);
  switch (type) {
    case "object": {
      const members = Object.entries(properties ?? {}).map(
        ([name, each]) => [name, valuesOf(each, depth + 1)] as const,
      );
      return fc.record(Object.fromEntries(members), { requiredKeys: required });
    }
    case "array":
      // A schema that refers to itself ends here.
      if (depth > 3 && minItems === 0) return fc.constant([]);
      return fc.array(valuesOf(items!, depth + 1), { minLength: minItems, maxLength: maxItems });
    case "string":
      return fc.stringMatching(pattern === undefined ? words : new RegExp(pattern));
    case "boolean":
      return fc.boolean();
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "integer": {
      const min = Math.max(
        exclusiveMinimum === undefined ? -(2 ** 53) + 1 : exclusiveMinimum + 1,
        minimum ?? -(2 ** 53) + 1,
      );
      return fc
        .integer({ min, max: maximum ?? 2 ** 53 - 1 })
        .filter((value) => pattern === undefined || new RegExp(pattern).test(String(value)));
    }
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`);
  }
}

/** Makes of what is allowed something that is not. */
type Break<Value> = readonly [flaw: string, breaks: (value: Value) => Value];

/** Values that differ from `schema` in one thing that it says; none where it says nothing that can be broken. */
function brokenOf(schema: JsonSchema, inText: boolean): Break<unknown>[] {
  const {
    $ref,
    type,
    anyOf,
    enum: some,
    const: only,
    properties = {},
    required = [],
    additionalProperties,
    minLength,
  } = schema as Record<string, never> & { properties?: Record<string, JsonSchema>; required?: string[] };
  if ($ref !== undefined) return brokenOf(document.components.schemas[String($ref).split("/").at(-1)!]!, inText);
  const broken: Break<unknown>[] = [];
  const bound = (schema["minimum"] ?? schema["exclusiveMinimum"]) as number | undefined;
  if (type !== undefined && !inText) broken.push(["another type", () => (type === "boolean" ? "x" : true)]);
  if (inText && (type === "integer" || type === "number")) broken.push(["no number", () => "x"]);
  if (some !== undefined || only !== undefined) broken.push(["another word", () => "none of these"]);
  if (bound !== undefined) broken.push(["below", () => bound - 1]);
  if (schema["maximum"] !== undefined) broken.push(["above", () => Number(schema["maximum"]) + 1]);
  if (minLength !== undefined && !inText) broken.push(["empty", () => ""]);
  if (schema["maxItems"] !== undefined) {
    broken.push(["too many", () => Array.from({ length: Number(schema["maxItems"]) + 1 }, () => "x")]);
  }
  if (schema["minItems"] !== undefined) broken.push(["too few", () => []]);
  if (anyOf !== undefined) broken.push(["none of the union", () => ({})]);
  for (const name of required) {
    broken.push([
      `without ${name}`,
      (value) => Object.fromEntries(Object.entries(value as Values).filter(([key]) => key !== name)),
    ]);
  }
  if (additionalProperties === false) {
    broken.push(["with another member", (value) => ({ ...(value as Values), another: 1 })]);
  }
  for (const [name, each] of Object.entries(properties)) {
    for (const [flaw, breaks] of brokenOf(each, inText)) {
      broken.push([`${name}: ${flaw}`, (value) => ({ ...(value as Values), [name]: breaks((value as Values)[name]) })]);
    }
  }
  return broken;
}

const parametersIn = (operation: Operation, place: string) =>
  (operation.parameters ?? []).filter(({ in: where }) => where === place);

function schemaOfBody(operation: Operation): JsonSchema | undefined {
  return operation.requestBody?.content["application/json"]?.schema;
}

/** Requests that the document allows. */
function requestsOf(operation: Operation): fc.Arbitrary<Sent> {
  const inQuery = parametersIn(operation, "query");
  const path = parametersIn(operation, "path").map(({ name, schema }) => [name, valuesOf(schema)] as const);
  const query = inQuery.map(({ name, schema }) => [name, valuesOf(schema)] as const);
  const requiredKeys = inQuery.filter(({ required }) => required).map(({ name }) => name);
  const schema = schemaOfBody(operation);
  const isDescribed = schema !== undefined && Object.keys(schema).length > 0;
  return fc.record({
    path: fc.record(Object.fromEntries(path)),
    query: fc.record(Object.fromEntries(query), { requiredKeys }),
    body: isDescribed ? valuesOf(schema) : fc.constant(undefined),
  });
}

/** Requests that the document rules out, each in one thing. */
function brokenRequestsOf(operation: Operation): Break<Sent>[] {
  const broken: Break<Sent>[] = brokenOf(schemaOfBody(operation) ?? {}, false).map(([flaw, breaks]) => [
    `body: ${flaw}`,
    (sent) => ({ ...sent, body: breaks(sent.body) }),
  ]);
  if (operation.requestBody?.required === true) broken.push(["no body", (sent) => ({ ...sent, body: undefined })]);
  for (const place of ["path", "query"] as const) {
    for (const { name, schema, required } of parametersIn(operation, place)) {
      for (const [flaw, breaks] of brokenOf(schema, true)) {
        broken.push([
          `${name}: ${flaw}`,
          (sent) => ({ ...sent, [place]: { ...sent[place], [name]: breaks(sent[place][name]) } }),
        ]);
      }
      if (required && place === "query") broken.push([`without ${name}`, (sent) => ({ ...sent, query: {} })]);
    }
  }
  return broken;
}

async function send(
  verb: string,
  path: string,
  operation: Operation,
  { path: inPath, query, body }: Sent,
): Promise<number> {
  const url = new URL(
    path.replaceAll(/\{(.*?)\}/g, (_, name: string) => encodeURIComponent(String(inPath[name]))),
    "http://o",
  );
  for (const { name, explode } of parametersIn(operation, "query")) {
    if (query[name] === undefined) continue;
    const members = explode ? Object.entries(query[name] as Values) : [[name, query[name]] as const];
    for (const [key, value] of members) url.searchParams.append(key, String(value));
  }
  const json = { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const init = { method: verb.toUpperCase(), ...(body === undefined ? {} : json) };
  return (await library.fetch(new Request(url, init), env, createExecutionContext())).status;
}

describe.each(operations)("%s, by its document", (_, verb, path, operation) => {
  it("takes what the document allows, and answers as it says", async () => {
    await fc.assert(
      fc.asyncProperty(requestsOf(operation), async (sent) => {
        const status = await send(verb, path, operation, sent);
        expect([200, 201, 204]).toContain(status);
        expect(Object.keys(operation.responses)).toContain(String(status));
      }),
      { numRuns: 15 },
    );
  });

  const broken = brokenRequestsOf(operation);
  if (broken.length === 0) return;

  it(`refuses ${broken.map(([flaw]) => flaw).join(", ")}`, async () => {
    const [sent] = fc.sample(requestsOf(operation), { numRuns: 1, seed: 7 });
    for (const [flaw, breaks] of broken) {
      const status = await send(verb, path, operation, breaks(sent!));
      expect([flaw, status]).toEqual([flaw, expect.toSatisfy((code: number) => code >= 400 && code < 500)]);
      // 405 where another route has the path: under `default`, as the document does not know which values that takes.
      expect([...Object.keys(operation.responses), "405"]).toContain(String(status));
    }
  });
});
