import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Persisted } from "durable-base";
import { describe, expect, it } from "vitest";
import { outgoing } from "../../src/core/values/snapshot.ts";
import type { AccessorThings } from "../persisted/fixtures/persisted.ts";
import { agreed, codeOf, freshThings, inside } from "../persisted/things.ts";

const fresh = freshThings("entries");

describe("an entry", () => {
  it("writes what changed when the result's `then` throws", async () => {
    const stub = fresh();
    // oxlint-disable-next-line unicorn/no-thenable -- what goes wrong here is the subject
    const result = Object.defineProperty({}, "then", {
      get(): never {
        throw new Error("then");
      },
    });
    expect(
      await codeOf(() =>
        inside(stub, (self) => {
          self.count = 2;
          return result;
        }),
      ),
    ).toContain("then");
    expect(await agreed(stub, (self) => self.count)).toBe("2");
  });

  it("frees a thrown error of tracked values, so that it keeps its properties over RPC", async () => {
    const stub = fresh();
    const error: unknown = await inside(stub, (self) => {
      throw Object.assign(new Error("bad", { cause: self.tree.a }), { code: "E_LIMIT", item: self.tree });
    }).catch((reason: unknown) => reason);
    expect(structuredClone(error)).toMatchObject({
      code: "E_LIMIT",
      item: { a: { b: { n: 1 } } },
      cause: { b: { n: 1 } },
    });
  });

  it("frees a thrown error of tracked values at any depth, and never replaces it", async () => {
    const stub = fresh();
    const thrown = (make: (self: AccessorThings) => unknown): Promise<unknown> =>
      inside(stub, (self) => {
        throw make(self);
      }).catch((reason: unknown) => reason);
    const inner = (self: AccessorThings): Error => Object.assign(new Error("inner"), { item: self.tree });
    const nested = await thrown((self) => new Error("outer", { cause: inner(self) }));
    expect(structuredClone((nested as Error).cause)).toMatchObject({ message: "inner", item: { a: { b: { n: 1 } } } });
    const many = await thrown((self) => new AggregateError([self.tree.a, inner(self)], "many"));
    expect(structuredClone((many as AggregateError).errors)).toMatchObject([{ b: { n: 1 } }, { message: "inner" }]);
    const getter = Object.defineProperty(new Error("mine"), "odd", {
      enumerable: true,
      get: () => {
        throw new Error("getter");
      },
    });
    expect(await thrown(() => getter)).toBe(getter);
  });
});

describe("onStart", () => {
  it("may hand out functions that are called back before it ends", async () => {
    class Calling extends DurableBase {
      @Persisted() accessor n = 0;

      override async onStart(): Promise<void> {
        const sync = outgoing((by: number) => (this.n += by)) as (by: number) => unknown;
        expect(await sync(1)).toBe(1);
        await scheduler.wait(1);
        const later = outgoing((by: number) => (this.n += by)) as (by: number) => unknown;
        await later(5);
      }

      read(): number {
        return this.n;
      }
    }
    await runInDurableObject(fresh(), async (_, state) => {
      const calling = new Calling(state, env);
      await scheduler.wait(1);
      expect(await calling.read()).toBe(6);
    });
  });
});
