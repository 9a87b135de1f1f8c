/**
 * @module
 * Values on their way into SQL and out: without loss, or refused.
 */
import { DurableError } from "../../core/errors.ts";
import { snapshot } from "../../core/values/snapshot.ts";
import { bytesOf, isOver, MAX_ROW } from "../size.ts";

/**
 * What can be bound; a bigint only as far as a number can hold it.
 *
 * @example
 * ```ts
 * const values: SqlBinding[] = ["milk", 1.5, 7n, null, new Uint8Array([1])];
 * ```
 */
export type SqlBinding = string | number | bigint | null | ArrayBuffer | ArrayBufferView;

/** What the platform binds as it is. */
export type Bound = string | number | null | Uint8Array;

/**
 * The value to bind, a copy: text, numbers, null and bytes; `nth` is its place, for messages, which show no value.
 *
 * @throws DurableError `not-bindable` with what to write, `too-large` over 2 MB.
 */
export function bound(value: unknown, nth: number): Bound {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw refused(nth, "a text with a lone surrogate", "value.toWellFormed()");
      if (isOver(value, MAX_ROW)) throw tooLarge(bytesOf(value), nth);
      return value;
    case "number":
      if (Number.isNaN(value))
        throw refused(nth, "NaN, which SQLite stores as null", "Number.isNaN(value) ? null : value");
      if (isInexact(value)) throw refused(nth, "a number beyond 2^53, where an integer is not exact", "String(value)");
      return value;
    case "bigint":
      if (!Number.isSafeInteger(Number(value))) throw refused(nth, "a bigint beyond 2^53", "String(value)");
      return Number(value);
    case "boolean":
      throw refused(nth, "a boolean, which SQLite does not have", "Number(value)");
    case "undefined":
      throw refused(nth, "undefined", "value ?? null");
    case "object":
      return value === null ? null : boundObject(snapshot(value), nth);
    default:
      throw refused(nth, `a ${typeof value}`, "String(value)");
  }
}

function boundObject(value: object, nth: number): Bound {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    const isView = ArrayBuffer.isView(value);
    const buffer = isView ? value.buffer : value;
    if (!(buffer instanceof ArrayBuffer))
      throw refused(nth, "shared memory, which may change", "new Uint8Array(value)");
    if (buffer.detached) throw refused(nth, "bytes that were transferred away", "structuredClone(value)");
    if (value.byteLength > MAX_ROW) throw tooLarge(value.byteLength, nth);
    return new Uint8Array(buffer, isView ? value.byteOffset : 0, value.byteLength).slice();
  }
  if (value instanceof Date) throw refused(nth, "a Date", "value.getTime()");
  if (value instanceof SharedArrayBuffer)
    throw refused(nth, "shared memory, which may change", "new Uint8Array(value)");
  if (Array.isArray(value)) throw refused(nth, "an array", "sql.join(value)");
  throw refused(nth, "an object", "JSON.stringify(value)");
}

function tooLarge(bytes: number, nth: number): DurableError {
  return new DurableError(
    "too-large",
    `Storage.sql: value ${nth} takes ${bytes} bytes, over the ${MAX_ROW} that a row may hold. Split it over several rows.`,
  );
}

function refused(nth: number, what: string, fix: string): DurableError {
  return new DurableError("not-bindable", `Storage.sql: value ${nth} is ${what}. Write \`\${${fix}}\`.`);
}

/** Tells whether a number may stand for an integer of SQLite, which has 64 bits, that it does not hold exactly. */
function isInexact(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) <= 2 ** 63;
}

/**
 * Makes sure that rows say all that SQLite gave.
 *
 * @throws DurableError `lossy-result` for two columns of one name, one named `__proto__`, and an integer beyond 2^53.
 */
export function checkRows(names: readonly string[], rows: readonly object[]): void {
  const name = names.find((name, i) => name === "__proto__" || names.indexOf(name) < i);
  if (name !== undefined) {
    throw lossy(`a row would lose a column named \`${name}\``, "Name it: `select a.id as a_id, b.id as b_id …`.");
  }
  for (const row of rows) {
    for (const name of names) {
      const value = (row as Record<string, unknown>)[name];
      if (typeof value !== "number" || !isInexact(value)) continue;
      throw lossy(
        `an integer beyond 2^53 in the column \`${name}\` is not exact`,
        `Read it as text: \`cast(${name} as text)\`.`,
      );
    }
  }
}

function lossy(what: string, fix: string): DurableError {
  return new DurableError("lossy-result", `Storage.sql: ${what}. ${fix}`);
}
