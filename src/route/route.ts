/**
 * @module
 * The `@Route` decorator: lets HTTP call a method.
 */
import type { Context } from "hono";
import { DurableError, quote, type ErrorCode } from "../errors.ts";
import { levelOf, type Level, type RoutePlan } from "../plan.ts";
import { isSchema } from "../schema.ts";
import { preparation, type InputSchema } from "./input.ts";
import { canMatch, routeKey, router, type RouteOptions } from "./router.ts";

/**
 * What a routed method gets as its second argument: Hono's context.
 *
 * `c.env` is the object's environment and `c.executionCtx` its `ctx`. Called through a stub there is no
 * context, so write `c?: RouteContext` in a method that both doors use.
 */
export type RouteContext<Env = Cloudflare.Env> = Context<{ Bindings: Env & object }>;

/** Decorates a method, in the standard and in the legacy dialect; its first parameter must take `Output`. */
export interface RouteDecorator<Output> {
  <This, Method extends (this: This, input: Output, c: Context) => unknown>(
    method: Method,
    context: ClassMethodDecoratorContext<This, Method>,
  ): void;
  <Method extends (input: Output, c: Context) => unknown>(
    prototype: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void;
}

/** `@Route` for one HTTP method. */
export type RouteVerb = <Output = never>(path: string, options?: RouteOptions<Output>) => RouteDecorator<Output>;

/** The type of {@link Route}. */
export interface RouteFunction {
  <Output = never>(method: string, path: string, options?: RouteOptions<Output>): RouteDecorator<Output>;
  readonly get: RouteVerb;
  readonly post: RouteVerb;
  readonly put: RouteVerb;
  readonly patch: RouteVerb;
  /** `DELETE`; not `delete`, which esbuild cannot parse after `@Route.`. */
  readonly del: RouteVerb;
  /** Every HTTP method. */
  readonly all: RouteVerb;
}

/**
 * Lets HTTP call a method: `@Route(method, path, options?)`, or `Route.get`, `post`, `put`, `patch`, `del`, `all`.
 *
 * The method gets `(input, c)`: `input` is one object in which path parameters win over the JSON body and the
 * body over the query, validated by `options.input`; `c` is Hono's context. The same method stays reachable
 * through a stub, with the same validation. Paths are Hono's: `/todos/:id`, `/files/*`, `/:year{[0-9]{4}}`.
 *
 * @throws DurableError `bad-decorator` where it cannot work (field, getter, static, `#private`) and for a second
 * route of the same method and path, `reserved-name` on a hook, `bad-option` for a path or option that cannot work.
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

function route<Output>(method: unknown, path: string, options: RouteOptions<Output> = {}): RouteDecorator<Output> {
  // Without its parentheses the decorator is called with the method itself.
  const written: Written = { method: String(method).toUpperCase(), path, options };
  check(written);
  return (
    target: unknown,
    nameOrContext: string | symbol | ClassMethodDecoratorContext,
    descriptor?: PropertyDescriptor,
  ): void =>
    typeof nameOrContext === "object"
      ? standardRoute(written, nameOrContext)
      : legacyRoute(written, target, nameOrContext, descriptor);
}

function standardRoute(written: Written, context: ClassMethodDecoratorContext): void {
  const { kind, name, metadata } = context;
  if (kind !== "method" || context.private || context.static || typeof name !== "string")
    throw misplaced(written, name);
  record(levelOf(metadata), name, written);
}

function legacyRoute(written: Written, target: unknown, name: string | symbol, property?: PropertyDescriptor): void {
  // A static member's target is the class itself; a field has no descriptor, a getter no value.
  const isMethod = typeof target === "object" && typeof property?.value === "function";
  if (!isMethod || target === null || typeof name !== "string") throw misplaced(written, name);
  record(levelOf(target), name, written);
}

function record(level: Level, member: string, written: Written): void {
  if (RESERVED.has(member)) {
    const fix = `\`${show(written)} answer() { … }\``;
    throw error("reserved-name", written, `cannot stand on ${member}, which is not called by name. Write ${fix}.`);
  }
  const twin = level.routes.find((other) => routeKey(other) === routeKey(written));
  if (twin !== undefined) {
    throw error("bad-decorator", written, `stands on both ${twin.member} and ${member}. Give one another path.`);
  }
  const { input } = written.options;
  const schema = level.routes
    .filter((other) => other.member === member)
    .map(inputOf)
    .find(Boolean);
  if (input !== undefined && schema !== undefined && schema !== input) {
    throw error("bad-decorator", written, `gives ${member} a second schema. Give all its routes the same \`input\`.`);
  }
  // Of one method's decorators the last is applied first; of its routes, too, the one written first answers.
  const next = level.routes.findIndex((other) => other.member === member);
  level.routes.splice(next === -1 ? level.routes.length : next, 0, { ...written, member });
  // A call through a stub does not know of routes, so the schema of one is the schema of all.
  level.prepare.set(member, preparation(member, input ?? schema));
  level.engine = router;
}

function inputOf(route: RoutePlan): InputSchema | undefined {
  return (route.options as RouteOptions).input;
}

function check(written: Written): void {
  const { method, path, options } = written;
  if (!/^(?!HEAD$)[A-Z]+$/.test(method) || !/^\/(?!.*:__proto__)/.test(path) || !canMatch(path)) {
    throw error(
      "bad-option",
      written,
      'cannot be matched: a path begins with "/" and has no parameter twice or called __proto__, and HEAD is answered by GET. Write `@Route.get("/todos/:id")`.',
    );
  }
  const { input, maxBody = 0, status = 200 } = options;
  const wrong =
    input !== undefined && !isSchema(input)
      ? "input: z.object({ by: z.number() })"
      : !(maxBody >= 0)
        ? "maxBody: 65_536"
        : !(status >= 200 && status < 300 && Number.isInteger(status))
          ? "status: 201"
          : undefined;
  if (wrong !== undefined)
    throw error("bad-option", written, `has a wrong option. Write for example \`{ ${wrong} }\`.`);
}

function misplaced(written: Written, name: string | symbol): DurableError {
  const fix = `\`${show(written)} ${typeof name === "string" ? name.replace("#", "") : "answer"}() { … }\``;
  return error(
    "bad-decorator",
    written,
    `stands on ${quote(name)}, which is no public method of the object. Write ${fix}.`,
  );
}

function error(code: ErrorCode, written: Written, text: string): DurableError {
  return new DurableError(code, `${show(written)} ${text}`);
}

function show({ method, path }: Written): string {
  return `@Route(${quote(method)}, ${quote(path)})`;
}
