/**
 * @module
 * One key and its value.
 */
import { DurableError, quote } from "../../core/errors.ts";
import { isThenable } from "../../core/values/async.ts";
import { unwrap } from "../../core/values/snapshot.ts";
import { trimmed } from "./bytes.ts";
import { after, usable, writable } from "./keys.ts";
import { ask } from "../remote.ts";
import { bytesOf, isOver, MAX_ROW, sizeOf } from "../size.ts";
import { isRemote, storageOf, type AnyStorage, type RemoteStorage, type StorageHandle } from "../handle.ts";

/**
 * Reads the value under a key; `fallback`, or `undefined`, when there is none.
 *
 * Synchronous, one row read, and always a copy of its own. The caller vouches for the type. A stored `undefined` is
 * read as absence is; {@link has} tells the two apart.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const visits = Storage.get(ctx, "visits", 0);
 * const user = Storage.get<User>(ctx, "user:alice");   // User | undefined
 * const seen = await Storage.get<User>(Object.from(env.USERS).byName("eu"), "user:alice");
 * ```
 */
export function get<Value = unknown>(handle: StorageHandle, key: string): Value | undefined;
export function get<Value>(handle: StorageHandle, key: string, fallback: Value): NoInfer<Value>;
export function get<Value = unknown>(handle: RemoteStorage, key: string): Promise<Value | undefined>;
export function get<Value>(handle: RemoteStorage, key: string, fallback: Value): Promise<NoInfer<Value>>;
export function get(handle: AnyStorage, key: string, fallback?: unknown): unknown {
  const or = (value: unknown): unknown => (value === undefined ? fallback : value);
  return isRemote(handle) ? ask(handle, "get", key).then(or) : or(storageOf(handle).kv.get(usable(key)));
}

/**
 * Tells whether there is a value under a key, a stored `undefined` included: one row read.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * if (Storage.has(ctx, "user:alice")) throw new Error("the name is taken");
 * ```
 */
export function has(handle: StorageHandle, key: string): boolean;
export function has(handle: RemoteStorage, key: string): Promise<boolean>;
export function has(handle: AnyStorage, key: string): boolean | Promise<boolean> {
  if (isRemote(handle)) return ask(handle, "has", key);
  return entryAt(storageOf(handle).kv, usable(key)) !== undefined;
}

/**
 * Writes a value under a key: one row, durable before any answer of the object leaves it.
 *
 * The value is copied as structured clone does. A tracked value of a persisted field is stored as the plain data it
 * stands for. A class instance loses its class, even if the class extends Map or Date. A view of bytes is stored without
 * the rest of its buffer.
 *
 * @throws DurableError `not-persistable` for what cannot be cloned, `too-large` over 2 MB of key and value,
 * `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * Storage.put(ctx, "user:alice", { since: new Date() });
 * ```
 */
export function put(handle: StorageHandle, key: string, value: unknown): void;
export function put(handle: RemoteStorage, key: string, value: unknown): Promise<void>;
export function put(handle: AnyStorage, key: string, value: unknown): void | Promise<void> {
  if (isRemote(handle)) return ask(handle, "put", key, value);
  const storage = storageOf(handle);
  write(storage.kv, storable(storage, "Storage.put", key, value));
}

/**
 * Removes a key and its value; exported as `delete`. Tells whether there was one: one row written, if there was.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * if (!Storage.delete(ctx, "user:alice")) throw new Error("no such user");
 * ```
 */
export function remove(handle: StorageHandle, key: string): boolean;
export function remove(handle: RemoteStorage, key: string): Promise<boolean>;
export function remove(handle: AnyStorage, key: string): boolean | Promise<boolean> {
  if (isRemote(handle)) return ask(handle, "delete", key);
  const storage = storageOf(handle);
  return storage.kv.delete(writable(storage, "Storage.delete", key));
}

/**
 * Stores what `change` makes of the value under a key, and gives it: one row read, one written.
 *
 * `change` gets a copy, or `undefined` when there is none; when it gives `undefined` the key is removed, and when it
 * throws nothing is written. It must be synchronous: between an await and the write others would write.
 *
 * @throws DurableError `returned-promise` when `change` gives a promise, and what {@link put} throws.
 *
 * @example
 * ```ts
 * const visits = Storage.update<number>(ctx, "visits", (n = 0) => n + 1);
 * ```
 */
export function update<Value = unknown>(
  handle: StorageHandle,
  key: string,
  change: (value: Value | undefined) => Value | undefined,
): Value | undefined;
export function update<Value = unknown>(
  handle: RemoteStorage,
  key: string,
  change: (value: Value | undefined) => Value | undefined,
): Promise<Value | undefined>;
export function update(handle: AnyStorage, key: string, change: (value: unknown) => unknown): unknown {
  if (isRemote(handle)) return askUpdate(handle, key, change);
  const storage = storageOf(handle);
  const next = changed(key, change, storage.kv.get(writable(storage, "Storage.update", key)));
  store(storage, key, next);
  return next;
}

/** What `change` makes of a value. */
function changed(key: string, change: (value: unknown) => unknown, value: unknown): unknown {
  const next = change(value);
  if (!isThenable(next)) return next;
  // What becomes of it is no news after this error.
  Promise.resolve(next).catch(() => {});
  throw new DurableError(
    "returned-promise",
    `Storage.update(${quote(key)}): the function gave a promise, and nothing was written. Await before the update: \`const next = await …\`.`,
  );
}

/** Writes what an update made of a value. */
export function store(storage: DurableObjectStorage, key: string, next: unknown): void {
  if (next === undefined) storage.kv.delete(key);
  else write(storage.kv, storable(storage, "Storage.update", key, next));
}

/** Lets the object call `change` with the value that it has, and again when that was changed meanwhile. */
async function askUpdate(handle: RemoteStorage, key: string, change: (value: unknown) => unknown): Promise<unknown> {
  let failure: { error: unknown } | undefined;
  try {
    return await ask(handle, "update", key, (value: unknown) => {
      try {
        return changed(key, change, value);
      } catch (error) {
        failure = { error };
        throw error;
      }
    });
  } catch (error) {
    // What the function threw has been to the object and back, and lost its class.
    throw failure === undefined ? error : failure.error;
  }
}

/** A key and its value as `[key, value]`, also when that is `undefined`; one row read. */
export function entryAt<Value>(kv: SyncKvStorage, key: string): [key: string, value: Value] | undefined {
  const value = kv.get<Value>(key);
  if (value !== undefined) return [key, value];
  // The platform's iterator is read to its end: an open one would lock tables.
  return [...kv.list<Value>({ start: key, end: after(key) })][0];
}

/** What a row can hold: what {@link storable} gives. */
export interface Row {
  /** The function that was called, for messages. */
  readonly where: string;
  readonly key: string;
  readonly data: unknown;
}

/**
 * A key and the plain data to store under it, checked but for what only the platform can tell: see {@link write}.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `not-persistable`, `too-large`.
 */
export function storable(storage: DurableObjectStorage, where: string, key: string, value: unknown): Row {
  const name = writable(storage, where, key);
  let data: unknown;
  let bytes: number;
  try {
    // The platform stores the whole buffer that a view lies in: bytes that nobody meant to store or pay for.
    data = unwrap(value, trimmed);
    bytes = sizeOf(data);
  } catch (cause) {
    // The stack ran out.
    if (!(cause instanceof RangeError)) throw cause;
    throw new DurableError(
      "not-persistable",
      `${where}(${quote(name)}): the value holds a cycle, or nests too deeply. Store its parts under keys of their own, and the keys in it.`,
      { cause },
    );
  }
  if (!isOver(name, MAX_ROW - bytes)) return { where, key: name, data };
  throw new DurableError(
    "too-large",
    `${where}(${quote(name)}): key and value take about ${bytes + bytesOf(name)} bytes, over the 2 MB of a row. Split the value over several keys.`,
  );
}

/** @throws DurableError `not-persistable` for what structured clone refuses. */
export function write(kv: SyncKvStorage, { where, key, data }: Row): void {
  try {
    kv.put(key, data);
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== "DataCloneError") throw cause;
    throw new DurableError(
      "not-persistable",
      `${where}(${quote(key)}): ${cause.message} Store plain data: primitives, Date, RegExp, Map, Set, bytes, arrays and plain objects.`,
      { cause },
    );
  }
}
