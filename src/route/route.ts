/**
 * @module
 * The `@Route` decorator: lets HTTP call a method.
 */
import type { Context } from "hono";
import { DurableError, quote, type ErrorCode } from "../core/errors.ts";
import { levelOf, type Level, type RoutePlan } from "../core/plan.ts";
import { preparation } from "./input.ts";
import { flawOf, hasParts, isRaw, kindsOf, SCHEMAS, type RouteOptions, type Schemas } from "./options.ts";
import { flawOfPath, paramNames, shapesOf } from "./path.ts";
import { router } from "./router.ts";
import type { RouteDecorator, RouteFunction, RouteVerb } from "./types.ts";

/**
 * What a routed method gets as its second argument: Hono's context.
 *
 * `c.env` is the object's environment and `c.executionCtx` its `ctx`; `Variables` are what middleware sets with
 * `c.set()`. Called through a stub there is no context, so write `c?: RouteContext` in a method that both doors use.
 *
 * @example
 * ```ts
 * whoAmI(_: unknown, c: RouteContext<Env, { user: string }>) {
 *   return c.get("user");
 * }
 * ```
 */
export type RouteContext<Env = Cloudflare.Env, Variables extends object = object> = Context<{
  Bindings: Env & object;
  Variables: Variables;
}>;

/**
 * Lets HTTP call a method: `@Route(method, path, options?)`, or `Route.get`, `post`, `put`, `patch`, `del`, `all`.
 *
 * The method gets `(input, c)`: `input` is one object in which path parameters win over the body and the body over
 * the query, validated by the schemas of the options; `c` is Hono's context. The same method stays reachable through a
 * stub, with the same validation. Paths are Hono's: `/todos/:id`, `/files/*`, `/:year{[0-9]{4}}`, `/todos/:id?`.
 * `Route.none()` on an overriding method removes the routes that it inherits.
 *
 * @throws DurableError `bad-decorator` on a member that isn't a public instance method, without a call, for a route that
 * an earlier one makes unreachable, and for a second schema; `reserved-name` on a hook; `bad-option` for a path or option
 * that can't work.
 *
 * @example
 * ```ts
 * @Route.post("/increment", { input: z.object({ by: z.number() }) })
 * increment({ by }: { by: number }) {
 *   return (this.count += by);
 * }
 * ```
 */
export const Route: RouteFunction = Object.assign(route, {
  get: verb("get", "GET"),
  post: verb("post", "POST"),
  put: verb("put", "PUT"),
  patch: verb("patch", "PATCH"),
  del: verb("del", "DELETE"),
  all: verb("all", "ALL"),
  none: (...site: unknown[]) => {
    refuseUncalled("@Route.none", site);
    return decorator("@Route.none()", removeRoutes);
  },
});

/** What the platform or the base class calls, and HTTP must not. */
const RESERVED = new Set([
  "onStart",
  "onDestroy",
  "onError",
  "constructor",
  "fetch",
  "alarm",
  "webSocketMessage",
  "webSocketClose",
  "webSocketError",
]);

/** A route without its member: what was written between the parentheses. */
type Written = Omit<RoutePlan, "member"> & { readonly options: RouteOptions };

function verb(name: string, method: string): RouteVerb {
  return (path, options) => {
    refuseUncalled(`@Route.${name}`, [path, options]);
    return route(method, path, options);
  };
}

/** Without parentheses, the decorator itself is called with the member, in the standard or the legacy way. */
function refuseUncalled(written: string, [target, site]: readonly unknown[]): void {
  if (typeof target === "string") return;
  const { kind, name } = Object(site) as { kind?: unknown; name?: unknown };
  const isLegacy = Object(target) === target && (typeof site === "string" || typeof site === "symbol");
  if (kind === undefined && !isLegacy) return;
  const member = String(isLegacy ? site : name).replace("#", "");
  const call = { "@Route": `@Route.get("/${member}")`, "@Route.none": "@Route.none()" }[written];
  throw new DurableError(
    "bad-decorator",
    `${written} on ${member} isn't called. Write \`${call ?? `${written}("/${member}")`}\`.`,
  );
}

// What it gives is typed by `RouteFunction`, from the path and the schemas.
function route(method: unknown, path: string, options: RouteOptions = {}): never {
  refuseUncalled("@Route", [method, path]);
  const written: Written = { method: String(method).toUpperCase(), path, options };
  const flaw =
    flawOfMethod(String(method)) ?? (typeof path === "string" ? flawOfPath(path) : NO_PATH) ?? flawOf(options);
  if (flaw !== undefined) throw error("bad-option", show(written), `${flaw}.`);
  return decorator(show(written), (level, member) => addRoute(level, member, written)) as never;
}

/** Makes a decorator, written as `written`, that records what it stands on, in both dialects. */
function decorator(written: string, record: (level: Level, member: string) => void): RouteDecorator<never> {
  return (
    target: unknown,
    nameOrContext: string | symbol | ClassMethodDecoratorContext,
    descriptor?: PropertyDescriptor,
  ): void => {
    const [holder, member] =
      typeof nameOrContext === "object"
        ? standardSite(written, nameOrContext)
        : legacySite(written, target, nameOrContext, descriptor);
    if (RESERVED.has(member)) {
      const fix = `\`${written} answer() { … }\``;
      throw error("reserved-name", written, `cannot stand on ${member}, which is not called by name. Write ${fix}.`);
    }
    record(levelOf(holder), member);
  };
}

function standardSite(written: string, context: ClassMethodDecoratorContext): [object, string] {
  const { kind, name, metadata } = context;
  if (kind !== "method" || context.private || context.static || typeof name !== "string")
    throw misplaced(written, name);
  return [metadata, name];
}

function legacySite(
  written: string,
  target: unknown,
  name: string | symbol,
  property?: PropertyDescriptor,
): [object, string] {
  // A static member's target is the class itself; a field has no descriptor, a getter no value.
  const isMethod = typeof target === "object" && typeof property?.value === "function";
  if (!isMethod || target === null || typeof name !== "string") throw misplaced(written, name);
  return [target, name];
}

function addRoute(level: Level, member: string, written: Written): void {
  if (isRouteless(level, member)) throw contradiction(member);
  const own: RoutePlan = { ...written, member };
  // Of one method's decorators the last is applied first: what stands there already was written after this one.
  const clash = level.routes
    .map((other): [RoutePlan, RoutePlan] => (other.member === member ? [own, other] : [other, own]))
    .find(([first, second]) => isBefore(first, second));
  if (clash !== undefined) {
    const [first, second] = clash;
    throw error(
      "bad-decorator",
      show(second),
      `on ${second.member} is never reached, since ${show(first)} on ${first.member} matches the same. Give one another path.`,
    );
  }
  const others = level.routes.filter((other) => other.member === member);
  const schemas = shared(member, written, others[0]?.options ?? {});
  // A call through a stub does not know of routes, so the schemas of one are the schemas of all.
  // Of its routes, too, the one written first answers.
  const next = level.routes.findIndex((other) => other.member === member);
  level.routes = level.routes
    .toSpliced(next === -1 ? level.routes.length : next, 0, own)
    .map((one) => (one.member === member ? { ...one, options: { ...one.options, ...schemas } } : one));
  level.rerouted.add(member);
  const all = level.routes.filter((one) => one.member === member);
  const names = new Set(all.flatMap(({ path }) => paramNames(path)));
  const hasRawBody = all.some(({ options }) => isRaw(kindsOf(options)));
  level.prepare.set(member, preparation(member, schemas, names, hasRawBody));
  level.engine = router;
}

function removeRoutes(level: Level, member: string): void {
  if (level.routes.some((other) => other.member === member)) throw contradiction(member);
  level.rerouted.add(member);
}

/** Tells whether `@Route.none()` stands on a member. */
function isRouteless(level: Level, member: string): boolean {
  return level.rerouted.has(member) && !level.routes.some((other) => other.member === member);
}

/** Tells whether a route takes every request of one that is written later. */
function isBefore(earlier: RoutePlan, later: RoutePlan): boolean {
  if (earlier.method !== later.method && earlier.method !== "ALL") return false;
  const shapes = shapesOf(earlier.path);
  return shapesOf(later.path).some((shape) => shapes.includes(shape));
}

/** The schemas of a member after one more route, which may give them or leave them out. */
function shared(member: string, written: Written, earlier: Schemas): Schemas {
  const schemas: { -readonly [K in keyof Schemas]: Schemas[K] } = {};
  for (const name of SCHEMAS) {
    const schema = earlier[name] ?? written.options[name];
    if (schema !== undefined) schemas[name] = schema;
  }
  const isOther = SCHEMAS.some((name) => (written.options[name] ?? schemas[name]) !== schemas[name]);
  if (!isOther && !(schemas.input !== undefined && hasParts(schemas))) return schemas;
  throw error(
    "bad-decorator",
    show(written),
    `gives ${member} a second schema. Give all its routes the same \`input\`, or the same \`params\`, \`query\` and \`body\`.`,
  );
}

const NO_PATH = 'has no path. Write `@Route("GET", "/todos")`, or `@Route.get("/todos")`';

function flawOfMethod(method: string): string | undefined {
  if (/^head$/i.test(method)) return "never runs, since HEAD is answered by GET. Write `@Route.get(…)`";
  if (/^[a-z]+$/i.test(method)) return undefined;
  const path = method.startsWith("/") ? method : "/todos";
  return `has no HTTP method as its first argument. Write \`@Route.get(${quote(path)})\``;
}

function misplaced(written: string, name: string | symbol): DurableError {
  const fix = `\`${written} ${typeof name === "string" ? name.replace("#", "") : "answer"}() { … }\``;
  return error(
    "bad-decorator",
    written,
    `stands on ${quote(name)}, which is no public method of the object. Write ${fix}.`,
  );
}

function contradiction(member: string): DurableError {
  return error("bad-decorator", "@Route.none()", `stands on ${member} beside another @Route. Remove one of them.`);
}

function error(code: ErrorCode, written: string, text: string): DurableError {
  return new DurableError(code, `${written} ${text}`);
}

function show({ method, path }: Omit<RoutePlan, "member">): string {
  return `@Route(${quote(method)}, ${quote(path)})`;
}
