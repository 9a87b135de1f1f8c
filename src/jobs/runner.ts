/**
 * @module
 * Running what is due: one job after another, in order of time, whatever becomes of each.
 *
 * A job's row goes in the turn in which its method ends, so its last changes and the row's end are committed together.
 */
import { DurableError, quote } from "../errors.ts";
import { isThenable } from "../functions.ts";
import type { Host } from "../part.ts";
import type { Alarm } from "./alarm.ts";
import { delayAfter, jittered, type JobOptions } from "./options.ts";
import type { JobRun } from "./job.ts";
import { firstTurn, type DueTurn, type JobRows, type QueuedJob, type UserAlarm } from "./rows.ts";
import { Again, Once, type Task } from "./task.ts";
import { revive, type Recurrence } from "./when.ts";

/** How long an alarm begins new jobs, in milliseconds, and how many: the rest comes with the next, which is at once. */
const SLICE = 60_000;
const MOST = 1_000;

/** Jobs that are read at once. */
const PAGE = 50;

/** After so many jobs what was done is committed, and others may go on. */
const STRETCH = 200;

/** How long a job may take by default, in milliseconds. */
const TIMEOUT = 300_000;

/** What is late by so many milliseconds is missed. */
const MISSED = 60_000;

/** How long to wait for a method that is not there, in milliseconds: at first, then twice as long each time. */
const FIRST_WAIT = 60_000;
const LONGEST_WAIT = 86_400_000;

/** How the platform tries a failed alarm again, which we do for the user's while it shares the native one. */
const ALARM_RETRIES = 6;
const ALARM_DELAY = 2_000;

/** How long to wait at most when the object cannot start, in milliseconds. */
const LONGEST_START_WAIT = 300_000;

/** Why what was running steps back: it may be what stopped the object, and would keep all others from running. */
const STOPPED = "The object was stopped while it ran, or what ran before it.";

/** A declaration of `@Scheduled`. */
export interface Declaration extends JobOptions {
  readonly when: Recurrence;
}

/** A method as it is run. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What is told of a failure. */
interface AlarmInfo {
  readonly retryCount: number;
  readonly isRetry: boolean;
}

/** What the runner knows of its object. */
export interface Home {
  readonly self: object;
  readonly host: Host;
  readonly declared: ReadonlyMap<string, Declaration>;
  /** The alarm() of the user's class. */
  handler(): Method | undefined;
}

/** Runs the jobs of one object. */
export class Runner {
  readonly #home: Home;
  readonly #jobs: JobRows;
  readonly #alarm: Alarm;
  /** The ids of the jobs whose methods run. */
  readonly running: Set<string> = new Set();
  readonly #runs = new WeakMap<object, JobRun>();
  readonly #warned = new Set<string>();
  #failedStarts = 0;
  /** The alarm that runs now. */
  firing: Promise<number> | undefined;

  constructor(home: Home, jobs: JobRows, alarm: Alarm) {
    this.#home = home;
    this.#jobs = jobs;
    this.#alarm = alarm;
  }

  /** The run that the running code belongs to. */
  get current(): JobRun | undefined {
    const scope = this.#home.host.scope();
    return scope && this.#runs.get(scope);
  }

  /** The object's alarm(): one at a time, even when a test calls it meanwhile. Returns how many runs it began. */
  async fire(info: AlarmInfo | undefined): Promise<number> {
    while (this.firing !== undefined) await this.firing.catch(() => {});
    this.firing = this.#fire(info);
    try {
      return await this.firing;
    } finally {
      this.firing = undefined;
    }
  }

  async #fire(info: AlarmInfo | undefined): Promise<number> {
    const alarm = this.#alarm;
    // Called by hand, right after a change.
    if (alarm.isTouched) await alarm.settle();
    if (!alarm.isOurs) {
      await this.#runAlone(info);
      return 1;
    }
    alarm.isHeld = true;
    alarm.touch();
    let delay: number | undefined;
    try {
      delay = await this.#startOrWait();
      return delay === undefined ? await this.#runDue(info?.isRetry === true) : 0;
    } finally {
      alarm.isHeld = false;
      if (delay === undefined) await alarm.settle();
      else await alarm.postpone(delay);
    }
  }

  /** How long to wait if the object cannot start: the platform would drop the alarm after six failures. */
  async #startOrWait(): Promise<number | undefined> {
    try {
      await this.#home.host.start();
      this.#failedStarts = 0;
      return undefined;
    } catch (error) {
      console.error(`durable-base: ${this.#label("onStart")} failed; its jobs wait.`, error);
      return 1_000 + jittered(++this.#failedStarts, ALARM_DELAY, LONGEST_START_WAIT);
    }
  }

  /** The user's alarm, which the native one is: the platform tries it again, as long as there are no jobs. */
  async #runAlone(info: AlarmInfo | undefined): Promise<void> {
    const alarm = this.#alarm;
    const user: UserAlarm = { at: Date.now(), retries: info?.retryCount ?? 0, nth: 0 };
    alarm.running = user;
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#home.host.start();
      await this.#home.handler()?.call(this.#home.self, info);
    } catch (error) {
      failure = { error };
    }
    await alarm.settle();
    alarm.running = undefined;
    if (alarm.isOurs) {
      // It has scheduled a job, to which the native alarm belongs now.
      alarm.touch();
      if (failure === undefined) this.#setUser(user, undefined);
      else this.#retryUser(user, failure.error);
      await alarm.settle();
    } else if (failure !== undefined) throw failure.error;
  }

  async #runDue(isRetry: boolean): Promise<number> {
    const jobs = this.#jobs;
    const began = Date.now();
    let changes = -1;
    let agenda = jobs.agenda();
    let queue: QueuedJob[] = [];
    let next = 0;
    // Whether other code may have run since the queue was read, and deleted rows of it in whatever way.
    let isOld = false;
    let n = 1;
    for (; n <= MOST && Date.now() - began <= SLICE; n++) {
      if (changes !== jobs.changes || next === queue.length) {
        ({ changes } = jobs);
        agenda = jobs.agenda();
        queue = jobs.first(PAGE);
        next = 0;
        isOld = false;
      }
      // The newer instance runs the rest.
      if (this.#isOver) break;
      const now = Date.now();
      const row = queue[next];
      const turn = firstTurn(agenda);
      const { user } = agenda;
      const at = Math.min(row?.at ?? Infinity, turn?.at ?? Infinity, user?.at ?? Infinity);
      if (at > now) break;
      let ending: Promise<void> | undefined;
      if (at === row?.at) {
        next++;
        const job = isOld ? jobs.again(row) : row;
        if (job !== undefined) ending = this.#run(job, now, isRetry);
      } else {
        // As these, which are read again when they are run or put off.
        changes = -1;
        if (at === turn?.at) ending = this.#run(turn, now, isRetry);
        else ending = this.#runUser(user!, isRetry);
      }
      if (ending === undefined && n % STRETCH !== 0) continue;
      await (ending ?? jobs.sync());
      isOld = true;
    }
    return n - 1;
  }

  async #runUser(user: UserAlarm, stepsBack: boolean): Promise<void> {
    if (stepsBack) {
      this.#retryUser(user, STOPPED);
      await this.#jobs.sync();
      const left = this.#jobs.agenda().user;
      if (left === undefined) return;
      user = left;
    }
    const { retries = 0, time = user.at } = user;
    this.#alarm.running = user;
    try {
      const info = { scheduledTime: time, retryCount: retries, isRetry: retries > 0 };
      await this.#home.handler()?.call(this.#home.self, info);
      this.#setUser(user, undefined);
    } catch (error) {
      this.#retryUser(user, error);
    } finally {
      this.#alarm.running = undefined;
    }
  }

  /** As the platform does it. */
  #retryUser(user: UserAlarm, error: unknown): void {
    const { retries = 0, time = user.at, nth } = user;
    const isLast = retries >= ALARM_RETRIES;
    console.error(`durable-base: ${this.#label("alarm")} failed${isLast ? " for the last time" : ""}.`, error);
    const at = Date.now() + ALARM_DELAY * 2 ** retries;
    this.#setUser(user, isLast ? undefined : { at, time, retries: retries + 1, nth });
  }

  /** Unless it has been deleted, or another set, meanwhile. */
  #setUser({ nth }: UserAlarm, user: UserAlarm | undefined): void {
    const agenda = this.#jobs.agenda();
    if (agenda.user?.nth === nth) this.#jobs.setAgenda({ ...agenda, user });
  }

  /** Runs a job; a sync one has ended, rows and all, when this returns. */
  #run(due: QueuedJob | DueTurn, now: number, stepsBack: boolean): Promise<void> | undefined {
    let task: Task | undefined;
    try {
      task = "key" in due ? new Once(this.#jobs, due) : this.#again(due, now);
    } catch (error) {
      // What cannot be read is no reason to forget it.
      const { id } = due;
      this.#wait(new Again(this.#jobs, due as DueTurn, { method: id }, undefined), `the job ${quote(id)}`, now, error);
      return undefined;
    }
    if (task === undefined) return undefined;
    const name = task.data.method;
    const method = methodOf(this.#home.self, name);
    const tries = (task.progress.attempts ?? 0) + 1;
    if (method === undefined) this.#wait(task, this.#label(name), now, "the class has no such method");
    else if (delayAfter(tries - 1, task.data.retry) === undefined) this.#giveUpStopped(task, tries - 1);
    else if (!stepsBack) return this.#call(task, tries, name, method);
    else if (this.#stepBack(task, tries, now)) return this.#runBehind(task, tries, name, method);
    return undefined;
  }

  /** What ends the object takes the turn back with it, so the step back is stored before. */
  async #runBehind(task: Task, tries: number, name: string, method: Method): Promise<void> {
    await this.#jobs.sync();
    await this.#call(task, tries, name, method);
  }

  /** The run of a job that comes again; undefined when there is none now. */
  #again(due: DueTurn, now: number): Again | undefined {
    const { id, turn } = due;
    const method = id.slice(1);
    const declared = this.#home.declared.get(method);
    const data = turn.declared === undefined ? this.#jobs.recurring(id) : declared && { ...declared, method };
    if (data === undefined) {
      this.#jobs.setTurn(id, undefined);
      return undefined;
    }
    const task = new Again(this.#jobs, due, data, revive(data.when));
    const isSkipped = data.missed === "skip" && turn.time === undefined && task.skip(now, MISSED);
    return isSkipped ? undefined : task;
  }

  #call(task: Task, tries: number, name: string, method: Method): Promise<void> | undefined {
    const { self, host } = this.#home;
    const { id, data } = task;
    const tryOf = { isGivenUp: false };
    const whole = host.transacted(name, () => {
      // Undone: another try has taken its place.
      if (tryOf.isGivenUp) throw this.#tookTooLong(task.data);
      task.finish();
    });
    const args = "input" in data ? [data.input] : [];
    const current: JobRun = { id, time: new Date(task.time), attempt: tries };
    this.running.add(id);
    let result: unknown;
    try {
      const run = (): unknown => {
        this.#runs.set(host.scope()!, current);
        return (whole ?? method).apply(self, args);
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
      `${this.#label(method)}: the job took over ${timeout} ms. What it still does goes on beside its next try. Give it longer, or do less at once: \`{ timeout: 600_000 }\`.`,
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
    const delay = ALARM_DELAY + (delayAfter(attempts, task.data.retry) ?? 0);
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
  const text = error instanceof Error ? `${error.name}: ${error.message}` : quote(error);
  return text.length > 500 ? `${text.slice(0, 499)}…` : text;
}
