/** Values as JSON text, as jobs and the answers of `once` are stored: whatever is taken comes back as storage would return it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOf, valueOf } from "../../src/storage/tagged-json.ts";
import { isLong } from "../battery.ts";

const KEYS = ["__proto__", "durable-base", "toJSON", "constructor", "0", "-0", "01", "\0", "\ud800", ""];

/** An object or array with own properties of any name, `__proto__` too. */
function withProperties<T extends object>(object: T, properties: readonly (readonly [string, unknown])[]): T {
  for (const [key, value] of properties) {
    // An array's own is no property like others.
    if (key !== "length")
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return object;
}

/** Views that share a buffer, and the buffer itself. */
function viewsOf(bytes: Uint8Array): unknown {
  const { buffer } = bytes;
  return {
    part: new Uint8Array(buffer, 1, 2),
    words: new Uint16Array(buffer, 2),
    data: new DataView(buffer, 4),
    buffer,
  };
}

const leaf = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(...KEYS, null, undefined, true, -0, NaN, Infinity, /a/giu, /\n/),
  fc.double(),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map(viewsOf),
  fc.float64Array({ maxLength: 2 }),
  fc.nat(8).map((length) => new ArrayBuffer(length, { maxByteLength: 16 })),
  fc.string().map((text) => new RangeError(text, { cause: { text } })),
);
const key = fc.oneof(fc.string(), fc.constantFrom(...KEYS));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    tie("object"),
    tie("array"),
    tie("sparse"),
    tie("map"),
    tie("set"),
    tie("cyclic"),
  ),
  object: fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((properties) => withProperties({}, properties)),
  array: fc.array(tie("value"), { maxLength: 4 }),
  sparse: fc
    .tuple(
      fc.array(fc.tuple(fc.nat(9).map(String), tie("value")), { maxLength: 3 }),
      fc.array(fc.tuple(key, tie("value")), { maxLength: 2 }),
      fc.nat(12),
    )
    .map(([items, others, length]) => {
      const array = withProperties(withProperties([] as unknown[], items), others);
      array.length = Math.max(array.length, length);
      return array;
    }),
  map: fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
  set: fc.array(tie("value"), { maxLength: 3 }).map((members) => new Set(members)),
  cyclic: tie("value").map((part) => {
    const whole: Record<string, unknown> = { part, again: [part] };
    whole["self"] = whole;
    return whole;
  }),
}));

/** A text that is the same for the same graph of objects: kinds, order of keys, holes, and what is shared. */
function graphOf(root: unknown): string {
  const places = new Map<object, number>();
  const of = (part: unknown): string => {
    if (typeof part === "string") return JSON.stringify(part);
    if (typeof part !== "object" || part === null) return Object.is(part, -0) ? "-0" : `${typeof part} ${String(part)}`;
    const place = places.get(part);
    if (place !== undefined) return `#${place}`;
    places.set(part, places.size);
    const kind = (Object.getPrototypeOf(part) as object).constructor.name;
    if (part instanceof ArrayBuffer)
      return `${kind} ${new Uint8Array(part).join()} of ${part.resizable && part.maxByteLength}`;
    if (ArrayBuffer.isView(part)) return `${kind} ${part.byteOffset} ${part.byteLength} ${of(part.buffer)}`;
    let own = "";
    if (part instanceof Map) own = [...part].map(([name, item]) => `${of(name)} ${of(item)}`).join();
    else if (part instanceof Set) own = Array.from(part, of).join();
    else if (part instanceof Date) own = `${part.getTime()}`;
    else if (part instanceof RegExp) own = String(part);
    else if (Array.isArray(part)) own = `${part.length}`;
    const keys = part instanceof Error ? Object.getOwnPropertyNames(part) : Object.keys(part);
    return `${kind} ${own} {${keys.map((name) => `${JSON.stringify(name)}: ${of((part as Record<string, unknown>)[name])}`).join()}}`;
  };
  return of(root);
}

describe("textOf and valueOf", () => {
  it("return what structured clone returns", () => {
    const isSame = (input: unknown): boolean => graphOf(valueOf(textOf(input))) === graphOf(structuredClone(input));
    fc.assert(fc.property(value, isSame), { numRuns: isLong ? 20_000 : 100 });
  });

  it("call no toJSON, and keep what only looks like ours", () => {
    const hidden = Object.defineProperty({ n: 1 }, "toJSON", { value: () => "lost" });
    for (const input of [hidden, [hidden], { "durable-base": [["array"]] }, { a: { "durable-base": 1 } }])
      expect(graphOf(valueOf(textOf(input)))).toBe(graphOf(structuredClone(input)));
  });

  it("refuse what structured clone refuses", () => {
    for (const input of [() => 1, Symbol("a"), { f: () => 1 }, [new WeakMap()], { toJSON: () => 1 }])
      expect(() => textOf(input)).toThrow(/could not be cloned/);
  });
});
