/**
 * @module
 * How a route describes itself; `src/openapi/` makes documents of it.
 */
import type { StandardSchema } from "../core/values/schema.ts";

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * A JSON Schema of draft 2020-12; `{}` describes nothing and allows everything.
 *
 * @example
 * ```ts
 * const count: JsonSchema = { type: "integer", minimum: 0 };
 * ```
 */
export interface JsonSchema {
  readonly [keyword: string]: Json;
}

/**
 * The options of a route for its OpenAPI operation: `@Route.get("/", { openapi: { summary: "The count" } })`.
 *
 * @example
 * ```ts
 * const options: OperationOptions = {
 *   summary: "The count",
 *   responses: { 200: { description: "How often it was incremented.", content: { "application/json": { schema: z.number() } } } },
 * };
 * ```
 */
export interface OperationOptions {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  /** The method's name by default; a second operation of that id gets a number. */
  readonly operationId?: string;
  readonly deprecated?: boolean;
  /** By status code or `default`, in place of what would be there; one of a success replaces all of those. */
  readonly responses?: Readonly<Record<string, ResponseOptions>>;
  /** True leaves the route out of the document. */
  readonly hidden?: boolean;
}

/** An answer as a route describes it. */
export interface ResponseOptions {
  readonly description?: string;
  readonly content?: Readonly<Record<string, ResponseMedia>>;
}

/** What is sent as one content type: a JSON Schema, or a Standard Schema of which the output side counts. */
export interface ResponseMedia {
  readonly schema?: JsonSchema | StandardSchema;
}
