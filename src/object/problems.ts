/**
 * @module
 * Errors of a Worker as answers.
 */
import { DurableError } from "../errors.ts";
import { problem, refuse } from "../route/problem.ts";

/** When to come back to an object that was overloaded, moving or destroyed, in seconds. */
const RETRY_AFTER = "5";

/**
 * Answers for an error of a Worker as `serve` and `@Route` do, for Hono's `app.onError(problems)`.
 *
 * Hono's `HTTPException` is answered with its own response or, without one, with a problem of its status and message. A
 * name or id that `Object.from(…)` refuses (`bad-name`, `bad-id`) is a 400. An error that the platform marks `overloaded`
 * or `retryable`, and `destroyed`, are a 503 with `Retry-After`. Anything else is a 500 that says nothing but the code of
 * a {@link DurableError}. All are RFC 9457 `application/problem+json`; those from 500 on are logged, and no message,
 * stack or value of theirs is sent.
 *
 * @example
 * ```ts
 * const app = new Hono<{ Bindings: Env }>();
 * app.onError(problems);
 * app.post("/pay", async (c) => c.json(await Object.from(c.env.TILL).byName("main").pay()));
 * ```
 */
export function problems(error: unknown): Response {
  const { overloaded, retryable, remote } = (error ?? {}) as Partial<Record<string, boolean>>;
  // What an object threw is no fault of the request's.
  const code = DurableError.is(error) && remote !== true ? error.code : undefined;
  if (code === "bad-name" || code === "bad-id") return problem(400, { code });
  if (overloaded !== true && retryable !== true && code !== "destroyed") return refuse(error);
  console.error(error);
  const response = problem(503);
  response.headers.set("retry-after", RETRY_AFTER);
  return response;
}
