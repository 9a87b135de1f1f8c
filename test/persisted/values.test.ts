/** Values without members of their own that are stored in a field: errors, regular expressions and dates. */
import { snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { errorOf } from "../error-of.ts";
import { show } from "./model.ts";
import { rowsOf } from "./persisted.cases.ts";
import { agreed, codeOf, freshThings, inside } from "./things.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";

const fresh = freshThings("values");

describe("an Error in a field", () => {
  it("holds values that freezing protects, and refuses others", async () => {
    const stub = fresh();
    for (const cause of [new Uint8Array([1]), new Map(), new Set(), new Date(0), /a/]) {
      expect(await codeOf(() => inside(stub, (self) => (self.any = new Error("x", { cause }))))).toBe(
        "not-persistable",
      );
    }
    await inside(stub, (self) => (self.any = new AggregateError([new RangeError("a")], "x", { cause: self.tree })));
    const read = (self: AccessorThings): unknown => {
      const { message, cause, errors } = self.any as AggregateError;
      return [message, cause, errors.map((error: Error) => [error.name, error.message])];
    };
    expect(await agreed(stub, read)).toBe('["x",{a:{b:{n:1}},list:[{x:1},{x:2}]},[["RangeError","a"]]]');
    await inside(stub, (self) => (self.any = 1));
  });

  it("counts its own properties in its size", async () => {
    const big = (): Error => Object.assign(new Error("x"), { body: "y".repeat(5_000) });
    expect(await rowsOf(fresh() as never, (self) => (self.any = big()))).toContain("durable-base:field:any");
  });
});

describe("a RegExp in a field", () => {
  it("refuses to be compiled anew, and works as a RegExp otherwise", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = [/a/g]));
    const compile = (self: AccessorThings): unknown => (self.any as RegExp[])[0]!.compile("b", "g");
    const error = await errorOf(() => inside(stub, compile));
    expect(error.message).toMatch(/Things.any\[0\]: `compile` cannot change a stored RegExp/);
    expect(await inside(stub, (self) => "banana".replace((self.any as RegExp[])[0]!, "o"))).toBe("bonono");
    expect(await inside(stub, (self) => structuredClone((self.any as RegExp[])[0]))).toEqual(/a/g);
    expect(await agreed(stub, (self) => String((self.any as RegExp[])[0]))).toBe('"/a/g"');
  });
});

describe("a Date in a field", () => {
  it("makes ordinary Dates by its constructor", async () => {
    await inside(fresh(), (self) => {
      const made = new (self.date.constructor as DateConstructor)(Number(self.date));
      made.setFullYear(2_000);
      expect([made.getFullYear(), self.date.getTime()]).toEqual([2_000, 123]);
    });
  });

  it("is copied as another Date's setter left it, before the field is written and once removed", async () => {
    const stub = fresh();
    const early = (date: Date): unknown => Date.prototype.setTime.call(date, 5);
    await inside(stub, (self) => {
      early(self.date);
      self.any = [self.date, { at: self.date }];
      expect(show(snapshot({ date: self.date }))).toBe("{date:Date(5)}");
      const { at } = (self.any as [Date, { at: Date }])[1];
      (self.any as unknown[]).pop();
      Date.prototype.setTime.call(at, 6);
      (self.any as unknown[]).push(at);
    });
    expect(await agreed(stub, (self) => [self.date, self.any])).toBe("[Date(5),[Date(5),Date(6)]]");
  });
});
