/** Bytes in fields: changed in place, and transferred away. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Persisted, snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { show } from "./model.ts";
import { agreed, codeOf, failPuts, freshThings, inObject, inside } from "./things.ts";

const fresh = freshThings("bytes");

/** Transfers bytes away, as a byte stream or `structuredClone` does. */
const away = ({ buffer }: Uint8Array): unknown => structuredClone(buffer, { transfer: [buffer] });

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

  it("fail the entry that changes them if they were first read through a stale container", async () => {
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

  it("fail the entry whose transaction meets the failed write, even if held since an earlier entry, and reset nothing", async () => {
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

  it("let a transaction that is rolled back throw its own error, and the entry goes on", async () => {
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

  it("are undone after a change in the constructor, and the first call throws", async () => {
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

describe("bytes that are transferred away", () => {
  it("stay in the field, and no other write is lost", async () => {
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

  it("read as they were, at once", async () => {
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

  it("leave a new value alone if they were stale", async () => {
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

  it("let a loop over the bytes of a Map end", async () => {
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
});
