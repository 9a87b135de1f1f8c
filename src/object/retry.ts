/**
 * @module
 * Repeating calls on platforms that don't do it themselves: only of methods that are safe to run more than once.
 */
import { platformRetryable } from "../core/platform.ts";

/**
 * How often, and for how long, a call is repeated, by the platform or by the handle.
 *
 * @example
 * ```ts
 * const retry: RetryOptions = { maxRetries: 3, timeoutMs: 5_000, signal: request.signal };
 * ```
 */
export interface RetryOptions {
  /** The most retries of a call, 0 to 10; 4 by default. */
  readonly maxRetries?: number;
  /** The time in which a call is retried, in milliseconds since it was first made, 500 to 60,000; 10,000 by default. */
  readonly timeoutMs?: number;
  /**
   * Ends the library's own retries: a call that would be retried, or waits for a retry, rejects with the signal's reason.
   * The platform's own retries ignore the signal.
   */
  readonly signal?: AbortSignal;
}

/** The longest first wait between two tries, in milliseconds; it doubles with each. */
const FIRST_WAIT = 100;

/** The longest wait of all, in milliseconds. */
const LONGEST_WAIT = 2_000;

/** Decides which calls of a handle are retried, and retries them. */
export class Repeater {
  readonly #methods: ReadonlySet<string>;
  readonly #options: RetryOptions;
  readonly #platform: () => Promise<unknown>;

  /** `platform` returns the platform's own `retryable`, if it exists: then nothing is retried here. */
  constructor(
    methods: Iterable<string>,
    options: RetryOptions = {},
    platform: () => Promise<unknown> = platformRetryable,
  ) {
    this.#methods = new Set(methods);
    this.#options = options;
    this.#platform = platform;
  }

  /** Returns true if a method is marked as safe to run more than once. */
  covers(method: string | undefined): boolean {
    return this.#methods.has(method!);
  }

  /**
   * What becomes of a call that was made at the time `began` and failed with `error`: the outcome of `call`, which
   * makes it again, after a while and as often as needed, or that error.
   */
  async again<Value>(error: unknown, began: number, call: () => Promise<Value>): Promise<Value> {
    const { maxRetries = 4, timeoutMs = 10_000, signal } = this.#options;
    for (let retry = 0; retry < maxRetries && isLost(error); retry++) {
      if (retry === 0 && (await this.#platform()) !== undefined) break;
      // Full jitter: those that failed together don't come back together.
      const wait = Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** retry);
      if (Date.now() + wait > began + timeoutMs) break;
      try {
        await scheduler.wait(wait, signal && { signal });
      } finally {
        // The reason itself: `wait` gives a copy.
        signal?.throwIfAborted();
      }
      try {
        return await call();
      } catch (next) {
        error = next;
      }
    }
    throw error;
  }
}

/** Tells whether a call got lost, or its answer: no error that the object's own code threw, and no overload. */
function isLost(error: unknown): boolean {
  const flags = error as { retryable?: boolean; overloaded?: boolean; remote?: boolean } | null | undefined;
  return flags?.retryable === true && flags.overloaded !== true && flags.remote !== true;
}
