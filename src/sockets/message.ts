/**
 * @module
 * Messages, made what the platform sends where they are asked for.
 */
import { toJson } from "../core/values/json.ts";
import { snapshot } from "../core/values/snapshot.ts";

/** A message as the platform sends it. */
export type Encoded = string | ArrayBufferView | ArrayBuffer;

/** The size of a message: its bytes, or a string's characters. */
export function sizeOfMessage(message: Encoded): number {
  return typeof message === "string" ? message.length : message.byteLength;
}

/** @throws DurableError `not-json`; `label` begins the message. */
export function encode(label: string, message: unknown): Encoded {
  if (typeof message === "string") return message;
  const plain = snapshot(message);
  // Copied, since it's sent later.
  if (plain instanceof ArrayBuffer) return plain.slice(0);
  if (ArrayBuffer.isView(plain)) {
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength).slice();
  }
  return toJson(plain, { label, name: "message", verb: "Send" });
}
