/**
 * The model of jobs: what a program does to one object, and a simple list that tells what must come of it.
 *
 * `schedule.play.ts` says how a program is played on an object and on the list at once.
 */
import fc from "fast-check";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** An hour, a day at 03:00:30, or once at noon of the second day. */
export type CronKind = "hourly" | "daily" | "last";
export type ModelWhen =
  | { readonly delay: number }
  | { readonly date: number }
  | { readonly every: number }
  | { readonly cron: CronKind };
type Again = Extract<ModelWhen, { every: number } | { cron: CronKind }>;

/** What a job does, as its input. */
export interface Work {
  readonly name: string;
  /** So many tries fail. */
  readonly fails: number;
  /** In so many tries the object is stopped, at the end of the first stretch or of the last. */
  readonly crashes: number;
  readonly crashesEarly: boolean;
  /** How long it takes, in milliseconds. */
  readonly takes: number;
  readonly then: readonly Act[];
  /** What other entries do while it waits, for the method `later`. */
  readonly during: readonly Act[];
}

/** What the user's handler does. */
export interface Plan {
  readonly fails: number;
  readonly crashes: number;
  readonly waits: boolean;
  readonly then: readonly Act[];
}

export interface ModelOptions {
  readonly retry: { readonly maxAttempts: number; readonly baseDelay: number; readonly maxDelay: number };
  readonly missed: "all" | "once" | "skip";
}

/** What is done to the object within a stretch. */
export type Act =
  | {
      readonly kind: "schedule";
      readonly when: ModelWhen;
      readonly method: number;
      /** Below 0 for a made-up one. */
      readonly id: number;
      readonly replace: boolean;
      readonly options: ModelOptions;
      readonly work: Work;
    }
  | { readonly kind: "cancel" | "retry"; readonly target: number }
  | { readonly kind: "setAlarm"; readonly delay: number; readonly plan: Plan }
  | { readonly kind: "deleteAlarm" | "write" };

/** What is done to the object, or befalls it. */
export type Step =
  | { readonly kind: "do"; readonly acts: readonly Act[]; readonly waits: boolean }
  | {
      readonly kind: "transaction";
      readonly how: "transactionSync" | "transaction" | "rollback" | "atomically" | "atomicallyLater";
      readonly acts: readonly Act[];
      readonly isKept: boolean;
    }
  /** Time passes, with the alarms in it, or with none before its end. */
  | { readonly kind: "pass" | "jump"; readonly ms: number }
  | { readonly kind: "evict" | "deleteAll" }
  | { readonly kind: "crash"; readonly acts: readonly Act[] }
  | { readonly kind: "failStart"; readonly times: number }
  | {
      readonly kind: "deploy";
      readonly methods: readonly boolean[];
      readonly sweep: Declared | null;
      readonly nightly: Declared | null;
    };

export interface Declared {
  readonly when: Again;
  readonly missed: ModelOptions["missed"];
}

export interface Program {
  readonly seed: number;
  readonly steps: readonly Step[];
}

export const METHODS = ["plain", "later", "whole", "wholeLater"];
export const NAMES = ["a", "b", "c"];

const OFTEN = 90_000;

const again: fc.Arbitrary<Again> = fc.oneof(
  fc.record({ every: fc.constantFrom(OFTEN, 20 * MINUTE, HOUR, DAY) }),
  fc.record({ cron: fc.constantFrom<CronKind>("hourly", "daily", "last") }),
);
const when: fc.Arbitrary<ModelWhen> = fc.oneof(
  fc.record({ delay: fc.constantFrom(0, 1, 1_000, 5_000, 90_000, HOUR, -5) }),
  fc.record({ date: fc.constantFrom(-1_000, 0, 2_000, 5_000, DAY) }),
  again,
);
const often = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const missed = fc.constantFrom("once" as const, "all" as const, "skip" as const);
const options: fc.Arbitrary<ModelOptions> = fc.record({
  retry: fc.record({
    maxAttempts: fc.constantFrom(1, 2, 4),
    baseDelay: fc.constantFrom(0, 1_000, 100_000),
    maxDelay: fc.constantFrom(3_000, HOUR),
  }),
  missed,
});

const { acts } = fc.letrec<{ acts: readonly Act[]; few: readonly Act[]; act: Act; work: Work }>((tie) => ({
  work: fc.record({
    name: fc.constantFrom("m", "n", "o", "p"),
    fails: often(0, 1, 2, 99),
    crashes: often(0, 0, 1, 2),
    crashesEarly: fc.boolean(),
    takes: often(0, 1, 40_000),
    then: tie("few"),
    during: tie("few"),
  }),
  few: fc.oneof({ depthSize: "small", maxDepth: 2 }, fc.constant([]), fc.array(tie("act"), { maxLength: 2 })),
  act: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "retry"), target: fc.nat(11) }) },
    {
      weight: 6,
      arbitrary: fc
        .record({
          kind: fc.constant("schedule" as const),
          when,
          method: fc.nat(3),
          id: fc.integer({ min: -2, max: 2 }),
          replace: fc.boolean(),
          options,
          work: tie("work"),
        })
        .map((act) => ({
          ...act,
          options: { ...act.options, missed: bounded({ ...act.options, when: act.when }).missed },
        })),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("setAlarm" as const),
        delay: fc.constantFrom(0, 1, 1_000, 5_000, 90_000, HOUR),
        plan: fc.record({
          fails: often(0, 1, 99),
          crashes: often(0, 1),
          waits: fc.boolean(),
          then: tie("few"),
        }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("deleteAlarm" as const, "write") }) },
  ),
  acts: fc.array(tie("act"), { minLength: 1, maxLength: 4, size: "max" }),
}));

const declared = fc.option(fc.record({ when: again, missed }).map(bounded));

/** Without the policy that would run a thousand times after a long pause. */
function bounded<T extends { readonly when: ModelWhen; readonly missed: ModelOptions["missed"] }>(job: T): T {
  return "every" in job.when && job.when.every === OFTEN && job.missed === "all" ? { ...job, missed: "once" } : job;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("do" as const), acts, waits: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("transaction" as const),
      how: fc.constantFrom("transactionSync", "transaction", "rollback", "atomically", "atomicallyLater"),
      acts,
      isKept: fc.boolean(),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 1_000, 10_000, 5 * MINUTE) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("jump" as const),
      ms: fc.constantFrom(1, 5_000, 61_000, HOUR, 26 * HOUR),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("evict" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteAll" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), acts }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("failStart" as const), times: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("deploy" as const),
      methods: fc.array(fc.oneof(fc.constant(true), fc.boolean()), { minLength: 4, maxLength: 4 }),
      sweep: declared,
      nightly: declared,
    }),
  },
);

/** Programs of up to so many steps. */
export function programs(most: number): fc.Arbitrary<Program> {
  return fc.record({ seed: fc.nat(), steps: fc.array(step, { minLength: 1, maxLength: most, size: "max" }) });
}

/** The first of a recurrence's times after `after`. */
export function timeAfter(when: Again, own: number, after: number, start: number): number | undefined {
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
  /** Whether its id needs a row. */
  isNamed: boolean;
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
export type Call = { readonly job: ModelJob } | { readonly alarm: ModelAlarm };

const SLICE = 60_000;
const MOST_AT_ONCE = 1_000;
const STOPPED = "The object was stopped while it ran, or what ran before it.";
export const DEFAULTS = { maxAttempts: 10, baseDelay: 2_000, maxDelay: 3_600_000 };

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
    return this.jobs
      .filter(({ isDead }) => !isDead)
      .sort(
        (one, other) =>
          one.at - other.at ||
          Number(one.every !== undefined) - Number(other.every !== undefined) ||
          one.nth - other.nth,
      );
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
      const nth = old?.nth ?? this.#nth++;
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

  schedule(
    id: string,
    isNamed: boolean,
    at: number,
    job: Pick<ModelJob, "method" | "work" | "options" | "every">,
  ): void {
    this.declare();
    this.jobs = this.jobs.filter((other) => other.id !== id);
    this.jobs.push({ ...fresh, ...job, id, isNamed, isDeclared: false, nth: this.#nth++, at });
  }

  cancel(id: string): boolean {
    const { length } = this.jobs;
    this.jobs = this.jobs.filter((job) => job.id !== id);
    return this.jobs.length < length;
  }

  retry(id: string): boolean {
    const old = this.find(id);
    if (old === undefined) return false;
    const nth = old.every === undefined ? this.#nth++ : old.nth;
    const job: ModelJob = {
      ...old,
      ...anew,
      at: Date.now(),
      time: old.time ?? old.at,
      isNamed: true,
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
      if (user !== undefined && user.at <= now && !(job !== undefined && job.at < user.at)) {
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
      if (now - own >= Math.min(MINUTE, next - own)) return this.#goOn(job, false);
    }
    if (!job.isDeclared && !this.methods.has(job.method)) {
      job.missing++;
      job.time = own;
      job.isNamed = true;
      job.at = now + Math.min(DAY, MINUTE * 2 ** (job.missing - 1));
      return;
    }
    if (isRetry) {
      if (!this.#putOff(job, STOPPED, 2_000)) return;
      settled(true);
    }
    this.running = job.id;
    const isDone = yield { job };
    this.running = undefined;
    // Cancelled or replaced meanwhile.
    if (!this.jobs.includes(job)) return;
    if (!isDone) this.#putOff(job, `Error: ${job.work?.name} fails`, 0);
    else if (every === undefined) this.jobs = this.jobs.filter((other) => other !== job);
    else this.#goOn(job, options.missed === "all" && own <= Date.now());
  }

  /** After a try that failed; tells whether there is another. */
  #putOff(job: ModelJob, error: string, least: number): boolean {
    const { maxAttempts, baseDelay, maxDelay } = job.options.retry;
    const own = job.time ?? job.at;
    job.missing = 0;
    job.attempts++;
    job.error = error;
    if (job.attempts < maxAttempts) {
      const from = Date.now() + least;
      job.at = from;
      const longest = Math.ceil(Math.min(maxDelay, baseDelay * 2 ** (job.attempts - 1)));
      job.chance = longest === 0 ? undefined : [from, from + longest];
      job.time = own;
      job.isNamed = true;
      return true;
    }
    if (job.every !== undefined) {
      this.#goOn(job, job.options.missed === "all" && own <= Date.now());
      job.error = error;
      return false;
    }
    job.isDead = true;
    job.at = own;
    return false;
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
const fresh = { ...anew, isNamed: false, isDead: false };
