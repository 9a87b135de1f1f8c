import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import * as Storage from "durable-base/storage";
import { describe, expect, it } from "vitest";
import { errorOf as rejectionOf } from "../error-of.ts";
import { errorOf, keysOf, within } from "./storages.ts";
import type { AccessorThings } from "../persisted/fixtures/persisted.ts";

const stop = (): never => {
  throw new RangeError("stop");
};

describe("Storage.transaction", () => {
  it("keeps all that a function writes, and gives its result", async () => {
    await within("transaction", (ctx) => {
      const result: string = Storage.transaction(ctx, () => {
        Storage.put(ctx, "a", 1);
        ctx.storage.sql.exec("create table t (n)");
        return "done";
      });
      expect([result, keysOf(ctx)]).toEqual(["done", ["a"]]);
    });
  });

  it("undoes all of it when the function throws: keys, tables and rows", async () => {
    await within("transaction undone", (ctx) => {
      Storage.put(ctx, "a", 1);
      expect(() =>
        Storage.transaction(ctx, () => {
          Storage.put(ctx, "a", 2);
          Storage.delete(ctx, "a");
          ctx.storage.sql.exec("create table t (n)");
          stop();
        }),
      ).toThrow(RangeError);
      expect(Storage.get(ctx, "a")).toBe(1);
      expect(() => ctx.storage.sql.exec("select * from t")).toThrow("no such table");
    });
  });

  it("keeps what an async function writes across awaits, or undoes it", async () => {
    await within("transaction async", async (ctx) => {
      const work = (fail: boolean): Promise<string> =>
        Storage.transaction(ctx, async () => {
          Storage.put(ctx, "a", fail);
          await scheduler.wait(1);
          Storage.put(ctx, "b", fail);
          return fail ? stop() : "done";
        });
      expect((await rejectionOf(() => work(true))).name).toBe("RangeError");
      expect(keysOf(ctx)).toEqual([]);
      expect(await work(false)).toBe("done");
      expect(keysOf(ctx)).toEqual(["a", "b"]);
    });
  });

  it("refuses a function that gives a promise without being async, and undoes what it did", async () => {
    await within("transaction promise", async (ctx) => {
      for (const work of [
        () => {
          Storage.put(ctx, "a", 1);
          return Promise.reject(new Error("unseen"));
        },
        () => (Storage.put(ctx, "a", 1), Promise.resolve(1)),
        () => (async () => Storage.put(ctx, "a", 1))(),
      ] as (() => Promise<unknown>)[]) {
        const error = errorOf(() => void Storage.transaction(ctx, work));
        expect([error.code, error.message]).toEqual(["returned-promise", expect.stringContaining("async () =>")]);
      }
      await scheduler.wait(1);
      expect(keysOf(ctx)).toEqual([]);
    });
  });

  it("is undone alone inside another whose function catches the error", async () => {
    await within("transaction nested", async (ctx) => {
      const inner = (key: string): void => {
        expect(() => Storage.transaction(ctx, () => (Storage.put(ctx, `${key} undone`, 1), stop()))).toThrow(
          RangeError,
        );
        Storage.transaction(ctx, () => Storage.put(ctx, `${key} kept`, 1));
      };
      Storage.transaction(ctx, () => inner("sync in sync"));
      await Storage.transaction(ctx, async () => {
        inner("sync in async");
        await scheduler.wait(1);
        const undone = Storage.transaction(ctx, async () => (Storage.put(ctx, "async undone", 1), stop()));
        await expect(undone).rejects.toThrow("stop");
        await Storage.transaction(ctx, async () => Storage.put(ctx, "async kept", 1));
      });
      const kept = ["async kept", "sync in async kept", "sync in sync kept"];
      expect(keysOf(ctx)).toEqual(kept);
      expect(() =>
        Storage.transaction(ctx, () => {
          Storage.transaction(ctx, () => Storage.clear(ctx));
          stop();
        }),
      ).toThrow(RangeError);
      expect(keysOf(ctx)).toEqual(kept);
    });
  });

  it("refuses an async function inside one that is not, which would run after it", async () => {
    await within("transaction async in sync", async (ctx) => {
      let ran = 0;
      const later = (): Promise<number> =>
        Storage.transaction(ctx, async () => {
          Storage.put(ctx, "later", 1);
          return ++ran;
        });
      const inner = (): void => Storage.transaction(ctx, () => void later());
      for (const work of [() => void later(), inner, () => (Storage.transaction(ctx, () => 1), void later())]) {
        const error = errorOf(() => Storage.transaction(ctx, () => (Storage.put(ctx, "a", 1), work())));
        expect([error.code, error.message]).toEqual(["returned-promise", expect.stringContaining("outer one async")]);
      }
      await scheduler.wait(1);
      expect([keysOf(ctx), ran]).toEqual([[], 0]);
      expect(await later()).toBe(1);
      expect(await Storage.transaction(ctx, async () => (Storage.transaction(ctx, () => 1), await later()))).toBe(2);
    });
  });

  it("is no place for deleteAll: the platform refuses it, but in a function that is not async after its work", async () => {
    await within("transaction deleteAll", async (ctx) => {
      Storage.put(ctx, "a", 1);
      const refused = await rejectionOf(() => Storage.transaction(ctx, async () => await ctx.storage.deleteAll()));
      expect([refused.message, keysOf(ctx)]).toEqual([expect.stringContaining("within a transaction"), ["a"]]);
      expect(() => Storage.transaction(ctx, () => void ctx.storage.deleteAll())).toThrow("internal error");
      expect(keysOf(ctx)).toEqual([]);
    });
  });

  it("throws what the function throws, undefined too", async () => {
    await within("transaction undefined", (ctx) => {
      let caught: unknown = "nothing";
      try {
        Storage.transaction(ctx, () => {
          Storage.put(ctx, "a", 1);
          throw undefined;
        });
      } catch (error) {
        caught = error;
      }
      expect([caught, keysOf(ctx)]).toEqual([undefined, []]);
    });
  });
});

describe("persisted fields in Storage.transaction", () => {
  it.each(["ACCESSOR_THINGS", "FIELD_THINGS", "LEGACY_THINGS"] as const)(
    "of %s follow it, sync and async",
    async (name) => {
      const stub = (env[name] as typeof env.ACCESSOR_THINGS).getByName("Storage.transaction");
      const read = (): Promise<unknown> =>
        runInDurableObject(stub, (self, ctx) => [self.count, self.log.length, Storage.get(ctx, "own")]);
      const inEntry = (work: (self: AccessorThings, ctx: DurableObjectState) => unknown): Promise<unknown> =>
        runInDurableObject(stub, async (self, ctx) => {
          await self.run((things) => work(things, ctx));
        });
      const change = (self: AccessorThings, ctx: DurableObjectState): void => {
        self.count++;
        self.log.push({ at: new Date(0), by: 1 });
        Storage.put(ctx, "own", self.count);
      };

      await inEntry((self, ctx) => {
        Storage.transaction(ctx, () => change(self, ctx));
        expect(() => Storage.transaction(ctx, () => (change(self, ctx), stop()))).toThrow(RangeError);
        expect([self.count, self.log.length]).toEqual([1, 1]);
      });
      expect(await read()).toEqual([1, 1, 1]);

      await inEntry(async (self, ctx) => {
        const work = async (): Promise<void> => {
          change(self, ctx);
          await scheduler.wait(1);
          change(self, ctx);
        };
        await Storage.transaction(ctx, work);
        await expect(Storage.transaction(ctx, async () => (await work(), stop()))).rejects.toThrow("stop");
        expect([self.count, self.log.length]).toEqual([3, 3]);
      });
      expect(await read()).toEqual([3, 3, 3]);
      await evictDurableObject(stub);
      expect(await read()).toEqual([3, 3, 3]);
    },
  );
});
