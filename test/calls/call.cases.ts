/** What `@Atomic` and `@Exclusive` promise, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { type DurableBase, DurableError, type ErrorCode } from "durable-base";
import { describe, expect, it, vi } from "vitest";

/** The methods that every fixture of these cases has. */
export interface Calls {
  count: number;
  log: { by: number }[];
  run<R>(work: (self: this) => R): R;
  /** Atomic, sync. */
  all<R>(work: (self: this) => R): R;
  /** Atomic, async. */
  allLater<R>(work: (self: this) => R): Promise<Awaited<R>>;
  /** Exclusive. */
  alone<R>(work: (self: this) => R): Promise<Awaited<R>>;
  /** Exclusive, waiting 40 ms. */
  briefly<R>(work: (self: this) => R): Promise<Awaited<R>>;
  /** Exclusive, sync. */
  aloneAtOnce<R>(work: (self: this) => R): R;
  aloneThenAll<R>(work: (self: this) => R): Promise<Awaited<R>>;
  allThenAlone<R>(work: (self: this) => R): Promise<Awaited<R>>;
  addUnguarded(): Promise<number>;
  add(): Promise<number>;
  read(): number;
  fail(by: number): number;
  failLater(by: number): Promise<number>;
  callOther(name: string): Promise<string>;
}

type AnyCalls = Calls & DurableBase;
type Stub = DurableObjectStub<AnyCalls>;

/** What can be undone, as a test sees it. */
interface State {
  count: number;
  log: number[];
  kv: unknown;
  rows: unknown[];
  alarm: number | null;
}

const LATER = 4_000_000_000_000;

async function errorOf(call: () => unknown): Promise<Error> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

async function refusalOf(call: () => unknown, code: ErrorCode): Promise<string> {
  const error = await errorOf(call);
  if (!DurableError.is(error, code)) throw new Error(`expected ${code}`, { cause: error });
  return error.message;
}

export function callCases(dialect: string, className: string, namespace: () => DurableObjectNamespace<AnyCalls>): void {
  let nth = 0;
  const fresh = (): Stub => namespace().getByName(`object ${nth++}`);
  const inside = async <R>(
    stub: Stub,
    work: (self: AnyCalls, storage: DurableObjectStorage) => R,
  ): Promise<Awaited<R>> =>
    await runInDurableObject(stub, async (self: AnyCalls, { storage }) => await self.run(() => work(self, storage)));

  const readState = (stub: Stub): Promise<State> =>
    inside(stub, async (self, storage) => ({
      count: self.count,
      log: self.log.map(({ by }) => by),
      kv: storage.kv.get("own"),
      rows: [...storage.sql.exec("SELECT n FROM own")].map(({ n }) => n),
      alarm: await storage.getAlarm(),
    }));

  /** Runs `work` as an entry on an object with everything at 1, then gives what is there in memory, which must be on disk. */
  const after = async (work: (self: AnyCalls, storage: DurableObjectStorage) => unknown): Promise<State> => {
    const stub = fresh();
    await inside(stub, async (self, storage) => {
      storage.sql.exec("CREATE TABLE own (n INTEGER PRIMARY KEY)");
      storage.kv.put("own", 0);
      change(self, storage);
    });
    await inside(stub, work);
    const memory = await readState(stub);
    await evictDurableObject(stub);
    expect(await readState(stub)).toEqual(memory);
    return memory;
  };

  /** Adds 1 to everything. */
  const change = (self: AnyCalls, storage: DurableObjectStorage): void => {
    self.count++;
    self.log.push({ by: self.count });
    storage.kv.put("own", self.count);
    storage.sql.exec("INSERT INTO own (n) VALUES (?)", self.count);
    void storage.setAlarm(LATER + self.count);
  };

  const everything = (count: number): State => ({
    count,
    log: Array.from({ length: count }, (_, at) => at + 1),
    kv: count,
    rows: Array.from({ length: count }, (_, at) => at + 1),
    alarm: LATER + count,
  });

  const stop = new RangeError("stop");
  const fails = (self: AnyCalls, storage: DurableObjectStorage): never => {
    change(self, storage);
    throw stop;
  };
  const failsLater = async (self: AnyCalls, storage: DurableObjectStorage): Promise<never> => {
    change(self, storage);
    await scheduler.wait(1);
    change(self, storage);
    await storage.get("own");
    throw stop;
  };

  describe(`@Atomic (${dialect})`, () => {
    it("keeps what a method that returns has changed, and gives its result", async () => {
      const sync = await after((self, storage) => {
        expect(self.all(() => (change(self, storage), "result"))).toBe("result");
      });
      expect(sync).toEqual(everything(2));
      const later = await after(async (self, storage) => {
        const result = await self.allLater(async () => {
          change(self, storage);
          await scheduler.wait(1);
          change(self, storage);
          return "result";
        });
        expect(result).toBe("result");
      });
      expect(later).toEqual(everything(3));
    });

    it("PEERS 19: undoes all of a method that throws, which without it keeps half a change", async () => {
      const half = await after(async (self, storage) => {
        expect(await errorOf(() => self.run(() => fails(self, storage)))).toBe(stop);
      });
      expect(half).toEqual(everything(2));
      const whole = await after(async (self, storage) => {
        expect(await errorOf(() => self.all(() => fails(self, storage)))).toBe(stop);
        expect([self.count, storage.kv.get("own")]).toEqual([1, 1]);
      });
      expect(whole).toEqual(everything(1));
    });

    it("undoes all of an async method, across its awaits", async () => {
      const state = await after(async (self, storage) => {
        expect(await errorOf(() => self.allLater(() => failsLater(self, storage)))).toBe(stop);
        expect([self.count, self.log.length, storage.kv.get("own")]).toEqual([1, 1, 1]);
      });
      expect(state).toEqual(everything(1));
    });

    it("PEERS 20: takes memory along when the user's own transactionSync inside rolls back", async () => {
      const state = await after((self, storage) => {
        self.all(() => {
          change(self, storage);
          expect(() => storage.transactionSync(() => fails(self, storage))).toThrow(stop);
          expect(self.count).toBe(2);
        });
      });
      expect(state).toEqual(everything(2));
    });

    it("keeps what was pending before the call, and what is changed beside an async one before it begins", async () => {
      const state = await after(async (self, storage) => {
        self.count = 10;
        expect(() => self.all(() => fails(self, storage))).toThrow(stop);
        self.count++;
        const failed = errorOf(() => self.allLater(() => failsLater(self, storage)));
        self.count++;
        await Promise.resolve();
        self.count++;
        await failed;
      });
      expect(state).toEqual({ ...everything(1), count: 13 });
    });

    it("throws at a change through a reference from before the rollback", async () => {
      await inside(fresh(), async (self) => {
        self.log.push({ by: 1 });
        const [first] = self.log;
        await errorOf(() => self.all(() => ((first!.by = 2), self.fail(1))));
        await refusalOf(() => (first!.by = 3), "stale-value");
        expect(self.log[0]!.by).toBe(1);
      });
    });

    it("undoes everything when the fields' part of the write fails", async () => {
      for (const kind of ["all", "allLater"] as const) {
        const stub = fresh();
        const code = await inside(stub, async (self, { kv }) => {
          const { put } = kv;
          const error = await errorOf(() =>
            self[kind](() => {
              put.call(kv, "own", 1);
              self.count = 5;
              kv.put = () => {
                throw new Error("disk full");
              };
            }),
          );
          kv.put = put;
          expect([self.count, kv.get("own")]).toEqual([0, undefined]);
          return (error as DurableError).code;
        }).catch((error: DurableError) => `entry: ${error.code}`);
        expect(code).toBe("entry: write-failed");
        expect(await stub.read()).toBe(0);
      }
    });

    describe("nested", () => {
      it("is undone alone when the outer one catches its error", async () => {
        const syncInSync = await after((self, storage) =>
          self.all(() => {
            change(self, storage);
            expect(() => self.all(() => fails(self, storage))).toThrow(stop);
            expect(self.count).toBe(2);
            change(self, storage);
          }),
        );
        const syncInLater = await after((self, storage) =>
          self.allLater(async () => {
            change(self, storage);
            await scheduler.wait(1);
            expect(() => self.all(() => fails(self, storage))).toThrow(stop);
            await scheduler.wait(1);
            change(self, storage);
          }),
        );
        const laterInLater = await after((self, storage) =>
          self.allLater(async () => {
            change(self, storage);
            expect(await errorOf(() => self.allLater(() => failsLater(self, storage)))).toBe(stop);
            expect(self.count).toBe(2);
            change(self, storage);
          }),
        );
        expect([syncInSync, syncInLater, laterInLater]).toEqual(Array(3).fill(everything(3)));
      });

      it("is undone with the outer one, also after it returned", async () => {
        const syncInSync = await after((self, storage) => {
          expect(() => self.all(() => (self.all(() => change(self, storage)), fails(self, storage)))).toThrow(stop);
        });
        const bothInLater = await after(async (self, storage) => {
          const failed = self.allLater(async () => {
            self.all(() => change(self, storage));
            await self.allLater(async () => {
              await scheduler.wait(1);
              change(self, storage);
            });
            fails(self, storage);
          });
          expect(await errorOf(() => failed)).toBe(stop);
          expect(self.count).toBe(1);
        });
        expect([syncInSync, bothInLater]).toEqual(Array(2).fill(everything(1)));
      });

      it("side by side: each is undone alone", async () => {
        const state = await after((self, storage) =>
          self.allLater(async () => {
            const results = await Promise.allSettled([
              self.allLater(async () => {
                change(self, storage);
                await scheduler.wait(5);
              }),
              self.allLater(() => failsLater(self, storage)),
              self.allLater(async () => change(self, storage)),
              (async () => {
                await scheduler.wait(1);
                change(self, storage);
              })(),
            ]);
            expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
          }),
        );
        expect(state).toEqual(everything(4));
      });

      it("ends before the outer one, which may have failed or returned without it", async () => {
        const ended: string[] = [];
        const slowly = async (self: AnyCalls, storage: DurableObjectStorage, name: string): Promise<void> => {
          await scheduler.wait(5);
          change(self, storage);
          await scheduler.wait(5);
          ended.push(name);
        };
        const failed = await after(async (self, storage) => {
          const both = self.allLater(() =>
            Promise.all([
              self.allLater(() => failsLater(self, storage)),
              self.allLater(() => slowly(self, storage, "beside")),
            ]),
          );
          expect(await errorOf(() => both)).toBe(stop);
          ended.push("failed");
          expect([self.count, storage.kv.get("own")]).toEqual([1, 1]);
        });
        expect(failed).toEqual(everything(1));
        const returned = await after(async (self, storage) => {
          await self.allLater(async () => {
            void self.allLater(() => slowly(self, storage, "left"));
            void errorOf(() => self.allLater(() => failsLater(self, storage)));
            change(self, storage);
          });
          ended.push("returned");
          expect(self.count).toBe(3);
        });
        expect(returned).toEqual(everything(3));
        expect(ended).toEqual(["beside", "failed", "left", "returned"]);
      });
    });

    it("works for calls through a stub, by HTTP, from inside and from a timer", async () => {
      const stub = fresh();
      expect(await stub.add()).toBe(1);
      for (const call of [
        () => stub.fail(5),
        () => stub.failLater(5),
        () => inside(stub, (self) => self.fail(5)),
        () => inside(stub, (self) => new Promise((_, reject) => setTimeout(() => self.failLater(5).catch(reject), 1))),
      ]) {
        expect(await errorOf(call)).toMatchObject({ name: "RangeError", message: "cannot add 5" });
        expect(await stub.read()).toBe(1);
      }
      const post = { method: "POST", body: '{"by":5}', headers: { "content-type": "application/json" } };
      const log = vi.spyOn(console, "error").mockImplementation(() => {});
      const answer = await stub.fetch("http://o/half", post);
      // An eviction waits for a body that nobody has read.
      expect([answer.status, await answer.json()]).toMatchObject([500, { status: 500 }]);
      expect(log).toHaveBeenCalledOnce();
      log.mockRestore();
      await evictDurableObject(stub);
      expect(await stub.read()).toBe(1);
    });

    it("lets every other call wait while an async one runs, so that none sees what is undone", async () => {
      const stub = fresh();
      await stub.add();
      const seen: unknown[] = [];
      const slow = errorOf(() => stub.failLater(100)).then(() => seen.push("failed"));
      const reads = Array.from({ length: 30 }, (_, at) =>
        (at % 3 === 2 ? errorOf(() => stub.fail(50)).then(() => stub.read()) : stub.read()).then((n) => seen.push(n)),
      );
      await Promise.all([slow, ...reads]);
      expect(seen[0]).toBe("failed");
      expect(seen.slice(1)).toEqual(Array(30).fill(1));
      const failures = [1, 2, 3].map((by) => errorOf(() => stub.failLater(by)));
      expect(await Promise.all([stub.addUnguarded(), ...failures])).toEqual([2, ...Array(3).fill(expect.any(Error))]);
      expect(await stub.read()).toBe(2);
    });

    it("undoes a method that gives a promise without being async, and refuses what that goes on to change", async () => {
      const later: unknown[] = [];
      const state = await after(async (self, storage) => {
        const message = await refusalOf(
          () =>
            self.all(async () => {
              change(self, storage);
              await scheduler.wait(1);
              later.push(await refusalOf(() => self.count++, "atomic-returned-promise"));
              later.push(await refusalOf(() => self.all(() => storage.kv.put("own", 99)), "atomic-returned-promise"));
              later.push(
                await refusalOf(() => self.allLater(() => storage.kv.put("own", 99)), "atomic-returned-promise"),
              );
              throw new Error("heard by nobody");
            }),
          "atomic-returned-promise",
        );
        expect(message).toContain(`${className}.all`);
        expect(message).toContain("`@Atomic() async all() { … }`");
        await scheduler.wait(10);
        expect(later).toEqual([message, message, message]);
        change(self, storage);
      });
      expect(state).toEqual(everything(2));
    });

    it("ends an async method after 25 s, undone, and refuses what it goes on to change", async () => {
      const later: string[] = [];
      const state = await after(async (self, storage) => {
        vi.useFakeTimers();
        try {
          const opened = Promise.withResolvers<void>();
          const error = refusalOf(
            () =>
              self.allLater(async () => {
                change(self, storage);
                opened.resolve();
                await new Promise((resolve) => setTimeout(resolve, 26_000));
                later.push(await refusalOf(() => self.log.push({ by: 0 }), "atomic-timeout"));
              }),
            "atomic-timeout",
          );
          await opened.promise;
          await vi.advanceTimersByTimeAsync(24_999);
          expect(await Promise.race([error, "still running"])).toBe("still running");
          await vi.advanceTimersByTimeAsync(1);
          expect(await error).toContain(`${className}.allLater did not end within 25000 ms`);
          expect([self.count, storage.kv.get("own")]).toEqual([1, 1]);
          change(self, storage);
          expect(vi.getTimerCount()).toBe(1);
          await vi.advanceTimersByTimeAsync(1_000);
          expect(later).toEqual([await error]);
        } finally {
          vi.useRealTimers();
        }
      });
      expect(state).toEqual(everything(2));
    });

    it("ends an inner async method with the time of the outer one", async () => {
      const state = await after(async (self, storage) => {
        vi.useFakeTimers();
        try {
          const opened = Promise.withResolvers<void>();
          const error = refusalOf(
            () =>
              self.allLater(async () => {
                change(self, storage);
                vi.advanceTimersByTime(20_000);
                await self.allLater(() => (opened.resolve(), new Promise(() => {})));
              }),
            "atomic-timeout",
          );
          await opened.promise;
          await vi.advanceTimersByTimeAsync(4_999);
          expect(await Promise.race([error, "still running"])).toBe("still running");
          await vi.advanceTimersByTimeAsync(1);
          await error;
        } finally {
          vi.useRealTimers();
        }
      });
      expect(state).toEqual(everything(1));
    });

    it("keeps a method's name and length", async () => {
      await inside(fresh(), (self) => {
        expect([self.fail.name, self.fail.length, self.failLater.name]).toEqual(["fail", 1, "failLater"]);
      });
    });
  });

  describe(`@Exclusive (${dialect})`, () => {
    const wait = (): Promise<void> => scheduler.wait(2);

    it("PEERS 18: loses none of 20 read-await-write calls, most of which are lost without it", async () => {
      const stub = fresh();
      await Promise.all(Array.from({ length: 20 }, () => stub.addUnguarded()));
      expect(await stub.read()).toBeLessThan(10);
      const before = await stub.read();
      await Promise.all(Array.from({ length: 20 }, () => stub.add()));
      await evictDurableObject(stub);
      expect((await stub.read()) - before).toBe(20);
    });

    it("runs 50 calls of all its methods in order of arrival, one at a time", async () => {
      const events: string[] = [];
      await inside(fresh(), async (self) => {
        const kinds = ["alone", "aloneAtOnce", "aloneThenAll", "allThenAlone"] as const;
        const calls = Array.from({ length: 50 }, async (_, n) => {
          const kind = kinds[n % 4]!;
          await self[kind](() => {
            events.push(`in ${n}`);
            if (kind === "aloneAtOnce") return void events.push(`out ${n}`);
            return scheduler.wait(n % 3).then(() => void events.push(`out ${n}`));
          });
        });
        // The two atomic ones wait for at most 40 ms, which is enough for none but the first of them here.
        await Promise.allSettled(calls);
      });
      const ran = events.filter((event) => event.startsWith("in")).map((event) => Number(event.slice(3)));
      expect(events).toEqual(ran.flatMap((n) => [`in ${n}`, `out ${n}`]));
      expect(ran).toEqual(ran.toSorted((a, b) => a - b));
      expect(ran.filter((n) => n % 4 < 2)).toEqual(Array.from({ length: 50 }, (_, n) => n).filter((n) => n % 4 < 2));
    });

    it("lets other calls and other objects go on", async () => {
      const [one, other] = [fresh(), fresh()];
      const held = Promise.withResolvers<void>();
      const holder = inside(one, (self) => self.alone(() => held.promise));
      await wait();
      expect(await one.addUnguarded()).toBe(1);
      expect(await other.add()).toBe(1);
      const waiting = one.add();
      expect(await Promise.race([waiting, wait().then(() => "waiting")])).toBe("waiting");
      held.resolve();
      await holder;
      expect(await waiting).toBe(2);
    });

    it("is entered again from inside, at any depth, sync and async", async () => {
      await inside(fresh(), async (self) => {
        const result = await self.alone(async () => {
          await wait();
          const deep = await self.briefly(async () => {
            await wait();
            return self.aloneAtOnce(() => self.aloneAtOnce(() => "deep"));
          });
          return [deep, self.aloneAtOnce(() => "again")];
        });
        expect(result).toEqual(["deep", "again"]);
        expect(self.aloneAtOnce(() => self.aloneAtOnce(() => "free"))).toBe("free");
      });
    });

    it("lets calls side by side inside follow each other, and the next from outside follow all of them", async () => {
      const events: string[] = [];
      const step = (name: string) => async (): Promise<void> => {
        events.push(name);
        await wait();
        events.push(`${name}.`);
      };
      await inside(fresh(), async (self) => {
        const holder = self.alone(async () => {
          await Promise.all([self.alone(step("a")), self.alone(step("b"))]);
          // Left behind: the turn ends with them.
          void self.alone(step("c"));
          void self.alone(() => self.alone(step("d")));
        });
        const next = self.alone(step("next"));
        await holder;
        expect(events.at(-1)).toBe("c");
        await next;
      });
      expect(events).toEqual(["a", "a.", "b", "b.", "c", "c.", "d", "d.", "next", "next."]);
    });

    it("passes the turn on when its holder throws", async () => {
      await inside(fresh(), async (self) => {
        const fail = (): never => {
          throw stop;
        };
        expect(() => self.aloneAtOnce(fail)).toThrow(stop);
        const results = await Promise.allSettled([
          self.alone(async () => {
            await wait();
            fail();
          }),
          self.alone(fail),
          self.alone(() => "next"),
        ]);
        expect(results.map((result) => (result.status === "fulfilled" ? result.value : result.reason))).toEqual([
          stop,
          stop,
          "next",
        ]);
      });
    });

    it("keeps a sync method sync while no other has the turn, and else gives a promise", async () => {
      await inside(fresh(), async (self) => {
        expect(self.aloneAtOnce(() => 1)).toBe(1);
        const holder = self.alone(wait);
        const later: unknown = self.aloneAtOnce(() => 2);
        expect(later).toBeInstanceOf(Promise);
        expect(await later).toBe(2);
        await holder;
        expect(self.aloneAtOnce(() => 3)).toBe(3);
      });
    });

    it("takes code that outlives its turn for an outside call", async () => {
      const events: string[] = [];
      await inside(fresh(), async (self) => {
        const outlived = Promise.withResolvers<void>();
        await self.alone(() => {
          setTimeout(() => {
            outlived.resolve(self.alone(() => void events.push("timer")));
          }, 5);
        });
        await self.alone(async () => {
          await scheduler.wait(15);
          events.push("holder");
        });
        await outlived.promise;
      });
      expect(events).toEqual(["holder", "timer"]);
    });

    it("takes code that outlives an inner call for one of the outer call, while that has the turn", async () => {
      const events: string[] = [];
      await inside(fresh(), async (self) => {
        let next: Promise<unknown> | undefined;
        await self.alone(async () => {
          const { promise, resolve } = Promise.withResolvers<unknown>();
          self.aloneAtOnce(() => void setTimeout(() => resolve(self.aloneAtOnce(() => events.push("timer"))), 5));
          next = self.alone(() => events.push("beside"));
          await promise;
          events.push("holder");
        });
        await next;
      });
      expect(events).toEqual(["beside", "timer", "holder"]);
    });

    it("ends a call that waited too long, names who has the turn, and leaves the line as it was", async () => {
      await inside(fresh(), async (self) => {
        vi.useFakeTimers();
        try {
          const held = Promise.withResolvers<void>();
          const ran: number[] = [];
          const holder = self.briefly(() => held.promise);
          const first = refusalOf(() => self.alone(() => ran.push(1)), "exclusive-timeout");
          await vi.advanceTimersByTimeAsync(5_000);
          const second = self.alone(() => ran.push(2));
          const short = refusalOf(() => self.briefly(() => ran.push(3)), "exclusive-timeout");
          const last = self.aloneAtOnce(() => ran.push(4));
          await vi.advanceTimersByTimeAsync(40);
          expect(await short).toContain(
            `${className}.briefly waited 40 ms for its turn, which ${className}.briefly has`,
          );
          await vi.advanceTimersByTimeAsync(4_959);
          expect(await Promise.race([first, "waiting"])).toBe("waiting");
          await vi.advanceTimersByTimeAsync(1);
          expect(await first).toContain(
            `${className}.alone waited 10000 ms for its turn, which ${className}.briefly has`,
          );
          held.resolve();
          await Promise.all([holder, second, last]);
          expect(ran).toEqual([2, 4]);
          expect(vi.getTimerCount()).toBe(0);
        } finally {
          vi.useRealTimers();
        }
      });
    });

    it("ends by its bound when a call waits for itself, or two objects for each other", async () => {
      const itself = await inside(fresh(), (self) =>
        refusalOf(
          () =>
            self.alone(() => {
              const first = self.alone(async () => {
                await wait();
                await second;
              });
              const second = self.briefly(wait);
              return first;
            }),
          "exclusive-timeout",
        ),
      );
      expect(itself).toContain(`${className}.briefly waited 40 ms for its turn, which ${className}.alone has`);
      const [a, b] = [`cycle ${nth++}`, `cycle ${nth++}`];
      const message = await refusalOf(() => namespace().getByName(a).callOther(b), "exclusive-timeout");
      expect(message).toContain(`${className}.callOther waited 100 ms`);
      expect(await Promise.all([a, b].map((name) => namespace().getByName(name).add()))).toEqual([1, 1]);
    });
  });

  describe(`@Exclusive and @Atomic on one method (${dialect})`, () => {
    it.each(["aloneThenAll", "allThenAlone"] as const)(
      "%s waits for its turn first, and is then all or nothing",
      async (kind) => {
        const state = await after(async (self, storage) => {
          const holder = self.alone(async () => {
            await scheduler.wait(5);
            change(self, storage);
          });
          const failed = errorOf(() => self[kind](() => failsLater(self, storage)));
          const next = self[kind](async () => {
            await scheduler.wait(1);
            change(self, storage);
          });
          expect(await failed).toBe(stop);
          await Promise.all([holder, next]);
        });
        expect(state).toEqual(everything(3));
      },
    );
  });
}
