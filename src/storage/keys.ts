/**
 * @module
 * Which keys of an object's storage may be used, and which belong to the library.
 */
import { DurableError, quote } from "../errors.ts";
import { bytesOf } from "./size.ts";

/** Every row the library writes lies under this prefix; `docs/storage-format.md` describes them. */
export const PREFIX = "durable-base:";

/** The most bytes of UTF-8 a key may have. */
const MAX_KEY = 2_048;

/**
 * The key, if a caller may use it; `where` begins the message of the error if not.
 *
 * @throws DurableError `bad-key`, `reserved-key`.
 */
export function usable(key: string, where = ""): string {
  const flaw = flawOf(key);
  if (flaw !== undefined) {
    throw new DurableError(
      "bad-key",
      `${where}The key ${quote(key)} ${flaw}. Pass a non-empty string of at most ${MAX_KEY} bytes.`,
    );
  }
  if (key.startsWith(PREFIX)) {
    throw new DurableError(
      "reserved-key",
      `${where}The key ${quote(key)} is the library's own: all that begin with "${PREFIX}" are. Use another prefix.`,
    );
  }
  return key;
}

/** What is wrong with a key of at most `most` bytes, for the end of a sentence; undefined when it is good. */
export function flawOf(key: unknown, most: number = MAX_KEY): string | undefined {
  if (typeof key !== "string") return "is no string";
  if (key === "") return "is empty";
  if (!key.isWellFormed()) return "holds a lone surrogate, which UTF-8 cannot";
  return bytesOf(key) > most ? `is over ${most} bytes` : undefined;
}
