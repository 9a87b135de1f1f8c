/** What the files of `test/formats` hold, and how it is changed. */

/** Values of the fields without options. */
export type Values = ReturnType<typeof makeValues>;

/** Values of every kind, small and large, as the files have them. */
export function makeValues() {
  return { ...makeSmall(), ...makeLarge() };
}

function makeSmall() {
  return {
    zero: -0,
    missing: undefined as unknown,
    text: "\0 ü 漢 😀 \ud800",
    scalars: [-0, NaN, -Infinity, 1.5, 2 ** 40, undefined, null, true, "", -(2n ** 70n)],
    at: new Date(1_700_000_000_123),
    never: new Date(NaN),
    pattern: /^a+\/b$/giu,
    failure: brief(
      new TypeError("broke", { cause: brief(new RangeError("within", { cause: { code: -0, list: [1n] } })) }),
    ),
    failures: [
      brief(new AggregateError([brief(new URIError("one"))], "many")),
      brief(Object.assign(new Error("own"), { name: "Own", code: 7 })),
    ],
    bytes: new Uint8Array([0, 1, 254, 255]),
    kinds: [
      new Int8Array([-1]),
      new Uint8ClampedArray([300]),
      new Int16Array([-2]),
      new Uint16Array([0xffff]),
      new Int32Array([-3]),
      new Uint32Array([0xffff_ffff]),
      new Float32Array([0.5]),
      new Float64Array([-0, NaN]),
      new BigInt64Array([-1n]),
      new BigUint64Array([2n ** 63n]),
      new DataView(new Uint8Array([7, 8, 9]).buffer, 1, 2),
      new Uint8Array([1, 2, 3]).buffer,
    ],
    map: new Map<unknown, unknown>([
      [NaN, "not a number"],
      [1, "one"],
      ["1", new Set(["text"])],
      [{ key: true }, undefined],
    ]),
    set: new Set<unknown>([0, undefined, "b", { a: [] }, "a"]),
    sparse: [, 1, , undefined, ,],
    tree: { z: 1, 10: "ten", 2: "two", deep: { list: [{ map: new Map([["k", [new Date(0)]]]) }] }, empty: {} },
  };
}

function makeLarge() {
  const holes = count(400, (n) => n * 1_000);
  for (let i = 0; i < 400; i += 7) delete holes[i];
  return {
    log: count(500, (n) => ({ n, said: n % 50 === 0 ? "😀".slice(n % 100 ? 1 : 0) : `line ${n}` })),
    holes,
    users: new Map(count(400, (n): [string, { visits: number }] => [`user${n}`, { visits: n }])),
    odd: new Map<unknown, unknown>(count(300, (n) => [n % 4 === 0 ? { n } : n % 3 === 0 ? -n : `k${n}`, `${n}`])),
    // Many chunks.
    members: new Set(count(4_200, (n) => n.toString(36))),
    totals: Object.fromEntries(count(500, (n) => [n % 5 === 0 ? `${9_000 - n}` : `key${n}`, n])) as Record<
      string,
      number
    >,
    // Collections in a collection, and in those again.
    groups: new Map(
      count(5, (n) => [
        `group${n}`,
        { title: `Group ${n}`, ranks: new Map(count(90, (m): [string, number] => [`member${m}`, n * m])) },
      ]),
    ),
    // One in a field that is itself small.
    album: { title: "Album", photos: count(200, (n) => `photo ${n}`), tags: new Set(["sea"]) },
    image: new Uint8Array(3_000).map((_, i) => i),
    novel: "Быль ".repeat(350),
    letter: { body: "x".repeat(2_000) },
  };
}

/** Changes some small fields. */
export function changeSmall(values: Values): void {
  values.zero = 1;
  values.missing = "found";
  values.tree.deep.list.push({ map: new Map() });
  values.failure = brief(new TypeError("again"));
}

/** Changes an entry of one large field. */
export function changeLog(values: Values): void {
  values.log[250]!.said += "!";
}

/** Changes an entry, or a few, of the other large fields. */
export function changeLarge(values: Values): void {
  values.holes[7] = -1;
  values.users.get("user300")!.visits = -1;
  values.odd.delete(-3);
  values.members.delete((3_500).toString(36));
  values.members.add("new");
  values.totals["8900"] = -1;
  values.totals["1"] = 1;
  values.groups.get("group3")!.ranks.set("member50", -1);
  values.album.photos.splice(100, 1);
  values.image[2_000] = 1;
  values.novel += "Конец";
  values.letter.body += "y";
}

/** An error without the way it took, which is long and tells of a machine. */
function brief<T extends Error>(error: T): T {
  error.stack = String(error);
  return error;
}

function count<T>(length: number, make: (n: number) => T): T[] {
  return Array.from({ length }, (_, n) => make(n));
}

/** A class with a codec. */
export class Cents {
  readonly cents: number;

  constructor(cents: number) {
    this.cents = cents;
  }
}

/** What the versions of a field have: 1 is the amount. */
export interface Price {
  readonly amount: number;
  readonly currency: string;
}

/** A value that a schema took once, and refuses later. */
export interface Broken {
  readonly kind: "whole" | "broken";
  readonly list?: readonly string[];
}

/** What the field is given in its place. */
export function mend(): Broken {
  return { kind: "whole" };
}

/** The first value is written by a process whose schema takes anything. */
let isWriting = false;

/** A Standard Schema that takes every kind in the process that writes the first values, then `whole` alone. */
export const broken = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown): { value: Broken } | { issues: { message: string }[] } =>
      isWriting || (value as Broken).kind === "whole"
        ? { value: value as Broken }
        : { issues: [{ message: "broken" }] },
  },
} as const;

/** The first values of the fields with options. */
export function first(): { price: Price; visits: number; cents: Cents } {
  isWriting = true;
  return { price: { amount: 7, currency: "USD" }, visits: 3, cents: new Cents(1_234) };
}
