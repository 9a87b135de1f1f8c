/**
 * @module
 * The options of a route: their types, and what is wrong with them.
 */
import type { MiddlewareHandler } from "hono";
import { quote } from "../core/errors.ts";
import { isSchema, type StandardSchema } from "../core/values/schema.ts";
import type { OperationOptions } from "./operation-options.ts";

/**
 * A schema for the input or a part of it: any {@link https://standardschema.dev | Standard Schema} (zod, valibot,
 * arktype). `Output` is what the method gets.
 *
 * @example
 * ```ts
 * const By: InputSchema<{ by: number }> = z.object({ by: z.number() });
 * ```
 */
export type InputSchema<Output = unknown> = StandardSchema<unknown, Output>;

/**
 * A kind of body: `"json"`, `"form"` (urlencoded or multipart), `"text"`, `"bytes"` (a `Uint8Array`), or
 * `"stream"` (a `ReadableStream`, not read before the method runs).
 *
 * @example
 * ```ts
 * const kinds: BodyKind[] = ["json", "form"];
 * ```
 */
export type BodyKind = "json" | "form" | "text" | "bytes" | "stream";

/**
 * What a route may say beside its verb and path. `Input`, `Params`, `Query` and `Body` are what the schemas give.
 *
 * @example
 * ```ts
 * const options: RouteOptions = { input: z.object({ by: z.number() }), maxBody: 1_024, status: 201 };
 * ```
 */
export interface RouteOptions<
  Input = unknown,
  Params = unknown,
  Query = unknown,
  Body = unknown,
  Accept extends BodyKind | readonly BodyKind[] = BodyKind | readonly BodyKind[],
> {
  /**
   * Validates and converts the whole input, over HTTP and through a stub. The method's first parameter takes
   * what the schema gives. Not to be combined with `params`, `query` and `body`.
   */
  readonly input?: InputSchema<Input>;
  /** Validates and converts the path parameters, which are strings. */
  readonly params?: InputSchema<Params>;
  /** Validates and converts the query: strings, and arrays of strings for repeated keys. */
  readonly query?: InputSchema<Query>;
  /** Validates and converts the body, whatever its form. */
  readonly body?: InputSchema<Body>;
  /** The bodies that are taken, `"json"` by default; of several the content type decides. */
  readonly accept?: Accept;
  /** The longest body in bytes, 1 MiB by default; `Infinity` for no limit. A longer one is answered with 413. */
  readonly maxBody?: number;
  /** The status of a result, 200 by default; the method can still choose another one with `c.status()`. */
  readonly status?: number;
  /** Headers of a result that is no `Response`; what the method sets with `c.header()` wins. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Hono's middleware for this route, which runs inside the entry, after that of the class. */
  readonly use?: MiddlewareHandler | readonly MiddlewareHandler[];
  /** What an OpenAPI document says of the route. */
  readonly openapi?: OperationOptions;
}

/** The schemas of a member, which all its routes share: one for the whole input, or one for each part. */
export type Schemas = Pick<RouteOptions, "input" | "params" | "query" | "body">;

/** The names of {@link Schemas}. */
export const SCHEMAS: readonly (keyof Schemas)[] = ["input", "params", "query", "body"];

/** All options; complete, so that a new one breaks this line. */
const KNOWN: Record<keyof RouteOptions, 1> = {
  input: 1,
  params: 1,
  query: 1,
  body: 1,
  accept: 1,
  maxBody: 1,
  status: 1,
  headers: 1,
  use: 1,
  openapi: 1,
};

const KINDS: readonly unknown[] = ["json", "form", "text", "bytes", "stream"];

/** Returns a message for the option that can't work, with the fix; undefined if all options can. */
export function flawOf(options: RouteOptions): string | undefined {
  if (typeof options !== "object" || options === null) {
    return "has options that aren't an object. Write `{ input: z.object({ by: z.number() }), status: 201 }`";
  }
  // A misspelt one would be left out without a word, and a schema would check nothing.
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(KNOWN, key));
  if (unknown !== undefined) return `has an unknown option ${quote(unknown)}. Use ${Object.keys(KNOWN).join(", ")}`;
  const { input, maxBody = 0, status = 200, headers = {}, use, openapi = {} } = options;
  for (const name of SCHEMAS) {
    if (options[name] === undefined || isSchema(options[name])) continue;
    return `has an option \`${name}\` that isn't a Standard Schema. Write \`{ ${name}: z.object({ by: z.number() }) }\``;
  }
  if (input !== undefined && hasParts(options)) {
    return "has `input`, a schema for everything, beside one for a part. Write `{ params: Id, query: Page, body: Todo }`";
  }
  if (!(maxBody >= 0)) {
    return `has a \`maxBody\` of ${quote(maxBody)}, which isn't a number of bytes. Write \`{ maxBody: 65_536 }\``;
  }
  if (!(status >= 200 && status < 300 && Number.isInteger(status))) {
    return `has the status ${quote(status)}, but a result has one from 200 to 299. Write \`{ status: 201 }\`, and throw \`HTTPException\` to fail`;
  }
  const kinds = kindsOf(options);
  if (kinds.length === 0 || !kinds.every((kind) => KINDS.includes(kind))) {
    return 'has an unknown kind of body in `accept`. Write `{ accept: ["json", "form"] }`, or "text", "bytes" or "stream"';
  }
  if (!areHeaders(headers)) {
    return 'has `headers` that no response can have. Write `{ headers: { "cache-control": "no-store" } }`';
  }
  if (use !== undefined && middlewareOf(use) === undefined) {
    return "has a `use` that isn't Hono middleware. Write `{ use: [etag()] }`";
  }
  if (typeof openapi !== "object" || openapi === null) {
    return 'has an `openapi` that isn\'t an object. Write `{ openapi: { summary: "Adds to the count" } }`';
  }
  return undefined;
}

/** Tells whether the parts of the input have schemas of their own. */
export function hasParts({ params, query, body }: Schemas): boolean {
  return params !== undefined || query !== undefined || body !== undefined;
}

/** The kinds of body that a route takes. */
export function kindsOf({ accept = "json" }: RouteOptions): readonly BodyKind[] {
  return [accept].flat();
}

/** Tells whether a body is always `input.body`: text, bytes or a stream. */
export function isRaw(kinds: readonly BodyKind[]): boolean {
  return kinds.every((kind) => kind !== "json" && kind !== "form");
}

/** A list of middleware; undefined for anything else. */
export function middlewareOf(use: unknown): readonly MiddlewareHandler[] | undefined {
  const list: unknown[] = Array.isArray(use) ? use : [use];
  return list.every((one) => typeof one === "function") ? (list as MiddlewareHandler[]) : undefined;
}

function areHeaders(headers: Readonly<Record<string, string>>): boolean {
  try {
    // Throws for what is no name or value of a header.
    const known = new Headers(headers);
    return Object.entries(headers).every(([name, value]) => typeof value === "string" && known.has(name));
  } catch {
    return false;
  }
}
