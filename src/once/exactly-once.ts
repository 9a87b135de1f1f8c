/**
 * @module
 * The part for exactly-once calls: what a call changes, its key and its answer are stored together.
 */
import { notImplemented } from "../entry.ts";
import { DurableError, quote } from "../errors.ts";
import { attach, type Host, type ListedPart, type Part } from "../part.ts";
import { flawOf, PREFIX } from "../storage/keys.ts";
import { bytesOf, MAX_ROW, sizeOf } from "../storage/size.ts";
import { storageOf } from "../storage/sqlite.ts";
import { dataOf, hashOf, notRepeatable } from "./repeatable-data.ts";

/** The part's name. */
const PART = "once";

/** What begins the key of an answer's row: then come the day it expires on, the method and the call's key. */
const ROWS = `${PREFIX}once:`;

/** Milliseconds: the unit in which rows expire together. */
const DAY = 86_400_000;

/** The longest that an answer can be kept, in milliseconds. */
const MAX_TTL = 30 * DAY;

/** The most bytes a call's key may have. */
const MAX_KEY = 1_024;

/** How many expired rows a call deletes: more than the one it writes. */
const SWEPT = 2;

/** What is stored of a call that was answered. */
interface Answered {
  /** Of the arguments. */
  readonly hash: string;
  readonly answer: unknown;
  readonly expires: number;
}

/**
 * Lets callers call the object's methods exactly once per key, with `once(handle, key)`: for `static override parts`.
 *
 * A call costs one row written beside what its method writes, and one read more. Keys expire after a day unless the caller
 * says otherwise, and each call deletes up to two expired rows.
 *
 * @example
 * ```ts
 * export class Account extends DurableBase {
 *   static override parts = [exactlyOnce()];
 * }
 * ```
 */
export function exactlyOnce(): ListedPart {
  return { name: PART, attach: (object) => void attach(object, PART, partOf) };
}

function partOf(host: Host): Part {
  return {
    call: (name, key, args, ttl) => {
      if (!Array.isArray(args) || !host.isReachable(name as string)) throw notImplemented(String(name));
      return callOnce(host, { name: name as string, key, args, ttl });
    },
  };
}

/** A call as its caller sent it: nothing of it was checked, except `name` and `args`. */
interface OnceCall {
  readonly name: string;
  readonly key: unknown;
  readonly args: unknown[];
  /** For how long the answer is kept, in milliseconds. */
  readonly ttl: unknown;
}

/** Runs a method once per key, inside an entry; a repeat gets the answer that is stored. */
async function callOnce(host: Host, { name, key, args, ttl = DAY }: OnceCall): Promise<unknown> {
  const className = host.object.constructor.name;
  const label = `once(…, ${quote(key)}): ${className}.${name}`;
  checkKey(label, key);
  const lasting = checkedTtl(label, ttl);
  const hash = await hashOf(dataOf(args, `${label}: an argument`));
  const { kv } = storageOf(host.ctx.storage, className);
  // A method's name may hold a colon.
  const id = `${encodeURIComponent(name)}:${key as string}`;

  const earlier = (): Answered | undefined => {
    const found = find(kv, id);
    if (found === undefined || found.hash === hash) return found;
    throw new DurableError(
      "once-conflict",
      `${label} was called with other arguments under this key before. Use a key of its own for each call, such as the order's id.`,
    );
  };

  const atomic = async (run: () => Promise<unknown>): Promise<unknown> => {
    // A call that came at the same time may have been answered meanwhile.
    const known = earlier();
    if (known !== undefined) return known.answer;
    const answer = dataOf(await run(), `${label}: its result`);
    // A call that took over 25 s has been undone, and has no answer any more.
    host.checkWritable(label);
    const expires = Date.now() + lasting;
    const row = rowKey(expires, id);
    keep(kv, row, { hash, answer, expires }, label);
    // As a repeat gets it: a getter in it gives another value each time, and what has no prototype crosses no call.
    return kv.get<Answered>(row)!.answer;
  };

  const found = earlier();
  return found === undefined ? await host.call(name, args, { atomic }) : found.answer;
}

function checkKey(label: string, key: unknown): void {
  const flaw = flawOf(key, MAX_KEY);
  if (flaw === undefined) return;
  throw new DurableError(
    "bad-key",
    `${label}: the key ${flaw}. Pass a non-empty string of at most ${MAX_KEY} bytes: \`once(handle, order.id)\`.`,
  );
}

function checkedTtl(label: string, ttl: unknown): number {
  if (typeof ttl === "number" && ttl >= 1 && ttl <= MAX_TTL) return ttl;
  throw new DurableError(
    "bad-option",
    `${label}: an answer is kept for 1 to ${MAX_TTL} milliseconds (30 days), not ${quote(ttl)}. Write \`once(handle, key, { ttl: ${DAY} })\`.`,
  );
}

/** The row of that call which has not expired; in order of their days, there is one for each that it may expire on. */
function find(kv: SyncKvStorage, id: string): Answered | undefined {
  const now = Date.now();
  const [last] = [...kv.list({ prefix: ROWS, reverse: true, limit: 1 })];
  if (last === undefined) return undefined;
  for (let at = now; dayKey(at) <= last[0]; at += DAY) {
    const row = kv.get<Answered>(rowKey(at, id));
    if (row !== undefined && row.expires > now) return row;
  }
  return undefined;
}

/** Stores an answer, and deletes some that expired on an earlier day. */
function keep(kv: SyncKvStorage, key: string, row: Answered, label: string): void {
  let bytes: number;
  try {
    bytes = bytesOf(key) + sizeOf(row);
  } catch (cause) {
    // The stack ran out.
    if (!(cause instanceof RangeError)) throw cause;
    throw notRepeatable(`${label}: its result holds a cycle, or nests too deeply`, cause);
  }
  if (bytes > MAX_ROW) {
    throw new DurableError(
      "too-large",
      `${label}: its answer takes about ${bytes} bytes, over the ${MAX_ROW} that can be kept for repeats; all that it changed was undone. Return less, and read the rest by another call.`,
    );
  }
  try {
    kv.put(key, row);
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== "DataCloneError") throw cause;
    throw notRepeatable(`${label}: its result holds something that cannot be stored (${cause.message})`, cause);
  }
  for (const [old] of [...kv.list({ prefix: ROWS, end: dayKey(Date.now()), limit: SWEPT })]) kv.delete(old);
}

function rowKey(expires: number, id: string): string {
  return `${dayKey(expires)}${id}`;
}

/** What the rows of the day of `time` begin with, by its number since 1970: five digits until the year 2243. */
function dayKey(time: number): string {
  return `${ROWS}${Math.floor(time / DAY)}:`;
}
