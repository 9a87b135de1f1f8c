/**
 * @module
 * The one error class of the library and the table of its codes.
 */

/** Every code a {@link DurableError} can carry, with what it means; `docs/errors.md` has a row for each. */
export const errorCodes = {
  "bad-decorator": "a decorator stands where it cannot work",
  "bad-name": "an object's name is empty, missing, not a string, or too long",
  "bad-key": "a storage key is empty, ill-formed, or over 2,048 bytes",
  "bad-option": "an option has a value that cannot work",
  "changed-in-constructor": "a value was changed inside before the object was ready",
  "invalid-input": "an argument does not match the method's `input` schema",
  "legacy-define": "legacy decorators with [[Define]] field semantics",
  "missing-binding": "there is no namespace under that binding",
  "name-unknown": "the object was woken by its id and has never stored its name",
  "no-sqlite-storage": "the class has no SQLite-backed storage",
  "not-json": "a result cannot be written as JSON without a lie",
  "not-persistable": "a value cannot be stored",
  "not-transferable": "a result cannot cross an RPC call",
  "record-unreadable": "the row that holds the small fields cannot be read",
  "redeclared-field": "a subclass declares a persisted field again without the decorator",
  "reserved-key": "a storage key that belongs to the library",
  "reserved-name": "a persisted field or route has a name that belongs to the framework",
  "stale-value": "a value from before a failed write was changed",
  "start-timeout": "`onStart` did not end in time",
  "too-large": "a row would be over 2 MB",
  "write-failed": "a change could not be written and was taken back",
} as const;

/** A code of the table {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/**
 * What the library throws: `code` is stable, `message` says what, why and the fix.
 *
 * Across RPC an error keeps `name`, `message` and `code` but not its class, so test with
 * {@link DurableError.is} and not with `instanceof`.
 *
 * @example
 * ```ts
 * try { await counter.increment({ by: 2 }); }
 * catch (error) { if (DurableError.is(error, "write-failed")) await retryLater(); }
 * ```
 */
export class DurableError extends Error {
  override readonly name = "DurableError";
  /** The stable kebab-case code. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; issues?: readonly Issue[] }) {
    super(message, options !== undefined && "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options?.issues !== undefined) this.issues = options.issues;
  }

  /** What a schema found wrong, for `invalid-input`. */
  declare readonly issues?: readonly Issue[];

  /** Tells whether `error` is one of ours (and has that `code`), also when it came over RPC. */
  static is(error: unknown, code?: ErrorCode): error is DurableError {
    if (!(error instanceof Error) || error.name !== "DurableError") return false;
    const found = (error as { code?: unknown }).code;
    return code === undefined ? typeof found === "string" && found in errorCodes : found === code;
  }
}

/** One thing a schema found wrong: where in the input, and what. */
export interface Issue {
  /** Names and indexes from the input down to the value, empty for the input itself. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Quotes a value for a message, cut to a readable length. */
export function quote(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
