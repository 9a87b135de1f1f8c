/**
 * @module
 * What the platform may have, and older versions of it lack.
 */

/** Marks methods of Durable Objects as safe to run more than once. */
export type Retryable = (...methods: ((...args: never[]) => unknown)[]) => void;

/**
 * The platform's `retryable`, undefined where there is none: there the platform repeats no call that may have run.
 *
 * Imported when asked for, since a static import of a module that is missing keeps a Worker from starting.
 */
export async function platformRetryable(): Promise<Retryable | undefined> {
  try {
    const { retryable } = (await import("cloudflare:durable-objects")) as { retryable?: Retryable };
    return retryable;
  } catch {
    // An older platform, or Node.
    return undefined;
  }
}
