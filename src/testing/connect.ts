/**
 * @module
 * A client of an object's sockets, for tests.
 */
import { DurableError, quote } from "../core/errors.ts";
import { isHandle } from "../core/values/snapshot.ts";
import { checkClose } from "../sockets/close.ts";
import { encode } from "../sockets/message.ts";
import { stubOf, within, type Target } from "./target.ts";

/**
 * The parts of a request that {@link connect} leaves to you.
 *
 * @example
 * ```ts
 * const options: ConnectOptions = { headers: { cookie: "session=1" }, protocols: ["chat.1"] };
 * ```
 */
export interface ConnectOptions {
  readonly headers?: HeadersInit;
  /** The subprotocols that the client speaks, the best first. */
  readonly protocols?: string | readonly string[];
}

/**
 * The end of a connection, as the client sees it.
 *
 * @example
 * ```ts
 * const { code }: ConnectionEnd = await ann.closed;
 * ```
 */
export interface ConnectionEnd {
  /** The object's code; 1005 if it sent none, 1006 if the connection broke. */
  readonly code: number;
  readonly reason: string;
  /** False if the connection broke. */
  readonly wasClean: boolean;
}

/**
 * The client's end of a socket. It answers a Close of the object by itself.
 *
 * @example
 * ```ts
 * using ann: SocketClient<{ text: string }> = await connect(room, "/?user=ann");
 * ```
 */
export interface SocketClient<Message = unknown> extends Disposable {
  /** The subprotocol that the object has chosen, or an empty string. */
  readonly protocol: string;
  /** Every message so far, as it came: text as a string, bytes as an ArrayBuffer. */
  readonly messages: readonly (string | ArrayBuffer)[];
  /** The end of the connection, whoever closes it. */
  readonly closed: Promise<ConnectionEnd>;
  /**
   * Waits for the first message that no earlier call has returned, and returns it as it came.
   *
   * @throws Error when the connection ends before there is one.
   */
  next(): Promise<string | ArrayBuffer>;
  /**
   * Does as {@link next}, and parses the message.
   *
   * @throws Error when it isn't JSON, and when the connection ends before it.
   */
  nextJson(): Promise<Message>;
  /**
   * Sends strings and bytes as they are, and other values as JSON, as the object's sockets do.
   *
   * @throws DurableError `not-json` for a value that JSON can't hold. TypeError once the client has closed the connection.
   */
  send(message: unknown): void;
  /**
   * Closes the connection. The object sees the code 1005 unless you pass one, as from a browser.
   *
   * @throws DurableError `bad-option` for a code or reason that can't be sent.
   */
  close(code?: number, reason?: string): void;
  /** Closes the connection with code 1000, if it's open. */
  [Symbol.dispose](): void;
}

/**
 * The refusal of an upgrade request: the response in its place.
 *
 * @example
 * ```ts
 * await expect(() => connect(room)).rejects.toMatchObject({ status: 401, body: "Who are you?" });
 * ```
 */
export class UpgradeRefused extends DurableError {
  readonly status: number;
  /** The response's text. */
  readonly body: string;

  constructor(url: URL, status: number, body: string) {
    super(
      "upgrade-refused",
      `connect: ${url.pathname} was answered with ${status} and no socket: ${quote(body)}. If you expect that: \`await expect(() => connect(room)).rejects.toMatchObject({ status: ${status} })\`.`,
    );
    this.status = status;
    this.body = body;
  }
}

/**
 * Connects to the sockets of an object, as a browser would. `object` is a handle or a native stub; or the Worker, to go through its
 * `serve`: `exports.default` of `cloudflare:workers`. `path` may have a query, and may be a whole URL.
 *
 * `Message` is the type of what {@link SocketClient.nextJson} returns; nothing checks it.
 *
 * @throws UpgradeRefused when the answer isn't a socket.
 *
 * @example
 * ```ts
 * using ann = await connect<{ text: string }>(room, "/?user=ann");
 * ann.send({ text: "hello" });
 * expect(await ann.nextJson()).toEqual({ text: "hello" });
 * ```
 */
export async function connect<Message = unknown>(
  object: Pick<Target, "fetch">,
  path = "/",
  options: ConnectOptions = {},
): Promise<SocketClient<Message>> {
  const url = new URL(path, "http://localhost");
  const headers = new Headers(options.headers);
  headers.set("upgrade", "websocket");
  if (options.protocols !== undefined) headers.set("sec-websocket-protocol", [options.protocols].flat().join(", "));
  const receiver = isTarget(object) ? await awake(object) : object;
  const response = await receiver.fetch(url.href, { headers });
  const { webSocket } = response;
  if (webSocket === null) throw new UpgradeRefused(url, response.status, await response.text());
  return new Client(webSocket, response.headers.get("sec-websocket-protocol") ?? "");
}

/** Returns false for the Worker: a service binding has every name, as a method. */
function isTarget(object: Pick<Target, "fetch">): object is Target {
  return typeof (object as Target).id === "object";
}

/** Wakes an object. Returns a stub that isn't dead. */
async function awake(object: Target): Promise<Target> {
  await within(object, () => {});
  return isHandle(object) ? object : stubOf(object);
}

class Client implements SocketClient<never> {
  readonly protocol: string;
  readonly closed: Promise<ConnectionEnd>;
  readonly #socket: WebSocket;
  readonly #messages: (string | ArrayBuffer)[] = [];
  /** How many messages `next` has returned. */
  #taken = 0;
  /** The calls of `next` that wait. */
  readonly #waiting: PromiseWithResolvers<string | ArrayBuffer>[] = [];
  #end: ConnectionEnd | undefined;

  constructor(socket: WebSocket, protocol: string) {
    this.#socket = socket;
    this.protocol = protocol;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#got(data as string | ArrayBuffer));
    const { promise, resolve } = Promise.withResolvers<ConnectionEnd>();
    this.closed = promise;
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      this.#end = { code, reason, wasClean };
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended(this.#end));
      resolve(this.#end);
    });
    // Without `allowHalfOpen` the platform answers a Close, from compatibility date 2026-04-07.
    socket.accept();
  }

  get messages(): readonly (string | ArrayBuffer)[] {
    return this.#messages;
  }

  async next(): Promise<string | ArrayBuffer> {
    if (this.#taken < this.#messages.length) return this.#messages[this.#taken++]!;
    if (this.#end !== undefined) throw this.#ended(this.#end);
    const waiting = Promise.withResolvers<string | ArrayBuffer>();
    this.#waiting.push(waiting);
    return await waiting.promise;
  }

  async nextJson(): Promise<never> {
    const message = await this.next();
    try {
      if (typeof message === "string") return JSON.parse(message) as never;
    } catch {
      // The error below has the message.
    }
    const got = typeof message === "string" ? JSON.stringify(message) : `${message.byteLength} bytes`;
    throw new Error(`nextJson: the message isn't JSON: ${got}. Use \`next()\` for text and bytes.`);
  }

  send(message: unknown): void {
    this.#socket.send(encode("connect: send", message));
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined || reason !== undefined) checkClose("connect: close", code ?? NaN, reason ?? "");
    this.#socket.close(code, reason);
  }

  [Symbol.dispose](): void {
    this.close(1000);
  }

  #got(message: string | ArrayBuffer): void {
    this.#messages.push(message);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    this.#taken++;
    waiting.resolve(message);
  }

  #ended({ code, reason }: ConnectionEnd): Error {
    const why = reason === "" ? "" : ` (${reason})`;
    return new Error(
      `next: the connection ended with code ${code}${why} after ${this.#messages.length} messages, which were all read.`,
    );
  }
}
