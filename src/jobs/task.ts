/**
 * @module
 * One run of a job: what becomes of its row when it ends, fails or can't begin.
 */
import type { JobData, JobRow, JobRows, Progress } from "./rows.ts";
import { following, upcoming, type Recurrence } from "./when.ts";

/** A run of a job. If the job was cancelled or replaced meanwhile, its methods change nothing. */
export class Task {
  /** The job as it runs: for one of `@Scheduled`, as the class declares it. */
  readonly data: JobData;
  readonly #jobs: JobRows;
  #row: JobRow;
  /** Undefined for a job that runs once. */
  readonly #when: Recurrence | undefined;

  constructor(jobs: JobRows, row: JobRow, data: JobData, when?: Recurrence) {
    this.#jobs = jobs;
    this.#row = row;
    this.data = data;
    this.#when = when;
  }

  get id(): string {
    return this.#row.id;
  }

  get progress(): Progress {
    return this.#row.job!;
  }

  /** When it was to run, in milliseconds since 1970. */
  get time(): number {
    return this.#row.job!.time ?? this.#row.at;
  }

  /** It ran. */
  finish(): void {
    if (this.#when === undefined) this.#jobs.remove(this.#row);
    else this.#goOn({});
  }

  /** It is tried again; false when it was cancelled. */
  putOff(at: number, progress: Progress): boolean {
    return this.#move(at, { time: this.time, ...progress });
  }

  /** It isn't tried again; the next run of one that comes again comes all the same. */
  giveUp(progress: Progress): void {
    const { error } = progress;
    if (this.#when !== undefined) this.#goOn(error === undefined ? {} : { error });
    else this.#jobs.move(this.#row, this.time, { ...withoutProgress(this.#row), ...progress }, "dead");
  }

  /** Leaves out a run that comes so late that it is missed; returns true if it did. */
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
    if (at === undefined) this.#jobs.remove(this.#row);
    else this.#move(at, progress);
  }

  #move(at: number, progress: Progress & { readonly time?: number }): boolean {
    const row = this.#jobs.move(this.#row, at, { ...withoutProgress(this.#row), ...progress });
    if (row !== undefined) this.#row = row;
    return row !== undefined;
  }
}

/** The job of a row without its progress. */
export function withoutProgress({ job }: JobRow): JobData {
  const { time: _, attempts: __, error: ___, missing: ____, ...data } = job!;
  return data;
}
