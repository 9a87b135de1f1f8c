/**
 * @module
 * Counts the rows that an object asks its storage for, by whatever door.
 */

/** Rows as they are billed. */
export interface Counted {
  read: number;
  written: number;
}

type Method = (this: object, ...args: unknown[]) => unknown;

/** By what an object calls, its storage and the parts of it: the meter. */
const meters = new WeakMap<object, Meter>();

const patched = new WeakSet<object>();

/** What an object asked its storage for since its meter was put there. */
export class Meter {
  readonly #rows: Counted = { read: 0, written: 0 };
  #cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];

  /** The rows so far. */
  get rows(): Counted {
    for (const { rowsRead, rowsWritten } of this.#cursors) this.add(rowsRead, rowsWritten);
    // A cursor goes on counting while it is read, and none is read across calls of the object.
    this.#cursors = [];
    return { ...this.#rows };
  }

  add(read: number, written: number): void {
    this.#rows.read += read;
    this.#rows.written += written;
  }

  follow(cursor: SqlStorageCursor<Record<string, SqlStorageValue>>): void {
    this.#cursors.push(cursor);
  }
}

/** The meter of an object's storage, put there by the first to ask. */
export function meterOf(storage: DurableObjectStorage): Meter {
  const known = meters.get(storage);
  if (known !== undefined) return known;
  const meter = new Meter();
  const { kv, sql } = storage;
  watch(storage, ASYNC, meter);
  watch(kv, KV, meter);
  watch(sql, SQL, meter);
  return meter;
}

/** By method: counts what a call cost that gave `result`, and gives what to give in its place. */
type Costs = Record<string, (meter: Meter, result: never, args: readonly unknown[]) => unknown>;

const KV: Costs = {
  get: (meter, value) => count(meter, value, 1, 0),
  put: (meter, value) => count(meter, value, 0, 1),
  delete: (meter, existed: boolean) => count(meter, existed, 0, Number(existed)),
  list: (meter, rows: Iterable<unknown>) => listed(meter, rows),
};

const SQL: Costs = {
  exec(meter, cursor: SqlStorageCursor<Record<string, SqlStorageValue>>) {
    meter.follow(cursor);
    return cursor;
  },
};

/** The asynchronous storage, and the storage of a transaction. */
const ASYNC: Costs = {
  get: (meter, value: Promise<unknown>, [keys]) => count(meter, value, Array.isArray(keys) ? keys.length : 1, 0),
  put: (meter, done: Promise<void>, [entries]) =>
    count(meter, done, 0, typeof entries === "string" ? 1 : Object.keys(entries as object).length),
  delete: (meter, removed: Promise<boolean | number>) =>
    removed.then((existed) => count(meter, existed, 0, Number(existed))),
  list: (meter, rows: Promise<Map<string, unknown>>) => rows.then((found) => count(meter, found, found.size, 0)),
  setAlarm: (meter, done: Promise<void>) => count(meter, done, 0, 1),
};

function count<Result>(meter: Meter, result: Result, read: number, written: number): Result {
  meter.add(read, written);
  return result;
}

function* listed<Row>(meter: Meter, rows: Iterable<Row>): Generator<Row> {
  for (const row of rows) yield count(meter, row, 1, 0);
}

/**
 * Counts the calls of a part of the storage. On its prototype, since code that took a method along when the object was made
 * is counted so too; other objects have no meter.
 */
function watch(part: object, costs: Costs, meter: Meter): void {
  meters.set(part, meter);
  const proto = Object.getPrototypeOf(part) as Record<string, Method>;
  if (patched.has(proto)) return;
  patched.add(proto);
  for (const [name, tell] of Object.entries(costs)) {
    replace(proto, name, (method, own, args) => tell(own, method(args) as never, args));
  }
  if (costs !== ASYNC || proto["transaction"] === undefined) return;
  replace(proto, "transaction", (method, own, [work]) =>
    method([
      (transaction: object) => {
        watch(transaction, ASYNC, own);
        return (work as (given: object) => unknown)(transaction);
      },
    ]),
  );
}

function replace(
  proto: Record<string, Method>,
  name: string,
  by: (method: (args: readonly unknown[]) => unknown, meter: Meter, args: readonly unknown[]) => unknown,
): void {
  const method = proto[name]!;
  proto[name] = function (this: object, ...args: unknown[]): unknown {
    const meter = meters.get(this);
    return meter === undefined ? method.apply(this, args) : by((given) => method.apply(this, [...given]), meter, args);
  };
}
