/**
 * @module
 * The path of a request: which part names the object, and which part is left for it.
 */
import type { Context } from "hono";
import { DurableError, quote } from "../core/errors.ts";
import { flawOfPath } from "../route/path.ts";

/** Literal text, or a parameter; no wildcard or pattern, which may match several segments or none. */
const SEGMENT = /^(?::\w+|[^:*{}?#|]+)$/;
/** Parts of a path that parsing a URL resolves. Clients do that before they send it. */
const RESOLVED = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|\\/i;
const SEGMENTS = "Write segments of text and parameters, as in `/:tenant/rooms/:name`";

/** Where the segment `:name` is, as a number of segments before the rest; undefined without one. */
export function placeOfName(path: string, isNamed: boolean): number | undefined {
  const segments = path.split("/").slice(1);
  const flaw = flawOf(path, segments, isNamed);
  if (flaw !== undefined) throw new DurableError("bad-option", `serve: the path ${quote(path)} ${flaw}.`);
  const index = segments.indexOf(":name");
  return index === -1 ? undefined : segments.length - index;
}

function flawOf(path: string, segments: readonly string[], isNamed: boolean): string | undefined {
  const odd = path === "/" ? undefined : segments.find((segment) => !SEGMENT.test(segment));
  if (odd === "") return `has an empty segment, or a slash at its end. ${SEGMENTS}`;
  if (odd !== undefined) return `has the segment ${quote(odd)}, which is neither text nor a parameter. ${SEGMENTS}`;
  const flaw = flawOfPath(path);
  if (flaw !== undefined || isNamed || segments.includes(":name")) return flaw;
  return 'names no object. Write one with `:name`, as "/counters/:name", or give the option `name`';
}

/**
 * The segment that names the object, as it was sent, and the URL under which the object gets the request; null when
 * the URL is malformed, for example because of its `Host` header. It is null, too, for a path that parsing changes: the
 * object would get a path that no guard in the Worker has seen.
 *
 * Cut from the URL's text as workerd passes it on: parsing resolves `..`, which the router took for text.
 */
export function locate(c: Context, place: number | undefined): { segment: string; rest: URL | null } {
  // The whole pattern, even when the app is mounted below a path of another one; its last segment is "*". The helper of
  // "hono/route" won't do: it knows only the requests of its own copy of Hono, and the outer app may have another copy.
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
  const rest = segments.slice(end).join("/");
  return {
    segment: (place === undefined ? undefined : segments[end - place]) ?? "",
    rest: RESOLVED.test(rest) ? null : URL.parse(`${origin}/${rest}${query}`),
  };
}

function depth(segments: string[]): number {
  return Math.max(
    0,
    segments.findLastIndex((segment) => segment !== ""),
  );
}
