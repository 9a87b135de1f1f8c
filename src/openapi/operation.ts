/**
 * @module
 * The operations of a document: what a route takes, by place and content type.
 */
import type { JsonSchema } from "../route/operation-options.ts";
import { kindsOf, type RouteOptions } from "../route/options.ts";
import { Answers, PROBLEM } from "./answers.ts";
import type {
  OpenApiDocument,
  OpenApiOperation,
  OpenApiParameter,
  OpenApiRequestBody,
  OpenApiVerb,
} from "./document.ts";
import { describeSchema, SchemaComponents } from "./json-schema.ts";
import { asObject, isRequired, memberOf, membersOf, without } from "./members.ts";
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

const TYPES = {
  json: ["application/json"],
  form: ["application/x-www-form-urlencoded", "multipart/form-data"],
  text: ["text/plain"],
  bytes: ["application/octet-stream"],
  stream: ["application/octet-stream"],
} as const;

/** The verbs whose input is in the body; that of any other is in the query. */
const BODIES: ReadonlySet<OpenApiVerb> = new Set(["post", "put", "patch"]);

/** Makes the operations of one document, and collects what they share. */
export class Operations {
  readonly #schemas = new SchemaComponents({ Problem: PROBLEM });
  readonly #answers = new Answers(this.#schemas);
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
    const takesBody = BODIES.has(operation.verb) || (operation.verb === "delete" && body !== undefined);
    const members = operation.parameters.flatMap(({ member: name }) => name ?? []);
    // A schema for all of the input stands alone; the path's part of it is described there.
    const rest = input && this.#without(input, members);
    const inQuery = query ?? (takesBody ? undefined : rest);
    const parameters = [...inPath, ...(inQuery === undefined ? [] : this.#query(inQuery))];

    return {
      operationId: this.#freeId(operationId ?? owner, operationId !== undefined),
      ...(className === undefined ? {} : { tags: [className] }),
      ...about,
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(takesBody ? { requestBody: this.#body(options, body, rest) } : {}),
      responses: this.#answers.of(options, {
        owner,
        hasPattern: operation.parameters.some(({ pattern }) => pattern !== undefined),
        takesBody,
      }),
    };
  }

  components(): OpenApiDocument["components"] {
    return { schemas: this.#schemas.schemas, responses: this.#answers.shared };
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
  #query(schema: JsonSchema): OpenApiParameter[] {
    const members = membersOf(this.#resolve(schema));
    if (members === undefined) {
      const required = isRequired(schema, this.#resolve);
      return [{ name: "query", in: "query", required, style: "form", explode: true, schema: this.#object(schema) }];
    }
    return Object.entries(members.properties).map(([name, each]) => ({
      name,
      in: "query",
      required: members.required.has(name),
      schema: each,
    }));
  }

  #body(options: RouteOptions, body: JsonSchema | undefined, rest: JsonSchema = {}): OpenApiRequestBody {
    // What is no plain object, as text and bytes are none, is the input's member `body`.
    const whole = body ?? memberOf(this.#resolve(rest), "body");
    const object = body ?? (whole !== undefined && this.#isBody(rest) ? whole : this.#object(rest));
    const schemas = { json: object, form: object, text: whole ?? { type: "string" }, bytes: {}, stream: {} };
    const kinds = kindsOf(options);
    return {
      required: isRequired(body ?? rest, this.#resolve),
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

  /** The schema that a reference stands for. */
  readonly #resolve = (schema: JsonSchema): JsonSchema => this.#schemas.resolve(schema);

  /** The schema as one of an object; a reference to one stays a reference. */
  #object(schema: JsonSchema): JsonSchema {
    const whole = this.#resolve(schema);
    return asObject(whole) === whole ? schema : asObject(schema);
  }

  #without(schema: JsonSchema, members: readonly string[]): JsonSchema {
    return members.length === 0 ? schema : without(this.#resolve(schema), new Set(members));
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
