/**
 * @module
 * The frames of `durable-base.sync.1`, for server and client. Each is a JSON array, whose values {@link toWire} has made.
 * `docs/reference/sync-protocol.md` describes them.
 */

/** The WebSocket subprotocol. */
export const PROTOCOL = "durable-base.sync.1";

/** Begins a second subprotocol, with the version that a client has: `durable-base.since.3f2a-0.12`. */
export const SINCE = "durable-base.since.";

/**
 * One change of the state. `path` begins with the field's name, and has property names, array indexes and keys of Maps. In this
 * order: set, delete, add to a Set (at the end), remove and insert items of an array, empty a Map or Set.
 */
export type WireChange =
  | readonly [path: unknown[], value: unknown]
  | readonly [path: unknown[]]
  | readonly ["+", path: unknown[], value: unknown]
  | readonly ["s", path: unknown[], start: number, count: number, items: unknown[]]
  | readonly ["c", path: unknown[]];

/**
 * The changes of one write, and their number, which counts from 1. Number 1 has the group's version with it, since a client
 * may be connected when it is the first one after a hibernation.
 */
export type Patch = readonly [number: number | readonly [version: string, number: 1], ...changes: WireChange[]];

/** The frames of a server. */
export type ServerFrame =
  | Patch
  /** The whole state, and the version and number to come back with. */
  | readonly ["state", version: string, number: number, state: Record<string, unknown>]
  /** Answers a client that came back: the patches that it has missed, perhaps none. */
  | readonly ["missed", ...patches: Patch[]]
  /** The next patch has what that call did. */
  | readonly ["mark", id: number]
  /** The result of a call, or the end of its stream. */
  | readonly ["ok", id: number, value?: unknown]
  | readonly ["error", id: number, error: WireError]
  /** An item of a stream. */
  | readonly ["item", id: number, value: unknown];

/** The frames of a client. */
export type ClientFrame =
  | readonly ["call", id: number, method: string, input?: unknown, key?: string]
  /** Lets the server send so many more items of a stream. */
  | readonly ["more", id: number, count: number]
  /** Ends a stream. */
  | readonly ["stop", id: number];

/** As many items of a stream as a server sends before the client asks for more. */
export const AHEAD = 64;

/** An error of a call: nothing else of it is sent. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly issues?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
}
