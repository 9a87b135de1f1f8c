/**
 * @module
 * The `Storage` module: plain functions over the storage of a Durable Object, without a base class.
 *
 * @example
 * ```ts
 * import * as Storage from "durable-base/storage";
 *
 * Storage.put(ctx, "visits", (Storage.get<number>(ctx, "visits") ?? 0) + 1);
 * for (const [key, value] of Storage.list(ctx, { prefix: "user:" })) console.log(key, value);
 * ```
 */
import { DurableError, quote } from "../errors.ts";
import { snapshot } from "../snapshot.ts";
import { PREFIX, usable } from "./keys.ts";
import { bytesOf, MAX_ROW, sizeOf } from "./size.ts";
import { kvOf } from "./sqlite.ts";

/** The first key after all that begin with {@link PREFIX}: its last character, plus one. */
const AFTER_PREFIX = `${PREFIX.slice(0, -1)};`;

/** Rows that `list` reads at once: first, and at most. */
const FIRST_PAGE = 16;
const LARGEST_PAGE = 128;

/** About how many bytes `list` holds at once. */
const PAGE_BYTES = 1_000_000;

/**
 * Where to read and write: an object's storage, or whatever carries it, such as its `ctx`.
 *
 * @example
 * ```ts
 * const handle: StorageHandle = this.ctx;
 * ```
 */
export type StorageHandle = DurableObjectStorage | { readonly storage: DurableObjectStorage };

/**
 * Which keys {@link list} gives, and in what order.
 *
 * @example
 * ```ts
 * const newest: ListOptions = { prefix: "event:", reverse: true, limit: 10 };
 * ```
 */
export interface ListOptions {
  /** The first key that may be given. */
  start?: string;
  /** The key to begin after, as a cursor: with `reverse` still a lower bound. */
  startAfter?: string;
  /** The first key that may not be given any more. */
  end?: string;
  /** What every given key begins with. */
  prefix?: string;
  /** From the highest key to the lowest. */
  reverse?: boolean;
  /** The most entries to give. */
  limit?: number;
}

/**
 * Reads the value under a key; `undefined` when there is none.
 *
 * Synchronous, and always a copy of its own. The caller vouches for the type.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const visits = Storage.get<number>(ctx, "visits") ?? 0;
 * ```
 */
export function get<Value = unknown>(handle: StorageHandle, key: string): Value | undefined {
  return kvFrom(handle).get<Value>(usable(key));
}

/**
 * Writes a value under a key: one row, durable before any answer of the object leaves it.
 *
 * The value is copied as structured clone does; a tracked value of a persisted field is stored as the plain
 * data it stands for, and a class instance loses its class.
 *
 * @throws DurableError `not-persistable` for what cannot be cloned, `too-large` over 2 MB of key and value,
 * `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * Storage.put(ctx, "user:alice", { since: new Date() });
 * ```
 */
export function put(handle: StorageHandle, key: string, value: unknown): void {
  const kv = kvFrom(handle);
  const name = usable(key);
  const data = storable(name, value);
  try {
    kv.put(name, data);
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== "DataCloneError") throw cause;
    throw new DurableError(
      "not-persistable",
      `Storage.put(${quote(key)}): ${cause.message} Store plain data: primitives, Date, RegExp, Map, Set, bytes, arrays and plain objects.`,
      { cause },
    );
  }
}

/**
 * Removes a key and its value; exported as `delete`. Tells whether there was one.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * if (!Storage.delete(ctx, "user:alice")) throw new Error("no such user");
 * ```
 */
function remove(handle: StorageHandle, key: string): boolean {
  return kvFrom(handle).delete(usable(key));
}

export { remove as delete };

/**
 * Goes through the entries in the order of their keys' UTF-8 bytes; the library's own rows are skipped.
 *
 * Lazy: rows are read in pages of at most 128 and about 1 MB. Writing while it runs is safe, and so are lists inside
 * lists: it ends at the last key that was there when it began, so a loop that writes ends. A change ahead is
 * seen from the next page on.
 *
 * @throws DurableError `bad-option`, `no-sqlite-storage`: at the call, not at the first step.
 *
 * @example
 * ```ts
 * for (const [key, user] of Storage.list<User>(ctx, { prefix: "user:", limit: 100 })) greet(user);
 * ```
 */
export function list<Value = unknown>(
  handle: StorageHandle,
  options: ListOptions = {},
): IterableIterator<[key: string, value: Value]> {
  const { start, startAfter, end, prefix, reverse = false, limit = Infinity } = options;
  if (limit !== Infinity && (!Number.isInteger(limit) || limit < 0)) {
    throw new DurableError(
      "bad-option",
      `Storage.list: the limit ${quote(limit)} is no whole number. Leave it out to get everything.`,
    );
  }
  if (start !== undefined && startAfter !== undefined) {
    throw new DurableError(
      "bad-option",
      "Storage.list: `start` and `startAfter` exclude each other. Leave one of them out.",
    );
  }
  const range: SyncKvListOptions = { reverse };
  if (start !== undefined) range.start = start;
  if (startAfter !== undefined) range.start = after(startAfter);
  if (end !== undefined) range.end = end;
  if (prefix !== undefined) range.prefix = prefix;
  return walk<Value>(kvFrom(handle), range, limit);
}

// The platform has one list iterator at a time, whose open statement also locks tables against DDL, so each
// page is read to its end before anything is given out.
function* walk<Value>(kv: SyncKvStorage, range: SyncKvListOptions, limit: number): Generator<[string, Value]> {
  const { reverse = false } = range;
  const [last] = [...kv.list({ ...range, reverse: !reverse, limit: 1 })];
  if (last === undefined) return;
  if (reverse) range.start = last[0];
  else range.end = after(last[0]);

  let rows = FIRST_PAGE;
  while (limit > 0) {
    const page = [...kv.list<Value>({ ...range, limit: Math.min(rows, limit) })];
    const [key, value] = page.at(-1) ?? [];
    if (key === undefined) return;
    if (reverse) range.end = key;
    else range.start = after(key);
    rows = rowsOfPage(value);

    for (const entry of page) {
      if (entry[0].startsWith(PREFIX)) {
        // There may be thousands, and rows read are billed: go on behind them.
        if (reverse) range.end = PREFIX;
        else range.start = AFTER_PREFIX;
        break;
      }
      yield entry;
      limit--;
    }
  }
}

/** The key next to `key` in storage's order: nothing fits between. */
function after(key: string): string {
  return `${key}\0`;
}

function kvFrom(handle: StorageHandle): SyncKvStorage {
  return kvOf("storage" in handle ? handle.storage : handle);
}

/** The plain data to store, if a row can hold it. */
function storable(key: string, value: unknown): unknown {
  let data: unknown;
  let bytes: number;
  try {
    data = snapshot(value);
    bytes = bytesOf(key) + sizeOf(data);
  } catch (cause) {
    // The stack ran out.
    if (!(cause instanceof RangeError)) throw cause;
    throw new DurableError(
      "not-persistable",
      `Storage.put(${quote(key)}): the value holds a cycle, or nests too deeply. Store its parts under keys of their own, and the keys in it.`,
      { cause },
    );
  }
  if (bytes <= MAX_ROW) return data;
  throw new DurableError(
    "too-large",
    `Storage.put(${quote(key)}): key and value take about ${bytes} bytes, over the ${MAX_ROW} that a row may hold. Split the value over several keys.`,
  );
}

/** How many rows like this one make a page. */
function rowsOfPage(value: unknown): number {
  try {
    return Math.min(LARGEST_PAGE, Math.max(1, Math.floor(PAGE_BYTES / sizeOf(value))));
  } catch (error) {
    // A cycle, stored without this module, has no size.
    if (error instanceof RangeError) return 1;
    throw error;
  }
}
