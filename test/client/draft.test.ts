import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changedBy } from "../../src/client/draft.ts";
import { isLong } from "../battery.ts";
import { check } from "../check.ts";
import {
  choose,
  containersOf,
  define,
  follow,
  nameFor,
  type State,
  states,
  type Step,
  steps,
  textOf,
} from "./states.ts";

interface Card {
  id: number;
  title: string;
}

function board() {
  return {
    cards: [
      { id: 1, title: "a" },
      { id: 2, title: "b" },
    ] as Card[],
    byName: new Map<string, { n: number; tags: string[] }>([
      ["x", { n: 1, tags: ["t"] }],
      ["y", { n: 2, tags: [] }],
    ]),
    members: new Set<{ name: string }>([{ name: "ann" }, { name: "bob" }]),
    at: new Date(5),
    bytes: new Uint8Array([1, 2]),
    count: 0,
    maybe: undefined as { n: number } | undefined,
  };
}

describe("changedBy", () => {
  it("changes a property, and nothing else", () => {
    const state = board();
    const after = changedBy(state, (draft) => void draft.count++);
    expect(after).toEqual({ ...board(), count: 1 });
    expect(state).toEqual(board());
    for (const key of ["cards", "byName", "members", "at", "bytes"] as const) expect(after[key]).toBe(state[key]);
  });

  it("keeps what is only read", () => {
    const state = board();
    const after = changedBy(state, (draft) => {
      draft.cards.map(({ title }) => title);
      JSON.stringify(draft);
      draft.byName.forEach(({ tags }) => tags.join());
      for (const { name } of draft.members) name.trim();
      draft.at.getTime();
      draft.bytes.reduce((a, b) => a + b);
      draft.cards.find(({ id }) => id === 2)!.title = "b";
      draft.cards.push(draft.cards.pop()!);
      draft.members.add([...draft.members][0]!);
    });
    expect(after).toBe(state);
  });

  it("changes an array as arrays are changed", () => {
    const state = board();
    const after = changedBy(state, ({ cards }) => {
      cards.push({ id: 3, title: "c" });
      cards.unshift({ id: 0, title: "z" });
      cards.sort((a, b) => b.id - a.id);
      cards[1]!.title = "B";
      cards.splice(3, 1);
      cards.reverse();
      expect([cards.length, Array.isArray(cards), cards.at(-1)!.id, cards.includes(cards[0]!)]).toEqual([
        3,
        true,
        3,
        true,
      ]);
    });
    expect(after.cards).toEqual([
      { id: 1, title: "a" },
      { id: 2, title: "B" },
      { id: 3, title: "c" },
    ]);
    expect(after.cards[0]).toBe(state.cards[0]);
    expect(state).toEqual(board());
  });

  it("changes a Map and what is in it", () => {
    const state = board();
    const after = changedBy(state, ({ byName }) => {
      byName.get("x")!.tags.push("u");
      expect(byName.set("z", { n: 3, tags: [] }).get("z")).toEqual({ n: 3, tags: [] });
      expect([byName.size, byName.has("z"), byName.get("no"), [...byName.keys()]]).toEqual([
        3,
        true,
        undefined,
        ["x", "y", "z"],
      ]);
      expect(byName.delete("y")).toBe(true);
      for (const [key, value] of byName) value.n += key.length;
      for (const value of byName.values()) value.n *= 2;
      byName.forEach((value, key, all) => void (value.n += all.has(key) ? 0.5 : 0));
      expect(byName instanceof Map).toBe(true);
    });
    expect(after.byName).toEqual(
      new Map([
        ["x", { n: 4.5, tags: ["t", "u"] }],
        ["z", { n: 8.5, tags: [] }],
      ]),
    );
    expect(state).toEqual(board());
  });

  it("changes a Set and its members", () => {
    const state = board();
    const [ann, bob] = [...state.members];
    const after = changedBy(state, ({ members }) => {
      const [, second] = [...members];
      second!.name = "Bob";
      members.add({ name: "eve" });
    });
    expect([...after.members]).toEqual([{ name: "ann" }, { name: "Bob" }, { name: "eve" }]);
    expect([...after.members][0]).toBe(ann);
    expect(bob).toEqual({ name: "bob" });
    expect(changedBy(state, ({ members }) => void members.delete([...members][0]!)).members).toEqual(new Set([bob]));
  });

  it("changes a Date and bytes in place", () => {
    const state = board();
    const after = changedBy(state, ({ at, bytes }) => {
      at.setTime(7);
      bytes[0] = 9;
    });
    expect([after.at.getTime(), [...after.bytes]]).toEqual([7, [9, 2]]);
    expect(state).toEqual(board());
  });

  it("holds drafts that were put elsewhere, alone or in new values", () => {
    const state = board();
    const after = changedBy(state, (draft) => {
      const [first, second] = draft.cards;
      draft.cards = draft.cards.filter(({ id }) => id === 2);
      draft.byName.set("new", { n: 1, tags: [], ...{ card: first } });
      draft.maybe = { n: 5, ...{ deep: [new Map([["s", new Set([second])]])] } };
      second!.title = "late";
      first!.id = 10;
    });
    const text = JSON.stringify([after.cards, after.byName.get("new")]);
    expect(text).toBe('[[{"id":2,"title":"late"}],{"n":1,"tags":[],"card":{"id":10,"title":"a"}}]');
    const { deep } = after.maybe as unknown as { deep: [Map<string, Set<Card>>] };
    expect([...deep[0].get("s")!][0]).toBe(after.cards[0]);
    expect(structuredClone(after)).toEqual(after);
    expect(state).toEqual(board());
  });

  it("leaves values that `work` has made to it", () => {
    const made: Card = { id: 9, title: "mine" };
    const after = changedBy(board(), (draft) => {
      draft.cards.push(made);
      draft.cards.sort((a, b) => b.id - a.id);
      made.title = "changed";
      const ring: { self?: unknown; n: number } = { n: 1 };
      ring.self = ring;
      draft.maybe = ring;
    });
    expect(after.cards[0]).toBe(made);
    expect(after.cards[0]).toEqual({ id: 9, title: "changed" });
  });

  it("throws what `work` throws, and changes nothing", () => {
    const state = board();
    const work = (): void => {
      changedBy(state, (draft) => {
        draft.cards.length = 0;
        throw new RangeError("no");
      });
    };
    expect(work).toThrow(new RangeError("no"));
    expect(state).toEqual(board());
  });

  it("works on states that are frozen", () => {
    const state = Object.freeze({ list: Object.freeze([Object.freeze({ n: 1 })]) }) as { list: { n: number }[] };
    const after = changedBy(state, ({ list }) => {
      list[0]!.n++;
      list.push({ n: 5 });
    });
    expect(after).toEqual({ list: [{ n: 2 }, { n: 5 }] });
  });

  it("does to a draft what is done to a deep copy", { timeout: 600_000 }, async () => {
    const property = fc.asyncProperty(states, steps, async (start, program) => {
      const state = structuredClone(start);
      const copy = structuredClone(start);
      const touched = new Set<unknown>();
      const after = changedBy(state, (draft) => {
        for (const step of program) {
          const [path, at] = choose(containersOf(copy), step.at);
          touched.add(path.length === 0 ? nameFor(at as State, step) : path[0]);
          mutate(follow(copy, path), step);
          mutate(follow(draft, path), step);
        }
      });
      expect(textOf(after)).toBe(textOf(copy));
      expect(textOf(state)).toBe(textOf(start));
      for (const [name, field] of Object.entries(state)) if (!touched.has(name)) expect(after[name]).toBe(field);
      if (touched.size === 0) expect(after).toBe(state);
      await Promise.resolve();
    });
    const found = await check(property, { numRuns: isLong ? 20_000 : 500 });
    expect(fc.defaultReportMessage(found)).toBeUndefined();
  });
});

function mutate(at: unknown, step: Step): void {
  const { what, key, count } = step;
  const value = structuredClone(step.value);
  if (at instanceof Map) {
    const chosen = choose([...[...at.keys()].filter((key) => typeof key !== "object"), "new"], key);
    if (what % 6 === 0) at.clear();
    else if (what % 3 === 0) at.delete(chosen);
    else at.set(chosen, value);
  } else if (at instanceof Set) {
    if (what % 6 === 0) at.clear();
    else if (what % 3 === 0 && at.size > 0) at.delete(choose([...at], key));
    else at.add(value);
  } else if (Array.isArray(at)) {
    const index = key % (at.length + 2);
    if (what % 7 === 0) at.length = index;
    else if (what % 7 === 1) delete at[index];
    else if (what % 7 === 2) at[index] = value;
    else if (what % 7 === 3) at.reverse();
    else if (what % 7 === 4) at.push(value, at[0]);
    else at.splice(index, count, value);
  } else if (what % 3 === 0) delete (at as State)[nameFor(at as State, step)];
  else define(at as State, nameFor(at as State, step), value);
}
