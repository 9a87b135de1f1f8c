/**
 * @module
 * Several writes of any kind, all or nothing.
 */
import { DurableError } from "../core/errors.ts";
import { isThenable, kindOf } from "../core/values/async.ts";
import { storageOf, type StorageHandle } from "./handle.ts";
import { stateOf } from "./storage-state.ts";

/**
 * Runs `work` so that everything it writes is kept, or nothing when it throws: keys, SQL with its tables, the alarm, and
 * persisted fields, in memory too. Gives what `work` gives.
 *
 * A function runs at once. An `async` one runs in the platform's `transaction()`: **every other call of the object waits
 * for it**, reads included, and after 30 s the platform resets the object, so keep `fetch` out of it. Which of the two
 * is told by the keyword. One transaction inside another is undone alone if the outer one catches its error, and with
 * the outer one in any case; an `async` one cannot be inside one that is not. Calls of other objects are not undone.
 *
 * @throws DurableError `returned-promise`, and nothing is kept, when a function gives a promise without being `async`, or
 * runs an `async` one in a transaction of its own; `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * Storage.transaction(ctx, () => {
 *   Storage.update<number>(ctx, "from", (n = 0) => n - 10);
 *   Storage.update<number>(ctx, "to", (n = 0) => n + 10);
 *   if (Storage.get(ctx, "from", 0) < 0) throw new Error("not enough");   // nothing has changed
 * });
 * ```
 */
export function transaction<Result>(handle: StorageHandle, work: () => Result): Result {
  const storage = storageOf(handle);
  const state = stateOf(storage);
  const isInside = state.isBusy;
  if (kindOf(work) === "AsyncFunction") {
    if (!isInside) return storage.transaction(() => work() as Promise<unknown>) as Result;
    throw new DurableError(
      "returned-promise",
      "Storage.transaction: an `async` function would run after the transaction it stands in, and not be undone with it. Make the outer one async: `await Storage.transaction(ctx, async () => { … })`.",
    );
  }
  return storage.transactionSync(() => {
    let result: Result;
    state.isBusy = true;
    try {
      result = work();
    } finally {
      state.isBusy = isInside;
    }
    if (!isThenable(result)) return result;
    // Its code goes on by itself, and what becomes of it is no news after this error.
    Promise.resolve(result).catch(() => {});
    throw new DurableError(
      "returned-promise",
      "Storage.transaction: the function gave a promise without being `async`, so what it does later could not be undone; what it did was. Write `await Storage.transaction(ctx, async () => { … })`, with a build for ES2017 or later.",
    );
  });
}
