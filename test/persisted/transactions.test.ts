import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, DurableError, Persisted } from "durable-base";
import { describe, expect, it } from "vitest";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { show } from "./model.ts";
import { agreed, codeOf, freshThings, inObject } from "./things.ts";

const fresh = freshThings("transaction");

/** Runs `work` as an entry, then gives count and log length in memory and after an eviction: they must agree. */
async function after(
  work: (self: AccessorThings, storage: DurableObjectStorage) => unknown,
): Promise<[count: number, log: number]> {
  const stub = fresh();
  const read = (): Promise<[number, number]> => runInDurableObject(stub, (self) => [self.count, self.log.length]);
  await runInDurableObject(stub, async (self, { storage }) => {
    self.run((things) => {
      things.count = 1;
      things.log.push({ at: new Date(0), by: 1 });
    });
    await self.run((things) => work(things, storage));
  });
  const memory = await read();
  await evictDurableObject(stub);
  expect(await read()).toEqual(memory);
  return memory;
}

const change = (self: AccessorThings): void => {
  self.count++;
  self.log.push({ at: new Date(0), by: 2 });
};

describe("fields and the user's own use of ctx.storage", () => {
  it("are committed with a transactionSync", async () => {
    expect(await after((self, storage) => storage.transactionSync(() => change(self)))).toEqual([2, 2]);
  });

  it("follow the rollback of a transactionSync, and keep what was changed before it", async () => {
    const work = (self: AccessorThings, storage: DurableObjectStorage): void => {
      change(self);
      expect(() =>
        storage.transactionSync(() => {
          change(self);
          throw new Error("stop");
        }),
      ).toThrow("stop");
      expect(self.count).toBe(2);
    };
    expect(await after(work)).toEqual([2, 2]);
  });

  it("follow the rollback of a nested transactionSync alone", async () => {
    const work = (self: AccessorThings, storage: DurableObjectStorage): void => {
      storage.transactionSync(() => {
        change(self);
        expect(() =>
          storage.transactionSync(() => {
            change(self);
            throw new Error("inner");
          }),
        ).toThrow("inner");
        self.count += 10;
      });
    };
    expect(await after(work)).toEqual([12, 2]);
  });

  it("are committed with an async transaction, across awaits, and give its result", async () => {
    const work = async (self: AccessorThings, storage: DurableObjectStorage): Promise<void> => {
      const result = await storage.transaction(async () => {
        change(self);
        await scheduler.wait(1);
        change(self);
        return "done";
      });
      expect(result).toBe("done");
    };
    expect(await after(work)).toEqual([3, 3]);
  });

  it("follow the rollback of an async transaction, by a throw or by hand", async () => {
    const byThrow = async (self: AccessorThings, storage: DurableObjectStorage): Promise<void> => {
      const failed = storage.transaction(async () => {
        change(self);
        await scheduler.wait(1);
        change(self);
        throw new Error("stop");
      });
      await expect(failed).rejects.toThrow("stop");
      expect(self.count).toBe(1);
    };
    const byHand = async (self: AccessorThings, storage: DurableObjectStorage): Promise<void> => {
      await storage.transaction(async (transaction) => {
        change(self);
        await scheduler.wait(1);
        transaction.rollback();
      });
      expect(self.count).toBe(1);
    };
    expect(await after(byThrow)).toEqual([1, 1]);
    expect(await after(byHand)).toEqual([1, 1]);
  });

  it("make a reference from before a rollback stale", async () => {
    await after((self, storage) => {
      const entry = self.log[0]!;
      expect(() =>
        storage.transactionSync(() => {
          entry.by = 5;
          throw new Error("stop");
        }),
      ).toThrow("stop");
      try {
        entry.by = 6;
      } catch (error) {
        expect(DurableError.is(error, "stale-value")).toBe(true);
        expect(self.log[0]!.by).toBe(1);
        return;
      }
      throw new Error("expected a stale value");
    });
  });

  it("roll a transaction back when the fields' part of it fails", async () => {
    const work = (self: AccessorThings, storage: DurableObjectStorage): void => {
      expect(() =>
        storage.transactionSync(() => {
          storage.kv.put("own", 1);
          // A key and its value lie in one row.
          self.any = new Map([["k".repeat(1_200_000), "x".repeat(1_200_000)]]);
        }),
      ).toThrow(DurableError);
      expect(storage.kv.get("own")).toBeUndefined();
    };
    await expect(after(work)).rejects.toMatchObject({ code: "too-large" });
  });

  it("roll a transaction back of which a write failed in a microtask, though its code goes on", async () => {
    const stub = fresh();
    const error = await runInDurableObject(stub, async (self, { storage }) => {
      self.run((things) => (things.count = 1));
      const { put } = storage.kv;
      const done = self.run(() =>
        storage.transaction(async () => {
          self.count = 2;
          await scheduler.wait(1);
          storage.kv.put = () => {
            storage.kv.put = put;
            throw new Error("disk full");
          };
          change(self);
          await scheduler.wait(1);
        }),
      );
      return await done.then(
        () => undefined,
        (error: unknown) => error,
      );
    });
    expect(DurableError.is(error, "write-failed")).toBe(true);
    const read = (): Promise<number[]> => runInDurableObject(stub, (self) => [self.count, self.log.length]);
    expect(await read()).toEqual([1, 0]);
    await evictDurableObject(stub);
    expect(await read()).toEqual([1, 0]);
  });

  it("have their defaults after deleteAll, and store again from there", async () => {
    const work = async (self: AccessorThings, storage: DurableObjectStorage): Promise<void> => {
      change(self);
      await storage.deleteAll();
      expect([self.count, self.log.length, [...storage.kv.list()].length]).toEqual([0, 0, 0]);
      self.count = 7;
    };
    expect(await after(work)).toEqual([7, 0]);
  });
});

describe("a value taken out in a transaction that is rolled back", () => {
  it("is stale, since the field holds it again", async () => {
    await inObject(fresh(), (self, storage) =>
      self.run(({ tree }) => {
        const held = tree.list[0]!;
        expect(() =>
          storage.transactionSync(() => {
            tree.list.shift();
            throw new Error("stop");
          }),
        ).toThrow("stop");
        expect(self.tree.list[0]!.x).toBe(1);
        expect(() => (held.x = 50)).toThrow(DurableError);
      }),
    );
  });

  it("is stale inside another such value too, but not inside one that was free before", async () => {
    await inObject(fresh(), (self, storage) =>
      self.run(() => {
        const free = self.tree.list;
        self.tree.list = [{ x: 7 }];
        storage.kv.put("so far", "is committed");
        storage.transactionSync(() => undefined);
        const { list } = self.tree;
        const held = list[0]!;
        const other = free[0]!;
        expect(() =>
          storage.transactionSync(() => {
            self.tree.list = [];
            list.shift();
            free.shift();
            throw new Error("stop");
          }),
        ).toThrow("stop");
        expect(self.tree.list[0]!.x).toBe(7);
        expect(() => (held.x = 50)).toThrow(DurableError);
        other.x = 60;
        expect(other.x).toBe(60);
      }),
    );
  });
});

describe("a transaction in the constructor", () => {
  it("writes no field", async () => {
    class Base extends DurableBase {
      @Persisted() accessor bytes = new Uint8Array([1, 2, 3]);

      constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
        super(ctx, env);
        this.bytes[0] = 9;
        ctx.storage.transactionSync(() => ctx.storage.kv.put("own", 1));
      }
    }
    class Sub extends Base {
      @Persisted() accessor extra = 5;

      read(): unknown {
        return this.extra;
      }
    }
    await runInDurableObject(fresh(), async (_, state) => {
      const sub = new Sub(state, env);
      await scheduler.wait(1);
      expect([...state.storage.kv.list()]).toEqual([["own", 1]]);
      expect(await codeOf(() => sub.read())).toBe("changed-in-constructor");
    });
  });
});

describe("a field assigned many times in one entry", () => {
  it("holds the last value, through writes and rollbacks in between", async () => {
    const stub = fresh();
    const last = ["x".repeat(5_000), 1, 2, new Map([[1, 2]]), 3, null, undefined, 4n, 5];
    for (const value of last) {
      await inObject(stub, (self, storage) =>
        self.run(() => {
          for (const other of [...last, ...last, value]) self.any = other;
          expect(() =>
            storage.transactionSync(() => {
              self.any = -1;
              self.any = -2;
              throw new Error("stop");
            }),
          ).toThrow("stop");
          expect(self.any).toEqual(value);
          self.any = value;
          self.any = value;
        }),
      );
      expect(await agreed(stub, (self) => self.any)).toBe(show(value));
    }
  });
});
