/**
 * @module
 * The jobs of one object as its class sees them.
 */
import { behindGuard, type Method } from "../entry.ts";
import { DurableError, quote } from "../errors.ts";
import { Alarm } from "./alarm.ts";
import { storable, storing } from "./input.ts";
import { describe, type Job, type JobListOptions, type JobRun, type Jobs } from "./job.ts";
import { checkOptions, type ScheduleOptions } from "./options.ts";
import {
  JobRows,
  type JobData,
  type Progress,
  type QueuedJob,
  type StoredJob,
  type StoredRecurring,
  type Turn,
} from "./rows.ts";
import { methodOf, Runner, type Home } from "./runner.ts";
import { firstOf, isRecurring, stored, upcoming, type StoredRecurrence, type When } from "./when.ts";

/** The jobs of one object. */
export class Scheduler implements Jobs {
  readonly #home: Home;
  readonly #jobs: JobRows;
  readonly #alarm: Alarm;
  readonly #runner: Runner;

  constructor(ctx: DurableObjectState, home: Home) {
    this.#home = home;
    const { name } = home.self.constructor;
    this.#jobs = new JobRows(ctx.storage, name);
    this.#alarm = new Alarm(ctx, this.#jobs, name, () => home.handler());
    this.#runner = new Runner(home, this.#jobs, this.#alarm);
  }

  /** The object's alarm(). Returns how many runs it began. */
  fire(info: AlarmInvocationInfo | undefined): Promise<number> {
    return this.#runner.fire(info);
  }

  /** The alarm that runs now. */
  get firing(): Promise<number> | undefined {
    return this.#runner.firing;
  }

  /** Deletes the native alarm; the replaced `deleteAlarm` deletes only the user's alarm. */
  async disarm(): Promise<void> {
    await this.#alarm.delete();
  }

  /** Restores the storage's own methods. */
  leave(): void {
    this.#alarm.leave();
  }

  /** The object has started, or was imported: jobs without an alarm get one. */
  wake(isWritten: () => boolean): void {
    this.#jobs.forget();
    if (this.#jobs.exist()) {
      if (this.#jobs.areHalfImported) return;
      this.#alarm.touch();
    } else if (this.#home.declared.size === 0 || !isWritten()) return;
    this.declare();
  }

  /** The object is written to, perhaps for the first time. */
  written(): void {
    if (this.#home.declared.size > 0) this.declare();
  }

  /** Brings what is stored of `@Scheduled` to what the class declares. */
  declare(): void {
    const { declared } = this.#home;
    const agenda = this.#jobs.agenda();
    // It is kept as it is, and the object works.
    if (this.#jobs.isDamaged) return;
    const turns = new Map(agenda.turns);
    const now = Date.now();
    let isChanged = false;
    for (const [id, turn] of turns) {
      if (turn.declared !== undefined && !declared.has(id.slice(1))) isChanged = turns.delete(id);
    }
    for (const [method, { when }] of declared) {
      const text = JSON.stringify(stored(when));
      if (turns.get(`@${method}`)?.declared === text) continue;
      const at = upcoming(when, now, now);
      isChanged ||= at !== undefined || turns.has(`@${method}`);
      if (at === undefined) turns.delete(`@${method}`);
      else turns.set(`@${method}`, { at, declared: text });
    }
    if (!isChanged) return;
    this.#alarm.touch();
    this.#jobs.setAgenda({ ...agenda, turns });
  }

  /** Stores a job; gives its id. */
  schedule(when: When, method: unknown, input?: unknown, options: ScheduleOptions = {}): string {
    const { self } = this.#home;
    const label = this.#allow("schedule");
    const name = nameOf(self, method, label);
    checkOptions(options, label);
    const { id, replace, retry, timeout, missed } = options;
    const at = firstOf(when, Date.now(), label);
    const inputLabel = `${label}(…, this.${name})`;
    const data: JobData = {
      method: name,
      ...(input !== undefined && { input: storable(input, inputLabel) }),
      ...(retry && { retry }),
      ...(timeout !== undefined && { timeout }),
      ...(missed && { missed }),
    };
    if (id !== undefined) {
      const isThere = this.#jobs.agenda().turns.has(id) || this.#jobs.find(id) !== undefined;
      // A job that schedules itself again under its id has to come again.
      if (isThere && replace !== true && !this.#runner.running.has(id)) return id;
      // What cannot be stored must not take the place of anything.
      storing(() => structuredClone(data.input), inputLabel);
    }
    if (isRecurring(when)) this.#jobs.checkRoom();
    this.#alarm.touch();
    this.written();
    if (id !== undefined) this.#forget(id);
    return storing(() => {
      if (!isRecurring(when)) return this.#jobs.insert(at, data, id);
      const ownId = id ?? this.#jobs.newId(at);
      this.#jobs.insertRecurring(ownId, at, { ...data, when: stored(when) });
      return ownId;
    }, inputLabel);
  }

  /** The label of a member, where something may be changed; throws elsewhere. */
  #allow(member: string): string {
    const { host, self } = this.#home;
    const label = `${self.constructor.name}: jobs.${member}`;
    host.checkWritable(label);
    this.#jobs.check();
    return label;
  }

  /** Deletes what is stored under an id; tells whether there was anything. */
  #forget(id: string): boolean {
    // What runs jobs may have read this one, and may be what called.
    this.#jobs.changes++;
    if (this.#jobs.agenda().turns.has(id)) {
      this.#jobs.removeRecurring(id);
      return true;
    }
    const row = this.#jobs.find(id);
    return (row !== undefined && this.#jobs.remove(row)) || this.#jobs.removeDead(id);
  }

  /** Deletes a job, also a dead one; tells whether there was one. */
  cancel(id: string): boolean {
    const label = this.#allow("cancel");
    if (id.startsWith("@")) {
      throw new DurableError(
        "bad-option",
        `${label}(${quote(id)}): the job is declared by @Scheduled, and comes as long as it is. Remove the decorator, or let the method return at once.`,
      );
    }
    this.#alarm.touch();
    return this.#forget(id);
  }

  /** Lets a job run now, as if it had never failed; tells whether there is one. */
  retry(id: string): boolean {
    this.#allow("retry");
    const now = Date.now();
    const turn = this.#jobs.agenda().turns.get(id);
    const row = turn === undefined ? this.#jobs.find(id) : undefined;
    const dead = turn === undefined && row === undefined ? this.#jobs.dead(id) : undefined;
    this.#alarm.touch();
    if (turn !== undefined) {
      const { declared } = turn;
      this.#jobs.setTurn(id, { at: now, time: turn.time ?? turn.at, ...(declared !== undefined && { declared }) });
      return true;
    }
    const job = row?.job ?? dead;
    if (job === undefined) return false;
    const { attempts: _, error: __, missing: ___, ...rest } = job;
    if (row !== undefined) this.#jobs.remove(row);
    else this.#jobs.removeDead(id);
    this.#jobs.insert(now, { ...rest, time: job.time ?? row?.at ?? now }, id);
    return true;
  }

  get current(): JobRun | undefined {
    return this.#runner.current;
  }

  start(): void {
    this.#allow("start");
    this.declare();
  }

  list({ state, method }: JobListOptions = {}): Job[] {
    // Of one time, what runs once comes first, as when they run.
    const waiting = Array.from(this.#jobs.queued(), (row) => this.#describeRow(row));
    for (const [id, turn] of this.#jobs.agenda().turns) waiting.push(this.#describeTurn(id, turn));
    waiting.sort((one, other) => one.time.getTime() - other.time.getTime());
    const all = waiting.concat(Array.from(this.#jobs.deadJobs(), ([id, job]) => describeDead(id, job)));
    return all.filter((job) => (state ?? job.state) === job.state && (method ?? job.method) === job.method);
  }

  get(id: string): Job | undefined {
    const turn = this.#jobs.agenda().turns.get(id);
    if (turn !== undefined) return this.#describeTurn(id, turn);
    const row = this.#jobs.find(id);
    if (row !== undefined) return this.#describeRow(row);
    const dead = this.#jobs.dead(id);
    return dead && describeDead(id, dead);
  }

  #describeRow({ id, at, job }: QueuedJob): Job {
    return job === undefined
      ? describe(id, at, "unreadable", {})
      : describe(id, at, this.#stateOf(id, job.method, job), job);
  }

  #describeTurn(id: string, turn: Turn): Job {
    const { at, declared } = turn;
    if (declared !== undefined) {
      const method = id.slice(1);
      const when = JSON.parse(declared) as StoredRecurrence;
      return describe(id, at, this.#stateOf(id, method, turn), { ...turn, method }, when, true);
    }
    let data: StoredRecurring | undefined;
    try {
      data = this.#jobs.recurring(id);
    } catch {
      return describe(id, at, "unreadable", turn);
    }
    return describe(id, at, this.#stateOf(id, data?.method ?? "", turn), { ...data, ...turn }, data?.when);
  }

  #stateOf(id: string, method: string, { missing }: Progress): Job["state"] {
    if (this.#runner.running.has(id)) return "running";
    const isThere = methodOf(this.#home.self, method) !== undefined;
    return isThere && missing === undefined ? "waiting" : "missing";
  }
}

function describeDead(id: string, job: StoredJob): Job {
  return describe(id, job.time ?? 0, "dead", job);
}

/** The name by which a method of `self` is found again. */
function nameOf(self: object, method: unknown, label: string): string {
  const members = self as Record<string, unknown>;
  if (typeof method === "function") {
    // A method hidden from stubs is another function on the prototype, where `super.method` finds it.
    const found = behindGuard(method as Method);
    const isIt = (member: unknown): boolean => typeof member === "function" && behindGuard(member as Method) === found;
    if (isIt(members[method.name])) return method.name;
    for (let level = self; level !== null; level = Object.getPrototypeOf(level) as object) {
      for (const name of Object.getOwnPropertyNames(level)) {
        if (isIt(Object.getOwnPropertyDescriptor(level, name)?.value) && isIt(members[name])) return name;
      }
    }
  }
  const what = typeof method === "function" ? `the function ${quote(method.name)}` : quote(method);
  throw new DurableError(
    "unknown-method",
    `${label}: ${what} isn't a method of the class. Jobs find their methods by name, so pass a method that is neither #private nor bound: \`this.#jobs.schedule(60_000, this.method)\`.`,
  );
}
