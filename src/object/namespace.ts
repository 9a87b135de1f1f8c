/**
 * @module
 * The `Object` module: finds objects of a namespace and gives typed handles to them.
 */
import { DurableError, quote, sqliteConfig } from "../core/errors.ts";
import type { ErrorClass } from "../core/entry/rpc-errors.ts";
import { flawOf } from "../storage/kv/keys.ts";
import { makeHandle } from "./handle.ts";
import { native } from "./native.ts";
import { Repeater, type RetryOptions } from "./retry.ts";
import type { Handle } from "./types.ts";

export type { RetryOptions } from "./retry.ts";
export type { Handle, NotTransferable, Stub } from "./types.ts";

/** The most bytes of UTF-8 a name may have: the platform gives no `ctx.id.name` beyond. */
const MAX_NAME = 1_024;

/**
 * Options of {@link from}.
 *
 * @example
 * ```ts
 * const options: FromOptions = { retry: { maxRetries: 3, timeoutMs: 5_000 } };
 * ```
 */
export interface FromOptions<T = unknown> {
  /**
   * How calls are repeated that the platform's infrastructure lost: by the platform itself, and where it has no retries
   * of its own by the handle, which repeats marked methods only.
   */
  readonly retry?: RetryOptions;
  /**
   * The methods that are safe to run more than once, for a caller that has not got the class; `Counter.from` knows those
   * marked with `@Idempotent()` by itself.
   */
  readonly idempotent?: readonly Extract<keyof T, string>[];
  /**
   * Classes that an error of a call gets back, by the name of its class, so that `instanceof` works; its constructor is
   * not called. `DurableError` is always one of them.
   */
  readonly errors?: readonly ErrorClass[];
}

/**
 * A namespace, ready to give handles; made by {@link from}.
 *
 * @example
 * ```ts
 * const counters: Finder<Counter> = Object.from(env.COUNTER);
 * ```
 */
export interface Finder<T> {
  /**
   * The object of that name, created by its first call.
   *
   * @throws DurableError `bad-name` when the name is empty, missing, no string, ill-formed or over 1,024 bytes.
   */
  byName(name: string): Handle<T>;

  /**
   * The object with that id, or with the id that this text is the `toString()` of.
   *
   * @throws DurableError `bad-id` when it is none, or an id of another class or jurisdiction.
   */
  byId(id: DurableObjectId | string): Handle<T>;

  /** A new object without a name; keep `handle.id.toString()` to find it again. */
  unique(): Handle<T>;

  /**
   * The objects that live in a jurisdiction and never leave it: others than those of the same names elsewhere.
   *
   * @throws DurableError `bad-option` when the platform knows no such jurisdiction.
   */
  jurisdiction(jurisdiction: DurableObjectJurisdiction): Finder<T>;

  /** The same objects, where one that is created by its first call begins to live near there; a hint that is no promise. */
  locationHint(hint: DurableObjectLocationHint): Finder<T>;
}

/**
 * Finds objects of a namespace: `Object.from(env.COUNTER).byName("alice")`.
 *
 * Sends nothing: the first call on a handle does. What it gives may be kept for the life of the Worker, a
 * handle for that of a request.
 *
 * @throws DurableError `missing-binding` when `namespace` is none, with the lines to add to `wrangler.toml`;
 * `bad-option` when an option is out of range.
 *
 * @example
 * ```ts
 * const counter = Object.from(env.COUNTER).byName("alice");
 * await counter.increment({ by: 2 });
 * ```
 */
export function from<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T>,
  options: FromOptions<NoInfer<T>> = {},
): Finder<T> {
  return find(namespace, options);
}

/** The class of a namespace's objects, for a caller that has it. */
interface KnownClass {
  readonly name: string;
  /** The methods that are marked with `@Idempotent()`. */
  readonly idempotent: Iterable<string>;
}

/** As {@link from}, for a caller that has the class. */
export function find<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T>,
  options: FromOptions<NoInfer<T>>,
  cls?: KnownClass,
): Finder<T> {
  if (typeof (namespace as Partial<typeof namespace> | null | undefined)?.getByName !== "function") {
    throw missingBinding(`Object.from(${quote(namespace)}): that isn't a Durable Object namespace.`, cls?.name);
  }
  // A handle's type says more than the native stub's; they stand for the same object.
  const { retry, errors = [], idempotent = [] } = options;
  checkRetry(retry);
  checkErrors(errors);
  const marked = [...idempotent, ...(cls?.idempotent ?? [])];
  const repeater = marked.length > 0 ? new Repeater(marked, retry) : undefined;
  return finder(namespace as unknown as DurableObjectNamespace, { errors, repeater }, nativeOptions(retry));
}

/** What the platform is told: it takes no signal. */
function nativeOptions(retry: RetryOptions | undefined): DurableObjectNamespaceGetDurableObjectOptions | undefined {
  if (retry === undefined) return undefined;
  const { signal: _, ...native } = retry;
  return { retry: native };
}

function finder<T>(
  namespace: DurableObjectNamespace,
  kept: { errors: readonly ErrorClass[]; repeater: Repeater | undefined },
  options: DurableObjectNamespaceGetDurableObjectOptions | undefined,
): Finder<T> {
  const { errors, repeater } = kept;
  const at = (id: DurableObjectId): Handle<T> => makeHandle(() => namespace.get(id, options), errors, repeater);
  return {
    byName(name) {
      checkName(name);
      return makeHandle(() => namespace.getByName(name, options), errors, repeater);
    },
    byId(id) {
      // Only parsing tells an id of another class; what it gives has lost the name.
      const parsed = parseId(namespace, id);
      return at(typeof id === "string" ? parsed : id);
    },
    unique: () => at(namespace.newUniqueId()),
    jurisdiction: (jurisdiction) => finder(within(namespace, jurisdiction), kept, options),
    locationHint: (locationHint) => finder(namespace, kept, { ...options, locationHint }),
  };
}

function checkName(name: unknown): void {
  const flaw = flawOfName(name);
  if (flaw === undefined) return;
  // The platform takes `undefined` for the name "undefined".
  throw new DurableError("bad-name", `The name ${quote(name)} ${flaw}. Pass a non-empty string: \`.byName(user.id)\`.`);
}

function checkRetry({ maxRetries = 0, timeoutMs = 500, signal }: RetryOptions = {}): void {
  const isSignal = signal === undefined || signal instanceof AbortSignal;
  if (isWithin(maxRetries, 0, 10) && isWithin(timeoutMs, 500, 60_000) && isSignal) return;
  throw new DurableError(
    "bad-option",
    "Object.from: `retry` takes `maxRetries` from 0 to 10, `timeoutMs` from 500 to 60,000 and a `signal`. Write `{ retry: { maxRetries: 3, timeoutMs: 5_000 } }`.",
  );
}

/** Such a gap would be met when a call fails, and hide that call's error. */
function checkErrors(errors: readonly ErrorClass[]): void {
  if (errors.every((cls) => typeof cls === "function")) return;
  throw new DurableError(
    "bad-option",
    "Object.from: something in `errors` is no class. Write `{ errors: [QuotaError] }`.",
  );
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function within(namespace: DurableObjectNamespace, jurisdiction: DurableObjectJurisdiction): DurableObjectNamespace {
  let cause: unknown;
  try {
    // Of `undefined` the platform gives the objects of no jurisdiction.
    if (typeof jurisdiction === "string") return namespace.jurisdiction(jurisdiction);
  } catch (error) {
    cause = error;
  }
  throw new DurableError(
    "bad-option",
    `The jurisdiction ${quote(jurisdiction)} doesn't exist here; local workerd has none. Write \`.jurisdiction("eu")\`.`,
    { cause },
  );
}

function parseId(namespace: DurableObjectNamespace, id: DurableObjectId | string): DurableObjectId {
  try {
    return namespace.idFromString(String(id));
  } catch (cause) {
    throw new DurableError(
      "bad-id",
      `The id ${quote(id)} doesn't belong to this class. Pass a handle's \`id\`, or its \`toString()\`.`,
      { cause },
    );
  }
}

/** The error for a namespace that is not there, with the lines that make it. */
export function missingBinding(problem: string, className = "Counter"): DurableError {
  const binding = className.replace(/\B(?=[A-Z])/g, "_").toUpperCase();
  return new DurableError(
    "missing-binding",
    `${problem} Export the class from the Worker's main module and add to wrangler.toml:

[[durable_objects.bindings]]
name = "${binding}"
class_name = "${className}"

${sqliteConfig(className)}`,
  );
}

/** What is wrong with a name, for the end of a sentence; undefined when it is good. */
export function flawOfName(name: unknown): string | undefined {
  return flawOf(name, MAX_NAME);
}

/** The functions of the `Object` module. */
export interface Objects {
  readonly from: typeof from;
  readonly native: typeof native;
}

/**
 * The `Object` module: {@link from}, {@link native}, and all of the global `Object`, from which it inherits.
 *
 * In a file that imports it as `Object`, `Object.keys` and the decorator helpers that tsc emits find it in
 * place of the global one and work all the same.
 *
 * @example
 * ```ts
 * import { Object } from "durable-base";
 * const alice = Object.from(env.COUNTER).byName("alice");
 * Object.keys({ a: 1 }); // ["a"]
 * ```
 */
export const objects: Objects & ObjectConstructor = /* @__PURE__ */ inheritGlobal({ from, native });

function inheritGlobal<Own extends object>(own: Own): Own & ObjectConstructor {
  const derived = function (value?: unknown): unknown {
    // `class A extends Object` reaches this with a `new.target` of its own.
    return new.target === undefined || new.target === derived
      ? Object(value)
      : Reflect.construct(Object, [], new.target);
  };
  // Not to be replaced by an own one: `value instanceof Object` asks it.
  derived.prototype = Object.prototype;
  return Object.assign(Object.setPrototypeOf(derived, Object) as ObjectConstructor, own);
}
