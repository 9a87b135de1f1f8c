/**
 * @module
 * The rows of one object's jobs, in a table of their own: each job is one row, and the first row is the next job.
 */
import { IMPORT_KEY } from "../storage/import-notice.ts";
import { OwnTable } from "../storage/sql/own-table.ts";
import { storageOf } from "../storage/handle.ts";
import type { JobOptions } from "./options.ts";
import type { StoredRecurrence } from "./when.ts";

const TABLE = "durable_base_jobs";

/**
 * `nth` tells jobs of one time apart, in the order in which they were scheduled. The id of a job is made up of `at` and `nth`
 * as it was scheduled, unless `id` has one.
 */
const SCHEMA = [
  `create table if not exists ${TABLE}(state text not null, at integer not null, nth text not null, id text, job text not null, input text, primary key(state, at, nth)) without rowid`,
  `create unique index if not exists ${TABLE}_id on ${TABLE}(id) where id is not null`,
];

const SELECT = `select state, at, nth, id, job, input from ${TABLE}`;
const FIRST = `${SELECT} where state = 'waiting' order by at, nth limit 1`;

/** Jobs that are read at once, and the most bytes that the input of one of them may have: all of them are in memory together. */
const PAGE = 50;
const LONG = 4_000;

const AHEAD = `select state, at, nth, id, job, iif(octet_length(input) > ${LONG}, null, input) as input, octet_length(input) > ${LONG} as isLong from ${TABLE} where state = 'waiting' and at <= ? order by at, nth limit ${PAGE}`;

/** Finds one row. */
const AT = "where state = ? and at = ? and nth = ?";

const INSERT = `insert into ${TABLE}(state, at, nth, id, job, input) values('waiting', ?, ?, ?, ?, ?)`;
const MOVE = `update ${TABLE} set state = ?, at = ?, id = ?, job = ? ${AT}`;
const SET_ASIDE = `update ${TABLE} set state = 'unreadable', id = ? ${AT}`;
const REMOVE = `delete from ${TABLE} ${AT}`;

/** Digits, in base 36, of a time; of a number within a millisecond; of a random one. */
const TIME = 9;
const NTH = 4;
const ID = /^[0-9a-z]{26}$/;

/** The method, recurrence and options of a job. */
export interface JobData extends JobOptions {
  readonly method: string;
  /** How it comes again; absent for a job that runs once. */
  readonly when?: StoredRecurrence;
}

/** How a job got on. */
export interface Progress {
  /** Tries that failed. */
  readonly attempts?: number;
  /** Why the last one did. */
  readonly error?: string;
  /** How often its method was not there. */
  readonly missing?: number;
}

/** A job as its row holds it, apart from its input. */
export interface StoredJob extends JobData, Progress {
  /** When this run was to begin at first, if that is another time than the row's. */
  readonly time?: number;
}

/** `"unreadable"` is a row whose job was damaged when its time came. */
type State = "dead" | "unreadable" | "waiting";

/** A job's row. */
export interface JobRow {
  readonly state: State;
  /** When it is due, in milliseconds since 1970; of one that is dead or unreadable, when it was. */
  readonly at: number;
  readonly nth: string;
  readonly id: string;
  /** Undefined if it can't be read. */
  readonly job: StoredJob | undefined;
  /** The text of the input; null without one. */
  readonly input: string | null;
}

/** A row as SQL returns it. */
type Columns = Record<"state" | "nth" | "job", string> & { at: number } & Record<"id" | "input", string | null>;

/** The jobs of one object, as rows. */
export class JobRows {
  readonly #storage: DurableObjectStorage;
  readonly #className: string;
  /** The time of the last id, and how many it has. */
  #last = 0;
  #count = 0;
  readonly #table: OwnTable;
  /** The rows that were read ahead, the first at the end: emptied by any change but the removal of the first. */
  #ahead: JobRow[] = [];

  constructor(storage: DurableObjectStorage, className: string) {
    this.#storage = storage;
    this.#className = className;
    this.#table = new OwnTable({ storage, className, name: TABLE, schema: SCHEMA });
  }

  /** @throws DurableError `no-sqlite-storage`. */
  check(): void {
    storageOf(this.#storage, this.#className);
  }

  /** Waits until what was changed is on disk. */
  async sync(): Promise<void> {
    await this.#storage.sync();
  }

  /** Called when what is stored was replaced. */
  forget(): void {
    this.#ahead = [];
    this.#table.forget();
  }

  /** True while an import has not ended, whose jobs wait for the rest. */
  get areHalfImported(): boolean {
    return this.#storage.kv.get(IMPORT_KEY) !== undefined;
  }

  /** The job that is due first. Rows that were read ahead are read anew. */
  next(): JobRow | undefined {
    this.#ahead = [];
    return this.#table.select<Columns>(FIRST).map(rowOf)[0];
  }

  /** The same, from some due rows that are read at once. Call it only in the turn in which `next` was called. */
  ahead(): JobRow | undefined {
    if (this.#ahead.length === 0) {
      const rows = this.#table.select<Columns & { isLong: number | null }>(AHEAD, Date.now());
      const end = rows.findIndex(({ isLong }) => isLong === 1);
      this.#ahead = (end === -1 ? rows : rows.slice(0, end)).map(rowOf).reverse();
    }
    return this.#ahead.at(-1) ?? this.next();
  }

  /** The jobs in the order in which they are due, then the dead ones. */
  all(): JobRow[] {
    return this.#select("order by state = 'dead', at, nth");
  }

  /** The jobs that `@Scheduled` declares. */
  declared(): JobRow[] {
    return this.#select("where id >= '@' and id < 'A'");
  }

  find(id: string): JobRow | undefined {
    const [row] = this.#select("where id = ?", id);
    if (row !== undefined || !ID.test(id)) return row;
    return this.#select(AT, "waiting", parseInt(id.slice(0, TIME), 36), id.slice(TIME))[0];
  }

  /** Stores a job, under `id` or a made-up id. Returns the id. */
  insert(at: number, job: StoredJob, input: string | null, id: string | null = null): string {
    const now = Math.max(Date.now(), this.#last);
    this.#count = now === this.#last ? this.#count + 1 : 0;
    this.#last = now;
    const random = Math.floor(Math.random() * 36 ** NTH);
    const nth = digits(now, TIME) + digits(this.#count % 36 ** NTH, NTH) + digits(random, NTH);
    this.#ahead = [];
    this.#table.insert(INSERT, at, nth, id, JSON.stringify(job), input);
    return id ?? digits(at, TIME) + nth;
  }

  /** Deletes a job; returns true if it was still there. */
  remove(row: JobRow): boolean {
    const { state, at, nth } = row;
    if (this.#ahead.at(-1) === row) this.#ahead.pop();
    else this.#ahead = [];
    return this.#table.write(REMOVE, state, at, nth);
  }

  /** Puts another time and another job into a row, or another state; undefined when it isn't there any more. */
  move(row: JobRow, at: number, job: StoredJob, state: State = "waiting"): JobRow | undefined {
    const text = JSON.stringify(job);
    const values = [state, at, row.id, text, row.state, row.at, row.nth];
    this.#ahead = [];
    const isThere = this.#table.write(MOVE, ...values);
    return isThere ? { ...row, state, at, job } : undefined;
  }

  /** Puts a row that can't be read aside, as it is. */
  setAside({ state, at, nth, id }: JobRow): void {
    this.#ahead = [];
    this.#table.write(SET_ASIDE, id, state, at, nth);
  }

  #select(where: string, ...values: (string | number)[]): JobRow[] {
    return this.#table.select<Columns>(`${SELECT} ${where}`, ...values).map(rowOf);
  }
}

function rowOf({ state, at, nth, id, job, input }: Columns): JobRow {
  return { state: state as State, at, nth, id: id ?? digits(at, TIME) + nth, job: jobOf(job), input };
}

function jobOf(text: string): StoredJob | undefined {
  try {
    const job = JSON.parse(text) as StoredJob;
    return isJob(job) ? job : undefined;
  } catch {
    return undefined;
  }
}

/** Returns true if a job is what it says it is: one with a wrong number would have no next time, and stop the others. */
function isJob({ method, when, retry, timeout, time, attempts, missing }: StoredJob): boolean {
  const { maxAttempts, baseDelay, maxDelay } = retry ?? {};
  const numbers: unknown[] = [timeout, time, attempts, missing, maxAttempts, baseDelay, maxDelay];
  if (typeof method !== "string" || numbers.some((number) => !["number", "undefined"].includes(typeof number)))
    return false;
  if (when === undefined) return true;
  return "every" in when ? when.every >= 1 : typeof when.cron === "string";
}

function digits(value: number, length: number): string {
  return value.toString(36).padStart(length, "0");
}
