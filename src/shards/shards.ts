/**
 * @module
 * Shards: a fixed number of objects over which keys are spread.
 */
import { DurableError, quote } from "../errors.ts";

/** How many calls {@link Shards.map} makes at once when it is not told. */
const CONCURRENCY = 16;

/** A number of shards that no namespace can do anything sensible with. */
const MAX_SHARDS = 1_000_000;

/**
 * Objects over which keys are spread evenly: the same key always has the same object.
 *
 * Which one is decided by the jump consistent hash (Lamping and Veach, 2014) of the 64-bit FNV-1a hash of the key's
 * UTF-8 bytes, so any program can find it, and a larger number of shards takes over just the keys that the new ones get.
 *
 * @example
 * ```ts
 * const rooms: Shards<Handle<Room>> = Object.from(env.ROOM).sharded(16);
 * await rooms.byKey(user.id).join(user);
 * ```
 */
export interface Shards<Handle> {
  /** How many there are. */
  readonly count: number;

  /**
   * The shard that has a key, by its number from 0 on.
   *
   * @throws DurableError `bad-key` when the key is no string, or has a lone surrogate.
   */
  indexOf(key: string): number;

  /**
   * The shard that has a key.
   *
   * @throws DurableError `bad-key` as {@link Shards.indexOf}.
   */
  byKey(key: string): Handle;

  /** All of them, in order; each is created by its first call. */
  all(): Handle[];

  /**
   * Calls `work` for every shard and gives all outcomes in order, those of shards that failed too.
   *
   * @throws DurableError `bad-option` when `concurrency` is no positive integer; the reason of `signal` when that is
   * aborted; what `onProgress` throws. No more calls are made then, those under way go on.
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
   * Tells which keys lie elsewhere since there were `count` shards, and where: what was stored for them has to be moved.
   *
   * Of keys spread over 8 shards, 16 take half; no key goes from one of the old ones to another of them.
   *
   * @throws DurableError `bad-option` when `count` is no number of shards.
   *
   * @example
   * ```ts
   * for (const { key, from, to } of rooms.movedSince(8, keys)) await to.take(key, await from.give(key));
   * ```
   */
  movedSince(count: number, keys: Iterable<string>): Iterable<Moved<Handle>>;
}

/**
 * How {@link Shards.map} goes about it.
 *
 * @example
 * ```ts
 * const options: MapOptions = { concurrency: 50, onProgress: (done, of) => console.log(`${done} of ${of}`) };
 * ```
 */
export interface MapOptions {
  /** How many calls are under way at once, 16 by default. */
  readonly concurrency?: number;
  /** Called after each call that has ended, well or not. */
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

/** Makes shards of the objects that `open` gives by number. */
export function makeShards<Handle>(count: number, open: (index: number) => Handle): Shards<Handle> {
  checkCount(count);
  const indexOf = (key: string): number => jump(hash(key), count);
  return {
    count,
    indexOf,
    byKey: (key) => open(indexOf(key)),
    all: () => Array.from({ length: count }, (_, index) => open(index)),
    map: (work, options) => map(count, (index) => work(open(index), index), options),
    *movedSince(before, keys) {
      checkCount(before);
      for (const key of keys) {
        const hashed = hash(key);
        const [from, to] = [jump(hashed, before), jump(hashed, count)];
        if (from !== to) yield { key, from: open(from), to: open(to) };
      }
    },
  };
}

function checkCount(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_SHARDS) return;
  throw new DurableError(
    "bad-option",
    `${quote(count)} is no number of shards: it is an integer from 1 to ${MAX_SHARDS}. Write \`.sharded(16)\`.`,
  );
}

async function map<Result>(
  count: number,
  work: (index: number) => Result,
  { concurrency = CONCURRENCY, onProgress, signal }: MapOptions = {},
): Promise<PromiseSettledResult<Awaited<Result>>[]> {
  if (!(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new DurableError(
      "bad-option",
      `${quote(concurrency)} is no number of calls at once: it is a positive integer. Write \`{ concurrency: 50 }\`.`,
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
    // Also when `onProgress` threw: the other workers still have all the rest before them.
    isOver = true;
    signal?.removeEventListener("abort", abort);
  }
  return outcomes;
}

/** What throws at once fails no more than what throws later. */
async function attempt<Result>(work: (index: number) => Result, index: number): Promise<Awaited<Result>> {
  return await work(index);
}

const encoder = new TextEncoder();

/** The 64-bit FNV-1a hash of a key. */
function hash(key: string): bigint {
  if (typeof key !== "string" || !key.isWellFormed()) {
    throw new DurableError(
      "bad-key",
      `The key ${quote(key)} is no well-formed string. Pass one: \`.byKey(String(user.id))\`.`,
    );
  }
  let hashed = 0xcbf29ce484222325n;
  for (const byte of encoder.encode(key)) hashed = BigInt.asUintN(64, (hashed ^ BigInt(byte)) * 0x100000001b3n);
  return hashed;
}

/** The jump consistent hash: which of `count` buckets has a key. */
export function jump(key: bigint, count: number): number {
  let [bucket, next] = [0, 0];
  while (next < count) {
    bucket = next;
    key = BigInt.asUintN(64, key * 2862933555777941757n + 1n);
    next = Math.floor((bucket + 1) * (2 ** 31 / (Number(key >> 33n) + 1)));
  }
  return bucket;
}
