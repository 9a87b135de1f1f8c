/**
 * @module
 * What a routed method gets: one object from path, body and query, or from the caller of a stub, and the
 * schema that both doors share.
 */
import type { Context } from "hono";
import { DurableError } from "../errors.ts";
import type { Prepare } from "../plan.ts";
import { listIssues, plainIssues, type SchemaResult, type StandardSchema } from "../schema.ts";
import { Refusal } from "./problem.ts";

/**
 * A schema for `input`: any {@link https://standardschema.dev | Standard Schema} (zod, valibot, arktype).
 * `Output` is what the method gets.
 */
export type InputSchema<Output = unknown> = StandardSchema<unknown, Output>;

type Input = Record<string, unknown>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

// Well below what an answer and a persisted field can hold, so that no body makes either fail.
const MAX_DEPTH = 500;

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
 * @throws Refusal 415 for another content type, 413 over `maxBody` bytes, 400 for what is no JSON.
 */
export async function addBody(input: Input, c: Context, maxBody: number): Promise<void> {
  // Of another type a body may only be empty.
  const isJson = JSON_TYPE.test(c.req.header("content-type") ?? "");
  const text = await readBody(c, isJson ? maxBody : 0, () => (isJson ? tooLarge(maxBody) : notTyped()));
  if (text === "") return;
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
      const issues = plainIssues(result.issues);
      const message = `${self.constructor.name}.${member}: ${listIssues(issues, "input")}.`;
      throw new DurableError("invalid-input", message, { issues });
    };
    if (typeof input === "object" && input !== null && Object.hasOwn(input, "__proto__")) {
      return check({ issues: [{ message: "not allowed as a key", path: ["__proto__"] }] });
    }
    if (schema === undefined) return [input];
    const result = schema["~standard"].validate(input);
    return result instanceof Promise ? result.then(check) : check(result);
  };
}

/**
 * Reads a body as text: of a declared length at once, of any other never more than one chunk beyond `max`.
 * A longer one is refused with `tooLong()`.
 *
 * HTTP holds a client to the length it declares. Only a Worker can declare a false one (by decompressing a
 * body and keeping its headers); then a body over `max` is refused after it was read. Reading bytes would cost
 * each request 8 µs, a reader 10.
 */
async function readBody(c: Context, max: number, tooLong: () => Refusal): Promise<string> {
  const declared = Number(c.req.header("content-length") ?? NaN);
  if (declared > max) throw tooLong();
  if (declared <= max) {
    const text = await c.req.text().catch(brokeOff);
    if (text.length > max) throw tooLong();
    if (text.includes("\uFFFD") && isRepaired(text, declared)) throw notJson();
    return text;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of c.req.raw.body as ReadableStream<Uint8Array>) {
      size += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (size > max) throw tooLong();
      chunks.push(chunk);
    }
  } catch (error) {
    brokeOff(error);
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

/**
 * Tells whether U+FFFD in a text stands for bytes that are no UTF-8: it takes three where they took one or two.
 * A character of four bytes that lost its last goes unseen.
 */
function isRepaired(text: string, bytes: number): boolean {
  const surplus = new TextEncoder().encode(text).length - bytes;
  // A byte order mark is left out of the text.
  return surplus !== 0 && surplus !== -3;
}

function parse(text: string): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw notJson();
  }
  // A short text cannot nest that deep, and nothing can spell the key, or a number that is too large, without one of these.
  if (text.length > 2 * MAX_DEPTH || /__proto__|\\u|e\+?\d{3}|\d{200}/i.test(text)) checkParts(body, 0);
  return body;
}

function checkParts(value: unknown, depth: number): void {
  // What no answer could hold: kept in a field, it would break all that read it.
  if (value === Infinity || value === -Infinity) throw notJson("has a number that is too large");
  if (typeof value !== "object" || value === null) return;
  if (depth === MAX_DEPTH) throw notJson(`nests deeper than ${MAX_DEPTH} levels`);
  if (Object.hasOwn(value, "__proto__")) safe("__proto__", "body");
  for (const part of Object.values(value)) checkParts(part, depth + 1);
}

function notJson(flaw = "is not JSON"): Refusal {
  return new Refusal(400, { code: "invalid-json", detail: `The body ${flaw}.` });
}

/** Refuses the one word that, used as a key, reaches a prototype. */
function safe(word: string, place: string): string {
  if (word !== "__proto__") return word;
  throw new Refusal(400, { code: "forbidden-key", detail: `\`__proto__\` is not allowed in the ${place}.` });
}

/** A client that goes away, or breaks the rules of HTTP within a body, is no fault of the object's. */
function brokeOff(error: unknown): never {
  // A TypeError is of a body that code of the user's has read before.
  if (error instanceof Refusal || error instanceof TypeError) throw error;
  throw new Refusal(400, { detail: "The body broke off." });
}

function tooLarge(max: number): Refusal {
  return new Refusal(413, { detail: `The body is over ${max} bytes.` });
}

function notTyped(): Refusal {
  return new Refusal(415, { detail: "Send the body as JSON, with `Content-Type: application/json`." });
}
