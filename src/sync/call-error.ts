/**
 * @module
 * Errors of calls, as clients get them.
 */
import { DurableError } from "../core/errors.ts";
import { isHttpException } from "../route/problem.ts";
import type { WireError } from "./frames.ts";

/** The codes of errors that are the caller's fault: their messages are sent. */
const OF_CALLER: ReadonlySet<string> = new Set([
  ...["bad-key", "call-lost", "call-refused", "exclusive-timeout", "invalid-input", "not-callable", "once-conflict"],
]);

/** Returns what a client learns of an error. One that isn't the client's fault is logged, and only its code is sent. */
export function wireError(error: unknown): WireError {
  if (isHttpException(error) && error.status < 500) return { code: "call-refused", message: error.message };
  const code = DurableError.is(error) ? error.code : "call-failed";
  if (DurableError.is(error) && OF_CALLER.has(code)) {
    const { message, issues } = error;
    return { code, message, ...(issues !== undefined && { issues }) };
  }
  console.error(error);
  return { code, message: "The call failed." };
}
