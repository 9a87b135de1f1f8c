/**
 * @module
 * A Worker's errors as HTTP responses.
 */
import type { Context } from "hono";
import { DurableError } from "../core/errors.ts";
import { keepHeaders, problem, refuse } from "../route/problem.ts";

/** Seconds to wait before calling an object again that was overloaded, moving or destroyed. */
const RETRY_AFTER = "5";

/**
 * Returns the response to an error in a Worker, as `serve` and `@Route` make it. Pass it to Hono: `app.onError(problems)`,
 * and `app.notFound((c) => problems(new HTTPException(404), c))`.
 *
 * - Hono's `HTTPException`: its own response or, without one, a problem with its status and message.
 * - A name or id that `Object.from(…)` refuses (`bad-name`, `bad-id`): 400.
 * - An error that the platform marks `overloaded` or `retryable`, and `destroyed`: 503 with `Retry-After`.
 * - Anything else: 500, which shows nothing but the code of a {@link DurableError}.
 *
 * All are RFC 9457 `application/problem+json`, with the headers that were set on `c` before. Errors with a status from 500 on
 * are logged; their message, stack and values aren't sent.
 *
 * @example
 * ```ts
 * const app = new Hono<{ Bindings: Env }>();
 * app.onError(problems);
 * app.post("/pay", async (c) => c.json(await Object.from(c.env.TILL).byName("main").pay()));
 * ```
 */
export function problems(error: unknown, c?: Context): Response {
  return keepHeaders(answerTo(error), c);
}

function answerTo(error: unknown): Response {
  const { overloaded, retryable, remote } = (error ?? {}) as Partial<Record<string, boolean>>;
  // An error that came from an object isn't the request's fault.
  const code = DurableError.is(error) && remote !== true ? error.code : undefined;
  if (code === "bad-name" || code === "bad-id") return problem(400, { code });
  if (overloaded !== true && retryable !== true && code !== "destroyed") return refuse(error);
  console.error(error);
  const response = problem(503);
  response.headers.set("retry-after", RETRY_AFTER);
  return response;
}
