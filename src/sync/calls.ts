/**
 * @module
 * Calls of `@Callable` methods by connected clients: their frames, answers and streams.
 */
import { callPart } from "../core/part/call-part.ts";
import type { Host } from "../core/part/part.ts";
import { isThenable } from "../core/values/async.ts";
import { DurableError, quote } from "../core/errors.ts";
import { snapshot } from "../core/values/snapshot.ts";
import { endItems, itemsOf } from "../route/stream.ts";
import { sendTo, type Connection } from "../sockets/connection.ts";
import { byScope, hold, labelOf, running, type Call } from "./call.ts";
import { wireError } from "./call-error.ts";
import { AHEAD, type ServerFrame } from "./frames.ts";
import { fromWire, toWire } from "./values.ts";

/** The most calls of one client that run at a time. */
const MAX_CALLS = 1_000;

/** The most items that a stream sends before it is asked again, however many it is asked for. */
const MAX_CREDIT = 1_000;

/** The close code for a frame that no client of ours sends. */
const BAD_FRAME = 1008;

/** The object of calls. */
interface Context {
  readonly host: Host;
  /** The names of the methods that clients may call. */
  readonly methods: ReadonlySet<string>;
  /** Sends the changes that are stored: before an answer, which tells of them. */
  sendChanges(): void;
  /** True for a client that waits for the state. */
  isBehind(connection: Connection): boolean;
}

type Items = NonNullable<ReturnType<typeof itemsOf>>;

/** The calls of one object's clients. */
export class Calls {
  readonly #context: Context;
  readonly #byConnection = new WeakMap<Connection, Map<number, Call>>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Tells a client that the next patch has changes of its call, once. */
  mark(call: Call): void {
    if (call.isMarked || call.isAnswered) return;
    call.isMarked = true;
    send(call.connection, ["mark", call.id]);
  }

  /**
   * Handles a message of a client. Any other frame closes the connection. The promise of a call keeps the object from hibernating
   * until it is answered, stopped, or waits for its client.
   */
  receive(connection: Connection, data: string | ArrayBuffer): Promise<void> | undefined {
    // The platform answers it first, unless the object has turned that off.
    if (data === "ping") {
      sendTo(connection.native, "pong");
      return undefined;
    }
    const [kind, id, ...rest] = frameOf(data);
    const call = this.#callsOf(connection).get(id as number);
    if (kind === "call" && isId(id) && call === undefined) {
      const [method, wire, key] = rest;
      if (typeof method === "string" && (key === undefined || typeof key === "string") && rest.length <= 3) {
        const input = attempt(() => ({ value: fromWire(wire) }));
        if (input !== undefined) return this.#start(connection, id, method, rest.length < 2 ? [] : [input.value], key);
      }
    } else if (kind === "more" && isId(id) && isId(rest[0])) {
      return this.#more(connection, id, rest[0]);
    } else if (kind === "stop" && isId(id)) {
      if (call !== undefined) this.#stop(call);
      return undefined;
    }
    connection.end(BAD_FRAME, "bad frame");
    return undefined;
  }

  /** The connection is gone, and nobody waits for answers any more. */
  end(connection: Connection): void {
    for (const call of this.#callsOf(connection).values()) this.#stop(call);
  }

  #more(connection: Connection, id: number, count: number): Promise<void> | undefined {
    const call = this.#callsOf(connection).get(id);
    if (call === undefined) {
      // The object has hibernated while the stream waited for its client, or the end of the stream is on its way.
      const error = { code: "call-lost", message: "The stream was lost while its client read nothing." };
      send(connection, ["error", id, error]);
      return undefined;
    }
    call.credit = Math.min(call.credit + count, MAX_CREDIT);
    const held = hold(call);
    call.wake?.();
    return held;
  }

  /** Ends a stream. Of any other call the answer isn't waited for. */
  #stop(call: Call): void {
    call.isStopped = true;
    if (call.isStream) this.#finish(call, JSON.stringify(["ok", call.id]));
    call.wake?.();
    call.release();
  }

  #callsOf(connection: Connection): Map<number, Call> {
    let calls = this.#byConnection.get(connection);
    if (calls === undefined) this.#byConnection.set(connection, (calls = new Map()));
    return calls;
  }

  #start(
    connection: Connection,
    id: number,
    method: string,
    args: unknown[],
    key: string | undefined,
  ): Promise<void> | undefined {
    const calls = this.#callsOf(connection);
    if (calls.size >= MAX_CALLS) {
      const message = `Over ${MAX_CALLS} calls run already.`;
      send(connection, ["error", id, { code: "call-refused", message }]);
      return undefined;
    }
    const call: Call = {
      object: this.#context.host.object,
      connection,
      id,
      method,
      isMarked: false,
      isAnswered: false,
      hasEnded: false,
      isUndone: false,
      isStream: false,
      credit: AHEAD,
      isStopped: false,
      wake: undefined,
      held: undefined,
      release: () => {},
    };
    calls.set(id, call);
    const ended = this.#run(call, args, key);
    if (ended === undefined) return undefined;
    void ended.then(() => call.release());
    return hold(call);
  }

  /** Runs a call to its end; undefined if it has ended. */
  #run(call: Call, args: unknown[], key: string | undefined): Promise<void> | undefined {
    const { host, methods } = this.#context;
    const { method } = call;
    const fail = (error: unknown): undefined => {
      call.hasEnded = true;
      this.#fail(call, error);
      return undefined;
    };
    const settle = (items: Items | undefined): Promise<void> | undefined => {
      call.hasEnded = true;
      if (items !== undefined) return running.run(call, () => this.#stream(call, items)).catch(fail);
      if (call.isUndone) fail(undone(call));
      return undefined;
    };
    try {
      if (!methods.has(method)) {
        throw new DurableError(
          "not-callable",
          `Clients can't call ${quote(method)}. Mark the method: \`@Callable()\`.`,
        );
      }
      if (key !== undefined) return this.#runOnce(call, args, key).catch(fail);
      const items = host.enter(() => this.#call(call, args), { name: method });
      if (!isThenable(items)) return settle(items as Items | undefined);
      return Promise.resolve(items)
        .then((found: unknown) => settle(found as Items | undefined))
        .catch(fail);
    } catch (error) {
      return fail(error);
    }
  }

  async #runOnce(call: Call, args: unknown[], key: string): Promise<void> {
    const missing = { label: `${labelOf(call)} with a key`, line: "static override parts = [exactlyOnce()]" };
    const ask = async (): Promise<unknown> => await callPart(call.object, "once", [call.method, key, args], missing);
    const result = await running.run(call, ask);
    call.hasEnded = true;
    this.#answer(call, result);
  }

  /** Calls the method, inside its entry. Returns the items of a stream; any other result is sent. */
  #call(call: Call, args: unknown[]): unknown {
    const { host } = this.#context;
    byScope.set(host.scope()!, call);
    const result = host.call(call.method, args);
    return isThenable(result)
      ? Promise.resolve(result).then((value) => this.#take(call, value))
      : this.#take(call, result);
  }

  #take(call: Call, result: unknown): Items | undefined {
    const items = itemsOf(result);
    if (items === undefined) this.#answer(call, result);
    return items;
  }

  /** Sends a result once everything before it is stored. */
  #answer(call: Call, result: unknown): void {
    const plain = snapshot(result);
    const text = JSON.stringify(plain === undefined ? ["ok", call.id] : ["ok", call.id, wireOf(plain, call)]);
    this.#afterWrite(call, () => this.#finish(call, text));
  }

  /** Does something once everything before it is stored; fails the call if that is undone. */
  #afterWrite(call: Call, work: () => void): void {
    const { host, sendChanges, isBehind } = this.#context;
    host.afterWrite(
      () => {
        sendChanges();
        // It waits for the state, which comes first.
        if (isBehind(call.connection)) this.#afterWrite(call, work);
        else work();
      },
      () => {
        call.isUndone = true;
        // Before that, the entry itself fails with the reason.
        if (call.hasEnded) this.#fail(call, undone(call));
      },
    );
  }

  async #stream(call: Call, items: Items): Promise<void> {
    const { host } = this.#context;
    call.isStream = true;
    let isOpen = true;
    const next = async (): Promise<void> => {
      // An iterator that fails has ended.
      isOpen = false;
      const { done, value } = await items.next();
      isOpen = done !== true;
      if (!isOpen || call.isStopped) return;
      const text = JSON.stringify(["item", call.id, wireOf(snapshot(value), call)]);
      const sendItem = (): void => {
        if (!call.isAnswered) sendTo(call.connection.native, text);
      };
      this.#afterWrite(call, sendItem);
    };
    try {
      for (let sent = 1; isOpen && !call.isStopped && !call.isAnswered; sent++) {
        if (call.credit === 0) {
          // Meanwhile the object may hibernate.
          call.release();
          await new Promise<void>((resolve) => (call.wake = resolve));
          continue;
        }
        call.credit--;
        await host.enter(next, { name: call.method });
        // Other code's turn, if the items need no time.
        if (sent % AHEAD === 0) await scheduler.wait(0);
      }
      if (call.isUndone) this.#fail(call, undone(call));
      else this.#afterWrite(call, () => this.#finish(call, JSON.stringify(["ok", call.id])));
    } finally {
      if (isOpen) await host.enter(() => endItems(items), { name: call.method });
    }
  }

  #fail(call: Call, error: unknown): void {
    this.#finish(call, JSON.stringify(["error", call.id, wireError(error)] satisfies ServerFrame));
  }

  /** Sends the last frame of a call. */
  #finish(call: Call, text: string): void {
    if (call.isAnswered) return;
    call.isAnswered = true;
    this.#callsOf(call.connection).delete(call.id);
    sendTo(call.connection.native, text);
    call.wake?.();
  }
}

function send(connection: Connection, frame: ServerFrame): void {
  sendTo(connection.native, JSON.stringify(frame));
}

/** The items of a frame; none for what isn't one. */
function frameOf(data: string | ArrayBuffer): unknown[] {
  const frame = typeof data === "string" ? attempt(() => JSON.parse(data) as unknown) : undefined;
  return Array.isArray(frame) ? (frame as unknown[]) : [];
}

/** Returns undefined in place of an error. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function isId(id: unknown): id is number {
  return Number.isSafeInteger(id) && (id as number) > 0;
}

/** @throws DurableError `not-transferable` */
function wireOf(value: unknown, call: Call): unknown {
  try {
    return toWire(value);
  } catch (cause) {
    throw new DurableError(
      "not-transferable",
      `${labelOf(call)}: its result holds something that no client can get. Return plain data, such as \`{ ...value }\`.`,
      { cause },
    );
  }
}

function undone(call: Call): DurableError {
  return new DurableError("write-failed", `${labelOf(call)}: its changes couldn't be stored, and were taken back.`);
}
