/**
 * @module
 * Helpers for tests of Durable Objects under `@cloudflare/vitest-plugin`: evict an object, crash it, advance its clock,
 * count its rows and wake-ups, connect to its sockets.
 *
 * @example
 * ```ts
 * import { advanceTo, evict, rows } from "durable-base/testing";
 *
 * const counter = Counter.from(env.COUNTER).byName("alice");
 * const { written } = await rows(counter, () => counter.increment({ by: 1 }));
 * await evict(counter);
 * await advanceTo(counter, Date.now() + 60_000);
 * ```
 */
import { evictDurableObject } from "cloudflare:test";
import { vi } from "vitest";
import type { Alarm } from "../core/alarm.ts";
import { lifeOf, type Life } from "../core/instance.ts";
import { isDestroyed } from "../core/destroy-reason.ts";
import { renewedBehind } from "../core/values/snapshot.ts";
import { alarmsOf, hold } from "./alarms.ts";
import { meterOf, type Meter } from "./meter.ts";
import { stubOf, within, type Target } from "./target.ts";

export { connect, UpgradeRefused, type ConnectionEnd, type ConnectOptions, type SocketClient } from "./connect.ts";
export { wakeUps } from "./wake-ups.ts";

/** An object as the platform calls it. */
interface Alarmed {
  alarm?(info: AlarmInvocationInfo): unknown;
}

/** How many runs {@link advanceTo} and {@link runDue} take for a loop: at one time of the clock, and of alarms in all. */
const MOST_AT_ONCE = 3_000;
const MOST_ALARMS = 100_000;

/** For how many runs an alarm counts at least: it costs more than a job, which runs with others. */
const ALARM = 3;

/** How the platform tries a failed alarm again. */
const ALARM_RETRIES = 6;
const ALARM_DELAY = 2_000;

/**
 * Evicts an object, as the platform does with an idle one: its next call or message finds it as it is stored. Hibernating
 * WebSockets stay open; {@link crash} ends them.
 *
 * Waits for calls under way, and until results that hold functions or RpcTargets are disposed, bodies of responses are
 * read and WebSockets that don't hibernate are closed: they keep an object in memory.
 *
 * @throws Error when the platform gives up waiting, after 30 seconds.
 *
 * @example
 * ```ts
 * await counter.increment({ by: 2 });
 * await evict(counter);
 * expect(await counter.current()).toBe(2);
 * ```
 */
export async function evict(object: Target): Promise<void> {
  // The platform refuses to evict what is not in memory.
  await within(object, () => {});
  try {
    await evictDurableObject(stubOf(object));
  } catch (cause) {
    throw new Error(
      "evict: the object is still in use, by a call under way, a result that isn't disposed or a WebSocket that doesn't hibernate. Write `using result = await order.report()` for a result that holds functions or RpcTargets, read the body of each response, and accept sockets by `ctx.acceptWebSocket`; or reset the object: `await crash(order)`.",
      { cause },
    );
  }
}

let crashes = 0;

/**
 * Resets an object, as a crash or a deploy does: what is in memory and not yet written is lost, its WebSockets end with
 * code 1006, and calls under way fail with `durableObjectReset`. A handle goes on; a native stub fails in every later call, as after any reset.
 *
 * A call that is to fail needs its `catch` before the crash, or vitest reports an unhandled rejection.
 *
 * @example
 * ```ts
 * const failure = order.charge().catch((error: unknown) => error);   // still waits for the bank
 * await crash(order);
 * expect(await failure).toMatchObject({ durableObjectReset: true });
 * ```
 */
export async function crash(object: Target): Promise<void> {
  // Another one each time: a stub that an earlier crash has broken repeats that one's.
  const reason = `durable-base/testing: crash ${++crashes}`;
  try {
    await within(object, (ctx) => ctx.abort(reason));
  } catch (error) {
    if (!(error instanceof Error) || error.message !== reason) throw error;
  }
  renewedBehind(object);
}

/**
 * Runs the alarm of an object, and with it its jobs, until nothing is due any more. Returns how many alarms ran.
 *
 * An alarm that the platform has begun by itself is waited for, and not counted.
 *
 * @throws Error after 3,000 jobs or 1,000 alarms, when one schedules itself at once; what `alarm()` throws, and the reset of
 * an object that its job crashes. Such an alarm comes again after 2, 4, 8 … seconds, six times, as on the platform.
 *
 * @example
 * ```ts
 * await order.remindLater();   // this.#jobs.schedule(0, this.remind)
 * await runDue(order);
 * ```
 */
export async function runDue(object: Target): Promise<number> {
  return await runUntil(object, "runDue", () => Date.now());
}

/**
 * Moves the clock to `time`, a Date or milliseconds since 1970, and runs the object's alarm, and with it its jobs, each at its
 * own time on the way. Returns how many alarms ran.
 *
 * It moves only `Date`, by `vi.setSystemTime`, for everything in the test: call `vi.useRealTimers()` after it. Timers
 * don't move. While `Date` is mocked, by this or by yourself, and to whatever date, no alarm comes by itself.
 *
 * @throws RangeError when `time` isn't a time or has passed. Error after 3,000 jobs or 1,000 alarms at one time, or 100,000 alarms in all, and
 * the errors of {@link runDue}.
 *
 * @example
 * ```ts
 * afterEach(() => void vi.useRealTimers());
 *
 * await order.submit();                                     // this.#jobs.schedule({ every: 3_600_000 }, this.remind)
 * await advanceTo(order, Date.now() + 3 * 3_600_000);
 * expect(await order.reminders()).toBe(3);
 * ```
 */
export async function advanceTo(object: Target, time: Date | number): Promise<number> {
  const end = Number(time);
  const now = Date.now();
  if (!(end >= now)) {
    throw new RangeError(
      `advanceTo: ${String(time)} isn't a time to come. Pass a time from now on: \`Date.now() + milliseconds\`.`,
    );
  }
  moveTo(now);
  await within(object, ({ storage }) => hold(storage));
  const ran = await runUntil(object, "advanceTo", (next) => {
    if (next <= end && next > Date.now()) moveTo(next);
    return end;
  });
  moveTo(end);
  return ran;
}

function moveTo(time: number): void {
  vi.setSystemTime(time);
  if (Date.now() < Math.floor(time)) {
    throw new Error(
      'advanceTo: `Date` doesn\'t follow `vi.setSystemTime`. Fake it as well: `vi.useFakeTimers({ toFake: ["Date", …] })`.',
    );
  }
}

/**
 * What {@link rows} gives.
 *
 * @example
 * ```ts
 * const { read, written }: Rows<number> = await rows(counter, () => counter.current());
 * ```
 */
export interface Rows<Result = unknown> {
  /** What `work` gave. */
  readonly result: Result;
  /** Rows read. */
  readonly read: number;
  /** Rows written, as they are billed: those removed too, and one for each time that an alarm is set. */
  readonly written: number;
}

/**
 * Counts the rows that an object reads and writes while `work` runs, by whatever means: fields, `Storage`, SQL,
 * `ctx.storage`.
 *
 * The object is woken before, and its constructor is not counted.
 *
 * @example
 * ```ts
 * const { written } = await rows(counter, () => counter.increment({ by: 1 }));
 * expect(written).toBe(1);
 * ```
 */
export async function rows<Result>(object: Target, work: () => Promise<Result> | Result): Promise<Rows<Result>> {
  const before = await within(object, counted);
  const result = await work();
  const after = await within(object, counted);
  if (after.meter !== before.meter)
    throw new Error(
      "rows: the object was evicted or reset while its rows were counted. Do that before: `await evict(order)`.",
    );
  return { result, read: after.read - before.read, written: after.written - before.written };
}

function counted(ctx: DurableObjectState): { meter: Meter; read: number; written: number } {
  const meter = meterOf(ctx.storage);
  return { meter, ...meter.rows };
}

/** Runs the alarm as long as it is set to a time up to what `until` returns for that time. */
async function runUntil(object: Target, label: string, until: (next: number) => number): Promise<number> {
  const clock = (): number | undefined => vi.getMockedSystemTime()?.getTime();
  let time = clock();
  let runs = 0;
  for (let ran = 0; ran < MOST_ALARMS && runs < MOST_AT_ONCE; ran++) {
    const begun = await runNext(object, label, until);
    if (begun === undefined) return ran;
    runs = (clock() === time ? runs : 0) + Math.max(begun, ALARM);
    time = clock();
  }
  throw new Error(
    runs < MOST_AT_ONCE
      ? `${label}: ${MOST_ALARMS} alarms ran, and more are due. Advance by less at a time.`
      : `${label}: thousands of jobs, or a thousand alarms, ran at one time, and more are due. Does one schedule itself at once? Give it a delay: \`this.#jobs.schedule(1_000, this.poll)\`.`,
  );
}

/** By object, how often its alarm has failed in a row. */
const failures = new Map<string, number>();

/** Runs the alarm, if it is set to a time up to what `until` returns for that time. Returns how many runs it began. */
async function runNext(object: Target, label: string, until: (next: number) => number): Promise<number | undefined> {
  const id = String(object.id);
  let hasBegun = false;
  try {
    return await within(object, async ({ storage }, self: Alarmed) => {
      // One that the platform has begun sets the next only at its end.
      const shared = (lifeOf(self) as Life | undefined)?.parts?.get("alarm") as Alarm | undefined;
      await shared?.firing?.catch(() => {});
      // Of the platform itself: the object's own functions are about its user's alarm, and not about its jobs.
      const alarms = alarmsOf(storage);
      const next = await alarms.getAlarm();
      if (next === null || next > until(next)) return undefined;
      if (self.alarm === undefined) {
        throw new Error(
          `${label}: ${self.constructor.name} has set an alarm and has no alarm(), which the platform refuses. Write \`alarm() { … }\` in the class.`,
        );
      }
      await alarms.deleteAlarm();
      const retryCount = failures.get(id) ?? 0;
      hasBegun = true;
      const begun = await self.alarm({ scheduledTime: next, retryCount, isRetry: retryCount > 0 });
      failures.delete(id);
      return shared === undefined || typeof begun !== "number" ? 1 : begun;
    });
  } catch (error) {
    if (!hasBegun) throw error;
    if (!isDestroyed(error, object.id)) {
      await within(object, ({ storage }) => bringAgain(storage, id));
      throw error;
    }
    failures.delete(id);
    return 1;
  }
}

/** Sets an alarm that failed again, as the platform does, unless another is set. */
async function bringAgain(storage: DurableObjectStorage, id: string): Promise<void> {
  const count = failures.get(id) ?? 0;
  const alarms = alarmsOf(storage);
  failures.delete(id);
  if (count === ALARM_RETRIES || (await alarms.getAlarm()) !== null) return;
  failures.set(id, count + 1);
  await alarms.setAlarm(Date.now() + ALARM_DELAY * 2 ** count);
}
