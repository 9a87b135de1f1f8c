/**
 * @module
 * The operations of a document: what a route takes, by place and type, and how it answers.
 */
import { isSchema } from "../schema.ts";
import { describeSchema, SchemaComponents } from "./json-schema.ts";
import { asObject, isRequired, memberOf, membersOf, without } from "./members.ts";
import type {
  JsonSchema,
  OpenApiDocument,
  OpenApiOperation,
  OpenApiParameter,
  OpenApiRequestBody,
  OpenApiResponse,
  OpenApiVerb,
  ResponseMedia,
} from "./openapi-document.ts";
import type { BodyKind, RouteOptions } from "./router.ts";
import type { PathParameter } from "./template.ts";

/** One route as one operation. */
interface OperationOf {
  readonly verb: OpenApiVerb;
  readonly parameters: readonly PathParameter[];
  readonly member: string;
  /** Given where there are several classes. */
  readonly className: string | undefined;
  readonly options: RouteOptions;
}

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

const TYPES = {
  json: ["application/json"],
  form: ["application/x-www-form-urlencoded", "multipart/form-data"],
  text: ["text/plain"],
  bytes: ["application/octet-stream"],
  stream: ["application/octet-stream"],
} as const;

/** The verbs whose input is in the body; that of any other is in the query. */
const BODIES: ReadonlySet<OpenApiVerb> = new Set(["post", "put", "patch"]);

/** What `problem.ts` sends. */
const PROBLEM: JsonSchema = {
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

/** Makes the operations of one document, and collects what they share. */
export class Operations {
  readonly #schemas = new SchemaComponents({ Problem: PROBLEM });
  readonly #responses: Record<string, OpenApiResponse> = {};
  /** The ids that routes give themselves, which no other may take. */
  readonly #chosen: ReadonlySet<string | undefined>;
  readonly #used = new Set<string>();

  constructor(chosen: readonly (string | undefined)[]) {
    this.#chosen = new Set(chosen);
  }

  make(operation: OperationOf): OpenApiOperation {
    const { member, className, options } = operation;
    const { operationId, responses: _, hidden: __, ...about } = options.openapi ?? {};
    const owner = className === undefined ? member : `${className}.${member}`;
    const described = (schema: RouteOptions["input"]): JsonSchema | undefined =>
      schema && this.#schemas.add(describeSchema(schema, "input"), `${owner}Input`);
    const [input, params, query, body] = [options.input, options.params, options.query, options.body].map(described);

    const inPath = operation.parameters.map((parameter) => this.#pathParameter(parameter, params ?? input));
    const members = operation.parameters.map((parameter) => parameter.member!);
    const takesBody = BODIES.has(operation.verb) || (operation.verb === "delete" && body !== undefined);
    const inQuery = query === undefined ? [] : this.#query(query, []);
    const elsewhere = [...members, ...inQuery.map(({ name }) => name)];
    if (input !== undefined && !takesBody) inQuery.push(...this.#query(input, elsewhere));
    const parameters = [...inPath, ...inQuery];

    return {
      operationId: this.#freeId(operationId ?? owner, operationId !== undefined),
      ...(className === undefined ? {} : { tags: [className] }),
      ...about,
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(takesBody ? { requestBody: this.#body(options, body, input, elsewhere) } : {}),
      responses: {
        ...this.#successes(options),
        ...this.#refusals(operation, takesBody),
        ...this.#described(options, owner),
      },
    };
  }

  components(): OpenApiDocument["components"] {
    return { schemas: this.#schemas.schemas, responses: this.#responses };
  }

  #pathParameter({ name, member, pattern, isRest }: PathParameter, schema: JsonSchema | undefined): OpenApiParameter {
    const own = member === undefined || schema === undefined ? undefined : memberOf(this.#resolve(schema), member);
    const form = pattern === undefined ? {} : { pattern };
    return {
      name,
      in: "path",
      ...(isRest ? { description: "The rest of the path, which may hold further segments." } : {}),
      required: true,
      schema:
        own === undefined
          ? { type: "string", ...form }
          : "pattern" in own && pattern !== undefined
            ? { allOf: [own, form] }
            : { ...own, ...form },
    };
  }

  /** A query as its members, or as one parameter that stands for all of it, where they cannot be told apart. */
  #query(schema: JsonSchema, elsewhere: readonly string[]): OpenApiParameter[] {
    const rest = this.#without(schema, elsewhere);
    const members = membersOf(this.#resolve(rest));
    if (members === undefined) {
      const required = isRequired(rest, this.#resolve);
      return [{ name: "query", in: "query", required, style: "form", explode: true, schema: this.#object(rest) }];
    }
    return Object.entries(members.properties).map(([name, each]) => ({
      name,
      in: "query",
      required: members.required.has(name),
      schema: each,
    }));
  }

  #body(
    { accept = "json" }: RouteOptions,
    body: JsonSchema | undefined,
    input: JsonSchema | undefined,
    elsewhere: readonly string[],
  ): OpenApiRequestBody {
    const rest = input && this.#without(input, elsewhere);
    // What is no plain object, as text and bytes are none, is the input's member `body`.
    const whole = body ?? (rest && memberOf(this.#resolve(rest), "body"));
    const object = body ?? (whole !== undefined && this.#isBody(rest!) ? whole : rest === undefined ? {} : this.#object(rest));
    const schemas = { json: object, form: object, text: whole ?? { type: "string" }, bytes: {}, stream: {} };
    const kinds: readonly BodyKind[] = [accept].flat();
    return {
      required: isRequired(body ?? rest ?? {}, this.#resolve),
      content: Object.fromEntries(
        kinds.flatMap((kind) => TYPES[kind].map((type) => [type, { schema: schemas[kind] }])),
      ),
    };
  }

  /** Tells whether an input's only member is `body`, and that no object: it is then sent as it is. */
  #isBody(input: JsonSchema): boolean {
    const { properties = {} } = membersOf(this.#resolve(input)) ?? {};
    const { body, ...others } = properties;
    const types = [body?.["type"] ?? "object"].flat();
    return Object.keys(others).length === 0 && !types.includes("object");
  }

  /** What a result is sent as: its type is not known here, so any of JSON, text and nothing. */
  #successes({ status, openapi: { responses = {} } = {} }: RouteOptions): Record<string, OpenApiResponse> {
    if (Object.keys(responses).some((code) => /^[23]/.test(code))) return {};
    const result: OpenApiResponse = {
      description: "The result.",
      content: { "application/json": { schema: {} }, "text/plain": { schema: { type: "string" } } },
    };
    if (status === 204 || status === 205) return { [status]: { description: "Done." } };
    return status === undefined
      ? { 200: result, 204: { description: "Done, without a result." } }
      : { [status]: result };
  }

  /** What is sent before the method runs, and under `default` what it may throw. */
  #refusals({ parameters, options }: OperationOf, takesBody: boolean): Record<string, { $ref: string }> {
    const hasSchema = (["input", "params", "query", "body"] as const).some((part) => options[part] !== undefined);
    const occurs = {
      400: true,
      404: parameters.some(({ pattern }) => pattern !== undefined),
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
        this.#responses[name] ??= { description, content: { "application/problem+json": { schema } } };
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
      Object.entries(responses).map(([code, { description = "The result.", content }]) => [
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

  /** The schema that a reference stands for. */
  readonly #resolve = (schema: JsonSchema): JsonSchema => this.#schemas.resolve(schema);

  /** The schema as one of an object; a reference to one stays a reference. */
  #object(schema: JsonSchema): JsonSchema {
    const whole = this.#resolve(schema);
    return asObject(whole) === whole ? schema : asObject(schema);
  }

  #without(schema: JsonSchema, elsewhere: readonly string[]): JsonSchema {
    return elsewhere.length === 0 ? schema : without(this.#resolve(schema), new Set(elsewhere));
  }

  #freeId(wanted: string, isChosen: boolean): string {
    let id = wanted;
    for (let count = 2; this.#used.has(id) || (this.#chosen.has(id) && !(isChosen && id === wanted)); count++) {
      id = `${wanted}${count}`;
    }
    this.#used.add(id);
    return id;
  }
}

/** Tells whether a body of any content type is taken. */
function takesAnyType({ accept = "json" }: RouteOptions): boolean {
  const kinds: readonly BodyKind[] = [accept].flat();
  return kinds.includes("bytes") || kinds.includes("stream") || (kinds.length === 1 && kinds[0] === "text");
}
