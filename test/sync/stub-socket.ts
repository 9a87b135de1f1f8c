/** Sockets of `connect` from durable-base/client to an object behind a stub. */
import type { SocketClass, SocketLike } from "../../src/client/connection.ts";

type Listener = (event: never) => void;

/** The end of a client, whose connection a test can cut. */
class StubSocket implements SocketLike {
  /** The kinds of the frames that came; a number for a patch. */
  readonly got: unknown[] = [];
  /** The frames that the client has sent. */
  readonly sent: unknown[] = [];
  readonly #listeners: Record<string, Listener[]> = {};
  #native: WebSocket | undefined;
  #isCut = false;

  constructor(stub: { fetch(url: string, init: RequestInit): Promise<Response> }, url: string, protocols: string[]) {
    void this.#open(stub, url.replace(/^ws/, "http"), protocols);
  }

  get readyState(): number {
    return this.#native?.readyState ?? 0;
  }

  addEventListener(type: string, listener: Listener): void {
    (this.#listeners[type] ??= []).push(listener);
  }

  send(message: string): void {
    this.sent.push(JSON.parse(message));
    this.#native!.send(message);
  }

  close(code?: number): void {
    this.#isCut = true;
    this.#native?.close(code);
  }

  /** Ends the connection as a network does: neither side knows what the other has got. */
  cut(): void {
    if (this.#isCut) return;
    this.close(1000);
    this.#dispatch("close", { code: 1006, reason: "" });
  }

  async #open(stub: { fetch(url: string, init: RequestInit): Promise<Response> }, url: string, protocols: string[]) {
    const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": protocols.join(", ") };
    const { webSocket } = await stub.fetch(url, { headers });
    if (webSocket === null) return this.#dispatch("close", { code: 1006, reason: "" });
    this.#native = webSocket;
    webSocket.addEventListener("message", ({ data }) => {
      if (this.#isCut) return;
      const frame = JSON.parse(data as string) as unknown[];
      this.got.push(frame[0]);
      this.#dispatch("message", { data });
    });
    webSocket.addEventListener("close", ({ code, reason }) => {
      if (!this.#isCut) this.#dispatch("close", { code, reason });
    });
    webSocket.accept();
    if (this.#isCut) webSocket.close(1000);
  }

  #dispatch(type: string, event: object): void {
    for (const listener of this.#listeners[type] ?? []) listener(event as never);
  }
}

/** The sockets that a client opens. */
interface Server {
  /** The class for the client. */
  readonly WebSocket: SocketClass;
  readonly sockets: readonly StubSocket[];
  /** How many frames of the client are still to be followed by a cut. */
  cuts: number;
  last(): StubSocket;
}

export function socketsTo(stub: object): Server {
  const sockets: StubSocket[] = [];
  class WebSocket extends StubSocket {
    constructor(url: string, protocols: string[]) {
      super(stub as ConstructorParameters<typeof StubSocket>[0], url, protocols);
      sockets.push(this);
    }

    override send(message: string): void {
      super.send(message);
      if (server.cuts-- > 0) queueMicrotask(() => this.cut());
    }
  }
  const server: Server = { WebSocket, sockets, cuts: 0, last: () => sockets.at(-1)! };
  return server;
}
