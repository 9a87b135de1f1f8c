/**
 * @module
 * Cron expressions, read by croner: the one file that imports it.
 */
import { Cron as Croner } from "croner";
import { DurableError, quote } from "../core/errors.ts";
import { readCronBy, type Cron } from "./when.ts";

/**
 * Options of {@link cron}.
 *
 * @example
 * ```ts
 * const options: CronOptions = { timeZone: "Europe/Berlin" };
 * ```
 */
export interface CronOptions {
  /** The IANA name of the time zone in which the expression is read, daylight saving included; UTC by default. */
  readonly timeZone?: string;
}

/**
 * A cron expression, for `schedule` and `@Scheduled`: minute, hour, day, month, weekday, with seconds before them
 * if there are six fields. Also names (`MON`), `L`, `W`, `#` and nicknames such as `@daily`, as croner reads them.
 *
 * A time of one hour and minute that daylight saving leaves out runs right after the gap, and one that comes twice
 * runs once; an expression with several (`*`, lists, steps) leaves out the first and runs at both of the second.
 *
 * @throws DurableError `bad-cron` for an expression or zone that cannot be read, or one that never comes.
 *
 * @example
 * ```ts
 * this.#jobs.schedule(cron("0 9 * * 1-5", { timeZone: "Europe/Berlin" }), this.remind);
 * ```
 */
export function cron(text: string, { timeZone = "UTC" }: CronOptions = {}): Cron {
  let reader: Croner;
  let isEver: boolean;
  try {
    // Croner takes a missing zone for the machine's own.
    if (typeof text !== "string" || typeof timeZone !== "string" || timeZone === "")
      throw new TypeError("the expression and its time zone are texts");
    reader = new Croner(text, { timezone: timeZone, paused: true });
    isEver = reader.getOnce() === null && reader.nextRun(new Date(0)) !== null;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DurableError(
      "bad-cron",
      `cron(${quote(text)}, { timeZone: ${quote(timeZone)} }): ${why.slice(0, 200)}. Write \`cron("0 9 * * 1-5", { timeZone: "Europe/Berlin" })\`.`,
      { cause },
    );
  }
  if (!isEver) {
    throw new DurableError(
      "bad-cron",
      `cron(${quote(text)}): no day is like that again and again. For one time, pass a Date: \`this.#jobs.schedule(new Date(…), this.method)\`.`,
    );
  }
  return {
    cron: text,
    timeZone,
    next: (after) => reader.nextRun(new Date(after))?.getTime(),
  };
}

readCronBy((text, timeZone) => cron(text, { timeZone }));
