/**
 * @module
 * The answers that an object keeps for repeats: one table for the calls of `once` and for requests with an `Idempotency-Key`.
 */
import { DurableError, quote } from "../core/errors.ts";
import { flawOf } from "../storage/kv/keys.ts";
import { OwnTable } from "../storage/sql/own-table.ts";
import { bytesOf, isOver, MAX_ROW } from "../storage/size.ts";
import { textOf, valueOf } from "../storage/tagged-json.ts";
import { notRepeatable } from "./repeatable-data.ts";

/** The table of the answers. Rows that expire on the same day, a number since 1970, stand together. */
const TABLE = "durable_base_once";
const SCHEMA = [
  `create table if not exists ${TABLE}(day integer not null, id text not null, hash text not null, answer text not null, expires integer not null, primary key(day, id)) without rowid`,
];

/** Milliseconds: the unit in which rows expire together, and how long an answer is kept by default. */
export const DAY = 86_400_000;

/** The longest that an answer can be kept, in milliseconds. */
const MAX_TTL = 30 * DAY;

/** The most bytes a call's key may have. */
export const MAX_KEY = 1_024;

/** Bytes for the rest of an answer's row. */
const SPARE = 200;

/** How many expired rows a call deletes: more than the one it writes. */
const SWEPT = 2;

/** The most days after today on which an answer that holds now can expire: one more for a clock that has gone back. */
const MOST_DAYS = MAX_TTL / DAY + 1;

/** An answer, for {@link Answers.keep}. */
interface Answer {
  readonly hash: string;
  readonly value: unknown;
  /** For how long it is kept, in milliseconds. */
  readonly ttl: number;
}

/** The answers that one object keeps. */
export class Answers {
  readonly #table: OwnTable;

  constructor(storage: DurableObjectStorage, className: string) {
    this.#table = new OwnTable({ storage, className, name: TABLE, schema: SCHEMA });
  }

  /** Called when what is stored was replaced as a whole. */
  forget(): void {
    this.#table.forget();
  }

  /** Returns a function that reads the stored answer; undefined without one that still holds. Throws `conflict()` if its hash is another. */
  find(id: string, hash: string, conflict: () => Error): (() => unknown) | undefined {
    const found = find(this.#table, id);
    if (found === undefined) return undefined;
    if (found.hash !== hash) throw conflict();
    return () => valueOf(found.answer);
  }

  /**
   * Stores an answer, and deletes some that expired on an earlier day. Returns the answer as a repeat gets it: a getter in it gives
   * another value each time, and what has no prototype crosses no call.
   *
   * @throws DurableError `too-large`, `not-repeatable`; `label` begins the message.
   */
  keep(id: string, { hash, value, ttl }: Answer, label: string): unknown {
    const answer = answerText(value, id, label);
    const expires = Date.now() + ttl;
    this.#table.insert(
      `insert or replace into ${TABLE}(day, id, hash, answer, expires) values(?, ?, ?, ?, ?)`,
      ...[dayOf(expires), id, hash, answer, expires],
    );
    const old = `select day, id from ${TABLE} where day < ? order by day, id limit ${SWEPT}`;
    this.#table.write(`delete from ${TABLE} where (day, id) in (${old})`, dayOf(Date.now()));
    return valueOf(answer);
  }
}

/** @throws DurableError `bad-key` for a key that is empty, ill-formed or too long. */
export function checkKey(label: string, key: unknown): void {
  const flaw = flawOf(key, MAX_KEY);
  if (flaw === undefined) return;
  throw new DurableError(
    "bad-key",
    `${label}: the key ${flaw}. Pass a non-empty string of at most ${MAX_KEY} bytes: \`once(handle, order.id)\`.`,
  );
}

/** Returns for how long an answer is kept; `line` shows how to say so. */
export function checkedTtl(label: string, ttl: unknown, line: string): number {
  if (typeof ttl === "number" && ttl >= 1 && ttl <= MAX_TTL) return ttl;
  throw new DurableError(
    "bad-option",
    `${label}: an answer is kept for 1 to ${MAX_TTL} milliseconds (30 days), not ${quote(ttl)}. Write \`${line}\`.`,
  );
}

/** The row of that call which has not expired: there may be one for each day. Each day that is looked at is a row read. */
function find(table: OwnTable, id: string): Record<"hash" | "answer", string> | undefined {
  const now = Date.now();
  const today = dayOf(now);
  const [{ last } = { last: null }] = table.select<{ last: number | null }>(`select max(day) as last from ${TABLE}`);
  if (last === null) return undefined;
  const days = Array.from({ length: Math.min(last - today, MOST_DAYS) + 1 }, (_, nth) => `?1 + ${nth}`);
  const where = `day in (${days.join(", ")}) and id = ?2 and expires > ?3`;
  return table.select<Record<"hash" | "answer", string>>(
    `select hash, answer from ${TABLE} where ${where}`,
    today,
    id,
    now,
  )[0];
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
