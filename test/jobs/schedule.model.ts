/** The simple list beside which jobs are tested: what `schedule.programs.ts` does to it, and what must come of that. */
import {
  DAY,
  HOUR,
  METHODS,
  MINUTE,
  type Again,
  type Declared,
  type ModelOptions,
  type ModelWhen,
  type Plan,
  type Work,
} from "./schedule.programs.ts";

/** The first of a recurrence's times after `after`. */
function timeAfter(when: Again, own: number, after: number, start: number): number | undefined {
  if ("every" in when) {
    let time = own;
    if (after >= time) time += Math.floor((after - time) / when.every) * when.every + when.every;
    return time;
  }
  const noon = start + DAY + DAY / 2;
  if (when.cron === "last") return noon > after ? noon : undefined;
  const [period, offset] = when.cron === "hourly" ? [HOUR, 0] : [DAY, 3 * HOUR + 30_000];
  return Math.floor((after - offset) / period) * period + period + offset;
}

/** A job of the list. */
export interface ModelJob {
  readonly id: string;
  readonly method: string;
  readonly work: Work | undefined;
  readonly options: ModelOptions;
  readonly every: Again | undefined;
  readonly isDeclared: boolean;
  /** In the order of scheduling, which decides between jobs of one time. */
  readonly nth: number;
  isDead: boolean;
  at: number;
  /** Until it has been read, where it is left to chance: the least and the most it can be. */
  chance: readonly [least: number, most: number] | undefined;
  /** Its own time, when it was put off. */
  time: number | undefined;
  attempts: number;
  error: string | undefined;
  missing: number;
}

export interface ModelAlarm {
  at: number;
  time: number | undefined;
  retries: number;
  readonly plan: Plan;
}

/** What a run of the list calls: a job's method, or the user's handler. */
export type Call = { readonly job: ModelJob; readonly attempt: number } | { readonly alarm: ModelAlarm };

const SLICE = 60_000;
const MOST_AT_ONCE = 1_000;
const STOPPED = "The object stopped while this, or something before it, was running.";
const DEFAULTS = { maxAttempts: 10, baseDelay: 2_000, maxDelay: 3_600_000 };

/** The list, and the user's own alarm. */
export class Model {
  jobs: ModelJob[] = [];
  user: ModelAlarm | undefined;
  log: string[] = [];
  isWritten = false;
  /** Whether there were jobs at the end of the last stretch, beside which the user's alarm is stored. */
  isShared = false;
  /** What the class has. */
  methods: ReadonlySet<string> = new Set(METHODS);
  declared: ReadonlyMap<string, Declared> = new Map();
  /** The id of the job that runs. */
  running: string | undefined;
  readonly start: number;
  #nth = 0;

  constructor(start: number) {
    this.start = start;
  }

  /** Whether the platform's alarm stands for jobs, or did when the object was stopped. */
  get isOurs(): boolean {
    return !this.isEmpty || (this.isShared && this.user !== undefined);
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** In the order in which they run. */
  get waiting(): ModelJob[] {
    return this.jobs.filter(({ isDead }) => !isDead).sort((one, other) => one.at - other.at || one.nth - other.nth);
  }

  find(id: string): ModelJob | undefined {
    return this.jobs.find((job) => job.id === id);
  }

  /** Gives a function that goes back to what is now. */
  mark(): () => void {
    const { user, log, isWritten, isShared } = this;
    const jobs = this.jobs.map((job) => [job, { ...job }] as const);
    const kept = { ...user };
    const texts = [...log];
    return () => {
      // The same objects, by which a run knows its job.
      this.jobs = jobs.map(([job, before]) => Object.assign(job, before));
      this.user = user && Object.assign(user, kept);
      this.log = [...texts];
      this.isWritten = isWritten;
      this.isShared = isShared;
    };
  }

  write(text: string): void {
    this.log.push(text);
    if (!this.isWritten) this.declare();
    this.isWritten = true;
  }

  /** The end of a stretch: without jobs the user's alarm is the platform's, as any that is set. */
  settle(): void {
    this.isShared = !this.isEmpty;
    if (this.isEmpty && this.user !== undefined) Object.assign(this.user, { time: undefined, retries: 0 });
  }

  wake(): void {
    if (this.isOurs || this.isWritten) this.declare();
  }

  declare(): void {
    this.jobs = this.jobs.filter((job) => !job.isDeclared || this.declared.has(job.method));
    for (const [method, { when, missed }] of this.declared) {
      const id = `@${method}`;
      const old = this.find(id);
      const options = { retry: DEFAULTS, missed };
      if (old !== undefined && JSON.stringify(old.every) === JSON.stringify(when)) {
        Object.assign(old, { options });
        continue;
      }
      const now = Date.now();
      const at = "every" in when ? now + when.every : timeAfter(when, now, now, this.start);
      const nth = this.#nth++;
      this.jobs = this.jobs.filter((job) => job !== old);
      if (at !== undefined)
        this.jobs.push({ ...fresh, id, method, work: undefined, options, every: when, isDeclared: true, nth, at });
    }
  }

  /** When a job is to run first; undefined when never. */
  firstOf(when: ModelWhen): number | undefined {
    const now = Date.now();
    if ("delay" in when) return Math.max(now + when.delay, now);
    if ("date" in when) return Math.max(now + when.date, now);
    return "every" in when ? now + when.every : timeAfter(when, now, now, this.start);
  }

  /** Tells whether a job of this id would be put in. */
  takes(id: string, replace: boolean): boolean {
    const old = this.find(id);
    return old === undefined || old.isDead || replace || this.running === id;
  }

  schedule(id: string, at: number, job: Pick<ModelJob, "method" | "work" | "options" | "every">): void {
    this.declare();
    this.jobs = this.jobs.filter((other) => other.id !== id);
    this.jobs.push({ ...fresh, ...job, id, isDeclared: false, nth: this.#nth++, at });
  }

  cancel(id: string): boolean {
    const { length } = this.jobs;
    this.jobs = this.jobs.filter((job) => job.id !== id);
    return this.jobs.length < length;
  }

  retry(id: string): boolean {
    const old = this.find(id);
    if (old === undefined) return false;
    const nth = this.#nth++;
    const job: ModelJob = {
      ...old,
      ...anew,
      at: Date.now(),
      time: old.time ?? old.at,
      isDead: false,
      nth,
    };
    this.jobs[this.jobs.indexOf(old)] = job;
    return true;
  }

  /** What the object's alarm calls, in turn; is told what came of each. `settled` is called between them, and where what was changed is surely stored. */
  *run(isRetry: boolean, settled: (isStored: boolean) => void): Generator<Call, void, boolean> {
    const began = Date.now();
    for (let n = 1; n <= MOST_AT_ONCE && Date.now() - began <= SLICE; n++) {
      settled(false);
      const now = Date.now();
      const job = this.waiting[0];
      const { user } = this;
      if (user !== undefined && user.at <= now && !(job !== undefined && job.at <= user.at)) {
        yield* this.#runUser(user, isRetry, settled);
        continue;
      }
      if (job === undefined || job.at > now) return;
      yield* this.#runJob(job, now, isRetry, settled);
    }
    settled(false);
  }

  *#runUser(user: ModelAlarm, isRetry: boolean, settled: (isStored: boolean) => void): Generator<Call, void, boolean> {
    if (isRetry) {
      if (!this.retryUser(user)) return;
      settled(true);
    }
    const isDone = yield { alarm: user };
    if (this.user !== user) return;
    if (isDone) this.user = undefined;
    else this.retryUser(user);
  }

  /** Tells whether it comes again. */
  retryUser(user: ModelAlarm): boolean {
    user.time ??= user.at;
    user.at = Date.now() + 2_000 * 2 ** user.retries;
    if (++user.retries <= 6) return true;
    this.user = undefined;
    return false;
  }

  *#runJob(
    job: ModelJob,
    now: number,
    isRetry: boolean,
    settled: (isStored: boolean) => void,
  ): Generator<Call, void, boolean> {
    const own = job.time ?? job.at;
    const { every, options } = job;
    if (every !== undefined && options.missed === "skip" && job.time === undefined) {
      const next = timeAfter(every, own, own, this.start) ?? Infinity;
      if (now - own >= Math.min(MINUTE, next - own)) {
        this.#goOn(job, false);
        return;
      }
    }
    if (!job.isDeclared && !this.methods.has(job.method)) {
      job.missing++;
      job.time = own;
      job.at = now + Math.min(DAY, MINUTE * 2 ** (job.missing - 1));
      return;
    }
    const { attempts } = job;
    if (attempts >= options.retry.maxAttempts) {
      this.#giveUp(job, job.error ?? STOPPED);
      return;
    }
    if (isRetry) {
      // The try is counted before it begins.
      this.#wait(job, attempts + 1, STOPPED, 2_000);
      settled(true);
    }
    this.running = job.id;
    const isDone = yield { job, attempt: attempts + 1 };
    this.running = undefined;
    // Cancelled or replaced meanwhile.
    if (!this.jobs.includes(job)) return;
    job.attempts = attempts;
    if (!isDone) this.#putOff(job, `Error: ${job.work?.name} fails`);
    else if (every === undefined) this.jobs = this.jobs.filter((other) => other !== job);
    else this.#goOn(job, options.missed === "all" && own <= Date.now());
  }

  /** After a try that failed. */
  #putOff(job: ModelJob, error: string): void {
    const attempts = job.attempts + 1;
    if (attempts < job.options.retry.maxAttempts) this.#wait(job, attempts, error, 0);
    else this.#giveUp(Object.assign(job, { attempts }), error);
  }

  /** Until its next try, which is the last but for so many. */
  #wait(job: ModelJob, attempts: number, error: string, least: number): void {
    const { maxAttempts, baseDelay, maxDelay } = job.options.retry;
    const from = Date.now() + least;
    const longest = attempts < maxAttempts ? Math.ceil(Math.min(maxDelay, baseDelay * 2 ** (attempts - 1))) : 0;
    const chance: ModelJob["chance"] = longest === 0 ? undefined : [from, from + longest];
    Object.assign(job, { at: from, time: job.time ?? job.at, chance, attempts, error, missing: 0 });
  }

  #giveUp(job: ModelJob, error: string): void {
    const own = job.time ?? job.at;
    Object.assign(job, { missing: 0, error });
    if (job.every !== undefined) {
      this.#goOn(job, job.options.missed === "all" && own <= Date.now());
      job.error = error;
      return;
    }
    job.isDead = true;
    job.at = own;
  }

  /** To the next time of a job that comes again. */
  #goOn(job: ModelJob, isEach: boolean): void {
    const own = job.time ?? job.at;
    const at = timeAfter(job.every!, own, isEach ? own : Date.now(), this.start);
    Object.assign(job, anew, { at });
    if (at === undefined) this.jobs = this.jobs.filter((other) => other !== job);
  }
}

const anew = { chance: undefined, time: undefined, attempts: 0, error: undefined, missing: 0 };
const fresh = { ...anew, isDead: false };
