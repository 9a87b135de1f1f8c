/**
 * @module
 * Going through keys in order: `list`, `count` and `clear`.
 */
import { DurableError, quote } from "../../core/errors.ts";
import { after, AFTER_PREFIX, fieldUnder, isReserved, PREFIX } from "./keys.ts";
import { ask, type Page } from "../remote.ts";
import { sizeOf } from "../size.ts";
import { isRemote, storageOf, type AnyStorage, type RemoteStorage, type StorageHandle } from "../handle.ts";

/** Rows that `list` reads at once: first, and at most. */
const FIRST_PAGE = 16;
const LARGEST_PAGE = 512;

/** About how many bytes `list` holds at once. */
const PAGE_BYTES = 1_000_000;

type Entry = [key: string, value: unknown];

/**
 * Which keys {@link list}, {@link count} and {@link clear} are about, and in what order.
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
 * Goes through the entries in the order of their keys' UTF-8 bytes; the library's own rows are skipped.
 *
 * Lazy: rows are read in pages of at most 512, and about 1 MB when they are alike. Writing while it runs is safe, and so are lists inside
 * lists: it ends at the last key that was there when it began, so a loop that writes ends. A change ahead is
 * seen from the next page on. `entries` is another name for it.
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
  options?: ListOptions,
): IterableIterator<[key: string, value: Value]>;
export function list<Value = unknown>(
  handle: RemoteStorage,
  options?: ListOptions,
): AsyncIterableIterator<[key: string, value: Value]>;
export function list(
  handle: AnyStorage,
  options?: ListOptions,
): IterableIterator<Entry> | AsyncIterableIterator<Entry> {
  if (!isRemote(handle)) return walk(storageOf(handle).kv, "Storage.list", options);
  check("Storage.list", options);
  return askPages(handle, { ...options });
}

/**
 * As much of what {@link list} gives as one call may bring.
 */
export function pageOf(handle: StorageHandle, options: ListOptions = {}): Page {
  const entries: Entry[] = [];
  let bytes = 0;
  const [last] = list(handle, { ...options, reverse: options.reverse !== true, limit: 1 });
  for (const entry of list(handle, options)) {
    entries.push(entry);
    // With the key, or a million small values would bring more keys than a message holds.
    bytes += bytesIn(entry);
    if (bytes > PAGE_BYTES) return { entries, last: last?.[0] };
  }
  return { entries, last: undefined };
}

/** Goes through an object's entries from outside, a page at a time. */
async function* askPages(handle: RemoteStorage, options: ListOptions): AsyncGenerator<Entry> {
  for (;;) {
    const { entries, last } = await ask<Page>(handle, "list", options);
    yield* entries;
    const [key] = entries.at(-1) ?? [];
    if (last === undefined || key === undefined) return;
    if (options.limit !== undefined) options.limit -= entries.length;
    // The first page tells where to end: what is added behind is not given.
    if (options.reverse === true) Object.assign(options, { end: key, start: last, startAfter: undefined });
    else Object.assign(options, { start: undefined, startAfter: key, end: after(last) });
  }
}

/**
 * Counts the entries that {@link list} would give: as many rows read.
 *
 * @throws DurableError `bad-option`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const hasMany = Storage.count(ctx, { prefix: "user:", limit: 1_000 }) === 1_000;
 * ```
 */
export function count(handle: StorageHandle, options?: ListOptions): number;
export function count(handle: RemoteStorage, options?: ListOptions): Promise<number>;
export function count(handle: AnyStorage, options?: ListOptions): number | Promise<number> {
  if (isRemote(handle)) return ask(handle, "count", options);
  let found = 0;
  for (const _ of walk(storageOf(handle).kv, "Storage.count", options)) found++;
  return found;
}

/**
 * Removes the entries that {@link list} would give, all or none, and tells how many: one row read and one written each.
 *
 * The library's own rows, those of persisted fields with a key of their own, and SQL tables stay; `ctx.storage.deleteAll()` removes everything.
 *
 * @throws DurableError `bad-option`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const expired = Storage.clear(ctx, { prefix: "session:", end: `session:${yesterday}` });
 * ```
 */
export function clear(handle: StorageHandle, options?: ListOptions): number;
export function clear(handle: RemoteStorage, options?: ListOptions): Promise<number>;
export function clear(handle: AnyStorage, options?: ListOptions): number | Promise<number> {
  if (isRemote(handle)) return ask(handle, "clear", options);
  const storage = storageOf(handle);
  const entries = walk(storage.kv, "Storage.clear", options);
  return storage.transactionSync(() => {
    let removed = 0;
    for (const [key] of entries) if (fieldUnder(storage, key) === undefined && storage.kv.delete(key)) removed++;
    return removed;
  });
}

function walk(kv: SyncKvStorage, where: string, options: ListOptions = {}): Generator<Entry> {
  check(where, options);
  const { start, startAfter, end, prefix, reverse = false, limit = Infinity } = options;
  const range: SyncKvListOptions = { reverse };
  if (start !== undefined) range.start = start;
  if (startAfter !== undefined) range.start = after(startAfter);
  if (end !== undefined) range.end = end;
  if (prefix !== undefined) range.prefix = prefix;
  return pages(kv, range, limit);
}

// The platform has one list iterator at a time, whose open statement also locks tables against DDL, so each
// page is read to its end before anything is given out.
function* pages(kv: SyncKvStorage, range: SyncKvListOptions, limit: number): Generator<Entry> {
  if (limit === 0) return;
  const { reverse = false } = range;
  const [last] = [...kv.list({ ...range, reverse: !reverse, limit: 1 })];
  if (last === undefined) return;
  if (reverse) range.start = last[0];
  else range.end = after(last[0]);

  let rows = FIRST_PAGE;
  while (limit > 0) {
    const page = [...kv.list({ ...range, limit: Math.min(rows, limit) })];
    const [key, value] = page.at(-1) ?? [];
    if (key === undefined) return;
    // There may be thousands of the library's, and rows read are billed: go on behind them.
    const isOurs = isReserved(key);
    if (reverse) range.end = isOurs ? PREFIX : key;
    else range.start = isOurs ? AFTER_PREFIX : after(key);
    rows = Math.min(rows * 4, rowsOfPage(value));

    const [[begin]] = page as [Entry];
    const mayHoldOurs = (reverse ? key : begin) < AFTER_PREFIX && (reverse ? begin : key) >= PREFIX;
    for (const entry of page) {
      if (mayHoldOurs && isReserved(entry[0])) continue;
      yield entry;
      limit--;
    }
  }
}

/** How many rows like this one make a page. */
function rowsOfPage(value: unknown): number {
  return Math.min(LARGEST_PAGE, Math.max(1, Math.floor(PAGE_BYTES / bytesIn(value))));
}

function bytesIn(value: unknown): number {
  try {
    return sizeOf(value, PAGE_BYTES);
  } catch (error) {
    // A cycle, stored without this module, has no size.
    if (error instanceof RangeError) return PAGE_BYTES;
    throw error;
  }
}

const isText = (value: unknown): boolean => typeof value === "string" && value.isWellFormed();
const TEXT = [isText, "a well-formed string"] as const;

/** By option: whether a value can work, and what can. */
const OPTIONS: Record<keyof ListOptions, readonly [(value: unknown) => boolean, string]> = {
  start: TEXT,
  startAfter: TEXT,
  end: TEXT,
  prefix: TEXT,
  reverse: [(value) => typeof value === "boolean", "true or false"],
  limit: [
    (value) => value === Infinity || (Number.isInteger(value) && (value as number) >= 0),
    "a whole number, or leave it out",
  ],
};

function check(where: string, options: ListOptions = {}): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, name)) {
      const names = Object.keys(OPTIONS).join(", ");
      throw new DurableError("bad-option", `${where}: there is no option ${quote(name)}. Use ${names}.`);
    }
    const [works, fix] = OPTIONS[name as keyof ListOptions];
    if (value === undefined || works(value)) continue;
    throw new DurableError("bad-option", `${where}: \`${name}\` cannot be ${quote(value)}. Pass ${fix}.`);
  }
  if (options.start === undefined || options.startAfter === undefined) return;
  throw new DurableError("bad-option", `${where}: \`start\` and \`startAfter\` exclude each other. Pass one of them.`);
}
