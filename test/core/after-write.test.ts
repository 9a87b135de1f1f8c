/** `host.afterWrite`: work that waits until what was changed is stored and committed. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Atomic, DurableBase, Storage } from "durable-base";
import { describe, expect, it, vi } from "vitest";
import { retireLive } from "../../src/core/live-instance.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { senderOf, type Sender, type SendingLike } from "./fixtures/sent.ts";

type Sends = SendingLike & DurableBase;
type Namespace = DurableObjectNamespace<Sends>;

interface Given {
  readonly self: Sends;
  readonly sender: Sender;
  readonly sent: unknown[];
  readonly id: DurableObjectId;
  readonly storage: DurableObjectStorage;
  /** Changes what is stored, and sends it. */
  readonly tell: () => void;
}

const KINDS: [kind: string, namespace: () => Namespace][] = [
  ["with a persisted field, standard", () => env.SENDING as never],
  ["with a persisted field, legacy", () => env.LEGACY_SENDING as never],
  ["without a persisted field, standard", () => env.SENDING_RAW as never],
  ["without a persisted field, legacy", () => env.LEGACY_SENDING_RAW as never],
];

const stop = (): never => {
  throw new Error("stop");
};
const stops = (work: () => unknown): void => {
  expect(work).toThrow("stop");
};
const stopsLater = async (work: () => Promise<unknown>): Promise<void> => {
  expect(await errorOf(work)).toMatchObject({ message: "stop" });
};

/** Runs `work` in an object, and returns what it has sent a moment later. */
async function sentBy(
  work: (given: Given) => unknown,
  self: Sends,
  id: DurableObjectId,
  storage: DurableObjectStorage,
): Promise<unknown[]> {
  const sender = senderOf(self);
  const tell = (): void => {
    self.change();
    sender.send(self.stored);
  };
  await work({ self, sender, sent: sender.sent, id, storage, tell });
  await scheduler.wait(1);
  // Each is either sent or undone.
  expect([...sender.sent, ...sender.undone].toSorted()).toEqual(sender.asked.toSorted());
  return sender.sent;
}

describe.each(KINDS)("afterWrite of an object %s", (kind, namespace) => {
  let nth = 0;

  /** Runs `work` in a new object, outside any entry; what it sent last has to be what is stored, if it sent anything. */
  const inside = async (work: (given: Given) => unknown): Promise<unknown[]> => {
    const stub = namespace().getByName(`after write ${nth++}`);
    return await runInDurableObject(stub, async (self: Sends, { id, storage }) => {
      return await sentBy(work, self, id, storage);
    });
  };

  describe("in an entry", () => {
    it("runs once the batch is stored, in order, at the end of the synchronous part and after each await", async () => {
      const sent = await inside(async ({ self, sender, sent, tell }) => {
        await self.run(async () => {
          tell();
          sender.send("a");
          expect(sent).toEqual([]);
          await Promise.resolve();
          expect(sent).toEqual([1, "a"]);
          tell();
          tell();
          expect(sent).toEqual([1, "a"]);
          await scheduler.wait(1);
          expect(sent).toEqual([1, "a", 2, 3]);
          tell();
        });
        expect(sent).toEqual([1, "a", 2, 3, 4]);
        self.run(() => sender.send("b"));
        expect(sent.at(-1)).toBe("b");
      });
      expect(sent).toEqual([1, "a", 2, 3, 4, "b"]);
    });

    it("runs when the method throws, whose changes are kept", async () => {
      const sent = await inside(async ({ self, tell }) => {
        stops(() => self.run(() => (tell(), stop())));
        await stopsLater(() =>
          self.run(async () => {
            await Promise.resolve();
            tell();
            stop();
          }),
        );
      });
      expect(sent).toEqual([1, 2]);
    });

    it("makes one write of 100 changes and sends", async () => {
      const puts = vi.fn();
      const sent = await inside(({ self, storage, tell }) => {
        self.run(() => tell());
        const { put } = storage.kv;
        storage.kv.put = (...args) => (puts(), put.apply(storage.kv, args));
        self.run(() => {
          for (let n = 0; n < 100; n++) tell();
        });
        storage.kv.put = put;
      });
      expect(sent).toEqual(Array.from({ length: 101 }, (_, n) => n + 1));
      expect(puts).toHaveBeenCalledTimes(kind.startsWith("without") ? 100 : 1);
    });

    it("runs the rest when work throws, and the entry goes on", async () => {
      using log = vi.spyOn(console, "error").mockImplementation(() => {});
      const sent = await inside(({ self, sender, tell }) => {
        const result = self.run(() => {
          tell();
          sender.host.afterWrite(stop);
          tell();
          return "fine";
        });
        expect(result).toBe("fine");
      });
      expect(sent).toEqual([1, 2]);
      expect(log.mock.calls).toEqual([[expect.stringContaining("after a write"), new Error("stop")]]);
    });

    it("lets work change what is stored, and ask for more", async () => {
      const stub = namespace().getByName(`after write ${nth++}`);
      const sent = await runInDurableObject(stub, async (self: Sends) => {
        const { host, sent, ...sender } = senderOf(self);
        self.run(() => {
          host.afterWrite(() => {
            self.change();
            host.afterWrite(() => sent.push(`second ${self.stored}`, sender));
          });
          host.afterWrite(() => sent.push("first"));
        });
        await scheduler.wait(1);
        return sent.filter((what) => typeof what === "string");
      });
      expect(sent).toEqual(["first", "second 1"]);
      await evictDurableObject(stub);
      expect(await runInDurableObject(stub, (self: Sends) => self.stored)).toBe(1);
    });

    it("runs before the answer leaves", async () => {
      await inside(async ({ self, sender, sent }) => {
        const seen = await self.run(async () => {
          await scheduler.wait(1);
          sender.send("sent");
        });
        expect([seen, ...sent]).toEqual([undefined, "sent"]);
      });
    });
  });

  describe("outside any entry", () => {
    it("runs after the microtask's write: in a timer, and in code that outlived its entry", async () => {
      const sent = await inside(async ({ self, sent, tell }) => {
        tell();
        expect(sent).toEqual([]);
        await Promise.resolve();
        expect(sent).toEqual([1]);
        const { promise, resolve } = Promise.withResolvers<void>();
        self.run(() => {
          setTimeout(() => (tell(), resolve()), 1);
          void scheduler.wait(1).then(tell);
        });
        await promise;
      });
      expect(sent).toEqual([1, 2, 3]);
    });
  });

  describe("in a transaction", () => {
    it("runs after the commit, and not before", async () => {
      const sent = await inside(async ({ self, sent, storage, tell }) => {
        self.run(() => {
          tell();
          storage.transactionSync(() => {
            expect(sent).toEqual([1]);
            tell();
            expect(sent).toEqual([1]);
          });
          expect(sent).toEqual([1, 2]);
          tell();
        });
        await self.run(async () => {
          await storage.transaction(async () => {
            tell();
            await scheduler.wait(1);
            tell();
            await scheduler.wait(1);
            expect(sent).toEqual([1, 2, 3]);
          });
          expect(sent).toEqual([1, 2, 3, 4, 5]);
        });
      });
      expect(sent).toEqual([1, 2, 3, 4, 5]);
    });

    it("of @Atomic runs after the commit", async () => {
      const sent = await inside(async ({ self, sent, tell }) => {
        self.atomic(() => {
          tell();
          self.atomic(tell);
          expect(sent).toEqual([]);
        });
        expect(sent).toEqual([1, 2]);
        await self.atomicLater(async () => {
          tell();
          await scheduler.wait(1);
          await self.atomicLater(async () => tell());
          self.atomic(tell);
          await scheduler.wait(1);
          expect(sent).toEqual([1, 2]);
        });
        expect(sent).toEqual([1, 2, 3, 4, 5]);
      });
      expect(sent).toEqual([1, 2, 3, 4, 5]);
    });

    it("of Storage.transaction, with kv and SQL, runs after the commit", async () => {
      const sent = await inside(async ({ self, sender, sent, storage }) => {
        await self.run(async () => {
          await Storage.transaction(storage, async () => {
            storage.kv.put("own", 1);
            storage.sql.exec("CREATE TABLE own (n)");
            await storage.put("other", 2);
            sender.send("async");
            await scheduler.wait(1);
            expect(sent).toEqual([]);
          });
          expect(sent).toEqual(["async"]);
        });
        self.run(() => stops(() => Storage.transaction(storage, () => (sender.send("sync"), stop()))));
      });
      expect(sent).toEqual(["async"]);
    });

    it("is dropped with a sync one that throws", async () => {
      const sent = await inside(({ self, sender, storage, tell }) => {
        self.run(() => {
          sender.send("before");
          stops(() => storage.transactionSync(() => (tell(), stop())));
          sender.send("after");
        });
        stops(() => self.atomic(() => (tell(), stop())));
        stops(() => storage.transactionSync(() => (tell(), stop())));
      });
      expect(sent).toEqual(["before", "after"]);
    });

    it("is dropped with an async one that throws, across awaits", async () => {
      const work =
        ({ sender, tell }: Given) =>
        async () => {
          tell();
          await scheduler.wait(1);
          sender.send("later");
          await Promise.resolve();
          tell();
          stop();
        };
      const sent = await inside(async (given) => {
        const { self, sender, storage } = given;
        await self.run(async () => {
          sender.send("before");
          await stopsLater(() => storage.transaction(work(given)));
          sender.send("after");
        });
        await stopsLater(() => self.atomicLater(work(given)));
        await stopsLater(() => storage.transaction(work(given)));
      });
      expect(sent).toEqual(["before", "after"]);
    });

    it("is dropped alone with an inner one that throws", async () => {
      const sent = await inside(async ({ self, sender, storage }) => {
        self.atomic(() => {
          sender.send("outer 1");
          stops(() => self.atomic(() => (sender.send("inner"), stop())));
          stops(() => storage.transactionSync(() => (storage.transactionSync(() => sender.send("inner")), stop())));
          sender.send("outer 2");
        });
        await self.atomicLater(async () => {
          sender.send("outer 3");
          await stopsLater(() =>
            self.atomicLater(async () => {
              sender.send("inner");
              await scheduler.wait(1);
              sender.send("inner");
              stop();
            }),
          );
          stops(() => self.atomic(() => (sender.send("inner"), stop())));
          sender.send("outer 4");
        });
      });
      expect(sent).toEqual(["outer 1", "outer 2", "outer 3", "outer 4"]);
    });

    it("is dropped with an outer one that throws after the inner has committed", async () => {
      const sent = await inside(async ({ self, sender, storage }) => {
        stops(() => self.atomic(() => (self.atomic(() => sender.send("inner")), stop())));
        await stopsLater(() =>
          self.atomicLater(async () => {
            await self.atomicLater(async () => sender.send("inner"));
            await storage.transaction(async () => sender.send("inner"));
            storage.transactionSync(() => sender.send("inner"));
            await scheduler.wait(1);
            stop();
          }),
        );
      });
      expect(sent).toEqual([]);
    });

    it("holds for each of parallel inner ones by itself", async () => {
      const sent = await inside(async ({ self, sender, storage }) => {
        const inner = (name: string, work: () => void): Promise<void> =>
          storage.transaction(async () => {
            sender.send(`${name} 1`);
            await scheduler.wait(1);
            sender.send(`${name} 2`);
            work();
          });
        await self.run(() =>
          storage.transaction(async () => {
            await Promise.allSettled([inner("a", () => {}), inner("b", stop), inner("c", () => {})]);
          }),
        );
      });
      expect(sent).toEqual(["a 1", "a 2", "c 1", "c 2"]);
    });

    it("waits for an inner one that isn't awaited", async () => {
      const sent = await inside(async ({ self, sender, sent, storage }) => {
        await self.run(() =>
          storage.transaction(async () => {
            void storage.transaction(async () => {
              sender.send("inner");
              await scheduler.wait(2);
              sender.send("inner, later");
            });
            sender.send("outer");
            await scheduler.wait(1);
            expect(sent).toEqual([]);
          }),
        );
        expect(sent).toHaveLength(3);
      });
      expect(sent.toSorted()).toEqual(["inner", "inner, later", "outer"]);
    });

    it("is dropped by rollback(), after which nothing is in the transaction any more", async () => {
      const keys: unknown[] = [];
      const sent = await inside(async ({ self, sender, storage }) => {
        const undone = async (txn: DurableObjectTransaction): Promise<void> => {
          storage.kv.put("before", 1);
          sender.send("before");
          await scheduler.wait(1);
          sender.send("right before");
          txn.rollback();
          storage.kv.put("after", 1);
          sender.send("after");
        };
        await self.run(() => storage.transaction(undone));
        for (const [key] of storage.kv.list()) if (!key.startsWith("__")) keys.push(key);
        storage.kv.delete("after");
        await stopsLater(() =>
          self.run(() =>
            storage.transaction(async () => {
              await storage.transaction(undone);
              stop();
            }),
          ),
        );
        keys.push(storage.kv.get("after"));
      });
      expect(keys).toEqual(["after", undefined]);
      expect(sent).toEqual(["after"]);
    });

    it("of @Atomic is dropped with code that goes on after it was undone", async () => {
      const sent = await inside(async ({ self, sender, tell }) => {
        let goes!: Promise<void>;
        const error = thrownBy(() =>
          self.atomic(() => {
            tell();
            return (goes = scheduler.wait(1).then(() => sender.send("goes on")));
          }),
        );
        expect(error.code).toBe("atomic-returned-promise");
        await goes;
        self.run(() => sender.send("after"));
      });
      expect(sent).toEqual(["after"]);
    });

    it("counts as outside once it has ended", async () => {
      const sent = await inside(async ({ self, sender, storage }) => {
        await self.run(async () => {
          let late!: Promise<void>;
          await stopsLater(() =>
            storage.transaction(async () => {
              late = scheduler.wait(5).then(() => sender.send("late"));
              stop();
            }),
          );
          await late;
        });
      });
      expect(sent).toEqual(["late"]);
    });
  });

  it("drops what waits in a replaced instance", async () => {
    const sent = await inside(async ({ self, sender, id, storage }) => {
      await self.run(async () => {
        const open = storage.transaction(async () => {
          sender.send("in the transaction");
          await scheduler.wait(1);
          retireLive(id);
          sender.send("retired");
        });
        await open;
        sender.send("retired");
      });
    });
    expect(sent).toEqual([]);
  });

  it("runs before destroy(), and not after", async () => {
    const stub = namespace().getByName(`after write ${nth++}`);
    let sent: unknown[] = [];
    await runInDurableObject(stub, async (self: Sends, ctx) => {
      const sender = senderOf(self);
      ({ sent } = sender);
      const { getWebSockets } = ctx;
      self.run(() => sender.send("before"));
      ctx.getWebSockets = () => {
        // Everything is deleted by now.
        sender.send("after");
        void Promise.resolve().then(() => sender.send("later"));
        return getWebSockets.call(ctx);
      };
    });
    await stub.end();
    await scheduler.wait(20);
    expect(sent).toEqual(["before"]);
  });
});

describe.each(KINDS.slice(0, 2))("afterWrite of an object %s", (_, namespace) => {
  const fails = async (work: (given: Given) => unknown, name: string): Promise<unknown[]> =>
    await runInDurableObject(namespace().getByName(`fails ${name}`), async (self: Sends, { id, storage }) => {
      return [...(await sentBy(work, self, id, storage))];
    });
  /** Makes the next write fail. */
  const breakWrite = ({ kv }: DurableObjectStorage): void => {
    const { put } = kv;
    kv.put = () => {
      kv.put = put;
      throw new Error("disk full");
    };
  };

  it("is dropped when the write fails, and for the rest of an entry that lost a change", async () => {
    const sent = await fails(async ({ self, sender, storage, tell }) => {
      breakWrite(storage);
      expect(thrownBy(() => self.run(tell)).code).toBe("write-failed");
      breakWrite(storage);
      const failed = self.run(async () => {
        sender.send("too early");
        tell();
        await scheduler.wait(1);
        sender.send("too late");
      });
      const other = self.run(async () => {
        await scheduler.wait(3);
        sender.send("of another entry");
      });
      expect(await errorOf(() => failed)).toMatchObject({ code: "write-failed" });
      await other;
      self.run(tell);
    }, "alone");
    expect(sent).toEqual(["of another entry", 1]);
  });

  it("is dropped when a write that another entry shares fails", async () => {
    const sent = await fails(async ({ self, sender, storage }) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const changes = self.run(async () => {
        await promise;
        breakWrite(storage);
        self.change();
      });
      const sends = self.run(async () => {
        await promise;
        sender.send(self.stored);
      });
      resolve();
      expect(await errorOf(() => changes)).toMatchObject({ code: "write-failed" });
      await sends;
    }, "shared");
    expect(sent).toEqual([]);
  });

  it("is dropped when a write in a transaction fails, though its code goes on", async () => {
    const sent = await fails(async ({ self, sender, storage, tell }) => {
      const done = self.run(() =>
        storage.transaction(async () => {
          tell();
          await scheduler.wait(1);
          breakWrite(storage);
          tell();
          await scheduler.wait(1);
          sender.send("goes on");
        }),
      );
      expect(await errorOf(() => done)).toMatchObject({ code: "write-failed" });
      self.run(tell);
    }, "in a transaction");
    expect(sent).toEqual([1]);
  });

  it("waits for the transaction that a write of it falls into", async () => {
    const sent = await fails(async ({ self, sender, sent, storage, tell }) => {
      await self.run(async () => {
        const undone = storage.transaction(async () => {
          await scheduler.wait(1);
          stop();
        });
        // Written before the transaction begins, or in it.
        tell();
        await stopsLater(() => undone);
        expect(sent).toEqual(self.stored === 0 ? [] : [1]);
        sender.send("end");
      });
    }, "around");
    expect(sent.at(-1)).toBe("end");
  });
});

describe("destroy()", () => {
  it("is dropped with @Atomic in a class without fields and parts", async () => {
    class Bare extends DurableBase {
      @Atomic() stop(): void {
        this.destroy();
        stop();
      }
    }
    await runInDurableObject(env.PROBE.getByName("bare"), async (_, ctx) => {
      const bare = new Bare(ctx, env);
      await scheduler.wait(0);
      ctx.storage.kv.put("kept", true);
      stops(() => bare.stop());
      await scheduler.wait(20);
      expect(ctx.storage.kv.get("kept")).toBe(true);
    });
  });
});
