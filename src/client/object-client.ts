/**
 * @module
 * The client of one object, without types of its class: state, calls and what connects them.
 */
import { CallLost } from "./call-lost.ts";
import { DurableError, type ErrorCode } from "../core/errors.ts";
import { type ClientFrame, PROTOCOL, type Patch, SINCE, type ServerFrame, type WireError } from "../sync/frames.ts";
import { fromWire, membersFromWire, toWire } from "../sync/values.ts";
import { type Answer, Call, type Optimistic } from "./call.ts";
import { Connection, type ConnectionOptions, type Status } from "./connection.ts";
import { changedBy } from "./draft.ts";
import { apply, replaced, type State } from "./state.ts";

/** The options of a client, without types of the object's class. */
export interface ClientOptions extends ConnectionOptions {
  readonly idempotent?: readonly string[] | undefined;
}

interface CallOptions {
  readonly key?: string | undefined;
  readonly optimistic?: Optimistic | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Methods = Record<string, (input?: unknown, options?: CallOptions) => Answer>;

export class ObjectClient {
  readonly call: Methods;
  readonly #connection: Connection;
  readonly #idempotent: readonly string[];
  readonly #listeners = new Set<() => void>();
  /** The calls without an answer, by id, in the order in which they were made. */
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  /** The state that the server has sent. */
  #base: State | undefined;
  /** The same with the changes of optimistic calls. */
  #state: State | undefined;
  /** Version and number of the last frame, to come back with. */
  #version: string | undefined;
  #number = 0;
  /** The calls whose changes the next patch has. */
  #marked: number[] = [];
  /** The state and status that listeners know. */
  #isReceiving = false;
  #told: readonly [State | undefined, Status];

  constructor(url: string | URL, { idempotent = [], ...options }: ClientOptions) {
    this.#idempotent = idempotent;
    this.#connection = new Connection(url, options, {
      protocols: () => [PROTOCOL, ...(this.#version === undefined ? [] : [`${SINCE}${this.#version}.${this.#number}`])],
      message: (data) => this.#receive(data),
      changed: () => this.#connectionChanged(),
      tooLarge: () => this.#forbidRepeats(),
    });
    this.#told = [undefined, this.status];
    this.call = new Proxy(Object.create(null) as Methods, {
      get: (methods, name) => {
        // `await`, `JSON.stringify` and `console.log` look for these: they aren't calls.
        if (typeof name === "symbol" || name === "then" || name === "toJSON") return undefined;
        return (methods[name] ??= (input, callOptions) => this.#begin(name, input, callOptions));
      },
    });
  }

  get state(): State | undefined {
    return this.#state;
  }

  get status(): Status {
    return this.#connection.status;
  }

  get closed(): { readonly code: number; readonly reason: string } | undefined {
    return this.#connection.closed;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    // Of its own, so that the same listener can be there twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  /** Connects; a closed client connects again. */
  start(): void {
    this.#connection.start();
    this.#notify();
  }

  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #begin(name: string, input: unknown, { key, optimistic, signal }: CallOptions = {}): Answer {
    const id = ++this.#lastId;
    const call = new Call(name, {
      more: (count) => this.#send(["more", id, count]),
      stop: () => {
        this.#send(["stop", id]);
        call.resolve();
      },
      ended: () => {
        signal?.removeEventListener("abort", abort);
        this.#calls.delete(id);
        if (call.optimistic !== undefined) this.#replay();
      },
    });
    const abort = (): void => {
      this.#send(["stop", id]);
      call.reject(signal!.reason);
    };
    let state = this.#state;
    try {
      signal?.throwIfAborted();
      if (this.closed !== undefined) throw lost(call);
      call.text = JSON.stringify(frameOf(id, name, input, key));
      // If it throws now, it is a mistake. Later, on another state, the change no longer applies, and is left out.
      if (optimistic !== undefined && state !== undefined) state = changedBy(state, optimistic);
    } catch (error) {
      call.reject(error);
      return call.answer;
    }
    call.canRepeat = key !== undefined || this.#idempotent.includes(name);
    call.optimistic = optimistic;
    this.#calls.set(id, call);
    signal?.addEventListener("abort", abort, { once: true });
    if (this.status === "open") this.#transmit(call);
    this.#show(state);
    return call.answer;
  }

  #transmit(call: Call): void {
    call.isSent = true;
    this.#connection.send(call.text);
  }

  /** Without a connection, nobody has to know. */
  #send(frame: ClientFrame): void {
    if (this.status === "open") this.#connection.send(JSON.stringify(frame));
  }

  /** It isn't known which call it was, and that one would end each connection. */
  #forbidRepeats(): void {
    for (const call of this.#calls.values()) if (call.isSent) call.canRepeat = false;
  }

  #connectionChanged(): void {
    const { status } = this;
    const calls = [...this.#calls.values()];
    if (status === "open") {
      // The state may have the changes of calls that were sent over an earlier connection.
      for (const call of calls) if (call.isSent) call.optimistic = undefined;
      for (const call of calls) this.#transmit(call);
      this.#replay();
    } else {
      for (const call of calls) {
        if (status === "closed" || (call.isSent && !call.canRepeat)) call.reject(lost(call));
      }
    }
    this.#notify();
  }

  #receive(data: unknown): void {
    if (data === "pong") return;
    this.#isReceiving = true;
    try {
      this.#take(JSON.parse(data as string) as ServerFrame);
    } catch {
      // It isn't a frame, or doesn't fit the state: with the whole state all is well again.
      this.#version = undefined;
      this.#connection.restart();
    } finally {
      this.#isReceiving = false;
    }
  }

  #take(frame: ServerFrame): void {
    switch (frame[0]) {
      case "state":
        [, this.#version, this.#number] = frame;
        this.#base = replaced(this.#base, membersFromWire(frame[3]));
        break;
      case "missed":
        for (const patch of frame.slice(1)) this.#patch(patch as Patch);
        break;
      case "mark":
        this.#marked.push(frame[1]);
        return;
      case "item":
        this.#answer(frame[1], (call) => call.item(fromWire(frame[2])));
        return;
      case "ok":
        this.#answer(frame[1], (call) => call.resolve(fromWire(frame[2])));
        return;
      case "error":
        this.#calls.get(frame[1])?.reject(errorOf(frame[2]));
        return;
      default:
        this.#patch(frame);
        this.#confirm();
    }
    this.#replay();
  }

  /** Hands a call what has come for it, and the error if that can't be read. */
  #answer(id: number, take: (call: Call) => void): void {
    const call = this.#calls.get(id);
    try {
      if (call !== undefined) take(call);
    } catch (error) {
      call?.reject(error);
    }
  }

  #patch([head, ...changes]: Patch): void {
    this.#base = apply(this.#base!, changes);
    if (typeof head === "number") this.#number = head;
    else if (Array.isArray(head)) [this.#version, this.#number] = head;
    else throw new TypeError("The frame is unknown.");
  }

  /** The calls that were marked have their changes in the state. */
  #confirm(): void {
    for (const id of this.#marked.splice(0)) {
      const call = this.#calls.get(id);
      if (call !== undefined) call.optimistic = undefined;
    }
  }

  /** Makes the changes of optimistic calls anew, on what the server has sent. */
  #replay(): void {
    let state = this.#base;
    for (const { optimistic } of this.#calls.values()) {
      if (state === undefined || optimistic === undefined) continue;
      try {
        state = changedBy(state, optimistic);
      } catch {
        // As documented: the part that it changes is gone, for example.
      }
    }
    this.#show(state);
  }

  #show(state: State | undefined): void {
    this.#state = state;
    this.#notify();
  }

  #notify(): void {
    // Listeners hear of a connection's first frame after the calls that wait were sent.
    if (this.#isReceiving && this.status !== "open") return;
    const [state, status] = this.#told;
    if (state === this.#state && status === this.status) return;
    this.#told = [this.#state, this.status];
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        // The error is the page's, and the other listeners need to know, too.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function frameOf(id: number, name: string, input: unknown, key: string | undefined): ClientFrame {
  try {
    if (key !== undefined) return ["call", id, name, toWire(input), key];
    return input === undefined ? ["call", id, name] : ["call", id, name, toWire(input)];
  } catch (error) {
    throw new DurableError(
      "not-json",
      `call.${name}: the input can't be sent. ${(error as Error).message} Pass plain data.`,
      { cause: error },
    );
  }
}

function errorOf({ code, message, issues }: WireError): DurableError {
  if (code === "call-lost") return new CallLost(message, true);
  return new DurableError(code as ErrorCode, message, issues === undefined ? {} : { issues });
}

function lost({ name, isSent }: Call): DurableError {
  const text = isSent
    ? `the connection ended before the answer came, so the method may have run. To have it run exactly once, pass a key: \`call.${name}(input, { key })\`.`
    : "the client was closed before the call was sent. Connect again with `connect(url)`.";
  return new CallLost(`call.${name}: ${text}`, isSent);
}
