/** A large collection that is replaced by another: only the rows that differ are written. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { snapshot } from "durable-base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diff } from "../../src/persisted/tracking/diff.ts";
import { isLong, seed } from "../battery.ts";
import { show } from "./model.ts";
import { rowsOf } from "./persisted.cases.ts";

/** The hunks between two lists, and how many comparisons it took to find them. */
function compared(old: readonly unknown[], fresh: readonly unknown[]): { hunks: number; asked: number } {
  let asked = 0;
  const hunks = diff(old.length, fresh.length, (i, j) => {
    asked++;
    return old[i] === fresh[j];
  });
  const rebuilt = [...old];
  let shift = 0;
  for (const { at, removed, added } of hunks) {
    rebuilt.splice(at + shift, removed, ...fresh.slice(at + shift, at + shift + added));
    shift += added - removed;
  }
  expect(rebuilt).toEqual(fresh);
  return { hunks: hunks.length, asked };
}

describe("diff", () => {
  it(`gives hunks that make the one of the other (seed ${seed})`, () => {
    const list = fc.array(fc.nat(3), { maxLength: 40 });
    fc.assert(
      fc.property(list, list, (old, fresh) => void compared(old, fresh)),
      { numRuns: isLong ? 2_000 : 100 },
    );
  });

  const list = Array.from({ length: 10_000 }, (_, i) => i);
  const cases: Record<string, [fresh: number[], hunks: number]> = {
    "the same": [list, 0],
    "nothing any more": [[], 1],
    "a ring that moved on": [[...list.slice(1), -1], 2],
    "a ring that moved on by 300": [[...list.slice(300), ...list.slice(0, 300).map((n) => -1 - n)], 2],
    "two distant ones gone": [list.filter((n) => n !== 100 && n !== 9_000), 2],
    "every hundredth gone": [list.filter((n) => n % 100 !== 50), 100],
    "every third another": [list.map((n) => (n % 3 === 1 ? -n : n)), 3_333],
    "three in the place of two, and far behind two of three": [
      list.toSpliced(9_000, 3, -1, -2).toSpliced(500, 2, -3, -4, -5),
      2,
    ],
    "others altogether": [list.map((n) => -1 - n), 1],
    "the other way round": [list.toReversed(), 1],
  };
  for (const [name, [fresh, hunks]] of Object.entries(cases)) {
    it(`finds in at most 40 comparisons an item: ${name}`, () => {
      const found = compared(list, fresh);
      expect(found.hunks).toBe(hunks);
      expect(found.asked).toBeLessThanOrEqual(40 * list.length);
    });
  }
});

const COUNT = 2_000;
const entries = Array.from({ length: COUNT }, (_, i): [string, unknown] => [`k${i}`, { n: i, text: `entry ${i}` }]);

const kinds = {
  array: (some: [string, unknown][]): unknown => some.map(([key, value]) => [key, value]),
  Map: (some: [string, unknown][]): unknown => new Map(some),
  Set: (some: [string, unknown][]): unknown => new Set(some.map(([key, value]) => `${key} ${JSON.stringify(value)}`)),
  record: (some: [string, unknown][]): unknown => Object.fromEntries(some),
};

let made = 0;

for (const [kind, make] of Object.entries(kinds)) {
  describe(`a large ${kind} that is replaced`, () => {
    it("writes the rows in which an entry came, went or changed", async () => {
      const stub = env.ACCESSOR_THINGS.getByName(`replaced ${made++}`);
      await rowsOf(stub, (self) => (self.any = make(entries)));
      await evictDurableObject(stub);
      expect(await rowsOf(stub, (self) => (self.any = make(entries)))).toEqual([]);
      const without = entries.filter(([key]) => key !== "k100" && key !== "k1500");
      const rows = await rowsOf(stub, (self) => (self.any = make(without)));
      // An array's head counts the entries of its rows.
      expect(rows).toHaveLength(kind === "array" ? 3 : 2);
      const ring: [string, unknown][] = [...without.slice(1), ["new", 1]];
      expect(await rowsOf(stub, (self) => (self.any = make(ring)))).toHaveLength(2);
      await evictDurableObject(stub);
      await runInDurableObject(stub, (self) => self.run(() => expect(show(snapshot(self.any))).toBe(show(make(ring)))));
    });

    it(`is what was assigned, whatever that is (seed ${seed})`, async () => {
      const stub = env.ACCESSOR_THINGS.getByName(`replaced ${made++}`);
      await rowsOf(stub, (self) => (self.any = make(entries)));
      const edit = fc.record({ at: fc.nat(COUNT), removed: fc.nat(60), added: fc.nat(60), isInPlace: fc.boolean() });
      let held = entries;
      let fresh = 0;
      const property = fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
        for (const { at, removed, added, isInPlace } of edits) {
          held = isInPlace
            ? held.map((entry, i) => (i >= at && i < at + removed ? [entry[0], { n: fresh++ }] : entry))
            : held.toSpliced(
                at,
                held.length < COUNT / 2 ? 0 : removed,
                ...Array.from({ length: added }, (): [string, unknown] => [`f${fresh++}`, fresh]),
              );
        }
        const expected = show(make(held));
        await runInDurableObject(stub, (self) => self.run(() => (self.any = make(held))));
        await evictDurableObject(stub);
        await runInDurableObject(stub, (self) =>
          self.run(() => {
            // By its keys, as far as it has any: the prints have to find them.
            if (self.any instanceof Map) for (const [key] of held) expect(self.any.has(key)).toBe(true);
            expect(show(snapshot(self.any))).toBe(expected);
          }),
        );
      });
      await fc.assert(property, { numRuns: isLong ? 25 : 3 });
    });
  });
}
