/**
 * @module
 * Helpers for tests of Durable Objects under `@cloudflare/vitest-plugin`: put an object out of memory, crash it, move its
 * clock, count its rows.
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
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";
import { renewedBehind } from "../snapshot.ts";
import { meterOf, type Meter } from "./meter.ts";

/** An object as a test holds it: a handle, or a native stub. */
interface Target {
  readonly id: DurableObjectId;
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

/** An object as the platform calls it. */
interface Alarmed {
  alarm(info: AlarmInvocationInfo): unknown;
}

/** How many alarms {@link advanceTo} and {@link runDue} run before they take it for a loop. */
const MOST_ALARMS = 10_000;

/**
 * Puts an object out of memory, as the platform does with an idle one: its next call finds it as it is stored. Waits
 * for the calls that are under way; hibernating WebSockets stay.
 *
 * @example
 * ```ts
 * await counter.increment({ by: 2 });
 * await evict(counter);
 * expect(await counter.current()).toBe(2);
 * ```
 */
export async function evict(object: Target): Promise<void> {
  // One that is not in memory cannot be put out of it, says the platform.
  await within(object, () => {});
  await evictDurableObject(stubOf(object));
}

/**
 * Resets an object as a crash or a deploy does: what is in memory and not yet written is gone, calls that are under way
 * fail with `durableObjectReset`, and so does every later one by the same native stub. A handle goes on.
 *
 * @example
 * ```ts
 * const call = order.submit();
 * await crash(order);
 * await expect(call).rejects.toMatchObject({ durableObjectReset: true });
 * ```
 */
export async function crash(object: Target): Promise<void> {
  const reason = "durable-base/testing: crash";
  try {
    await within(object, (ctx) => ctx.abort(reason));
  } catch (error) {
    if (!(error instanceof Error) || error.message !== reason) throw error;
  }
  renewedBehind(object);
}

/**
 * Runs the alarm of an object, and with it the jobs that are due, until nothing is due any more; tells how often it ran.
 *
 * @example
 * ```ts
 * await order.remindLater();   // this.schedule(0, this.remind)
 * await runDue(order);
 * ```
 */
export async function runDue(object: Target): Promise<number> {
  return await runUntil(object, () => Date.now());
}

/**
 * Lets the time pass until `time`, a Date or milliseconds since 1970, and runs the object's alarm, and with it its jobs, each
 * at the time it is set to; tells how often the alarm ran.
 *
 * It moves `Date` alone, by `vi.setSystemTime`, for everything in the test: call `vi.useRealTimers()` after it. Timers are not
 * moved.
 *
 * @throws RangeError when `time` is no time, or has passed.
 *
 * @example
 * ```ts
 * afterEach(() => void vi.useRealTimers());
 *
 * await order.submit();                                     // this.schedule({ every: 3_600_000 }, this.remind)
 * await advanceTo(order, Date.now() + 3 * 3_600_000);
 * expect(await order.reminders()).toBe(3);
 * ```
 */
export async function advanceTo(object: Target, time: Date | number): Promise<number> {
  const end = Number(time);
  if (!(end >= Date.now())) {
    throw new RangeError(`advanceTo: ${String(time)} is no time to come. Pass \`Date.now() + milliseconds\`.`);
  }
  const ran = await runUntil(object, (next) => {
    if (next <= end && next > Date.now()) vi.setSystemTime(next);
    return end;
  });
  vi.setSystemTime(end);
  return ran;
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
    throw new Error("rows: the object was put out of memory while it was counted. Evict or crash it before.");
  return { result, read: after.read - before.read, written: after.written - before.written };
}

function counted(ctx: DurableObjectState): { meter: Meter; read: number; written: number } {
  const meter = meterOf(ctx.storage);
  return { meter, ...meter.rows };
}

/** Runs the alarm as long as it is set to a time up to what `until` gives for that time. */
async function runUntil(object: Target, until: (next: number) => number): Promise<number> {
  for (let ran = 0; ran < MOST_ALARMS; ran++) {
    if (!(await runNext(object, until))) return ran;
  }
  throw new Error(
    `durable-base/testing: ${MOST_ALARMS} alarms ran and more are due. Does a job schedule itself at once?`,
  );
}

/** Runs the alarm, if it is set to a time up to what `until` gives for that time; tells whether. */
async function runNext(object: Target, until: (next: number) => number): Promise<boolean> {
  return await within(object, async ({ storage }, self) => {
    // Of the platform itself: the object's own functions are about its user's alarm, and not about its jobs.
    const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
    const next = await native.getAlarm.call(storage);
    if (next === null || next > until(next)) return false;
    await native.deleteAlarm.call(storage);
    await self.alarm({ scheduledTime: next, retryCount: 0, isRetry: false });
    return true;
  });
}

async function within<Result>(
  object: Target,
  work: (ctx: DurableObjectState, self: Alarmed) => Result,
): Promise<Awaited<Result>> {
  return await runInDurableObject(stubOf(object), async (self, ctx) => await work(ctx, self as unknown as Alarmed));
}

/** A handle's own native stub may be that of an object that crashed. */
function stubOf(object: Target): DurableObjectStub {
  return (renewedBehind(object) ?? object) as DurableObjectStub;
}
