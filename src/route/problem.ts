/**
 * @module
 * How HTTP is told that something went wrong: RFC 9457 `application/problem+json`.
 *
 * SECURITY WARNING: every answer to an error is made here. Nothing of an error that the library or the
 * user did not mean for the client (message, stack, cause, stored values) may get into one.
 */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { DurableError, type Issue } from "../core/errors.ts";

/** What a problem says beside its status. */
export interface ProblemMembers {
  /** The stable kebab-case code; by default the status's title in kebab-case. */
  code?: string;
  /** What is wrong with this request, in a sentence that is safe to send. */
  detail?: string;
  issues?: readonly Issue[] | undefined;
}

/** The phrases of IANA's registry of status codes, which agree with RFC 9110 wherever it defines the code. */
const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  511: "Network Authentication Required",
};

/** Makes a problem response; `allow` is the header of a 405. */
export function problem(status: number, { code, detail, issues }: ProblemMembers = {}, allow?: string): Response {
  const title = titles[status] ?? (status < 500 ? "Request Refused" : "Server Error");
  code ??= title.toLowerCase().replaceAll(" ", "-");
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (allow !== undefined) headers["allow"] = allow;
  // `issues` and `detail` that are undefined are left out.
  return new Response(JSON.stringify({ type: "about:blank", title, status, code, detail, issues }), {
    status,
    headers,
  });
}

/**
 * Makes the error for a request that cannot be served because of what the client sent: Hono's own, so that
 * middleware and `onError` know it, with the problem as its response.
 */
export function refusal(status: number, members: ProblemMembers = {}, allow?: string): HTTPException {
  return new HTTPException(status as 400, { message: members.detail ?? "", res: problem(status, members, allow) });
}

/**
 * Answers for an error, whatever was thrown: what Hono's `HTTPException` says is sent, everything else is logged
 * and becomes a bare 500, with the code of a {@link DurableError}.
 */
export function refuse(error: unknown): Response {
  if (isHttpException(error)) {
    if (error.res instanceof Response) return error.getResponse();
    if (error.status < 500) return problem(error.status, error.message === "" ? {} : { detail: error.message });
  }
  console.error(error);
  if (isHttpException(error)) return problem(error.status);
  return problem(500, DurableError.is(error) ? { code: error.code } : {});
}

/** Adds the headers that were set on `c` before the error, as Hono does in its own answers. */
export function keepHeaders(response: Response, c: Context | undefined): Response {
  return c === undefined ? response : c.newResponse(response.body, response);
}

/** Known by its shape, as Hono itself does it: an application may carry a second copy of Hono. */
export function isHttpException(error: unknown): error is HTTPException {
  if (!(error instanceof Error)) return false;
  const { getResponse, status, res } = error as Partial<HTTPException>;
  // A redirect needs a response of its own.
  const least = res instanceof Response ? 300 : 400;
  return typeof getResponse === "function" && Number.isInteger(status) && status! >= least && status! < 600;
}
