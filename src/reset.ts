/**
 * @module
 * What the platform tells callers whose object destroyed itself: the object writes it, handles read it.
 */

/** Why an object is reset that destroyed itself while no other call of it was open: a call that meets it never ran. */
export const BEFORE = "durable-base: the object destroyed itself before this call began. Call it again, on a new stub.";

/** The same while other calls were open: one that meets it may have run. */
export const DURING =
  "durable-base: the object destroyed itself while calls of it were open, of which this may be one. What it stored is gone.";

/** What an error says about a call of an object that destroyed itself: that it never ran, or may have; undefined for any other error. */
export function destroyedBy(error: unknown): typeof BEFORE | typeof DURING | undefined {
  const { durableObjectReset, remote, message } = (error ?? {}) as Partial<Record<string, unknown>>;
  // `remote` marks what another object's code threw: that the call of a third never ran says nothing about this one.
  if (durableObjectReset !== true || remote === true) return undefined;
  return message === BEFORE || message === DURING ? message : undefined;
}
