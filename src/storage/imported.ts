/**
 * @module
 * Who has to know that the rows of an object were replaced by an import, or are about to be.
 */
import { PREFIX } from "./keys.ts";

/** The key under which an unfinished import keeps how far it is; keys that begin with it are the import's own, too. */
export const IMPORT_KEY: string = `${PREFIX}import`;

const followers = new WeakMap<DurableObjectStorage, (() => void)[]>();

/** Has `forget` called when an import of this storage has ended. */
export function followImports(storage: DurableObjectStorage, forget: () => void): void {
  const known = followers.get(storage);
  if (known === undefined) followers.set(storage, [forget]);
  else known.push(forget);
}

/** Tells those that follow. */
export function tellImported(storage: DurableObjectStorage): void {
  for (const forget of followers.get(storage) ?? []) forget();
}
