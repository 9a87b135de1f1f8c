/**
 * @module
 * A route's path: the names and types of its parameters, and what it matches.
 */
import { Hono } from "hono/tiny";
import { getPath } from "hono/utils/url";
import { quote } from "../core/errors.ts";

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
 * Paths that Hono can't match, or reads differently from how they are written, with the fix. They are searched for in the
 * text round the parameters, in this order.
 */
const FLAWS: readonly (readonly [RegExp, string])[] = [
  [/^(?!\/)/, 'does not begin with "/". Write `"/todos"`'],
  [/\x7F:\w/, 'has a parameter right behind another one, which Hono reads as text. Write "/" or "-" between them'],
  [/\x7F\{/, "has a parameter whose pattern is empty or has no end. Write `/:id{[0-9]+}`"],
  [/\{\d+,?\d*\}/, "has a number in braces that belongs to no parameter. Write `/:id{[0-9]{2}}`"],
  [/\|/, 'has a "|" that belongs to no parameter. Write `/:kind{a|b}`, or a route for each'],
  [/\/\//, "has an empty segment, which Hono leaves out. Write one `/`"],
  [/\/\.\.?(?:\/|$)/, 'has a segment "." or "..", which no request has when it arrives. Leave it out'],
  [/\x7F\?/, "has an optional parameter before its end. Write a route for each of the two paths"],
  [/[?#]/, 'has a "?" or "#", which ends the path of a URL. Take the query from the input of the method'],
];

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

/** Returns what Hono makes of a request's URL with that path: decoded, without `.` and `..`. */
function arrived(path: string): string {
  return getPath(new Request(`http://object${path}`));
}

/**
 * Returns why Hono can't match a path as it is written, and the fix, so that a route is refused where it is declared;
 * undefined for a path that Hono can match.
 */
export function flawOfPath(path: string): string | undefined {
  const names = paramNames(path);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `has two parameters called ${twice}. Give each a name of its own`;
  if (WRONG_NAME.test(path))
    return "has a parameter whose name isn't made of ASCII letters, digits and _. Write `/:id`";
  if (names.includes("__proto__")) return "has a parameter called __proto__, which no input can have. Rename it";
  // Of an optional parameter whose pattern has a slash, Hono would leave out what follows that slash only.
  const isCut = [...path.matchAll(PARAM)].some(
    ({ 0: param, 2: pattern = "", index }) => pattern.includes("/") && path[index + param.length] === "?",
  );
  if (isCut) return 'has an optional parameter with a "/" in its pattern. Write a route for each of the two paths';
  const text = path.replaceAll(PARAM, `/${HOLE}`).replace(OPTIONAL, `/${HOLE}`);
  const flaw = FLAWS.find(([pattern]) => pattern.test(text))?.[1];
  if (flaw !== undefined) return flaw;
  if (arrived(text) !== text) {
    const params = path.matchAll(PARAM);
    const arriving = arrived(text).replaceAll(`/${HOLE}`, () => params.next().value![0]);
    return `is never matched, since requests for it arrive as ${quote(arriving)}. Write that one`;
  }
  try {
    new Hono().get(path, (c) => c.body(null));
    return undefined;
  } catch {
    return "has a pattern that isn't a regular expression. Write `/:id{[0-9]+}`";
  }
}
