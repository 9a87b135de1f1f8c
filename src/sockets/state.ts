/**
 * @module
 * The data that stays with a socket through hibernation: its state, and that it was closed.
 */
import { DurableError } from "../core/errors.ts";
import { describe } from "../core/values/kinds.ts";
import { setOwn, snapshot } from "../core/values/snapshot.ts";
import { sizeOf } from "../storage/size.ts";

/** The most bytes of a state, serialized. */
const MAX_STATE = 16_000;

/** With this beside it, a state over {@link MAX_STATE} is over the platform's 16,384: the attachment without it takes 35. */
const PAD = "x".repeat(16_384 - MAX_STATE - 35);

/** Below this a state, whose size is estimated, is small enough. */
const NEAR = 12_000;

/** Deeper than any honest state, and well before a cycle fills the stack. */
const DEPTH = 500;

/** The attachment of a socket. */
interface Attachment {
  /** Its version. */
  readonly durableBase: 1;
  readonly state?: unknown;
  /** True once the object has closed the socket. After two hibernations the platform may list it as open again. */
  readonly closed?: true;
}

/** Reads the attachment; undefined if it isn't ours. */
export function readAttachment(socket: WebSocket): Attachment | undefined {
  let found: unknown;
  try {
    found = socket.deserializeAttachment();
  } catch {
    return undefined;
  }
  return (found as Attachment | null | undefined)?.durableBase === 1 ? (found as Attachment) : undefined;
}

/** Marks a socket as closed by the object, unless its attachment is somebody else's. */
export function markClosed(socket: WebSocket): void {
  const attachment = readAttachment(socket);
  if (attachment !== undefined) socket.serializeAttachment({ ...attachment, closed: true });
}

/**
 * Keeps a state, which {@link frozenState} has made, with its socket, which may be closed.
 *
 * @throws DurableError `state-too-large`; `label` begins the message.
 */
export function storeState(label: string, socket: WebSocket, state: unknown, isClosed: boolean): void {
  const attachment: Attachment = { durableBase: 1, state };
  try {
    if (sizeOf(state) > NEAR) socket.serializeAttachment({ ...attachment, state: [PAD, state] });
    socket.serializeAttachment(isClosed ? { ...attachment, closed: true } : attachment);
  } catch (cause) {
    throw new DurableError(
      "state-too-large",
      `${label}: the state takes over ${MAX_STATE} bytes. Keep a key in it, and the rest in a persisted field.`,
      { cause },
    );
  }
}

/**
 * Returns a frozen copy of plain data.
 *
 * @throws DurableError `not-persistable` for anything else; `label` begins the message.
 */
export function frozenState(label: string, state: unknown): unknown {
  return freeze(label, snapshot(state), 0);
}

function freeze(label: string, value: unknown, depth: number): unknown {
  if (typeof value !== "function" && typeof value !== "symbol" && (typeof value !== "object" || value === null)) {
    return value;
  }
  const proto: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (depth < DEPTH && Array.isArray(value) && proto === Array.prototype) {
    return Object.freeze(Array.from(value, (item) => freeze(label, item, depth + 1)));
  }
  if (depth < DEPTH && (proto === Object.prototype || proto === null)) {
    const copy = {};
    for (const [key, member] of Object.entries(value)) setOwn(copy, key, freeze(label, member, depth + 1));
    return Object.freeze(copy);
  }
  const what =
    depth === DEPTH ? "data that is nested without end" : typeof value === "symbol" ? "a symbol" : describe(value);
  throw new DurableError(
    "not-persistable",
    `${label}: the state holds ${what}. Assign plain objects, arrays, strings and numbers, such as \`date.getTime()\` and \`[...set]\`.`,
  );
}
