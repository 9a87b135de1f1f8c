/**
 * @module
 * Turns what a routed method returned into a Response.
 */
import type { Context } from "hono";
import { DurableError } from "../errors.ts";

/** What a Response takes a string for. */
const TEXT_TYPE = "text/plain;charset=UTF-8";

/**
 * Makes the response: a `Response` as it is, 204 for `undefined`, text for a string, a stream as a
 * stream, and JSON for anything else. What the method set on `c` (`c.status`, `c.header`) is kept.
 *
 * @param where - class and method, for the message.
 * @throws DurableError `not-json` when JSON would lose a part of the result.
 */
export function respond(c: Context, result: unknown, where: () => string): Response {
  if (result === undefined) {
    const empty = c.body(null);
    return empty.status === 200 ? c.body(null, 204) : empty;
  }
  if (result instanceof Response) return result;
  // Not `c.text()` and `c.json()`, which replace a content type that the method set.
  if (typeof result === "string" || result instanceof ReadableStream) return c.body(result);
  const loss = findLoss(result, 0);
  if (loss !== undefined) {
    throw new DurableError(
      "not-json",
      `${where()}: \`result${loss.path}\` is ${loss.what}, which JSON cannot hold. Return plain data, as \`[...set]\` or \`String(bigint)\`.`,
    );
  }
  const response = c.body(JSON.stringify(result));
  const { headers } = response;
  if (headers.get("content-type") === TEXT_TYPE) headers.set("content-type", "application/json");
  return response;
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
function findLoss(value: unknown, depth: number): Loss | undefined {
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
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? { path: "", what: "an invalid Date" } : undefined;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return findLoss(toJSON.call(value, ""), depth + 1);
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
