/**
 * @module
 * The one native alarm of an object, shared by its parts and by the user's own `alarm()`.
 *
 * While no part waits for anything, the native alarm is the user's. While one does, the native alarm is set to what comes
 * first, and a row holds the user's time. Stored rows alone tell whose alarm it is, so that follows every rollback.
 *
 * This module comes with the first part that imports it.
 */
import type { AlarmSource, Due, SharedAlarm } from "./alarm-types.ts";
import { DurableError } from "./errors.ts";
import { attach, type Host, type Part } from "./part/part.ts";
import { PREFIX } from "../storage/kv/keys.ts";
import { withoutSqlite } from "../storage/handle.ts";
import { methodOf, replaceOn, stateOf } from "../storage/storage-state.ts";

/** The user's own alarm, while the native one is shared. */
const USER = `${PREFIX}alarm`;

/** The last millisecond that the platform takes for an alarm, in the year 2262. */
export const LATEST_ALARM = 9_223_372_036_854;

/** How long an alarm begins new runs, in milliseconds, and how many: the rest comes with the next alarm, which is at once. */
const SLICE = 60_000;
const MOST = 1_000;

/** After so many runs what was done is committed, and others may go on. */
const STRETCH = 200;

/** How the platform tries a failed alarm again, which we do for the user's alarm while it is shared. */
const RETRIES = 6;
const DELAY = 2_000;

/** How long to wait at most when the object can't start, or a part fails, in milliseconds. */
const LONGEST_WAIT = 300_000;

/** The error of what was running and is put off: it may be what stopped the object, and would keep all others from running. */
export const STOPPED = "The object stopped while this, or something before it, was running.";

/**
 * Returns the alarm of an object, which all of its parts share with the user's own `alarm()`. Call it during construction.
 *
 * An object with it has an `alarm` method even if its class has none. Its `ctx.storage.setAlarm`, `getAlarm` and `deleteAlarm`
 * go on working for the user's alarm alone.
 *
 * @throws DurableError `part-too-late` after construction.
 *
 * @example
 * ```ts
 * const alarm = alarmOf(host);
 * alarm.add({ next: () => ({ at: this.dueAt, run: () => this.sweep() }) });
 * ```
 */
export function alarmOf(host: Host): SharedAlarm {
  return attach(host.object, "alarm", (own) => new Alarm(own));
}

/** The user's own alarm, as it is stored while it is shared. */
interface UserAlarm {
  readonly at: number;
  /** Its own time, if it is tried again. */
  readonly time?: number;
  readonly retries?: number;
  /** Another one for each that is set. */
  readonly nth: number;
}

/** The argument of a handler. */
interface AlarmInfo {
  readonly retryCount: number;
  readonly isRetry: boolean;
}

type Handler = (this: unknown, info: unknown) => unknown;

/** The platform's own functions, as they were before {@link Alarm} took their place. */
interface Native {
  get(options?: DurableObjectGetAlarmOptions): Promise<number | null>;
  set(time: number | Date, options?: DurableObjectSetAlarmOptions): Promise<void>;
  delete(options?: DurableObjectSetAlarmOptions): Promise<void>;
}

/** The alarm of one object. */
export class Alarm implements SharedAlarm, Part {
  readonly #host: Host;
  readonly #native: Native;
  readonly #sources: AlarmSource[] = [];
  /** True if the native alarm was ours when the stretch of changes that isn't settled yet began. */
  #wasOurs: boolean | undefined;
  /** Of the user's alarm, as far as the platform has to be asked again. */
  #changes = 0;
  /** The user's alarm that is running, which isn't set any more. */
  #running: UserAlarm | undefined;
  /** True while an alarm runs: what it changes is settled at its end. */
  #isHeld = false;
  #failedStarts = 0;
  #failedRuns = 0;
  /** The alarm that runs now. Resolves to how many runs it began. */
  firing: Promise<number> | undefined;

  /** Restores the storage's own functions. */
  readonly retired: () => void;

  constructor(host: Host) {
    this.#host = host;
    const { storage } = stateOf(host.ctx.storage);
    const native: Native = {
      get: methodOf(storage, "getAlarm"),
      set: methodOf(storage, "setAlarm"),
      delete: methodOf(storage, "deleteAlarm"),
    };
    this.#native = native;
    const transact = methodOf(storage, "transaction");

    const getAlarm: DurableObjectStorage["getAlarm"] = async (options) => {
      if (!this.#isOurs) return await native.get(options);
      const user = this.#user;
      return user === undefined || user.nth === this.#running?.nth ? null : user.at;
    };
    const setAlarm: DurableObjectStorage["setAlarm"] = async (time, options) => {
      if (this.#handler() === undefined) throw withoutHandler(this.#className);
      const at = Math.floor(Math.max(Number(time), Date.now()));
      this.#changes++;
      // What the platform would refuse, it refuses itself.
      if (!this.#isOurs || !(Number(time) > 0 && at <= LATEST_ALARM)) return await native.set(time, options);
      this.touch();
      // Another than that of the one that runs, also when that was deleted before.
      this.#user = { at, nth: (this.#user?.nth ?? this.#running?.nth ?? 0) + 1 };
    };
    const deleteAlarm: DurableObjectStorage["deleteAlarm"] = async (options) => {
      this.#changes++;
      if (!this.#isOurs) {
        // The handler that runs does without another try.
        this.#running = undefined;
        return await native.delete(options);
      }
      this.touch();
      this.#user = undefined;
    };
    const transaction = async <T>(work: (transaction: DurableObjectTransaction) => Promise<T>): Promise<T> =>
      await transact((txn) => {
        Object.assign(txn, { getAlarm, setAlarm, deleteAlarm });
        const rollback = txn.rollback.bind(txn);
        txn.rollback = () => {
          rollback();
          // Restores whose alarm it is, too.
          if (this.#wasOurs !== undefined) this.#wasOurs = this.#look();
        };
        return work(txn);
      });
    this.retired = replaceOn(storage, { getAlarm, setAlarm, deleteAlarm, transaction });

    const self = host.object;
    // The platform calls the alarm() that it finds right after construction. Code that wraps the class may replace it.
    const alarm = (info?: AlarmInvocationInfo): unknown =>
      host.scope() === undefined ? this.fire(info) : this.#handler()?.call(self, info);
    Object.defineProperty(self, "alarm", { value: alarm, writable: true, configurable: true });
  }

  add(source: AlarmSource): void {
    this.#sources.push(source);
  }

  touch(): void {
    if (this.#wasOurs !== undefined) return;
    this.#wasOurs = this.#look();
    if (!this.#isHeld) void Promise.resolve().then(() => this.#settle().catch((error: unknown) => this.#abort(error)));
  }

  /** The object's alarm(): one at a time, even when a test calls it meanwhile. Resolves to how many runs it began. */
  async fire(info: AlarmInfo | undefined): Promise<number> {
    while (this.firing !== undefined) await this.firing.catch(() => {});
    this.firing = this.#fire(info);
    try {
      return await this.firing;
    } finally {
      this.firing = undefined;
    }
  }

  /** True while the native alarm stands for what parts wait for, and a row for the user's. */
  get #isOurs(): boolean {
    return this.#wasOurs ?? this.#look();
  }

  #look(): boolean {
    return this.#sources.some((source) => source.next(false) !== undefined) || this.#user !== undefined;
  }

  /** The user's alarm, while it is shared. */
  get #user(): UserAlarm | undefined {
    const { storage } = this.#host.ctx;
    try {
      return storage.kv.get<UserAlarm>(USER);
    } catch (error) {
      // Storage that isn't SQLite shares no alarm.
      if (withoutSqlite(storage) !== undefined) return undefined;
      throw error;
    }
  }

  set #user(user: UserAlarm | undefined) {
    const { kv } = this.#host.ctx.storage;
    if (user === undefined) kv.delete(USER);
    else kv.put(USER, user);
  }

  /** The alarm() of the user's class. */
  #handler(): Handler | undefined {
    return (Object.getPrototypeOf(this.#host.object) as { alarm?: Handler }).alarm;
  }

  get #className(): string {
    return this.#host.object.constructor.name;
  }

  /** Resets the object: no caller is waiting any more, and without an alarm what waits would never run. */
  #abort(error: unknown): void {
    console.error("durable-base: this object's alarm could not be set, so the object resets.", error);
    this.#host.ctx.abort("durable-base: this object's alarm could not be set.");
  }

  #first(readsAhead: boolean): Due | undefined {
    let first: Due | undefined;
    for (const source of this.#sources) {
      const due = source.next(readsAhead);
      if (due !== undefined && !(due.at >= (first?.at ?? Infinity))) first = due;
    }
    return first;
  }

  /** Sets the native alarm to what comes first, if it isn't: not before `earliest`. */
  async #settle(earliest = 0): Promise<void> {
    let native: number | null;
    let changes: number;
    do {
      changes = this.#changes;
      // Answered in a microtask, so that the rows and the alarm are committed together.
      native = await this.#native.get();
    } while (changes !== this.#changes);
    const wasOurs = this.#wasOurs;
    this.#wasOurs = undefined;
    const next = this.#first(false)?.at;
    let user = this.#user;
    if (next === undefined) {
      if (wasOurs !== true) return;
      // The native alarm is the user's again.
      if (user !== undefined) this.#user = undefined;
      await this.#set(user?.at, native);
      return;
    }
    // Up to now the native alarm was the user's, also the one that runs, which a stop of the object would bring again.
    const taken = wasOurs !== false ? undefined : native === null ? this.#running : { at: native, nth: 1 };
    if (taken !== undefined) this.#user = user = taken;
    const at = Math.max(earliest, Math.min(next, user?.at ?? next));
    const now = Date.now();
    // An overdue alarm fires at once, so its exact time may stay: one row less. Only while the alarm is ours: the user may
    // ask for the time of their own.
    if (native !== null && native <= now && at <= now) return;
    await this.#set(at, native);
  }

  async #set(at: number | undefined, native: number | null): Promise<void> {
    if (at === undefined) {
      if (native !== null) await this.#native.delete();
      return;
    }
    if (native !== at) await this.#native.set(Math.max(at, 1));
  }

  async #fire(info: AlarmInfo | undefined): Promise<number> {
    // The native alarm is the live instance's.
    if (this.#host.isOver) this.#host.checkWritable(`${this.#className}.alarm`);
    // Called by hand, right after a change.
    if (this.#wasOurs !== undefined) await this.#settle();
    if (!this.#isOurs) {
      await this.#runAlone(info);
      return 1;
    }
    this.#isHeld = true;
    this.touch();
    let delay: number | undefined;
    let hasFailed = true;
    try {
      delay = await this.#startOrWait();
      const runs = delay === undefined ? await this.#runDue(info?.isRetry === true) : 0;
      hasFailed = false;
      return runs;
    } finally {
      this.#isHeld = false;
      // The platform doesn't wait before an alarm that was set while it ran, whatever became of that.
      const earliest = hasFailed ? Date.now() + Math.min(LONGEST_WAIT, DELAY * 2 ** this.#failedRuns) : 0;
      this.#failedRuns = hasFailed ? this.#failedRuns + 1 : 0;
      if (delay === undefined) await this.#settle(earliest);
      else {
        this.#wasOurs = undefined;
        await this.#native.set(Date.now() + delay);
      }
    }
  }

  /** How long to wait if the object can't start: the platform would drop the alarm after six failures. */
  async #startOrWait(): Promise<number | undefined> {
    try {
      await this.#host.start();
      this.#failedStarts = 0;
      return undefined;
    } catch (error) {
      console.error(`durable-base: ${this.#className}.onStart failed; what is due waits.`, error);
      // At random, so that what failed together isn't tried together.
      const longest = Math.min(LONGEST_WAIT, DELAY * 2 ** this.#failedStarts++);
      return 1_000 + Math.ceil(Math.random() * longest);
    }
  }

  /** The user's alarm, which the native one is: the platform tries it again, as long as nothing else waits. */
  async #runAlone(info: AlarmInfo | undefined): Promise<void> {
    const user: UserAlarm = { at: Date.now(), retries: info?.retryCount ?? 0, nth: 0 };
    this.#running = user;
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#host.start();
      await this.#handler()?.call(this.#host.object, info);
    } catch (error) {
      failure = { error };
    }
    await this.#settle();
    this.#running = undefined;
    if (this.#isOurs) {
      // A part waits now, to which the native alarm belongs.
      this.touch();
      if (failure === undefined) this.#replace(user, undefined);
      else this.#retry(user, failure.error);
      await this.#settle();
    } else if (failure !== undefined) throw failure.error;
  }

  async #runDue(isRetry: boolean): Promise<number> {
    const began = Date.now();
    let n = 0;
    let isSameTurn = false;
    // What is left of a replaced instance's is the live instance's.
    while (n < MOST && Date.now() - began <= SLICE && !this.#host.isOver) {
      const due = this.#first(isSameTurn);
      const user = this.#user;
      const isUser = user !== undefined && !(user.at >= (due?.at ?? Infinity));
      const at = isUser ? user.at : due?.at;
      if (at === undefined || at > Date.now()) break;
      const ending = isUser ? this.#runUser(user, isRetry) : due!.run(isRetry);
      isSameTurn = ++n % STRETCH !== 0 && ending === undefined;
      // Meanwhile other entries run, and transactions end.
      if (!isSameTurn) await (ending ?? this.#host.ctx.storage.sync());
    }
    return n;
  }

  async #runUser(due: UserAlarm, stepsBack: boolean): Promise<void> {
    let user: UserAlarm | undefined = due;
    if (stepsBack) {
      this.#retry(due, STOPPED);
      await this.#host.ctx.storage.sync();
      user = this.#user;
      if (user === undefined) return;
    }
    const { retries = 0, time = user.at } = user;
    this.#running = user;
    try {
      const info = { scheduledTime: time, retryCount: retries, isRetry: retries > 0 };
      await this.#handler()?.call(this.#host.object, info);
      this.#replace(user, undefined);
    } catch (error) {
      this.#retry(user, error);
    } finally {
      this.#running = undefined;
    }
  }

  /** As the platform does it. */
  #retry(user: UserAlarm, error: unknown): void {
    const { retries = 0, time = user.at, nth } = user;
    const isLast = retries >= RETRIES;
    console.error(`durable-base: ${this.#className}.alarm failed${isLast ? " for the last time" : ""}.`, error);
    const at = Date.now() + DELAY * 2 ** retries;
    this.#replace(user, isLast ? undefined : { at, time, retries: retries + 1, nth });
  }

  /** Unless it has been deleted, or another set, meanwhile. */
  #replace({ nth }: UserAlarm, user: UserAlarm | undefined): void {
    if (this.#user?.nth === nth) this.#user = user;
  }
}

function withoutHandler(className: string): DurableError {
  return new DurableError(
    "no-alarm-handler",
    `${className}: setAlarm() needs an alarm() method in the class. Write \`alarm() { … }\`, or run a method later: \`this.#jobs.schedule(60_000, this.method)\`.`,
  );
}
