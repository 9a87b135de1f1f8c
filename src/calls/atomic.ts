/**
 * @module
 * The `@Atomic` decorator: a method that is all or nothing.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { ownerOf, type Owner } from "../core/entry/scope.ts";
import { DurableError } from "../core/errors.ts";
import { isThenable, kindOf } from "../core/values/async.ts";
import { afterTurn, replaceMethod, type CallDecorator, type Method } from "./replace-method.ts";

/** How long an async one may take, in milliseconds: the platform resets the whole object after 30 s. */
const LIMIT = 25_000;

/** The call of an atomic method, across its awaits. */
class Part {
  /** The open call that this one was made in. */
  readonly outer: Part | undefined = parts.getStore()?.live;
  isOpen = true;
  /** When it will be ended; undefined for a sync one. */
  deadline: number | undefined = undefined;
  /** Why it was ended while its code goes on; that code may change nothing any more. */
  refusal: DurableError | undefined = undefined;

  /** This one while it is open, else the nearest outer one that is; keeps chains of timers from growing. */
  get live(): Part | undefined {
    return this.isOpen ? this : this.outer?.live;
  }
}

const parts = new AsyncLocalStorage<Part>();

/**
 * Makes a method all or nothing: if it throws, every change made in it is undone, in memory and on disk.
 *
 * Persisted fields, `ctx.storage.kv`, `sql` and the alarm are undone, across awaits; calls of other objects and
 * `fetch` are not. What was pending before the call is written before. The caller gets the method's own error.
 * One called inside another is undone alone if the other catches its error, and with the other in any case.
 *
 * A sync method runs in `transactionSync`. An `async` one runs in `transaction()`: while it runs, **every other call
 * of the object waits**, reads included, so keep `fetch` out of it; after 25 s it is undone and rejects, and what its
 * code still does to fields throws. Whether a method is async is told by the keyword.
 *
 * @throws DurableError `bad-decorator` when the class is evaluated; `atomic-returned-promise` for a method that
 * gives a promise without being `async`; `atomic-timeout` after 25 s.
 *
 * @example
 * ```ts
 * @Atomic()
 * move({ from, to, amount }: Move) {
 *   this.balances.set(to, (this.balances.get(to) ?? 0) + amount);
 *   const left = (this.balances.get(from) ?? 0) - amount;
 *   if (left < 0) throw new Error("not enough");   // nothing has changed
 *   this.balances.set(from, left);
 * }
 * ```
 */
export const Atomic: CallDecorator & (() => CallDecorator) = ((...args: unknown[]) =>
  args.length === 0 ? decorate : decorate(...args)) as CallDecorator & (() => CallDecorator);

function decorate(...args: unknown[]): unknown {
  return replaceMethod("@Atomic()", atomic, args);
}

function atomic(method: Method, name: string): Method {
  // Waiting for a turn inside the transaction would keep the holder of the turn waiting too.
  return afterTurn(method, (inner) => {
    if (kindOf(inner) !== "AsyncFunction") {
      return function (this: object, ...args: unknown[]): unknown {
        return runSync(this, name, () => inner.apply(this, args));
      };
    }
    // Async itself, so that one decorator over another still tells it by its kind.
    const whole = async function (this: object, ...args: unknown[]): Promise<unknown> {
      return await atomically(this, name, () => inner.apply(this, args));
    };
    transacted.add(whole);
    return whole;
  });
}

/** The async methods that run in a transaction. */
const transacted = new WeakSet<Method>();

/** An async atomic method with `last` at its end, undone with it; null for any other method. */
export function endingWith(method: Method, name: string, last: () => void): Method | null {
  let isTransacted = false;
  const ending = afterTurn(method, (inner) => {
    isTransacted = transacted.has(inner);
    return async function (this: object, ...args: unknown[]): Promise<unknown> {
      return await atomically(this, name, async () => {
        const result = await inner.apply(this, args);
        // What was given up after 25 s has been undone.
        throwIfRefused();
        last();
        return result;
      });
    };
  });
  return isTransacted ? ending : null;
}

function runSync(self: object, name: string, call: () => unknown): unknown {
  const { owner, storage } = homeOf(self, name);
  const part = new Part();
  try {
    return storage.transactionSync(() => {
      throwIfRefused();
      const result = parts.run(part, call);
      if (!isThenable(result)) return result;
      // Its code goes on by itself, and what becomes of it is no news after this error.
      Promise.resolve(result).catch(() => {});
      const why = `${labelOf(self, name)} gave a promise without being \`async\`, so what it does later could not be undone; what it did was.`;
      const fix = `Write \`@Atomic() async ${name}() { … }\`, with @Atomic next to the method and a build for ES2017 or later.`;
      throw refuse(owner, part, new DurableError("atomic-returned-promise", `${why} ${fix}`));
    });
  } finally {
    part.isOpen = false;
  }
}

/** Runs the async work of a call of a method, by its name, all or nothing; it is undone after 25 s. */
export async function atomically(self: object, name: string, call: () => unknown): Promise<unknown> {
  const { owner, storage } = homeOf(self, name);
  const part = new Part();
  let timer: ReturnType<typeof setTimeout> | null = null;
  try {
    return await storage.transaction(async () => {
      throwIfRefused();
      const now = Date.now();
      // While an inner transaction is open, the timers of the outer one wait: the inner keeps to its deadline.
      part.deadline = deadlineOf(part.outer) ?? now + LIMIT;
      const { promise: tooLong, reject } = Promise.withResolvers<never>();
      timer = setTimeout(() => {
        const text = `${labelOf(self, name)} did not end within ${LIMIT} ms and was undone: while it runs, every other call of the object waits. Do slow work, such as \`fetch\`, before it.`;
        reject(refuse(owner, part, new DurableError("atomic-timeout", text)));
      }, part.deadline - now);
      return await Promise.race([parts.run(part, call), tooLong]);
    });
  } finally {
    clearTimeout(timer);
    part.isOpen = false;
  }
}

function deadlineOf(part: Part | undefined): number | undefined {
  for (let at = part; at !== undefined; at = at.outer) if (at.isOpen && at.deadline !== undefined) return at.deadline;
  return undefined;
}

/** From now on, what the code of `part` changes throws `error`. */
function refuse(owner: Owner, part: Part, error: DurableError): DurableError {
  part.refusal = error;
  // An owner that already refuses everything keeps doing so.
  owner.refusal ??= refusal;
  return error;
}

/** Why the running code may change nothing any more, if so. */
function refusal(): DurableError | undefined {
  let part = parts.getStore();
  while (part !== undefined && part.refusal === undefined) part = part.outer;
  return part?.refusal;
}

/** Throws the error that the running code was ended by, if it was. */
function throwIfRefused(): void {
  const error = refusal();
  if (error !== undefined) throw error;
}

function homeOf(self: object, name: string): { owner: Owner; storage: DurableObjectStorage } {
  const owner = ownerOf(self);
  const { ctx } = self as { ctx?: DurableObjectState };
  if (owner !== undefined && ctx !== undefined) {
    const error = owner.refusal?.();
    if (error !== undefined) throw error;
    owner.fields.join();
    return { owner, storage: ctx.storage };
  }
  throw new DurableError(
    "bad-decorator",
    `${labelOf(self, name)}: @Atomic() works in a class that extends DurableBase: \`class ${self.constructor.name} extends DurableBase\`.`,
  );
}

function labelOf(self: object, name: string): string {
  return `${self.constructor.name}.${name}`;
}
