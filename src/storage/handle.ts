/**
 * @module
 * The storage behind a handle, and whether it is the one that everything here needs.
 */
import { COPY, mixedCopies } from "../core/two-copies.ts";
import { DurableError, quote, sqliteConfig } from "../core/errors.ts";
import { isHandle } from "../core/values/snapshot.ts";
import { stateOf } from "./storage-state.ts";

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
 * Where to read and write from outside: a handle or native stub of an object whose class has the part `remoteStorage("read")`
 * or `remoteStorage("write")`.
 *
 * @example
 * ```ts
 * const handle: RemoteStorage = Object.from(env.COUNTER).byName("alice");
 * ```
 */
export interface RemoteStorage {
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** An object that has one is no stub but the object itself: inside pass `this.ctx`. */
  readonly ctx?: never;
}

/** Any of the two. */
export type AnyStorage = StorageHandle | RemoteStorage;

/** By handle, once it was seen to be good. */
const storages = new WeakMap<object, DurableObjectStorage>();

/**
 * Tells a stub, native or ours, by what every one has; an object's own storage and `ctx` fetch nothing, and what does but has
 * a storage of its own carries that.
 */
export function isRemote(handle: AnyStorage): handle is RemoteStorage {
  if (storages.has(handle)) return false;
  const { fetch } = (handle ?? {}) as Partial<RemoteStorage>;
  // A handle has any name among its own properties, for the platform.
  return typeof fetch === "function" && (isHandle(handle) || !Object.hasOwn(handle, "storage"));
}

/**
 * Returns the storage behind a handle. A stub isn't such a handle.
 *
 * @throws DurableError `no-sqlite-storage` when the class is not backed by SQLite, with the lines to write; `bad-option`
 * for a stub, and for any value that isn't a handle; `two-copies` for an object of another copy of the library.
 */
export function storageOf(handle: StorageHandle, className?: string): DurableObjectStorage {
  const known = storages.get(handle);
  if (known !== undefined) return known;
  const storage = isRemote(handle) ? undefined : carriedBy(handle);
  if (storage === undefined) {
    throw new DurableError(
      "bad-option",
      `Storage: ${isRemote(handle) ? "this function takes no stub" : `there is no storage in ${quote(handle)}`}. In a method of the object pass \`this.ctx\`.`,
    );
  }
  if ((stateOf(storage).copy ?? COPY) !== COPY) throw new DurableError("two-copies", mixedCopies("Storage: this call"));
  const error = withoutSqlite(storage, className);
  if (error !== undefined) throw error;
  storages.set(handle, storage);
  return storage;
}

function carriedBy(handle: unknown): DurableObjectStorage | undefined {
  if (typeof handle !== "object" || handle === null) return undefined;
  const storage: unknown = "storage" in handle ? handle.storage : handle;
  return typeof storage === "object" && storage !== null && "sql" in storage
    ? (storage as DurableObjectStorage)
    : undefined;
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
      `This object's class has no SQLite storage, and a deployed class never gets one: add another class. In wrangler.toml:\n\n${sqliteConfig(className)}`,
      { cause },
    );
  }
}
