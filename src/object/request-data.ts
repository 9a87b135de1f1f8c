/**
 * @module
 * Data that `authorize` passes on with a request: in `cf`, which no client can set.
 */
import { toJson } from "../core/values/json.ts";

/** The member of `cf` that holds it. */
const KEY = "durableBase";

/**
 * The answer of `authorize` that lets a request pass with data for the object.
 *
 * @example
 * ```ts
 * const authorize = (request: Request): PassWith => ({ data: { user: "ann" } });
 * ```
 */
export interface PassWith {
  /** Anything that JSON can hold. */
  readonly data: unknown;
}

/** Returns true for an object that has `data` and nothing else: another that happens to have it must not let anybody in. */
export function isPassWith(verdict: unknown): verdict is PassWith {
  if (typeof verdict !== "object" || verdict === null || Object.getPrototypeOf(verdict) !== Object.prototype) {
    return false;
  }
  return Object.keys(verdict).join() === "data";
}

/**
 * Returns the properties of a request with data for the object.
 *
 * @throws DurableError `not-json`
 */
export function withData(cf: object | undefined, data: unknown): CfProperties {
  const json = toJson(data, { label: "serve, authorize", name: "data", verb: "Return" });
  return { ...cf, [KEY]: JSON.parse(json) };
}

/**
 * The data that `authorize` of {@link serve} passed on with a request, as JSON holds it; undefined if it passed none.
 *
 * A client can't forge it. Code that calls the object's `fetch` by itself can: `stub.fetch(request, { cf: { durableBase: data } })`.
 * The type is what you say: nothing checks that `authorize` returns it.
 *
 * @example
 * ```ts
 * // serve(routes, { authorize: (request) => ({ data: { user: "ann" } }) })
 * connect: (socket, request) => {
 *   socket.state = { user: dataOf<{ user: string }>(request)?.user ?? "guest" };
 * }
 * ```
 */
export function dataOf<Data>(request: Request): Data | undefined {
  return (request.cf as { readonly [KEY]?: Data } | undefined)?.[KEY];
}
