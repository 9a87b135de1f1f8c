/**
 * @module
 * The errors of calls over HTTP.
 */
import { DurableError, type Issue } from "../core/errors.ts";

/**
 * The error of a call that was answered with an error, or with something that isn't the method's result.
 *
 * `code` is the code of the problem, which `docs/routes.md` lists: `not-found`, `invalid-input`, or your own. It is `bad-answer` for an
 * answer that isn't a problem. `DurableError.is(error, "invalid-input")` works, too.
 *
 * @example
 * ```ts
 * try { await room.say({ text: "" }); }
 * catch (error) { if (error instanceof HttpError && error.status === 422) show(error.issues); }
 * ```
 */
export class HttpError extends DurableError<string> {
  /** The status of the response. */
  readonly status: number;
  /** The problem's sentence on what is wrong with this request; undefined if it has none. */
  readonly detail: string | undefined;
  /** In how many seconds the request may be sent again, as the answer says. */
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, { status, detail, retryAfter, issues }: HttpErrorParts) {
    super(code, message, issues && { issues });
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/** The parts of an {@link HttpError}. */
interface HttpErrorParts {
  readonly status: number;
  readonly detail?: string | undefined;
  readonly retryAfter?: number | undefined;
  readonly issues?: readonly Issue[] | undefined;
}

/** The error for an answer that isn't a result, whose body was read; `label` begins the message. */
export function errorOf({ status, headers }: Response, text: string, label: string): HttpError {
  const type = headers.get("content-type");
  const seconds = Number(headers.get("retry-after") ?? NaN);
  const retryAfter = seconds >= 0 ? seconds : undefined;
  const problem = type?.startsWith("application/problem+json") === true ? parse(text) : undefined;
  if (problem === undefined)
    return badAnswer(status, `${type ?? "a body without a type"}, which isn't a problem`, label, retryAfter);
  const { code, title, detail: given, issues: list } = problem;
  const detail = typeof given === "string" ? given : undefined;
  const known = typeof code === "string" ? code : "bad-answer";
  const issues = Array.isArray(list) && list.every(isIssue) ? list : undefined;
  return new HttpError(known, `${label}: ${status} ${detail ?? (typeof title === "string" ? title : known)}`, {
    status,
    detail,
    retryAfter,
    issues,
  });
}

/** The error for an answer that can't be read; `problem` is what came. */
export function badAnswer(status: number, problem: string, label: string, retryAfter?: number): HttpError {
  return new HttpError("bad-answer", `${label}: the answer was ${status} with ${problem}.`, { status, retryAfter });
}

/** The members of a JSON object; undefined for any other text. */
function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isIssue(value: unknown): value is Issue {
  const { path, message } = (value ?? {}) as Partial<Issue>;
  return Array.isArray(path) && typeof message === "string";
}
