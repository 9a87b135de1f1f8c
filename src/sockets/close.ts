/**
 * @module
 * Closes: their codes and reasons, and the answer to a client's.
 */
import { DurableError, quote } from "../core/errors.ts";
import { isOver } from "../storage/size.ts";

/** The most bytes of a reason. */
const MAX_REASON = 123;

/** The codes that the protocol keeps for what is not sent. */
const UNSENT: ReadonlySet<number> = new Set([1004, 1005, 1006, 1015]);

/** @throws DurableError `bad-option`; `label` begins the message. */
export function checkClose(label: string, code: number, reason: string): void {
  if (!isSendable(code)) {
    throw new DurableError(
      "bad-option",
      `${label}: the code ${quote(code)} can't be sent. Pass 1000, or one of your own from 4000 to 4999: \`socket.close(4000, "enough")\`.`,
    );
  }
  if (typeof reason === "string" && !isOver(reason, MAX_REASON)) return;
  throw new DurableError(
    "bad-option",
    `${label}: the reason has over ${MAX_REASON} bytes, or isn't a string. Send the rest as a message before it.`,
  );
}

/** Answers the Close of a client as it came, so that the closing handshake is complete. */
export function answerClose(socket: WebSocket, code: number, reason: string): void {
  if (isSendable(code)) socket.close(code, reason);
  else socket.close();
}

function isSendable(code: number): boolean {
  return Number.isInteger(code) && code >= 1000 && code < 5000 && !UNSENT.has(code);
}
