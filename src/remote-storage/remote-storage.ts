/**
 * @module
 * The part that opens an object's storage to callers: they pass a handle or stub to the functions of `Storage`.
 */
import { isEqual } from "../core/values/equal.ts";
import { DurableError, quote } from "../core/errors.ts";
import { attach, type Host, type ListedPart } from "../core/part/part.ts";
import { batch, deleteMany, getMany, putMany } from "../storage/kv/batch.ts";
import { writable } from "../storage/kv/keys.ts";
import { clear, count, pageOf } from "../storage/kv/list.ts";
import { offered, type Offer, type Operation } from "../storage/remote-operations.ts";
import { closed, labelOf, letGo, PART } from "../storage/remote.ts";
import { storageOf } from "../storage/handle.ts";
import { get, has, put, remove, store } from "../storage/kv/values.ts";

const READS: Record<string, Operation> = { get, has, getMany, list: pageOf, count };
const WRITES: Record<string, Operation> = { put, delete: remove, putMany, deleteMany, batch, clear, update };

/** How often an update begins anew before it gives up. */
const MOST_ROUNDS = 100;

/** The access to an object's storage that callers have. */
type Access = Offer["needed"];

/**
 * Opens the object's storage to everyone who holds a stub of it: `"read"` for the functions of `Storage` that read, `"write"`
 * for those that write as well. For `static override parts`.
 *
 * Routes and `serve` never offer it, SQL stays inside, and `static rpc` neither narrows nor widens it.
 *
 * @throws DurableError `bad-option` for any other access. A caller gets `storage-closed` where it isn't enough.
 *
 * @example
 * ```ts
 * export class Settings extends DurableBase {
 *   static override parts = [remoteStorage("read")];
 * }
 *
 * await Storage.get(Object.from(env.SETTINGS).byName("global"), "theme");
 * ```
 */
export function remoteStorage(access: Access): ListedPart {
  if (access !== "read" && access !== "write") {
    throw new DurableError(
      "bad-option",
      `remoteStorage(${quote(access)}): callers can read or write. Write \`remoteStorage("read")\` or \`remoteStorage("write")\`.`,
    );
  }
  const make = (host: Host) => ({
    call: (operation: unknown, args: unknown) => answer(host, access, operation, args),
  });
  return { name: PART, attach: (object) => void attach(object, PART, make) };
}

/**
 * Does for a caller what a function of `Storage` does, if `access` allows it.
 *
 * @throws DurableError `storage-closed` if not, `bad-option` for what is no such function, and what the function throws.
 */
function answer({ ctx, object }: Host, access: Access, operation: unknown, args: unknown): unknown {
  const name = String(operation);
  const found = keyed("read", READS, name) ?? keyed("write", WRITES, name) ?? offered(name);
  const needed = found?.needed ?? "write";
  if (access !== "write" && access !== needed)
    throw closed(`${labelOf(name)}: ${object.constructor.name} does not open its storage to stubs for that`, needed);
  if (found === undefined || !Array.isArray(args)) {
    throw new DurableError(
      "bad-option",
      `${quote(operation)} isn't a function that a stub can be asked for, or the object's Worker doesn't use it: let it call \`${labelOf(name)}\` somewhere.`,
    );
  }
  return found.work(ctx, ...(args as never[]));
}

function keyed(needed: Offer["needed"], table: Record<string, Operation>, name: string): Offer | undefined {
  return Object.hasOwn(table, name) ? { needed, work: table[name]! } : undefined;
}

/** As `Storage.update`, where `change` is the caller's: others may write while it is asked, and then it is asked again. */
async function update(
  ctx: DurableObjectState,
  key: string,
  change: (value: unknown) => Promise<unknown>,
): Promise<unknown> {
  const storage = storageOf(ctx);
  writable(storage, "Storage.update", key);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const value = storage.kv.get(key);
    const next = await change(value);
    letGo(next);
    const now = storage.kv.get(key);
    if (isEqual(value, now, true)) {
      store(storage, key, next);
      return next;
    }
    // What is no plain data is not even equal to its own copy.
    if (!isEqual(now, storage.kv.get(key), true)) {
      throw new DurableError(
        "not-persistable",
        `Storage.update(${quote(key)}): the stored value is no plain data, so a change by others could not be told; nothing was written. Write a method of the object that changes it.`,
      );
    }
  }
  throw new DurableError(
    "write-failed",
    `Storage.update(${quote(key)}): the value was changed by others in each of ${MOST_ROUNDS} rounds, and nothing was written. Write a method of the object that changes it: nothing comes between there.`,
  );
}
