/**
 * @module
 * Running what is due: one job after another, in order of time, whatever becomes of each.
 *
 * A job's row goes in the turn in which its method ends, so its last changes and the row's end are committed together.
 */
import type { Due } from "../core/alarm-types.ts";
import { STOPPED } from "../core/alarm.ts";
import { DurableError, quote } from "../core/errors.ts";
import { isThenable } from "../core/values/async.ts";
import type { Host } from "../core/part/part.ts";
import { valueOf } from "../storage/tagged-json.ts";
import type { JobRun } from "./job.ts";
import { delayAfter, type JobOptions } from "./options.ts";
import type { JobRow, JobRows, StoredJob } from "./rows.ts";
import { Task } from "./task.ts";
import { revive, type Recurrence } from "./when.ts";

/** How long a job may take by default, in milliseconds. */
const TIMEOUT = 300_000;

/** What is late by so many milliseconds is missed. */
const MISSED = 60_000;

/** How long to wait for a method that is not there, in milliseconds: at first, then twice as long each time. */
const FIRST_WAIT = 60_000;
const LONGEST_WAIT = 86_400_000;

/** How long to wait at least after a stop of the object, in milliseconds. */
const STOP_DELAY = 2_000;

/** A declaration of `@Scheduled`. */
export interface Declaration extends JobOptions {
  readonly when: Recurrence;
}

/** A method as it is run. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What the runner knows of its object. */
export interface Home {
  readonly self: object;
  readonly host: Host;
  readonly declared: ReadonlyMap<string, Declaration>;
}

/** Runs the jobs of one object. */
export class Runner {
  readonly #home: Home;
  readonly #jobs: JobRows;
  /** The ids of the jobs whose methods run. */
  readonly running: Set<string> = new Set();
  readonly #runs = new WeakMap<object, JobRun>();
  readonly #warned = new Set<string>();

  constructor(home: Home, jobs: JobRows) {
    this.#home = home;
    this.#jobs = jobs;
  }

  /** The run that the running code belongs to. */
  get current(): JobRun | undefined {
    const scope = this.#home.host.scope();
    return scope && this.#runs.get(scope);
  }

  /** The run that is due first. */
  next(readsAhead: boolean): Due | undefined {
    const row = readsAhead ? this.#jobs.ahead() : this.#jobs.next();
    return row && { at: row.at, run: (stepsBack) => this.#run(row, Date.now(), stepsBack) };
  }

  /** Runs a job; a sync one has ended, row and all, when this returns. */
  #run(row: JobRow, now: number, stepsBack: boolean): Promise<void> | undefined {
    let args: readonly unknown[];
    try {
      if (row.job === undefined) throw new TypeError("The row holds no job.");
      args = row.input === null ? [] : [valueOf(row.input)];
    } catch (error) {
      // A job that can't be read is kept: its row may be mended.
      console.error(`durable-base: the job ${quote(row.id)} can't be read; it is kept, and other jobs run.`, error);
      this.#jobs.setAside(row);
      return undefined;
    }
    const { job } = row;
    const declared = this.#declarationOf(row);
    if (declared === null) {
      this.#jobs.remove(row);
      return undefined;
    }
    const data = declared ?? job;
    let when: Recurrence | undefined;
    try {
      when = data.when && revive(data.when);
    } catch (error) {
      this.#wait(new Task(this.#jobs, row, data), `the job ${quote(row.id)}`, now, error);
      return undefined;
    }
    const task = new Task(this.#jobs, row, data, when);
    if (when !== undefined && data.missed === "skip" && job.time === undefined && task.skip(now, MISSED))
      return undefined;
    const name = data.method;
    const method = methodOf(this.#home.self, name);
    const tries = (job.attempts ?? 0) + 1;
    if (method === undefined) this.#wait(task, this.#label(name), now, "the class has no such method");
    else if (delayAfter(tries - 1, data.retry) === undefined) this.#giveUpStopped(task, tries - 1);
    else if (!stepsBack) return this.#call(task, tries, name, method, args);
    else if (this.#stepBack(task, tries, now)) return this.#runBehind(task, tries, name, method, args);
    return undefined;
  }

  /** What the class declares of a job of `@Scheduled`: null if nothing any more; undefined for another job. */
  #declarationOf({ id, job }: JobRow): StoredJob | null | undefined {
    if (!id.startsWith("@")) return undefined;
    const declared = this.#home.declared.get(job!.method);
    return declared === undefined ? null : { ...declared, method: job!.method, when: job!.when! };
  }

  /** What ends the object takes the turn back with it, so the step back is stored before. */
  async #runBehind(task: Task, tries: number, name: string, method: Method, args: readonly unknown[]): Promise<void> {
    await this.#jobs.sync();
    await this.#call(task, tries, name, method, args);
  }

  #call(task: Task, tries: number, name: string, method: Method, args: readonly unknown[]): Promise<void> | undefined {
    const { self, host } = this.#home;
    const { id } = task;
    const tryOf = { isGivenUp: false };
    const whole = host.transacted(name, () => {
      // Undone: another try has taken its place.
      if (tryOf.isGivenUp) throw this.#tookTooLong(task.data);
      task.finish();
    });
    const current: JobRun = { id, time: new Date(task.time), attempt: tries };
    this.running.add(id);
    let result: unknown;
    try {
      const run = (): unknown => {
        this.#runs.set(host.scope()!, current);
        return (whole ?? method).apply(self, [...args]);
      };
      result = host.enter(run, { name });
    } catch (error) {
      this.running.delete(id);
      this.#fail(task, tries, error);
      return undefined;
    }
    if (isThenable(result)) return this.#end(task, tries, result, whole !== undefined, tryOf);
    this.running.delete(id);
    task.finish();
    return undefined;
  }

  async #end(
    task: Task,
    tries: number,
    result: PromiseLike<unknown>,
    isFinished: boolean,
    tryOf: { isGivenUp: boolean },
  ): Promise<void> {
    const { promise: tooLong, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      tryOf.isGivenUp = true;
      reject(this.#tookTooLong(task.data));
    }, task.data.timeout ?? TIMEOUT);
    try {
      await Promise.race([result, tooLong]);
    } catch (error) {
      this.#fail(task, tries, error);
      return;
    } finally {
      clearTimeout(timer);
      this.running.delete(task.id);
    }
    if (!isFinished) task.finish();
  }

  #tookTooLong({ method, timeout = TIMEOUT }: JobOptions & { readonly method: string }): DurableError {
    return new DurableError(
      "job-timeout",
      `${this.#label(method)}: the job took over ${timeout} ms. Its code goes on running beside its next try. Give it longer, or do less at once: \`{ timeout: 600_000 }\`.`,
    );
  }

  /** True if the object was destroyed, or a newer instance has replaced this one. */
  get #isOver(): boolean {
    return this.#home.host.isOver;
  }

  #fail(task: Task, attempts: number, error: unknown): void {
    // The job stays as it was, for the live instance: it may have failed only because this one couldn't write.
    if (this.#isOver) return;
    const { id, data } = task;
    const delay = delayAfter(attempts, data.retry);
    const what = `durable-base: ${this.#label(data.method)}, try ${attempts} of the job ${quote(id)}, failed`;
    console.error(delay === undefined ? `${what}; it was given up.` : `${what}.`, error);
    const progress = { attempts, error: textOf(error) };
    if (delay === undefined) task.giveUp(progress);
    else task.putOff(Date.now() + delay, progress);
  }

  /**
   * Counts a try before it begins, for the object may end with it; false when the job is gone. The try before may have been
   * that of another job, and is not counted.
   */
  #stepBack(task: Task, attempts: number, now: number): boolean {
    const delay = STOP_DELAY + (delayAfter(attempts, task.data.retry) ?? 0);
    return task.putOff(now + delay, { attempts, error: STOPPED });
  }

  /** Its last try ended with the object. */
  #giveUpStopped(task: Task, attempts: number): void {
    const { error = STOPPED } = task.progress;
    console.error(`durable-base: ${this.#label(task.data.method)}: the job ${quote(task.id)} was given up. ${error}`);
    task.giveUp({ attempts, error });
  }

  /** Puts off what cannot run by this code, and says so once. */
  #wait(task: Task, what: string, now: number, why: unknown): void {
    const missing = (task.progress.missing ?? 0) + 1;
    const { attempts, error } = task.progress;
    const kept = { ...(attempts !== undefined && { attempts }), ...(error !== undefined && { error }) };
    task.putOff(now + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (missing - 1)), { ...kept, missing });
    if (this.#warned.has(what)) return;
    this.#warned.add(what);
    console.warn(`durable-base: ${what} is scheduled and cannot run; it is kept, and tried again.`, why);
  }

  #label(member: string): string {
    return `${this.#home.self.constructor.name}.${member}`;
  }
}

/** The method of that name, if there is one: a deploy may have made it anything, also a getter that throws. */
export function methodOf(self: object, name: string): Method | undefined {
  try {
    const member = (self as Record<string, unknown>)[name];
    return typeof member === "function" ? (member as Method) : undefined;
  } catch {
    return undefined;
  }
}

/** An error as it is stored with its job. */
function textOf(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : quote(error);
    return text.length > 500 ? `${text.slice(0, 499)}…` : text;
  } catch {
    // A getter that throws, say: the job failed all the same.
    return "an error that can't be read";
  }
}
