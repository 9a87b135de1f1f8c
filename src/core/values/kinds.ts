/**
 * @module
 * The kinds of objects that storage returns unchanged, and advice for all the others.
 */
import { hasHiddenDisposer, isContainer, NativeDate, unwrap } from "./snapshot.ts";

/** The prototype that all typed arrays inherit from. */
const TypedArray: object = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** The built-ins that storage keeps beside arrays, typed arrays and Errors. */
const KINDS = [globalThis.Object, Map, Set, NativeDate, RegExp, ArrayBuffer, DataView];
const PROTOTYPES: ReadonlySet<unknown> = new Set<unknown>(KINDS.map((kind): unknown => kind.prototype));

/** A part of an object that storage would lose. */
export interface Loss {
  /** A noun phrase: `an instance of Money`. */
  readonly what: string;
  /** A sentence that says how to store it. */
  readonly advice: string;
}

/**
 * Returns what storage would lose of an object or function itself, not of its members; undefined if nothing is lost.
 *
 * An instance of a class that extends Map, Array, Date or another built-in would come back without its methods and
 * fields. A Map would lose its properties. An Error keeps its data but not its class, as structured clone defines it.
 */
export function lossOf(value: object): Loss | undefined {
  if (typeof value === "function" || !isKept(protoOf(value))) {
    return value instanceof Error ? undefined : { what: describe(value), advice: adviceFor(value) };
  }
  if (Object.getOwnPropertySymbols(value).some((key) => key !== Symbol.dispose || !hasHiddenDisposer(value)))
    return { what: "a property named by a symbol", advice: "Name it by a string." };
  const isKeyed = value instanceof Map || value instanceof Set;
  // Listing the keys of bytes would list each byte.
  const isBytes = ArrayBuffer.isView(value) && !(value instanceof DataView);
  if (isBytes || (isContainer(value) && !isKeyed)) return undefined;
  const [extra] = Object.keys(value);
  if (extra === undefined) return undefined;
  return {
    what: `${describe(value)} with the property ${JSON.stringify(extra)}`,
    advice: "Store an object that holds both.",
  };
}

/**
 * Returns `value` as data that storage returns unchanged, with plain values in place of tracked ones; `value` itself if
 * it is such data already. `refuse` throws the caller's error for a part that storage would lose.
 */
export function plainData(value: unknown, refuse: (part: object, what: string) => never): unknown {
  return unwrap(
    value,
    (part) => {
      const loss = lossOf(part);
      return loss === undefined ? part : refuse(part, loss.what);
    },
    { isOpen: (part) => isContainer(part) && lossOf(part) === undefined },
  );
}

/** Returns a noun phrase for an object or function, such as `an instance of Money`. */
export function describe(value: object): string {
  // The promise that a stub's call returns is a function.
  if (typeof value === "function" && !tagOf(value).endsWith("Promise")) return "a function";
  const name = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "" && name !== "Object" ? `an instance of ${name}` : "an object";
}

/** Returns true for the prototype of a built-in that storage keeps, and false for the prototype of a subclass. */
function isKept(proto: object | null): boolean {
  // The prototype of arrays is an array itself, in another realm (`node:vm`) too.
  if (proto === null || PROTOTYPES.has(proto) || Array.isArray(proto) || protoOf(proto) === TypedArray) return true;
  // A test's fake clock replaces Date.
  return proto === Date.prototype;
}

/** How to store objects that aren't data, by their tags. */
const ADVICE: readonly (readonly [tag: RegExp, advice: string])[] = [
  [/Promise$/, "Await it first, in `onStart` for a default: `this.field = await value`."],
  [/Function$/, "Store the data it needs, and keep the function in the class."],
  [
    /^(URL|URLSearchParams|DurableObjectId|Temporal.*)$/,
    "Store its text, `String(value)`, or give the field a `codec`.",
  ],
  [/^DurableObject$/, "Store the object's name, and make a stub when you need one."],
  [/^(Headers|FormData|Generator|.* Iterator)$/, "Store its entries: `[...value]`."],
  [/^(Request|Response|Blob|File)$/, "Store its bytes: `await value.bytes()`."],
  [/^ReadableStream$/, "Store its bytes: `await new Response(value).bytes()`."],
  [/^(Number|String|Boolean|BigInt|Symbol)$/, "Store the primitive: `value.valueOf()`."],
  [/^Weak/, "Its contents can't be listed. Store a Map or Set of ids."],
  [/^Object$/, "Store plain data, such as `{ ...value }`, or give the field a `codec`."],
  [/^/, "It lives only as long as the object's memory. Keep it in a field without `@Persisted()`."],
];

function adviceFor(value: object): string {
  for (let at = protoOf(value); at !== null && at !== Object.prototype; at = protoOf(at)) {
    if (isKept(at)) {
      return `It would come back as a plain ${(at.constructor as { name: string }).name}: store \`structuredClone(value)\`, or give the field a \`codec\`.`;
    }
  }
  const tag = tagOf(value);
  return ADVICE.find(([kind]) => kind.test(tag))![1];
}

function protoOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
