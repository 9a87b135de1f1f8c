/**
 * @module
 * Turns what a routed method returned into a Response.
 */
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { DurableError } from "../core/errors.ts";
import { endItems, itemsOf, streamItems } from "./stream.ts";

/** The content type of a `Response` made from a string. */
const TEXT_TYPE = "text/plain;charset=UTF-8";
const EVENTS = "text/event-stream";
const LINES = "application/x-ndjson";

/** The statuses of answers without a body. */
const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Makes the response. A `Response` stays as it is, `undefined` becomes 204, a string text, and a stream stays a stream.
 * An async iterable or an iterator becomes events or lines, and anything else JSON. A status without a body gets none.
 * The method's own settings on `c` (`c.status`, `c.header`) win over `headers`.
 *
 * @param member - the method's name, for messages.
 * @throws DurableError `not-json` when JSON would lose a part of the result.
 */
export function respond(
  c: Context,
  result: unknown,
  self: object,
  member: string,
  headers: Headers | undefined,
): Response | Promise<Response> {
  // Redirects and responses of others have immutable headers, which middleware couldn't change.
  if (result instanceof Response) return new Response(result.body, result);
  if (result === undefined) {
    const empty = c.body(null);
    return withHeaders(empty.status === 200 ? c.body(null, 204) : empty, headers);
  }
  // Not `c.text()` and `c.json()`, which replace a content type that the method set.
  if (typeof result === "string") return withHeaders(withBody(c, result), headers);
  if (result instanceof ReadableStream) {
    const response = withHeaders(withBody(c, result), headers);
    return isBare(c, response) ? result.cancel().then(() => response) : response;
  }
  const items = itemsOf(result);
  const json = (value: unknown): string => toJson(value, self, member);
  if (items === undefined) return withHeaders(withBody(c, json(result)), headers, "application/json");

  let isEvents = false;
  const write = (item: unknown): string => (isEvents ? `data: ${json(item)}\n\n` : `${json(item)}\n`);
  const response = withHeaders(withBody(c, streamItems(items, self, write)), headers);
  const own = response.headers;
  if (!own.has("content-type")) {
    own.set("content-type", accepts(c, { header: "Accept", supports: [EVENTS, LINES], default: LINES }));
    own.append("vary", "accept");
  }
  // A type that the method sets decides how items are written, too.
  isEvents = own.get("content-type")!.startsWith(EVENTS);
  if (isEvents && !own.has("cache-control")) own.set("cache-control", "no-cache");
  return isBare(c, response) ? endItems(items).then(() => response) : response;
}

/** Tells whether a stream would be read by nobody. */
function isBare(c: Context, { status }: Response): boolean {
  return c.req.method === "HEAD" || EMPTY.has(status);
}

/** Sends a body with the status that was chosen; leaves out a stream for HEAD, and any for a status without a body. */
function withBody(c: Context, body: string | ReadableStream): Response {
  if (typeof body !== "string" && c.req.method === "HEAD") return c.body(null);
  try {
    return c.body(body);
  } catch (error) {
    const empty = c.body(null);
    if (EMPTY.has(empty.status)) return empty;
    throw error;
  }
}

/** Adds the headers that the method has not set; `type` is the content type that the result has by itself. */
function withHeaders(response: Response, headers: Headers | undefined, type?: string): Response {
  const own = response.headers;
  const chosen = headers?.get("content-type") ?? (EMPTY.has(response.status) ? undefined : type);
  if (chosen !== undefined && (own.get("content-type") ?? TEXT_TYPE) === TEXT_TYPE) own.set("content-type", chosen);
  for (const [name, value] of headers ?? []) {
    // `Vary` is a list, and middleware may have added to it.
    if (name === "vary") own.append(name, value);
    else if (!own.has(name)) own.set(name, value);
  }
  return response;
}

function toJson(value: unknown, self: object, member: string): string {
  const loss = findLoss(value, 0);
  if (loss === undefined) return JSON.stringify(value);
  throw new DurableError(
    "not-json",
    `${self.constructor.name}.${member}: \`result${loss.path}\` is ${loss.what}, which JSON cannot hold. Return plain data, such as \`Object.fromEntries(map)\`, \`[...set]\` or \`String(bigint)\`.`,
  );
}

/** The first part of a value that JSON would drop or turn into something else. */
interface Loss {
  /** Where it is: `.todos[3].at`, empty for the value itself. */
  path: string;
  readonly what: string;
}

/** Deeper than any honest result, and well before a cycle fills the stack. */
const DEPTH = 1_000;

// Before `JSON.stringify` and not as its replacer: a replacer is called from native code for each
// member, does not know the path, and costs a large result several times as much.
function findLoss(value: unknown, depth: number, isConverted = false): Loss | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : { path: "", what: String(value) };
    case "object":
      break;
    default:
      return { path: "", what: typeof value };
  }
  if (value === null) return undefined;
  if (depth > DEPTH) return { path: "", what: "nested without end" };
  // What a `toJSON` gives, JSON takes as it is: a Date among that is an object without members.
  if (!isConverted) {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? { path: "", what: "an invalid Date" } : undefined;
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") return findLoss(toJSON.call(value, ""), depth + 1, true);
  }
  if (Array.isArray(value)) {
    // By index, so that a hole counts as the undefined that it reads as.
    for (let i = 0; i < value.length; i++) {
      const loss = findLoss(value[i], depth + 1);
      if (loss !== undefined) return at(`[${i}]`, loss);
    }
    return undefined;
  }
  // Map, Set, bytes, errors, promises and the like have a tag of their own; also behind a Proxy.
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag !== "Object") return { path: "", what: `of type ${tag}` };
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    const loss = member === undefined ? undefined : findLoss(member, depth + 1);
    if (loss !== undefined) return at(`.${key}`, loss);
  }
  return undefined;
}

function at(place: string, loss: Loss): Loss {
  // Only the outer part of a very long path is worth reading.
  loss.path = (place + loss.path).slice(0, 200);
  return loss;
}
