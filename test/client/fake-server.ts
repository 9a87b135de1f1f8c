/** A server that a test speaks for, frame by frame, and the sockets that clients open to it. */
import type { SocketLike } from "../../src/client/connection.ts";

type Listener = (event: never) => void;

/** A socket as its client sees it, and the server's end of it. */
export class FakeSocket implements SocketLike {
  readonly url: string;
  readonly protocols: readonly string[];
  /** The frames that the client has sent; other messages as they are. */
  readonly sent: unknown[] = [];
  readyState = 1;
  /** The code with which the client has closed the socket. */
  closedWith: number | undefined;
  readonly #listeners: Record<string, Listener[]> = {};

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: Listener): void {
    (this.#listeners[type] ??= []).push(listener);
  }

  send(message: string): void {
    this.sent.push(message.startsWith("[") ? JSON.parse(message) : message);
  }

  close(code?: number): void {
    this.closedWith ??= code ?? 1005;
  }

  /** Sends frames as the server. */
  say(...frames: unknown[]): void {
    for (const frame of frames) this.message(JSON.stringify(frame));
  }

  message(data: unknown): void {
    this.#dispatch("message", { data });
  }

  /** Ends the connection as the server or the network. */
  end(code: number, reason = ""): void {
    if (code === 1006) this.#dispatch("error", {});
    this.#dispatch("close", { code, reason });
  }

  #dispatch(type: string, event: object): void {
    for (const listener of this.#listeners[type] ?? []) listener(event as never);
  }
}

/** The class for one client's `WebSocket`, and the sockets that it has opened. */
export function fakeServer(): { WebSocket: typeof FakeSocket; sockets: FakeSocket[]; last(): FakeSocket } {
  const sockets: FakeSocket[] = [];
  class WebSocket extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  return { WebSocket, sockets, last: () => sockets.at(-1)! };
}
