/**
 * @module
 * The HTTP engine of a class: a Hono app, made once from its plan.
 */
import type { Context, ExecutionContext, Hono as HonoApp, MiddlewareHandler } from "hono";
import { Hono } from "hono/tiny";
import type { RouterRoute } from "hono/types";
import { findTargetHandler, isMiddleware } from "hono/utils/handler";
import { DurableError } from "../core/errors.ts";
import { planOf, type AnyClass, type HttpEngine, type Plan, type RoutePlan } from "../core/plan.ts";
import { answerUnrouted, findObject, inEntry, outermost, serveFor, type Self } from "./context.ts";
import { handlerOf } from "./handler.ts";
import { middlewareOf, type RouteOptions } from "./options.ts";
import { shapesOf } from "./path.ts";
import { isHttpException, keepHeaders, refusal, refuse } from "./problem.ts";

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
    answer(self, request, rest) {
      const { env, ctx } = self as { env: object; ctx: ExecutionContext };
      serveFor(ctx, self, rest);
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

const apps = new WeakMap<AnyClass, HonoApp>();
/** The classes whose app has been given out. */
const opened = new WeakSet<AnyClass>();

function appOf(cls: AnyClass): HonoApp {
  let app = apps.get(cls);
  if (app === undefined) apps.set(cls, (app = makeApp(cls)));
  return app;
}

/** The routes of a class in the order in which they are asked, without those that another of their verb and path replaces. */
export function answering({ routes: all }: Plan): RoutePlan[] {
  const known = new Set<string>();
  return all.filter((route) => {
    const key = keyOf(route);
    return !known.has(key) && known.add(key);
  });
}

/** Tells routes apart as matching does: by verb and path, whatever the parameters are called. */
function keyOf({ method, path }: RoutePlan): string {
  return `${method} ${shapesOf(path).join(" ")}`;
}

function makeApp(cls: AnyClass): HonoApp {
  const plan = planOf(cls);
  const app = new Hono();
  const handlers = new Set<unknown>();
  const use = classMiddleware(cls);
  if (use.length > 0) app.use(outermost, ...use);
  for (const route of answering(plan)) {
    const handler = handlerOf(route, plan);
    const own = middlewareOf((route.options as RouteOptions).use ?? [])!;
    handlers.add(handler);
    app.on(route.method, [route.path], ...(own.length > 0 ? [outermost as MiddlewareHandler, ...own] : []), handler);
  }

  app.onError(answerError);
  const { notFound } = app;
  // Parts come before a handler of the user's, too.
  app.notFound = (handler) =>
    notFound((c) => {
      const answer = isTaken(methodsAt(app, handlers, c), c) ? undefined : answerUnrouted(c);
      return answer instanceof Promise ? answer.then((found) => found ?? handler(c)) : (answer ?? handler(c));
    });
  app.notFound((c) => answerUnmatched(methodsAt(app, handlers, c), c));
  return app;
}

/** The methods that have a route at the path of a request. */
function methodsAt(app: HonoApp, handlers: ReadonlySet<unknown>, c: Context): string[] {
  // Middleware makes no path known. Of what stands for every method, only the class's own routes count.
  const isRoute = ({ method, handler }: RouterRoute): boolean =>
    handlers.has(handler) || (method !== "ALL" && !isMiddleware(findTargetHandler(handler)));
  const methods = new Set(app.routes.filter(isRoute).map(({ method }) => method));
  return [...methods].filter((method) =>
    app.router.match(method, c.req.path)[0].some(([[, route]]) => route.method === method && isRoute(route)),
  );
}

/** True if one of the methods takes the request: its handler has answered with `c.notFound()` by itself. */
function isTaken(methods: readonly string[], c: Context): boolean {
  return methods.includes(c.req.method === "HEAD" ? "GET" : c.req.method) || methods.includes("ALL");
}

/** Answers what no route takes: 405 or, to OPTIONS, 204 where other methods have a route at this path, and 404. */
function answerUnmatched(matching: string[], c: Context): Response | Promise<Response> {
  if (matching.length === 0 || isTaken(matching, c)) return answerError(refusal(404), c);
  if (matching.includes("GET")) matching.push("HEAD");
  // A route may answer OPTIONS itself.
  const allow = [...new Set([...matching, "OPTIONS"])].join(", ");
  if (c.req.method === "OPTIONS") return keepHeaders(new Response(null, { status: 204, headers: { allow } }), c);
  return answerError(refusal(405, {}, allow), c);
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

/** The answer to an error: that of the object's `onError`, or what {@link refuse} makes of it. */
function answerError(error: Error, c: Context): Response | Promise<Response> {
  const self = findObject(c);
  return self?.onError === undefined ? keepHeaders(refuse(error), c) : askObject(self, error, c);
}

async function askObject(self: Self, error: Error, c: Context): Promise<Response> {
  // A body is read once: the hook may look at the refusal, and it is still sent.
  const spare = isHttpException(error) && error.res?.bodyUsed === false ? error.res.clone() : undefined;
  try {
    const answer = await inEntry(self, "onError", () => self.onError!(error, c));
    if (answer instanceof Response) return answer;
  } catch (failure) {
    console.error(failure);
  }
  if (spare !== undefined) Object.assign(error, { res: spare });
  return keepHeaders(refuse(error), c);
}
