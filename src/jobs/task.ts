/**
 * @module
 * One run of a job: what becomes of its rows when it ends, fails or cannot begin.
 */
import type { DueTurn, JobData, JobRows, Progress, QueuedJob, Turn } from "./rows.ts";
import { following, upcoming, type Recurrence } from "./when.ts";

/** A run of a job. What is done to one that was cancelled or replaced meanwhile does nothing. */
export interface Task {
  readonly id: string;
  readonly data: JobData;
  readonly progress: Progress;
  /** When it was to run, in milliseconds since 1970. */
  readonly time: number;
  /** It ran. */
  finish(): void;
  /** It is tried again; false when it was cancelled. */
  putOff(at: number, progress: Progress): boolean;
  /** It is not tried again. */
  giveUp(progress: Progress): void;
}

/** A job that runs once. */
export class Once implements Task {
  readonly #jobs: JobRows;
  #row: QueuedJob;

  constructor(jobs: JobRows, row: QueuedJob) {
    this.#jobs = jobs;
    this.#row = row;
  }

  get id(): string {
    return this.#row.id;
  }

  get data(): JobData {
    return this.#row.job!;
  }

  get progress(): Progress {
    return this.#row.job!;
  }

  get time(): number {
    return this.#row.job!.time ?? this.#row.at;
  }

  finish(): void {
    this.#jobs.remove(this.#row);
  }

  putOff(at: number, progress: Progress): boolean {
    const row = this.#jobs.move(this.#row, at, progress);
    if (row !== undefined) this.#row = row;
    return row !== undefined;
  }

  giveUp(progress: Progress): void {
    this.#jobs.bury(this.#row, progress);
  }
}

/** A run of a job that comes again. */
export class Again implements Task {
  readonly id: string;
  readonly data: JobData;
  readonly #jobs: JobRows;
  #turn: Turn;
  /** Undefined where it cannot be read: then it can only be put off. */
  readonly #when: Recurrence | undefined;

  constructor(jobs: JobRows, { id, turn }: DueTurn, data: JobData, when: Recurrence | undefined) {
    this.#jobs = jobs;
    this.id = id;
    this.#turn = turn;
    this.data = data;
    this.#when = when;
  }

  get progress(): Progress {
    return this.#turn;
  }

  get time(): number {
    return this.#turn.time ?? this.#turn.at;
  }

  finish(): void {
    this.#goOn({});
  }

  putOff(at: number, progress: Progress): boolean {
    const { declared } = this.#turn;
    return this.#set({ at, time: this.time, ...(declared !== undefined && { declared }), ...progress });
  }

  /** The next run comes all the same. */
  giveUp({ error }: Progress): void {
    this.#goOn(error === undefined ? {} : { error });
  }

  /** Leaves out a run that comes so late that it is missed; tells whether it did. */
  skip(now: number, late: number): boolean {
    const { time } = this;
    const after = following(this.#when!, time) ?? Infinity;
    if (now - time < Math.min(late, after - time)) return false;
    this.#goOn({});
    return true;
  }

  #goOn(progress: Progress): void {
    const now = Date.now();
    // One that was run before its time still has its own run.
    const isNext = this.data.missed === "all" && this.time <= now;
    const at = isNext ? following(this.#when!, this.time) : upcoming(this.#when!, this.time, now);
    const { declared } = this.#turn;
    if (at !== undefined) this.#set({ at, ...(declared !== undefined && { declared }), ...progress });
    else if (this.#set(undefined) && declared === undefined) this.#jobs.removeRecurring(this.id);
  }

  #set(turn: Turn | undefined): boolean {
    const stored = this.#jobs.agenda().turns.get(this.id);
    if (stored?.at !== this.#turn.at || stored.time !== this.#turn.time) return false;
    this.#jobs.setTurn(this.id, turn);
    if (turn !== undefined) this.#turn = turn;
    return true;
  }
}
