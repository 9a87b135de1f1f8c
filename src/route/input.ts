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
  const bytes = await readBody(c.req.raw, maxBody);
  if (bytes.byteLength === 0) return;
  if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) {
    throw new Refusal(415, { detail: "Send the body as JSON, with `Content-Type: application/json`." });
  }
  const body = parse(c, bytes);
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

/** Reads a body in memory, but never more than one chunk beyond `max`. */
async function readBody(request: Request, max: number): Promise<Uint8Array | ArrayBuffer> {
  const declared = Number(request.headers.get("content-length") ?? NaN);
  if (declared > max) throw tooLarge(max);
  const chunks: Uint8Array[] = [];
  let size = 0;
  // A caller inside Workers can declare any length, so it only says when to stop, and `text()`, which has
  // no bound, is no choice. Not known (NaN) it is never reached.
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  while (!(size >= declared)) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > max) {
      await reader.cancel();
      throw tooLarge(max);
    }
    chunks.push(value);
  }
  return chunks.length === 1 ? chunks[0]! : await new Blob(chunks).arrayBuffer();
}

function parse(c: Context, bytes: Uint8Array | ArrayBuffer): unknown {
  try {
    const text = decoder.decode(bytes);
    // Read already, the body stays available to the method as `c.req.text()` and `c.req.json()`.
    (c.req.bodyCache as { text?: unknown }).text = Promise.resolve(text);
    // Nothing can spell the key without one of these; a reviver for every body would cost too much.
    if (!/__proto__|\\u/.test(text)) return JSON.parse(text);
    return JSON.parse(text, (key, value: unknown) => {
      safe(key, "body");
      return value;
    });
  } catch (error) {
    throw error instanceof Refusal
      ? error
      : new Refusal(400, { code: "invalid-json", detail: "The body is not JSON." });
  }
}

/** Refuses the one word that, used as a key, reaches a prototype. */
function safe(word: string, place: string): string {
  if (word !== "__proto__") return word;
  throw new Refusal(400, { code: "forbidden-key", detail: `\`__proto__\` is not allowed in the ${place}.` });
}

function tooLarge(max: number): Refusal {
  return new Refusal(413, { detail: `The body is over ${max} bytes.` });
}
