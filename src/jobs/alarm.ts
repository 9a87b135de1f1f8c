/**
 * @module
 * The one native alarm of an object, shared by its jobs and by the user's own alarm.
 *
 * Without jobs the native alarm is the user's. While there are any, it is set to what comes first, and the user's time
 * stands in the agenda. Which of the two holds is told by the rows alone, so that it follows every rollback.
 */
import { DurableError } from "../errors.ts";
import { methodOf, replaceOn, stateOf } from "../storage/storage-state.ts";
import { firstTurn, type JobRows, type UserAlarm } from "./rows.ts";
import { LATEST } from "./when.ts";

/** The platform's own, as it was before {@link Alarm} took its place. */
interface Native {
  get(options?: DurableObjectGetAlarmOptions): Promise<number | null>;
  set(time: number | Date, options?: DurableObjectSetAlarmOptions): Promise<void>;
  delete(options?: DurableObjectSetAlarmOptions): Promise<void>;
}

/** The alarm of one object. */
export class Alarm {
  readonly #ctx: DurableObjectState;
  readonly #jobs: JobRows;
  readonly #native: Native;
  /** Whether the native alarm was ours when the stretch of changes that is not settled yet began. */
  #wasOurs: boolean | undefined;
  /** Of the user's alarm, as far as the platform has to be asked again. */
  #changes = 0;
  /** The user's alarm that is running, which is set no more. */
  running: UserAlarm | undefined;
  /** True while an alarm runs: what it changes is settled at its end. */
  isHeld = false;

  /** Restores the storage's own functions. */
  readonly leave: () => void;

  /** Replaces the storage's alarm functions; without `handler`, `setAlarm` is refused. */
  constructor(ctx: DurableObjectState, jobs: JobRows, className: string, handler: () => unknown) {
    this.#ctx = ctx;
    this.#jobs = jobs;
    const { storage } = stateOf(ctx.storage);
    const native: Native = {
      get: methodOf(storage, "getAlarm"),
      set: methodOf(storage, "setAlarm"),
      delete: methodOf(storage, "deleteAlarm"),
    };
    this.#native = native;
    const before = {
      deleteAll: methodOf(storage, "deleteAll"),
      transaction: methodOf(storage, "transaction"),
      transactionSync: methodOf(storage, "transactionSync"),
    };

    const getAlarm: DurableObjectStorage["getAlarm"] = async (options) => {
      if (!this.isOurs) return await native.get(options);
      const { user } = jobs.agenda();
      return user === undefined || user.nth === this.running?.nth ? null : user.at;
    };
    const setAlarm: DurableObjectStorage["setAlarm"] = async (time, options) => {
      if (handler() === undefined) throw withoutHandler(className);
      const at = Math.floor(Math.max(Number(time), Date.now()));
      this.#changes++;
      // What the platform would refuse, it refuses itself.
      if (!this.isOurs || !(Number(time) > 0 && at <= LATEST)) return await native.set(time, options);
      this.touch();
      const agenda = jobs.agenda();
      // Another than that of the one that runs, also when that was deleted before.
      const nth = (agenda.user?.nth ?? this.running?.nth ?? 0) + 1;
      jobs.setAgenda({ ...agenda, user: { at, nth } });
    };
    const deleteAlarm: DurableObjectStorage["deleteAlarm"] = async (options) => {
      this.#changes++;
      if (!this.isOurs) {
        // The handler that runs does without another try.
        this.running = undefined;
        return await native.delete(options);
      }
      this.touch();
      jobs.setAgenda({ ...jobs.agenda(), user: undefined });
    };
    const deleteAll: DurableObjectStorage["deleteAll"] = (options) => {
      jobs.changes++;
      const deleted = before.deleteAll(options);
      jobs.forget();
      return deleted;
    };
    const transaction = async <T>(work: (transaction: DurableObjectTransaction) => Promise<T>): Promise<T> => {
      try {
        return await before.transaction((txn) => {
          Object.assign(txn, { getAlarm, setAlarm, deleteAlarm });
          const rollback = txn.rollback.bind(txn);
          txn.rollback = () => {
            rollback();
            jobs.forget();
            // Restores whose alarm it is, too.
            if (this.#wasOurs !== undefined) this.#wasOurs = jobs.exist();
          };
          return work(txn);
        });
      } catch (error) {
        jobs.forget();
        throw error;
      }
    };
    const transactionSync = <T>(work: () => T): T => {
      try {
        return before.transactionSync(work);
      } catch (error) {
        jobs.forget();
        throw error;
      }
    };
    this.leave = replaceOn(storage, { getAlarm, setAlarm, deleteAlarm, deleteAll, transaction, transactionSync });
  }

  /** Deletes the native alarm, the library's or the user's. */
  async delete(): Promise<void> {
    await this.#native.delete();
  }

  /** True while the native alarm stands for jobs, and the user's in the agenda. */
  get isOurs(): boolean {
    return this.#wasOurs ?? this.#jobs.exist();
  }

  /** True while a change is not settled yet. */
  get isTouched(): boolean {
    return this.#wasOurs !== undefined;
  }

  /** Called before a change of what waits: the native alarm follows at the end of the stretch. */
  touch(): void {
    if (this.#wasOurs !== undefined) return;
    this.#wasOurs = this.#jobs.exist();
    if (!this.isHeld) void Promise.resolve().then(() => this.settle().catch((error: unknown) => this.#abort(error)));
  }

  /** Resets the object: no caller is waiting any more, and without an alarm its jobs would never run. */
  #abort(error: unknown): void {
    console.error("durable-base: the alarm for this object's jobs could not be set, so the object resets.", error);
    this.#ctx.abort("durable-base: the alarm for this object's jobs could not be set.");
  }

  /** Sets the native alarm to what comes first, if it is not. */
  async settle(): Promise<void> {
    let native: number | null;
    let changes: number;
    do {
      changes = this.#changes;
      // Answered in a microtask, so that the rows and the alarm are committed together.
      native = await this.#native.get();
    } while (changes !== this.#changes);
    const wasOurs = this.#wasOurs;
    this.#wasOurs = undefined;
    let agenda = this.#jobs.agenda();
    const next = Math.min(this.#jobs.next(), firstTurn(agenda)?.at ?? Infinity);
    if (next === Infinity) {
      if (wasOurs !== true) return;
      // The native alarm is the user's again.
      const at = agenda.user?.at;
      if (at !== undefined) this.#jobs.setAgenda({ ...agenda, user: undefined });
      // A damaged row is left, which still tells that the alarm is ours.
      if (at !== undefined && this.#jobs.exist()) this.#jobs.setAgenda(agenda);
      await this.#set(at, native);
      return;
    }
    // Up to now the native alarm was the user's, also the one that runs, which a stop of the object would bring again.
    const user = wasOurs !== false ? undefined : native === null ? this.running : { at: native, nth: 1 };
    if (user !== undefined) {
      agenda = { ...agenda, user };
      this.#jobs.setAgenda(agenda);
    }
    const at = Math.min(next, agenda.user?.at ?? next);
    const now = Date.now();
    // An overdue alarm fires at once, so its exact time may stay: one row less. Only while the alarm is ours: the user may
    // ask for the time of their own.
    if (native !== null && native <= now && at <= now) return;
    await this.#set(at, native);
  }

  /** Tries again after `delay` milliseconds, when the object could not start. */
  async postpone(delay: number): Promise<void> {
    this.#wasOurs = undefined;
    await this.#native.set(Date.now() + delay);
  }

  async #set(at: number | undefined, native: number | null): Promise<void> {
    if (at === undefined) {
      if (native !== null) await this.#native.delete();
      return;
    }
    if (native !== at) await this.#native.set(Math.max(at, 1));
  }
}

function withoutHandler(className: string): DurableError {
  return new DurableError(
    "no-alarm-handler",
    `${className}: setAlarm() needs an alarm() method in the class. Write \`alarm() { … }\`, or run a method later: \`this.#jobs.schedule(60_000, this.method)\`.`,
  );
}
