import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError } from "durable-base";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { Probe } from "./fixtures/probe.ts";

/** Facts about workerd that the code leans on: when one fails, look for what was built on it. */
describe("the platform", () => {
  const inProbe = async <R>(work: (storage: DurableObjectStorage) => R): Promise<Awaited<R>> =>
    await runInDurableObject(env.PROBE.getByName("facts"), async (_, { storage }) => await work(storage));

  it("drains microtasks between a constructor and the first call", async () => {
    expect(await env.PROBE.getByName("rpc").whenConstructed()).toBe("in an earlier turn");
    expect(await (await env.PROBE.getByName("http").fetch("http://o")).text()).toBe("in an earlier turn");
  });

  it("stores what structuredClone makes of an Error, so that a copy taken at once is what will be read", async () => {
    const error = Object.assign(new RangeError("far", { cause: { km: 1 } }), { extra: [1] });
    const [cloned, stored] = await inProbe(({ kv }) => {
      kv.put("error", error);
      const parts = (value: Error): unknown => [
        value.name,
        value.message,
        value.stack,
        value.cause,
        (value as { extra?: unknown }).extra,
      ];
      return [parts(structuredClone(error)), parts(kv.get<Error>("error")!)];
    });
    expect(stored).toEqual(cloned);
  });

  it("keeps holes, -0, an own __proto__ and undefined properties through storage", async () => {
    const value = { list: [1, , 3], zero: -0, none: undefined, odd: JSON.parse('{"__proto__":{"x":1}}') as object };
    const stored = await inProbe(({ kv }) => (kv.put("odd", value), kv.get<typeof value>("odd")!));
    expect([1 in stored.list, Object.is(stored.zero, -0), "none" in stored]).toEqual([false, true, true]);
    expect(Object.hasOwn(stored.odd, "__proto__") && Object.getPrototypeOf(stored.odd) === Object.prototype).toBe(true);
  });

  it("stores the whole buffer that a view lies in: cutting the view out is ours to do", async () => {
    const stored = await inProbe(({ kv }) => {
      kv.put("view", new Uint8Array(1_000_000).subarray(5, 15));
      return kv.get<Uint8Array>("view")!;
    });
    expect([stored.byteOffset, stored.byteLength, stored.buffer.byteLength]).toEqual([5, 10, 1_000_000]);
  });

  it("takes a row over 2 MB locally, which production refuses: the limit is ours to keep", async () => {
    await inProbe(({ kv }) => kv.put("large", "x".repeat(3_000_000)));
    expect(await inProbe(({ kv }) => kv.get<string>("large")!.length)).toBe(3_000_000);
  });

  it("rolls a transactionSync back, all its rows", async () => {
    const found = await inProbe((storage) => {
      expect(() =>
        storage.transactionSync(() => {
          storage.kv.put("a", 1);
          storage.kv.put("b", 1);
          throw new Error("stop");
        }),
      ).toThrow("stop");
      return [storage.kv.get("a"), storage.kv.get("b")];
    });
    expect(found).toEqual([undefined, undefined]);
  });

  it("ignores every option of the synchronous kv: none is passed on", async () => {
    const found = await inProbe(({ kv }) => {
      type Loose = Record<"get" | "put" | "delete", (...args: unknown[]) => unknown>;
      const { get, put } = kv as unknown as Loose;
      put.call(kv, "option", 1, { allowUnconfirmed: "no boolean", nosuch: 1 });
      return get.call(kv, "option", { noCache: "no boolean", nosuch: 1 });
    });
    expect(found).toBe(1);
  });

  it("lets an open cursor of SQL see rows ahead, lock tables, and break with a rollback", async () => {
    await inProbe((storage) => {
      const { sql } = storage;
      sql.exec("create table ahead (n integer primary key)");
      sql.exec("insert into ahead values (1), (2), (3)");
      const cursor = sql.exec("select n from ahead");
      cursor.next();
      sql.exec("create table other (n)");
      expect(() => sql.exec("drop table other")).toThrow("locked");
      expect(() =>
        storage.transactionSync(() => {
          storage.kv.put("in it", 1);
          throw new RangeError("stop");
        }),
      ).toThrow(RangeError);
      expect(() => cursor.next()).toThrow("abort due to ROLLBACK");
      let steps = 0;
      for (const _ of sql.exec("select n from ahead")) {
        sql.exec("insert into ahead select max(n) + 1 from ahead");
        if (++steps === 50) break;
      }
      expect(steps).toBe(50);
    });
  });

  it("resets an object whose half-read `insert … returning` is open at a commit", async () => {
    const stub = env.PROBE.getByName("half-read");
    const half = runInDurableObject(stub, (_, { storage: { sql } }) => {
      sql.exec("create table half (n integer)");
      const cursor = sql.exec("insert into half values (1), (2) returning n");
      cursor.next();
      return sql.exec("select count(*) as n from half").one()["n"];
    });
    await expect(half.then(() => scheduler.wait(1))).rejects.toThrow("internal error");
  });

  it("resets an object when an `insert … returning` is not the last of several statements, and takes no comment behind the last", async () => {
    const stub = env.PROBE.getByName("several");
    const several = runInDurableObject(stub, (_, { storage: { sql } }) => {
      sql.exec("create table several (n integer)");
      expect(() => sql.exec("select 1; -- the end")).toThrow("did not contain a statement");
      sql.exec("insert into several values (1), (2) returning n; select 1").toArray();
      return sql.exec("select count(*) as n from several").one()["n"];
    });
    await expect(several.then(() => scheduler.wait(1))).rejects.toThrow("internal error");
  });

  it("begins an async transaction after the microtasks of the turn that asked for it, in the same context", async () => {
    const events: unknown[] = [];
    const context = new AsyncLocalStorage<string>();
    await inProbe((storage) =>
      context.run("context", async () => {
        const done = storage.transaction(async () => {
          events.push(context.getStore());
          await scheduler.wait(1);
          events.push(context.getStore());
        });
        for (let n = 0; n < 50; n++) await Promise.resolve();
        events.push("microtasks");
        await done;
      }),
    );
    expect(events).toEqual(["microtasks", "context", "context"]);
  });

  it("runs nothing else of an object that blocks concurrency, lets answers out, and keeps new calls out of it until its reset", async () => {
    const stub = env.PROBE.getByName("blocked");
    const parked: Promise<unknown>[] = [];
    const answer = runInDurableObject(stub, async (_, state) => {
      const { storage } = state;
      for (const wait of [() => scheduler.wait(2), () => storage.get("x").then(() => scheduler.wait(2))]) {
        parked.push(wait().then(() => storage.kv.put("parked", 1)));
      }
      storage.kv.put("a", 1);
      storage.sql.exec("create table b (n)");
      await storage.setAlarm(4_000_000_000_000);
      const { promise, resolve } = Promise.withResolvers<string>();
      void state.blockConcurrencyWhile(async () => {
        await Promise.all([storage.deleteAlarm(), storage.deleteAll()]);
        await storage.sync();
        resolve("answer");
        await scheduler.wait(10);
        state.abort("reset");
        await new Promise(() => {});
      });
      return await promise;
    });
    expect(await answer).toBe("answer");
    const next = await (async () => await stub.whenConstructed())().catch((error: unknown) => error);
    expect(next).toMatchObject({ durableObjectReset: true, message: "reset" });
    const left = await runInDurableObject(env.PROBE.getByName("blocked"), async (_, { storage }) => [
      [...storage.kv.list()],
      storage.sql.exec("select name from sqlite_master where name = 'b'").toArray(),
      await storage.getAlarm(),
    ]);
    expect(left).toEqual([[], [], null]);
    expect(parked).toHaveLength(2);
  });

  it("answers getAlarm in a microtask of the same turn", async () => {
    const events = await inProbe(async (storage) => {
      const seen: string[] = [];
      const asked = storage.getAlarm().then(() => seen.push("answer"));
      for (let n = 0; n < 20; n++) await Promise.resolve();
      seen.push("twenty microtasks");
      await asked;
      return seen;
    });
    expect(events).toEqual(["answer", "twenty microtasks"]);
  });

  it("takes no alarm after its last millisecond, nor at 1970", async () => {
    const stub = env.STANDARD_ALARMS.getByName("limits");
    const taken = await runInDurableObject(stub, async (_, { storage }) => {
      const answers: (number | null | string)[] = [];
      for (const time of [9_223_372_036_854, 9_223_372_036_855, 0]) {
        await storage.setAlarm(time).then(
          async () => answers.push(await storage.getAlarm()),
          (error: unknown) => answers.push((error as Error).name),
        );
      }
      await storage.deleteAlarm();
      return answers;
    });
    expect(taken).toEqual([9_223_372_036_854, "TypeError", "TypeError"]);
  });

  it("runs an own property of the instance as its alarm handler, with no alarm set within", async () => {
    const stub = env.STANDARD_JOBS.getByName("own alarm");
    expect(await runInDurableObject(stub, (self) => Object.hasOwn(self, "alarm"))).toBe(true);
    const seen: unknown[] = [];
    await runInDurableObject(stub, async (self, { storage }) => {
      const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
      self.hooks["tick"] = () => native.getAlarm.call(storage).then((at) => seen.push(at));
      await self.run(() => self.jobs.schedule(1, self.tick));
    });
    await eventually(() => expect(seen).toEqual([null]));
  });

  it("lets an alarm that is set in a handler take the place of the retry of that handler", async () => {
    const stub = env.STANDARD_ALARMS.getByName("superseded");
    const seen: unknown[] = [];
    await runInDurableObject(stub, async (self, { storage }) => {
      self.hooks["alarm"] = async (info: AlarmInvocationInfo) => {
        seen.push(info.retryCount);
        if (seen.length > 1) return;
        await storage.setAlarm(Date.now() + 50);
        throw new Error("no retry of this");
      };
      await storage.setAlarm(Date.now());
    });
    await eventually(() => expect(seen.length).toBe(2));
    expect(seen).toEqual([0, 0]);
  });

  it("holds back the timers of a transaction while an inner one is open, and tells its end before it rolls back", async () => {
    const events: unknown[] = [];
    await inProbe(async (storage) => {
      const { promise: outside, resolve: fail } = Promise.withResolvers<void>();
      let inner: Promise<void> | undefined;
      const outer = storage.transaction(async () => {
        setTimeout(() => events.push("timer of the outer"), 1);
        storage.kv.put("outer", 1);
        inner = storage.transaction(async () => {
          await scheduler.wait(10);
          fail();
          await scheduler.wait(10);
          events.push("end of the inner");
        });
        await outside;
        throw new Error("stop");
      });
      await outer.catch(() => events.push("rejection", storage.kv.get("outer")));
      await inner;
      await scheduler.wait(5);
      events.push("later", storage.kv.get("outer"));
    });
    // What a rejection tells too early is why the library waits for inner transactions itself.
    expect(events).toEqual(["rejection", 1, "end of the inner", "timer of the outer", "later", undefined]);
  });
});

describe("what an export leans on", () => {
  let probes = 0;
  const inProbe = async (work: (storage: DurableObjectStorage) => void): Promise<void> =>
    await runInDurableObject(env.PROBE.getByName(`export ${probes++}`), (_, { storage }) => work(storage));

  it("counts every write of the object in total_changes(), of keys and the alarm, too", async () => {
    await inProbe(async ({ kv, sql }) => {
      const count = (): unknown => [...sql.exec("select total_changes()").raw()][0]![0];
      const counts = [count()];
      for (const write of [
        () => kv.put("a", 1),
        () => kv.put("a", 1),
        () => kv.delete("a"),
        () => void sql.exec("create table t (x)"),
        () => void sql.exec("insert into t values (1), (2)"),
        () => void sql.exec("delete from t"),
      ]) {
        write();
        counts.push(count());
      }
      const [first] = counts as [number];
      // Making tables is not counted.
      expect(counts.map((count) => (count as number) - first)).toEqual([0, 1, 2, 3, 3, 5, 7]);
    });
  });

  it("has one list of keys at a time, which locks tables until another one has ended", async () => {
    await inProbe(async ({ kv, sql }) => {
      for (let i = 0; i < 5; i++) kv.put(`k${i}`, i);
      sql.exec("create table t (x)");
      const open = kv.list()[Symbol.iterator]();
      open.next();
      expect(() => sql.exec("drop table t")).toThrow("locked");
      expect([...kv.list({ start: "x" })]).toEqual([]);
      sql.exec("drop table t");
      expect(() => open.next()).toThrow("invalidated");
    });
  });

  it("undoes the one statement that breaks a foreign key, and goes on in the transaction", async () => {
    await inProbe(async (storage) => {
      const { sql } = storage;
      sql.exec("create table p (id integer primary key)");
      sql.exec("create table c (p references p (id))");
      storage.transactionSync(() => {
        sql.exec("insert into p values (1)");
        expect(() => sql.exec("insert into c values (2)")).toThrow("FOREIGN KEY constraint failed");
        sql.exec("insert into c values (1)");
      });
      expect([...sql.exec("select p from c").raw()]).toEqual([[1]]);
    });
  });
});

describe("a loop over kv.list()", () => {
  let probes = 0;
  /** Runs `between` between two steps of a loop over three keys; returns true if the loop goes on. */
  const goesOn = async (between: (storage: DurableObjectStorage) => unknown): Promise<boolean> =>
    await runInDurableObject(env.PROBE.getByName(`loop ${probes++}`), async (_, { storage }) => {
      const { kv, sql } = storage;
      for (const key of ["a", "b", "c"]) kv.put(key, 0);
      sql.exec("create table t (x)");
      // In its own turn, which has written nothing yet.
      await storage.sync();
      await scheduler.wait(1);
      const rows = kv.list()[Symbol.iterator]();
      rows.next();
      await between(storage);
      try {
        return rows.next().done !== true;
      } catch (error) {
        expect((error as Error).message).toMatch(/invalidated|internal error/);
        return false;
      }
    });
  const put = ({ kv }: DurableObjectStorage): void => kv.put("d", 1);
  const stops = (): never => {
    throw new RangeError("stop");
  };

  it.each<[string, (storage: DurableObjectStorage) => unknown]>([
    ["get, put and delete", ({ kv }) => [kv.get("a"), kv.put("d", 1), kv.delete("d")]],
    ["SQL", ({ sql }) => [...sql.exec("insert into t values (1) returning x")]],
    ["waiting", () => scheduler.wait(1)],
    ["the asynchronous get and put", async (storage) => [await storage.get(["a"]), await storage.put("d", 1)]],
    ["a transactionSync that writes", (storage) => storage.transactionSync(() => put(storage))],
    ["a transactionSync that writes nothing", (storage) => storage.transactionSync(() => {})],
    [
      "a transactionSync that throws",
      (storage) => expect(() => storage.transactionSync(() => [put(storage), stops()])).toThrow("stop"),
    ],
    [
      "a transactionSync inside another",
      (storage) => storage.transactionSync(() => [put(storage), storage.transactionSync(() => put(storage))]),
    ],
    [
      "a transactionSync inside an async transaction",
      (storage) => storage.transaction(async () => storage.transactionSync(() => put(storage))),
    ],
    [
      "an async transaction that is undone",
      (storage) => storage.transaction(async (transaction) => [put(storage), transaction.rollback()]),
    ],
    ["getAlarm", (storage) => storage.getAlarm()],
  ])("goes on after %s", async (_, between) => {
    expect(await goesOn(between)).toBe(true);
  });

  it.each<[string, (storage: DurableObjectStorage) => unknown]>([
    ["another kv.list()", ({ kv }) => [...kv.list({ start: "x" })]],
    ["an asynchronous list()", (storage) => storage.list({ start: "x" })],
    [
      "a transactionSync that throws in the turn in which a table was made",
      (storage) => {
        storage.sql.exec("create table other (x)");
        expect(() => storage.transactionSync(stops)).toThrow("stop");
      },
    ],
    ["deleteAll", (storage) => storage.deleteAll()],
  ])("breaks after %s", async (_, between) => {
    expect(await goesOn(between)).toBe(false);
  });
});

describe("instances of one object", () => {
  it("share ctx.id, which is one object however ctx is wrapped", async () => {
    await runInDurableObject(env.PROBE.getByName("id"), (probe, state) => {
      const { id } = state;
      expect(state.id).toBe(id);
      expect((Object.create(state) as DurableObjectState).id).toBe(id);
      expect((probe as unknown as { ctx: DurableObjectState }).ctx.id).toBe(id);
    });
  });

  it("refuse a Proxy as ctx, and take an object that inherits from it", async () => {
    await runInDurableObject(env.PROBE.getByName("proxy"), (_, state) => {
      expect(() => new Probe(new Proxy(state, {}), env)).toThrow("constructor parameter 1 is not of type");
      expect(new Probe(Object.create(state) as DurableObjectState, env)).toBeInstanceOf(Probe);
    });
  });
});

describe("a class without SQLite storage", () => {
  it("is told at the first use of a field what to write in wrangler.toml", async () => {
    const error: unknown = await (async () => await env.UNBACKED.getByName("a").increment())().catch(
      (reason: unknown) => reason,
    );
    expect(DurableError.is(error, "no-sqlite-storage")).toBe(true);
    expect((error as Error).message).toContain('[exports.Unbacked]\ntype = "durable-object"\nstorage = "sqlite"');
  });

  it("is told the same at its first job", async () => {
    const stub = env.UNBACKED.getByName("jobs");
    await runInDurableObject(stub, (self) => {
      expect(() => self.jobs.schedule(1, self.increment)).toThrow("[exports.Unbacked]");
      expect(self.jobs.list()).toEqual([]);
    });
  });

  it("works as long as no field is used", async () => {
    expect(await env.UNBACKED.getByName("b").without()).toBe("b");
  });
});
