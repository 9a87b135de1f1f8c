/**
 * @module
 * Which arguments and answers a call can have of which a copy is kept, and what tells arguments apart.
 */
import { DurableError } from "../core/errors.ts";
import { plainData } from "../core/values/kinds.ts";

/**
 * A copy of `value` that is plain data, nothing tracked in it; `value` itself where it is. `what` begins the message.
 *
 * @throws DurableError `not-repeatable` for a stream, Response, function, stub or instance of a class, including a class that extends a built-in.
 */
export function dataOf(value: unknown, what: string): unknown {
  return plainData(value, (_, part) => {
    throw notRepeatable(`${what} holds ${part}`);
  });
}

/** The error for what cannot be kept; `problem` is the beginning of its message. */
export function notRepeatable(problem: string, cause?: unknown): DurableError {
  return new DurableError(
    "not-repeatable",
    `${problem}, which can't be copied and kept for repeats. Pass and return plain data, or call the method without \`once\`.`,
    { cause },
  );
}

/** The SHA-256 hash, in hex digits, of arguments that are plain data. */
export async function hashOf(args: unknown): Promise<string> {
  return await hashOfBytes(new TextEncoder().encode(wholeText(args)));
}

/** The SHA-256 hash of bytes, in hex digits. */
export async function hashOfBytes(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The longest text in which a part that comes again is written again, in characters. */
const LONGEST = 2 ** 25;

/** In place of the text of a part that is not written yet. */
const OPEN = "";

/** What ends a text that would have no end, or too late a one. */
const ENDLESS = new RangeError();

/** A text that is the same for the same data, whatever the order of an object's keys, and another for any other. */
function wholeText(value: unknown): string {
  try {
    return textOf(value, new Map(), false);
  } catch (error) {
    if (error !== ENDLESS) throw error;
    return textOf(value, new Map(), true);
  }
}

/**
 * The text of a part; one that comes again is written again, so that it makes no difference whether two equal parts are
 * one object, or else by its number.
 */
function textOf(value: unknown, seen: Map<object, string>, isNumbered: boolean): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  const known = seen.get(value);
  if (known === OPEN) throw ENDLESS;
  if (known !== undefined) return known;
  seen.set(value, isNumbered ? `#${seen.size}` : OPEN);
  const text = textOfObject(value, (part) => textOf(part, seen, isNumbered));
  if (isNumbered) return text;
  if (text.length > LONGEST) throw ENDLESS;
  seen.set(value, text);
  return text;
}

function textOfObject(value: object, text: (part: unknown) => string): string {
  if (value instanceof Map) return `Map[${[...value].map(([key, item]) => `${text(key)}:${text(item)}`).join()}]`;
  if (value instanceof Set) return `Set[${[...value].map(text).join()}]`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof RegExp) return `RegExp(${text(value.source)},${value.flags})`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${latin1(value)})`;
  if (ArrayBuffer.isView(value)) return `${kindOf(value)}(${latin1(value)})`;
  let keys = Object.keys(value);
  let begin = "";
  if (Array.isArray(value)) begin = `Array(${value.length})`;
  else {
    if (value instanceof Error) {
      begin = "Error";
      // Enumerable or not; the stack is that of the call, which a repeat has not.
      keys = [...new Set([...keys, "name", "message", "cause", "errors"])].filter((key) => key !== "stack");
    }
    keys.sort();
  }
  return `${begin}{${keys.map((key) => `${text(key)}:${text((value as Record<string, unknown>)[key])}`).join()}}`;
}

/** One character a byte, in quotes. */
function latin1(bytes: ArrayBuffer | ArrayBufferView): string {
  return JSON.stringify(new TextDecoder("latin1").decode(bytes));
}

function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
