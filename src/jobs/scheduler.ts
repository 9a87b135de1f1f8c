/**
 * @module
 * The jobs of one object as its class sees them.
 */
import type { Due, SharedAlarm } from "../core/alarm-types.ts";
import { behindGuard } from "../core/entry/gate.ts";
import type { Method } from "../core/entry/scope.ts";
import { DurableError, quote } from "../core/errors.ts";
import { valueOf } from "../storage/tagged-json.ts";
import { storable } from "./input.ts";
import { describe, type Job, type JobListOptions, type JobRun, type Jobs } from "./job.ts";
import { checkOptions, storableRetry, type ScheduleOptions } from "./options.ts";
import { JobRows, type JobRow, type StoredJob } from "./rows.ts";
import { methodOf, Runner, type Home } from "./runner.ts";
import { withoutProgress } from "./task.ts";
import { firstOf, isRecurring, stored, upcoming, type When } from "./when.ts";

/** The jobs of one object. */
export class Scheduler implements Jobs {
  readonly #home: Home;
  readonly #jobs: JobRows;
  readonly #alarm: SharedAlarm;
  readonly #runner: Runner;

  constructor(home: Home, alarm: SharedAlarm) {
    this.#home = home;
    this.#alarm = alarm;
    this.#jobs = new JobRows(home.host.ctx.storage, home.self.constructor.name);
    this.#runner = new Runner(home, this.#jobs);
  }

  /** The run that is due first. */
  next(readsAhead: boolean): Due | undefined {
    return this.#runner.next(readsAhead);
  }

  /** The object has started, or its stored data was replaced: jobs without an alarm get one. */
  wake(isWritten: () => boolean): void {
    this.#jobs.forget();
    if (this.#jobs.next() !== undefined) {
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
    const rows = new Map(this.#jobs.declared().map((row) => [row.id, row]));
    const now = Date.now();
    for (const [method, { when }] of declared) {
      const id = `@${method}`;
      const row = rows.get(id);
      rows.delete(id);
      const job: StoredJob = { method, when: stored(when) };
      if (row !== undefined && JSON.stringify(row.job?.when) === JSON.stringify(job.when)) continue;
      const at = upcoming(when, now, now);
      if (row === undefined && at === undefined) continue;
      this.#alarm.touch();
      if (row !== undefined) this.#jobs.remove(row);
      if (at !== undefined) this.#jobs.insert(at, job, null, id);
    }
    for (const row of rows.values()) {
      this.#alarm.touch();
      this.#jobs.remove(row);
    }
  }

  /** Stores a job; gives its id. */
  schedule(when: When, method: unknown, input?: unknown, options: ScheduleOptions = {}): string {
    const { self } = this.#home;
    const label = this.#allow("schedule");
    const name = nameOf(self, method, label);
    checkOptions(options, label);
    const { id, replace, retry, timeout, missed } = options;
    const at = firstOf(when, Date.now(), label);
    const text = input === undefined ? null : storable(input, `${label}(…, this.${name})`);
    const job: StoredJob = {
      method: name,
      ...(isRecurring(when) && { when: stored(when) }),
      ...(retry && { retry: storableRetry(retry) }),
      ...(timeout !== undefined && { timeout }),
      ...(missed && { missed }),
    };
    const known = id === undefined ? undefined : this.#jobs.find(id);
    // A job that schedules itself again under its id has to come again; a dead one has no claim to it.
    if (known !== undefined && known.state !== "dead" && replace !== true && !this.#runner.running.has(known.id)) {
      return known.id;
    }
    this.#alarm.touch();
    this.written();
    if (known !== undefined) this.#jobs.remove(known);
    return this.#jobs.insert(at, job, text, id);
  }

  /** The label of a member, where something may be changed; throws elsewhere. */
  #allow(member: string): string {
    const { host, self } = this.#home;
    const label = `${self.constructor.name}: jobs.${member}`;
    host.checkWritable(label);
    this.#jobs.check();
    return label;
  }

  /** Deletes a job, even a dead one; returns true if there was one. */
  cancel(id: string): boolean {
    const label = this.#allow("cancel");
    if (id.startsWith("@")) {
      throw new DurableError(
        "bad-option",
        `${label}(${quote(id)}): the job is declared by @Scheduled, and runs as long as the class declares it. Remove the decorator, or let the method return at once.`,
      );
    }
    const row = this.#jobs.find(id);
    if (row === undefined) return false;
    this.#alarm.touch();
    return this.#jobs.remove(row);
  }

  /** Runs a job now, as if it had never failed; returns true if there is one that can be read. */
  retry(id: string): boolean {
    this.#allow("retry");
    const row = this.#jobs.find(id);
    if (row?.job === undefined) return false;
    this.#alarm.touch();
    // A row of its own: a run that has begun no longer changes it.
    this.#jobs.remove(row);
    this.#jobs.insert(Date.now(), { ...withoutProgress(row), time: row.job.time ?? row.at }, row.input, row.id);
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
    const all = this.#jobs.all().map((row) => this.#describe(row));
    return all.filter((job) => (state ?? job.state) === job.state && (method ?? job.method) === job.method);
  }

  get(id: string): Job | undefined {
    const row = this.#jobs.find(id);
    return row && this.#describe(row);
  }

  #describe(row: JobRow): Job {
    try {
      return describe(row, this.#stateOf(row), row.input === null ? undefined : valueOf(row.input));
    } catch {
      return describe({ ...row, job: undefined }, "unreadable", undefined);
    }
  }

  #stateOf({ id, state, job }: JobRow): Job["state"] {
    if (job === undefined) return "unreadable";
    if (this.#runner.running.has(id)) return "running";
    if (state !== "waiting") return state;
    return methodOf(this.#home.self, job.method) !== undefined && job.missing === undefined ? "waiting" : "missing";
  }
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
