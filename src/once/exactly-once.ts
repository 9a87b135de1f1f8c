/**
 * @module
 * The part for exactly-once calls: what a call changes, its key and its answer are stored together.
 */
import { notImplemented } from "../core/entry/gate.ts";
import { DurableError, quote } from "../core/errors.ts";
import { attach, type Host, type ListedPart, type Part } from "../core/part/part.ts";
import { flawOf } from "../storage/kv/keys.ts";
import { OwnTable } from "../storage/sql/own-table.ts";
import { bytesOf, isOver, MAX_ROW } from "../storage/size.ts";
import { storageOf } from "../storage/handle.ts";
import { textOf, valueOf } from "../storage/tagged-json.ts";
import { dataOf, hashOf, notRepeatable } from "./repeatable-data.ts";

/** The part's name. */
const PART = "once";

/** The table of the answers. Rows that expire on the same day, a number since 1970, stand together. */
const TABLE = "durable_base_once";
const SCHEMA = [
  `create table if not exists ${TABLE}(day integer not null, id text not null, hash text not null, answer text not null, expires integer not null, primary key(day, id)) without rowid`,
];

/** Milliseconds: the unit in which rows expire together. */
const DAY = 86_400_000;

/** The longest that an answer can be kept, in milliseconds. */
const MAX_TTL = 30 * DAY;

/** The most bytes a call's key may have. */
const MAX_KEY = 1_024;

/** Bytes for the rest of an answer's row. */
const SPARE = 200;

/** How many expired rows a call deletes: more than the one it writes. */
const SWEPT = 2;

/** The row of a call that was answered. */
type Answered = Record<"hash" | "answer", string>;

/**
 * Lets callers call the object's methods exactly once per key, with `once(handle, key)`: for `static override parts`.
 *
 * A call costs one row written beside what its method writes. It reads one row for each day up to the last on which an answer
 * expires, twice; a repeat reads them once. Keys expire after a day unless the caller says otherwise, and each call deletes up to
 * two expired rows.
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
  const { object, ctx } = host;
  const table = new OwnTable({ storage: ctx.storage, className: object.constructor.name, name: TABLE, schema: SCHEMA });
  return {
    replaced: () => table.forget(),
    call: (name, key, args, ttl) => {
      if (!Array.isArray(args) || !host.isReachable(name as string)) throw notImplemented(String(name));
      return callOnce(host, table, { name: name as string, key, args, ttl });
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
async function callOnce(host: Host, table: OwnTable, { name, key, args, ttl = DAY }: OnceCall): Promise<unknown> {
  const className = host.object.constructor.name;
  const label = `once(…, ${quote(key)}): ${className}.${name}`;
  checkKey(label, key);
  const lasting = checkedTtl(label, ttl);
  const hash = await hashOf(dataOf(args, `${label}: an argument`));
  storageOf(host.ctx.storage, className);
  // A method's name may hold a colon.
  const id = `${encodeURIComponent(name)}:${key as string}`;

  const earlier = (): Answered | undefined => {
    const found = find(table, id);
    if (found === undefined || found.hash === hash) return found;
    throw new DurableError(
      "once-conflict",
      `${label} was called with other arguments under this key before. Use a key of its own for each call, such as the order's id.`,
    );
  };

  const atomic = async (run: () => Promise<unknown>): Promise<unknown> => {
    // A call that came at the same time may have been answered meanwhile.
    const known = earlier();
    if (known !== undefined) return valueOf(known.answer);
    const answer = dataOf(await run(), `${label}: its result`);
    // A call that took over 25 s has been undone, and has no answer any more.
    host.checkWritable(label);
    const text = answerText(answer, id, label);
    keep(table, id, { hash, answer: text, expires: Date.now() + lasting });
    // As a repeat gets it: a getter in it gives another value each time, and what has no prototype crosses no call.
    return valueOf(text);
  };

  const found = earlier();
  return found === undefined ? await host.call(name, args, { atomic }) : valueOf(found.answer);
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

/** The most days after today on which an answer that holds now can expire: one more for a clock that has gone back. */
const MOST_DAYS = MAX_TTL / DAY + 1;

/** The row of that call which has not expired: there may be one for each day. Each day that is looked at is a row read. */
function find(table: OwnTable, id: string): Answered | undefined {
  const now = Date.now();
  const today = dayOf(now);
  const [{ last } = { last: null }] = table.select<{ last: number | null }>(`select max(day) as last from ${TABLE}`);
  if (last === null) return undefined;
  const days = Array.from({ length: Math.min(last - today, MOST_DAYS) + 1 }, (_, nth) => `?1 + ${nth}`);
  const where = `day in (${days.join(", ")}) and id = ?2 and expires > ?3`;
  return table.select<Answered>(`select hash, answer from ${TABLE} where ${where}`, today, id, now)[0];
}

/** Stores an answer, and deletes some that expired on an earlier day. */
function keep(table: OwnTable, id: string, { hash, answer, expires }: Answered & { readonly expires: number }): void {
  const row = [dayOf(expires), id, hash, answer, expires];
  table.insert(`insert or replace into ${TABLE}(day, id, hash, answer, expires) values(?, ?, ?, ?, ?)`, ...row);
  const old = `select day, id from ${TABLE} where day < ? order by day, id limit ${SWEPT}`;
  table.write(`delete from ${TABLE} where (day, id) in (${old})`, dayOf(Date.now()));
}

/** An answer as it is stored. */
function answerText(answer: unknown, id: string, label: string): string {
  let text: string;
  try {
    text = textOf(answer);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw notRepeatable(`${label}: its result holds something that cannot be stored (${cause.message})`, cause);
  }
  if (!isOver(text, MAX_ROW - SPARE - bytesOf(id))) return text;
  throw new DurableError(
    "too-large",
    `${label}: its answer takes ${bytesOf(text)} bytes as JSON, over the ${MAX_ROW - SPARE} that can be kept for repeats; all that it changed was undone. Return less, and read the rest by another call.`,
  );
}

function dayOf(time: number): number {
  return Math.floor(time / DAY);
}
