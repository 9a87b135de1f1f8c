/**
 * @module
 * What `durable-base/client` exports: an object's clients in browsers, Node and elsewhere.
 */
export { connect } from "./connect.ts";
export type { ConnectionOptions, Query, SocketClass, SocketLike, Status } from "./connection.ts";
export type { CallOptions, CallsOf, Client, ConnectOptions, DraftOf, Names, NotCallable, StateOf } from "./types.ts";
export { DurableError } from "../core/errors.ts";
