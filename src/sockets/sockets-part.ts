/**
 * @module
 * Sockets as a part of an object.
 */
import { bareProblem } from "../core/bare-problem.ts";
import { DurableError, quote } from "../core/errors.ts";
import type { Host, Part, SocketEvent, SocketEvents } from "../core/part/part.ts";
import { isThenable } from "../core/values/async.ts";
import { isOver } from "../storage/size.ts";
import { Connection, connectionOf, idTag, isIdTag, OWN, PART_TAG, sendTo, type Home } from "./connection.ts";
import { answerClose } from "./close.ts";
import { encode } from "./message.ts";
import { checkOptions, type SocketOptions } from "./options.ts";
import type { BroadcastOptions, Socket, Sockets } from "./socket.ts";

/** The most bytes of a protocol's message, unless the class says otherwise. */
const MAX_FRAME = 1024 * 1024;

/** A subprotocol, which another part speaks on sockets of its own. */
export interface Protocol {
  /** The name that a client asks for. */
  readonly name: string;
  /** The tag of its sockets. */
  readonly tag: string;
  /** Called when a client is accepted, with all the subprotocols that it asked for. */
  opened(connection: Connection, asked: readonly string[]): void;
  /** Called for each message that keeps to the limits, outside of entries and in no turn. The object stays awake until it resolves. */
  message(connection: Connection, data: string | ArrayBuffer): Promise<void> | undefined;
  /** Called when the state of a socket has changed. */
  changed(connection: Connection, before: unknown): void;
  /** Called when a socket has ended. */
  closed(connection: Connection): void;
}

/** The reason of a close. */
const TOO_MANY = "too many messages";

/** Sockets as a part of one object. */
export class SocketsPart implements Part, Sockets {
  readonly socket: SocketEvents;
  readonly #host: Host;
  readonly #label: string;
  readonly #home: Home;
  #options: SocketOptions | undefined;
  /** True if the class has `sockets(this)`: clients that speak no protocol are let in. */
  isOffered = false;
  #protocol: Protocol | undefined;
  #isConstructed = false;
  /** True once pings are answered, unless the object's own code has decided about that. */
  #hasAnswer = false;
  /** By native socket, as long as both are in memory. */
  readonly #connections = new WeakMap<WebSocket, Connection>();
  /** By the client's end, connections whose response hasn't left yet. */
  readonly #opening = new WeakMap<WebSocket, { connection: Connection; asked: readonly string[] }>();

  constructor(host: Host) {
    this.#host = host;
    this.#label = host.object.constructor.name;
    this.#home = {
      ctx: host.ctx,
      label: this.#label,
      afterWrite: (work) => host.afterWrite(work),
      maxUnread: () => this.#options?.maxUnread,
      changed: (connection, before) => this.#spokenOn(connection)?.changed(connection, before),
    };
    this.socket = {
      owns: (socket) => this.#isOwn(socket),
      message: (socket, data) => this.#options?.message?.(this.#of(socket).socket, data),
      close: (socket, code, reason, wasClean) => this.#ended(this.#of(socket), { code, reason, wasClean }),
      error: async (socket, error) => {
        const connection = this.#of(socket);
        await this.#report(connection, error);
        connection.end(1011);
        await this.#ended(connection, { code: 1006, reason: "", wasClean: false });
      },
      around: (event, run) => this.#around(event, run),
    };
    void Promise.resolve().then(() => (this.#isConstructed = true));
  }

  /** Sets the options, once. */
  configure(options: SocketOptions): void {
    const label = `${this.#label}: sockets(this, { … })`;
    if (this.#isConstructed) {
      throw new DurableError(
        "part-too-late",
        `${label} was called after the object was constructed. Write it in a field of the class: \`#sockets = sockets(this, { … })\`.`,
      );
    }
    if (this.#options !== undefined) {
      throw new DurableError(
        "bad-option",
        `${label}: the object's sockets have options already, from a parent class. Write \`sockets(this)\` here.`,
      );
    }
    checkOptions(label, options);
    this.#options = options;
  }

  /** Lets another part speak a protocol with clients that ask for it. */
  speak(protocol: Protocol): void {
    this.#protocol = protocol;
  }

  /** The protocol that is spoken on a socket. */
  #spokenOn({ kind }: Connection): Protocol | undefined {
    return kind === this.#protocol?.tag ? this.#protocol : undefined;
  }

  /** The connections of a protocol, oldest first. */
  connections({ tag }: Protocol): Connection[] {
    return this.#tagged(tag).map((native) => this.#of(native));
  }

  all({ tag }: { readonly tag?: string } = {}): Socket[] {
    return this.#open(this.#natives(tag)).map(({ socket }) => socket);
  }

  get(id: string): Socket | undefined {
    return this.#open(this.#tagged(idTag(id)))[0]?.socket;
  }

  get size(): number {
    return this.#open(this.#natives()).length;
  }

  broadcast(message: unknown, { tag, except = [] }: BroadcastOptions = {}): void {
    const encoded = encode(`${this.#label}: broadcast`, message);
    const left = new Set([except].flat().map((socket) => connectionOf(socket)?.native));
    this.#host.afterWrite(() => {
      // Without the limit no connection is looked up.
      const isLimited = this.#options?.maxUnread !== undefined;
      for (const socket of this.#plain(tag)) {
        if (left.has(socket)) continue;
        if (isLimited && this.#isOwn(socket)) this.#of(socket).transmit(encoded);
        else sendTo(socket, encoded);
      }
    });
  }

  unrouted(request: Request): Response | Promise<Response> | undefined {
    const { path } = this.#options ?? {};
    if (path !== undefined && new URL(request.url).pathname !== path) return undefined;
    if (request.method !== "GET") return undefined;
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return path === undefined ? undefined : bareProblem(426, "Upgrade Required", { upgrade: "websocket" });
    }
    const asked = (request.headers.get("sec-websocket-protocol") ?? "").split(/\s*,\s*/);
    const protocol = asked.includes(this.#protocol?.name as string) ? this.#protocol : undefined;
    if (protocol === undefined && !this.isOffered) return undefined;
    if (this.#isFull()) return full();
    const { 0: client, 1: server } = new WebSocketPair();
    const connection = Connection.begin(server, this.#home, protocol?.tag ?? PART_TAG);
    const open = (refused: unknown): Response => {
      if (refused instanceof Response) return refused;
      // Whoever returns false means to refuse.
      if (refused !== undefined) throw badAnswer(this.#label, refused);
      this.#opening.set(client, { connection, asked });
      const headers = protocol && { "sec-websocket-protocol": protocol.name };
      return new Response(null, { status: 101, webSocket: client, ...(headers && { headers }) });
    };
    const refused = this.#options?.connect?.(connection.socket, request);
    return isThenable(refused) ? Promise.resolve(refused).then(open) : open(refused);
  }

  // The last step: nothing can refuse the client any more, and what `connect` changed is stored.
  answered(response: Response): Response {
    const client = response.webSocket;
    const opening = client === null ? undefined : this.#opening.get(client);
    if (opening === undefined) return response;
    const { connection, asked } = opening;
    // A route may have passed the request on to the object's own `fetch`, whose response comes by twice.
    this.#opening.delete(client!);
    // Destroyed meanwhile, or filled by others.
    if (this.#host.isOver || this.#isFull()) return full();
    this.#answerPings();
    connection.accept();
    this.#connections.set(connection.native, connection);
    this.#spokenOn(connection)?.opened(connection, asked);
    return response;
  }

  #around(event: SocketEvent, run: () => unknown): unknown {
    const connection = this.#of(event.socket);
    const protocol = this.#spokenOn(connection);
    if (event.kind === "close") {
      const [code, reason] = event.args;
      // Before anything that may fail or take long: the platform doesn't. A client that is gone without a Close, too: until we
      // close, its half-open connection keeps two file descriptors.
      answerClose(event.socket, code, reason);
      protocol?.closed(connection);
      if (this.#options?.close === undefined) return undefined;
    } else if (event.kind === "message") {
      if (!this.#admits(connection, event.args[0])) return undefined;
      if (protocol !== undefined) return protocol.message(connection, event.args[0]);
      if (this.#options?.message === undefined) return undefined;
    } else protocol?.closed(connection);
    const handle = (): unknown => {
      try {
        const result = run();
        if (!isThenable(result)) return result;
        return Promise.resolve(result).catch((error: unknown) => this.#failed(connection, error));
      } catch (error) {
        return this.#failed(connection, error);
      }
    };
    if (event.kind !== "message") return connection.events.add(handle);
    const handled = connection.events.addMessage(handle, event.args[0]);
    if (handled === false) connection.end(1008, TOO_MANY);
    return handled;
  }

  /** Closes the connection of a message that is over a limit. */
  #admits(connection: Connection, data: string | ArrayBuffer): boolean {
    const { rate, maxMessage = this.#spokenOn(connection) === undefined ? undefined : MAX_FRAME } = this.#options ?? {};
    if (connection.isClosed) return false;
    if (
      maxMessage !== undefined &&
      (typeof data === "string" ? isOver(data, maxMessage) : data.byteLength > maxMessage)
    ) {
      connection.end(1009, "message too large");
      return false;
    }
    if (rate === undefined || connection.count(rate)) return true;
    connection.end(1008, TOO_MANY);
    return false;
  }

  /** Handles the end of a connection, once. */
  #ended(connection: Connection, end: { code: number; reason: string; wasClean: boolean }): void | Promise<void> {
    if (connection.hasEnded) return undefined;
    connection.hasEnded = true;
    return this.#options?.close?.(connection.socket, end);
  }

  /** Reports an event that failed, in an entry of its own, and closes the socket. Nothing of the error leaves. */
  async #failed(connection: Connection, error: unknown): Promise<void> {
    try {
      if (!this.#host.isOver) {
        await this.#host.enter(() => this.#report(connection, error), { name: "error" });
      }
    } catch (failure) {
      this.#log(failure);
    }
    connection.end(1011);
  }

  async #report(connection: Connection, error: unknown): Promise<void> {
    const options = this.#options;
    if (options?.error === undefined) return this.#log(error);
    try {
      await options.error(connection.socket, error);
    } catch (failure) {
      this.#log(error);
      this.#log(failure);
    }
  }

  #log(error: unknown): void {
    console.error(`durable-base: ${this.#label}: a handler of a socket failed.`, error);
  }

  /** Has the platform answer pings. That survives hibernation, and ends with all sockets when the object is reset. */
  #answerPings(): void {
    if (this.#hasAnswer) return;
    this.#hasAnswer = true;
    const { ctx } = this.#host;
    // The object's own code may have set another answer.
    if (this.#options?.ping === false || ctx.getWebSocketAutoResponse() !== null) return;
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  #isFull(): boolean {
    const { maxSockets = Infinity } = this.#options ?? {};
    return maxSockets !== Infinity && this.size >= maxSockets;
  }

  #of(native: WebSocket): Connection {
    let connection = this.#connections.get(native);
    if (connection === undefined) {
      connection = Connection.resume(native, this.#home);
      this.#connections.set(native, connection);
    }
    return connection;
  }

  /** The open connections among native sockets. */
  #open(natives: readonly WebSocket[]): Connection[] {
    return natives.map((native) => this.#of(native)).filter(({ isOpen }) => isOpen);
  }

  /** The part's native sockets, or those with a tag of the user's, oldest first, closing ones too. */
  #natives(tag?: string): WebSocket[] {
    if (tag !== undefined) return this.#tagged(tag.startsWith(OWN) ? "" : tag);
    const { ctx } = this.#host;
    // Of all kinds, newest first; by a tag it's the other way round.
    if (this.#protocol !== undefined)
      return ctx
        .getWebSockets()
        .filter((socket) => this.#isOwn(socket))
        .reverse();
    return this.#tagged(PART_TAG);
  }

  /** As {@link #natives}, without those that speak a protocol. */
  #plain(tag?: string): WebSocket[] {
    if (tag === undefined) return this.#host.ctx.getWebSockets(PART_TAG);
    const natives = this.#natives(tag);
    return this.#protocol === undefined ? natives : natives.filter((socket) => this.#of(socket).kind === PART_TAG);
  }

  /** Sockets that the object has accepted by itself may have the same tag. */
  #tagged(tag: string): WebSocket[] {
    return this.#host.ctx.getWebSockets(tag).filter((socket) => this.#isOwn(socket));
  }

  #isOwn(socket: WebSocket): boolean {
    // Not by its kind: code that accepts sockets itself may use that tag, but has no reason to make up an id.
    return this.#connections.has(socket) || this.#host.ctx.getTags(socket).some(isIdTag);
  }
}

function badAnswer(label: string, answer: unknown): DurableError {
  return new DurableError(
    "bad-option",
    `${label}: \`connect\` returned ${quote(answer)}, so the client was refused. Return nothing to accept it, or a \`Response\` to refuse it.`,
  );
}

function full(): Response {
  return bareProblem(503, "Service Unavailable");
}
