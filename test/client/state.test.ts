import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apply, replaced, type State } from "../../src/client/state.ts";
import type { Patch, ServerFrame, WireChange } from "../../src/sync/frames.ts";
import { membersFromWire, toWire } from "../../src/sync/values.ts";
import { isLong } from "../battery.ts";
import { check } from "../check.ts";
import vectorsText from "../sync/vectors.json?raw";
import {
  choose,
  containersOf,
  define,
  follow,
  isContainer,
  nameFor,
  type Path,
  states,
  type Step,
  steps,
  textOf,
} from "./states.ts";

interface Vector {
  readonly name: string;
  readonly state: Record<string, unknown>;
  readonly frame: ServerFrame;
  readonly after: Record<string, unknown>;
}

const vectors = JSON.parse(vectorsText) as Vector[];

describe("apply", () => {
  const patches = vectors.filter(({ frame: [kind] }) => typeof kind !== "string");

  it.each(patches)("applies $name", ({ state, frame, after }) => {
    const [, ...changes] = frame as Patch;
    const before = membersFromWire(state);
    expect(textOf(apply(before, changes))).toBe(textOf(membersFromWire(after)));
    expect(JSON.stringify(fieldsOf(before))).toBe(JSON.stringify(state));
  });

  it("has vectors that are as the server would write them", () => {
    for (const { after } of vectors) expect(fieldsOf(membersFromWire(after))).toEqual(after);
    expect(patches.length).toBeGreaterThan(30);
  });

  it("keeps the identity of what has no change in it", () => {
    const state = { list: [{ n: 1 }, { n: 2 }], map: new Map([["a", { n: 1 }]]), other: { set: new Set([1]) } };
    const after = apply(state, [
      [["list", 1, "n"], 3],
      [["map", "b"], {}],
    ]) as typeof state;
    expect(after).toEqual({
      ...state,
      list: [{ n: 1 }, { n: 3 }],
      map: new Map([
        ["a", { n: 1 }],
        ["b", {}],
      ]),
    });
    expect([
      after === state,
      after.list === state.list,
      after.list[1] === state.list[1],
      after.map === state.map,
    ]).toEqual([false, false, false, false]);
    expect(after.list[0]).toBe(state.list[0]);
    expect(after.map.get("a")).toBe(state.map.get("a"));
    expect(after.other).toBe(state.other);
    expect(state.list[1]).toEqual({ n: 2 });
  });

  it("copies an array once, however many changes a patch has", () => {
    const list = Array.from({ length: 100_000 }, (_, i) => i);
    const changes: WireChange[] = list.map((i) => [["list", i], i + 1]);
    const start = performance.now();
    const once = apply({ list }, changes.slice(0, 1));
    const one = performance.now() - start;
    expect(apply({ list }, changes)).toEqual({ list: list.map((i) => i + 1) });
    // 100,000 copies would take minutes.
    expect(performance.now() - start - one).toBeLessThan(30_000);
    expect(once["list"]).not.toBe(list);
  });

  it("takes 200,000 items at once", () => {
    const items = Array.from({ length: 200_000 }, (_, i) => i);
    expect(apply({ list: [-1, -2] }, [["s", ["list"], 1, 0, items]])).toEqual({ list: [-1, ...items, -2] });
  });

  it("pollutes no prototype", () => {
    const changes = JSON.parse('[[["__proto__","x"],1]]') as WireChange[];
    expect(() => apply({}, changes)).toThrow("A path leads nowhere.");
    expect(() => apply({ tree: {} }, [[["tree", "constructor", "x"], 1]])).toThrow("A path leads nowhere.");
    expect(apply({ map: {} }, [[["map"], { a: 1 }]])).toEqual({ map: { a: 1 } });
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it.each<[string, WireChange]>([
    ["a path into nothing", [["no", "x"], 1]],
    ["a path into a number", [["n", "x"], 1]],
    ["a path into a Date", [["date", "x"], 1]],
    ["a key of a Set", [["set", "x"], 1]],
    ["a member of an object", ["+", ["tree"], 1]],
    ["items of a Map", ["s", ["map"], 0, 0, []]],
    ["clearing an array", ["c", ["list"]]],
    ["no change at all", [] as unknown as WireChange],
    ["an unknown operation", ["x", ["list"]] as unknown as WireChange],
  ])("refuses %s, and leaves the state as it was", (_, change) => {
    const state = { n: 1, date: new Date(0), set: new Set([1]), tree: {}, map: new Map(), list: [1] };
    const before = textOf(state);
    expect(() => apply(state, [[["n"], 2], change])).toThrow(TypeError);
    expect(textOf(state)).toBe(before);
  });

  it("does to a state what the changes did to a mutable one", { timeout: 600_000 }, async () => {
    const property = fc.asyncProperty(states, fc.array(steps, { maxLength: 4 }), async (start, patches) => {
      const model = structuredClone(start);
      let state: State = membersFromWire(fieldsOf(model));
      for (const patch of patches) {
        const before = [
          textOf(state),
          new Map(containersOf(state).map(([path, at]) => [JSON.stringify(toWire(path)), [path, at] as const])),
        ] as const;
        const changes = patch.flatMap((step) => mutate(model, step));
        const after = apply(state, JSON.parse(JSON.stringify(changes)) as WireChange[]);
        expect(textOf(after)).toBe(textOf(model));
        expect(textOf(state)).toBe(before[0]);
        const changed = changes.map((change) => pathOf(change));
        for (const [path, at] of before[1].values()) {
          if (!changed.some((other) => isRelated(path, other))) expect(follow(after, path)).toBe(at);
        }
        state = after;
      }
      await Promise.resolve();
    });
    const found = await check(property, { numRuns: isLong ? 20_000 : 500 });
    expect(fc.defaultReportMessage(found)).toBeUndefined();
  });
});

describe("replaced", () => {
  it("takes what is equal from the state before", () => {
    const before: Record<string, unknown> = {
      list: [{ n: 1 }, { n: 2 }],
      map: new Map([["a", { n: 1 }]]),
      set: new Set([{ n: 1 }]),
      at: new Date(5),
      holes: [1, , ,],
    };
    expect(replaced(before, structuredClone(before))).toBe(before);
    const after = replaced(before, { ...structuredClone(before), list: [{ n: 1 }, { n: 3 }], more: 1 });
    expect(after).toEqual({ ...before, list: [{ n: 1 }, { n: 3 }], more: 1 });
    expect((after["list"] as unknown[])[0]).toBe((before["list"] as unknown[])[0]);
    for (const name of ["map", "set", "at", "holes"]) expect(after[name]).toBe(before[name]);
    const empty = {};
    expect(replaced(undefined, empty)).toBe(empty);
  });

  it("is equal to the state that was sent, and the state before if that is equal", async () => {
    const property = fc.asyncProperty(states, states, steps, async (start, other, program) => {
      const changed = structuredClone(start);
      for (const step of program) mutate(changed, step);
      const text = textOf(start);
      for (const sent of [changed, other]) {
        const after = replaced(start, structuredClone(sent));
        expect([textOf(after), textOf(start)]).toEqual([textOf(sent), text]);
        expect(after === start).toBe(textOf(sent) === text);
        for (const [name, field] of Object.entries(start)) {
          if (
            Object.hasOwn(sent, name) &&
            textOf({ field }) === textOf({ field: sent[name] }) &&
            typeof field === "object"
          ) {
            expect(after[name]).toBe(field);
          }
        }
      }
      await Promise.resolve();
    });
    const found = await check(property, { numRuns: isLong ? 20_000 : 500 });
    expect(fc.defaultReportMessage(found)).toBeUndefined();
  });
});

/** Changes a mutable state, and returns the changes as a server would send them. */
function mutate(model: State, step: Step): WireChange[] {
  const [path, at] = choose(containersOf(model), step.at);
  const to = (...keys: unknown[]): unknown[] => toWire([...path, ...keys]) as unknown[];
  const value = structuredClone(step.value);
  if (at instanceof Map) {
    const key = choose([...[...at.keys()].filter((key) => !isContainer(key)), "new"], step.key);
    if (step.what % 6 === 0) return (at.clear(), [["c", to()]]);
    if (step.what % 3 === 0) return (at.delete(key), [[to(key)]]);
    return (at.set(key, value), [[to(key), toWire(value)]]);
  }
  if (at instanceof Set) {
    const primitives = [...at].filter((member) => typeof member !== "object" || member === null);
    if (step.what % 6 === 0) return (at.clear(), [["c", to()]]);
    if (step.what % 3 === 0 && primitives.length > 0) {
      const member = choose(primitives, step.key);
      return (at.delete(member), [[to(member)]]);
    }
    return (at.add(value), [["+", to(), toWire(value)]]);
  }
  if (Array.isArray(at)) {
    const index = step.key % (at.length + 2);
    if (step.what % 5 === 0) return ((at.length = index), [[to("length"), index]]);
    if (step.what % 5 === 1) return (delete at[index], [[to(index)]]);
    if (step.what % 5 === 2) return ((at[index] = value), [[to(index), toWire(value)]]);
    const items = step.count === 0 ? [] : [value, ...(Array.isArray(value) ? [] : [step.count])];
    const start = Math.min(index, at.length);
    const count = Math.min(step.count, at.length - start);
    at.splice(start, count, ...items);
    return [["s", to(), start, count, toWire(items) as unknown[]]];
  }
  const name = nameFor(at, step);
  if (step.what % 3 === 0) return (delete at[name], [[to(name)]]);
  return (define(at, name, value), [[to(name), toWire(value)]]);
}

/** The path of the container that a change is in, or of what it sets. */
function pathOf(change: WireChange): Path {
  const path = typeof change[0] === "string" ? (change[1] as Path) : change[0];
  return path.at(-1) === "length" ? path.slice(0, -1) : path;
}

function isRelated(path: Path, other: Path): boolean {
  const wire = toWire(path) as unknown[];
  const length = Math.min(wire.length, other.length);
  return JSON.stringify(wire.slice(0, length)) === JSON.stringify(other.slice(0, length));
}

function fieldsOf(state: State): Record<string, unknown> {
  return Object.fromEntries(Object.entries(state).map(([name, field]) => [name, toWire(field)]));
}
