/**
 * @module
 * The handlers and options of `sockets`, and what is wrong with them.
 */
import { DurableError, quote } from "../core/errors.ts";
import type { ConnectingSocket, Socket, SocketEnd } from "./socket.ts";

/**
 * The handlers and options of `sockets`. Each handler runs as an entry.
 *
 * @example
 * ```ts
 * const options: SocketOptions<{ user: string }> = {
 *   connect: (socket) => void (socket.state = { user: "ann" }),
 *   message: (socket, data) => socket.send(data),
 * };
 * ```
 */
export interface SocketOptions<State = unknown> {
  /**
   * Runs before a socket is accepted. To refuse the client, return a `Response` or throw: it's the answer to the request, and no
   * other handler sees the socket. Without `connect` every client is accepted.
   */
  connect?(socket: ConnectingSocket<State>, request: Request): void | Response | Promise<void | Response>;
  /**
   * Runs for each message. The messages of one socket are handled in order, one at a time. A socket that has over
   * 4,000 messages or 32 MiB waiting for its handler is closed with code 1008.
   */
  message?(socket: Socket<State>, data: string | ArrayBuffer): void | Promise<void>;
  /**
   * Runs when the client has closed the socket or is gone, after the messages before it. The socket isn't open any more. Doesn't
   * run when the object is reset, as by a deploy, which closes all sockets.
   */
  close?(socket: Socket<State>, end: SocketEnd): void | Promise<void>;
  /**
   * Gets the error of a handler other than `connect`, of its write, or of the connection. The socket is closed with code 1011 after
   * it, unless it has closed it. Without `error` the error is logged.
   */
  error?(socket: Socket<State>, error: unknown): void | Promise<void>;
  /** The one path whose upgrade requests are accepted; by default all that no route takes. */
  path?: string;
  /** False keeps the platform from answering the message `ping` with `pong`, which it does without waking the object. */
  ping?: boolean;
  /** The most bytes that a message may have; a larger one closes its socket with code 1009. */
  maxMessage?: number;
  /**
   * The most bytes that `send` and `broadcast` may send a socket until its next `ping` is answered; one message more closes it with code
   * 1008. A string's characters count as bytes. The platform takes no further pings of a client that doesn't read, so at most about
   * twice as much waits for one; by default that has no limit. Only for clients that send pings.
   */
  maxUnread?: number;
  /** How many messages a socket may send in `per` milliseconds; one more closes it with code 1008. */
  rate?: { readonly messages: number; readonly per: number };
  /**
   * The most sockets that may be open; further clients get the status 503. Counted before `connect`, and again when it has let the
   * client in: others may have come while it waited. Its changes stay.
   */
  maxSockets?: number;
}

const HANDLERS = ["connect", "message", "close", "error"] as const;

/** @throws DurableError `bad-option`; `label` begins the message. */
export function checkOptions(label: string, options: SocketOptions): void {
  const { path, rate } = options;
  const fail = (problem: string): never => {
    throw new DurableError("bad-option", `${label}: ${problem}`);
  };
  for (const name of HANDLERS) {
    const handler = options[name] as unknown;
    if (handler === undefined || typeof handler === "function") continue;
    fail(`\`${name}\` is ${quote(handler)}, which isn't a function. Write \`${name}: (socket) => { … }\`.`);
  }
  if (path !== undefined && (typeof path !== "string" || !/^\/[^?#]*$/.test(path)))
    fail(`\`path\` is ${quote(path)}. Write a path that begins with a slash: \`path: "/chat"\`.`);
  const counts = {
    maxMessage: options.maxMessage,
    maxSockets: options.maxSockets,
    maxUnread: options.maxUnread,
    ...(rate !== undefined && { "rate.messages": rate?.messages ?? NaN, "rate.per": rate?.per ?? NaN }),
  };
  for (const [name, count] of Object.entries(counts)) {
    if (count === undefined || (Number.isSafeInteger(count) && count >= 1)) continue;
    fail(`\`${name}\` is ${quote(count)}. Pass a whole number from 1 on.`);
  }
  if (options.maxUnread !== undefined && options.ping === false)
    fail("`maxUnread` goes by the platform's answers to pings. Remove `ping: false`.");
}
