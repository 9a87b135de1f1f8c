/**
 * @module
 * Copying a value in: checked and copied at the line that assigns it, as storage would do later.
 */
import { DurableError, quote, type ErrorCode } from "../../core/errors.ts";
import { describe, lossOf } from "../../core/values/kinds.ts";
import { NativeDate, rebuild, wholeBehind } from "../../core/values/snapshot.ts";
import { cutOut } from "../../storage/kv/bytes.ts";
import { MAX_ROW, sizeOf, sizeOfString } from "../../storage/size.ts";

/** Containers inside containers; V8's serializer would overflow the stack a few thousand levels later. */
const MAX_DEPTH = 1_000;

/** The most bytes one assignment may bring; an object has 128 MB of memory. */
const MAX_VALUE = 64_000_000;

/** Holes an array may have; V8 and our loops visit each. */
export const MAX_HOLES = 1_000_000;

/** Where a value is going, for messages and limits: `Counter.log` and the steps below it. */
export interface Site {
  /** `Class.field`. */
  readonly field: string;
  /** Keys from the field's value down to the place, outermost first. */
  path(): PropertyKey[];
  /** How many containers the place lies in. */
  depth(): number;
}

/**
 * A plain copy of `value` that shares nothing with it.
 *
 * @throws DurableError `not-persistable` or `too-large`, naming class, field, path, what it is and the fix.
 */
export function copyIn(value: unknown, site: Site, key?: PropertyKey): unknown {
  if (isSmall(value)) return value;
  return new Copy(site, key === undefined ? [] : [key]).make(value);
}

/** Tells whether a value needs neither a copy nor a check. */
export function isSmall(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean" || (typeof value === "string" && value.length < 1_000);
}

/** The error for something that cannot be stored at a place. */
export function refused(
  what: string,
  site: Site,
  below: PropertyKey[] = [],
  code: ErrorCode = "not-persistable",
): DurableError {
  return new DurableError(code, `${site.field}${[...site.path(), ...below].map(step).join("")}: ${what}`);
}

function step(key: PropertyKey): string {
  if (typeof key === "string" && isIndex(key)) return `[${key}]`;
  return typeof key === "string" && /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${quote(key)}]`;
}

/** The copying of one value. */
class Copy {
  readonly #site: Site;
  readonly #startDepth: number;
  /** The steps from the site down to the value at hand. */
  readonly #path: PropertyKey[];
  readonly #ancestors: object[] = [];
  #bytes = 0;
  /** How many errors the value at hand lies in. */
  #errors = 0;

  constructor(site: Site, path: PropertyKey[]) {
    this.#site = site;
    this.#startDepth = site.depth();
    this.#path = path;
  }

  make(value: unknown): unknown {
    try {
      return this.#of(value);
    } catch (error) {
      // Cold code takes more stack a level: it may run out before the limit is reached.
      if (error instanceof RangeError && error.message.includes("call stack")) throw this.#tooDeep();
      throw error;
    }
  }

  #of(value: unknown): unknown {
    switch (typeof value) {
      case "object":
        return value === null ? null : this.#object(wholeBehind(value));
      case "function":
        return this.#checkLoss(value);
      case "symbol":
        throw this.#refused("a symbol cannot be stored. Store a string.");
      default:
        this.#count(sizeOf(value));
        return value;
    }
  }

  #tooDeep(): DurableError {
    const holdsItself = new Set(this.#ancestors).size < this.#ancestors.length;
    return this.#refused(
      holdsItself
        ? "the value holds itself (a cycle). A field holds a tree: store an id in place of the reference."
        : `the value is nested more than ${MAX_DEPTH} levels deep. Store it flat, with ids.`,
    );
  }

  #refused(what: string, code?: ErrorCode): DurableError {
    return refused(what, this.#site, this.#path, code);
  }

  /** Counts what has to lie in one row. */
  #count(bytes: number): void {
    this.#bytes += bytes;
    if (bytes > MAX_ROW)
      throw this.#refused("the value is over 2 MB, the most a row can hold. Store it in parts, or in R2.", "too-large");
    if (this.#bytes > MAX_VALUE)
      throw this.#refused("the value is over 64 MB. Store it in parts, in several objects, or in R2.", "too-large");
  }

  #object(value: object): unknown {
    const isPlain = isPlainObject(value) || Array.isArray(value);
    // An Error is frozen when it is read, and these cannot be.
    if (this.#errors > 0 && !isPlain && !(value instanceof Error))
      throw this.#refused(`${describe(value)} cannot be stored inside an Error. Store it beside the error.`);
    if (!isPlain && !hasOwnBrand(value))
      throw this.#refused(`${describe(value)} that is a Proxy, or only inherits, cannot be stored. Store a real one.`);
    this.#checkLoss(value);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return this.#bytesOf(value);
    if (value instanceof Date || value instanceof RegExp) {
      this.#count(sizeOf(value));
      return value instanceof Date ? new NativeDate(value.getTime()) : new RegExp(value.source, value.flags);
    }
    const bytes = Array.isArray(value) ? this.#holesIn(value) : 0;
    return this.#inside(value, () => {
      if (value instanceof Error) return this.#error(value);
      this.#count(bytes);
      return rebuild(value, (member, key) => {
        if (typeof key === "string" && !Array.isArray(value)) this.#count(sizeOfString(key));
        return this.#at(key, member);
      });
    });
  }

  /** Refuses an object or function if storage would lose something of it. */
  #checkLoss(value: object): void {
    const loss = lossOf(value);
    if (loss !== undefined) throw this.#refused(`${loss.what} cannot be stored. ${loss.advice}`);
  }

  #inside(value: object, copy: () => unknown): unknown {
    if (this.#startDepth + this.#ancestors.push(value) > MAX_DEPTH) throw this.#tooDeep();
    this.#count(8);
    const result = copy();
    this.#ancestors.pop();
    return result;
  }

  #at(key: PropertyKey, value: unknown): unknown {
    this.#path.push(key);
    const copy = this.#of(value);
    this.#path.pop();
    return copy;
  }

  #bytesOf(value: ArrayBufferView | ArrayBuffer): unknown {
    const { detached = false } = (value instanceof ArrayBuffer ? value : value.buffer) as Partial<ArrayBuffer>;
    if (detached) throw this.#refused("the bytes were transferred away. Store them before, or a copy.");
    this.#count(sizeOf(value));
    if (value instanceof ArrayBuffer) return cutOut(new Uint8Array(value)).buffer;
    if (value.buffer instanceof ArrayBuffer) return cutOut(value);
    throw this.#refused("bytes in shared memory cannot be stored. Copy them first: `value.slice()`.");
  }

  #error(value: Error): unknown {
    if (typeof value.message !== "string")
      throw this.#refused("an Error whose message isn't a string cannot be stored.");
    const before = this.#bytes;
    // Built-in names that are stored though they are not enumerable.
    const keys = [
      ...new Set(Object.keys(value).concat(["cause", "errors"].filter((key) => Object.hasOwn(value, key)))),
    ];
    // A built-in error of the same kind, since only such a one is cloned as an error.
    const copy = Object.setPrototypeOf(new Error(value.message), Object.getPrototypeOf(value) as object) as Error;
    if (value.stack !== undefined) copy.stack = value.stack;
    this.#errors++;
    for (const key of keys) {
      Object.defineProperty(copy, key, { value: this.#at(key, Reflect.get(value, key)), enumerable: true });
    }
    this.#errors--;
    // All of an Error lies in one row.
    this.#count(sizeOf(copy) - (this.#bytes - before));
    return structuredClone(keys.length === 0 ? value : copy);
  }

  /** How many holes an array has, which may carry nothing but items. */
  #holesIn(value: readonly unknown[]): number {
    const keys = Object.keys(value);
    const last = keys.at(-1);
    if (last !== undefined && !isIndex(last)) {
      throw this.#refused(
        `an array cannot carry the property ${quote(last)}. Use an object, or leave it out: \`[...value]\`.`,
      );
    }
    const holes = value.length - keys.length;
    if (holes > MAX_HOLES) throw this.#refused("the array has over a million holes. Use a Map.");
    return holes;
  }
}

/** The class that all typed arrays extend. */
const TypedArray = Object.getPrototypeOf(Uint8Array) as Uint8ArrayConstructor;

const BUILT_INS = [Map, Set, ArrayBuffer, DataView, Date, RegExp, Error, Array, TypedArray];

/** Returns false for a Proxy of a built-in, and for an object that merely inherits from one: neither has the contents that the methods need. */
function hasOwnBrand(value: object): boolean {
  const kind = BUILT_INS.find((kind) => value instanceof kind);
  if (kind === undefined) return true;
  try {
    // The first line throws unless it's a real Map, Set, ArrayBuffer or DataView; the second recognizes the other kinds.
    Reflect.get(kind.prototype, kind === ArrayBuffer || kind === DataView ? "byteLength" : "size", value);
    return Object.prototype.toString.call(value) !== "[object Object]";
  } catch {
    return false;
  }
}

function isPlainObject(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

/** Tells whether a property name is an array's index. */
export function isIndex(key: string): boolean {
  const index = Number(key);
  return Number.isInteger(index) && index >= 0 && index < 2 ** 32 - 1 && String(index) === key;
}
