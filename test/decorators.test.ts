import { describe, expect, it } from "vitest";
import { Persisted } from "../src/persisted/persisted.ts";
import { DurableError } from "../src/errors.ts";
import { misplacedLegacy } from "./fixtures/legacy/misplaced.ts";

type Untyped = (target: unknown, context: unknown) => unknown;

const codeAndFix = (decorate: () => unknown): [string, string] => {
  try {
    decorate();
  } catch (error) {
    if (DurableError.is(error)) return [error.code, error.message];
    throw error;
  }
  throw new Error("expected a DurableError");
};

/** A context as a compiler passes it, for members TypeScript would not let us decorate. */
const context = (changes: object): object => ({
  kind: "accessor",
  name: "count",
  static: false,
  private: false,
  metadata: {},
  addInitializer() {},
  ...changes,
});

describe("@Persisted in a wrong place (standard)", () => {
  it.each<[string, object, string, string]>([
    ["#private", { name: "#count", private: true }, "bad-decorator", "@Persisted() accessor count = …"],
    ["static", { static: true }, "bad-decorator", "a static member belongs to no object"],
    ["a method", { kind: "method" }, "bad-decorator", "a method holds no value"],
    ["a getter", { kind: "getter" }, "bad-decorator", "a getter holds no value"],
    ["a symbol", { name: Symbol("count") }, "bad-decorator", "must be a string"],
    ["the name `constructor`", { name: "constructor" }, "reserved-name", "constructor"],
    ["the name `__proto__`", { name: "__proto__" }, "reserved-name", "__proto__"],
    ["a member of the base", { name: "name" }, "reserved-name", "myName"],
    ["a hook", { name: "onStart" }, "reserved-name", "onStart"],
    ["a name the platform owns", { name: "alarm" }, "reserved-name", "alarm"],
  ])("throws for %s, with the line to write", (_, changes, code, text) => {
    for (const decorate of [Persisted, Persisted()] as Untyped[]) {
      const [found, message] = codeAndFix(() => decorate(undefined, context(changes)));
      expect(found).toBe(code);
      expect(message).toContain(text);
    }
  });

  it("throws in a class that does not extend DurableBase", () => {
    class Loose {
      @Persisted() accessor count = 0;
    }
    expect(codeAndFix(() => new Loose())).toEqual([
      "bad-decorator",
      expect.stringContaining("class Loose extends DurableBase"),
    ]);
  });
});

describe("@Persisted in a wrong place (legacy)", () => {
  it.each([...misplacedLegacy])("throws for %s, with the line to write", (_, decorate, code, text) => {
    const [found, message] = codeAndFix(decorate);
    expect(found).toBe(code);
    expect(message).toContain(text);
  });
});
