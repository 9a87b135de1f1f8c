/**
 * @module
 * How a route answers a request: from the body to the response.
 */
import type { Context, Handler } from "hono";
import { DurableError } from "../core/errors.ts";
import { isThenable } from "../core/values/async.ts";
import type { Plan, RoutePlan } from "../core/plan.ts";
import { listIssues } from "../core/values/schema.ts";
import { readBody } from "./body.ts";
import { callerFor, inEntry, objectOf, throwError, type Self } from "./context.ts";
import { after, merge, paramsOf, prepareParts, queryOf, type Input } from "./input.ts";
import { hasParts, isRaw, kindsOf, type RouteOptions } from "./options.ts";
import { respond } from "./output.ts";
import { refusal } from "./problem.ts";

const MAX_BODY = 1_048_576;
const NO_PARAMS = Object.create(null) as Input;

/**
 * Makes the handler of a route: reads the body, prepares the input, calls the method, makes the response. Sync as long
 * as the body, the schemas and the method are.
 */
export function handlerOf({ member, path, options }: RoutePlan, plan: Plan): Handler {
  const { maxBody = MAX_BODY, status, headers, ...rest } = options as RouteOptions;
  const kinds = kindsOf(rest);
  const hasParams = path.includes(":");
  const byParts = hasParts(rest);
  const takesBody = !byParts || rest.body !== undefined || isRaw(kinds);
  const common = headers === undefined ? undefined : new Headers(headers);
  const prepare = plan.prepare.get(member)!;

  const prepared = (c: Context, self: Self, body: unknown): unknown => {
    const parts = { params: hasParams ? paramsOf(c) : NO_PARAMS, query: queryOf(c), body };
    if (byParts) return prepareParts(member, rest, parts, self);
    return after(prepare([merge(parts)], self), ([input]) => input);
  };
  const call = (c: Context, self: Self, input: unknown): Response | Promise<Response> => {
    if (status !== undefined) c.status(status as 200);
    const answer = (value: unknown): Response | Promise<Response> => respond(c, value, self, member, common);
    const caller = callerFor(c);
    if (caller !== undefined) return caller({ self, member, input, respond: answer });
    const result = self[member]!(input, c);
    return isThenable(result) ? Promise.resolve(result).then(answer) : answer(result);
  };
  const proceed = (c: Context, self: Self, body: unknown): Response | Promise<Response> => {
    const input = guarded(() => prepared(c, self, body), refuseInput);
    // Opened only now: a scope costs every step that it is carried through, and reading the body has several.
    return after(input, (known) => inEntry(self, member, () => call(c, self, known)));
  };
  const run = (c: Context): Response | Promise<Response> => {
    const self = objectOf(c);
    const body = takesBody ? readBody(c, kinds, maxBody) : undefined;
    return after(body, (known) => proceed(c, self, known));
  };
  const handler: Handler = (c) => guarded(() => run(c), throwError);
  made.add(handler);
  return handler;
}

const made = new WeakSet<object>();

/** Returns true for the handler of a route, and false for one that was added to the app. */
export function isHandlerOfRoute(handler: object): boolean {
  return made.has(handler);
}

/** Runs a function, sync or not, whose error goes through `fail`. */
function guarded<T>(run: () => T | Promise<T>, fail: (error: unknown) => never): T | Promise<T> {
  try {
    const result = run();
    return result instanceof Promise ? result.catch(fail) : result;
  } catch (error) {
    return fail(error);
  }
}

/** Only what the client sent can be its fault: an `invalid-input` from inside the method stays a 500. */
function refuseInput(error: unknown): never {
  if (!DurableError.is(error, "invalid-input")) throw error;
  const { code, issues = [] } = error;
  throw refusal(422, { code, detail: listIssues(issues, "input"), issues });
}
