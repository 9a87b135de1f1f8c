/**
 * @module
 * The Worker's side of HTTP: finds the object that a request names and passes the request on.
 */
import type { Context, Hono as HonoApp } from "hono";
import { Hono } from "hono/tiny";
import { DurableError } from "../errors.ts";
import { isDestroyed } from "../reset.ts";
import { problem, refuse } from "../route/problem.ts";
import { locate, placeOfName } from "./address.ts";
import { flawOfName, missingBinding } from "./object.ts";
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

/** When to come back to an object that was overloaded or moving, in seconds. */
const RETRY_AFTER = "5";

/**
 * A Worker that serves objects over HTTP: under each path the object that its segment `:name` or the option
 * `name` says.
 *
 * The object gets the request with the rest of the path (`/counters/alice/increment?by=2` arrives as
 * `/increment?by=2`), and the method, headers and body as they are, in one subrequest; its answer goes out as it
 * is, redirects too. Of several paths that match, the one written first answers. A bad name is answered with 400,
 * an unknown path with 404, an object that throws with a bare 500, one that is overloaded or moving with 503 and
 * `Retry-After`, all as `application/problem+json`; nothing is sent twice.
 * What it gives is a Hono app: export it, mount it in another, or add routes of your own, in which a `bad-name` of
 * `byName` and a `bad-id` of `byId` are a 400 too. Without `authorize` anyone can create objects; that is warned
 * of once.
 *
 * @param options for all paths; a path's own take their place, one by one.
 * @throws DurableError `bad-option` when a path names no object, a target is none, or an option is misspelt or has a
 * value that cannot work. When a request comes, `missing-binding` is logged if there is no namespace of the class.
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
export function serve<Env extends object = Cloudflare.Env>(
  routes: Readonly<Record<string, ServeTarget<Env> | ServeRoute<Env>>>,
  options: ServeOptions<Env> = {},
): HonoApp<{ Bindings: Env }> {
  checkOptions(options);
  const app = new Hono<{ Bindings: Env }>();
  app.onError(answerError);
  app.notFound(() => problem(404));
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
      pass(c as unknown as ServeCall<Env>["c"], route, place, warn).catch(rethrow),
    );
  }
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
  const passed = verdict === true ? request : verdict;
  if (!(passed instanceof Request)) return problem(403);

  if (typeof locationHint === "function") {
    locationHint = await locationHint(request, object);
    checkValue("locationHint", locationHint);
  }
  if (passed.bodyUsed) {
    throw new DurableError(
      "bad-option",
      "serve: the body was read before the object could get it. In `authorize` and the like read that of `request.clone()`.",
    );
  }
  let namespace = namespaceOf(route.object, c);
  if (jurisdiction !== undefined) namespace = namespace.jurisdiction(jurisdiction);
  const stub = namespace.getByName(object.name, locationHint === undefined ? {} : { locationHint });
  // A request that was made by code, as middleware does, would make the stub follow redirects itself.
  try {
    return await stub.fetch(new Request(new Request(rest, passed), { redirect: "manual" }));
  } catch (error) {
    // It has not begun, and comes to the next object when it is sent again.
    if (isDestroyed(error, (stub as DurableObjectStub).id)) Object.assign(error, { retryable: true });
    throw error;
  }
}

/** An object's name comes from the request, in a route of the user's own as well. */
function answerError(error: unknown): Response {
  const { overloaded, retryable, remote } = error as { overloaded?: boolean; retryable?: boolean; remote?: boolean };
  // What an object threw is no fault of the request's.
  if (remote !== true && (DurableError.is(error, "bad-name") || DurableError.is(error, "bad-id"))) {
    return problem(400, { code: error.code });
  }
  if (overloaded !== true && retryable !== true) return refuse(error);
  console.error(error);
  const response = problem(503);
  response.headers.set("retry-after", RETRY_AFTER);
  return response;
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
  // Hono types the contexts of all platforms; `exports` is this one's.
  const { exports } = c.executionCtx as { exports?: Record<string, ServeNamespace | undefined> };
  const { name } = target;
  const found = exports?.[name];
  if (isNamespace(found)) return found;
  // What is exported but not configured is there as a function.
  const why =
    found === undefined
      ? `the Worker's main module exports no \`${name}\`. If the class has another name there, or a minifier renamed it, pass a function in its place: \`(env) => env.COUNTER\`.`
      : `\`${name}\` is exported, but is no namespace: wrangler.toml has no storage for it.`;
  throw missingBinding(`serve: ${why}`, name);
}

function isNamespace(value: ServeNamespace | undefined): value is ServeNamespace {
  return typeof value?.getByName === "function";
}

/** A class of objects extends one of the platform's; a function extends nothing. */
function isClass<Env>(target: ServeTarget<Env>): target is Exclude<typeof target, (env: Env) => ServeNamespace> {
  return Object.getPrototypeOf(target) !== Function.prototype;
}
