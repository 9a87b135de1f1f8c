/**
 * @module
 * The jobs of an object, as its class sees them.
 */
import type { JobRow } from "./rows.ts";
import type { ScheduleOptions } from "./options.ts";
import type { StoredRecurrence, When } from "./when.ts";

/**
 * A job, as `jobs(this)` lists it.
 *
 * @example
 * ```ts
 * const late: Job[] = this.#jobs.list().filter(({ attempts }) => attempts > 0);
 * ```
 */
export interface Job {
  readonly id: string;
  /** The name of the method; empty for a job that cannot be read. */
  readonly method: string;
  /** The argument of the method; undefined if it is called without one. */
  readonly input: unknown;
  /**
   * `"waiting"` for its time, or to be tried again; `"running"`; `"missing"` while the class has no such method, or can't
   * run it for another reason; `"dead"` once it was given up; `"unreadable"` if its row is damaged.
   */
  readonly state: "dead" | "missing" | "running" | "unreadable" | "waiting";
  /** When it runs next; for a dead job, when it was first due. */
  readonly time: Date;
  /** How many tries have failed; for a job that comes again, of its present run. */
  readonly attempts: number;
  /** The error of the last one. */
  readonly error: string | undefined;
  /** When it runs again; undefined for a job that runs once. */
  readonly recurrence: StoredRecurrence | undefined;
  /** True for one that `@Scheduled` declares. */
  readonly isDeclared: boolean;
}

/**
 * Options of {@link Jobs.list}: it returns all jobs by default.
 *
 * @example
 * ```ts
 * const options: JobListOptions = { state: "dead", method: "charge" };
 * ```
 */
export interface JobListOptions {
  readonly state?: Job["state"];
  readonly method?: string;
}

/**
 * The run that code belongs to.
 *
 * @example
 * ```ts
 * await fetch(url, { method: "POST", headers: { "idempotency-key": this.#jobs.current!.id } });
 * ```
 */
export interface JobRun {
  /** The job's id, the same for each try. */
  readonly id: string;
  /** When it was to run, whatever the time is now. */
  readonly time: Date;
  /** Which try it is, from 1. */
  readonly attempt: number;
}

/**
 * The jobs of an object, as `jobs(this)` returns them.
 *
 * @example
 * ```ts
 * for (const { id } of this.#jobs.list({ state: "dead" })) this.#jobs.retry(id);
 * ```
 */
export interface Jobs {
  /**
   * Runs a method of the object later, at least once: at a `Date`, after a number of milliseconds, at each
   * `{ every: milliseconds }`, or by `cron("0 9 * * 1-5", { timeZone })`. A time that has passed means now. Returns the
   * job's id.
   *
   * The job is one row, stored with the other changes of the batch, and undone with an `@Atomic` method. Its row is deleted with
   * the last changes of the method, so the changes of a sync or `@Atomic` method are made exactly once. A
   * method that throws is tried again, see {@link ScheduleOptions.retry}, and then kept as a dead job.
   *
   * @throws DurableError `bad-time`, `bad-cron`, `bad-option`, `bad-key`, `unknown-method`, `not-persistable`, `too-large`,
   * `changed-in-constructor`.
   *
   * @example
   * ```ts
   * this.#jobs.schedule(86_400_000, this.remind, { user: "alice" }, { id: "reminder:alice", replace: true });
   * ```
   */
  schedule<M extends (input: never, context: undefined) => unknown>(
    when: When,
    method: M,
    ...rest: Scheduling<Parameters<M>>
  ): string;
  /** The run that the running code belongs to; undefined outside jobs. */
  readonly current: JobRun | undefined;
  /** The jobs in the order in which they are due, then the dead ones. Reads a row for each. */
  list(options?: JobListOptions): Job[];
  /** One job; undefined when there is none, as when it has run. */
  get(id: string): Job | undefined;
  /**
   * Deletes a job, even a dead one; returns true if there was one. A run that has begun goes on, and isn't tried again.
   *
   * @throws DurableError `bad-option` for a job that `@Scheduled` declares.
   */
  cancel(id: string): boolean;
  /** Runs a job now, dead or waiting, as if it had never failed; returns true if there is one that can be read. */
  retry(id: string): boolean;
  /** Stores what `@Scheduled` declares at once, in an object to which nothing has been written yet. */
  start(): void;
}

/** The parameters of `schedule` after the method: its input, if it takes one, and options. */
type Scheduling<Params extends unknown[]> = Params extends []
  ? [input?: undefined, options?: ScheduleOptions]
  : [] extends Params
    ? [input?: Params[0], options?: ScheduleOptions]
    : [input: Params[0], options?: ScheduleOptions];

/** A job in words. */
export function describe({ id, at, job }: JobRow, state: Job["state"], input: unknown): Job {
  const { method = "", attempts = 0, error, when } = job ?? {};
  return {
    id,
    method,
    input,
    state,
    time: new Date(at),
    attempts,
    error,
    recurrence: when,
    isDeclared: id.startsWith("@"),
  };
}
