/**
 * @module
 * Which functions are async, and which results are still to come.
 */

/** `"AsyncFunction"` for one declared `async`; by its tag, which survives when a build lowers this file. */
export function kindOf(work: object): string {
  return (work as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? "Function";
}

/** Tells whether a result is still to come. */
export function isThenable(value: unknown): value is PromiseLike<unknown[]> {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as { then?: unknown }).then === "function";
}
