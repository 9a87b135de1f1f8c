/**
 * @module
 * What a routed method gets: one object from path, body and query, or from the caller of a stub, and the
 * schemas that both doors share.
 */
import type { Context } from "hono";
import type { Prepare } from "../core/plan.ts";
import type { SchemaResult, StandardSchema } from "../core/values/schema.ts";
import { valueOf } from "../core/values/validated.ts";
import { safe } from "./body.ts";
import { hasParts, type Schemas } from "./options.ts";

/** The input of a method, and each part of it: an object without prototype. */
export type Input = Record<string, unknown>;

/** The parts of a request; `body` is undefined where there is none. */
export interface Parts {
  readonly params: Input;
  readonly query: Input;
  readonly body: unknown;
}

type Maybe<T> = T | Promise<T>;
type Result = SchemaResult<unknown>;

const nothing = (): Input => Object.create(null) as Input;

/** The query; a key that is repeated gives an array. */
export function queryOf(c: Context): Input {
  const input = nothing();
  if (!c.req.url.includes("?")) return input;
  const query = c.req.queries();
  // An older Hono makes the value of `__proto__` the prototype.
  if (Array.isArray(Object.getPrototypeOf(query))) safe("__proto__", "query");
  for (const key in query) {
    const values = query[key]!;
    input[safe(key, "query")] = values.length === 1 ? values[0] : values;
  }
  return input;
}

/** The path parameters. */
export function paramsOf(c: Context): Input {
  const input = nothing();
  const params: Record<string, string> = c.req.param();
  for (const key of Object.keys(params)) input[key] = safe(params[key]!, "path");
  return input;
}

/** Makes one object of the parts, in that of the query: path parameters win over the body, the body over the query. */
export function merge({ params, query, body }: Parts): Input {
  if (body !== undefined) addBody(query, body);
  return Object.assign(query, params);
}

/**
 * What a call through a stub, and a request without schemas for its parts, goes through before `member` runs: exactly
 * one argument, `{}` when nothing is given, validated and converted. Sync as long as the schemas are.
 *
 * @param names - the path parameters, for `params`; what is left is for both `query` and `body`.
 * @param hasRawBody - whether `input.body` is kept without a schema for the body.
 * @throws DurableError `invalid-input` with the schemas' `issues`.
 */
export function preparation(
  member: string,
  schemas: Schemas,
  names: ReadonlySet<string>,
  hasRawBody: boolean,
): Prepare {
  return ([input = {}], self) => {
    const check = (result: Result): unknown[] => [valueOf(result, labelOf(member, self))];
    if (typeof input === "object" && input !== null && Object.hasOwn(input, "__proto__")) {
      return check({ issues: [{ message: "not allowed as a key", path: ["__proto__"] }] });
    }
    if (hasParts(schemas)) return after(validateWhole(schemas, input, names, hasRawBody), check);
    return schemas.input === undefined ? [input] : after(validate(schemas.input, input), check);
  };
}

/** What a request with schemas for its parts goes through instead; a part without a schema is left out. */
export function prepareParts(member: string, schemas: Schemas, parts: Parts, self: object): Maybe<unknown> {
  const { params, query, body } = schemas;
  const results = [
    params === undefined ? { value: parts.params } : validate(params, parts.params),
    query === undefined ? NONE : validate(query, parts.query),
    body === undefined ? { value: parts.body } : validateBody(body, parts.body === undefined ? nothing() : parts.body),
  ];
  return after(joined(results, nothing()), (result) => valueOf(result, labelOf(member, self)));
}

const NONE: Result = { value: undefined };

/** As {@link prepareParts}, where query and body come in one object and each schema sees the other's members. */
function validateWhole(
  schemas: Schemas,
  input: unknown,
  names: ReadonlySet<string>,
  hasRawBody: boolean,
): Maybe<Result> {
  if (typeof input !== "object" || input === null) return { issues: [{ message: "expected an object" }] };
  const [own, rest] = [nothing(), nothing()];
  for (const key of Object.keys(input)) (names.has(key) ? own : rest)[key] = (input as Input)[key];
  const { params, query, body } = schemas;
  const results = [
    params === undefined ? { value: own } : validate(params, own),
    query === undefined ? NONE : validate(query, rest),
    body === undefined ? { value: hasRawBody ? rest["body"] : undefined } : validateRest(body, rest),
  ];
  // What came by RPC has a prototype, and can go out by RPC again.
  return joined(results, {}, rest);
}

/** A body schema takes the members or, where it refuses them, a `body` that HTTP would give under that name. */
function validateRest(schema: StandardSchema, rest: Input): Maybe<Result> {
  return after(validate(schema, rest), (result) => {
    if (result.issues === undefined || !Object.hasOwn(rest, "body") || isPlain(rest["body"])) return result;
    const isOfOther = result.issues.every(({ path = [] }) => path.length === 0);
    return after(validateBody(schema, rest["body"]), (alone) =>
      isOfOther || alone.issues === undefined ? alone : result,
    );
  });
}

function validateBody(schema: StandardSchema, body: unknown): Maybe<Result> {
  const result = validate(schema, body);
  if (isPlain(body)) return result;
  return after(result, (known) =>
    known.issues === undefined
      ? known
      : { issues: known.issues.map(({ message, path = [] }) => ({ message, path: ["body", ...path] })) },
  );
}

function validate(schema: StandardSchema, value: unknown): Maybe<Result> {
  return schema["~standard"].validate(value);
}

/** One result of those for params, query and body: all issues, or all values added to `value`. */
function joined(results: readonly Maybe<Result>[], value: Input, given?: Input): Maybe<Result> {
  if (results.some((result) => result instanceof Promise)) {
    return Promise.all(results.map(async (result) => await result)).then((known) => joined(known, value, given));
  }
  const known = results as readonly Result[];
  const issues = known.flatMap((result) => result.issues ?? []);
  if (issues.length > 0) return { issues };
  const [params, query, body] = known.map((result) => (result as { readonly value: unknown }).value);
  Object.assign(value, query);
  if (body !== undefined) addBody(value, body, given);
  return { value: Object.assign(value, params) };
}

/**
 * Adds a body: the members of a plain object, anything else as `body`. What is there stays where the body's schema
 * only let it pass, as it was `given`.
 */
function addBody(input: Input, body: unknown, given?: Input): void {
  if (!isPlain(body)) input["body"] = body;
  else
    for (const key of Object.keys(body)) {
      const isPassed = given !== undefined && Object.hasOwn(input, key) && body[key] === given[key];
      if (!isPassed) input[key] = body[key];
    }
}

function isPlain(value: unknown): value is Input {
  if (typeof value !== "object" || value === null) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

function labelOf(member: string, self: object): string {
  return `${self.constructor.name}.${member}`;
}

/** Goes on at once with a value, and later with a promise of one. */
export function after<T, U>(value: Maybe<T>, go: (value: T) => Maybe<U>): Maybe<U> {
  return value instanceof Promise ? value.then(go) : go(value);
}
