/**
 * @module
 * The synchronous key-value storage of an object, checked to be there.
 */
import { DurableError } from "../errors.ts";

const checked = new WeakSet<DurableObjectStorage>();

/** @throws DurableError `no-sqlite-storage` when the class is not backed by SQLite, with the lines to write. */
export function kvOf(storage: DurableObjectStorage, className = "Counter"): SyncKvStorage {
  if (checked.has(storage)) return storage.kv;
  try {
    // `storage.kv` is there on every class; only its use, or this, tells.
    void storage.sql.databaseSize;
  } catch (cause) {
    throw new DurableError(
      "no-sqlite-storage",
      `The class of this object has no SQLite-backed storage. In wrangler.toml, for a class not yet deployed:\n\n[exports.${className}]\ntype = "durable-object"\nstorage = "sqlite"\n\nA class that was deployed without it keeps its old storage for ever: give the new one another name.`,
      { cause },
    );
  }
  checked.add(storage);
  return storage.kv;
}
