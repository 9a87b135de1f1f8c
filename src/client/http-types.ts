/**
 * @module
 * A class's routed methods as a client calls them over HTTP, as types.
 */
import type { Unvalidated } from "../core/values/schema.ts";
import type { AnyFunction, Has, HiddenMember } from "../object/members.ts";
import type { PathParams } from "../route/path.ts";
import type { HttpCallOptions } from "./http-options.ts";

/** The verbs of routes that a client can call. */
export type HttpVerb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The names of a class's methods. */
type MethodName<T> = {
  [K in keyof T]: K extends HiddenMember | symbol
    ? never
    : 0 extends 1 & T[K]
      ? never
      : T[K] extends AnyFunction
        ? K
        : never;
}[keyof T] &
  string;

/**
 * The map of `http`: for each method its verb and path, as its `@Route` has them.
 *
 * - `"PUT /todos/:id"`: `id` of the input is in the path. The rest is the JSON body; of GET and DELETE it is the query.
 * - `"POST /todos ?dry&tag"`: `dry` and `tag` are in the query, the rest is in the body.
 * - `"POST /import body"`: the member `body` alone is the body: text, bytes, or any JSON.
 *
 * @example
 * ```ts
 * const routes = { say: "POST /say", read: "GET /messages/:id" } as const satisfies HttpRoutes<Room>;
 * const room = http<Room, typeof routes>("https://example.com/rooms/lobby", routes);
 * ```
 */
export type HttpRoutes<T> = { readonly [K in MethodName<T>]?: `${HttpVerb} /${string}` };

/**
 * A client: the methods of `T` that `Routes` names.
 *
 * @example
 * ```ts
 * const room: HttpClient<Room> = http<Room>("https://example.com/rooms/lobby", { say: "POST /say" });
 * ```
 */
export type HttpClient<T, Routes = HttpRoutes<T>> = {
  readonly [K in keyof Routes & MethodName<T>]-?: HttpMethod<T[K]>;
};

/**
 * A routed method as a client calls it: with the input of its schemas, and the result as JSON has it.
 *
 * @example
 * ```ts
 * type Read = HttpMethod<(input: { id: string }) => { at: Date }>; // (input: { id: string }, options?) => Promise<{ at: string }>
 * ```
 */
export type HttpMethod<F> = F extends (...args: infer Args) => infer Result
  ? true extends Has<Awaited<Result>, Streamed>
    ? NotOverHttp<"a Response, stream or generator has no result that can be read as one value: use `fetch`">
    : Args extends readonly []
      ? (input?: Empty, options?: HttpCallOptions) => Promise<Json<Awaited<Result>>>
      : Args extends readonly [(infer Input)?, unknown?]
        ? Called<Unvalidated<Input>, Json<Awaited<Result>>>
        : NotOverHttp<"a routed method takes one input, an object">
  : never;

/** The input of a method without parameters. */
type Empty = Readonly<Record<string, never>>;

type Called<Input, Result> = [NonNullable<Input>] extends [object]
  ? true extends Has<Input extends { readonly body?: infer Body } ? Body : never, ReadableStream>
    ? NotOverHttp<"a stream as body can't be sent again: use `fetch`">
    : {} extends Input
      ? (input?: Input, options?: HttpCallOptions) => Promise<Result>
      : (input: Input, options?: HttpCallOptions) => Promise<Result>
  : unknown extends Input
    ? (input?: object, options?: HttpCallOptions) => Promise<Result>
    : NotOverHttp<"a routed method takes one input, an object">;

/**
 * Stands in an {@link HttpClient} for a method that a client can't call; calling it is a type error.
 *
 * @example
 * ```ts
 * room.download(); // This expression is not callable. Type 'NotOverHttp<"a Response, …">' has no call signatures.
 * ```
 */
export interface NotOverHttp<Why extends string> {
  readonly "cannot be called over HTTP": Why;
}

/** Results without one value. */
type Streamed =
  | Response
  | ReadableStream
  | Iterator<unknown, unknown, never>
  | AsyncIterator<unknown, unknown, never>
  | AsyncIterable<unknown>;

/**
 * A value as it comes out of JSON: a Date as a string, the result of a `toJSON()`, without methods and undefined members. It is
 * `never` for a value that a route refuses to answer with, such as a Map or bigint.
 *
 * @example
 * ```ts
 * type Sent = Json<{ at: Date; by?: string }>; // { at: string; by?: string }
 * ```
 */
export type Json<V> = 0 extends 1 & V
  ? V
  : unknown extends V
    ? V
    : V extends void
      ? undefined
      : V extends string | number | boolean | null
        ? V
        : V extends { toJSON(...args: never): infer Sent }
          ? Json<Sent>
          : V extends Unwritable
            ? never
            : V extends readonly unknown[]
              ? { [I in keyof V]: Json<Exclude<V[I], undefined>> }
              : JsonObject<V>;

type Unwritable =
  | bigint
  | symbol
  | AnyFunction
  | ArrayBuffer
  | ArrayBufferView
  | RegExp
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>;

type JsonObject<V> = {
  [
    K in keyof V as K extends symbol ? never : undefined extends V[K] ? never : V[K] extends AnyFunction ? never : K
  ]: Json<V[K]>;
} & {
  [K in keyof V as K extends symbol ? never : undefined extends V[K] ? K : never]?: Json<Exclude<V[K], undefined>>;
} extends infer Members
  ? { [K in keyof Members]: Members[K] }
  : never;

/** The second word of a line: the path. */
type PathOf<Line> = Line extends `${string} ${infer Rest}`
  ? Rest extends `${infer Path} ${string}`
    ? Path
    : Rest
  : never;

type RequiredKey<Params> = { [K in keyof Params]-?: {} extends Pick<Params, K> ? never : K }[keyof Params];

/** The names of an input's members, of all parts of a union. */
type Member<Input> = Input extends unknown ? keyof Input : never;

type InputOf<F> = F extends (...args: infer Args) => unknown
  ? Args extends readonly []
    ? object
    : Args extends readonly [(infer Input)?, ...unknown[]]
      ? Unvalidated<Input>
      : never
  : never;

/**
 * The map of `http` with a message in place of each line whose path has a parameter that the method's input lacks.
 *
 * @example
 * ```ts
 * type Checked = RouteCheck<Room, { say: "POST /say/:id" }>; // { say: 'the input has no "id", which is in the path' }
 * ```
 */
export type RouteCheck<T, Routes> = {
  readonly [K in keyof Routes]: K extends MethodName<T>
    ? unknown extends InputOf<T[K]>
      ? Routes[K]
      : [Exclude<RequiredKey<PathParams<PathOf<Routes[K]> & string>>, Member<InputOf<T[K]>>>] extends [never]
        ? Routes[K]
        : `the input has no "${Exclude<RequiredKey<PathParams<PathOf<Routes[K]> & string>>, Member<InputOf<T[K]>>> & string}", which is in the path`
    : never;
};
