/**
 * @module
 * The parts of an OpenAPI 3.1 document that `openapi` makes.
 */
import type { JsonSchema } from "../route/operation-options.ts";

/**
 * A document that {@link openapi} makes: plain data, ready for `JSON.stringify`.
 *
 * @example
 * ```ts
 * const document: OpenApiDocument = openapi(Counter);
 * document.paths["/increment"]?.post?.operationId; // "increment"
 * ```
 */
export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: OpenApiInfo;
  readonly servers?: readonly OpenApiServer[];
  readonly paths: Readonly<Record<string, OpenApiPath>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, OpenApiResponse>>;
  };
}

/** What an API is called; `version` is that of the document. */
export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
  readonly summary?: string;
  readonly description?: string;
  readonly termsOfService?: string;
  readonly contact?: { readonly name?: string; readonly url?: string; readonly email?: string };
  readonly license?: { readonly name: string; readonly identifier?: string; readonly url?: string };
}

/** Where the paths begin: an absolute URL, or one relative to where the document is. */
export interface OpenApiServer {
  readonly url: string;
  readonly description?: string;
}

/** The HTTP methods that OpenAPI knows and that can reach an object. */
export type OpenApiVerb = "get" | "put" | "post" | "delete" | "options" | "patch";

/** The operations of one path. */
export type OpenApiPath = { readonly [Verb in OpenApiVerb]?: OpenApiOperation };

/** One method of one path. */
export interface OpenApiOperation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly deprecated?: boolean;
  readonly parameters?: readonly OpenApiParameter[];
  readonly requestBody?: OpenApiRequestBody;
  readonly responses: Readonly<Record<string, OpenApiResponse | { readonly $ref: string }>>;
}

/** A parameter in the path or the query. */
export interface OpenApiParameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly description?: string;
  readonly required: boolean;
  readonly style?: "form";
  readonly explode?: true;
  readonly schema: JsonSchema;
}

/** The body of a request, by content type. */
export interface OpenApiRequestBody {
  readonly description?: string;
  readonly required: boolean;
  readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

/** An answer, by content type; none means that it has no body. */
export interface OpenApiResponse {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema }>>;
}
