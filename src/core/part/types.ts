/**
 * @module
 * The types of parts: the hooks that an object calls, and the object as its parts see it.
 */
import type { EntryKind } from "../entry/scope.ts";

/**
 * The hooks of a part, which its object calls. Every hook is optional; hooks run in the order in which the parts were attached.
 * If `started`, `written`, `replaced` or `retired` throws, the error is logged, and the next part's hook runs.
 *
 * @example
 * ```ts
 * const part: Part = { started: () => void host.ctx.storage.kv.put("woken", Date.now()) };
 * ```
 */
export interface Part {
  /**
   * Runs before `onStart` at each wake-up, and again before the next entry after `ctx.storage.deleteAll()`, as an entry of its
   * own. If it throws, or takes over 30 seconds, the entry gets the error, and the next entry runs `starting` of all parts again.
   */
  starting?(): void | Promise<void>;
  /** Runs once per wake-up, after `onStart`. */
  started?(): void;
  /** Runs with the object's first write of a persisted field: the object exists from then on. */
  written?(): void;
  /** Runs after stored data was replaced as a whole: by an import, or by `ctx.storage.deleteAll()`, but not by `destroy()`. */
  replaced?(): void;
  /** Runs in `destroy()`, right before everything that is stored is deleted. */
  destroyed?(): void | Promise<void>;
  /** Runs when a newer instance of the object takes over: undoes what the part has replaced on `ctx`. */
  retired?(): void;
  /**
   * Runs at the beginning of each entry, before its code, and returns a function that runs at its end. For observing: it's no part
   * of the entry. If it throws, the error is logged, and nothing else changes.
   */
  entry?(start: EntryInfo): ((end: EntryEnd) => void) | undefined;
  /** Gets the events of the hibernating sockets that the part owns. */
  readonly socket?: SocketEvents;
  /** Answers a request, as an entry, before the class's routes do; undefined leaves it to the next part, and to the routes. */
  fetch?(request: Request): Response | Promise<Response> | undefined;
  /**
   * Answers a request that no route of the class takes, as an entry; undefined leaves it to the next part, and to the answer 404.
   * Middleware in `static use` runs around it, and a handler that replaces the app's `notFound` is asked after it.
   */
  unrouted?(request: Request): Response | Promise<Response> | undefined;
  /**
   * Runs with each response of the object, after the entry that made it, right before it leaves; returns the response to send. If
   * it throws, the client gets that error.
   */
  answered?(response: Response): Response;
  /** Answers `callPart` of a caller that has a stub or handle, as an entry. */
  call?(...args: unknown[]): unknown;
}

/**
 * The beginning of an entry, see {@link Part.entry}.
 *
 * @example
 * ```ts
 * const info: EntryInfo = { kind: "rpc", name: "increment", time: Date.now() };
 * ```
 */
export interface EntryInfo {
  /** How it reached the object; `later` is a call of a function or RpcTarget that was handed out, or a stream's next item. */
  readonly kind: EntryKind;
  /** The name of the method, getter or hook. For a part its name, as in `jobs`, or both, as in `jobs.remind`. */
  readonly name: string;
  /** When it began, in milliseconds since 1970. */
  readonly time: number;
}

/**
 * The end of an entry, after its changes were written.
 *
 * @example
 * ```ts
 * const end: EntryEnd = { outcome: "error", error: new Error("not enough"), duration: 12 };
 * ```
 */
export interface EntryEnd {
  readonly outcome: "ok" | "error";
  /** The error that the caller gets. */
  readonly error?: unknown;
  /** Milliseconds since the beginning. On Cloudflare the clock moves with I/O only. */
  readonly duration: number;
}

/**
 * The events of hibernating sockets (`ctx.acceptWebSocket`), each an entry. A socket belongs to the first part that owns it; its
 * events don't reach the class's own `webSocketMessage`, `webSocketClose` and `webSocketError`. Those get all other sockets'.
 *
 * @example
 * ```ts
 * const socket: SocketEvents = {
 *   owns: (socket) => host.ctx.getTags(socket).includes("chat"),
 *   message: (socket, data) => socket.send(data),
 * };
 * ```
 */
export interface SocketEvents {
  /** Returns true for a socket of this part. Called for each event, outside of entries and before the object has started. */
  owns(socket: WebSocket): boolean;
  message?(socket: WebSocket, data: string | ArrayBuffer): void | Promise<void>;
  close?(socket: WebSocket, code: number, reason: string, wasClean: boolean): void | Promise<void>;
  error?(socket: WebSocket, error: unknown): void | Promise<void>;
  /**
   * Runs in place of each event, outside of entries and before the object has started: calls `run`, which is the event's entry, or
   * doesn't. For the order of events and for those that fail: `run` throws what the handler or its write throws.
   */
  around?(event: SocketEvent, run: () => unknown): unknown;
}

/**
 * An event of a socket, see {@link SocketEvents.around}.
 *
 * @example
 * ```ts
 * const around: SocketEvents["around"] = ({ kind }, run) => (kind === "error" ? undefined : run());
 * ```
 */
export type SocketEvent = { readonly socket: WebSocket } & (
  | { readonly kind: "message"; readonly args: readonly [data: string | ArrayBuffer] }
  | { readonly kind: "close"; readonly args: readonly [code: number, reason: string, wasClean: boolean] }
  | { readonly kind: "error"; readonly args: readonly [error: unknown] }
);

/**
 * An object as its parts see it.
 *
 * @example
 * ```ts
 * attach(object, "visits", (host) => ({ call: () => host.ctx.storage.kv.get("visits") ?? 0 }));
 * ```
 */
export interface Host {
  /** The object itself. */
  readonly object: object;
  readonly ctx: DurableObjectState;
  /** True once a persisted field was ever written. Reads a row the first time. */
  readonly isWritten: boolean;
  /** Returns the records of this part's decorators for the object's class, by member. */
  records(): ReadonlyMap<string, unknown>;
  /** Waits until the object has started; undefined when it has. */
  start(): Promise<void> | undefined;
  /**
   * Runs `work` as an entry. With `out` the result leaves the object: it is copied, and functions in it become entries. `name` is
   * what the hook `entry` gets for it.
   */
  enter(work: () => unknown, options?: { readonly out?: boolean; readonly name?: string }): unknown;
  /** The identity of the running entry; undefined outside any. */
  scope(): object | undefined;
  /** Returns true if a stub may call the method of that name. */
  isReachable(name: string): boolean;
  /**
   * Calls a method of the object as a stub does: its input is validated, and it waits for its turn.
   *
   * @throws TypeError when a stub can't reach the method.
   */
  call(name: string, args: unknown[], options?: CallOptions): unknown;
  /**
   * Runs `work` once everything that was changed so far is stored and committed: after the running batch of field changes is
   * written and, in a transaction, after the outermost one commits. `work` is dropped, and `undone` called in its place, if the write
   * fails, or if the transaction that it was asked for in, or one around it, is undone.
   *
   * Works run in the order in which they were asked for. If one throws, the error is logged, and nothing else changes. Fields that
   * `work` changes are written in a batch of their own.
   */
  afterWrite(work: () => void, undone?: () => void): void;
  /** Tells a recorder of each change of a persisted field from now on, right after the line that made it. */
  onChange(recorder: ChangeRecorder): void;
  /** Reads persisted fields anew when they are next used: what is stored was changed behind them. */
  reload(): void;
  /**
   * The async `@Atomic` method of that name with `last` at its end, undone with it; undefined for any other method. For work
   * that has to be stored together with what the method changes.
   */
  transacted(name: string, last: () => void): ((...args: unknown[]) => unknown) | undefined;
  /** True if the object was destroyed, or a newer instance has replaced it. */
  readonly isOver: boolean;
  /** @throws DurableError in the constructor, after a timeout of `@Atomic`, and in a destroyed or replaced instance; `label` begins the message. */
  checkWritable(label: string): void;
}

/**
 * Follows the changes of an object's persisted fields, for {@link Host.onChange}. It must not throw, nor change a field.
 *
 * @example
 * ```ts
 * host.onChange({ changed: (change) => log.push(change), reset: () => (log.length = 0) });
 * ```
 */
export interface ChangeRecorder {
  /**
   * Called after each change. Bytes, instances of a codec's class and Dates changed by `Date.prototype` are compared when fields are
   * written, so their changes come then, each as a `set` of the whole value.
   */
  changed(change: Change): void;
  /** Called when fields went back to what is stored, as after a rollback, a failed write or an import: read all of them again. */
  reset(): void;
}

/**
 * One change of a persisted field. Applied to a plain copy of the fields, in order, the changes give the fields' values.
 *
 * `path` has the keys from the field's value down: property names, indexes of arrays (numbers), keys of Maps. It ends at the place that
 * is set or deleted, and for `splice`, `add` and `clear` at the container. The field itself has the path `[]`. Values are plain data of
 * the recorder's own; a codec's are encoded. Something inside an object that is a Set's member or a Map's key has no path: the
 * whole Set or Map is set.
 *
 * @example
 * ```ts
 * // this.todos[3].title = "Water the plants";
 * const change: Change = { field: "todos", path: [3, "title"], op: "set", value: "Water the plants" };
 * ```
 */
export type Change = { readonly field: string; readonly path: readonly unknown[] } & (
  | {
      /** A property, item, Map entry, or the field itself, has another value; `["length"]` of an array, too. */
      readonly op: "set";
      readonly value: unknown;
    }
  | {
      /** A property or Map entry is gone, a Set's member (the last of the path), or an array's item, which leaves a hole. */
      readonly op: "delete";
    }
  | {
      /** `count` items of an array from `start` on have made way for `items`. */
      readonly op: "splice";
      readonly start: number;
      readonly count: number;
      readonly items: readonly unknown[];
    }
  | {
      /** A Set has a new member, at its end. */
      readonly op: "add";
      readonly value: unknown;
    }
  | {
      /** A Map or Set is empty. */
      readonly op: "clear";
    }
);

/**
 * How {@link Host.call} calls a method.
 *
 * @example
 * ```ts
 * await host.call("charge", [order], { atomic: async (run) => await remember(await run()) });
 * ```
 */
export interface CallOptions {
  /** Runs in one transaction with the method, which it calls as `run()`, and returns the result of the call. */
  readonly atomic?: (run: () => Promise<unknown>) => Promise<unknown>;
}

/**
 * A part without an API, as `static override parts` lists it. A subclass inherits the parts of its parents; if it lists a part
 * of the same name, its own replaces the inherited one, or joins it if there is a `join`.
 *
 * @example
 * ```ts
 * export function exactlyOnce(): ListedPart {
 *   return { name: "once", attach: (object) => void attach(object, "once", makeOnce) };
 * }
 * ```
 */
export interface ListedPart {
  readonly name: string;
  /** Attaches the part to an object; called during construction. */
  attach(object: object): void;
  /** Returns what takes the place of this part and of the one that a parent lists. */
  join?(inherited: ListedPart): ListedPart;
}
