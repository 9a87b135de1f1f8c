/**
 * @module
 * The caller's side of parts: how a stub calls a part of its object.
 */
import { DurableError, quote } from "../errors.ts";

/** The name of the one method of the base class through which stubs call parts. */
export const PART_CALL = "__call";

/** An object as a caller of its parts sees it. */
interface Callable {
  [PART_CALL](part: string, ...args: unknown[]): Promise<unknown>;
}

/**
 * The message of `part-missing`.
 *
 * @example
 * ```ts
 * const missing: MissingPart = { label: "visitsOf(…)", line: "static override parts = [visits()]" };
 * ```
 */
export interface MissingPart {
  /** Begins the message: the function that was called. */
  readonly label: string;
  /** The line that adds the part to a class. */
  readonly line: string;
}

/**
 * Calls a part of the object behind a stub or handle: its `Part.call`.
 *
 * @throws DurableError `part-missing` when the object's class doesn't have the part; otherwise what the part throws.
 *
 * @example
 * ```ts
 * await callPart(handle, "visits", ["/"], { label: "visitsOf(…)", line: "static override parts = [visits()]" });
 * ```
 */
export async function callPart(
  stub: object,
  part: string,
  args: readonly unknown[],
  { label, line }: MissingPart,
): Promise<unknown> {
  try {
    return await (stub as Callable)[PART_CALL](part, ...args);
  } catch (error) {
    if (!isMissing(error, part)) throw error;
    throw new DurableError(
      "part-missing",
      `${label}: the object's class doesn't have the part ${part}. In a class that extends DurableBase write \`${line}\`.`,
      { cause: error },
    );
  }
}

/** Ends the message of an object that lacks the part. */
export function lackOf(part: unknown): string {
  return ` has no part ${quote(part)} that can be called.`;
}

/**
 * Returns true for the error of an object that lacks the part, or doesn't extend our base class; not for one that the part's
 * own code got from another object, whose message `callPart` has replaced.
 */
function isMissing(error: unknown, part: string): boolean {
  if (DurableError.is(error, "part-missing")) return error.message.endsWith(lackOf(part));
  return (
    error instanceof TypeError && error.message.includes("does not implement") && error.message.includes(PART_CALL)
  );
}
