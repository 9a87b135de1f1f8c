/** What reviews found: each a fault that was there once. */
import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DurableBase } from "../../src/core/durable-base.ts";
import { DurableError } from "../../src/core/errors.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { outgoing, snapshot } from "../../src/core/values/snapshot.ts";
import { errorOf } from "../error-of.ts";
import type { AccessorThings } from "../persisted/fixtures/persisted.ts";
import { show } from "../persisted/model.ts";
import { rowsOf } from "../persisted/persisted.cases.ts";

type Stub = DurableObjectStub<AccessorThings>;

let nth = 0;
const fresh = (): Stub => env.ACCESSOR_THINGS.getByName(`review ${nth++}`);
const inObject = <R>(
  stub: Stub,
  work: (self: AccessorThings, storage: DurableObjectStorage) => R | Promise<R>,
): Promise<R> => runInDurableObject<AccessorThings, R>(stub, (self, { storage }) => work(self, storage));
const inside = <R>(stub: Stub, work: (self: AccessorThings) => R | Promise<R>): Promise<R> =>
  inObject(stub, (self) => self.run(work));
const codeOf = async (call: () => unknown): Promise<string> => {
  try {
    await call();
  } catch (error) {
    return DurableError.is(error) ? error.code : String(error);
  }
  return "no error";
};

/** Lets every `put` fail until the result is called. */
function failPuts({ kv }: DurableObjectStorage): () => void {
  const { put } = kv;
  kv.put = () => {
    throw new Error("disk full");
  };
  return () => (kv.put = put);
}

/** What `read` shows in memory, which must be what it shows after an eviction. */
async function agreed(stub: Stub, read: (self: AccessorThings) => unknown): Promise<string> {
  const memory = await inside(stub, (self) => show(snapshot(read(self))));
  await evictDurableObject(stub);
  expect(await inside(stub, (self) => show(snapshot(read(self))))).toBe(memory);
  return memory;
}

describe("bytes changed in place", () => {
  it("are charged to the entry that holds them, not to one that only reads", async () => {
    const stub = fresh();
    await inObject(stub, async (self, storage) => {
      const writer = codeOf(() =>
        self.run(async ({ bytes }) => {
          await scheduler.wait(2);
          bytes[0] = 50;
          await scheduler.wait(20);
        }),
      );
      await scheduler.wait(8);
      const restore = failPuts(storage);
      expect(self.run((things) => things.count)).toBe(0);
      restore();
      expect(await writer).toBe("write-failed");
    });
    expect(await agreed(stub, (self) => self.bytes)).toBe("Bytes(1,2,3)");
  });

  it("are not lost when an entry ends that failed before", async () => {
    const stub = fresh();
    const seen = await inObject(stub, async (self, storage) => {
      const restore = failPuts(storage);
      const failed = codeOf(() =>
        self.run(async (things) => {
          things.count = 2;
          await scheduler.wait(10);
        }),
      );
      restore();
      await scheduler.wait(2);
      const second = self.run(async ({ bytes }) => {
        await scheduler.wait(3);
        bytes[0] = 42;
        await scheduler.wait(15);
        return bytes[0];
      });
      return [await failed, await second];
    });
    expect(seen).toEqual(["write-failed", 42]);
    expect(await agreed(stub, (self) => self.bytes)).toBe("Bytes(42,2,3)");
  });

  it("fail the entry that writes them after a rollback", async () => {
    const stub = fresh();
    const code = await codeOf(() =>
      inObject(stub, (self, storage) =>
        self.run((things) => {
          const { bytes } = things;
          expect(() =>
            storage.transactionSync(() => {
              things.count++;
              throw new Error("stop");
            }),
          ).toThrow("stop");
          bytes[0] = 9;
        }),
      ),
    );
    expect(code).toBe("stale-value");
    expect(await agreed(stub, (self) => self.bytes)).toBe("Bytes(1,2,3)");
  });

  it("in a constructor are undone and told at the first call", async () => {
    class Hasty extends DurableBase {
      @Persisted() accessor bytes = new Uint8Array([1, 2, 3]);

      constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
        super(ctx, env);
        this.bytes[0] = 9;
      }

      read(): number {
        return this.bytes[0]!;
      }
    }
    await runInDurableObject(fresh(), async (_, state) => {
      const hasty = new Hasty(state, env);
      await scheduler.wait(1);
      expect([...state.storage.kv.list()]).toEqual([]);
      expect(await codeOf(() => hasty.read())).toBe("changed-in-constructor");
    });
  });

  it("stay in the field when they are transferred away, and hurt no other write", async () => {
    const stub = fresh();
    await inside(stub, async (self) => {
      self.any = new Map([["k", new Uint8Array([7])]]);
      const { buffer } = (self.any as Map<string, Uint8Array>).get("k")!;
      structuredClone(buffer, { transfer: [buffer] });
      self.count++;
      const stream = new ReadableStream({
        type: "bytes",
        start(controller) {
          controller.enqueue(self.bytes);
          controller.close();
        },
      });
      expect(await new Response(stream).bytes()).toEqual(new Uint8Array([1, 2, 3]));
    });
    expect(await agreed(stub, (self) => [self.count, self.bytes, self.any])).toBe(
      '[1,Bytes(1,2,3),Map("k"=>Bytes(7))]',
    );
  });

  it("are copied by snapshot and by results", async () => {
    const stub = fresh();
    await inObject(stub, (self) => {
      const before = self.run((things) => {
        const copy = snapshot({ all: things.bytes, one: snapshot(things.bytes) });
        things.bytes[0] = 99;
        return [copy.all[0], copy.one[0]];
      });
      expect(before).toEqual([1, 1]);
      const result = self.run((things) => things.bytes);
      result[1] = 99;
    });
    expect(await agreed(stub, (self) => self.bytes)).toBe("Bytes(99,2,3)");
  });
});

describe("values without members", () => {
  it("an Error holds what freezing holds fast, and refuses the rest", async () => {
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

  it("an Error's own properties count for its size", async () => {
    const big = (): Error => Object.assign(new Error("x"), { body: "y".repeat(5_000) });
    expect(await rowsOf(fresh() as never, (self) => (self.any = big()))).toContain("durable-base:field:any");
  });

  it("a RegExp refuses to be compiled anew, and is otherwise used as one", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = [/a/g]));
    const compile = (self: AccessorThings): unknown => (self.any as RegExp[])[0]!.compile("b", "g");
    const error = await errorOf(() => inside(stub, compile));
    expect(error.message).toMatch(/Things.any\[0\]: `compile` cannot change a stored RegExp/);
    expect(await inside(stub, (self) => "banana".replace((self.any as RegExp[])[0]!, "o"))).toBe("bonono");
    expect(await inside(stub, (self) => structuredClone((self.any as RegExp[])[0]))).toEqual(/a/g);
    expect(await agreed(stub, (self) => String((self.any as RegExp[])[0]))).toBe('"/a/g"');
  });

  it("a Date that is made from a tracked one is an ordinary one", async () => {
    await inside(fresh(), (self) => {
      const made = new (self.date.constructor as DateConstructor)(Number(self.date));
      made.setFullYear(2_000);
      expect([made.getFullYear(), self.date.getTime()]).toEqual([2_000, 123]);
    });
  });
});

describe("containers", () => {
  it("a Map's and a Set's iterator goes on after a break", async () => {
    await inside(fresh(), (self) => {
      self.any = [
        new Map([
          ["a", 1],
          ["b", 2],
        ]),
        new Set([1, 2, 3]),
      ];
      const [map, set] = self.any as [Map<string, number>, Set<number>];
      const values = set.values();
      const [first] = values;
      expect([first, ...values]).toEqual([1, 2, 3]);
      const helped = map.keys() as unknown as { map(change: (key: string) => string): { toArray(): string[] } };
      expect(helped.map((key) => key + key).toArray()).toEqual(["aa", "bb"]);
      expect(
        (map as Map<string, number> & { getOrInsert(key: string, value: number): number }).getOrInsert("c", 3),
      ).toBe(3);
    });
  });

  it("a comparator that empties the list it sorts leaves the elements attached", async () => {
    const stub = fresh();
    await inside(stub, (self) => {
      self.any = [{ n: 2 }, { n: 1 }];
      const list = self.any as { n: number }[];
      list.sort((a, b) => {
        list.length = 0;
        return a.n - b.n;
      });
    });
    await inside(stub, (self) => ((self.any as { n: number }[])[0]!.n = 50));
    expect(await agreed(stub, (self) => self.any)).toBe("[{n:50},{n:2}]");
  });

  it("a value that throws while it is copied in leaves the list as it was", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = [1, 2, 3]));
    let reads = 0;
    const value = {
      get x(): number {
        if (reads++ > 1) throw new Error("read");
        return 1;
      },
    };
    await inside(stub, (self) => expect(() => (self.any as unknown[]).push(value, value, value)).toThrow("read"));
    expect(await agreed(stub, (self) => self.any)).toBe("[1,2,3]");
  });
});

describe("entries", () => {
  it("write what changed when the result's `then` throws", async () => {
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

  it("free a thrown error of tracked values, so that it keeps its properties over RPC", async () => {
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

  it("learn the name later than the first write", async () => {
    const name = "review named later";
    const byId = (): Stub =>
      env.ACCESSOR_THINGS.get(env.ACCESSOR_THINGS.idFromString(env.ACCESSOR_THINGS.idFromName(name).toString()));
    await inside(byId(), (self) => (self.count = 1));
    await abortAllDurableObjects();
    await inside(env.ACCESSOR_THINGS.getByName(name), (self) => (self.count = 2));
    await abortAllDurableObjects();
    expect(await inside(byId(), (self) => self.name)).toBe(name);
  });
});

/** Transfers bytes away, as a byte stream or `structuredClone` does. */
const away = ({ buffer }: Uint8Array): unknown => structuredClone(buffer, { transfer: [buffer] });

describe("a second look", () => {
  it("stale bytes that are transferred away leave the new value alone", async () => {
    const stub = fresh();
    await inObject(stub, (self, storage) =>
      self.run(async (things) => {
        const { bytes } = things;
        things.count = 1;
        expect(() =>
          storage.transactionSync(() => {
            things.count++;
            throw new Error("stop");
          }),
        ).toThrow("stop");
        things.bytes = new Uint8Array([7, 8]);
        await scheduler.wait(1);
        away(bytes);
        things.count = 3;
      }),
    );
    expect(await agreed(stub, (self) => [self.bytes, self.count])).toBe("[Bytes(7,8),3]");
  });

  it("a rollback after bytes were changed gives the method's own error, and the entry goes on", async () => {
    const stub = fresh();
    await inObject(stub, (self, storage) =>
      self.run((things) => {
        expect(() =>
          storage.transactionSync(() => {
            things.bytes[0] = 9;
            throw new Error("not enough");
          }),
        ).toThrow("not enough");
        things.count = 5;
      }),
    );
    expect(await agreed(stub, (self) => [self.bytes, self.count])).toBe("[Bytes(1,2,3),5]");
  });

  it("a walk that sends each of a Map's bytes away ends", async () => {
    const stub = fresh();
    await inside(stub, async (self) => {
      self.any = new Map(["a", "b", "c"].map((key, i) => [key, new Uint8Array([i])]));
      let steps = 0;
      for (const bytes of (self.any as Map<string, Uint8Array>).values()) {
        if (++steps > 3) break;
        away(bytes);
        await scheduler.wait(0);
      }
      expect(steps).toBe(3);
    });
    expect(await agreed(stub, (self) => self.any)).toBe('Map("a"=>Bytes(0),"b"=>Bytes(1),"c"=>Bytes(2))');
  });

  it("what onStart hands to another object can be called back before it ends", async () => {
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

  it("a transaction in the constructor writes no field", async () => {
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

  it("a thrown error is freed of tracked values at any depth, and never replaced", async () => {
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

  it("bytes that were transferred away read as they were, at once", async () => {
    const stub = fresh();
    const bytes = await inside(stub, (self) => {
      away(self.bytes);
      expect([...self.bytes]).toEqual([1, 2, 3]);
      away(self.bytes);
      return self.bytes;
    });
    expect(show(bytes)).toBe("Bytes(1,2,3)");
    const view = new DataView(new ArrayBuffer(2));
    structuredClone(view.buffer, { transfer: [view.buffer] });
    expect(await codeOf(() => inside(stub, (self) => (self.any = view)))).toBe("not-persistable");
  });

  it("bytes first read through a stale container fail their entry when they are changed", async () => {
    const stub = fresh();
    await inside(stub, (self) => (self.any = { b: new Uint8Array([1]) }));
    const code = await codeOf(() =>
      inObject(stub, (self, storage) =>
        self.run((things) => {
          const held = things.any as { b: Uint8Array };
          expect(() =>
            storage.transactionSync(() => {
              throw new Error("stop");
            }),
          ).toThrow("stop");
          held.b[0] = 9;
        }),
      ),
    );
    expect(code).toBe("stale-value");
    expect(await agreed(stub, (self) => self.any)).toBe("{b:Bytes(1)}");
  });

  it("a Date that another Date's setter changed is copied as it is, before the field is written and once removed", async () => {
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

  it("bytes held since an earlier entry fail the entry whose transaction meets the failed write, and reset nothing", async () => {
    const stub = fresh();
    const code = await inObject(stub, async (self, storage) => {
      const held = self.run(({ bytes }) => [bytes])[0]!;
      // What an entry gives out is a copy.
      expect(held).not.toBe(self.bytes);
      const { bytes } = self;
      await scheduler.wait(1);
      const restore = failPuts(storage);
      const failed = await codeOf(() =>
        self.run(() =>
          storage.transactionSync(() => {
            bytes[0] = 9;
          }),
        ),
      );
      restore();
      return failed;
    });
    expect(code).toBe("write-failed");
    expect(await agreed(stub, (self) => self.bytes)).toBe("Bytes(1,2,3)");
  });

  it("a value taken out in what is then rolled back is stale, since the field holds it again", async () => {
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

  it("so is one taken out of a value that was taken out in it, and not one of a value that was free before", async () => {
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

  it("a field assigned again and again in one entry is what was assigned last, through writes and rollbacks in between", async () => {
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
