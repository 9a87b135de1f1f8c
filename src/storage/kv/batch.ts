/**
 * @module
 * Several keys at once, all or nothing.
 */
import { DurableError, quote } from "../../core/errors.ts";
import { usable, writable } from "./keys.ts";
import { ask } from "../remote.ts";
import { isRemote, storageOf, type AnyStorage, type RemoteStorage, type StorageHandle } from "../handle.ts";
import { entryAt, storable, write, type Row } from "./values.ts";

/**
 * One step of a {@link batch}.
 *
 * @example
 * ```ts
 * const step: BatchOperation = { put: "user:alice", value: { since: new Date() } };
 * ```
 */
export type BatchOperation =
  | { readonly put: string; readonly value: unknown; readonly delete?: never }
  | { readonly delete: string; readonly put?: never; readonly value?: never };

/** Keys, but not a string, which is an iterable of its characters. */
type Keys = Iterable<string> & object;

/** A Map, any other iterable of `[key, value]`, or an object whose properties are the keys. */
type Entries = Iterable<readonly [key: string, value: unknown]> | Readonly<Record<string, unknown>>;

/**
 * Reads several keys: a Map of those that are there, in the order asked, a stored `undefined` included.
 *
 * One row read for each.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const users = Storage.getMany<User>(ctx, ["user:alice", "user:bob"]);
 * ```
 */
export function getMany<Value = unknown>(handle: StorageHandle, keys: Keys): Map<string, Value>;
export function getMany<Value = unknown>(handle: RemoteStorage, keys: Keys): Promise<Map<string, Value>>;
export function getMany(handle: AnyStorage, keys: Keys): Map<string, unknown> | Promise<Map<string, unknown>> {
  const names = each("Storage.getMany", keys);
  if (isRemote(handle)) return ask(handle, "getMany", names);
  const { kv } = storageOf(handle);
  const found = new Map<string, unknown>();
  for (const key of names) {
    const entry = entryAt(kv, usable(key, "Storage.getMany: "));
    if (entry !== undefined) found.set(...entry);
  }
  return found;
}

/**
 * Writes several keys, all or none: one row each. Of a key that comes twice the last value is written.
 *
 * Takes a Map, any other iterable of `[key, value]`, or an object whose properties are the keys.
 *
 * @throws DurableError what {@link put} throws, and then nothing is written.
 *
 * @example
 * ```ts
 * Storage.putMany(ctx, { "user:alice": alice, "user:bob": bob });
 * ```
 */
export function putMany(handle: StorageHandle, entries: Entries): void;
export function putMany(handle: RemoteStorage, entries: Entries): Promise<void>;
export function putMany(handle: AnyStorage, entries: Entries): void | Promise<void> {
  const pairs = Symbol.iterator in entries ? [...entries] : Object.entries(entries);
  if (isRemote(handle)) return ask(handle, "putMany", pairs);
  const storage = storageOf(handle);
  const rows = new Map<string, Row>();
  for (const [key, value] of pairs) rows.set(key, storable(storage, "Storage.putMany", key, value));
  storage.transactionSync(() => {
    for (const row of rows.values()) write(storage.kv, row);
  });
}

/**
 * Removes several keys, all or none, and tells how many there were: one row written for each of those.
 *
 * @throws DurableError `bad-key`, `reserved-key`, `no-sqlite-storage`, and then nothing is removed.
 *
 * @example
 * ```ts
 * const removed = Storage.deleteMany(ctx, ["user:alice", "user:bob"]);
 * ```
 */
export function deleteMany(handle: StorageHandle, keys: Keys): number;
export function deleteMany(handle: RemoteStorage, keys: Keys): Promise<number>;
export function deleteMany(handle: AnyStorage, keys: Keys): number | Promise<number> {
  const given = each("Storage.deleteMany", keys);
  if (isRemote(handle)) return ask(handle, "deleteMany", given);
  const storage = storageOf(handle);
  const names = given.map((key) => writable(storage, "Storage.deleteMany", key));
  return storage.transactionSync(() => names.filter((key) => storage.kv.delete(key)).length);
}

/**
 * Does several writes in their order, all or none: one row each.
 *
 * @throws DurableError what {@link put} throws, and `bad-option` for an operation that is neither
 * `{ put: key, value }` nor `{ delete: key }`; then nothing is written.
 *
 * @example
 * ```ts
 * Storage.batch(ctx, [{ put: "done:7", value: job }, { delete: "open:7" }]);
 * ```
 */
export function batch(handle: StorageHandle, operations: Iterable<BatchOperation>): void;
export function batch(handle: RemoteStorage, operations: Iterable<BatchOperation>): Promise<void>;
export function batch(handle: AnyStorage, operations: Iterable<BatchOperation>): void | Promise<void> {
  if (isRemote(handle)) return ask(handle, "batch", [...operations]);
  const storage = storageOf(handle);
  const steps = Array.from(operations, (operation) => stepOf(storage, operation));
  storage.transactionSync(() => {
    for (const step of steps) {
      if (typeof step === "string") storage.kv.delete(step);
      else write(storage.kv, step);
    }
  });
}

/** The row to write, or the key to remove. */
function stepOf(storage: DurableObjectStorage, operation: BatchOperation): Row | string {
  switch (Object.keys(operation).toSorted().join()) {
    case "put,value":
      return storable(storage, "Storage.batch", (operation as { put: string }).put, operation.value);
    case "delete":
      return writable(storage, "Storage.batch", (operation as { delete: string }).delete);
    default: {
      const members = quote(Object.keys(operation).join(", "));
      const fix = "`{ put: key, value }` or `{ delete: key }`";
      throw new DurableError("bad-option", `Storage.batch: an operation has the members ${members}. Write ${fix}.`);
    }
  }
}

/** Each key once, in the order given. */
function each(where: string, keys: Keys): string[] {
  if (typeof keys === "string") {
    throw new DurableError("bad-key", `${where}: the keys are one string. Write \`[${quote(keys)}]\`.`);
  }
  return [...new Set(keys)];
}
