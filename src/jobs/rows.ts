/**
 * @module
 * The rows of one object's jobs.
 *
 * A job that runs once is one row, whose key begins with the time it is due: the first row is the next job. What comes
 * again and again, and the user's own alarm while it shares the native one, stand together in one row, the agenda, so
 * that each run of them is one row written.
 */
import { DurableError } from "../errors.ts";
import { IMPORT_KEY } from "../storage/imported.ts";
import { after, PREFIX } from "../storage/keys.ts";
import { MAX_ROW, sizeOf } from "../storage/size.ts";
import { storageOf, withoutSqlite } from "../storage/sqlite.ts";
import type { JobOptions } from "./options.ts";
import type { StoredRecurrence } from "./when.ts";

/** The agenda; the keys of jobs that wait begin with it too. */
const AGENDA = `${PREFIX}jobs`;
/** Before the time a job is due, and what tells jobs of one time apart, in the order they were scheduled. */
const QUEUE = `${AGENDA}:`;
/** Before the id of a job whose row cannot be told from its id; the value is the rest of the row's key. */
const NAMED = `${PREFIX}job-id:`;
/** Before the id of a job that comes again, other than those of `@Scheduled`. */
const RECURRING = `${PREFIX}job-every:`;
/** Before the id of a job that was given up. */
const DEAD = `${PREFIX}job-dead:`;

/** Digits, in base 36, of a time; of a number within a millisecond; of a random one. */
const TIME = 9;
const NTH = 4;
const SUFFIX = TIME + TIME + NTH + NTH;

const DIGITS = Array.from({ length: 36 }, (_, digit) => digit.toString(36));

/** Bytes that the row of the agenda must have left for one more, and for each that it has to tell how it gets on. */
const SPARE = 8_000;
const PROGRESS = 50;

/** Jobs that are read at once. */
const PAGE = 100;

/** What a job does. */
export interface JobData extends JobOptions {
  readonly method: string;
  /** Absent when the method is called without. */
  readonly input?: unknown;
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

/** A job that runs once, as it is stored. */
export interface StoredJob extends JobData, Progress {
  /** Present where it cannot be told from the key. */
  readonly id?: string;
  /** When it was to run at first, if that is another time than the key's. */
  readonly time?: number;
}

/** A row of the queue; a damaged one has no job. */
export interface QueuedJob {
  readonly key: string;
  readonly id: string;
  /** When it is due, in milliseconds since 1970. */
  readonly at: number;
  readonly job: StoredJob | undefined;
}

/** A job that comes again, as it is stored. */
export interface StoredRecurring extends JobData {
  readonly when: StoredRecurrence;
}

/** The next run of a job that comes again. */
export interface Turn extends Progress {
  /** When it is due, in milliseconds since 1970. */
  readonly at: number;
  /** Its own time, if it was put off. */
  readonly time?: number;
  /** The text of its declaration, for one of `@Scheduled`. */
  readonly declared?: string;
}

/** The next run of a job that comes again, with the job's id. */
export interface DueTurn {
  readonly id: string;
  readonly at: number;
  readonly turn: Turn;
}

/** The user's own alarm. */
export interface UserAlarm {
  readonly at: number;
  /** Its own time, if it is tried again. */
  readonly time?: number;
  readonly retries?: number;
  /** Another one for each that is set. */
  readonly nth: number;
}

/** What shares the native alarm with the queue. */
export interface Agenda {
  readonly user?: UserAlarm | undefined;
  readonly turns: ReadonlyMap<string, Turn>;
}

/** The jobs of one object, as rows. */
export class JobRows {
  readonly #storage: DurableObjectStorage;
  readonly #className: string;
  /** The time of the last id, and how many it has. */
  #last = 0;
  #nth = 0;
  /** Why the agenda cannot be read. */
  #damage: unknown;
  /** Counts what was stored: a row that was read before may not be the first any more. */
  changes = 0;
  /** True if anything waits for the alarm; undefined if that isn't known. */
  #exist: boolean | undefined;
  /** The time at which the first job of the queue is due; undefined if that isn't known. */
  #next: number | undefined;

  constructor(storage: DurableObjectStorage, className: string) {
    this.#storage = storage;
    this.#className = className;
  }

  get #kv(): SyncKvStorage {
    return storageOf(this.#storage, this.#className).kv;
  }

  /** @throws DurableError `no-sqlite-storage`. */
  check(): void {
    void this.#kv;
  }

  /** Waits until what was changed is on disk. */
  async sync(): Promise<void> {
    await this.#storage.sync();
  }

  /** Called when rows were undone or replaced: forgets what was read of them. */
  forget(): void {
    this.#exist = undefined;
    this.#next = undefined;
  }

  /**
   * Returns true if anything waits for the alarm. The answer is remembered, since a user's loop over `kv.list()` breaks
   * when another list begins.
   */
  exist(): boolean {
    return (this.#exist ??= (this.#next ?? Infinity) < Infinity || this.#look());
  }

  /** The time at which the first job of the queue is due, in milliseconds since 1970; Infinity without jobs. Remembered too. */
  next(): number {
    return this.#next ?? this.first(1)[0]?.at ?? Infinity;
  }

  #look(): boolean {
    try {
      // Asked at each wake-up, and so without the question whether there is SQLite, which takes a good part of one.
      // Read to its end: an open list locks tables.
      const keys = Array.from(this.#storage.kv.list({ prefix: AGENDA, limit: 2 }), ([key]) => key);
      const first = keys.find((key) => key !== AGENDA);
      this.#next = first === undefined ? Infinity : rowOf(first, undefined).at;
      return keys.length > 0;
    } catch {
      // A row that cannot be read is one; storage that is not SQLite has none.
      return withoutSqlite(this.#storage) === undefined;
    }
  }

  /** True while an import has not ended, whose jobs wait for the rest. */
  get areHalfImported(): boolean {
    return this.#kv.get(IMPORT_KEY) !== undefined;
  }

  /** The agenda, empty when there is none; one that cannot be read keeps nothing but itself from working. */
  agenda(): Agenda {
    try {
      const agenda = this.#kv.get<Agenda>(AGENDA) ?? { turns: new Map() };
      this.#damage = undefined;
      return agenda;
    } catch (error) {
      if (DurableError.is(error)) throw error;
      if (this.#damage === undefined) console.error(`durable-base: "${AGENDA}" cannot be read; other jobs run.`, error);
      this.#damage = error;
      return { turns: new Map() };
    }
  }

  /** True when the agenda could not be read. */
  get isDamaged(): boolean {
    return this.#damage !== undefined;
  }

  /** Stores the agenda, or its absence. @throws DurableError `record-unreadable`, so that a damaged one is kept. */
  setAgenda(agenda: Agenda): void {
    if (this.#damage !== undefined) {
      const text = `The row "${AGENDA}" of the recurring jobs cannot be read, and is kept. To do without it, delete it: \`ctx.storage.kv.delete("${AGENDA}")\`.`;
      throw new DurableError("record-unreadable", text, { cause: this.#damage });
    }
    this.changes++;
    const isEmpty = agenda.user === undefined && agenda.turns.size === 0;
    this.#exist = isEmpty ? undefined : true;
    if (isEmpty) this.#kv.delete(AGENDA);
    else this.#putAgenda(agenda);
  }

  #putAgenda(agenda: Agenda): void {
    try {
      this.#kv.put(AGENDA, agenda);
    } catch {
      // Why many runs failed may be more than the row can hold. That was printed; when the next ones come must be kept.
      const turns = new Map(agenda.turns);
      for (const [id, { error: _, ...turn }] of turns) turns.set(id, turn);
      this.#kv.put(AGENDA, { ...agenda, turns });
    }
  }

  /** Changes one turn; undefined ends it. */
  setTurn(id: string, turn: Turn | undefined): void {
    const agenda = this.agenda();
    const turns = new Map(agenda.turns);
    if (turn === undefined) turns.delete(id);
    else turns.set(id, turn);
    this.setAgenda({ ...agenda, turns });
  }

  /** The jobs of the queue that are due first, at most so many; a damaged one never is. */
  first(count: number): QueuedJob[] {
    const found: QueuedJob[] = [];
    for (const row of this.#rows(count)) {
      if (row.job !== undefined) found.push(row);
      if (found.length === count) break;
    }
    this.#next = found[0]?.at ?? Infinity;
    return found;
  }

  /** Notes that a job of the queue is stored. */
  #added(at: number): void {
    this.changes++;
    this.#exist = true;
    if (this.#next !== undefined) this.#next = Math.min(this.#next, at);
  }

  /** Deletes a row of the queue; returns true if it was still there. */
  #take({ key, at }: QueuedJob): boolean {
    this.#exist = undefined;
    if (this.#next === at) this.#next = undefined;
    return this.#kv.delete(key);
  }

  /** The row as it is stored now; undefined when it is not there any more. */
  again({ key }: QueuedJob): QueuedJob | undefined {
    const job = this.#kv.get<StoredJob>(key);
    return job && rowOf(key, job);
  }

  /** The jobs that run once, in the order in which they are due, damaged ones too. */
  queued(): Iterable<QueuedJob> {
    return this.#rows(PAGE);
  }

  /** A made-up id; those of one millisecond are in order. It begins with the time, so that the row is found by it. */
  newId(at: number): string {
    const now = Math.max(Date.now(), this.#last);
    this.#nth = now === this.#last ? this.#nth + 1 : 0;
    this.#last = now;
    const random = Math.floor(Math.random() * 36 ** NTH);
    return digits(at, TIME) + digits(now, TIME) + digits(this.#nth % 36 ** NTH, NTH) + digits(random, NTH);
  }

  /** Stores a job that runs once; under `id`, or a made-up one, which is given. */
  insert(at: number, job: StoredJob, id?: string): string {
    const suffix = this.newId(at);
    const isNamed = id !== undefined && id !== suffix;
    this.#kv.put(QUEUE + suffix, isNamed ? { ...job, id } : job);
    if (isNamed) this.#kv.put(NAMED + id, suffix);
    this.#added(at);
    return id ?? suffix;
  }

  /** The row of a job that runs once. */
  find(id: string): QueuedJob | undefined {
    const suffix = this.#kv.get<string>(NAMED + id) ?? id;
    if (suffix.length !== SUFFIX) return undefined;
    const key = QUEUE + suffix;
    try {
      const job = this.#kv.get<StoredJob>(key);
      return job === undefined ? undefined : rowOf(key, job);
    } catch {
      return rowOf(key, undefined);
    }
  }

  /** Deletes a job that runs once; returns true if it was still there. */
  remove(row: QueuedJob): boolean {
    if (!this.#take(row)) return false;
    if (row.job?.id !== undefined) this.#kv.delete(NAMED + row.id);
    return true;
  }

  /** Puts a job that runs once off; undefined when it is not there any more. */
  move(row: QueuedJob, at: number, progress: Progress): QueuedJob | undefined {
    if (!this.#take(row)) return undefined;
    this.#added(at);
    const suffix = digits(at, TIME) + row.key.slice(QUEUE.length + TIME);
    const { missing: _, ...rest } = row.job!;
    const job = { ...rest, id: row.id, time: rest.time ?? row.at, ...progress };
    this.#kv.put(QUEUE + suffix, job);
    this.#kv.put(NAMED + row.id, suffix);
    return rowOf(QUEUE + suffix, job);
  }

  /** Gives up a job that runs once, if it is still there. */
  bury(row: QueuedJob, progress: Progress): void {
    if (!this.remove(row)) return;
    const { missing: _, ...rest } = row.job!;
    this.#kv.put(DEAD + row.id, { ...rest, id: row.id, time: rest.time ?? row.at, ...progress });
  }

  /** A job that was given up. */
  dead(id: string): StoredJob | undefined {
    return this.#kv.get<StoredJob>(DEAD + id);
  }

  /** Deletes a job that was given up; returns true if there was one. */
  removeDead(id: string): boolean {
    return this.#kv.delete(DEAD + id);
  }

  /** The jobs that were given up, by id. */
  *deadJobs(): Iterable<readonly [id: string, job: StoredJob]> {
    for (const [key, job] of this.#kv.list<StoredJob>({ prefix: DEAD })) yield [key.slice(DEAD.length), job];
  }

  /** A job that comes again. */
  recurring(id: string): StoredRecurring | undefined {
    return this.#kv.get<StoredRecurring>(RECURRING + id);
  }

  /** @throws DurableError `too-large` when there is no room for one more job that comes again. */
  checkRoom(): void {
    const agenda = this.agenda();
    const bytes = sizeOf(agenda) + PROGRESS * agenda.turns.size;
    if (bytes + SPARE > MAX_ROW) {
      const text = `The next runs of the recurring jobs take about ${bytes} bytes, over the ${MAX_ROW - SPARE} of their row. Let one job look after many things: \`this.#jobs.schedule({ every: 60_000 }, this.checkAll)\`.`;
      throw new DurableError("too-large", text);
    }
  }

  /** Stores a job that comes again, with its first run. */
  insertRecurring(id: string, at: number, job: StoredRecurring): void {
    this.#kv.put(RECURRING + id, job);
    this.setTurn(id, { at });
  }

  /** Deletes a job that comes again, and its next run. */
  removeRecurring(id: string): void {
    this.#kv.delete(RECURRING + id);
    this.setTurn(id, undefined);
  }

  *#rows(limit: number): Iterable<QueuedJob> {
    let start = QUEUE;
    let size = limit;
    for (;;) {
      let page: QueuedJob[];
      try {
        page = Array.from(this.#kv.list<StoredJob>({ prefix: QUEUE, start, limit: size }), ([key, job]) =>
          rowOf(key, job),
        );
        if (page.length === 0) return;
        size = limit;
      } catch (error) {
        // There is no SQLite.
        if (DurableError.is(error)) throw error;
        // Some row of the page is damaged: the next page ends before it, or is that row.
        if (size > 1) {
          size = 1;
          continue;
        }
        page = [rowOf(this.#unreadable(start, error), undefined)];
      }
      yield* page;
      start = after(page.at(-1)!.key);
    }
  }

  /** The key of the first row from `start`, which cannot be read: digit by digit, since only its key range can be told. */
  #unreadable(start: string, error: unknown): string {
    let key = QUEUE;
    while (key.length < QUEUE.length + SUFFIX) {
      const digit = DIGITS.find((next) => {
        try {
          return [...this.#kv.list({ prefix: key + next, start, limit: 1 })].length > 0;
        } catch {
          return true;
        }
      });
      // No row of ours.
      if (digit === undefined) throw error;
      key += digit;
    }
    return key;
  }
}

/** The next run of the jobs that come again; one of the queue comes before it if it is due at the same time. */
export function firstTurn({ turns }: Agenda): DueTurn | undefined {
  let first: DueTurn | undefined;
  for (const [id, turn] of turns) if (first === undefined || turn.at < first.at) first = { id, at: turn.at, turn };
  return first;
}

/** A job's row, by its key. */
function rowOf(key: string, job: StoredJob | undefined): QueuedJob {
  const suffix = key.slice(QUEUE.length);
  return { key, id: job?.id ?? suffix, at: parseInt(suffix.slice(0, TIME), 36), job };
}

function digits(value: number, length: number): string {
  return value.toString(36).padStart(length, "0");
}
