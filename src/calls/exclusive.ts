/**
 * @module
 * The `@Exclusive` decorator: one such call at a time per object.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { DurableError, quote } from "../core/errors.ts";
import { isThenable } from "../core/values/async.ts";
import { markTurn, replaceMethod, type CallDecorator, type Method } from "./replace-method.ts";

/** Milliseconds that a call waits for those before it. */
const WAIT = 10_000;

/** The longest that a timer can wait: a longer one ends at once. */
const LONGEST = 2_147_483_647;

/** Options of {@link Exclusive}. */
export interface ExclusiveOptions {
  /** How long a call waits for its turn, in milliseconds: from 0 to 2,147,483,647; 10,000 by default. */
  readonly wait?: number;
}

/** The type of {@link Exclusive}: it works bare and called. */
export type ExclusiveDecorator = CallDecorator & ((options?: ExclusiveOptions) => CallDecorator);

/**
 * Lets one call at a time run of all the object's `@Exclusive` methods, in order of arrival, across their awaits.
 *
 * So nothing is lost between a read and a write with a `fetch` between them. Other calls of the object go on
 * meanwhile. A call made inside one that has its turn runs within that turn; several such, made side by side, follow
 * each other, and the turn ends when all have. What throws ends its turn like what returns.
 *
 * A call that waits longer than `wait` rejects without having run. That also ends two objects that wait for each
 * other. When no other call has its turn, a sync method stays sync; else it gives a promise: inside the object,
 * `await` it.
 *
 * @throws DurableError `bad-decorator` or `bad-option` when the class is evaluated; `exclusive-timeout`, which names
 * the call that has the turn.
 *
 * @example
 * ```ts
 * @Exclusive({ wait: 5_000 })
 * async buy(item: string) {
 *   const price = await this.priceOf(item);   // another buy waits, everything else goes on
 *   this.balance -= price;
 * }
 * ```
 */
export const Exclusive: ExclusiveDecorator = ((...args: unknown[]): unknown => {
  if (args.length >= 2 || typeof args[0] === "function") return replaceMethod("@Exclusive()", waitingFor(WAIT), args);
  const { wait = WAIT } = (args[0] ?? {}) as ExclusiveOptions;
  if (!(typeof wait === "number" && wait >= 0 && wait <= LONGEST)) {
    throw new DurableError(
      "bad-option",
      `@Exclusive({ wait: ${quote(wait)} }): a call waits from 0 to ${LONGEST} milliseconds. Write \`@Exclusive({ wait: ${WAIT} })\`.`,
    );
  }
  return (...target: unknown[]) => replaceMethod(`@Exclusive({ wait: ${wait} })`, waitingFor(wait), target);
}) as ExclusiveDecorator;

function waitingFor(wait: number): (method: Method, name: string) => Method {
  return (method, name) => exclusive(method, name, wait);
}

function exclusive(method: Method, name: string, wait: number): Method {
  const waiting = function (this: object, ...args: unknown[]): unknown {
    return take(queueOf(this), name, wait, () => method.apply(this, args));
  };
  return markTurn(waiting, (change) => exclusive(change(method), name, wait));
}

/** A call, and the queue of the calls made inside it; an object's own queue is one too, of a call that never ends. */
class Turn {
  readonly self: object;
  readonly name: string;
  /** Where this call waits; undefined for an object's own queue. */
  readonly queue: Turn | undefined;
  /** The open call that this one was made in, which may be of another object in the same isolate. */
  readonly outer: Turn | undefined = turns.getStore()?.live;
  /** True until the call has ended; calls that it left behind may still have to follow. */
  isOpen = true;
  /** The call inside this one that has the turn. */
  current: Turn | undefined = undefined;
  /** The calls inside this one that wait for it, in order of arrival, with what lets them run. */
  readonly waiting: Map<Turn, () => void> = new Map();

  constructor(self: object, name: string, queue: Turn | undefined) {
    this.self = self;
    this.name = name;
    this.queue = queue;
  }

  /** This one while it is open, else the nearest outer one that is; keeps chains of timers from growing. */
  get live(): Turn | undefined {
    return this.isOpen ? this : this.outer?.live;
  }
}

const turns = new AsyncLocalStorage<Turn>();
const ownQueues = new WeakMap<object, Turn>();

/** Where a call of `self` made by the running code waits: in the innermost call of `self` that it belongs to. */
function queueOf(self: object): Turn {
  for (let turn = turns.getStore(); turn !== undefined; turn = turn.outer) {
    if (turn.self === self && turn.isOpen) return turn;
  }
  let own = ownQueues.get(self);
  if (own === undefined) ownQueues.set(self, (own = new Turn(self, "", undefined)));
  return own;
}

function take(queue: Turn, name: string, wait: number, call: () => unknown): unknown {
  const turn = new Turn(queue.self, name, queue);
  if (queue.current === undefined) {
    queue.current = turn;
    return run(turn, call);
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    queue.waiting.delete(turn);
    const text = `${labelOf(turn)} waited ${wait} ms for its turn, which ${labelOf(queue.current!)} has, and did not run.`;
    const fix = `Try again, do slow work outside the holder, or wait longer: \`@Exclusive({ wait: … })\`.`;
    reject(new DurableError("exclusive-timeout", `${text} ${fix}`));
  }, wait);
  queue.waiting.set(turn, () => {
    clearTimeout(timer);
    resolve();
  });
  return promise.then(() => run(turn, call));
}

function run(turn: Turn, call: () => unknown): unknown {
  let result: unknown;
  try {
    result = turns.run(turn, call);
  } catch (error) {
    end(turn);
    throw error;
  }
  if (isThenable(result)) return Promise.resolve(result).finally(() => end(turn));
  end(turn);
  return result;
}

function end(turn: Turn): void {
  turn.isOpen = false;
  passOn(turn);
}

/** Gives the turn to the next in line, once the call and all that were made inside it have ended. */
function passOn({ isOpen, current, queue }: Turn): void {
  if (isOpen || current !== undefined || queue === undefined) return;
  const [next] = queue.waiting;
  queue.current = next?.[0];
  if (next === undefined) return passOn(queue);
  const [turn, start] = next;
  queue.waiting.delete(turn);
  start();
}

function labelOf({ self, name }: Turn): string {
  return `${self.constructor.name}.${name}`;
}
