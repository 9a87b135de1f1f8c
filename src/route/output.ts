/**
 * @module
 * Turns what a routed method returned into a Response.
 */
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { toJson } from "../core/values/json.ts";
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
  const json = (value: unknown): string =>
    toJson(value, { label: `${self.constructor.name}.${member}`, name: "result", verb: "Return" });
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
