/**
 * @module
 * The one error class of the library and its codes.
 */

/** Every code a {@link DurableError} can carry; `docs/errors.md` says what each means and how to mend it. */
export type ErrorCode =
  | "atomic-returned-promise"
  | "atomic-timeout"
  | "bad-cron"
  | "bad-decorator"
  | "bad-id"
  | "bad-key"
  | "bad-migration"
  | "bad-name"
  | "bad-option"
  | "bad-part"
  | "bad-sql"
  | "bad-time"
  | "bad-transfer"
  | "body-used"
  | "call-failed"
  | "call-lost"
  | "call-refused"
  | "changed-in-constructor"
  | "changed-meanwhile"
  | "destroyed"
  | "exclusive-timeout"
  | "field-newer"
  | "field-unreadable"
  | "invalid-input"
  | "job-timeout"
  | "legacy-define"
  | "lossy-result"
  | "migration-changed"
  | "migration-failed"
  | "migration-missing"
  | "missing-binding"
  | "name-unknown"
  | "no-alarm-handler"
  | "no-object"
  | "no-recovery"
  | "no-sqlite-storage"
  | "not-bindable"
  | "not-callable"
  | "not-empty"
  | "not-exportable"
  | "not-json"
  | "not-one-row"
  | "not-persistable"
  | "not-repeatable"
  | "not-transferable"
  | "once-conflict"
  | "part-missing"
  | "part-too-late"
  | "record-unreadable"
  | "redeclared-field"
  | "reserved-key"
  | "reserved-name"
  | "returned-promise"
  | "schema-failed"
  | "schema-newer"
  | "sql-failed"
  | "stale-instance"
  | "stale-value"
  | "start-timeout"
  | "state-too-large"
  | "storage-closed"
  | "too-large"
  | "two-copies"
  | "unknown-method"
  | "upgrade-refused"
  | "write-failed";

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

  constructor(
    code: ErrorCode,
    message: string,
    options?: { cause?: unknown; issues?: readonly Issue[]; sent?: boolean },
  ) {
    super(message, options);
    this.code = code;
    if (options?.issues !== undefined) this.issues = options.issues;
    if (options?.sent !== undefined) this.sent = options.sent;
  }

  /** What a schema found wrong, for `invalid-input`, `schema-failed` and `field-unreadable`. */
  declare readonly issues?: readonly Issue[];

  /** True if the call may have reached the object, for `call-lost`. */
  declare readonly sent?: boolean;

  /** Returns true if `error` is a DurableError (with that `code`, if one is passed), even when it came over RPC. */
  static is(error: unknown, code?: ErrorCode): error is DurableError {
    if (!(error instanceof Error) || error.name !== "DurableError") return false;
    const found = (error as { code?: unknown }).code;
    return code === undefined ? typeof found === "string" : found === code;
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
  let text: string;
  try {
    text = typeof value === "string" ? JSON.stringify(value) : String(value);
  } catch {
    // An object without prototype, as a route's input is one, makes no string.
    text = typeof value;
  }
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The lines of wrangler.toml that declare a class's storage, in both forms: a Worker uses one of the two. */
export function sqliteConfig(className: string): string {
  return `[exports.${className}]
type = "durable-object"
storage = "sqlite"

or, where wrangler.toml has [[migrations]]:

[[migrations]]
tag = "add-${className}"
new_sqlite_classes = ["${className}"]
`;
}
