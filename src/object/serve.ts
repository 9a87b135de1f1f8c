/**
 * @module
 * The Worker's side of HTTP: finds the object that a path names and passes the request on.
 */
import type { Context, Hono as HonoApp } from "hono";
import type { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import { Hono } from "hono/tiny";
import { DurableError, quote } from "../errors.ts";
import { problem, refusal, refuse } from "../route/problem.ts";
import { flawOfName, missingBinding } from "./object.ts";

/**
 * Where the objects of a path are: their class, found by its name in `ctx.exports`, or a function that gives
 * their namespace. A minifier that renames classes breaks the first: keep names (wrangler does), or use the second.
 *
 * @example
 * ```ts
 * const byClass: ServeTarget<Env> = Counter;
 * const byBinding: ServeTarget<Env> = (env) => env.COUNTER;
 * ```
 */
export type ServeTarget<Env> =
  | (abstract new (ctx: never, env: never) => Rpc.DurableObjectBranded)
  | ((env: Env) => ServeNamespace);

/**
 * The part of a namespace that {@link serve} uses.
 *
 * @example
 * ```ts
 * const namespace: ServeNamespace = env.COUNTER;
 * ```
 */
export interface ServeNamespace {
  /** The object of that name. */
  getByName(name: string): { fetch(request: Request): Promise<Response> };
}

/**
 * Options of {@link serve}.
 *
 * @example
 * ```ts
 * const options: ServeOptions<Env> = { authorize: (request, { name, env }) => mayOpen(request, name, env.SECRET) };
 * ```
 */
export interface ServeOptions<Env> {
  /**
   * Decides before the object is woken: `true` lets the request pass, a `Response` answers it, anything else
   * is answered with 403. To read the body, read that of `request.clone()`.
   */
  authorize?(
    request: Request,
    target: { readonly name: string; readonly env: Env },
  ): boolean | Response | Promise<boolean | Response>;
}

/**
 * A Worker that serves objects over HTTP: under each path with a parameter `:name`, the object of that name.
 *
 * The object gets the request with the rest of the path (`/counters/alice/increment?by=2` arrives as
 * `/increment?by=2`), and the method, headers and body as they are, in one subrequest. A bad name is answered
 * with 400, an unknown path with 404, an object that throws with a bare 500, all as `application/problem+json`.
 * What it gives is a Hono app: export it, and add routes of your own, in which a `bad-name` of `byName` and a
 * `bad-id` of `byId` are a 400 too. Without `authorize` anyone can create objects; that is warned of once.
 *
 * @throws DurableError `bad-option` when a path does not begin with `/` or has no segment `:name`. When a
 * request comes, `missing-binding` is logged if there is no namespace of the class.
 *
 * @example
 * ```ts
 * export { Counter, TodoList };
 * export default serve({ "/counters/:name": Counter, "/lists/:name": TodoList });
 * ```
 */
export function serve<Env extends object = Cloudflare.Env>(
  routes: Readonly<Record<string, ServeTarget<Env>>>,
  options: ServeOptions<Env> = {},
): HonoApp<{ Bindings: Env }> {
  const app = new Hono<{ Bindings: Env }>();
  // A name or id comes from the request, in a route of the user's own as well. What an object threw has lost its class.
  app.onError((error) =>
    error instanceof DurableError && (error.code === "bad-name" || error.code === "bad-id")
      ? problem(400, { code: error.code })
      : refuse(error),
  );
  app.notFound(() => problem(404));
  let isWarned = options.authorize !== undefined;

  for (const [path, target] of Object.entries(routes)) {
    checkPath(path);
    app.all(`${path}/*`, async (c) => {
      const { name, rest } = address(c);
      const request = c.req.raw;
      const verdict = options.authorize === undefined || (await options.authorize(request, { name, env: c.env }));
      if (verdict instanceof Response) return verdict;
      if (!verdict) return problem(403);
      if (!isWarned) {
        isWarned = true;
        console.warn(
          "serve-without-authorize: anyone can create and call objects by any name. Pass `serve(routes, { authorize(request, { name, env }) { … } })`.",
        );
      }
      return await namespaceOf(target, c).getByName(name).fetch(new Request(rest, request));
    });
  }
  return app;
}

function checkPath(path: string): void {
  const segments = path.split("/");
  if (segments[0] === "" && segments.at(-1) !== "" && segments.filter((segment) => segment === ":name").length === 1)
    return;
  throw new DurableError(
    "bad-option",
    `serve: the path ${quote(path)} must begin with "/", not end with it, and name the object in one segment: "/counters/:name".`,
  );
}

/** The object's name and the URL under which it gets the request. */
function address(c: Context): { name: string; rest: URL } {
  // The whole pattern, also when the app is mounted below a path of another one; its last segment is "*".
  const pattern = routePath(c).split("/");
  const rest = new URL(c.req.url);
  const segments = rest.pathname.split("/");
  const name = decode(segments[pattern.indexOf(":name")]!);
  const flaw = flawOfName(name);
  if (flaw !== undefined) throw badName(flaw);
  rest.pathname = `/${segments.slice(pattern.length - 1).join("/")}`;
  return { name, rest };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badName("is no percent-encoded UTF-8");
  }
}

function badName(flaw: string): HTTPException {
  return refusal(400, { code: "bad-name", detail: `The name in the path ${flaw}.` });
}

function namespaceOf<Env extends object>(target: ServeTarget<Env>, c: Context<{ Bindings: Env }>): ServeNamespace {
  if (!isClass(target)) {
    const namespace: ServeNamespace | undefined = target(c.env);
    if (isNamespace(namespace)) return namespace;
    throw missingBinding("serve: the function in place of a class gave no namespace.");
  }
  // Hono types the contexts of all platforms; `exports` is this one's.
  const { exports } = c.executionCtx as { exports?: Record<string, ServeNamespace | undefined> };
  const namespace = exports?.[target.name];
  if (isNamespace(namespace)) return namespace;
  throw missingBinding(
    `serve: there is no namespace \`ctx.exports.${target.name}\`. If a minifier renamed the class, pass a function in its place: \`(env) => env.COUNTER\`.`,
    target.name,
  );
}

function isNamespace(value: ServeNamespace | undefined): value is ServeNamespace {
  return typeof value?.getByName === "function";
}

/** A class of objects extends one of the platform's; a function extends nothing. */
function isClass<Env>(target: ServeTarget<Env>): target is Exclude<typeof target, (env: Env) => ServeNamespace> {
  return Object.getPrototypeOf(target) !== Function.prototype;
}
