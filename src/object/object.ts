/**
 * @module
 * The `Object` module: finds objects of a namespace and gives typed handles to them.
 */
import { DurableError, quote } from "../errors.ts";
import { makeHandle } from "./handle.ts";
import type { Handle } from "./types.ts";

export type { Handle, NotTransferable, Stub } from "./types.ts";

/** The most bytes of UTF-8 a name may have: the platform gives no `ctx.id.name` beyond. */
const MAX_NAME = 1_024;

/**
 * A namespace, ready to give handles; made by {@link from}.
 *
 * @example
 * ```ts
 * const counters: ByName<Counter> = Object.from(env.COUNTER);
 * ```
 */
export interface ByName<T> {
  /**
   * The object of that name, created by its first call.
   *
   * @throws DurableError `bad-name` when the name is empty, missing, no string, ill-formed or over 1,024 bytes.
   */
  byName(name: string): Handle<T>;

  /**
   * The object with that id, or with the id that this text is the `toString()` of.
   *
   * @throws DurableError `bad-id` when it is none, or an id of another class.
   */
  byId(id: DurableObjectId | string): Handle<T>;

  /** A new object without a name; keep `handle.id.toString()` to find it again. */
  unique(): Handle<T>;
}

/**
 * Finds objects of a namespace: `Object.from(env.COUNTER).byName("alice")`.
 *
 * Sends nothing: the first call on a handle does. What it gives may be kept for the life of the Worker, a
 * handle for that of a request.
 *
 * @param className the class of the objects, for messages.
 * @throws DurableError `missing-binding` when `namespace` is none, with the lines to add to `wrangler.toml`.
 *
 * @example
 * ```ts
 * const counter = Object.from(env.COUNTER).byName("alice");
 * await counter.increment({ by: 2 });
 * ```
 */
export function from<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T>,
  className?: string,
): ByName<T> {
  if (typeof (namespace as Partial<typeof namespace> | null | undefined)?.getByName !== "function") {
    throw missingBinding(`Object.from(${quote(namespace)}): that is no namespace of Durable Objects.`, className);
  }
  // A handle's type says more than the native stub's; they stand for the same object.
  const untyped = namespace as unknown as DurableObjectNamespace;
  const at = (id: DurableObjectId): Handle<T> => makeHandle(() => untyped.get(id));
  return {
    byName(name) {
      const flaw = flawOfName(name);
      if (flaw === undefined) return makeHandle(() => untyped.getByName(name));
      // The platform takes `undefined` for the name "undefined".
      throw new DurableError(
        "bad-name",
        `The name ${quote(name)} ${flaw}. Pass a non-empty string: \`.byName(user.id)\`.`,
      );
    },
    byId(id) {
      // Only parsing tells an id of another class; what it gives has lost the name.
      const parsed = parseId(untyped, id);
      return at(typeof id === "string" ? parsed : id);
    },
    unique: () => at(untyped.newUniqueId()),
  };
}

function parseId(namespace: DurableObjectNamespace, id: DurableObjectId | string): DurableObjectId {
  try {
    return namespace.idFromString(String(id));
  } catch (cause) {
    throw new DurableError(
      "bad-id",
      `The id ${quote(id)} is none of this class. Pass a handle's \`id\`, or the \`toString()\` of one.`,
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

[exports.${className}]
type = "durable-object"
storage = "sqlite"

[[durable_objects.bindings]]
name = "${binding}"
class_name = "${className}"
`,
  );
}

/** What is wrong with a name, for the end of a sentence; undefined when it is good. */
export function flawOfName(name: unknown): string | undefined {
  if (typeof name !== "string") return "is no string";
  if (name === "") return "is empty";
  if (!name.isWellFormed()) return "holds a lone surrogate, which UTF-8 cannot";
  // No character takes more than three bytes a code unit, so most names need no encoding.
  if (name.length * 3 > MAX_NAME && new TextEncoder().encode(name).length > MAX_NAME)
    return `is over ${MAX_NAME} bytes`;
  return undefined;
}

/** The functions of the `Object` module. */
export interface Objects {
  readonly from: typeof from;
}

/**
 * The `Object` module: {@link from}, and all of the global `Object`, from which it inherits.
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
export const objects: Objects & ObjectConstructor = /* @__PURE__ */ inheritGlobal({ from });

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
