/**
 * @module
 * The options of jobs, and what they are by default.
 */
import { DurableError, quote } from "../core/errors.ts";
import { flawOf } from "../storage/kv/keys.ts";

/** The most bytes the id of a job may have. */
const MAX_ID = 1_024;

/** The longest that one try of a job may take, in milliseconds: with a minute to begin in, less than an alarm's 15. */
const LONGEST_TRY = 780_000;

/**
 * How a job that fails is tried again. Before the n-th repeat it waits a random time of up to `baseDelay × 2ⁿ⁻¹`, at
 * most `maxDelay`, both in milliseconds.
 *
 * @example
 * ```ts
 * const often: JobRetry = { maxAttempts: 50, maxDelay: 60_000 };
 * ```
 */
export interface JobRetry {
  /** Tries in all, from 1; 10 by default. */
  readonly maxAttempts?: number;
  /** 2,000 by default. */
  readonly baseDelay?: number;
  /** 3,600,000 by default: an hour. */
  readonly maxDelay?: number;
}

/**
 * Options of every job, including one of {@link Scheduled}.
 *
 * @example
 * ```ts
 * const options: JobOptions = { missed: "skip", timeout: 60_000 };
 * ```
 */
export interface JobOptions {
  /** How often and when a job that fails is tried again. */
  readonly retry?: JobRetry;
  /** How long a try may take, in milliseconds, before it counts as failed: at most 780,000; 300,000 by default. */
  readonly timeout?: number;
  /**
   * What becomes of the runs of a recurring job that were missed. `"once"`, the default: one run for all of them;
   * `"all"`: one for each, in order; `"skip"`: none, where a run is missed once it is a minute late, or its interval.
   */
  readonly missed?: "all" | "once" | "skip";
}

/**
 * Options of `schedule`.
 *
 * @example
 * ```ts
 * this.#jobs.schedule(60_000, this.expire, undefined, { id: "expire", replace: true });
 * ```
 */
export interface ScheduleOptions extends JobOptions {
  /**
   * The job's id, for at most one job at a time; without it, one is made up. While a job of this id waits, scheduling
   * another changes nothing: pass `replace` to put the new one in its place.
   */
  readonly id?: string;
  /** True puts the job in the place of the one that has its id. */
  readonly replace?: boolean;
}

const DEFAULTS = { maxAttempts: 10, baseDelay: 2_000, maxDelay: 3_600_000 };

/** @throws DurableError `bad-option`, `bad-key`. */
export function checkOptions({ id, retry, timeout, missed }: ScheduleOptions, label: string): void {
  const flaw =
    id === undefined ? undefined : (flawOf(id, MAX_ID) ?? (id.startsWith("@") ? "begins with @" : undefined));
  if (flaw !== undefined) {
    throw new DurableError(
      "bad-key",
      `${label}: the id ${flaw}. Pass a non-empty string of at most ${MAX_ID} bytes: \`{ id: "expire" }\`.`,
    );
  }
  const wrong = (name: string, value: unknown, fix: string): never => {
    throw new DurableError("bad-option", `${label}: ${name} cannot be ${quote(value)}. Write \`${fix}\`.`);
  };
  if (retry !== undefined && (typeof retry !== "object" || retry === null))
    wrong("retry", retry, "{ retry: { maxAttempts: 3 } }");
  const { maxAttempts, baseDelay, maxDelay } = { ...DEFAULTS, ...retry };
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1)
    wrong("maxAttempts", maxAttempts, "{ retry: { maxAttempts: 3 } }");
  if (!isDelay(baseDelay)) wrong("baseDelay", baseDelay, "{ retry: { baseDelay: 2_000 } }");
  if (!isDelay(maxDelay)) wrong("maxDelay", maxDelay, "{ retry: { maxDelay: 3_600_000 } }");
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 1 && timeout <= LONGEST_TRY))
    wrong("timeout", timeout, "{ timeout: 60_000 }");
  if (missed !== undefined && !["all", "once", "skip"].includes(missed)) wrong("missed", missed, '{ missed: "once" }');
}

/** The retry as it is stored, which is JSON: the object that the user passed may have more members, of any kind. */
export function storableRetry({ maxAttempts, baseDelay, maxDelay }: JobRetry): JobRetry {
  return { maxAttempts, baseDelay, maxDelay } as JobRetry;
}

/** Up to a year. */
function isDelay(ms: unknown): boolean {
  return typeof ms === "number" && ms >= 0 && ms <= 31_536_000_000;
}

/** How many milliseconds to wait after so many failures; undefined when that was the last try. */
export function delayAfter(failures: number, retry: JobRetry | undefined): number | undefined {
  const { maxAttempts, baseDelay, maxDelay } = { ...DEFAULTS, ...retry };
  return failures < maxAttempts ? jittered(failures, baseDelay, maxDelay) : undefined;
}

/** A random time of up to twice as long after each failure, so that what failed together is not tried together. */
function jittered(failures: number, base: number, most: number): number {
  // From 2 ** 1024 on the power is infinite, and with a base of 0 the product is no number.
  return Math.ceil(Math.random() * Math.min(most, base * 2 ** Math.min(failures - 1, 1_000)));
}
