/**
 * @module
 * One connection: its native socket, and the {@link Socket} that handlers get.
 */
import { DurableError, quote } from "../core/errors.ts";
import { isOver } from "../storage/size.ts";
import { checkClose } from "./close.ts";
import { EventQueue } from "./event-queue.ts";
import { encode, sizeOfMessage, type Encoded } from "./message.ts";
import type { ConnectingSocket } from "./socket.ts";
import { frozenState, markClosed, readAttachment, storeState } from "./state.ts";

/** Begins the library's own tags, which nobody else can use. */
export const OWN = "durable-base.";
/** The tag of the part's sockets that speak no protocol of ours. */
export const PART_TAG: string = `${OWN}sockets`;
/** Begins the tag with a socket's id. */
const ID = `${OWN}id.`;

/** The platform takes ten tags, and two are ours. */
const MAX_TAGS = 8;
const MAX_TAG = 256;

/** The object of a connection. */
export interface Home {
  readonly ctx: DurableObjectState;
  /** Begins messages: the class's name. */
  readonly label: string;
  /** Called after the state of an accepted socket has changed. */
  changed(connection: Connection, before: unknown): void;
  afterWrite(work: () => void): void;
  /** The most bytes that may be sent without an answered ping. */
  maxUnread(): number | undefined;
}

/** The tag by which the socket with an id is found. */
export function idTag(id: string): string {
  return ID + id;
}

/** True for a tag that {@link idTag} has made. */
export function isIdTag(tag: string): boolean {
  return tag.startsWith(ID);
}

/** One connection, made by {@link Connection.begin} or, after a hibernation, by {@link Connection.resume}. */
export class Connection {
  readonly native: WebSocket;
  readonly socket: ConnectingSocket;
  readonly home: Home;
  readonly id: string;
  /** The tag of its kind: {@link PART_TAG}, or that of a protocol. */
  readonly kind: string;
  /** The work that waits until the socket is accepted; undefined once it is. */
  #held: (() => void)[] | undefined;
  #tags: readonly string[];
  /** Undefined until it is read. */
  #state: { readonly value: unknown } | undefined;
  #isClosed: boolean | undefined;
  /** True once its end was handled. */
  hasEnded = false;
  readonly events: EventQueue = new EventQueue();
  /** The messages since a time, for a limit. */
  #counted = { since: 0, messages: 0 };
  /** The bytes sent since a ping was answered. */
  #unread = { since: 0, bytes: 0 };

  private constructor(native: WebSocket, home: Home, kind: string, id: string, tags: readonly string[]) {
    this.native = native;
    this.home = home;
    this.kind = kind;
    this.id = id;
    this.#tags = Object.freeze(tags);
    this.socket = new ClientSocket(this);
  }

  /** A connection that isn't accepted yet. */
  static begin(native: WebSocket, home: Home, kind: string): Connection {
    const connection = new Connection(native, home, kind, crypto.randomUUID(), []);
    connection.#held = [];
    connection.#state = { value: undefined };
    connection.#isClosed = false;
    return connection;
  }

  /** The connection of a socket that is accepted. */
  static resume(native: WebSocket, home: Home): Connection {
    // Read at once: the platform throws for a socket that is gone, and it may go while its handler waits.
    const tags = home.ctx.getTags(native);
    const id = tags.find(isIdTag)!.slice(ID.length);
    const kind = tags.find((tag) => tag.startsWith(OWN) && !isIdTag(tag))!;
    const own = tags.filter((tag) => !tag.startsWith(OWN));
    return new Connection(native, home, kind, id, own);
  }

  /** Accepts the socket, and does what was waiting for it. */
  accept(): void {
    const held = this.#held ?? [];
    this.home.ctx.acceptWebSocket(this.native, [this.kind, idTag(this.id), ...this.tags]);
    this.#held = undefined;
    // A state that `connect` has set is stored.
    if (this.#state?.value === undefined) storeState(this.home.label, this.native, undefined, false);
    for (const work of held) work();
  }

  get tags(): readonly string[] {
    return this.#tags;
  }

  set tags(tags: readonly string[]) {
    const label = `${this.home.label}: the tags of a socket`;
    const fail = (problem: string): never => {
      throw new DurableError("bad-option", `${label}: ${problem}`);
    };
    if (this.#held === undefined) fail("They can't change once it's open. Assign them in `connect`.");
    if (!Array.isArray(tags)) fail('Assign a list: `socket.tags = ["members"]`.');
    const unique = [...new Set<unknown>(tags)];
    for (const tag of unique) {
      if (typeof tag !== "string" || tag === "" || !tag.isWellFormed() || isOver(tag, MAX_TAG))
        fail(`${quote(tag)} isn't one. Pass non-empty strings of at most ${MAX_TAG} bytes.`);
      if ((tag as string).startsWith(OWN))
        throw new DurableError("reserved-name", `${label}: ${quote(tag)} belongs to the library. Choose another.`);
    }
    if (unique.length > MAX_TAGS) fail(`There are ${unique.length}. Pass at most ${MAX_TAGS}.`);
    this.#tags = Object.freeze(unique as string[]);
  }

  get state(): unknown {
    this.#state ??= { value: frozenState(this.home.label, readAttachment(this.native)?.state) };
    return this.#state.value;
  }

  set state(state: unknown) {
    const label = `${this.home.label}: socket.state`;
    const value = frozenState(label, state);
    const before = this.#held === undefined ? this.state : undefined;
    storeState(label, this.native, value, this.isClosed);
    this.#state = { value };
    if (this.#held === undefined) this.home.changed(this, before);
  }

  /** True while messages reach the client, as far as the object knows. */
  get isOpen(): boolean {
    if (this.native.readyState !== WebSocket.READY_STATE_OPEN) return false;
    return !this.isClosed;
  }

  /** True if the object has closed it. */
  get isClosed(): boolean {
    return (this.#isClosed ??= readAttachment(this.native)?.closed === true);
  }

  send(message: unknown): void {
    const encoded = encode(`${this.home.label}: socket.send`, message);
    // A protocol has frames of its own.
    if (this.kind !== PART_TAG) return;
    this.#later(() => this.transmit(encoded));
  }

  close(code: number, reason: string): void {
    checkClose(`${this.home.label}: socket.close`, code, reason);
    this.#later(() => this.end(code, reason));
  }

  /** Closes the socket at once, unless it's closing. None of its messages that wait are handled. */
  end(code: number, reason = ""): void {
    if (this.isClosed) return;
    this.#isClosed = true;
    this.events.dropMessages();
    if (this.native.readyState !== WebSocket.READY_STATE_OPEN) return;
    markClosed(this.native);
    this.native.close(code, reason);
  }

  /** Sends a message at once, or closes the socket of a client that is too far behind. */
  transmit(message: Encoded): void {
    const most = this.home.maxUnread();
    if (most === undefined || !this.#isBehind(message, most)) sendTo(this.native, message);
    else this.end(1008, "not reading");
  }

  #isBehind(message: Encoded, most: number): boolean {
    // Seen on 2026-11-02: while a client doesn't read, one more of its pings is taken at most. The next wait for the answer to it.
    const since = this.home.ctx.getWebSocketAutoResponseTimestamp(this.native)?.getTime() ?? 0;
    if (since !== this.#unread.since) this.#unread = { since, bytes: 0 };
    return (this.#unread.bytes += sizeOfMessage(message)) > most;
  }

  /** Does something to the open socket once what was changed before is stored. */
  #later(work: () => void): void {
    this.home.afterWrite(() => {
      if (this.#held === undefined) work();
      else this.#held.push(work);
    });
  }

  /** Counts a message; false if it is one too many. */
  count({ messages, per }: { readonly messages: number; readonly per: number }): boolean {
    const now = Date.now();
    const isLate = now - this.#counted.since >= per;
    if (isLate) this.#counted = { since: now, messages: 0 };
    return ++this.#counted.messages <= messages;
  }
}

/** Sends a message to an open socket. */
export function sendTo(socket: WebSocket, message: Encoded): void {
  if (socket.readyState === WebSocket.READY_STATE_OPEN) socket.send(message);
}

/** By socket as handlers see it, its connection. */
const connections = new WeakMap<object, Connection>();

/** The connection of a socket that a handler got. */
export function connectionOf(socket: object): Connection | undefined {
  return connections.get(socket);
}

/** The socket that handlers get: nothing else of its connection can be reached. */
class ClientSocket implements ConnectingSocket {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    connections.set(this, connection);
  }

  get id(): string {
    return this.#connection.id;
  }

  get tags(): readonly string[] {
    return this.#connection.tags;
  }

  set tags(tags: readonly string[]) {
    this.#connection.tags = tags;
  }

  get state(): ConnectingSocket["state"] {
    return this.#connection.state as ConnectingSocket["state"];
  }

  set state(state: unknown) {
    this.#connection.state = state;
  }

  send(message: unknown): void {
    this.#connection.send(message);
  }

  close(code = 1000, reason = ""): void {
    this.#connection.close(code, reason);
  }
}
