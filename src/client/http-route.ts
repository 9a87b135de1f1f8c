/**
 * @module
 * A line of the HTTP client's map, such as `PUT /todos/:id`, and the request that it makes of an input.
 */
import { DurableError, quote } from "../core/errors.ts";
import { toJson } from "../core/values/json.ts";

/** A line of the map. */
export interface HttpRoute {
  /** Begins messages: the method's name, and the line. */
  readonly label: string;
  readonly verb: string;
  /** The path with its parameters, as the route has it. */
  readonly path: string;
  /** Returns true for a member of the input that goes to the query. */
  readonly isQuery: (member: string) => boolean;
  /** True if the member `body` alone is the body. */
  readonly isWhole: boolean;
}

/** The request for an input. */
export interface Outgoing {
  /** The path and the query. */
  readonly target: string;
  readonly body?: BodyInit;
  /** The content type of the body. */
  readonly type?: string;
}

/** Verbs whose requests have no body, and those that do. */
const VERBS: Readonly<Record<string, boolean>> = { GET: true, DELETE: true, POST: false, PUT: false, PATCH: false };

/** A parameter of a path with its pattern, whose braces may hold braces, and the mark of an optional one. */
const PARAM = /\/:(\w+)(?:\{(?:\{[\d,]+\}|[^}])+\})?(\?)?/g;

/**
 * Reads a line of the map.
 *
 * @throws DurableError `bad-option`.
 */
export function parseRoute(name: string, line: unknown): HttpRoute {
  const label = `${name} (${String(line)})`;
  const [verb = "", path = "", ...words] = String(line).split(" ");
  const isBodiless = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  const literal = path.replaceAll(PARAM, "");
  const isWhole = words.at(-1) === "body";
  const [query = "", ...rest] = isWhole ? words.slice(0, -1) : words;
  const flaw =
    isBodiless === undefined
      ? `has no verb of ${Object.keys(VERBS).join(", ")}`
      : !path.startsWith("/") || /[*?#{}:\\]/.test(literal)
        ? 'has a path that no request can be made of: it begins with "/", and has parameters in place of patterns'
        : rest.length > 0 || words.includes("") || !/^(?:\?[^?]+)?$/.test(query) || (isWhole && isBodiless)
          ? "ends with something else than `?names&in&the&query` and, for a verb with a body, `body`"
          : undefined;
  if (flaw !== undefined) {
    throw new DurableError("bad-option", `http: ${label} ${flaw}. Write \`{ ${name}: "POST /todos/:id" }\`.`);
  }
  const inQuery = query.slice(1).split("&");
  return { label, verb, path, isWhole, isQuery: (member) => isBodiless === true || inQuery.includes(member) };
}

/**
 * Makes the request of an input, as the server's route reads it.
 *
 * @throws DurableError `invalid-input` for a member that the path or query can't hold, `not-json` for one that the body can't hold.
 */
export function outgoing({ label, path, isQuery, isWhole }: HttpRoute, input: unknown = {}): Outgoing {
  if (typeof input !== "object" || input === null) throw invalid(label, [], "expected an object");
  const rest: Record<string, unknown> = { ...input };
  const query: string[] = [];
  let isCut = false;
  const pathname = path.replaceAll(PARAM, (_, name: string, optional?: string) => {
    const value = rest[name];
    delete rest[name];
    if (value === undefined && optional !== undefined) {
      isCut = true;
      return "";
    }
    const text = isCut ? undefined : textOf(value);
    // A URL loses these segments, and would be another route's.
    if (text !== undefined && !/^(\.\.?)?$/.test(text)) return `/${encode(label, name, text)}`;
    throw invalid(label, [name], `${quote(value)} can't be a part of the path`);
  });
  for (const name of Object.keys(rest).filter(isQuery)) {
    const value = rest[name];
    delete rest[name];
    for (const item of [value].flat()) {
      const text = textOf(item);
      if (text !== undefined) query.push(`${encode(label, name, name)}=${encode(label, name, text)}`);
      else if (value !== undefined) throw invalid(label, [name], `${quote(item)} can't be a part of the query`);
    }
  }
  const target = query.length === 0 ? pathname : `${pathname}?${query.join("&")}`;
  const { body, ...others } = rest;
  const [other] = Object.keys(isWhole ? others : {});
  if (other !== undefined) throw invalid(label, [other], "the line has no place for it beside `body`");
  const whole = isWhole ? body : Object.keys(rest).length === 0 ? undefined : rest;
  if (whole === undefined) return { target };
  if (typeof whole === "string" && isWhole) return { target, body: whole, type: "text/plain;charset=UTF-8" };
  if (whole instanceof Blob) return { target, body: whole, type: whole.type || "application/octet-stream" };
  if (whole instanceof ArrayBuffer || ArrayBuffer.isView(whole)) {
    return { target, body: whole as BodyInit, type: "application/octet-stream" };
  }
  const json = toJson(whole, { label, name: isWhole ? "input.body" : "input", verb: "Send" });
  return { target, body: json, type: "application/json" };
}

/** A value as text, as JSON would have it in quotes; undefined for a value that has no text. */
function textOf(value: unknown): string | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : undefined;
  return ["string", "bigint", "boolean"].includes(typeof value) ? String(value) : undefined;
}

function encode(label: string, name: string, text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    throw invalid(label, [name], "ill-formed text, which no URL can hold");
  }
}

function invalid(label: string, path: string[], message: string): DurableError {
  return new DurableError("invalid-input", `${label}: ${path[0] ?? "input"}: ${message}.`, {
    issues: [{ path, message }],
  });
}
