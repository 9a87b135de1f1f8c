/**
 * @module
 * Which keys of an object's storage may be used, and which belong to the library.
 */
import { DurableError, quote } from "../../core/errors.ts";
import { isOver } from "../size.ts";
import { stateOf } from "../storage-state.ts";

/** Every row the library writes lies under this prefix; `docs/storage-format.md` describes them. */
export const PREFIX = "durable-base:";

/** The key of the row that tells which persisted fields are stored; without it none is. */
export const RECORD_KEY: string = `${PREFIX}record`;

/** The first key after all that begin with {@link PREFIX}: its last character, plus one. */
export const AFTER_PREFIX: string = `${PREFIX.slice(0, -1)};`;

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
  if (isReserved(key)) {
    throw new DurableError(
      "reserved-key",
      `${where}The key ${quote(key)} is the library's own: all that begin with "${PREFIX}" are. Use another prefix.`,
    );
  }
  return key;
}

/** Tells whether a key is the library's own. */
export function isReserved(key: string): boolean {
  return key.startsWith(PREFIX);
}

/** Says which of the user's own keys hold persisted fields of a live object, under the fields' names. */
export function adopt(storage: DurableObjectStorage, fields: ReadonlyMap<string, string>): void {
  stateOf(storage).fields = fields;
}

/** Runs `work` with those keys open to writes, after which the fields must be read anew. */
export function withoutFields<Result>(storage: DurableObjectStorage, work: () => Result): Result {
  const state = stateOf(storage);
  const { fields } = state;
  state.fields = undefined;
  try {
    return work();
  } finally {
    state.fields = fields;
  }
}

/** The field that a key of the user's holds. */
export function fieldUnder(storage: DurableObjectStorage, key: string): string | undefined {
  return stateOf(storage).fields?.get(key);
}

/**
 * The key, if a caller may write to it; `where` begins the message of the error if not.
 *
 * @throws DurableError `bad-key`; `reserved-key`, also for the key of a persisted field, which would not notice.
 */
export function writable(storage: DurableObjectStorage, where: string, key: string): string {
  const field = fieldUnder(storage, usable(key, `${where}: `));
  if (field === undefined) return key;
  throw new DurableError(
    "reserved-key",
    `${where}: The key ${quote(key)} holds the persisted field ${field}. Assign that: \`this.${field} = value\`.`,
  );
}

/** The key next to `key` in storage's order: nothing fits between. */
export function after(key: string): string {
  return `${key}\0`;
}

/** What is wrong with a key of at most `most` bytes, for the end of a sentence; undefined when it is good. */
export function flawOf(key: unknown, most: number = MAX_KEY): string | undefined {
  if (typeof key !== "string") return "is no string";
  if (key === "") return "is empty";
  if (!key.isWellFormed()) return "holds a lone surrogate";
  return isOver(key, most) ? `is over ${most} bytes` : undefined;
}
