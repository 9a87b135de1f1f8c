/**
 * @module
 * A route's path: the names and types of its parameters, and what it matches.
 */
import { Hono } from "hono/tiny";
import { getPath } from "hono/utils/url";

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

/** What stands for a parameter where only the text around it counts; no path has it. */
const HOLE = "\x7F";

/** Optional parameters at the end of a path. */
const OPTIONAL = /(?:\/\x7F\?)+$/;

/** A name that goes on after what Hono reads of it, and a parameter without a name. */
const WRONG_NAME = /\/:\w*[^\0-\x7F]|\/:(?!\w)/;

/**
 * What Hono reads otherwise than it is written: a parameter or an open brace right behind a parameter is text, a number
 * in braces or a bar elsewhere part of a regular expression, an empty segment nothing.
 */
const MISREAD = /\x7F(?::\w|\{)|\{\d+,?\d*\}|\||\/\//;

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
  // Hono takes a slash at the end for none.
  return [...shapes, shape].map((text) => text.replaceAll("?", "").replace(/\/$/, ""));
}

/**
 * Tells whether a path is what Hono makes of a request's URL with that path: it is written decoded, without `.` and `..`.
 */
export function canArrive(path: string): boolean {
  return getPath(new Request(`http://object${path}`)) === path;
}

/** Tells whether Hono can match a path as it reads, so that a route it cannot match is refused where it is written. */
export function canMatch(path: string): boolean {
  if (!path.startsWith("/") || paramNames(path).includes("__proto__")) return false;
  const text = path.replaceAll(PARAM, `/${HOLE}`).replace(OPTIONAL, `/${HOLE}`);
  // Of an optional parameter whose pattern has a slash, Hono would leave out what follows that slash only.
  const isCut = [...path.matchAll(PARAM)].some(
    ({ 0: param, 2: pattern = "", index }) => pattern.includes("/") && path[index + param.length] === "?",
  );
  if (isCut || WRONG_NAME.test(path) || MISREAD.test(text) || !canArrive(text)) return false;
  try {
    new Hono().get(path, (c) => c.body(null));
    return true;
  } catch {
    return false;
  }
}
