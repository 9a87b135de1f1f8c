/** The faults of other libraries (PEERS.md), each by its number: none of them is ours. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, Object as Objects, snapshot } from "durable-base";
import { describe, expect, it, vi } from "vitest";
import { sizeOf } from "../../src/storage/size.ts";
import { errorOf } from "../error-of.ts";
import type { Faults } from "./fixtures/peers.ts";
import { rowsOf } from "../persisted/persisted.cases.ts";

type Stub = DurableObjectStub<Faults>;

let nth = 0;
const fresh = (): Stub => env.FAULTS.getByName(`fault ${nth++}`);
const inside = <R>(stub: Stub, work: (self: Faults) => R | Promise<R>): Promise<R> =>
  runInDurableObject<Faults, R>(stub, (self) => self.run(work));
const rows = (stub: Stub, work: (self: Faults) => unknown): Promise<string[]> => rowsOf(stub as never, work as never);

describe("peers' faults: state lost", () => {
  it("1: a cold start keeps stored values, legacy decorators included", async () => {
    const stub = env.LEGACY_THINGS.getByName("fault 1");
    await runInDurableObject(stub, (self) => self.run((things) => (things.label = "stored")));
    await evictDurableObject(stub);
    expect(await runInDurableObject(stub, (self) => self.label)).toBe("stored");
  });

  it("2: a push to a default array is kept, and an alias of what was assigned changes nothing", async () => {
    const stub = fresh();
    await inside(stub, (self) => {
      const alias: Record<string, unknown> = { a: 1 };
      self.list.push(1);
      self.object = alias;
      alias["a"] = 2;
    });
    const read = (self: Faults): unknown => snapshot([self.list, self.object]);
    expect(await inside(stub, read)).toEqual([[1], { a: 1 }]);
    await evictDurableObject(stub);
    expect(await inside(stub, read)).toEqual([[1], { a: 1 }]);
  });

  it("3: an assignment in the constructor overwrites nothing at the next wake-up", async () => {
    const stub = fresh();
    expect(await stub.add(1)).toBe(4);
    await evictDurableObject(stub);
    expect(await stub.add(1)).toBe(5);
  });

  it("4: an alarm on a cold start sees and keeps the stored state", async () => {
    const stub = fresh();
    await stub.add(1);
    await inside(stub, (self) => self.list.push("before"));
    await stub.wake();
    await evictDurableObject(stub);
    await runDurableObjectAlarm(stub);
    await evictDurableObject(stub);
    expect(await stub.all()).toEqual({ count: 4, list: ["before", "alarm"], object: {} });
  });

  it("5: a value over 2 MB is an error at that line, and memory and disk keep the old one", async () => {
    const stub = fresh();
    const error = await errorOf(() => inside(stub, (self) => (self.any = "x".repeat(2_000_001))));
    expect(DurableError.is(error, "too-large")).toBe(true);
    expect(await inside(stub, (self) => self.any)).toBe(null);
  });

  it("6: assigning replaces, swapping swaps, a Date over a Date is assigned", async () => {
    const stub = fresh();
    await inside(stub, (self) => {
      self.object = { a: 1, b: 2 };
      self.object = { c: 3 };
      self.list = [{ n: 1 }, { n: 2 }];
      [self.list[0], self.list[1]] = [self.list[1], self.list[0]];
      self.date = new Date(5);
    });
    await evictDurableObject(stub);
    const seen = await inside(stub, (self) => snapshot([self.object, self.list, self.date]));
    expect(seen).toEqual([{ c: 3 }, [{ n: 2 }, { n: 1 }], new Date(5)]);
  });

  it("7: a subclass that redeclares a field without the decorator is refused", async () => {
    const error = await errorOf(() => env.REDECLARED.getByName("fault 7").read());
    expect(DurableError.is(error, "redeclared-field")).toBe(true);
  });
});

describe("peers' faults: reads that lie", () => {
  it("9: a job of now runs, one that throws is kept, one without its method too, none is early, intervals keep their times", async () => {
    using _ = vi.spyOn(console, "error").mockImplementation(() => {});
    using __ = vi.spyOn(console, "warn").mockImplementation(() => {});
    // Far ahead, so that no native alarm fires by itself.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2100, 0, 1) });
    const stub = env.STANDARD_JOBS.getByName("fault 9");
    const start = Date.now();
    await runInDurableObject(stub, async (self) => {
      self.hooks["bad"] = () => {
        throw new Error("no");
      };
      self.run(() => {
        self.jobs.schedule(0, self.note, { text: "now" });
        self.jobs.schedule(new Date(0), self.note, { text: "past" });
        self.jobs.schedule(0, self.note, { text: "bad" }, { retry: { baseDelay: 1_000_000 } });
        self.jobs.schedule(0, self.keep, 1, { id: "gone" });
        self.jobs.schedule(900, self.note, { text: "early" });
        self.jobs.schedule({ every: 1_000_000 }, self.tick, undefined, { id: "every" });
        self.jobs.retry("every");
      });
      Object.defineProperty(self, "keep", { value: undefined });
      await self.alarm!();
      expect([...self.log].sort()).toEqual(["bad", "now", "past", "tick"]);
      const left = self.jobs.list().map(({ id, input, state, attempts }) => [input ?? id, state, attempts]);
      expect(left).toHaveLength(4);
      expect(left).toEqual(
        expect.arrayContaining([
          [{ text: "bad" }, "waiting", 1],
          [1, "missing", 0],
          [{ text: "early" }, "waiting", 0],
          ["every", "waiting", 0],
        ]),
      );
      expect(self.jobs.get("every")!.time.getTime() - start).toBe(1_000_000);
    });
    vi.useRealTimers();
  });

  it("10: an absent key is undefined and stays absent, null is null, identity holds", async () => {
    const seen = await inside(fresh(), (self) => {
      self.list = [{ n: 1 }, { n: 2 }];
      const sum = ((self.object["count"] as number | undefined) ?? 0) + 1;
      return [
        self.object["x"],
        Object.keys(self.object),
        self.any,
        sum,
        self.list.includes(self.list[1]),
        self.list[1] === self.list[1],
      ];
    });
    expect(seen).toEqual([undefined, [], null, 1, true, true]);
  });

  it("11: every kind of value comes back as what it was", async () => {
    const value = {
      map: new Map([["a", { n: 1n }]]),
      set: new Set([NaN]),
      date: new Date(7),
      bytes: new Uint8Array([1]),
      user: { __type: "Date", value: 1 },
    };
    const stub = fresh();
    await inside(stub, (self) => (self.any = value));
    await evictDurableObject(stub);
    const seen = await inside(stub, (self) => {
      (self.any as typeof value).map.set("b", { n: 2n });
      return snapshot(self.any);
    });
    expect(seen).toEqual({
      ...value,
      map: new Map([
        ["a", { n: 1n }],
        ["b", { n: 2n }],
      ]),
    });
  });
});

describe("peers' faults: across RPC", () => {
  it("12: a returned persisted array or object arrives as data", async () => {
    const stub = fresh();
    await inside(stub, (self) => self.list.push({ deep: [1] }));
    expect(await stub.all()).toEqual({ count: 3, list: [{ deep: [1] }], object: {} });
  });

  it("13: nothing of the base can be called through a stub", async () => {
    const stub = fresh() as unknown as Record<string, () => Promise<unknown>>;
    for (const name of ["count", "onStart", "ctx", "env", "from", "sql", "list"]) {
      expect((await errorOf(() => stub[name]!())).message).toMatch(/does not implement|prototype/);
    }
  });

  it("14: a typed error is told across RPC; awaiting a handle does not hang", async () => {
    const error = await errorOf(() => env.UNBACKED.getByName("fault 14").increment());
    expect([DurableError.is(error, "no-sqlite-storage"), error instanceof DurableError]).toEqual([true, false]);
    const handle = Objects.from(env.FAULTS).byName("fault 14");
    expect(await (await handle).add(1)).toBe(4);
  });

  it("15: a sync method waits for onStart, and a failing onStart is tried again", async () => {
    expect(await env.STARTING.getByName("fault 15").read()).toBe(1);
  });

  it("16: the name is right in every entry and costs no call", async () => {
    const stub = env.FAULTS.getByName("fault 16");
    await stub.add(1);
    await evictDurableObject(stub);
    expect(await runInDurableObject(stub, ({ name }) => name)).toBe("fault 16");
  });
});

describe("peers' faults: consistency, security, cost", () => {
  it("21: a record of another shape is refused by name and kept, not reset", async () => {
    const stub = fresh();
    await runInDurableObject(stub, (_, { storage }) => storage.kv.put("durable-base:record", "not a record"));
    expect(DurableError.is(await errorOf(() => stub.add(1)), "record-unreadable")).toBe(true);
    expect(await runInDurableObject(stub, (_, { storage }) => storage.kv.get("durable-base:record"))).toBe(
      "not a record",
    );
  });

  it("22: no message, stack or stored value reaches an HTTP client", async () => {
    using _ = vi.spyOn(console, "error").mockImplementation(() => {});
    const response = await fresh().fetch("http://o/fail");
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toMatch(/secret|TypeError|stack|\bat /);
  });

  it("27 and 30: the first call and a cold start that only reads write nothing", async () => {
    const stub = fresh();
    expect(await rows(stub, (self) => [self.count, self.list.length])).toEqual([]);
    await stub.add(1);
    await evictDurableObject(stub);
    expect(await rows(stub, (self) => [self.count, self.list.length])).toEqual([]);
  });

  it("31: a job is one row, and scheduling one reads two, with 1,000 waiting", async () => {
    const stub = env.STANDARD_JOBS.getByName("fault 31");
    await runInDurableObject(stub, async (self, { storage }) => {
      self.run(() => {
        for (let n = 0; n < 1_000; n++) self.jobs.schedule(3_600_000 + n, self.tick);
      });
      await scheduler.wait(1);
      const [exec, put, list] = [
        vi.spyOn(storage.sql, "exec"),
        vi.spyOn(storage.kv, "put"),
        vi.spyOn(storage.kv, "list"),
      ];
      self.run(() => self.jobs.schedule(1_800_000, self.tick));
      await scheduler.wait(1);
      const cursors = exec.mock.results.map(({ value }) => value as SqlStorageCursor<never>);
      const sum = (rows: (cursor: SqlStorageCursor<never>) => number): number =>
        cursors.reduce((total, cursor) => total + rows(cursor), 0);
      // Which job is first is read when the batch begins and when it ends.
      expect([sum(({ rowsWritten }) => rowsWritten), sum(({ rowsRead }) => rowsRead)]).toEqual([1, 2]);
      expect([put.mock.calls, list.mock.calls]).toEqual([[], []]);
    });
  });

  it("28: a field set 100 times in a call is one row", async () => {
    const work = (self: Faults): void => {
      for (let i = 0; i < 100; i++) self.count++;
    };
    expect(await rows(fresh(), work)).toEqual(["durable-base:record"]);
  });

  it("29: one entry of 10,000 changed is one row of at most 4 KB, also on a cold start", async () => {
    const stub = fresh();
    await inside(
      stub,
      (self) => (self.any = new Map(Array.from({ length: 10_000 }, (_, i) => [`key ${i}`, { n: i }]))),
    );
    await evictDurableObject(stub);
    const changed = await rows(stub, (self) => (self.any as Map<string, { n: number }>).get("key 5000")!.n++);
    expect(changed).toHaveLength(1);
    const bytes = await runInDurableObject(stub, (_, { storage }) => sizeOf(storage.kv.get(changed[0]!)));
    expect(bytes).toBeLessThan(4_096);
    await evictDurableObject(stub);
    expect(await inside(stub, (self) => (self.any as Map<string, { n: number }>).get("key 5000")!.n)).toBe(5_001);
  });
});
