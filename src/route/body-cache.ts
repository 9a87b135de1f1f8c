/**
 * @module
 * Bodies that users' code reads before the library does. Hono keeps a body that `c.req.text()` or another of its readers read.
 */
import type { HonoRequest } from "hono";
import { DurableError, quote } from "../core/errors.ts";

/** The byte order mark of UTF-8. */
const MARK = [0xef, 0xbb, 0xbf] as const;

/**
 * Returns how the body was first read, which later reads are derived from; undefined for a body that is still unread.
 *
 * @throws DurableError `body-used` if it was read past Hono, which then keeps nothing.
 */
export function keptAs(request: HonoRequest): string | undefined {
  const [kept] = Object.keys(request.bodyCache);
  if (kept === undefined && (request.raw.bodyUsed || request.raw.body?.locked === true)) throw bodyUsed(request);
  return kept;
}

/**
 * Returns the bytes of the body.
 *
 * @throws DurableError `body-used` if an earlier read has lost some of them.
 */
export async function exactBytes(request: HonoRequest): Promise<Uint8Array<ArrayBuffer>> {
  const kept = keptAs(request);
  // A form that is encoded again has a boundary that differs from the header's.
  if (kept === "formData") throw bodyUsed(request);
  if (kept === "text" && isRepaired(await request.text(), declaredLength(request))) throw bodyUsed(request);
  const bytes = new Uint8Array(await request.arrayBuffer());
  // Hono's text leaves out a byte order mark, which only a declared length tells of.
  if (kept !== "text" || declaredLength(request) !== bytes.length + MARK.length) return bytes;
  const whole = new Uint8Array(bytes.length + MARK.length);
  whole.set(MARK);
  whole.set(bytes, MARK.length);
  return whole;
}

/**
 * Returns true if U+FFFD in a text replaces bytes that aren't UTF-8: it takes three bytes where they took one or two.
 * A four-byte character that lost its last byte is overlooked. Without a declared length any U+FFFD counts.
 */
export function isRepaired(text: string, bytes: number): boolean {
  if (!text.includes("\uFFFD")) return false;
  const surplus = new TextEncoder().encode(text).length - bytes;
  // A byte order mark is left out of the text.
  return surplus !== 0 && surplus !== -MARK.length;
}

/** Returns the declared length of the body; NaN if none is declared. */
export function declaredLength(request: HonoRequest): number {
  return Number(request.raw.headers.get("content-length") ?? NaN);
}

/** The error for a body that Hono hasn't fully kept. */
export function bodyUsed({ method, path }: HonoRequest): DurableError {
  return new DurableError(
    "body-used",
    `${method} ${quote(path)}: the body was read earlier, in a way that loses all or part of it. Read it with \`await c.req.arrayBuffer()\`, or text with \`await c.req.text()\`, never from \`c.req.raw\`.`,
  );
}
