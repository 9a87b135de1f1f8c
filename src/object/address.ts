/**
 * @module
 * The path of a request: which part names the object, and which part is left for it.
 */
import type { Context } from "hono";
import { DurableError, quote } from "../errors.ts";
import { canArrive } from "../route/path.ts";

/** Literal text, or a parameter; no wildcard or pattern, which may match several segments or none. */
const SEGMENT = /^(?::\w+|[^:*{}?#|]+)$/;

/** Where the segment `:name` is, as a number of segments before the rest; undefined without one. */
export function placeOfName(path: string, isNamed: boolean): number | undefined {
  const segments = path.split("/").slice(1);
  const names = segments.filter((segment) => segment === ":name").length;
  const isPath =
    path === "/" || (path[0] === "/" && canArrive(path) && segments.every((segment) => SEGMENT.test(segment)));
  if (isPath && names === 1) return segments.length - segments.indexOf(":name");
  if (isPath && names === 0 && isNamed) return undefined;
  throw new DurableError(
    "bad-option",
    `serve: the path ${quote(path)} cannot work. Write segments of text and parameters, one of them \`:name\`, as in "/counters/:name", or give the option \`name\` for a path without it.`,
  );
}

/**
 * The segment that names the object, as it was sent, and the URL under which the object gets the request; null when
 * there is no such URL, as with a header `Host` that is no host.
 *
 * Cut from the URL's text as workerd passes it on: parsing resolves `..`, which the router took for text.
 */
export function locate(c: Context, place: number | undefined): { segment: string; rest: URL | null } {
  // The whole pattern, also when the app is mounted below a path of another one; its last segment is "*". Not the
  // helper of "hono/route", which knows the requests of its own copy of Hono only: the outer app may have another.
  const pattern = c.req.routePath;
  if (pattern.includes("{")) {
    throw new DurableError(
      "bad-option",
      `serve: mounted as ${quote(pattern)}, where a parameter may match several segments. Mount it below plain ones: \`app.route("/:tenant", served)\`.`,
    );
  }
  const [, origin = "", path = "", query = ""] = /^([^:]+:\/\/[^/?#]*)([^?#]*)(.*)$/s.exec(c.req.raw.url)!;
  const segments = path.split("/");
  // An outer app may match another path than the URL's (its `getPath`): with the host before it, or, if it is not
  // strict, without a slash at the end. The last segment that is not empty is the same in both.
  const shift = depth(segments) - depth(c.req.path.split("/"));
  const end = pattern.split("/").length - 1 + shift;
  return {
    segment: (place === undefined ? undefined : segments[end - place]) ?? "",
    rest: URL.parse(`${origin}/${segments.slice(end).join("/")}${query}`),
  };
}

function depth(segments: string[]): number {
  return Math.max(
    0,
    segments.findLastIndex((segment) => segment !== ""),
  );
}
