/**
 * @module
 * The order of routes in a served app: what users add comes before the objects.
 */
import type { Env, Hono as HonoApp } from "hono";
import type { Result, Router } from "hono/router";
import { PatternRouter } from "hono/router/pattern-router";
import type { H, RouterRoute } from "hono/types";
import { findTargetHandler } from "hono/utils/handler";
import { DurableError } from "../core/errors.ts";

type Entry = [H, RouterRoute];

/**
 * Puts everything that is added to `app` from now on before the routes that it has, which stay in their order.
 *
 * The existing routes match whole subtrees of paths. Behind them no middleware would run, and no route below an object's
 * path. The order holds in matching and in `app.routes`, which an outer app copies in `outer.route(path, app)`.
 */
export function addFirst<E extends Env>(app: HonoApp<E>): void {
  const last = app.router;
  const first: Router<Entry> = new PatternRouter();
  app.router = {
    name: first.name,
    add(method, path, entry) {
      refuseCatchAll(method, path, entry[0]);
      first.add(method, path, entry);
    },
    // Neither router returns a separate list of parameters beside its handlers.
    match: (method, path) =>
      [[...first.match(method, path)[0], ...last.match(method, path)[0]]] as unknown as Result<Entry>,
  };
  const { routes } = app;
  const count = routes.length;
  const push = (...added: RouterRoute[]): number => {
    routes.splice(routes.length - count, 0, ...added);
    return routes.length;
  };
  Object.defineProperty(routes, "push", { value: push });
}

/** Refuses a handler without `next` at every path: it would answer in place of every object. */
function refuseCatchAll(method: string, path: string, handler: H): void {
  if (path !== "/*" || (method !== "GET" && method !== "ALL") || takesNext(handler)) return;
  throw new DurableError(
    "bad-option",
    `serve: \`app.${method.toLowerCase()}("*", …)\` would answer in place of every object, since routes that you add come first. Write \`app.notFound((c) => …)\` for requests that nothing else answers, and \`app.use(async (c, next) => …)\` for middleware.`,
  );
}

/** Returns false for a handler that can't call `next`. Rest parameters, which have no length, may hold it. */
function takesNext(handler: H): boolean {
  // `app.route(path, sub)` wraps the handlers of an app that has its own `onError`.
  const target = findTargetHandler(handler);
  return target.length === 0 ? !/^(?:async\s*)?\(\s*\)\s*=>/.test(String(target)) : target.length > 1;
}
