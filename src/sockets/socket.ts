/**
 * @module
 * The types of sockets, as handlers and the object's own code see them.
 */

/**
 * A client's open WebSocket.
 *
 * @example
 * ```ts
 * message: (socket: Socket<{ user: string }>, data) => socket.send(`${socket.state.user} said ${String(data)}`);
 * ```
 */
export interface Socket<State = unknown> {
  /** Made by the object for each connection; no client can choose it. */
  readonly id: string;
  /**
   * Data that is kept with the socket, through hibernation too; undefined until it is set. Assign a new value to change it:
   * `socket.state = { ...socket.state, name }`. The value that you read is frozen.
   *
   * Holds plain objects, arrays and primitives, in at most 16,000 bytes. It's no part of the object's storage: it changes at once,
   * and a rollback doesn't undo it.
   *
   * @throws DurableError when assigned: `state-too-large`; `not-persistable` for anything but plain data.
   */
  get state(): Readonly<State>;
  set state(state: State);
  /** The tags that the socket got in `connect`. */
  readonly tags: readonly string[];
  /**
   * Sends a message once everything that was changed before is stored. It is dropped if the write fails or is undone, and if the
   * socket is closed by then. Strings and bytes are sent as they are, other values as JSON. A client of `durable-base/sync`, which
   * gets state and no messages, isn't sent anything.
   *
   * @throws DurableError `not-json` for a value that JSON can't hold.
   */
  send(message: unknown): void;
  /**
   * Closes the socket once everything that was changed before is stored, and what was sent before is sent. The code is 1000 unless
   * you pass one from 1000 to 4999; applications use those from 4000 on. The reason has at most 123 bytes.
   *
   * @throws DurableError `bad-option` for a code or reason that can't be sent.
   */
  close(code?: number, reason?: string): void;
}

/**
 * A socket in `connect`, which isn't open yet: what you send it is held until then.
 *
 * @example
 * ```ts
 * connect: (socket: ConnectingSocket<{ user: string }>) => void (socket.tags = ["members"]);
 * ```
 */
export interface ConnectingSocket<State = unknown> extends Socket<State> {
  /**
   * Tags to find the socket by: at most 8, of at most 256 bytes each. They can't change once the socket is open.
   *
   * @throws DurableError when assigned: `bad-option`, `reserved-name`.
   */
  tags: readonly string[];
}

/**
 * The end of a socket.
 *
 * @example
 * ```ts
 * close: (socket, { code }: SocketEnd) => console.log(socket.id, code);
 * ```
 */
export interface SocketEnd {
  /** The client's code; 1005 if it sent no code, 1006 if it vanished. */
  readonly code: number;
  readonly reason: string;
  /** True if the client sent a Close. */
  readonly wasClean: boolean;
}

/**
 * The open sockets of an object. Sockets that are closing aren't among them, and neither are those that you accept yourself with
 * `ctx.acceptWebSocket`.
 *
 * @example
 * ```ts
 * readonly #sockets: Sockets<{ user: string }> = sockets(this);
 * ```
 */
export interface Sockets<State = unknown> {
  /** Returns the open sockets, or those with a tag, oldest first. */
  all(options?: { readonly tag?: string }): Socket<State>[];
  /** Returns the open socket with that id. */
  get(id: string): Socket<State> | undefined;
  /** The number of open sockets. */
  readonly size: number;
  /**
   * Sends a message to all sockets that are open by then, once everything that was changed before is stored: see
   * {@link Socket.send}. `tag` narrows it to sockets with that tag, and `except` leaves some out.
   *
   * @throws DurableError `not-json` for a value that JSON can't hold.
   */
  broadcast(message: unknown, options?: BroadcastOptions): void;
}

/**
 * Options of {@link Sockets.broadcast}.
 *
 * @example
 * ```ts
 * const options: BroadcastOptions = { tag: "members", except: socket };
 * ```
 */
export interface BroadcastOptions {
  readonly tag?: string;
  readonly except?: Socket | readonly Socket[];
}
