/**
 * @module
 * What `serve` is told: where objects are, how a request names one, who may reach it. Checked before anything runs.
 */
import type { Context } from "hono";
import { DurableError, quote } from "../core/errors.ts";
import type { PassWith } from "./request-data.ts";

/**
 * Where the objects of a path are: their class, found by its name in `ctx.exports`, or a function that gives
 * their namespace. A minifier that renames classes breaks the first: keep names (wrangler does), or use the second.
 *
 * @example
 * ```ts
 * const byClass: ServeTarget<Env> = Counter;
 * const byBinding: ServeTarget<Env> = (env) => env.COUNTER;
 * ```
 */
export type ServeTarget<Env> =
  | (abstract new (ctx: never, env: never) => Rpc.DurableObjectBranded)
  | ((env: Env) => ServeNamespace);

/**
 * The part of a namespace that `serve` uses.
 *
 * @example
 * ```ts
 * const namespace: ServeNamespace = env.COUNTER;
 * ```
 */
export interface ServeNamespace {
  /** The object of that name; the hint is for where to create it. */
  getByName(
    name: string,
    options?: { locationHint?: DurableObjectLocationHint },
  ): { fetch(request: Request): Promise<Response> };
  /** The objects of that jurisdiction. */
  jurisdiction(jurisdiction: DurableObjectJurisdiction): ServeNamespace;
}

/**
 * What an option's function learns beside the request: the Worker's environment and Hono's context, with the
 * path's parameters (`c.req.param("tenant")`) and what middleware of an outer app has set (`c.get("user")`).
 *
 * @example
 * ```ts
 * const name = (_: Request, { c }: ServeCall<Env>) => c.req.param("tenant");
 * ```
 */
export interface ServeCall<Env> {
  readonly env: Env;
  readonly c: Context<{ Bindings: Env & object; Variables: Record<string, unknown> }>;
}

/**
 * What `authorize` learns: with `name` and `jurisdiction`, exactly the object that the request will reach.
 *
 * @example
 * ```ts
 * const isOwn = ({ name, c }: ServeObject<Env>) => name === c.get("user");
 * ```
 */
export interface ServeObject<Env> extends ServeCall<Env> {
  /** The name as the object will have it, decoded. */
  readonly name: string;
  readonly jurisdiction: DurableObjectJurisdiction | undefined;
}

type Incoming = Request<unknown, IncomingRequestCfProperties>;
type Eventually<Value> = Value | Promise<Value>;

/**
 * Options of `serve`, for all its paths or for one. Their functions may read the body with `c.req.text()`,
 * `c.req.arrayBuffer()` or `request.clone()`, never from the request itself. If one throws Hono's `HTTPException`, that
 * is the response; anything else that it throws is a 500.
 *
 * @example
 * ```ts
 * const options: ServeOptions<Env> = { authorize: (request, { name, env }) => mayOpen(request, name, env.SECRET) };
 * ```
 */
export interface ServeOptions<Env> {
  /**
   * Decides before the object is woken. `true` lets the request pass, and `{ data }` lets it pass with data that the object reads
   * with {@link dataOf}. A `Request` passes in its place (its URL is not looked at). A `Response` answers it; anything else is
   * answered with 403.
   */
  authorize?(request: Incoming, object: ServeObject<Env>): Eventually<boolean | PassWith | Request | Response>;
  /** Names the object, in place of the path's `:name`; no name, or a bad one, is answered with 400. */
  name?(request: Incoming, call: ServeCall<Env>): Eventually<string | null | undefined>;
  /** The part of the world in which to create an object that is not there yet; the platform may choose another. */
  locationHint?:
    | DurableObjectLocationHint
    | ((request: Incoming, object: ServeObject<Env>) => Eventually<DurableObjectLocationHint | undefined>);
  /**
   * Where the object must stay. The same name in another jurisdiction is another object. workerd on your machine
   * has no jurisdictions and throws.
   */
  jurisdiction?:
    | DurableObjectJurisdiction
    | ((
        request: Incoming,
        call: ServeCall<Env> & { readonly name: string },
      ) => Eventually<DurableObjectJurisdiction | undefined>);
}

/**
 * The objects of a path, with options that take the place of those for all paths.
 *
 * @example
 * ```ts
 * const rooms: ServeRoute<Env> = { object: Room, name: (request) => request.headers.get("x-room") };
 * ```
 */
export interface ServeRoute<Env> extends ServeOptions<Env> {
  readonly object: ServeTarget<Env>;
}

/** What each option takes beside a function; complete, so that new values of the platform's types break this line. */
const VALUES: {
  readonly authorize: object;
  readonly name: object;
  readonly locationHint: Record<DurableObjectLocationHint, 1>;
  readonly jurisdiction: Record<DurableObjectJurisdiction, 1>;
} = {
  authorize: {},
  name: {},
  locationHint: {
    wnam: 1,
    enam: 1,
    sam: 1,
    weur: 1,
    eeur: 1,
    apac: 1,
    "apac-ne": 1,
    "apac-se": 1,
    oc: 1,
    afr: 1,
    me: 1,
  },
  jurisdiction: { eu: 1, fedramp: 1, "fedramp-high": 1, us: 1 },
};

const KEYS = /* @__PURE__ */ Object.keys(VALUES) as (keyof typeof VALUES)[];

/** The target of a path with its options, those for all paths where it has none of its own. */
export function readRoute<Env>(
  path: string,
  given: ServeTarget<Env> | ServeRoute<Env>,
  general: ServeOptions<Env>,
): ServeRoute<Env> {
  const { object, ...own } = typeof given === "function" ? { object: given } : { ...given };
  if (typeof object !== "function") {
    throw new DurableError(
      "bad-option",
      `serve: ${quote(path)} has no object. Give a class (one that is undefined here is imported in a circle), \`(env) => env.COUNTER\`, or \`{ object: Counter, …options }\`.`,
    );
  }
  checkOptions(own, path);
  const route = { object };
  // Not by spreading: an own option that is undefined must not hide the general one.
  for (const key of KEYS) Object.assign(route, { [key]: own[key] ?? general[key] });
  return route;
}

/** Refuses what cannot work, a misspelt option above all: without `authorize` everything is open. */
export function checkOptions(options: object, path?: string): void {
  for (const [key, value] of Object.entries(options)) {
    const where = path === undefined ? "serve" : `serve, ${quote(path)}`;
    if (!Object.hasOwn(VALUES, key)) {
      throw new DurableError("bad-option", `${where}: there is no option ${quote(key)}. Use ${KEYS.join(", ")}.`);
    }
    // One that came out undefined would leave everything open, too.
    if (key === "authorize" || typeof value !== "function") checkValue(key as keyof typeof VALUES, value, where);
  }
}

/** Refuses a value that the platform does not know; workerd takes any hint without a word. */
export function checkValue(key: keyof typeof VALUES, value: unknown, where = "serve"): void {
  if (key === "authorize" ? typeof value === "function" : value === undefined) return;
  if (typeof value === "string" && Object.hasOwn(VALUES[key], value)) return;
  const known = Object.keys(VALUES[key]).map((name) => `"${name}"`);
  throw new DurableError(
    "bad-option",
    `${where}: \`${key}\` cannot be ${quote(value)}. Pass ${[...known, "a function"].join(", ")}.`,
  );
}
