/**
 * @module
 * Shards: a fixed number of objects over which keys are spread.
 *
 * @example
 * ```ts
 * import { shards } from "durable-base/shards";
 *
 * await shards(env.ROOM, 16).byKey(user.id).join(user);
 * ```
 */
import { DurableError, quote } from "../core/errors.ts";
import { flawOfName, from, type Finder } from "../object/namespace.ts";
import type { Handle } from "../object/types.ts";
import { hash, jump } from "./jump-hash.ts";

/** How many calls {@link Shards.map} makes at once by default. */
const CONCURRENCY = 16;

/** More shards than any namespace could need. */
const MAX_SHARDS = 1_000_000;

/**
 * Options of {@link shards}.
 *
 * @example
 * ```ts
 * const options: ShardsOptions = { prefix: "room-" };
 * ```
 */
export interface ShardsOptions {
  /** The name of each object before its number, `shard-` by default. */
  readonly prefix?: string;
}

/**
 * Objects over which keys are spread evenly: the same key always has the same object.
 *
 * The jump consistent hash (Lamping and Veach, 2014) of the 64-bit FNV-1a hash of the key's UTF-8 bytes decides which one, so
 * any program can find it, and more shards take over only the keys that the new ones get.
 *
 * @example
 * ```ts
 * const rooms: Shards<Handle<Room>> = shards(env.ROOM, 16);
 * await rooms.byKey(user.id).join(user);
 * ```
 */
export interface Shards<Handle> {
  /** The number of shards. */
  readonly count: number;

  /**
   * Returns the number of the shard that has a key, from 0 on.
   *
   * @throws DurableError `bad-key` when the key isn't a string, or has a lone surrogate.
   */
  indexOf(key: string): number;

  /**
   * Returns the shard that has a key.
   *
   * @throws DurableError `bad-key` as {@link Shards.indexOf}.
   */
  byKey(key: string): Handle;

  /** Returns all shards, in order; each is created by its first call. */
  all(): Handle[];

  /**
   * Calls `work` for every shard and returns all outcomes in order, including those of shards that failed.
   *
   * @throws DurableError `bad-option` when `concurrency` isn't a positive integer; the reason of `signal` when it is
   * aborted; what `onProgress` throws. Then no more calls are made, and calls under way go on.
   *
   * @example
   * ```ts
   * const outcomes = await rooms.map((room) => room.count(), { concurrency: 50 });
   * const failed = outcomes.filter(({ status }) => status === "rejected").length;
   * ```
   */
  map<Result>(
    work: (shard: Handle, index: number) => Result,
    options?: MapOptions,
  ): Promise<PromiseSettledResult<Awaited<Result>>[]>;

  /**
   * Returns the keys that have another shard than when there were `count` shards. You have to move what is stored for them.
   *
   * From 8 shards to 16, half of the keys move, all of them to new shards.
   *
   * @throws DurableError `bad-option` when `count` isn't a number of shards.
   *
   * @example
   * ```ts
   * for (const { key, from, to } of rooms.movedSince(8, keys)) await to.take(key, await from.give(key));
   * ```
   */
  movedSince(count: number, keys: Iterable<string>): Iterable<Moved<Handle>>;
}

/**
 * Options of {@link Shards.map}.
 *
 * @example
 * ```ts
 * const options: MapOptions = { concurrency: 50, onProgress: (done, of) => console.log(`${done} of ${of}`) };
 * ```
 */
export interface MapOptions {
  /** How many calls are under way at once, 16 by default. */
  readonly concurrency?: number;
  /** Called after each call that has ended, even if it failed. */
  readonly onProgress?: (done: number, of: number) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/**
 * A key that has another shard than before.
 *
 * @example
 * ```ts
 * const [moved]: Moved<Handle<Room>>[] = [...rooms.movedSince(8, ["alice"])];
 * ```
 */
export interface Moved<Handle> {
  readonly key: string;
  readonly from: Handle;
  readonly to: Handle;
}

/**
 * Spreads keys over `count` objects of a namespace, named `shard-0`, `shard-1` and so on.
 *
 * To call shards with options or in a jurisdiction, pass a finder: `shards(Room.from(env.ROOM).jurisdiction("eu"), 16)`. Sends nothing:
 * the first call on a handle does.
 *
 * @throws DurableError `bad-option` when `count` isn't an integer from 1 to 1,000,000, or an option is wrong; `bad-name` when
 * `prefix` is too long; `missing-binding` when `namespace` isn't a namespace.
 *
 * @example
 * ```ts
 * const rooms = shards(env.ROOM, 16);
 * await rooms.byKey(user.id).join(user);
 * ```
 */
export function shards<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T> | Finder<T>,
  count: number,
  options: ShardsOptions = {},
): Shards<Handle<T>> {
  const finder = isFinder(namespace) ? namespace : from(namespace);
  checkCount(count, "shards(env.ROOM, 16)");
  const prefix = prefixOf(options, count);
  const open = (index: number): Handle<T> => finder.byName(`${prefix}${index}`);
  const indexOf = (key: string): number => jump(hash(key), count);
  return {
    count,
    indexOf,
    byKey: (key) => open(indexOf(key)),
    all: () => Array.from({ length: count }, (_, index) => open(index)),
    map: (work, options) => map(count, (index) => work(open(index), index), options),
    *movedSince(before, keys) {
      checkCount(before, "movedSince(8, keys)");
      for (const key of keys) {
        const hashed = hash(key);
        const [from, to] = [jump(hashed, before), jump(hashed, count)];
        if (from !== to) yield { key, from: open(from), to: open(to) };
      }
    },
  };
}

function isFinder<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T> | Finder<T>,
): namespace is Finder<T> {
  return typeof (namespace as Partial<Finder<T>> | null | undefined)?.byName === "function";
}

function checkCount(count: number, fix: string): void {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_SHARDS) return;
  throw new DurableError(
    "bad-option",
    `shards: ${quote(count)} isn't a number of shards, an integer from 1 to ${MAX_SHARDS}. Write \`${fix}\`.`,
  );
}

function prefixOf(options: ShardsOptions, count: number): string {
  const fix = `Write \`shards(env.ROOM, ${count}, { prefix: "room-" })\`.`;
  const wrong = flawOfOptions(options);
  if (wrong !== undefined) throw new DurableError("bad-option", `shards: ${wrong}. ${fix}`);
  const { prefix = "shard-" } = options;
  const name = `${prefix}${count}`;
  const flaw = flawOfName(name);
  if (flaw !== undefined) throw new DurableError("bad-name", `shards: the name ${quote(name)} ${flaw}. ${fix}`);
  return prefix;
}

/** Says what is wrong: a misspelt option, or a prefix in place of the options, would silently call other objects. */
function flawOfOptions(options: ShardsOptions): string | undefined {
  if (typeof options !== "object" || options === null) return `${quote(options)} isn't an object of options`;
  const unknown = Object.keys(options).find((name) => name !== "prefix");
  if (unknown !== undefined) return `there is no option ${quote(unknown)}`;
  const { prefix = "" } = options;
  return typeof prefix === "string" ? undefined : `the prefix ${quote(prefix)} isn't a string`;
}

async function map<Result>(
  count: number,
  work: (index: number) => Result,
  { concurrency = CONCURRENCY, onProgress, signal }: MapOptions = {},
): Promise<PromiseSettledResult<Awaited<Result>>[]> {
  if (!(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new DurableError(
      "bad-option",
      `shards: ${quote(concurrency)} isn't a number of calls at once, a positive integer. Write \`{ concurrency: 50 }\`.`,
    );
  }
  signal?.throwIfAborted();
  const outcomes: PromiseSettledResult<Awaited<Result>>[] = [];
  let [next, done, isOver] = [0, 0, false];
  const worker = async (): Promise<void> => {
    while (next < count && !isOver) {
      const index = next++;
      [outcomes[index]] = await Promise.allSettled([attempt(work, index)]);
      if (!isOver) onProgress?.(++done, count);
    }
  };
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    isOver = true;
    aborted.reject(signal?.reason);
  };
  signal?.addEventListener("abort", abort);
  try {
    await Promise.race([aborted.promise, Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker))]);
  } finally {
    // If `onProgress` threw, the other workers would go on with the rest.
    isOver = true;
    signal?.removeEventListener("abort", abort);
  }
  return outcomes;
}

/** Turns a throw into a rejection, so that it is an outcome like any other. */
async function attempt<Result>(work: (index: number) => Result, index: number): Promise<Awaited<Result>> {
  return await work(index);
}
