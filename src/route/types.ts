/**
 * @module
 * What a route's path and options say of the method they stand on, as types.
 */
import type { Context } from "hono";
import type { BodyKind, RouteOptions } from "./options.ts";
import type { Flat, PathParams } from "./path.ts";
import type { INPUT } from "../core/values/schema.ts";

/**
 * `@Route` for one HTTP method; its decorator is typed by the path and the schemas.
 *
 * @example
 * ```ts
 * const read: RouteVerb = Route.get;
 * ```
 */
export type RouteVerb = <
  const Path extends string,
  Input = never,
  Params = never,
  Query = never,
  Body = never,
  const Accept extends BodyKind | readonly BodyKind[] = "json",
>(
  path: Path,
  options?: RouteOptions<Input, Params, Query, Body, Accept>,
) => RouteDecoratorOf<Path, Input, Params, Query, Body, Accept>;

/**
 * The type of `Route`.
 *
 * @example
 * ```ts
 * const { get, post }: RouteFunction = Route;
 * ```
 */
export interface RouteFunction {
  <
    const Path extends string,
    Input = never,
    Params = never,
    Query = never,
    Body = never,
    const Accept extends BodyKind | readonly BodyKind[] = "json",
  >(
    method: string,
    path: Path,
    options?: RouteOptions<Input, Params, Query, Body, Accept>,
  ): RouteDecoratorOf<Path, Input, Params, Query, Body, Accept>;
  readonly get: RouteVerb;
  readonly post: RouteVerb;
  readonly put: RouteVerb;
  readonly patch: RouteVerb;
  /** `DELETE`; not `delete`, which esbuild cannot parse after `@Route.`. */
  readonly del: RouteVerb;
  /** Every HTTP method. */
  readonly all: RouteVerb;
  /** Takes from a method that a subclass overrides the routes that it inherits; stubs still reach it. */
  readonly none: () => RouteDecorator<never>;
}

/**
 * Decorates a method, in the standard and in the legacy dialect; its first parameter must take `Output`.
 *
 * @example
 * ```ts
 * const increment: RouteDecorator<{ by: number }> = Route.post("/increment", { input: By });
 * ```
 */
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

/**
 * Decorates a method of a route without a schema: its first parameter must take `Known`, the path's parameters, and
 * what else it says of its members is taken on trust.
 *
 * @example
 * ```ts
 * const read: UncheckedRouteDecorator<{ id: string }> = Route.get("/todos/:id");
 * ```
 */
export interface UncheckedRouteDecorator<Known> {
  <This, Method extends (this: This, input: never, c: Context) => unknown>(
    method: Method & Takes<Method, Known>,
    context: ClassMethodDecoratorContext<This>,
  ): void;
  <Method extends (input: never, c: Context) => unknown>(
    prototype: object,
    name: string | symbol,
    // Not `TypedPropertyDescriptor`, which sets a method too and so takes exactly its type.
    descriptor: { readonly value?: Method & Takes<Method, Known> },
  ): void;
}

/**
 * The decorator that a path and the outputs of its schemas make; an output of `never` is that of no schema.
 *
 * @example
 * ```ts
 * type Read = RouteDecoratorOf<"/todos/:id", never, never, never, never, "json">; // UncheckedRouteDecorator<{ id: string }>
 * ```
 */
export type RouteDecoratorOf<Path extends string, Input, Params, Query, Body, Accept> = [Input] extends [never]
  ? [Params | Query | Body] extends [never]
    ? UncheckedRouteDecorator<Over<PathParams<Path>, RawBody<Accept>>>
    : RouteDecorator<
        Over<
          [Params] extends [never] ? PathParams<Path> : Params,
          Over<[Body] extends [never] ? RawBody<Accept> : Members<Body>, [Query] extends [never] ? unknown : Query>
        >
      >
  : RouteDecorator<Input>;

/** A method that takes what is known, beside what its own type says of the rest. */
type Takes<Method, Known> = (input: Known & Rest<NonNullable<InputOf<Method>>, keyof Known>, c: Context) => unknown;

type InputOf<Method> = Method extends (input: infer Input, ...rest: never) => unknown ? Input : unknown;

type Rest<Claimed, Keys> = Claimed extends object
  ? {
      [K in keyof Claimed as K extends Keys ? never : K]: K extends INPUT ? "the route has no schema" : Claimed[K];
    }
  : unknown;

/** The type of `input.body` where it has a kind of its own. */
interface Raw {
  text: string;
  bytes: Uint8Array<ArrayBuffer>;
  stream: ReadableStream<Uint8Array>;
}

type RawBody<Accept> = Accept extends keyof Raw
  ? { body: Raw[Accept] }
  : Accept extends readonly (keyof Raw)[]
    ? { body?: Raw[Accept[number]] }
    : unknown;

/** What a body adds to the input: its members, or itself as `body` where it is no plain object. */
type Members<Body> = Body extends string | number | bigint | boolean | null | undefined | readonly unknown[] | Foreign
  ? { body: Body }
  : Body;

type Foreign = ArrayBuffer | ArrayBufferView | Blob | Date | Map<unknown, unknown> | ReadableStream | Set<unknown>;

/** The members of `A` over those of `B`; one that `A` may lack is that of `B` then. */
type Over<A, B> = A extends unknown
  ? B extends unknown
    ? Flat<
        { [K in keyof A as K extends OptionalKey<A> & keyof B ? never : K]: A[K] } & {
          [K in keyof B as K extends keyof A ? never : K]: B[K];
        } & { [K in keyof B as K extends OptionalKey<A> ? K : never]: B[K] | A[K & keyof A] }
      >
    : never
  : never;

type OptionalKey<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? K : never }[keyof T];
