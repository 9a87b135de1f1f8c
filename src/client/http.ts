/**
 * @module
 * The HTTP client: an object's routed methods by `fetch`.
 */
import { DurableError, quote } from "../core/errors.ts";
import type { HttpCallOptions, HttpOptions } from "./http-options.ts";
import { outgoing, parseRoute } from "./http-route.ts";
import { send } from "./http-send.ts";
import type { HttpClient, HttpRoutes, RouteCheck } from "./http-types.ts";

/**
 * Returns a client that calls routed methods of an object over HTTP, typed by its class.
 *
 * `url` is the object's: its routes are below it. `routes` names the methods, each with its verb and path, see {@link HttpRoutes}.
 * Nothing is sent by itself. A call sends one request, and resolves to the method's result as JSON has it. With `retry`, GET, calls
 * with a key and `idempotent` ones are sent again if their answer is lost.
 *
 * @throws DurableError `bad-option` for a URL or line of the map that can't work. A call rejects with an {@link HttpError} if the
 * answer is an error, and with `call-lost` if none came. `invalid-input`, `not-json` and `bad-key` come before anything is sent, and so
 * does `unknown-method`, for a method that the map lacks.
 *
 * @example
 * ```ts
 * import type { Room } from "./worker.ts";
 *
 * const room = http<Room>("https://example.com/rooms/lobby", { say: "POST /say", read: "GET /messages/:id" });
 * await room.say({ text: "hello" }, { key: crypto.randomUUID() });
 * ```
 */
export function http<T, Routes extends HttpRoutes<T> = HttpRoutes<T>>(
  url: string | URL,
  routes: Routes & RouteCheck<T, Routes>,
  options: HttpOptions<Extract<keyof Routes, string>> = {},
): HttpClient<T, Routes> {
  const base = baseOf(url);
  const { headers, fetch, retry, idempotent = [] }: HttpOptions = options;
  const methods = Object.entries<unknown>(routes).map(([name, line]) => {
    const route = parseRoute(name, line);
    const { label, verb: method } = route;
    const isIdempotent = method === "GET" || idempotent.includes(name);
    const call = async (input?: unknown, { key, signal, headers: own }: HttpCallOptions = {}): Promise<unknown> => {
      const { target, ...content } = outgoing(route, input);
      return await send({
        ...content,
        ...{ label, url: base + target, method, key, signal, fetch },
        headers: [headers, own],
        retry: isIdempotent || key !== undefined ? retry : undefined,
      });
    };
    return [name, call] as const;
  });
  return new Proxy(Object.fromEntries(methods), {
    get(own, name): unknown {
      // `await`, `JSON.stringify` and `console.log` look for these.
      if (typeof name === "symbol" || name in own || name === "then" || name === "toJSON")
        return Reflect.get(own, name);
      return () => Promise.reject(unknownMethod(name));
    },
  }) as object as HttpClient<T, Routes>;
}

function unknownMethod(name: string): DurableError {
  return new DurableError(
    "unknown-method",
    `http: the map has no method ${quote(name)}. Write \`{ ${name}: "POST /${name}" }\`.`,
  );
}

/** The URL of the object, without a slash at its end. In a browser it may be relative to the page. */
function baseOf(url: string | URL): string {
  const { location } = globalThis as { location?: { readonly href: string } };
  const found = URL.parse(url, location?.href);
  const isPlain = found !== null && found.search + found.hash + found.username + found.password === "";
  if (isPlain && /^https?:$/.test(found.protocol)) {
    return (found.origin + found.pathname).replace(/\/$/, "");
  }
  throw new DurableError(
    "bad-option",
    `http: ${quote(url)} is not a URL of an object: that is a scheme, a host and a path. Write \`http("https://example.com/rooms/lobby", { … })\`.`,
  );
}
