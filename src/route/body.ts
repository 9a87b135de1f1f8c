/**
 * @module
 * The body of a request: what kind it is, read within its limit, and parsed.
 */
import type { Context } from "hono";
import type { HTTPException } from "hono/http-exception";
import { bodyUsed, declaredLength, exactBytes, isRepaired, keptAs } from "./body-cache.ts";
import type { BodyKind } from "./options.ts";
import { isHttpException, refusal } from "./problem.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

const TYPES: readonly (readonly [BodyKind, RegExp])[] = [
  ["json", /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i],
  ["form", /^(?:application\/x-www-form-urlencoded|multipart\/form-data)\s*(?:;|$)/i],
  ["text", /^text\//i],
];

/** How a refusal names what is taken. */
const NAMES: Readonly<Record<string, string>> = {
  json: "JSON (`application/json`)",
  form: "a form (`application/x-www-form-urlencoded` or `multipart/form-data`)",
  text: "text (`text/plain`)",
};

// Well below what an answer and a persisted field can hold, so that no body makes either fail.
const MAX_DEPTH = 500;

/**
 * Reads a body that is of one of `kinds`, at most `max` bytes of it; undefined without a body.
 *
 * JSON becomes any value, a form an object without prototype, text a string, and bytes a `Uint8Array`. A stream is the
 * body as it arrives; only its declared length is compared with `max`. If one of the last three is the only kind, it
 * takes any content type, and an absent body counts as an empty one. If middleware has read the body through Hono, it comes
 * from Hono's cache.
 *
 * @throws HTTPException 415 for another content type, 413 over `max` bytes, 400 for what cannot be parsed.
 * @throws DurableError `body-used` if middleware has read it in another way, or in a way that loses a part of it.
 */
export function readBody(c: Context, kinds: readonly BodyKind[], max: number): unknown {
  const { body } = c.req.raw;
  if (body === null) return kinds.length === 1 ? emptyBody(kinds[0]!) : undefined;
  const type = c.req.raw.headers.get("content-type") ?? "";
  const kept = keptAs(c.req);
  switch (kindOf(type, kinds)) {
    case "json":
      return readJson(c, max);
    case "text":
      return readText(c, max);
    case "bytes":
      return readExactly(c, max);
    case "stream":
      if (declaredLength(c.req) > max) throw tooLarge(max);
      return kept === undefined ? body : readExactly(c, max).then((bytes) => new Response(bytes).body);
    case "form":
      return readForm(c, type, max);
    default:
      // A body that is not taken may only be empty.
      return readBytes(c, 0, () => notTaken(kinds)).then(() => undefined);
  }
}

/** Refuses the one word that, used as a key, reaches a prototype. */
export function safe(word: string, place: string): string {
  if (word !== "__proto__") return word;
  throw refusal(400, { code: "forbidden-key", detail: `\`__proto__\` is not allowed in the ${place}.` });
}

/** Returns the value of an absent body where only one kind is taken. */
function emptyBody(kind: BodyKind): unknown {
  if (kind === "text") return "";
  if (kind === "bytes") return new Uint8Array();
  return kind === "stream" ? new Blob([]).stream() : undefined;
}

/** Returns the kind that a content type stands for; undefined if that kind isn't taken. */
function kindOf(type: string, kinds: readonly BodyKind[]): BodyKind | undefined {
  const [only] = kinds;
  if (kinds.length === 1 && only !== "json" && only !== "form") return only;
  return (
    TYPES.find(([kind, pattern]) => kinds.includes(kind) && pattern.test(type))?.[0] ??
    kinds.find((kind) => kind === "bytes" || kind === "stream")
  );
}

/**
 * Reads a JSON body, which must be UTF-8: of a declared length at once, of any other never more than one chunk beyond
 * `max`.
 *
 * HTTP holds a client to the length it declares. Only a Worker can declare a false one (by decompressing a
 * body and keeping its headers); then a body over `max` is refused after it was read. Reading bytes would cost
 * each request 8 µs, a reader 10.
 */
async function readJson(c: Context, max: number): Promise<unknown> {
  const declared = declaredLength(c.req);
  if (!(declared <= max)) return parseJson(decode(await readBytes(c, max), notJson));
  const text = await c.req.text().catch(brokeOff);
  if (text.length > max) throw tooLarge(max);
  if (isRepaired(text, declared)) throw notJson();
  return parseJson(text);
}

async function readText(c: Context, max: number): Promise<string> {
  const text = decode(await readBytes(c, max), notText);
  const declared = declaredLength(c.req);
  // Middleware's text has U+FFFD in place of what isn't UTF-8.
  if (keptAs(c.req) === "text" && !Number.isNaN(declared) && isRepaired(text, declared)) throw notText();
  return text;
}

/** Reads a form. If middleware has parsed it, its fields are counted. */
async function readForm(c: Context, type: string, max: number): Promise<object | undefined> {
  if (keptAs(c.req) !== "formData") {
    const bytes = await readExactly(c, max);
    return bytes.length === 0 ? undefined : fieldsOf(await parseForm(bytes, type));
  }
  const form = await c.req.formData();
  let size = declaredLength(c.req) || 0;
  if (size === 0) for (const [name, value] of form) size += name.length + lengthOf(value);
  if (size > max) throw tooLarge(max);
  return fieldsOf(form);
}

/**
 * Reads a body as the bytes that were sent, with the same bound.
 *
 * @throws As {@link readBody} does.
 */
export async function readExactly(c: Context, max: number): Promise<Uint8Array<ArrayBuffer>> {
  await readBytes(c, max);
  return await exactBytes(c.req);
}

/** Reads a body as bytes, with the same bound. */
async function readBytes(
  c: Context,
  max: number,
  tooLong: () => HTTPException = () => tooLarge(max),
): Promise<Uint8Array<ArrayBuffer>> {
  const declared = declaredLength(c.req);
  if (declared > max) throw tooLong();
  const kept = keptAs(c.req);
  if (kept === undefined && !(declared <= max)) return await readChunks(c, max, tooLong);
  // If encoded again, it would differ from the body that was sent. A body that isn't taken is refused anyway.
  if (kept === "formData") throw max === 0 ? tooLong() : bodyUsed(c.req);
  const bytes = new Uint8Array(await c.req.arrayBuffer().catch(brokeOff));
  if (bytes.length > max) throw tooLong();
  return bytes;
}

function decode(bytes: Uint8Array, notUtf8: () => HTTPException): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw notUtf8();
  }
}

/** Reads a body of unknown length, and stops where it is over `max`. */
async function readChunks(c: Context, max: number, tooLong: () => HTTPException): Promise<Uint8Array<ArrayBuffer>> {
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
  const buffer = await new Blob(chunks).arrayBuffer();
  // Read already, the body stays available to the method, as `c.req.text()` and in every other form.
  (c.req.bodyCache as { arrayBuffer?: unknown }).arrayBuffer = Promise.resolve(buffer);
  return new Uint8Array(buffer);
}

/** Undefined for an empty body. */
function parseJson(text: string): unknown {
  if (text === "") return undefined;
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

async function parseForm(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<FormData> {
  try {
    return await new Response(bytes, { headers: { "content-type": type } }).formData();
  } catch {
    throw refusal(400, { code: "invalid-form", detail: "The body is not the form that its content type says." });
  }
}

/** The fields of a form: strings and files, in an array where a name is repeated. */
function fieldsOf(form: FormData): object {
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of form) {
    const known = fields[safe(name, "body")];
    if (Array.isArray(known)) known.push(value);
    else fields[name] = known === undefined ? value : [known, value];
  }
  return fields;
}

function lengthOf(value: string | File): number {
  return typeof value === "string" ? value.length : value.size;
}

/** Answers 400 for a client that goes away, or breaks the rules of HTTP within a body: that isn't the object's fault. */
function brokeOff(error: unknown): never {
  // A TypeError comes from a bug, such as an earlier read that failed in middleware.
  if (isHttpException(error) || error instanceof TypeError) throw error;
  throw refusal(400, { detail: "The body broke off." });
}

function notJson(flaw = "is not JSON"): HTTPException {
  return refusal(400, { code: "invalid-json", detail: `The body ${flaw}.` });
}

function notText(): HTTPException {
  return refusal(400, { code: "invalid-text", detail: "The body is not UTF-8." });
}

function tooLarge(max: number): HTTPException {
  return refusal(413, { detail: `The body is over ${max} bytes.` });
}

function notTaken(kinds: readonly BodyKind[]): HTTPException {
  return refusal(415, { detail: `Send the body as ${kinds.map((kind) => NAMES[kind]).join(" or ")}.` });
}
