/**
 * @module
 * The `@Route` decorator: lets HTTP call a method.
 */
import type { Context } from "hono";
import { DurableError, quote, type ErrorCode } from "../errors.ts";
import { levelOf, type Level, type RoutePlan } from "../plan.ts";
import { preparation } from "./input.ts";
import { flawOf, hasParts, isRaw, kindsOf, SCHEMAS, type RouteOptions, type Schemas } from "./options.ts";
import { canMatch, paramNames, shapesOf } from "./path.ts";
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
 * @throws DurableError `bad-decorator` where it cannot work (field, getter, static, `#private`), for a route that an
 * earlier one makes unreachable and for a second schema, `reserved-name` on a hook, `bad-option` for a path or option
 * that cannot work.
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
  get: verb("GET"),
  post: verb("POST"),
  put: verb("PUT"),
  patch: verb("PATCH"),
  del: verb("DELETE"),
  all: verb("ALL"),
  none: () => decorator("@Route.none()", removeRoutes),
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

function verb(method: string): RouteVerb {
  return (path, options) => route(method, path, options);
}

// What it gives is typed by `RouteFunction`, from the path and the schemas.
function route(method: unknown, path: string, options: RouteOptions = {}): never {
  // Without its parentheses the decorator is called with the method itself.
  const written: Written = { method: String(method).toUpperCase(), path, options };
  check(written);
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

function check(written: Written): void {
  const { method, path, options } = written;
  if (!/^(?!HEAD$)[A-Z]+$/.test(method) || typeof path !== "string" || !canMatch(path)) {
    throw error(
      "bad-option",
      show(written),
      'cannot be matched as it reads: a path begins with "/", has no parameter twice or called __proto__, and optional ones only at its end and without "/" in their patterns; a parameter has a name of ASCII letters, digits and _, and a "/" before it; text is decoded and without "//", "..", "|" and "{2}"; and HEAD is answered by GET. Write `@Route.get("/todos/:id")`.',
    );
  }
  const flaw = flawOf(options);
  if (flaw !== undefined)
    throw error("bad-option", show(written), `has a wrong option. Write for example \`{ ${flaw} }\`.`);
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
