/**
 * @module
 * The Worker's side of HTTP: finds the object that a request names and passes the request on.
 */
import type { Context, Hono as HonoApp, HonoRequest } from "hono";
import { Hono } from "hono/tiny";
import { DurableError } from "../core/errors.ts";
import { isDestroyed } from "../core/destroy-reason.ts";
import { bodyUsed, exactBytes } from "../route/body-cache.ts";
import { keepHeaders, problem } from "../route/problem.ts";
import { addFirst } from "./route-order.ts";
import { locate, placeOfName } from "./address.ts";
import { flawOfName, missingBinding } from "./namespace.ts";
import { problems } from "./problems.ts";
import { isPassWith, withData } from "./request-data.ts";
import {
  checkOptions,
  checkValue,
  readRoute,
  type ServeCall,
  type ServeNamespace,
  type ServeOptions,
  type ServeRoute,
  type ServeTarget,
} from "./serve-options.ts";

/**
 * A Worker that serves objects over HTTP. Each path serves the object that its segment `:name` or the option `name`
 * names.
 *
 * The object gets the request with the rest of the path (`/counters/alice/increment?by=2` arrives as
 * `/increment?by=2`), and the method, headers and body as they are, in one subrequest; its answer goes out as it
 * is, redirects too. Of several paths that match, the one written first answers. A bad name is answered with 400, and an
 * unknown path with 404. An object that throws is answered with a bare 500, and an overloaded or moving object with 503
 * and `Retry-After`. All are `application/problem+json`; nothing is sent twice.
 *
 * Returns a Hono app: export it, mount it in another, or add routes and middleware of your own. Those come before the
 * objects, whatever the paths, and {@link problems} answers their errors. `serve<Env, { Variables: { user: string } }>(…)`
 * types what your middleware sets. Without `authorize` anyone can create objects;
 * a warning says so once.
 *
 * @param options for all paths; a path's own take their place, one by one.
 * @throws DurableError `bad-option` when a path names no object, a target isn't a class or function, or an option is
 * misspelt or has a value that can't work. When a request comes, `missing-binding` is logged if the class has no namespace.
 *
 * @example
 * ```ts
 * export { Counter, Room };
 * export default serve(
 *   {
 *     "/counters/:name": Counter,
 *     "/": { object: Room, name: (request) => new URL(request.url).hostname },
 *   },
 *   { authorize: (request, { name, env }) => mayOpen(request, name, env.SECRET) },
 * );
 * ```
 */
export function serve<Env extends object = Cloudflare.Env, Own extends { Variables?: object } = {}>(
  routes: Readonly<Record<string, ServeTarget<Env> | ServeRoute<Env>>>,
  options: ServeOptions<Env> = {},
): HonoApp<{ Bindings: Env } & Own> {
  checkOptions(options);
  const app = new Hono<{ Bindings: Env } & Own>();
  app.onError(problems);
  app.notFound((c) => keepHeaders(problem(404), c));
  let isWarned = false;
  const warn = (): void => {
    if (isWarned) return;
    isWarned = true;
    console.warn(
      "serve-without-authorize: anyone can create and call objects by any name. Pass `serve(routes, { authorize(request, { name, env }) { … } })`.",
    );
  };
  for (const [path, given] of Object.entries(routes)) {
    const route = readRoute(path, given, options);
    const place = placeOfName(path, route.name !== undefined);
    app.all(path === "/" ? "/*" : `${path}/*`, (c) =>
      pass(c as unknown as ServeCall<Env>["c"], route, place, warn).then(
        (response) => adopt(c as Context, response),
        rethrow,
      ),
    );
  }
  addFirst(app);
  return app;
}

async function pass<Env extends object>(
  c: ServeCall<Env>["c"],
  route: ServeRoute<Env>,
  place: number | undefined,
  warn: () => void,
): Promise<Response> {
  // What is looked at is what is passed on, whatever an option's function does to `c`.
  const request = c.req.raw as Request<unknown, IncomingRequestCfProperties>;
  const { segment, rest } = locate(c as Context, place);
  if (rest === null) return problem(400);
  const { env } = c;

  const name = route.name === undefined ? decode(segment) : await route.name(request, { env, c });
  const flaw = name == null ? "is missing, or not UTF-8" : flawOfName(name);
  if (flaw !== undefined) return problem(400, { code: "bad-name", detail: `The object's name ${flaw}.` });
  const named = { name: name as string, env, c };

  let { jurisdiction, locationHint } = route;
  if (typeof jurisdiction === "function") {
    jurisdiction = await jurisdiction(request, named);
    checkValue("jurisdiction", jurisdiction);
  }
  const object = { ...named, jurisdiction };

  if (route.authorize === undefined) warn();
  const verdict = route.authorize === undefined || (await route.authorize(request, object));
  if (verdict instanceof Response) return verdict;
  const data = isPassWith(verdict) ? verdict.data : undefined;
  const passed = verdict === true || data !== undefined ? request : verdict;
  if (!(passed instanceof Request)) return problem(403);

  if (typeof locationHint === "function") {
    locationHint = await locationHint(request, object);
    checkValue("locationHint", locationHint);
  }
  const forwarded = await forward(passed, rest, c.req, data);
  let namespace = namespaceOf(route.object, c);
  if (jurisdiction !== undefined) namespace = namespace.jurisdiction(jurisdiction);
  const stub = namespace.getByName(object.name, locationHint === undefined ? {} : { locationHint });
  try {
    return await stub.fetch(forwarded);
  } catch (error) {
    // It has not begun, and comes to the next object when it is sent again.
    if (isDestroyed(error, (stub as DurableObjectStub).id)) Object.assign(error, { retryable: true });
    throw error;
  }
}

/** The request for the object. If earlier code has read the body, it gets the body that Hono has kept. */
async function forward(passed: Request, rest: URL, asked: HonoRequest, data: unknown): Promise<Request> {
  // The stub would follow redirects itself for a request that code has made, as middleware does.
  const redirect = "manual";
  const marked = data === undefined ? {} : { cf: withData(passed.cf, data) };
  if (!passed.bodyUsed && passed.body?.locked !== true)
    return new Request(new Request(rest, passed), { redirect, ...marked });
  if (passed !== asked.raw) throw bodyUsed(asked);
  const body = await exactBytes(asked);
  const { method, signal, cf } = passed;
  const headers = new Headers(passed.headers);
  // Hono may have dropped a byte order mark.
  headers.delete("content-length");
  return new Request(rest, { method, headers, body, redirect, signal, ...(cf && { cf }), ...marked });
}

/**
 * Sets the response of `c`, which copies it: an object's response has immutable headers. The copy gets the headers that
 * were set before. Hono alone would replace the object's cookies and `Vary`.
 */
function adopt(c: Context, response: Response): Response {
  // Middleware, such as a timeout, has answered in the meantime.
  if (c.finalized) return response;
  const { headers } = c.res;
  // If `authorize` returns `c.json(…)`, the response has these headers already.
  const cookies = headers.getSetCookie();
  for (const cookie of response.headers.getSetCookie()) {
    if (!cookies.includes(cookie)) headers.append("set-cookie", cookie);
  }
  const vary = response.headers.get("vary");
  if (vary !== null && vary !== headers.get("vary")) headers.append("vary", vary);
  c.res = response;
  return c.res;
}

/** Hono hands errors to `onError`, but lets everything else that is thrown pass. */
function rethrow(thrown: unknown): never {
  throw thrown instanceof Error
    ? thrown
    : new Error("serve: something that is no Error was thrown.", { cause: thrown });
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function namespaceOf<Env extends object>(target: ServeTarget<Env>, c: ServeCall<Env>["c"]): ServeNamespace {
  if (!isClass(target)) {
    const namespace: ServeNamespace | undefined = target(c.env);
    if (isNamespace(namespace)) return namespace;
    throw missingBinding("serve: the function in place of a class gave no namespace.");
  }
  const { name } = target;
  const found = exportsOf(c, name)?.[name];
  if (isNamespace(found)) return found;
  // A class that is exported but not configured is there as a function.
  const why =
    found === undefined
      ? `the Worker's main module exports no \`${name}\`. If the class has another name there, or a minifier renamed it, pass a function in its place: \`(env) => env.COUNTER\`.`
      : `\`${name}\` is exported, but isn't a namespace: wrangler.toml declares no storage for it.`;
  throw missingBinding(`serve: ${why}`, name);
}

/** @throws DurableError `missing-binding` if the app was called without `ctx`, as `app.request(path)` does. */
function exportsOf(
  c: Pick<Context, "executionCtx">,
  name: string,
): Record<string, ServeNamespace | undefined> | undefined {
  let ctx: object;
  try {
    ctx = c.executionCtx;
  } catch {
    throw new DurableError(
      "missing-binding",
      `serve: the app was called without \`ctx\`, where it finds the class ${name}. Write \`app.request(path, init, env, ctx)\`, with \`createExecutionContext()\` of "cloudflare:test" in tests.`,
    );
  }
  // Hono types the contexts of all platforms; `exports` is this one's.
  return (ctx as { exports?: Record<string, ServeNamespace | undefined> }).exports;
}

function isNamespace(value: ServeNamespace | undefined): value is ServeNamespace {
  return typeof value?.getByName === "function";
}

/** A class of objects extends one of the platform's; a function extends nothing. */
function isClass<Env>(target: ServeTarget<Env>): target is Exclude<typeof target, (env: Env) => ServeNamespace> {
  return Object.getPrototypeOf(target) !== Function.prototype;
}
