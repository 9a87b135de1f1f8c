/**
 * @module
 * Calling objects, and following their state, from browsers, Node and other clouds.
 */
export { http } from "./http.ts";
export { HttpError } from "./http-error.ts";
export type { HttpCallOptions, HttpHeaders, HttpOptions, HttpRetry } from "./http-options.ts";
export type { HttpClient, HttpMethod, HttpRoutes, HttpVerb, Json, NotOverHttp, RouteCheck } from "./http-types.ts";
export { CallLost } from "./call-lost.ts";
export { connect } from "./connect.ts";
export type { ConnectionOptions, Query, SocketClass, SocketLike, Status } from "./connection.ts";
export type { CallOptions, CallsOf, Client, ConnectOptions, DraftOf, Names, NotCallable, StateOf } from "./types.ts";
export { DurableError } from "../core/errors.ts";
