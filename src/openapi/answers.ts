/**
 * @module
 * How the operations of a document answer.
 */
import { isSchema } from "../core/values/schema.ts";
import type { JsonSchema, ResponseMedia } from "../route/operation-options.ts";
import { kindsOf, type RouteOptions } from "../route/options.ts";
import type { OpenApiOperation, OpenApiResponse } from "./document.ts";
import { describeSchema, type SchemaComponents } from "./json-schema.ts";

/** A shared answer: its name among the components, and what it says. */
type Refused = readonly [name: string, description: string];

const REFUSED = {
  400: ["BadRequest", "The request cannot be read, or holds a forbidden key."],
  404: ["NotFound", "A parameter of the path does not have the form it must have."],
  413: ["ContentTooLarge", "The body is too long."],
  415: ["UnsupportedMediaType", "The body is of a type that is not taken here."],
  422: ["InvalidInput", "The input does not fit; `issues` says where."],
  default: ["Refused", "Anything else that went wrong."],
} as const satisfies Record<string, Refused>;

/** What `problem.ts` sends. */
export const PROBLEM: JsonSchema = {
  type: "object",
  description: "RFC 9457 problem details.",
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string", description: "Stable, in kebab-case." },
    detail: { type: "string" },
    issues: {
      type: "array",
      items: {
        type: "object",
        properties: {
          path: { type: "array", items: { type: ["string", "integer"] } },
          message: { type: "string" },
        },
        required: ["path", "message"],
      },
    },
  },
  required: ["type", "title", "status", "code"],
};

/** What the answers depend on beside the options. */
interface Asked {
  /** Names what has no name of its own. */
  readonly owner: string;
  /** True where a parameter of the path has one. */
  readonly hasPattern: boolean;
  readonly takesBody: boolean;
}

/** Makes the answers of operations; those that they share are components of the document. */
export class Answers {
  readonly shared: Record<string, OpenApiResponse> = {};
  readonly #schemas: SchemaComponents;

  constructor(schemas: SchemaComponents) {
    this.#schemas = schemas;
  }

  /** The answers of one operation, by status code. */
  of(options: RouteOptions, asked: Asked): OpenApiOperation["responses"] {
    return {
      ...this.#successes(options),
      ...this.#refusals(options, asked),
      ...this.#described(options, asked.owner),
    };
  }

  /** What a result is sent as: its type is not known here, so any of JSON, text and nothing. */
  #successes({ status, openapi: { responses = {} } = {} }: RouteOptions): Record<string, OpenApiResponse> {
    if (Object.keys(responses).some((code) => /^[23]/.test(code))) return {};
    const result: OpenApiResponse = {
      description: "The result.",
      content: { "application/json": { schema: {} }, "text/plain": { schema: { type: "string" } } },
    };
    if (status === 204 || status === 205) return { [status]: { description: "Done." } };
    return status === undefined || status === 200
      ? { 200: result, 204: { description: "Done, without a result." } }
      : { [status]: result };
  }

  /** What is sent before the method runs, and under `default` what it may throw. */
  #refusals(options: RouteOptions, { hasPattern, takesBody }: Asked): Record<string, { $ref: string }> {
    const hasSchema = (["input", "params", "query", "body"] as const).some((part) => options[part] !== undefined);
    const occurs = {
      400: true,
      404: hasPattern,
      413: takesBody && options.maxBody !== Infinity,
      415: takesBody && !takesAnyType(options),
      422: hasSchema,
      default: true,
    };
    const codes = (Object.keys(REFUSED) as (keyof typeof REFUSED)[]).filter((code) => occurs[code]);
    return Object.fromEntries(
      codes.map((code) => {
        const [name, description] = REFUSED[code];
        const schema = { $ref: "#/components/schemas/Problem" };
        this.shared[name] ??= { description, content: { "application/problem+json": { schema } } };
        return [code, { $ref: `#/components/responses/${name}` }];
      }),
    );
  }

  /** What the route itself says of its answers. */
  #described({ openapi: { responses = {} } = {} }: RouteOptions, owner: string): Record<string, OpenApiResponse> {
    const described = ({ schema }: ResponseMedia): { schema?: JsonSchema } => {
      if (schema === undefined) return {};
      return {
        schema: this.#schemas.add(isSchema(schema) ? describeSchema(schema, "output") : schema, `${owner}Output`),
      };
    };
    return Object.fromEntries(
      Object.entries(responses).map(([code, { description = "The answer.", content }]) => [
        code,
        {
          description,
          ...(content && {
            content: Object.fromEntries(Object.entries(content).map(([type, media]) => [type, described(media)])),
          }),
        },
      ]),
    );
  }
}

/** Tells whether a body of any content type is taken. */
function takesAnyType(options: RouteOptions): boolean {
  const kinds = kindsOf(options);
  return kinds.includes("bytes") || kinds.includes("stream") || (kinds.length === 1 && kinds[0] === "text");
}
