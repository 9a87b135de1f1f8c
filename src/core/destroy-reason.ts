/**
 * @module
 * The reset of an object that destroyed itself: the object gives the reason, handles know it by that.
 */

/** Why the object is reset. Its calls that were open have been answered before: whoever meets this has not begun. */
export function reasonOf(id: DurableObjectId): string {
  return `durable-base: the object ${String(id)} destroyed itself before this call began. Call again, on a new stub.`;
}

/** Tells whether a call of the object failed for {@link reasonOf}; not for that of another object, whose error it may pass on. */
export function isDestroyed(error: unknown, id: DurableObjectId): error is Error {
  const { durableObjectReset, message } = (error ?? {}) as { durableObjectReset?: boolean; message?: string };
  return durableObjectReset === true && message === reasonOf(id);
}
