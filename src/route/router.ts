/**
 * @module
 * The HTTP engine of a class: a Hono app, made once from its plan.
 */
import type { Context, ExecutionContext, Handler, Hono as HonoApp, MiddlewareHandler } from "hono";
import { Hono } from "hono/tiny";
import { isThenable } from "../entry.ts";
import { DurableError, quote } from "../errors.ts";
import { planOf, type AnyClass, type HttpEngine, type Plan, type RoutePlan } from "../plan.ts";
import { listIssues } from "../schema.ts";
import { readBody } from "./body.ts";
import { after, merge, paramsOf, prepareParts, queryOf, type Input } from "./input.ts";
import { hasParts, isRaw, kindsOf, middlewareOf, type RouteOptions } from "./options.ts";
import { respond } from "./output.ts";
import { shapesOf } from "./path.ts";
import { refusal, refuse } from "./problem.ts";

/**
 * The Hono app of a class: answers its routes, and whatever is added to it.
 *
 * There is one app a class, which serves all its objects, and a subclass has its own. What is added comes after the
 * routes of the class, runs inside the entry of an object as they do, and finds that object as `c.get("object")`;
 * `notFound` replaces the answer to what no route takes, wrong methods and OPTIONS included. Works for a class without
 * `@Route` too.
 *
 * @throws DurableError `bad-option` when the class's `static use` is no array of middleware. Asked outside an object,
 * the app logs `no-object`.
 *
 * @example
 * ```ts
 * routes(Counter).get("/double", (c) => c.json(2 * c.get("object").count));
 * ```
 */
export function routes<T extends Rpc.DurableObjectBranded, Env = Cloudflare.Env>(
  cls: abstract new (ctx: never, env: Env) => T,
): HonoApp<{ Bindings: Env & object; Variables: { object: T } }> {
  planOf(cls).engine ??= router;
  const app = appOf(cls);
  // Only here, since a handler that stands alone is answered without composing any.
  if (!opened.has(cls)) app.use(outermost);
  opened.add(cls);
  return app as unknown as HonoApp<{ Bindings: Env & object; Variables: { object: T } }>;
}

/** Makes the engine of a class. */
export function router(cls: AnyClass): HttpEngine {
  const app = appOf(cls);
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

type Verb = (input: unknown, c: Context) => unknown;
type Self = Record<string, Verb> & { onError?(error: Error, c: Context): unknown };

const MAX_BODY = 1_048_576;
const NO_PARAMS = Object.create(null) as Input;

/** The object behind an `ExecutionContext`: one app serves all objects of a class. */
const selves = new WeakMap<object, Self>();

const apps = new WeakMap<AnyClass, HonoApp>();
/** The classes whose app has been given out. */
const opened = new WeakSet<AnyClass>();

function appOf(cls: AnyClass): HonoApp {
  let app = apps.get(cls);
  if (app === undefined) apps.set(cls, (app = makeApp(cls)));
  return app;
}

/** Tells routes apart as matching does: by verb and path, whatever the parameters are called. */
function routeKey({ method, path }: RoutePlan): string {
  return `${method} ${shapesOf(path).join(" ")}`;
}

function makeApp(cls: AnyClass): HonoApp {
  const plan = planOf(cls);
  const app = new Hono();
  const handlers = new Set<unknown>();
  const use = classMiddleware(cls);
  if (use.length > 0) app.use(outermost, ...use);
  // A subclass's route takes the place of its ancestor's.
  for (const route of new Map(plan.routes.map((one) => [routeKey(one), one])).values()) {
    const handler = handlerOf(route, plan);
    const own = middlewareOf((route.options as RouteOptions).use ?? [])!;
    handlers.add(handler);
    app.on(route.method, [route.path], ...(own.length > 0 ? [outermost as MiddlewareHandler, ...own] : []), handler);
  }

  app.onError(answerError);
  app.notFound((c) => {
    // Middleware is there for every method; of what is, only the class's own routes count.
    const isRoute = (method: string, handler: unknown): boolean => method !== "ALL" || handlers.has(handler);
    const methods = new Set(app.routes.map(({ method, handler }) => (isRoute(method, handler) ? method : "")));
    const matching = [...methods].filter((method) =>
      app.router
        .match(method, c.req.path)[0]
        .some(([[, route]]) => route.method === method && isRoute(method, route.handler)),
    );
    const asked = c.req.method === "HEAD" ? "GET" : c.req.method;
    // A method that does match has itself answered with `c.notFound()`.
    if (matching.length === 0 || matching.includes(asked) || matching.includes("ALL"))
      return answerError(refusal(404), c);
    if (matching.includes("GET")) matching.push("HEAD");
    const allow = [...matching, "OPTIONS"].join(", ");
    if (asked === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    return answerError(refusal(405, {}, allow), c);
  });
  return app;
}

/** The middleware of a class, which it inherits as it does any static. */
function classMiddleware(cls: AnyClass): readonly MiddlewareHandler[] {
  const { use = [] } = cls as { use?: unknown };
  const list = Array.isArray(use) ? middlewareOf(use) : undefined;
  if (list !== undefined) return list;
  throw new DurableError(
    "bad-option",
    `${cls.name}: \`static use\` is no array of Hono's middleware. Write \`static use = [cors()]\`.`,
  );
}

/** The object whose entry is open. */
function objectOf(c: Context): Self {
  const self = selves.get(c.executionCtx);
  if (self !== undefined) return self;
  throw new DurableError(
    "no-object",
    "The app of a class answers inside its objects only. Send them the request: `env.COUNTER.getByName(name).fetch(request)`.",
  );
}

/** Stands before all other middleware: gives them the object, and makes an error of whatever else they throw. */
const outermost = async (c: Context, next: () => Promise<void>): Promise<void> => {
  c.set("object", objectOf(c));
  await next().catch(throwError);
};

/** The answer to an error: that of the object's `onError`, or what {@link refuse} makes of it. */
function answerError(error: Error, c: Context): Response | Promise<Response> {
  const self = selves.get(c.executionCtx);
  return self?.onError === undefined ? refuse(error) : askObject(self, error, c);
}

async function askObject(self: Self, error: Error, c: Context): Promise<Response> {
  try {
    const answer = await self.onError!(error, c);
    if (answer instanceof Response) return answer;
  } catch (failure) {
    console.error(failure);
  }
  return refuse(error);
}

function handlerOf({ member, path, options }: RoutePlan, plan: Plan): Handler {
  const { maxBody = MAX_BODY, status, headers, ...rest } = options as RouteOptions;
  const kinds = kindsOf(rest);
  const hasParams = path.includes(":");
  const byParts = hasParts(rest);
  const takesBody = !byParts || rest.body !== undefined || isRaw(kinds);
  const hasBody = isRaw(kinds) && kinds.length === 1;
  const common = headers === undefined ? undefined : new Headers(headers);
  const prepare = plan.prepare.get(member)!;

  const prepared = (c: Context, self: Self, body: unknown): unknown => {
    const parts = { params: hasParams ? paramsOf(c) : NO_PARAMS, query: queryOf(c), body };
    if (byParts) return prepareParts(member, rest, parts, self);
    return after(prepare([merge(parts)], self), ([input]) => input);
  };
  const call = (c: Context, self: Self, input: unknown): Response | Promise<Response> => {
    if (status !== undefined) c.status(status as 200);
    const result = self[member]!(input, c);
    const answer = (value: unknown): Response | Promise<Response> => respond(c, value, self, member, common);
    return isThenable(result) ? Promise.resolve(result).then(answer) : answer(result);
  };
  // Sync as long as the body, the schemas and the method are.
  const run = (c: Context): Response | Promise<Response> => {
    const self = objectOf(c);
    const body = takesBody && (hasBody || c.req.raw.body !== null) ? readBody(c, kinds, maxBody) : undefined;
    const input = guarded(() => after(body, (known) => prepared(c, self, known)), refuseInput);
    return after(input, (known) => call(c, self, known));
  };
  return (c) => guarded(() => run(c), throwError);
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

/** Hono lets whatever is no Error pass its `onError`. */
function throwError(thrown: unknown): never {
  if (thrown instanceof Error) throw thrown;
  throw new Error(`${quote(thrown)} was thrown, which is no Error`, { cause: thrown });
}

/** Only what the client sent can be its fault: an `invalid-input` from inside the method stays a 500. */
function refuseInput(error: unknown): never {
  if (!DurableError.is(error, "invalid-input")) throw error;
  const { code, issues = [] } = error;
  throw refusal(422, { code, detail: listIssues(issues, "input"), issues });
}
