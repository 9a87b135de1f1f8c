/**
 * @module
 * The storage behind a handle, and whether it is the one that everything here needs.
 */
import { DurableError } from "../errors.ts";

/**
 * Where to read and write: an object's storage, or whatever carries it, such as its `ctx`.
 *
 * @example
 * ```ts
 * const handle: StorageHandle = this.ctx;
 * ```
 */
export type StorageHandle = DurableObjectStorage | { readonly storage: DurableObjectStorage };

const checked = new WeakSet<DurableObjectStorage>();

/** @throws DurableError `no-sqlite-storage` when the class is not backed by SQLite, with the lines to write. */
export function storageOf(handle: StorageHandle, className?: string): DurableObjectStorage {
  const storage = "storage" in handle ? handle.storage : handle;
  if (!checked.has(storage)) {
    const error = withoutSqlite(storage, className);
    if (error !== undefined) throw error;
    checked.add(storage);
  }
  return storage;
}

/**
 * The error for a class that is not backed by SQLite; undefined for one that is.
 *
 * `storage.kv` is there on every class and fails when it is used; this asks SQLite itself, which takes some
 * microseconds.
 */
export function withoutSqlite(storage: DurableObjectStorage, className = "Counter"): DurableError | undefined {
  try {
    void storage.sql.databaseSize;
    return undefined;
  } catch (cause) {
    return new DurableError(
      "no-sqlite-storage",
      `The class of this object has no SQLite-backed storage. In wrangler.toml, for a class not yet deployed:\n\n[exports.${className}]\ntype = "durable-object"\nstorage = "sqlite"\n\nA class that was deployed without it keeps its old storage for ever: give the new one another name.`,
      { cause },
    );
  }
}
