/** How a program of `schedule.programs.ts` is played: on an object and on the list at once, whatever befalls the object. */
import { cron } from "durable-base/jobs";
import { vi } from "vitest";
import type { AnyClass } from "../../src/core/plan.ts";
import { stored, type Recurrence, type When } from "../../src/jobs/when.ts";
import { thrownBy } from "../error-of.ts";
import { ModelJobs, type Player } from "./fixtures/schedule-model.ts";
import { Model, type Call, type ModelAlarm, type ModelJob } from "./schedule.model.ts";
import {
  DAY,
  METHODS,
  NAMES,
  type Act,
  type CronKind,
  type Declared,
  type Program,
  type Step,
  type Work,
} from "./schedule.programs.ts";
import { declaredBy } from "./jobs.ts";

/** What the methods have on their prototype, as the first deploy had it. */
const members = new Map<string, PropertyDescriptor>();

/** Acts of jobs and handlers, so that no program schedules for ever. */
const MOST_NESTED = 30;
/** Runs of one alarm before each of which all jobs are compared. */
const MOST_COMPARED = 20;
/** Ends of stretches that are kept: more than there are jobs between two pauses. */
const MOST_ENDS = 100;
/** Lines of the log that are kept from one entry to the next. */
const MOST_LINES = 30;
/** Alarms within one step. */
const MOST_ALARMS = 400;

/** What other entries do while a job waits for them. */
interface During {
  readonly acts: readonly Act[];
  readonly resume: () => void;
}

/** An alarm that is running. */
interface Fired {
  readonly at: number;
  readonly count: number;
  readonly began: number;
}

/** A program that is being played; it outlives the instances that it is played on. */
export class Play implements Player {
  readonly #model: Model;
  readonly #steps: readonly Step[];
  readonly #start: number;
  #next = 0;
  /** While time passes: up to when. */
  #until: number | undefined;
  #self!: ModelJobs;
  #state!: DurableObjectState;
  #isAwake = false;
  #startFailures = 0;
  /** Of this instance. */
  #failedStarts = 0;
  /** Where the native alarm was put off to. */
  #postponed: readonly [number, number] | undefined;
  /** Whether the native alarm was lost, up to the next wake-up. */
  #isLost = false;
  /** The alarm that the platform brings again. */
  #again: { readonly at: number; readonly due: number; readonly count: number } | undefined;
  #fired: Fired | undefined;
  #isStopped = false;
  /** The user's alarm that runs while there were no jobs. */
  #alone: ModelAlarm | undefined;
  #isDropped = false;
  #calls: Generator<Call, void, boolean> | undefined;
  #isDone = true;
  /** Of the alarm that runs. */
  #runs = 0;
  /** What the object may go back to when it is stopped: the ends of stretches, from the last that is surely stored. */
  #ends: (() => void)[] = [];
  #nested = 0;
  #made: string[] = [];
  #parked: ((during: During) => void) | undefined;
  #waiting: Promise<unknown>[] = [];
  #problem: Error | undefined;
  readonly story: string[] = [];

  constructor({ steps }: Program, start: number) {
    this.#steps = steps;
    this.#start = start;
    this.#model = new Model(start);
    vi.setSystemTime(start);
  }

  /** Plays on, up to what only others can do to the object: throws where the two sides differ. */
  async play(self: ModelJobs, state: DurableObjectState): Promise<"evict" | "end"> {
    this.#self = self;
    this.#state = state;
    this.#isAwake = false;
    this.#failedStarts = 0;
    ModelJobs.player = this;
    if (this.#next === 0 && this.#until === undefined)
      this.#deploy(
        METHODS.map(() => true),
        null,
        null,
      );
    await Promise.resolve();
    if (this.#isStopped) await this.#revive();
    for (;;) {
      if (this.#until !== undefined) {
        await this.#pass(this.#until);
        this.#until = undefined;
      }
      await this.#compare();
      const step = this.#steps[this.#next++];
      if (step === undefined) return "end";
      this.#tell(JSON.stringify(step));
      vi.setSystemTime(Date.now() + 1);
      if (await this.#do(step)) return "evict";
    }
  }

  /** True when the last instance was stopped by the program. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  start(): void | Promise<void> {
    if (this.#startFailures === 0) return;
    this.#startFailures--;
    if (this.#startFailures % 2 === 0) throw new Error("not yet");
    return Promise.reject(new Error("not yet"));
  }

  sync(self: ModelJobs, method: string, work?: Work): void {
    const { attempt, undo } = this.#begin(self, method, work);
    this.#finish(attempt, work, method === "whole" ? undo : undefined);
  }

  async later(self: ModelJobs, method: string, work?: Work): Promise<void> {
    const isAtomic = method === "wholeLater";
    const { attempt, undo } = this.#begin(self, method, work);
    if (work !== undefined && work.crashesEarly && attempt <= work.crashes) this.#stop();
    if (isAtomic) await scheduler.wait(0);
    else {
      this.#ends.push(this.#model.mark());
      if (work === undefined || work.during.length === 0 || this.#parked === undefined) await scheduler.wait(0);
      else await new Promise<void>((resume) => this.#parked!({ acts: work.during, resume }));
      this.#ends = [this.#model.mark()];
    }
    this.#finish(attempt, work, isAtomic ? undo : undefined);
  }

  async alarm(self: ModelJobs, info: AlarmInvocationInfo | undefined): Promise<void> {
    if (this.#isStopped) throw new Error("stopped");
    const { storage } = this.#state;
    const call = this.#alone === undefined ? this.#follow() : { alarm: this.#alone };
    if (!("alarm" in call)) return this.#differs(`alarm() was called, not ${call.job.id}`);
    const { plan } = call.alarm;
    const tries = this.#alone === undefined ? call.alarm.retries : this.#fired!.count;
    this.#same("the handler's retryCount", info?.retryCount, tries);
    this.#write(self, `alarm ${tries}`);
    this.#same("getAlarm in the handler", await storage.getAlarm(), null);
    for (const act of plan.acts) {
      if (act.kind === "deleteAlarm" && plan.crashes > 0) continue;
      this.#act(self, act, true);
      if (act.kind === "deleteAlarm") this.#isDropped = true;
    }
    await this.#settled();
    if (plan.waits) {
      await scheduler.wait(0);
      this.#ends = [this.#markAlarm()];
    }
    if (tries < plan.crashes) this.#stop();
    this.#isDone = tries >= plan.fails;
    if (!this.#isDone) throw new Error("the handler fails");
  }

  /** As in `alarm`, where the alarm that runs is to come again. */
  #markAlarm(): () => void {
    const model = this.#model;
    const { user, isShared } = model;
    const alone = this.#alone;
    if (alone !== undefined) model.isShared = !model.isEmpty;
    if (user === undefined && alone !== undefined && !this.#isDropped)
      model.user = { ...alone, at: model.isEmpty ? this.#fired!.at : this.#fired!.began };
    const mark = model.mark();
    Object.assign(model, { user, isShared });
    return mark;
  }

  #begin(self: ModelJobs, method: string, work: Work | undefined): { attempt: number; undo: () => void } {
    if (this.#isStopped) throw new Error("stopped");
    const call = this.#follow();
    if (!("job" in call)) return this.#differs(`${method} was called, not alarm()`);
    const { job } = call;
    const { id, time, attempt } = self.jobs.current!;
    this.#same(
      "the run",
      [method, id, time.getTime() - this.#start, attempt, work?.name],
      [job.method, job.id, (job.time ?? job.at) - this.#start, call.attempt, job.work?.name],
    );
    if (this.#runs++ < MOST_COMPARED) this.#compareJobs();
    const undo = this.#model.mark();
    this.#write(self, `${method} ${work?.name ?? ""} ${attempt}`);
    return { attempt, undo };
  }

  #finish(attempt: number, work: Work | undefined, undo: (() => void) | undefined): void {
    this.#isDone = true;
    if (work === undefined) return;
    for (const act of work.acts) this.#act(this.#self, act, true);
    vi.setSystemTime(Date.now() + work.takes);
    if (attempt <= work.crashes) this.#stop();
    if (attempt > work.fails) return;
    this.#isDone = false;
    undo?.();
    throw new Error(`${work.name} fails`);
  }

  /** What the list calls next. */
  #follow(): Call {
    const { value } = this.#calls!.next(this.#isDone);
    return value ?? this.#differs("it was called, and nothing is due");
  }

  /** The object ends, as when it needs too much memory. */
  #stop(): never {
    this.#tell("stopped");
    this.#isStopped = true;
    this.#state.abort("stopped by the program");
    throw new Error("stopped");
  }

  /** After the object was stopped: finds the end of a stretch at which it was. */
  async #revive(): Promise<void> {
    this.#isStopped = false;
    if (this.#problem !== undefined) throw this.#problem;
    const fired = this.#fired;
    this.#fired = undefined;
    this.#alone = undefined;
    // What the dead instance began has no end.
    this.#waiting = [];
    const native = this.#native;
    vi.setSystemTime(Date.now() + 1);
    if (fired !== undefined) {
      const { at, count } = fired;
      const now = await native.getAlarm();
      if (now === null) await native.setAlarm(at);
      this.#again =
        now === null || now === at ? { at, due: Date.now() + 2_000 * 2 ** count, count: count + 1 } : undefined;
    }
    let first: unknown;
    for (const goBack of this.#ends.toReversed()) {
      goBack();
      this.#model.running = undefined;
      try {
        await this.#compare();
        return;
      } catch (error) {
        this.#problem = undefined;
        first ??= error;
      }
    }
    throw new Error("after the stop it is at the end of no stretch", { cause: first });
  }

  async #do(step: Step): Promise<boolean> {
    const { storage } = this.#state;
    const self = this.#self;
    const model = this.#model;
    switch (step.kind) {
      case "do":
        await this.#enter(async () => {
          if (!step.waits) return self.run(() => this.#acts(step.acts));
          await self.run(async () => {
            for (const act of step.acts) {
              this.#act(self, act);
              await scheduler.wait(0);
            }
          });
        });
        return false;
      case "transaction":
        await this.#enter(() => this.#transact(step));
        return false;
      case "jump":
        vi.setSystemTime(Date.now() + step.ms);
        this.#until = Date.now();
        return false;
      case "pass":
        this.#until = Date.now() + step.ms;
        return false;
      case "deleteAll":
        await this.#enter(async () => {
          await self.run(() => storage.deleteAll());
          Object.assign(model, { jobs: [], user: undefined, log: [], isWritten: false });
        });
        return false;
      case "crash":
        await scheduler.wait(0);
        this.#ends = [this.#markAll()];
        await this.#enter(() => {
          self.run(() => this.#acts(step.acts));
          this.#stop();
        });
        return false;
      case "failStart":
        this.#startFailures = step.times;
        return true;
      case "deploy":
        this.#deploy(step.methods, step.sweep, step.nightly);
        return true;
      default:
        if (step.losesAlarm && model.isOurs) {
          await this.#native.deleteAlarm();
          this.#isLost = true;
        }
        return true;
    }
  }

  /** As the list does, with what is known of the native alarm. */
  #markAll(): () => void {
    const goBack = this.#model.mark();
    const postponed = this.#postponed;
    const isLost = this.#isLost;
    return () => {
      goBack();
      this.#postponed = postponed;
      this.#isLost = isLost;
    };
  }

  /** Another version of the class, for the next instance. */
  #deploy(methods: readonly boolean[], sweep: Declared | null, nightly: Declared | null): void {
    const { prototype } = ModelJobs;
    for (const [n, name] of METHODS.entries()) {
      if (!members.has(name)) members.set(name, Object.getOwnPropertyDescriptor(prototype, name)!);
      if (methods[n] === true) Object.defineProperty(prototype, name, members.get(name)!);
      else Reflect.deleteProperty(prototype, name);
    }
    this.#model.methods = new Set(METHODS.filter((_, n) => methods[n]));
    const declared = new Map<string, Declared>();
    if (sweep !== null) declared.set("sweep", sweep);
    if (nightly !== null) declared.set("nightly", nightly);
    this.#model.declared = declared;
    const plan = declaredBy(ModelJobs as unknown as AnyClass);
    plan.clear();
    for (const [method, { when, missed }] of declared) plan.set(method, { when: this.#when(when), missed });
  }

  /** Does something through the gate, unless the object cannot start. */
  async #enter(work: () => unknown): Promise<void> {
    if (!this.#isAwake) {
      if (this.#startFailures > 0) {
        let failure: unknown;
        try {
          await this.#self.run(() => {});
        } catch (error) {
          failure = error;
        }
        return this.#same("an entry before the start", String(failure), "Error: not yet");
      }
      this.#wake();
    }
    if (this.#model.log.length > MOST_LINES) {
      this.#self.run(() => (this.#self.log = []));
      this.#model.log = [];
    }
    await work();
    await Promise.all(this.#waiting.splice(0));
    if (this.#problem !== undefined) throw this.#problem;
    this.#model.settle();
  }

  #wake(): void {
    this.#isAwake = true;
    this.#postponed = undefined;
    this.#isLost = false;
    this.#model.wake();
  }

  async #transact({ how, acts, isKept }: Extract<Step, { kind: "transaction" }>): Promise<void> {
    const self = this.#self;
    const { storage } = this.#state;
    const undo = this.#model.mark();
    const stop = new Error("stop");
    const sync = (): void => {
      this.#acts(acts);
      if (!isKept) throw stop;
    };
    const later = async (txn?: DurableObjectTransaction): Promise<void> => {
      for (const [n, act] of acts.entries()) {
        // The last is undone, or kept, before the alarm has followed it.
        if (n > 0) await scheduler.wait(0);
        this.#act(self, act);
      }
      if (isKept) return;
      if (how !== "rollback") throw stop;
      txn!.rollback();
    };
    try {
      if (how === "transactionSync") self.run(() => storage.transactionSync(sync));
      else if (how === "atomically") self.atomically(sync);
      else if (how === "atomicallyLater") await self.atomicallyLater(later);
      else await self.run(() => storage.transaction(later));
    } catch (error) {
      if (error !== stop) throw error;
    }
    if (!isKept) undo();
  }

  #acts(acts: readonly Act[]): void {
    for (const act of acts) this.#act(this.#self, act);
  }

  #act(self: ModelJobs, act: Act, isNested = false): void {
    if (isNested && this.#nested++ >= MOST_NESTED) return;
    const model = this.#model;
    const { storage } = this.#state;
    switch (act.kind) {
      case "schedule": {
        const present = METHODS.filter((name) => model.methods.has(name));
        if (present.length === 0) return;
        const method = present[act.method % present.length] as "plain";
        const id = NAMES[act.id];
        const { replace, work } = act;
        const schedule = (): string =>
          self.jobs.schedule(this.#when(act.when), self[method], work, { ...act.options, replace, ...(id && { id }) });
        const at = model.firstOf(act.when);
        if (at === undefined) return this.#same("the error", thrownBy(schedule).code, "bad-cron");
        const isPut = id === undefined || model.takes(id, replace);
        const given = schedule();
        const every = "every" in act.when || "cron" in act.when ? act.when : undefined;
        if (isPut) model.schedule(given, at, { method, work, options: act.options, every });
        if (id === undefined) this.#made.push(given);
        else this.#same("the id", given, id);
        return;
      }
      case "cancel":
      case "retry": {
        const ids = [...NAMES, ...this.#made.slice(-4), ...(act.kind === "retry" ? ["@sweep", "@nightly"] : [])];
        const id = ids[act.target % ids.length]!;
        // What it means for the run itself is left open.
        if (act.kind === "retry" && id === model.running) return;
        // Declared jobs come with the object's first write, which is stored at the end of the batch.
        if (id.startsWith("@") && storage.kv.get("durable-base:record") === undefined) return;
        return this.#same(`${act.kind} of ${id}`, self.jobs[act.kind](id), model[act.kind](id));
      }
      case "setAlarm": {
        const at = Date.now() + act.delay;
        this.#waiting.push(storage.setAlarm(at));
        model.user = { at, time: undefined, retries: 0, plan: act.plan };
        return;
      }
      case "deleteAlarm":
        this.#waiting.push(storage.deleteAlarm());
        model.user = undefined;
        return;
      case "write":
        this.#write(self, "w");
    }
  }

  #write(self: ModelJobs, text: string): void {
    self.log.push(text);
    this.#model.write(text);
  }

  /** Time passes, with the platform's alarms in it. */
  async #pass(until: number): Promise<void> {
    for (let n = 0; ; n++) {
      const at = await this.#native.getAlarm();
      const due = at !== null && this.#again?.at === at ? this.#again.due : at;
      if (due === null || due > until) break;
      if (n === MOST_ALARMS) throw new Error("the alarm comes for ever");
      vi.setSystemTime(Math.max(Date.now(), due));
      await this.#fire(at!);
      await this.#compare();
    }
    vi.setSystemTime(Math.max(Date.now(), until));
  }

  /** What the platform does at the time of the alarm. */
  async #fire(at: number): Promise<void> {
    const model = this.#model;
    const count = this.#again?.at === at ? this.#again.count : 0;
    this.#again = undefined;
    this.#tell(`alarm, ${count} times before`);
    this.#fired = { at, count, began: Date.now() };
    // What was done before is stored, whatever stops the object now.
    await scheduler.wait(0);
    // As it is while the handler runs; if that is stopped, the platform still has it.
    await this.#native.deleteAlarm();
    this.#ends = [model.mark()];
    this.#runs = 0;
    const { isOurs } = model;
    const isStarting = !this.#isAwake && this.#startFailures > 0;
    if (!this.#isAwake && !isStarting) this.#wake();
    if (isOurs && isStarting) {
      await this.#call(count);
      const least = Date.now() + 1_000;
      this.#postponed = [least, least + Math.min(300_000, 2_000 * 2 ** this.#failedStarts++)];
    } else if (isOurs) {
      this.#calls = model.run(count > 0, (isStored) => {
        this.#read();
        if (isStored) this.#ends = [];
        if (this.#ends.push(model.mark()) > MOST_ENDS) this.#ends.shift();
      });
      const failure = await this.#call(count);
      if (failure !== undefined) throw failure as Error;
      const { value } = this.#calls.next(this.#isDone);
      if (value !== undefined) this.#differs(`${"job" in value ? value.job.id : "alarm()"} was due, and not called`);
    } else {
      await this.#fireAlone(at, count, isStarting);
    }
    this.#fired = undefined;
    this.#calls = undefined;
    model.settle();
  }

  /** The alarm was the user's, who has the platform's rules. */
  async #fireAlone(at: number, count: number, isStarting: boolean): Promise<void> {
    const model = this.#model;
    const { user } = model;
    if (user === undefined) this.#differs("the alarm came, and nobody had set it");
    model.user = undefined;
    this.#alone = user;
    this.#isDropped = false;
    this.#isDone = !isStarting;
    const failure = await this.#call(count);
    this.#alone = undefined;
    if (!model.isEmpty) {
      this.#same("the failure", failure, undefined);
      if (this.#isDone || this.#isDropped || model.user !== undefined) return;
      model.user = { ...user!, at: this.#fired!.at, time: undefined, retries: count };
      model.retryUser(model.user);
      return;
    }
    this.#same("it failed", failure === undefined, this.#isDone);
    if (this.#isDone || this.#isDropped || model.user !== undefined || count >= 6) return;
    await this.#native.setAlarm(at);
    this.#again = { at, due: Date.now() + 2_000 * 2 ** count, count: count + 1 };
    model.user = { ...user!, at };
  }

  /** Calls alarm(), and what other entries do meanwhile; gives its error. */
  async #call(retryCount: number): Promise<unknown> {
    const info = { retryCount, isRetry: retryCount > 0, scheduledTime: this.#fired!.at };
    let isOver = false;
    let failure: unknown;
    const over = Promise.resolve(this.#self.alarm(info as AlarmInvocationInfo)).then(
      () => (isOver = true),
      (error: unknown) => {
        isOver = true;
        failure = error;
      },
    );
    while (!isOver) {
      const parked = new Promise<During>((resolve) => {
        this.#parked = resolve;
      });
      const during = await Promise.race([over.then(() => undefined), parked]);
      if (during === undefined) continue;
      await this.#self.run(() => {
        for (const act of during.acts) this.#act(this.#self, act, true);
      });
      await scheduler.wait(0);
      during.resume();
    }
    this.#parked = undefined;
    await Promise.all(this.#waiting.splice(0));
    if (this.#problem !== undefined) throw this.#problem;
    return failure;
  }

  get #native(): Pick<DurableObjectStorage, "getAlarm" | "setAlarm" | "deleteAlarm"> {
    const { storage } = this.#state;
    const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
    return {
      getAlarm: () => native.getAlarm.call(storage),
      setAlarm: (time) => native.setAlarm.call(storage, time),
      deleteAlarm: () => native.deleteAlarm.call(storage),
    };
  }

  /** Lets what was changed be settled. */
  async #settled(): Promise<void> {
    for (let n = 0; n < 20; n++) await Promise.resolve();
  }

  /** Reads the times that were left to chance. */
  #read(): void {
    for (const job of this.#model.jobs) {
      if (job.chance === undefined || job.isDead) continue;
      const at = this.#self.jobs.get(job.id)?.time.getTime() ?? NaN;
      const [least, most] = job.chance;
      if (!(at >= least && at <= most)) this.#differs(`${job.id} is put off to ${at}, not ${least} to ${most}`);
      job.at = at;
      job.chance = undefined;
    }
  }

  #compareJobs(): void {
    const model = this.#model;
    const { jobs } = this.#self;
    this.#read();
    const found = jobs.list();
    const dead = model.jobs
      .filter(({ isDead }) => isDead)
      .sort((one, other) => one.at - other.at || one.nth - other.nth);
    const expected = [...model.waiting, ...dead].map((job) => this.#describe(job));
    const show = ({
      id,
      method,
      state,
      time,
      attempts,
      error,
      recurrence,
      isDeclared,
      input,
    }: (typeof found)[number]) => [
      ...[id, method, state, time.getTime() - this.#start, attempts, error ?? null, recurrence ?? null, isDeclared],
      (input as Work | undefined)?.name ?? null,
    ];
    this.#same("the jobs", found.map(show), expected);
    for (const id of new Set([...NAMES, ...this.#made])) {
      const job = jobs.get(id);
      const own = model.find(id);
      this.#same(`get(${id})`, job && show(job), own && this.#describe(own));
    }
  }

  /** A job as `schedules` describes it. */
  #describe({ id, method, isDead, missing, at, attempts, error, every, isDeclared, work }: ModelJob): unknown[] {
    const isThere = isDeclared || this.#model.methods.has(method);
    const state = isDead
      ? "dead"
      : this.#model.running === id
        ? "running"
        : isThere && missing === 0
          ? "waiting"
          : "missing";
    const again = every === undefined ? null : stored(this.#when(every) as Recurrence);
    return [id, method, state, at - this.#start, attempts, error ?? null, again, isDeclared, work?.name ?? null];
  }

  /** Compares all that can be seen, and all that is stored. */
  async #compare(): Promise<void> {
    const model = this.#model;
    const { storage } = this.#state;
    await this.#settled();
    this.#compareJobs();
    this.#same("the log", this.#self.log, model.log);
    const relative = (time: number | null | undefined): number | null => (time == null ? null : time - this.#start);
    const user = await storage.getAlarm();
    this.#same("getAlarm", relative(user), relative(model.user?.at));
    const isUserStored = storage.kv.get("durable-base:alarm") !== undefined;
    this.#same("the user's row", isUserStored, model.user !== undefined && model.isOurs);
    const native = await this.#native.getAlarm();
    if (this.#isLost) return this.#same("the lost alarm", native, null);
    if (this.#postponed !== undefined) {
      const [least, most] = this.#postponed;
      if (native === null || native < least || native > most)
        this.#differs(`the alarm is at ${relative(native)}, not ${relative(least)} to ${relative(most)}`);
      return;
    }
    // The platform brings it again, whatever waits.
    if (!this.#isAwake && native !== null && native === this.#again?.at) return;
    const [first] = model.waiting;
    const times = [first?.at, model.user?.at].filter((time) => time !== undefined);
    const next = times.length === 0 ? null : Math.min(...times);
    // What is due comes at once, whatever its time.
    if (next !== null && native !== null && next <= Date.now() && native <= Date.now()) return;
    this.#same("the alarm", relative(native), relative(next));
  }

  #when(when: Extract<Act, { kind: "schedule" }>["when"]): When;
  #when(when: Declared["when"]): Recurrence;
  #when(when: Extract<Act, { kind: "schedule" }>["when"]): When {
    if ("delay" in when) return when.delay;
    if ("date" in when) return new Date(Date.now() + when.date);
    return "every" in when ? { every: when.every } : cron(this.#cronText(when.cron));
  }

  #cronText(kind: CronKind): string {
    const second = new Date(this.#start + DAY);
    const last = `0 0 12 ${second.getUTCDate()} ${second.getUTCMonth() + 1} * ${second.getUTCFullYear()}`;
    return { hourly: "0 * * * *", daily: "30 0 3 * * *", last }[kind];
  }

  #same(what: string, found: unknown, expected: unknown): void {
    const [one, other] = [found, expected].map((value) => JSON.stringify(value) ?? "undefined");
    if (one !== other) this.#differs(`${what}: it is\n  ${one}, not\n  ${other}`);
  }

  /** Keeps the first difference, since a job's error goes no further. */
  #differs(text: string): never {
    const problem = new Error(text);
    if (!this.#isStopped) this.#problem ??= problem;
    throw problem;
  }

  #tell(text: string): void {
    this.story.push(`${Date.now() - this.#start}: ${text}`);
  }
}
