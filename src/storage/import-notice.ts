/**
 * @module
 * Who has to know that the rows of an object were replaced by an import, or are about to be.
 */
import { PREFIX } from "./kv/keys.ts";
import { stateOf } from "./storage-state.ts";

/** The key under which an unfinished import keeps how far it is; keys that begin with it are the import's own, too. */
export const IMPORT_KEY: string = `${PREFIX}import`;

/** Calls `forget` after each import into this storage. The function that is returned stops that. */
export function followImports(storage: DurableObjectStorage, forget: () => void): () => void {
  const { followers } = stateOf(storage);
  followers.add(forget);
  return () => void followers.delete(forget);
}

/** Tells those that follow. */
export function tellImported(storage: DurableObjectStorage): void {
  for (const forget of stateOf(storage).followers) forget();
}
