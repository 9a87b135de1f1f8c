/** Large collections in few words, so that a program that fails can be read. */
import fc from "fast-check";

/** A large collection in few words; a nested one holds such collections. */
export interface Recipe {
  readonly shape: "array" | "map" | "set" | "record";
  readonly count: number;
  readonly entry: "number" | "object" | "text" | "long" | "mixed" | Recipe;
  /** Tells its keys and values from those of another. */
  readonly salt: number;
}

/** Makes the collection that a recipe describes; each time a new one. */
export function cook(recipe: Recipe): unknown {
  const entries = entriesOf(recipe);
  switch (recipe.shape) {
    case "array":
      return entries.map(([, item]) => item);
    case "map":
      return new Map(entries);
    case "set":
      return new Set(entries.map(([, item]) => item));
    default:
      return Object.fromEntries(entries);
  }
}

/** The entries of the collection that a recipe describes. */
export function entriesOf({ count, entry, salt }: Recipe): [key: unknown, value: unknown][] {
  return Array.from({ length: count }, (_, i) => {
    const id = salt * 100 + i;
    return [
      id % 5 === 0 ? id : `key ${id}`,
      typeof entry === "object" ? cook({ ...entry, salt: id }) : entryOf(entry, id),
    ];
  });
}

const MIXED = ["number", "object", "number", "text", "object", "number"] as const;

function entryOf(kind: Exclude<Recipe["entry"], Recipe>, id: number): unknown {
  switch (kind) {
    case "number":
      return id;
    case "object":
      return { id, name: `name of ${id}`, isOdd: id % 2 === 1 };
    case "text":
      return `${id} `.padEnd(300, "text");
    case "long":
      return `${id} `.padEnd(5_000, "long");
    default:
      return entryOf(MIXED[id % MIXED.length]!, id);
  }
}

const shape = fc.constantFrom("array", "map", "set", "record");
const salt = fc.nat(9);

/** Many of the small ones, few of the large: each up to some 60 KB. */
export const flat: fc.Arbitrary<Recipe> = fc.oneof(
  fc.record({ shape, count: fc.nat(600), entry: fc.constant("number"), salt }),
  fc.record({ shape, count: fc.nat(400), entry: fc.constantFrom("object", "mixed"), salt }),
  fc.record({ shape, count: fc.nat(200), entry: fc.constant("text"), salt }),
  fc.record({ shape, count: fc.nat(12), entry: fc.constant("long"), salt }),
);
/** Large collections of smaller ones, which can be large themselves. */
export const nested: fc.Arbitrary<Recipe> = fc.oneof(
  fc.record({
    shape,
    count: fc.integer({ min: 1, max: 12 }),
    entry: fc.record({ shape, count: fc.nat(60), entry: fc.constantFrom("number", "object", "mixed"), salt }),
    salt,
  }),
  fc.record({
    shape,
    count: fc.integer({ min: 1, max: 2 }),
    entry: fc.record({ shape, count: fc.nat(300), entry: fc.constantFrom("number", "object"), salt }),
    salt,
  }),
);
/** A handful. */
export const few: fc.Arbitrary<Recipe> = fc.record({
  shape,
  count: fc.nat(3),
  entry: fc.constantFrom("number", "object"),
  salt,
});

/** A large start, made when it is used: a failing program prints its recipe. */
export class Large {
  readonly recipe: Recipe;

  constructor(recipe: Recipe) {
    this.recipe = recipe;
  }
}
