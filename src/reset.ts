/**
 * @module
 * What the platform tells callers whose object destroyed itself: the object writes it, handles read it.
 *
 * The object's id is part of it: that the call of another object never ran says nothing about the one that passes its
 * error on.
 */

/** The reason of the reset; `before` when no other call was open, so that whoever meets it never ran. */
export function reasonOf(id: DurableObjectId, before: boolean): string {
  return `durable-base: the object ${id.toString()} destroyed itself ${before ? "before this call began. Call it again, on a new stub." : "while calls of it were open, of which this may be one. What was stored is gone."}`;
}

/** Whether a call of the object that failed with `error` came to it `before` it began or `during` it, as the object destroyed itself; undefined for any other error. */
export function destroyedBy(error: unknown, id: DurableObjectId): "before" | "during" | undefined {
  const { durableObjectReset, message } = (error ?? {}) as { durableObjectReset?: boolean; message?: string };
  if (durableObjectReset !== true) return undefined;
  return message === reasonOf(id, true) ? "before" : message === reasonOf(id, false) ? "during" : undefined;
}
