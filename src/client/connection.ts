/**
 * @module
 * A WebSocket that comes back: it reconnects after growing, random delays, and notices when the other side is gone.
 */
import { DurableError } from "../core/errors.ts";

/** The most milliseconds that an attempt to connect may take, from asking for the query to the first message. */
const CONNECTS_WITHIN = 10_000;
/** After as many milliseconds without a message a ping is sent. */
const QUIET = 25_000;
/** The most milliseconds that the answer to a ping may take. */
const ANSWERS_WITHIN = 10_000;
/** The longest first delay before another attempt, in milliseconds. Each attempt that fails doubles it, up to the longest. */
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
/** The most milliseconds that the code of a close may take to come, once the other side has closed. */
const CLOSES_WITHIN = 30_000;
/** `WebSocket.CLOSING` */
const CLOSING = 2;
/** After a connection that was open for as many milliseconds, delays begin anew. */
const STEADY = 5_000;

/**
 * The state of a connection: `connecting` until it is open for the first time, `reconnecting` whenever it was lost, and `closed`
 * once it won't come back.
 */
export type Status = "connecting" | "open" | "reconnecting" | "closed";

/** The parameters that are added to the URL, such as `{ token }`. */
export type Query = Readonly<Record<string, string>>;

/** The part of the class `WebSocket` that a client uses, in browsers, Node and packages such as `ws`. */
export interface SocketLike {
  readonly readyState: number;
  send(message: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  addEventListener(type: "error", listener: () => void): void;
}

/** A class like `WebSocket`. */
export type SocketClass = new (url: string, protocols: string[]) => SocketLike;

/** How a client connects. */
export interface ConnectionOptions {
  /**
   * Is added to the URL. A function runs for each attempt to connect, and can fetch a fresh token. If it throws, the next attempt
   * follows after a delay.
   */
  readonly query?: Query | (() => Query | Promise<Query>) | undefined;
  /** The class to connect with, if it isn't the global `WebSocket`. */
  readonly WebSocket?: SocketClass | undefined;
}

/** The owner of a connection. */
export interface ConnectionEvents {
  /** The subprotocols to ask for. */
  protocols(): string[];
  message(data: unknown): void;
  /** Called after `status` has changed, and after each attempt that failed; for the first message, after `message`. */
  changed(): void;
  /** Called when the object has closed the connection since a message was too large for it. */
  tooLarge(): void;
}

export class Connection {
  status: Status = "connecting";
  /** Why the connection won't come back. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #url: string | URL;
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  #socket: SocketLike | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts attempts. Events of an earlier one have no effect. */
  #run = 0;
  /** The attempts that failed since the connection was last steady. */
  #failed = 0;
  #wasOpen = false;
  #openedAt: number | undefined;

  constructor(url: string | URL, options: ConnectionOptions, events: ConnectionEvents) {
    this.#url = url;
    this.#options = options;
    this.#events = events;
  }

  /**
   * Connects, unless it has begun; a closed connection connects again.
   *
   * @throws DurableError `bad-option` for a malformed URL, or if the global `WebSocket` is missing.
   */
  start(): void {
    if (this.#run > 0 && this.closed === undefined) return;
    socketUrl(this.#url);
    this.#socketClass();
    this.closed = undefined;
    this.status = "connecting";
    this.#openedAt = undefined;
    this.#wasOpen = false;
    this.#failed = 0;
    page.addEventListener?.("online", this.#onOnline);
    void this.#connect();
  }

  close(): void {
    if (this.closed === undefined) this.#end(1000, "");
  }

  send(text: string): void {
    this.#socket?.send(text);
  }

  /** Drops the connection, and connects anew after a delay. */
  restart(): void {
    this.#drop();
    if (this.#openedAt !== undefined && Date.now() - this.#openedAt >= STEADY) this.#failed = 0;
    this.#wasOpen ||= this.#openedAt !== undefined;
    this.#openedAt = undefined;
    this.status = this.#wasOpen ? "reconnecting" : "connecting";
    // Random, so that the clients of a server that was gone for a moment don't all come back in the same one.
    const delay = Math.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failed++);
    this.#wait(delay, () => void this.#connect());
    this.#events.changed();
  }

  async #connect(): Promise<void> {
    const run = this.#drop();
    this.#wait(CONNECTS_WITHIN, () => this.#giveUp());
    const url = socketUrl(this.#url);
    const { query } = this.#options;
    try {
      const added = typeof query === "function" ? await query() : query;
      for (const [name, value] of Object.entries(added ?? {})) url.searchParams.set(name, value);
    } catch {
      // As documented: `query` has reported what it wants to be known.
      if (run === this.#run) this.restart();
      return;
    }
    if (run === this.#run) this.#open(url.href, run);
  }

  #open(url: string, run: number): void {
    const isOver = (): boolean => run !== this.#run;
    try {
      const socket = new (this.#socketClass())(url, this.#events.protocols());
      socket.addEventListener("message", ({ data }) => isOver() || this.#receive(data));
      socket.addEventListener("close", ({ code, reason }) => {
        if (isOver()) return;
        if (code === 1009) this.#events.tooLarge();
        if (code === 1008 || code >= 4000) this.#end(code, reason);
        else this.restart();
      });
      // It is always followed by a close. Without a listener, `ws` would throw.
      socket.addEventListener("error", () => {});
      this.#socket = socket;
    } catch (error) {
      // Another attempt would fail as well: the page's rules forbid it, for example.
      this.#end(1006, String(error));
    }
  }

  #socketClass(): SocketClass {
    const { WebSocket = page.WebSocket } = this.#options;
    if (WebSocket !== undefined) return WebSocket;
    throw new DurableError(
      "bad-option",
      "connect: the global WebSocket is missing. Pass a class: `connect(url, { WebSocket })`, with `WebSocket` of the package `ws`, for example.",
    );
  }

  #receive(data: unknown): void {
    this.#wait(QUIET, () => this.#ping());
    if (this.status === "open") return this.#events.message(data);
    const run = this.#run;
    this.#openedAt = Date.now();
    // Not open before it was understood, and before what waits was sent.
    this.#events.message(data);
    if (run !== this.#run) return undefined;
    this.status = "open";
    return this.#events.changed();
  }

  #ping(): void {
    this.send("ping");
    this.#wait(ANSWERS_WITHIN, () => this.#giveUp());
  }

  /** Nothing has come in time. */
  #giveUp(): void {
    // Node tells of a close, and its code, when the connection itself has ended, and a hibernating object's may last for 10 seconds.
    if (this.#socket?.readyState === CLOSING) this.#wait(CLOSES_WITHIN, () => this.restart());
    else this.restart();
  }

  /** The network is there again. */
  readonly #onOnline = (): void => {
    if (this.status === "open") this.#ping();
    else void this.#connect();
  };

  #end(code: number, reason: string): void {
    this.#drop();
    page.removeEventListener?.("online", this.#onOnline);
    this.status = "closed";
    this.closed = { code, reason };
    this.#events.changed();
  }

  /** Leaves the attempt that is running, and returns the number of the next. */
  #drop(): number {
    clearTimeout(this.#timer!);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#run++;
    socket?.close(1000);
    return this.#run;
  }

  /** There is only one thing to wait for at a time. */
  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer!);
    this.#timer = setTimeout(then, ms);
  }
}

/** The global object of a browser, as far as it is used; elsewhere it has less. */
const page = globalThis as {
  readonly WebSocket?: SocketClass;
  readonly location?: { readonly href: string };
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
};

function socketUrl(url: string | URL): URL {
  try {
    const whole = new URL(url, page.location?.href);
    whole.protocol = whole.protocol.replace(/^http/, "ws");
    whole.hash = "";
    return whole;
  } catch (error) {
    throw new DurableError("bad-option", `connect: ${String(url)} isn't a URL. Pass \`"wss://example.com/lobby"\`.`, {
      cause: error,
    });
  }
}
