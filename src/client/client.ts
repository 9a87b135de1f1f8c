/**
 * @module
 * Calling objects from browsers, Node and other clouds.
 */
export { http } from "./http.ts";
export { HttpError } from "./http-error.ts";
export type { HttpCallOptions, HttpHeaders, HttpOptions, HttpRetry } from "./http-options.ts";
export type { HttpClient, HttpMethod, HttpRoutes, HttpVerb, Json, NotOverHttp, RouteCheck } from "./http-types.ts";
