/**
 * @module
 * How large a value is in storage, without writing it.
 */

/** The most bytes a row may hold, key and value together; the platform says 2 MB, local workerd takes more. */
export const MAX_ROW = 2_000_000;

/** Where counting stops. */
const MOST = 10 * MAX_ROW;

const WIDE = /[^\0-\xff]/;

/** The bytes of a key or text, which is stored as UTF-8. */
export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Tells whether a text takes more bytes than so many, of which counting them is the slow way. */
export function isOver(text: string, bytes: number): boolean {
  // A UTF-16 unit takes three at most.
  return text.length * 3 > bytes && bytesOf(text) > bytes;
}

/** The bytes of a string in a value: one a character, or two when some character needs it. */
export function sizeOfString(text: string): number {
  return 4 + (WIDE.test(text) ? 2 * text.length : text.length);
}

/**
 * About how many bytes a value takes once serialized (V8's structured clone format), to within a few bytes a
 * part; workerd has no `v8.serialize` to ask. Shared parts count each time, but counting stops beyond `most`, or
 * some objects that share parts would take for ever. Of a cycle the stack runs out.
 */
export function sizeOf(value: unknown, most: number = MOST): number {
  switch (typeof value) {
    case "string":
      return sizeOfString(value);
    case "number":
      return Number.isInteger(value) && value < 2 ** 30 && value >= -(2 ** 30) && !Object.is(value, -0) ? 6 : 9;
    case "bigint":
      // In digits of 64 bits.
      return 6 + 8 * Math.ceil(value.toString(16).length / 16);
    case "object":
      return value === null ? 1 : sizeOfObject(value, most);
    default:
      return 1;
  }
}

function sizeOfObject(value: object, most: number): number {
  let bytes = 8;
  const add = (part: unknown): boolean => (bytes += sizeOf(part, most - bytes)) <= most;
  if (Array.isArray(value)) {
    // A hole takes a byte; reading it as undefined comes to the same, but not a billion times.
    if (value.length > most) return value.length;
    for (let i = 0; i < value.length && add(value[i]); i++);
  } else if (value instanceof Map) {
    for (const [key, item] of value) if (!add(key) || !add(item)) break;
  } else if (value instanceof Set) {
    for (const item of value) if (!add(item)) break;
  } else if (value instanceof Date) {
    bytes += 1;
  } else if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    bytes += 16 + value.byteLength;
  } else if (value instanceof Blob) {
    bytes += value.size + sizeOfString(value.type);
  } else if (value instanceof RegExp) {
    bytes += sizeOfString(value.source);
  } else {
    let keys = Object.keys(value);
    if (value instanceof Error) {
      bytes += sizeOfString(value.message) + sizeOfString(value.stack ?? "");
      // Enumerable or not, each once: a chain of causes would count twice at each link.
      keys = [...new Set(keys.concat("cause", "errors"))];
    }
    for (const key of keys) if (!add(key) || !add((value as Record<string, unknown>)[key])) break;
  }
  return bytes;
}
