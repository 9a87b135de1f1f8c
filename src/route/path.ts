/**
 * @module
 * A route's path: the names and types of its parameters, and what it matches.
 */
import { Hono } from "hono/tiny";

/**
 * The path parameters of a path as the method gets them: `"/items/:id{[0-9]+}/:page?"` gives
 * `{ id: string; page?: string }`, a path that is not known at compile time gives nothing.
 *
 * @example
 * ```ts
 * type Item = PathParams<"/items/:id">; // { id: string }
 * ```
 */
export type PathParams<Path extends string> = Flat<Params<Path>>;

type Params<Path extends string> = Path extends `${string}/:${infer Rest}`
  ? Rest extends `${infer First}/:${infer More}`
    ? Param<First> & Params<`/:${More}`>
    : Param<Rest>
  : unknown;

/** One parameter, from its name up to the next one: `id`, `id{[0-9]+}/comments`, `page?`. */
type Param<Text extends string> = Text extends `${string}?`
  ? { [K in Word<Text>]?: string }
  : { [K in Word<Text>]: string };

/** The characters of a name from the start of a text; the rest is a pattern in braces or something literal. */
type Word<Text extends string> = Text extends `${infer First}${infer Rest}`
  ? First extends "_" | `${number}`
    ? `${First}${Word<Rest>}`
    : // Only a letter has two cases.
      Uppercase<First> extends Lowercase<First>
      ? ""
      : `${First}${Word<Rest>}`
  : "";

/** One object type in place of an intersection of several. */
export type Flat<T> = { [K in keyof T]: T[K] };

/** A parameter with its pattern, whose braces may hold braces. */
const PARAM = /\/:(\w+)(\{(?:\{[\d,]+\}|[^}])+\})?/g;

/** A `?` after which something follows that is not optional. */
const INNER_OPTIONAL = /\?(?!(?:\/:\?)*$)/;

/** The names of a path's parameters. */
export function paramNames(path: string): string[] {
  return [...path.matchAll(PARAM)].map(([, name]) => name!);
}

/**
 * What a path matches, whatever its parameters are called; several where the last ones are optional.
 * Two paths that have one in common match the same requests.
 */
export function shapesOf(path: string): string[] {
  const shapes: string[] = [];
  let shape = path.replaceAll(PARAM, "/:$2");
  for (; shape.endsWith("?"); shape = shape.replace(/\/[^/]*$/, "")) shapes.push(shape.slice(0, -1));
  // Hono takes a slash at the end, and a second one in a row, for none.
  return [...shapes, shape].map((text) => text.replaceAll("?", "").replaceAll(/\/+(?=\/|$)/g, ""));
}

/** Tells whether Hono can match a path as it reads, so that a route it cannot match is refused where it is written. */
export function canMatch(path: string): boolean {
  if (!path.startsWith("/") || paramNames(path).includes("__proto__")) return false;
  if (INNER_OPTIONAL.test(path.replaceAll(PARAM, "/:"))) return false;
  try {
    new Hono().get(path, (c) => c.body(null));
    return true;
  } catch {
    return false;
  }
}
