/**
 * @module
 * What a routed method gets: one object from path, body and query, or from the caller of a stub, and the
 * schema that both doors share.
 */
import type { Context } from "hono";
import { DurableError, type Issue } from "../errors.ts";
import type { Prepare } from "../plan.ts";
import { Refusal } from "./problem.ts";

/**
 * A schema for `input`: any {@link https://standardschema.dev | Standard Schema} (zod, valibot, arktype).
 * `Output` is what the method gets.
 */
export interface InputSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a Standard Schema answers: the converted value, or what is wrong. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong, as a Standard Schema tells it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type Input = Record<string, unknown>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

// A body of the limit's size can be wrong in half a million places; nobody reads so many.
const MAX_ISSUES = 100;

/** Begins the input of a request with its query; a key that is repeated gives an array. */
export function queryInput(c: Context): Input {
  const input = Object.create(null) as Input;
  const query = c.req.queries();
  for (const key in query) {
    const values = query[key]!;
    input[safe(key, "query")] = values.length === 1 ? values[0] : values;
  }
  return input;
}

/** Adds the path parameters, which win over what is there. */
export function addParams(input: Input, c: Context): void {
  const params: Record<string, string> = c.req.param();
  for (const key of Object.keys(params)) input[key] = safe(params[key]!, "path");
}

/**
 * Adds the JSON body, which wins over the query; one that is no plain object becomes `input.body`.
 *
 * @throws Refusal 413 over `maxBody` bytes, 415 for another content type, 400 for what is no JSON.
 */
export async function addBody(input: Input, c: Context, maxBody: number): Promise<void> {
  const text = await readBody(c, maxBody);
  if (text === "") return;
  if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) {
    throw new Refusal(415, { detail: "Send the body as JSON, with `Content-Type: application/json`." });
  }
  const body = parse(text);
  if (typeof body !== "object" || body === null || Array.isArray(body)) input["body"] = body;
  else for (const key of Object.keys(body)) input[key] = (body as Input)[key];
}

/**
 * What a call through a stub, and a request, goes through before `member` runs: exactly one argument,
 * `{}` when nothing is given, validated and converted by `schema`. Sync as long as the schema is.
 *
 * @throws DurableError `invalid-input` with the schema's `issues`.
 */
export function preparation(member: string, schema: InputSchema | undefined): Prepare {
  return ([input = {}], self) => {
    const check = (result: SchemaResult<unknown>): unknown[] => {
      if (result.issues === undefined) return [result.value];
      const issues = result.issues.slice(0, MAX_ISSUES).map(plainIssue);
      throw new DurableError("invalid-input", `${self.constructor.name}.${member}: ${listIssues(issues)}.`, { issues });
    };
    if (typeof input === "object" && input !== null && Object.hasOwn(input, "__proto__")) {
      return check({ issues: [{ message: "not allowed as a key", path: ["__proto__"] }] });
    }
    if (schema === undefined) return [input];
    const result = schema["~standard"].validate(input);
    return result instanceof Promise ? result.then(check) : check(result);
  };
}

/** Names each place and what is wrong there. */
export function listIssues(issues: readonly Issue[]): string {
  return issues.map(({ path, message }) => `${path.length === 0 ? "input" : path.join(".")}: ${message}`).join("; ");
}

function plainIssue({ message, path = [] }: SchemaIssue): Issue {
  const keys = path.map((part) => (typeof part === "object" ? part.key : part));
  return { path: keys.map((key) => (typeof key === "number" ? key : String(key))), message };
}

/**
 * Reads a body as text: of a declared length at once, of any other never more than one chunk beyond `max`.
 *
 * HTTP holds a client to the length it declares. Only a Worker can declare a false one (by decompressing a
 * body and keeping its headers); then a body over `max` is refused after it was read. A reader for every
 * body would cost each request 10 µs.
 */
async function readBody(c: Context, max: number): Promise<string> {
  const declared = Number(c.req.header("content-length") ?? NaN);
  if (declared > max) throw tooLarge(max);
  if (declared <= max) {
    const text = await c.req.text();
    if (text.length > max) throw tooLarge(max);
    // Bytes that are no UTF-8 came out as U+FFFD, which takes three where they took one.
    if (text.includes("\uFFFD") && new TextEncoder().encode(text).length > declared) throw notJson();
    return text;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of c.req.raw.body as ReadableStream<Uint8Array>) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (size > max) throw tooLarge(max);
    chunks.push(chunk);
  }
  try {
    const text = decoder.decode(await new Blob(chunks).arrayBuffer());
    // Read already, the body stays available to the method as `c.req.text()` and `c.req.json()`.
    (c.req.bodyCache as { text?: unknown }).text = Promise.resolve(text);
    return text;
  } catch {
    throw notJson();
  }
}

function parse(text: string): unknown {
  try {
    // Nothing can spell the key without one of these; a reviver for every body would cost too much.
    if (!/__proto__|\\u/.test(text)) return JSON.parse(text);
    return JSON.parse(text, (key, value: unknown) => {
      safe(key, "body");
      return value;
    });
  } catch (error) {
    throw error instanceof Refusal ? error : notJson();
  }
}

function notJson(): Refusal {
  return new Refusal(400, { code: "invalid-json", detail: "The body is not JSON." });
}

/** Refuses the one word that, used as a key, reaches a prototype. */
function safe(word: string, place: string): string {
  if (word !== "__proto__") return word;
  throw new Refusal(400, { code: "forbidden-key", detail: `\`__proto__\` is not allowed in the ${place}.` });
}

function tooLarge(max: number): Refusal {
  return new Refusal(413, { detail: `The body is over ${max} bytes.` });
}
