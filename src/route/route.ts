/**
 * @module
 * The `@Route` decorator: lets HTTP call a method.
 */
import type { Context } from "hono";
import { DurableError, quote } from "../errors.ts";
import { levelOf, type Level, type RoutePlan } from "../plan.ts";
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

function route<Output>(method: string, path: string, options: RouteOptions<Output> = {}): RouteDecorator<Output> {
  check(method, path, options);
  const written: Written = { method: method.toUpperCase(), path, options };
  return (
    target: unknown,
    nameOrContext: string | symbol | ClassMethodDecoratorContext,
    descriptor?: PropertyDescriptor,
  ): void =>
    typeof nameOrContext === "object"
      ? standardRoute(written, nameOrContext)
      : legacyRoute(written, target, nameOrContext, descriptor);
}

function standardRoute(
  written: Written,
  { kind, name, private: isPrivate, static: isStatic, metadata }: ClassMethodDecoratorContext,
): void {
  if (kind !== "method" || isPrivate || isStatic || typeof name !== "string") throw misplaced(written, name);
  record(levelOf(metadata), name, written);
}

function legacyRoute(written: Written, target: unknown, name: string | symbol, descriptor?: PropertyDescriptor): void {
  // A static member's target is the class itself; a field has no descriptor, a getter no value.
  const isMethod = typeof target === "object" && typeof descriptor?.value === "function";
  if (!isMethod || target === null || typeof name !== "string") throw misplaced(written, name);
  record(levelOf(target), name, written);
}

function record(level: Level, member: string, written: Written): void {
  const { input } = written.options;
  if (RESERVED.has(member)) {
    throw new DurableError(
      "reserved-name",
      `${show(written)} cannot stand on \`${member}\`, which the framework calls itself. Give the method another name: \`${show(written)} answer() { … }\`.`,
    );
  }
  const same = level.routes.find((other) => routeKey(other) === routeKey(written));
  if (same !== undefined) {
    throw new DurableError(
      "bad-decorator",
      `${show(written)} stands on both \`${same.member}\` and \`${member}\`. Change the path of one of them.`,
    );
  }
  const schema = level.routes.find((other) => other.member === member && inputOf(other) !== undefined);
  if (input !== undefined && schema !== undefined && inputOf(schema) !== input) {
    throw new DurableError(
      "bad-decorator",
      `\`${member}\` has two \`input\` schemas, but a call through a stub can have only one. Give all its routes the same.`,
    );
  }
  level.routes.push({ ...written, member });
  // With several routes on one method, the schema of one is the schema of all.
  if (input !== undefined || schema === undefined) level.prepare.set(member, preparation(member, input));
  level.engine = router;
}

function inputOf(route: RoutePlan): InputSchema | undefined {
  return (route.options as RouteOptions).input;
}

function check(method: unknown, path: unknown, { input, maxBody = 0, status = 200 }: RouteOptions): void {
  if (typeof method !== "string" || typeof path !== "string" || !path.startsWith("/") || !canMatch(path)) {
    throw new DurableError(
      "bad-option",
      `@Route needs a method and a path that begins with "/" and that Hono can match, not ${quote(method)} and ${quote(path)}: \`@Route.get("/todos/:id")\`.`,
    );
  }
  const written = show({ method, path });
  if (path.includes(":__proto__")) {
    throw new DurableError(
      "reserved-name",
      `${written}: a path parameter cannot be called __proto__. Call it \`:id\`.`,
    );
  }
  if (method.toUpperCase() === "HEAD") {
    throw new DurableError(
      "bad-option",
      `${written} would never run: HEAD is answered by GET. Write \`@Route.get(${quote(path)})\`.`,
    );
  }
  if (!(maxBody >= 0)) {
    throw new DurableError(
      "bad-option",
      `${written}: \`maxBody\` is a number of bytes, not ${quote(maxBody)}: \`{ maxBody: 65_536 }\`.`,
    );
  }
  if (!Number.isInteger(status) || status < 200 || status > 299) {
    throw new DurableError(
      "bad-option",
      `${written}: \`status\` is that of a success, not ${quote(status)}: \`{ status: 201 }\`.`,
    );
  }
  if (input !== undefined && typeof (input as Partial<InputSchema>)["~standard"]?.validate !== "function") {
    throw new DurableError(
      "bad-option",
      `${written}: \`input\` is no Standard Schema. Give one of zod, valibot or arktype: \`{ input: z.object({ by: z.number() }) }\`.`,
    );
  }
}

function misplaced(written: Written, name: string | symbol): DurableError {
  const member = typeof name === "string" ? name.replace("#", "") : "answer";
  return new DurableError(
    "bad-decorator",
    `${show(written)} stands on ${quote(name)}, but only a public method of the instance, with a string for its name, can answer requests. Write \`${show(written)} ${member}() { … }\`.`,
  );
}

function show({ method, path }: { method: string; path: string }): string {
  return `@Route(${quote(method)}, ${quote(path)})`;
}
