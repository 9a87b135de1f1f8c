/**
 * @module
 * The HTTP engine of a class: a Hono app, made once from its plan.
 */
import type { Context, ExecutionContext } from "hono";
import { Hono } from "hono/tiny";
import { DurableError } from "../errors.ts";
import type { HttpEngine, Plan, Prepare, RoutePlan } from "../plan.ts";
import { listIssues } from "../schema.ts";
import { addBody, addParams, queryInput, type InputSchema } from "./input.ts";
import type { OperationOptions } from "./openapi-document.ts";
import { respond } from "./output.ts";
import { problem, refuse, Refusal } from "./problem.ts";

/** What a route may say beside its verb and path. */
export interface RouteOptions<Output = unknown> {
  /**
   * Validates and converts the input, over HTTP and through a stub: any Standard Schema (zod, valibot, arktype).
   * The method's first parameter takes what the schema gives.
   */
  readonly input?: InputSchema<Output>;
  /** The longest body in bytes, 1 MiB by default; `Infinity` for no limit. A longer one is answered with 413. */
  readonly maxBody?: number;
  /** The status of a result, 200 by default; the method can still choose another one with `c.status()`. */
  readonly status?: number;
  readonly params?: InputSchema;
  readonly query?: InputSchema;
  readonly body?: InputSchema;
  readonly accept?: BodyKind | readonly BodyKind[];
  readonly openapi?: OperationOptions;
}

/** A form that a body is taken in. */
export type BodyKind = "json" | "form" | "text" | "bytes" | "stream";

type Verb = (input: unknown, c: Context) => unknown;
type Self = Record<string, Verb>;

const MAX_BODY = 1_048_576;

/** The object behind an `ExecutionContext`: one app serves all objects of a class. */
const selves = new WeakMap<object, Self>();

/** Tells routes apart as matching does: by verb and path, whatever the parameters are called. */
export function routeKey({ method, path }: { method: string; path: string }): string {
  return `${method} ${path.replaceAll(/\/:\w+/g, "/:")}`;
}

/** Tells whether Hono can match a path, so that a route it cannot match is refused where it is written. */
export function canMatch(path: string): boolean {
  try {
    new Hono().get(path, (c) => c.body(null));
    return true;
  } catch {
    return false;
  }
}

/** Makes the engine of a class. */
export function router(plan: Plan): HttpEngine {
  const app = new Hono();
  // A subclass's route takes the place of its ancestor's.
  const routes = new Map(plan.routes.map((route) => [routeKey(route), route]));
  for (const route of routes.values()) {
    app.on(route.method, route.path, handler(route, plan.prepare.get(route.member)!));
  }
  const methods = [...new Set(plan.routes.map(({ method }) => method))];

  app.onError(refuse);
  app.notFound((c) => {
    const matching = methods.filter((method) => app.router.match(method, c.req.path)[0].length > 0);
    const asked = c.req.method === "HEAD" ? "GET" : c.req.method;
    // A method that does match has itself answered with `c.notFound()`.
    if (matching.length === 0 || matching.includes(asked) || matching.includes("ALL")) return problem(404);
    if (matching.includes("GET")) matching.push("HEAD");
    const allow = [...matching, "OPTIONS"].join(", ");
    return asked === "OPTIONS" ? new Response(null, { status: 204, headers: { allow } }) : problem(405, {}, allow);
  });

  return {
    answer(self, request) {
      const { env, ctx } = self as { env: object; ctx: ExecutionContext };
      selves.set(ctx, self as Self);
      try {
        const response = app.fetch(request, env, ctx);
        // Hono hands errors to `onError`, but lets everything else that is thrown pass.
        return response instanceof Promise ? response.catch(refuse) : response;
      } catch (error) {
        return refuse(error);
      }
    },
    refuse,
  };
}

function handler({ member, path, options }: RoutePlan, prepare: Prepare): (c: Context) => Promise<Response> {
  const { maxBody = MAX_BODY, status } = options as RouteOptions;
  const hasParams = path.includes(":");
  return async (c) => {
    const self = selves.get(c.executionCtx)!;
    const input = queryInput(c);
    if (c.req.raw.body !== null) await addBody(input, c, maxBody);
    if (hasParams) addParams(input, c);
    const [ready] = await prepared(prepare, input, self);
    if (status !== undefined) c.status(status as 200);
    return respond(c, await self[member]!(ready, c), () => `${self.constructor.name}.${member}`);
  };
}

/** Only what the client sent can be its fault: an `invalid-input` from inside the method stays a 500. */
async function prepared(prepare: Prepare, input: object, self: Self): Promise<unknown[]> {
  try {
    return await prepare([input], self);
  } catch (error) {
    if (!DurableError.is(error, "invalid-input")) throw error;
    const { code, issues = [] } = error;
    throw new Refusal(422, { code, detail: listIssues(issues, "input"), issues });
  }
}
