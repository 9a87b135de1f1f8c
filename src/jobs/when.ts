/**
 * @module
 * When a job runs: a time, a delay, or again and again.
 */
import { LATEST_ALARM } from "../core/alarm.ts";
import { DurableError, quote } from "../core/errors.ts";

/** The shortest interval, in milliseconds. */
const SHORTEST = 1_000;

/**
 * A cron expression and its time zone, as {@link cron} gives it.
 *
 * @example
 * ```ts
 * const workdays: Cron = cron("0 9 * * 1-5", { timeZone: "Europe/Berlin" });
 * ```
 */
export interface Cron {
  /** The expression. */
  readonly cron: string;
  /** The IANA name of its time zone. */
  readonly timeZone: string;
  /** The first time after `after`, both in milliseconds since 1970; undefined when there is none. */
  next(after: number): number | undefined;
}

/**
 * An interval: a run every so many milliseconds, from 1,000 on, counted from the scheduled time and not from the run.
 *
 * @example
 * ```ts
 * const hourly: Every = { every: 3_600_000 };
 * ```
 */
export interface Every {
  readonly every: number;
}

/** A series of times. */
export type Recurrence = Every | Cron;

/**
 * When a job runs: a `Date`; a number, which is a delay in milliseconds; `{ every: milliseconds }`, first after that
 * time; or {@link cron}. A time that has passed means now.
 *
 * @example
 * ```ts
 * const inAMinute: When = 60_000;
 * ```
 */
export type When = Date | number | Recurrence;

/** A recurrence as it is stored. */
export type StoredRecurrence = Every | Pick<Cron, "cron" | "timeZone">;

/** Returns true for a recurrence. */
export function isRecurring(when: unknown): when is Recurrence {
  return typeof when === "object" && when !== null && ("every" in when || "cron" in when);
}

/**
 * When a job that is scheduled at `now` first runs, in whole milliseconds; never early. `label` begins the message.
 *
 * @throws DurableError `bad-time`, and `bad-cron` for an expression that gives no more time.
 */
export function firstOf(when: When, now: number, label: string): number {
  if (isRecurring(when)) {
    checkRecurrence(when, label);
    const first = "every" in when ? now + when.every : when.next(now);
    if (first !== undefined && first <= LATEST_ALARM) return first;
    throw new DurableError(
      "every" in when ? "bad-time" : "bad-cron",
      `${label}: it would never run before the year 2262. Pass a recurrence that has a next time: \`{ every: 3_600_000 }\`.`,
    );
  }
  const time = when instanceof Date ? when.getTime() : typeof when === "number" ? now + when : NaN;
  if (time <= LATEST_ALARM && time !== -Infinity) return Math.max(Math.ceil(time), now);
  throw new DurableError(
    "bad-time",
    `${label}: ${quote(when instanceof Date && Number.isNaN(time) ? "Invalid Date" : when)} isn't a time before the year 2262. Pass a \`Date\`, a delay in milliseconds, \`{ every: 60_000 }\` or \`cron("0 9 * * *")\`.`,
  );
}

/** @throws DurableError `bad-time` for an interval that cannot work, `bad-cron` for what `cron()` did not read. */
export function checkRecurrence(when: Recurrence, label: string): void {
  if ("cron" in when) {
    if (typeof when.next === "function") return;
    throw new DurableError(
      "bad-cron",
      `${label}: a cron expression has to be made with \`cron\`. Write \`cron(${quote(when.cron)})\`, with \`import { cron } from "durable-base/jobs"\`.`,
    );
  }
  const { every } = when;
  if (Number.isInteger(every) && every >= SHORTEST && every <= LATEST_ALARM) return;
  throw new DurableError(
    "bad-time",
    `${label}: every ${quote(every)} milliseconds cannot work: an interval is a whole number from ${SHORTEST} on, since each run costs rows. Write \`{ every: 60_000 }\`, and \`setInterval\` for less than a second.`,
  );
}

/** The next time after one of `when`'s own times; undefined when there is none. */
export function following(when: Recurrence, time: number): number | undefined {
  return within("every" in when ? time + when.every : when.next(time));
}

/** The first time after `now`, where `time` is one of `when`'s own times; undefined when there is none. */
export function upcoming(when: Recurrence, time: number, now: number): number | undefined {
  if (!("every" in when)) return within(when.next(now));
  return within(time + when.every * (Math.floor((now - time) / when.every) + 1));
}

function within(time: number | undefined): number | undefined {
  return time === undefined || time > LATEST_ALARM ? undefined : time;
}

/** The part of a recurrence that is stored. */
export function stored(when: Recurrence): StoredRecurrence {
  return "every" in when ? { every: when.every } : { cron: when.cron, timeZone: when.timeZone };
}

let readCron: ((text: string, timeZone: string) => Cron) | undefined;

/** Says what reads cron expressions; `cron.ts` does, so that a class without them does not bring it. */
export function readCronBy(read: (text: string, timeZone: string) => Cron): void {
  readCron = read;
}

/** The recurrence that was stored; throws when the code of cron expressions is not there any more. */
export function revive(when: StoredRecurrence): Recurrence {
  if ("every" in when) return when;
  if (readCron !== undefined) return readCron(when.cron, when.timeZone);
  throw new Error("The code that reads cron expressions is missing: import `cron` from durable-base/jobs.");
}
