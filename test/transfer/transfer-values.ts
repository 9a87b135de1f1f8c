/** Values for the tests of transfers, and a text that tells any two of them apart. */
import fc from "fast-check";

/** Everything about a value as text: types, prototypes, order, holes, what is shared and what goes in a circle. */
export function told(value: unknown): string {
  const seen = new Map<object, number>();
  const tell = (value: unknown): string => {
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "string") return JSON.stringify(value);
    if (Object.is(value, -0)) return "-0";
    if (typeof value !== "object" || value === null) return String(value);
    const known = seen.get(value);
    if (known !== undefined) return `#${known}`;
    seen.set(value, seen.size);
    return `${(Object.getPrototypeOf(value) as { constructor: { name: string } }).constructor.name}(${inside(value)})`;
  };
  const inside = (value: object): string => {
    if (value instanceof Map) return Array.from(value, ([key, item]) => `${tell(key)} => ${tell(item)}`).join();
    if (value instanceof Set) return Array.from(value, tell).join();
    if (value instanceof Date) return String(value.getTime());
    if (value instanceof RegExp) return String(value);
    if (value instanceof ArrayBuffer)
      return `${new Uint8Array(value).join()} ${value.resizable ? value.maxByteLength : ""}`;
    if (ArrayBuffer.isView(value)) return `${tell(value.buffer)} ${value.byteOffset} ${value.byteLength}`;
    const boxed = [String, Number, Boolean, BigInt].some((Class) => value instanceof Class);
    if (boxed) return tell(value.valueOf());
    const length = Array.isArray(value) ? `${value.length}: ` : "";
    const names = Object.getOwnPropertyNames(value).filter((name) => !Array.isArray(value) || name !== "length");
    return length + names.map((name) => property(value, name)).join();
  };
  const property = (object: object, name: string): string => {
    const { value, enumerable, get } = Object.getOwnPropertyDescriptor(object, name)!;
    return `${JSON.stringify(name)} ${enumerable} ${get === undefined ? tell(value) : "accessor"}`;
  };
  return tell(value);
}

/** A text of any UTF-16 units. */
const units = fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes));

/** Any value that storage takes: `fc.anything`, and what that lacks. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      stringUnit: "binary",
      key: fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "length", "0")),
    }),
    units,
    fc.constantFrom(undefined, NaN, -0, Infinity, -Infinity, new Date(NaN), /a\/[b]/giu, new Float64Array([-0, NaN])),
    fc.tuple(units, fc.dictionary(units, tie("value"))).map(([text, own]) => {
      const error = new RangeError(text, { cause: own });
      return Object.assign(error, { own });
    }),
    fc
      .tuple(fc.uint8Array({ minLength: 4 }), fc.nat(2))
      .map(([bytes, from]) => [bytes.subarray(from, 3), bytes.buffer]),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => {
      // Shared twice, and in a circle.
      const all: unknown[] = [...items, ...items];
      all.push(all, new Map<unknown, unknown>([[all, items]]));
      return all;
    }),
  ),
})).value;

const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const real = fc.oneof(
  fc.double({ noNaN: true }),
  fc.constantFrom(-0, 0, 5, 1e300, Infinity, -Infinity, 5e-324, 2 ** 53),
);

/** A value of SQL as an expression and what is bound to it. */
export const anyCell: fc.Arbitrary<readonly [sql: string, bound: SqlStorageValue | Uint8Array]> = fc.oneof(
  fc.constant(["?", null] as const),
  big.map((value) => ["cast(? as integer)", String(value)] as const),
  real.map((value) => ["?", value] as const),
  fc.string({ unit: "binary" }).map((value) => ["?", value] as const),
  fc.constantFrom("a\0b", "\0", "", "\ufeffa", "\ufffd", "12", "1e5").map((value) => ["?", value] as const),
  fc.uint8Array().map((value) => ["cast(? as text)", value] as const),
  fc.uint8Array().map((value) => ["?", value] as const),
  fc.constant(["zeroblob(0)||?", ""] as const),
);
