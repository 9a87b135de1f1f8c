/**
 * Everything that structured clone knows, and everything that it does not, at every place of a field: it comes back
 * from a real eviction as it was, or is refused with a typed error that changes nothing.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { slice } from "../battery.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { show } from "./model.ts";
import { Buffer } from "./others.mjs";

interface Holder {
  any: unknown;
}

/** A place of a field that a value is put into, and how. */
interface Place {
  /** What is there before. */
  base(): unknown;
  write(holder: Holder, value: unknown): unknown;
  read(holder: Holder): unknown;
  /** Where an error says it is; undefined for keys, which have no path of their own. */
  path?: string;
}

type Plain = Record<string, unknown>;
const list = ({ any }: Holder): unknown[] => any as unknown[];
const map = ({ any }: Holder): Map<unknown, unknown> => any as Map<unknown, unknown>;
const set = ({ any }: Holder): Set<unknown> => any as Set<unknown>;
const object = ({ any }: Holder): Plain => any as Plain;
const property = (value: unknown): PropertyDescriptor => ({
  value,
  writable: true,
  enumerable: true,
  configurable: true,
});
const firstKey = (keyed: Map<unknown, unknown> | Set<unknown>): unknown => [...keyed.keys()][0];

const inArray = { base: () => [0], read: (holder: Holder) => list(holder)[1], path: "[1]" };
const inMap = { base: () => new Map([["old", 0]]), read: (holder: Holder) => map(holder).get("k"), path: ".k" };
const asKey = { base: () => new Map(), read: (holder: Holder) => firstKey(map(holder)) };
const asMember = { base: () => new Set(), read: (holder: Holder) => firstKey(set(holder)) };
const inObject = { base: () => ({ old: 0 }), read: (holder: Holder) => object(holder)["p"], path: ".p" };

const places: Record<string, Place> = {
  field: { base: () => "old", write: (holder, value) => (holder.any = value), read: ({ any }) => any, path: "" },
  arrayAssigned: { ...inArray, write: (holder, value) => (holder.any = [0, value]) },
  pushed: { ...inArray, write: (holder, value) => list(holder).push(value) },
  spliced: { ...inArray, write: (holder, value) => list(holder).splice(1, 0, value) },
  unshifted: {
    ...inArray,
    write: (holder, value) => list(holder).unshift(value),
    read: (holder) => list(holder)[0],
    path: "[0]",
  },
  atIndex: { ...inArray, write: (holder, value) => (list(holder)[1] = value) },
  filled: { ...inArray, base: () => [0, 1, 2], write: (holder, value) => list(holder).fill(value, 1, 2) },
  mapAssigned: { ...inMap, write: (holder, value) => (holder.any = new Map([["k", value]])) },
  mapSet: { ...inMap, write: (holder, value) => map(holder).set("k", value) },
  keyAssigned: { ...asKey, write: (holder, value) => (holder.any = new Map([[value, 1]])) },
  keySet: { ...asKey, write: (holder, value) => map(holder).set(value, 1) },
  setAssigned: { ...asMember, write: (holder, value) => (holder.any = new Set([value])) },
  added: { ...asMember, write: (holder, value) => set(holder).add(value) },
  objectAssigned: { ...inObject, write: (holder, value) => (holder.any = { p: value }) },
  propertySet: { ...inObject, write: (holder, value) => (object(holder)["p"] = value) },
  objectAssign: { ...inObject, write: (holder, value) => Object.assign(object(holder), { p: value }) },
  defineProperty: {
    ...inObject,
    write: (holder, value) => Object.defineProperty(object(holder), "p", property(value)),
  },
  deep: {
    base: () => ({ a: [new Map([["m", { s: new Set([["old"]]) }]])] }),
    write: (holder, value) => (((object(holder)["a"] as Map<string, Plain>[])[0]!.get("m") as Plain)["v"] = [value]),
    read: (holder) =>
      (((object(holder)["a"] as Map<string, Plain>[])[0]!.get("m") as Plain)["v"] as unknown[] | undefined)?.[0],
    path: ".a[0].m.v[0]",
  },
};

type Row = [name: string, make: () => unknown, expected?: () => unknown];

const resizable = (length: number, most: number): ArrayBuffer =>
  new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(length, { maxByteLength: most });

function nest(levels: number, around: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = around(value);
  return value;
}

interface Bytes {
  new (bytes: ArrayBuffer, start?: number, length?: number): ArrayBufferView;
  BYTES_PER_ELEMENT: number;
}

/** Every kind of typed array that the platform has. */
const kinds = Object.getOwnPropertyNames(globalThis).filter(
  (name) => Object.getPrototypeOf((globalThis as Plain)[name] ?? 0) === Object.getPrototypeOf(Uint8Array),
);
const bytesRows = kinds.map((name): Row => {
  const Kind = (globalThis as unknown as Record<string, Bytes>)[name]!;
  const buffer = (): ArrayBuffer => new Uint8Array(Array.from({ length: 48 }, (_, i) => i * 5)).buffer;
  return [name, () => [new Kind(buffer()), new Kind(new ArrayBuffer(0)), new Kind(buffer(), 8, 2)]];
});

const kept: Row[] = [
  ["undefined", () => undefined],
  ["null", () => null],
  ["true", () => true],
  ["0", () => 0],
  ["-0", () => -0],
  ["NaN", () => NaN],
  ["-Infinity", () => -Infinity],
  ["the largest number", () => Number.MAX_VALUE],
  ["2 ** 53", () => 2 ** 53],
  ["the smallest number", () => 5e-324],
  ["0n", () => 0n],
  ["a bigint of 10,000 digits", () => 10n ** 9_999n + 7n],
  ["a negative bigint of 10,000 digits", () => -(10n ** 9_999n)],
  ["-(2n ** 64n)", () => -(2n ** 64n)],
  ["an empty string", () => ""],
  ["a lone high surrogate", () => "a\ud83d"],
  ["a lone low surrogate", () => "\udc00b"],
  ["a string with NUL", () => "a\0b"],
  ["a Latin-1 string", () => "é".repeat(999)],
  ["a long string with one wide character", () => `${"x".repeat(40_000)}ł`],
  ["an empty array", () => []],
  ["holes", () => [1, , 3, , ,]],
  ["nothing but holes", () => new Array(5)],
  ["an array with undefined and a hole", () => [undefined, , undefined]],
  ["a far index", () => Object.assign([], { 5_000: 1 })],
  ["nested arrays", () => [[[[]], [1]], []]],
  ["an empty object", () => ({})],
  ["an object without prototype", () => Object.assign(Object.create(null) as object, { a: 1 }), () => ({ a: 1 })],
  ["integer-like keys", () => ({ b: 1, 2: 1, a: 1, 1: 1, "01": 1, "-1": 1, 4294967295: 1 })],
  ["odd keys", () => ({ "": 1, " ": 2, "a.b": 3, "\ud800": 4, constructor: 5, toString: 6, length: 7, get: 8 })],
  ["an own key __proto__", () => JSON.parse('{"__proto__":{"x":1},"y":2}')],
  ["a long key", () => ({ [`${"k".repeat(3_000)}ł`]: 1 })],
  ["a key's value undefined", () => ({ a: undefined })],
  [
    "a getter, as what it gives",
    () => ({
      get a() {
        return [1];
      },
    }),
    () => ({ a: [1] }),
  ],
  ["hidden properties, which are left out", () => Object.defineProperty({ a: 1 }, "h", { value: 2 }), () => ({ a: 1 })],
  ["a frozen object", () => Object.freeze({ a: Object.freeze([1]) })],
  ["a Proxy of an object", () => new Proxy({ a: 1 }, {})],
  ["a Proxy of an array", () => new Proxy([1, , 2], {})],
  ["what looks like a record of ours", () => ({ format: 1, fields: {}, rows: new Set() })],
  ["an empty Map", () => new Map()],
  [
    "a Map of odd keys",
    () =>
      new Map<unknown, unknown>([
        [NaN, 1],
        [-0, 2],
        ["", 3],
        [null, 4],
        [undefined, 5],
        [1n, 6],
      ]),
  ],
  [
    "a Map whose keys look alike",
    () =>
      new Map<unknown, unknown>([
        [1, "a"],
        ["1", "b"],
        [1n, "c"],
        [true, "d"],
        ["true", "e"],
      ]),
  ],
  ["a Map of Maps", () => new Map([[new Map([[1, 2]]), new Map([[{}, []]])]])],
  ["an empty Set", () => new Set()],
  ["a Set of odd members", () => new Set([NaN, -0, "", null, undefined, {}, [], new Set([1])])],
  ["shared references, each its own", () => Array<object>(2).fill({ n: 1 })],
  ["a Date", () => new Date(1_700_000_000_123)],
  ["an invalid Date", () => new Date(NaN)],
  ["the last Date", () => new Date(8.64e15)],
  ["a RegExp with every flag", () => /a+(?<n>\/)/dgimsuy],
  ["a RegExp of sets", () => new RegExp("[\\p{L}--[a-z]]", "v")],
  ["an empty RegExp", () => new RegExp("")],
  ["a RegExp's lastIndex, left out", () => Object.assign(/a/g, { lastIndex: 3 }), () => /a/g],
  ["an ArrayBuffer", () => new Uint8Array([1, 2, 3]).buffer],
  ["an empty ArrayBuffer", () => new ArrayBuffer(0)],
  ["a resizable ArrayBuffer, with its length", () => resizable(3, 9), () => new ArrayBuffer(3)],
  ["bytes that follow their buffer's length", () => new Uint8Array(resizable(3, 9)), () => new Uint8Array(3)],
  ["a DataView", () => new DataView(new ArrayBuffer(4))],
  ["a DataView of a part", () => new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)],
  ["an Error", () => new Error("m")],
  ["an Error without message", () => new Error()],
  ["an Error whose cause is undefined", () => new Error("m", { cause: undefined })],
  [
    "an Error with a cause and more",
    () => Object.assign(new TypeError("m", { cause: { n: [-0] } }), { code: "E", at: [1] }),
  ],
  ["an AggregateError", () => new AggregateError([new RangeError("a"), "b"], "m", { cause: 1 })],
  ["a long chain of causes", () => nest(60, (cause) => new Error("m", { cause }))],
  [
    "an Error's subclass, as an Error of its name",
    () => Object.assign(new (class Sub extends Error {})("m"), { name: "Sub" }),
    () => Object.assign(new Error("m"), { name: "Sub" }),
  ],
  [
    "every kind of Error",
    () => [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Kind) => new Kind("m")),
  ],
  ["900 objects, one in the other", () => nest(900, (deep) => ({ deep }))],
  ["900 arrays, one in the other", () => nest(900, (deep) => [deep])],
  ["400 Maps and Sets, one in the other", () => nest(400, (deep) => new Map([[new Set([deep]), 1]]))],
  ...bytesRows,
];

class Mine {
  a = 1;
}

function cycle<T extends object>(holder: T, close: (holder: T) => unknown): T {
  close(holder);
  return holder;
}

function transferred(): Uint8Array {
  const bytes = new Uint8Array(2);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

const DEEP = 10_000;
const builtIns = [Map, Set, Date, RegExp, Error, ArrayBuffer, DataView, Uint8Array, Float64Array, Array];

/** One subclass of each built-in, with its name and what it extends. */
const subclasses: [name: string, kind: string, make: () => object][] = [
  [
    "CountingMap",
    "Map",
    () =>
      new (class CountingMap extends Map<unknown, unknown> {
        hits = 0;
      })([[1, 1]]),
  ],
  [
    "CountingSet",
    "Set",
    () =>
      new (class CountingSet extends Set<unknown> {
        hits = 0;
      })([1]),
  ],
  [
    "Stack",
    "Array",
    () =>
      new (class Stack extends Array<unknown> {
        peek(): unknown {
          return this.at(-1);
        }
      })(1, 2),
  ],
  [
    "ZonedDate",
    "Date",
    () =>
      new (class ZonedDate extends Date {
        zone = "UTC";
      })(0),
  ],
  ["Pattern", "RegExp", () => new (class Pattern extends RegExp {})("a")],
  ["Bytes", "Uint8Array", () => new (class Bytes extends Uint8Array {})(2)],
  ["Floats", "Float64Array", () => new (class Floats extends Float64Array {})(2)],
  ["View", "DataView", () => new (class View extends DataView<ArrayBuffer> {})(new ArrayBuffer(2))],
  ["Memory", "ArrayBuffer", () => new (class Memory extends ArrayBuffer {})(2)],
];

type Refused = [name: string, make: () => unknown, text: string, code?: "too-large"];
const refused: Refused[] = [
  [
    "a function",
    () => () => 1,
    "a function cannot be stored. Store the data it needs, and keep the function in the class.",
  ],
  ["a function without prototype", () => Object.setPrototypeOf(() => 1, null), "a function cannot be stored."],
  ["an async function", () => async () => 1, "a function cannot be stored. Store the data it needs"],
  ["a class", () => Mine, "a function"],
  ["a symbol", () => Symbol("s"), "a symbol"],
  ["a well-known symbol", () => Symbol.iterator, "a symbol"],
  [
    "a class instance",
    () => new Mine(),
    "an instance of Mine cannot be stored. Store plain data, such as `{ ...value }`",
  ],
  ...subclasses.map(([name, kind, make]): Refused => [
    `a subclass of ${kind}`,
    make,
    `an instance of ${name} cannot be stored. It would come back as a plain ${kind}: store \`structuredClone(value)\`, or give the field a \`codec\`.`,
  ]),
  ...subclasses.map(([name, , make]): Refused => [
    `a subclass of a subclass, ${name}`,
    () => Object.setPrototypeOf(make(), Object.create(Object.getPrototypeOf(make()) as object) as object) as object,
    `an instance of ${name} cannot be stored. It would come back as a plain`,
  ]),
  ["a Buffer of Node", () => Buffer.from("abc"), "It would come back as a plain Uint8Array"],
  [
    "a Map with a property",
    () => Object.assign(new Map(), { hits: 1 }),
    'an instance of Map with the property "hits" cannot be stored',
  ],
  [
    "a Set with a property",
    () => Object.assign(new Set(), { hits: 1 }),
    'an instance of Set with the property "hits" cannot be stored',
  ],
  [
    "a Date with a property",
    () => Object.assign(new Date(), { zone: "UTC" }),
    'an instance of Date with the property "zone"',
  ],
  ["a RegExp with a property", () => Object.assign(/a/, { hits: 1 }), 'an instance of RegExp with the property "hits"'],
  [
    "an ArrayBuffer with a property",
    () => Object.assign(new ArrayBuffer(1), { a: 1 }),
    'an instance of ArrayBuffer with the property "a"',
  ],
  [
    "a DataView with a property",
    () => Object.assign(new DataView(new ArrayBuffer(1)), { a: 1 }),
    'an instance of DataView with the property "a"',
  ],
  ["an array with a symbol", () => Object.assign([1], { [Symbol("s")]: 1 }), "named by a symbol"],
  ["a Map with a symbol", () => Object.assign(new Map(), { [Symbol("s")]: 1 }), "named by a symbol"],
  ["bytes with a symbol", () => Object.assign(new Uint8Array(1), { [Symbol("s")]: 1 }), "named by a symbol"],
  ["a method's result, an array with names", () => /a/.exec("a"), "Use an object, or leave it out: `[...value]`."],
  ["an object of an odd prototype", () => Object.create({ a: 1 }), "cannot be stored"],
  [
    "a URL",
    () => new URL("http://x"),
    "an instance of URL cannot be stored. Store its text, `String(value)`, or give the field a `codec`.",
  ],
  ["a Blob", () => new Blob(["x"]), "an instance of Blob cannot be stored. Store its bytes: `await value.bytes()`."],
  ["a stream", () => new ReadableStream(), "Store its bytes: `await new Response(value).bytes()`."],
  [
    "a WeakMap",
    () => new WeakMap(),
    "an instance of WeakMap cannot be stored. Its contents can't be listed. Store a Map or Set of ids.",
  ],
  ["a WeakSet", () => new WeakSet(), "Store a Map or Set of ids."],
  ["a WeakRef", () => new WeakRef({}), "Store a Map or Set of ids."],
  [
    "a Promise",
    () => Promise.resolve(1),
    "an instance of Promise cannot be stored. Await it first, in `onStart` for a default: `this.field = await value`.",
  ],
  ["the promise of a call", () => env.ACCESSOR_THINGS.getByName("peer").increment(0), "Await it first"],
  [
    "a stub",
    () => env.ACCESSOR_THINGS.getByName("peer"),
    "Store the object's name, and make a stub when you need one.",
  ],
  ["an object's id", () => env.ACCESSOR_THINGS.idFromName("peer"), "Store its text, `String(value)`"],
  ["a namespace", () => env.ACCESSOR_THINGS, "Keep it in a field without `@Persisted()`."],
  ["a socket", () => new WebSocketPair()[0], "Keep it in a field without `@Persisted()`."],
  ["an AbortSignal", () => new AbortController().signal, "Keep it in a field without `@Persisted()`."],
  ["search parameters", () => new URLSearchParams("a=1"), "Store its text, `String(value)`"],
  ["headers", () => new Headers(), "Store its entries: `[...value]`."],
  ["a form", () => new FormData(), "Store its entries: `[...value]`."],
  ["a Request", () => new Request("http://x"), "Store its bytes: `await value.bytes()`."],
  ["a Response", () => new Response("x"), "Store its bytes: `await value.bytes()`."],
  ["a generator", () => (function* () {})(), "Store its entries: `[...value]`."],
  ["an iterator", () => [1].values(), "Store its entries: `[...value]`."],
  ["Math", () => Math, "named by a symbol"],
  ["the global object", () => globalThis, "cannot be stored"],
  [
    "a boxed number",
    () => new Number(1),
    "an instance of Number cannot be stored. Store the primitive: `value.valueOf()`.",
  ],
  ["a boxed string", () => new String("a"), "an instance of String"],
  ["a boxed boolean", () => new Boolean(true), "an instance of Boolean"],
  ["a boxed bigint", () => Object(1n), "an instance of BigInt"],
  ["a boxed symbol", () => Object(Symbol("s")), "an instance of Symbol"],
  ["an object with toJSON", () => ({ a: 1, toJSON: () => 1 }), "a function"],
  ["a function deep inside", () => ({ a: [new Map([["k", new Set([() => 1])]])] }), "a function"],
  ["a key that is a symbol", () => ({ [Symbol("s")]: 1 }), "named by a symbol"],
  ["an array with a named property", () => Object.assign([1], { extra: 1 }), 'the property "extra"'],
  ["an array with the index 2 ** 32 - 2", () => Object.assign([], { [2 ** 32 - 2]: 1 }), "million holes"],
  ["an array with the property 2 ** 32 - 1", () => Object.assign([], { [2 ** 32 - 1]: 1 }), "4294967295"],
  ["two million holes", () => new Array(2_000_000), "million holes"],
  ["shared memory", () => new SharedArrayBuffer(2), "an instance of SharedArrayBuffer"],
  ["bytes in shared memory", () => new Uint8Array(new SharedArrayBuffer(2)), "shared memory"],
  ["a DataView of shared memory", () => new DataView(new SharedArrayBuffer(2)), "shared memory"],
  ["bytes that were transferred away", transferred, "transferred away"],
  ["an Error that holds a Map", () => new Error("m", { cause: new Map() }), "inside an Error"],
  ["an Error that holds a function", () => new Error("m", { cause: () => 1 }), "a function"],
  ["an Error whose message isn't a string", () => Object.assign(new Error("m"), { message: {} }), "isn't a string"],
  ["an AggregateError of a symbol", () => new AggregateError([Symbol("s")]), "a symbol"],
  ...builtIns
    .map((kind): Refused => {
      const init = kind === DataView ? new ArrayBuffer(2) : 2;
      const value = (): object => (kind === RegExp ? /a/ : new (kind as new (init: never) => object)(init as never));
      const make = kind === Map ? () => new Map() : kind === Set ? () => new Set() : value;
      return [`a Proxy of a real ${kind.name}`, () => new Proxy(make(), {}), "cannot be stored"];
    })
    .filter(([name]) => !name.endsWith(" Array")),
  ...builtIns.map((kind): Refused => [
    `what only inherits from ${kind.name}`,
    () => Object.create(kind.prototype as object),
    "cannot be stored",
  ]),
  ["an object that holds itself", () => cycle<Plain>({}, (self) => (self["a"] = [self])), "holds itself"],
  ["an array that holds itself", () => cycle<unknown[]>([], (self) => self.push({ self })), "holds itself"],
  ["a Map that holds itself", () => cycle(new Map<unknown, unknown>(), (self) => self.set("a", self)), "holds itself"],
  ["a Map that is its own key", () => cycle(new Map<unknown, unknown>(), (self) => self.set(self, 1)), "holds itself"],
  ["a Set that holds itself", () => cycle(new Set<unknown>(), (self) => self.add([self])), "holds itself"],
  ["an Error that is its own cause", () => cycle(new Error("m"), (self) => (self.cause = self)), "holds itself"],
  ["10,000 objects, one in the other", () => nest(DEEP, (deep) => ({ deep })), "levels deep"],
  ["10,000 arrays, one in the other", () => nest(DEEP, (deep) => [deep]), "levels deep"],
  ["10,000 Maps, one in the other", () => nest(DEEP, (deep) => new Map([["deep", deep]])), "levels deep"],
  ["10,000 Maps, each the other's key", () => nest(DEEP, (deep) => new Map([[deep, 1]])), "levels deep"],
  ["10,000 Sets, one in the other", () => nest(DEEP, (deep) => new Set([deep])), "levels deep"],
  [
    "10,000 causes",
    () => nest(DEEP, (cause) => Object.assign(new Error("m", { cause }), { stack: "s" })),
    "levels deep",
  ],
  ["a string over 2 MB", () => "x".repeat(2_000_001), "over 2 MB", "too-large"],
  ["a string over 2 MB by one wide character", () => `${"x".repeat(1_200_000)}ł`, "over 2 MB", "too-large"],
  ["bytes over 2 MB", () => [new Uint8Array(2_000_001)], "over 2 MB", "too-large"],
  ["a bigint over 2 MB", () => 1n << 16_500_000n, "over 2 MB", "too-large"],
];

/** What throws an error of its own while it is looked at. */
const throwing: Row[] = [
  [
    "a getter",
    () => ({
      get a(): never {
        throw new RangeError("mine");
      },
    }),
  ],
  [
    "a Proxy's trap",
    () =>
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new RangeError("mine");
          },
        },
      ),
  ],
  [
    "a getter in a Map",
    () =>
      new Map([
        [
          1,
          {
            get a(): never {
              throw new RangeError("mine");
            },
          },
        ],
      ]),
  ],
];

let nth = 0;
const fresh = (): DurableObjectStub<AccessorThings> => env.ACCESSOR_THINGS.getByName(`corpus ${nth++}`);
const inside = <R>(stub: DurableObjectStub<AccessorThings>, work: (self: AccessorThings) => R): Promise<R> =>
  runInDurableObject<AccessorThings, R>(stub, (self) => self.run(work));

/** All places in one field, each under its name. */
const bases = (): Plain => Object.fromEntries(Object.entries(places).map(([name, { base }]) => [name, base()]));

/** One of those places, as if it were a field. */
function holderAt(holder: Holder, name: string): Holder {
  return {
    get any() {
      return object(holder)[name];
    },
    set any(value) {
      object(holder)[name] = value;
    },
  };
}

describe("a field keeps, at every place,", () => {
  it.each(slice(kept, 10))("%s", async (_, make, expected = make) => {
    const stub = fresh();
    const plain: Holder = { any: bases() };
    for (const [name, { write }] of Object.entries(places)) write(holderAt(plain, name), expected());
    const look = (holder: Holder): string[] =>
      Object.entries(places).map(([name, { read }]) => {
        const { any } = holderAt(holder, name);
        return `${name}: ${show(snapshot(read({ any })))} in ${show(snapshot(any))}`;
      });
    const memory = await inside(stub, (self) => {
      self.any = bases();
      for (const [name, { write }] of Object.entries(places)) write(holderAt(self, name), make());
      return look(self);
    });
    expect(memory).toEqual(look(plain));
    await evictDurableObject(stub);
    expect(await inside(stub, look)).toEqual(look(plain));
    // As the whole field, too.
    await inside(stub, (self) => (self.any = make()));
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(snapshot(self.any)))).toBe(show(expected()));
  });

  it("what can be changed, though what was put in is frozen or shared", async () => {
    const stub = fresh();
    const shared = Object.freeze({ n: Object.freeze([1]) });
    await inside(stub, (self) => {
      self.any = Object.freeze([shared, shared]);
      const [first] = self.any as { n: number[] }[];
      first!.n.push(2);
    });
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(self.any))).toBe("[{n:[1,2]},{n:[1]}]");
  });
});

describe("a field refuses, at every place and changing nothing,", () => {
  const attempts = (self: AccessorThings, make: () => unknown): [place: string, error: unknown][] =>
    Object.entries(places).map(([name, { write }]) => {
      try {
        write(holderAt(self, name), make());
      } catch (error) {
        return [name, error];
      }
      return [name, "no error"];
    });

  it.each(slice(refused, 10))("%s", async (_, make, text, code = "not-persistable" as never) => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = bases()));
    for (const [name, error] of await inside(stub, (self) => attempts(self, make))) {
      const { path } = places[name]!;
      expect([name, DurableError.is(error) ? error.code : error]).toEqual([name, code]);
      const { message } = error as Error;
      expect(message).toContain(text);
      expect(message).toContain(`AccessorThings.any.${name}${path ?? ""}`);
    }
    expect(await inside(stub, (self) => show(self.any))).toBe(show(bases()));
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(self.any))).toBe(show(bases()));
    // As the whole field, too.
    expect(await inside(stub, (self) => codeOf(() => (self.any = make())))).toBe(code);
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(self.any))).toBe(show(bases()));
  });

  it.each(throwing)("%s that throws, with that error", async (_, make) => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = bases()));
    for (const [name, error] of await inside(stub, (self) => attempts(self, make))) {
      expect([name, String(error)]).toEqual([name, "RangeError: mine"]);
    }
    expect(await inside(stub, (self) => show(self.any))).toBe(show(bases()));
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(self.any))).toBe(show(bases()));
  });

  it("a length or an index that no array has", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = [1, 2, 3]));
    const codes = await inside(stub, (self) => {
      const any = self.any as unknown[];
      return [
        codeOf(() => (any.length = -1)),
        codeOf(() => (any.length = 1.5)),
        codeOf(() => (any.length = 2 ** 32)),
        codeOf(() => (any.length = 2 ** 32 - 1)),
        codeOf(() => (any[2 ** 32 - 2] = 1)),
        codeOf(() => (any[2 ** 32 - 1] = 1)),
        codeOf(() => (any[-1] = 1)),
        codeOf(() => (any[0.5] = 1)),
      ];
    });
    expect(codes).toEqual([...Array<string>(3).fill("RangeError"), ...Array<string>(5).fill("not-persistable")]);
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(self.any))).toBe("[1,2,3]");
  });

  it("the level too many of what is deepened step by step, by every operation", async () => {
    const stub = fresh();
    const wrap = (levels: number): unknown => nest(levels, (deep) => ({ deep }));
    // Cold code takes more stack a level, and could run out before the limit.
    await inside(stub, (self) => {
      for (let n = 0; n < 200; n++) self.any = wrap(100 + n);
      self.any = wrap(990);
    });
    const codes = await inside(stub, (self) => {
      let inner = self.any as Plain;
      for (let i = 0; i < 900; i++) inner = inner["deep"] as Plain;
      const writes: ((value: unknown) => unknown)[] = [
        (value) => (inner["deep"] = value),
        (value) => Object.assign(inner, { b: value }),
        (value) => Object.defineProperty(inner, "c", property(value)),
      ];
      return writes.flatMap((write) => [codeOf(() => write(wrap(200))), codeOf(() => write(wrap(50)))]);
    });
    expect(codes).toEqual(Array.from({ length: 3 }, () => ["not-persistable", "no error"]).flat());
    await evictDurableObject(stub);
    const inner = await inside(stub, (self) => {
      let at = self.any as Plain;
      for (let i = 0; i < 900; i++) at = at["deep"] as Plain;
      return [Object.keys(at), show(at) === show({ deep: wrap(50), b: wrap(50), c: wrap(50) })];
    });
    expect(inner).toEqual([["deep", "b", "c"], true]);
  });
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return DurableError.is(error) ? error.code : (error as Error).name;
  }
  return "no error";
}

describe("an instance of a user's class", () => {
  it.each(subclasses)("is kept as a plain one once the platform has copied it: %s", async (_, kind, make) => {
    const stub = fresh();
    const plain = structuredClone(make());
    expect(Object.getPrototypeOf(plain)).toBe(
      (globalThis as unknown as Record<string, { prototype: object }>)[kind]!.prototype,
    );
    await inside(stub, (self) => (self.any = structuredClone(make())));
    expect(await inside(stub, (self) => show(snapshot(self.any)))).toBe(show(plain));
    // An argument of a call was copied by the platform, too.
    await stub.keep(make());
    expect(await inside(stub, (self) => show(snapshot(self.any)))).toBe(show(plain));
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => show(snapshot(self.any)))).toBe(show(plain));
  });

  it("is kept if it is the result of a call by a stub, which has a hidden disposer", async () => {
    const [stub, other] = [fresh(), fresh()];
    for (const make of [() => [1], () => ({ a: 1 }), () => new Map([[1, 2]]), () => new Set([1]), () => new Date(0)]) {
      await other.keep(make());
      const result = (await other.give("any")) as object;
      expect(Object.getOwnPropertySymbols(result)).toEqual([Symbol.dispose]);
      await inside(stub, (self) => (self.any = result));
      await evictDurableObject(stub);
      expect(await inside(stub, (self) => show(snapshot(self.any)))).toBe(show(make()));
    }
  });

  it("is refused with a disposer of its own", async () => {
    const code = await inside(fresh(), (self) => codeOf(() => (self.any = { a: 1, [Symbol.dispose]: () => {} })));
    expect(code).toBe("not-persistable");
  });

  it("is kept as an Error with its data if it is one, without its class", async () => {
    class PaymentError extends Error {
      override readonly name = "PaymentError";
      readonly code = "declined";

      get isFinal(): boolean {
        return true;
      }
    }
    class NamedByClass extends RangeError {
      override get name(): string {
        return "NamedByClass";
      }
    }
    const stub = fresh();
    const look = (self: AccessorThings): unknown =>
      (self.any as (Error & { code?: unknown; isFinal?: unknown })[]).map((error) => [
        Object.getPrototypeOf(error) === Error.prototype,
        ...[error.name, error.message, error.code, error.isFinal, error.cause],
      ]);
    const expected = [
      [true, "PaymentError", "no funds", "declined", undefined, 7],
      [true, "NamedByClass", "far", undefined, undefined, undefined],
      [true, "DurableError", "lost", "no-object", undefined, undefined],
    ];
    const errors = [
      new PaymentError("no funds", { cause: 7 }),
      new NamedByClass("far"),
      new DurableError("no-object", "lost"),
    ];
    expect(await inside(stub, (self) => ((self.any = errors), look(self)))).toEqual(expected);
    await evictDurableObject(stub);
    expect(await inside(stub, look)).toEqual(expected);
  });
});
