/**
 * @module
 * The object's side of exactly-once calls: what a call changes, its key and its answer are stored together.
 */
import type { Prepare } from "../plan.ts";
import { DurableError, quote } from "../errors.ts";
import { flawOf, PREFIX } from "../storage/keys.ts";
import { bytesOf, MAX_ROW, sizeOf } from "../storage/size.ts";
import { storageOf } from "../storage/sqlite.ts";
import { atomically, throwIfRefused } from "./atomic.ts";
import { dataOf, hashOf, notRepeatable } from "./data.ts";
import { afterTurn, type Method } from "./method.ts";

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

/** A call as it came through the door. */
export interface OnceCall {
  /** The method's name, and what it does itself, without the entry's gate. */
  readonly name: string;
  readonly method: Method;
  readonly prepare: Prepare | undefined;
  readonly key: string;
  readonly args: unknown[];
  /** For how long the answer is kept, in milliseconds. */
  readonly ttl: number | undefined;
}

/** What is stored of a call that was answered. */
interface Answered {
  /** Of the arguments. */
  readonly hash: string;
  readonly answer: unknown;
  readonly expires: number;
}

/** Runs a method of `self` once per key, inside an entry; a repeat gets the answer that is stored. */
export async function callOnce(
  self: object,
  { name, method, prepare, key, args, ttl = DAY }: OnceCall,
): Promise<unknown> {
  const label = `Object.once(…, ${quote(key)}): ${self.constructor.name}.${name}`;
  check(label, key, ttl);
  const hash = await hashOf(dataOf(args, `${label}: an argument`));
  const { kv } = storageOf((self as { ctx: DurableObjectState }).ctx.storage, self.constructor.name);
  // A method's name may hold a colon.
  const id = `${encodeURIComponent(name)}:${key}`;

  const earlier = (): Answered | undefined => {
    const found = find(kv, id);
    if (found === undefined || found.hash === hash) return found;
    throw new DurableError(
      "once-conflict",
      `${label} was called with other arguments under this key before. Use a key of its own for each call, such as the order's id.`,
    );
  };

  const found = earlier();
  if (found !== undefined) return found.answer;
  const ready = prepare === undefined ? args : await prepare(args, self);
  // A method that waits for its turn does so before the transaction, which would keep the holder waiting too.
  const call = afterTurn(
    method,
    (inner) =>
      async (...given) =>
        await atomically(self, name, async () => {
          // One that came at the same time may have been answered meanwhile.
          const known = earlier();
          if (known !== undefined) return known.answer;
          const answer = dataOf(await inner.apply(self, given), `${label}: its result`);
          // What was given up after 25 s has been undone, and is no answer any more.
          throwIfRefused();
          const expires = Date.now() + ttl;
          const row = rowKey(expires, id);
          keep(kv, row, { hash, answer, expires }, label);
          // As a repeat gets it: a getter in it gives another value each time, and what has no prototype crosses no call.
          return kv.get<Answered>(row)!.answer;
        }),
  );
  return await call.apply(self, ready);
}

function check(label: string, key: string, ttl: number): void {
  const flaw = flawOf(key, MAX_KEY);
  if (flaw !== undefined) {
    throw new DurableError(
      "bad-key",
      `${label}: the key ${flaw}. Pass a non-empty string of at most ${MAX_KEY} bytes: \`Object.once(handle, order.id)\`.`,
    );
  }
  if (typeof ttl === "number" && ttl >= 1 && ttl <= MAX_TTL) return;
  throw new DurableError(
    "bad-option",
    `${label}: an answer is kept for 1 to ${MAX_TTL} milliseconds (30 days), not ${quote(ttl)}. Write \`Object.once(handle, key, { ttl: ${DAY} })\`.`,
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
