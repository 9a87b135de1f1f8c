/**
 * @module
 * The error of a call whose connection was lost.
 */
import { DurableError } from "../core/errors.ts";

/**
 * The error of a call that has no answer, since its connection was lost or closed.
 *
 * @example
 * ```ts
 * try { await room.call.say({ text: "hello" }); }
 * catch (error) { if (error instanceof CallLost && !error.sent) retryLater(); }
 * ```
 */
export class CallLost extends DurableError {
  /** True if the call may have run. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super("call-lost", message);
    this.sent = sent;
  }
}
