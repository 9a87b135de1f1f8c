import { createContext, runInContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { lossOf } from "../../src/core/values/kinds.ts";

/** Values of another realm, which workerd does not have, and test runners in Node do. */
describe("lossOf", () => {
  const realm = createContext({});
  const make = (code: string): object => runInContext(code, realm) as object;

  it("takes an array of another realm for an array", () => {
    const list = make("[1, 2]");
    expect([Array.isArray(list), list instanceof Array]).toEqual([true, false]);
    expect(lossOf(list)).toBeUndefined();
  });

  it("knows a subclass of Array in another realm for one", () => {
    expect(lossOf(make("new (class Stack extends Array {})()"))).toEqual({
      what: "an instance of Stack",
      advice: "It would come back as a plain Array: store `structuredClone(value)`, or give the field a `codec`.",
    });
  });

  it("takes an object without prototype of another realm for plain data", () => {
    expect(lossOf(make("Object.create(null)"))).toBeUndefined();
  });
});
