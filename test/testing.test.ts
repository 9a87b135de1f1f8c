/** The helpers of `durable-base/testing`, as a user's tests call them. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Object } from "../src/index.ts";
import * as Storage from "../src/storage/storage.ts";
import { advanceTo, crash, evict, rows, runDue } from "../src/testing/testing.ts";
import { errorOf, thrownBy } from "./error-of.ts";

describe("evict", () => {
  it.each(["handle", "native stub"])(
    "puts an object out of memory, and what is stored stays, by a %s",
    async (kind) => {
      const name = `evict by ${kind}`;
      const locker = kind === "handle" ? Object.from(env.LOCKER).byName(name) : env.LOCKER.getByName(name);
      await locker.add();
      await runInDurableObject(env.LOCKER.getByName(name), (self) => void globalThis.Object.assign(self, { note: 1 }));
      await evict(locker);
      expect(await locker.add()).toBe(2);
      expect(await runInDurableObject(env.LOCKER.getByName(name), (self) => "note" in self)).toBe(false);
    },
  );
});

describe("evict and crash", () => {
  it("work on an object that is not in memory", async () => {
    const locker = Object.from(env.LOCKER).byName("asleep");
    for (const stop of [evict, crash, crash, evict, evict]) await stop(locker);
    expect(await locker.add()).toBe(1);
  });
});

describe("crash", () => {
  it("fails the calls under way, and keeps what was written", async () => {
    const locker = Object.from(env.LOCKER).byName("crash");
    await locker.add();
    const hanging = errorOf(() => locker.hang());
    await locker.add();
    await crash(locker);
    expect(await hanging).toMatchObject({ durableObjectReset: true });
    expect(await locker.add()).toBe(3);
  });
});

describe("rows", () => {
  it("counts what fields, Storage, SQL and the platform's own storage read and write", async () => {
    const stub = env.LOCKER.getByName("rows");
    const locker = Object.from(env.LOCKER).byName("rows");
    expect(await rows(locker, () => locker.add())).toMatchObject({ result: 1, written: 2 });
    expect(await rows(stub, () => stub.add())).toMatchObject({ result: 2, read: 0, written: 2 });
    const within = async (work: (ctx: DurableObjectState) => unknown): Promise<{ read: number; written: number }> => {
      const { read, written } = await rows(stub, () =>
        runInDurableObject(stub, async (_, ctx) => void (await work(ctx))),
      );
      return { read, written };
    };
    const counts = {
      nothing: await within(() => undefined),
      put: await within((ctx) => Storage.putMany(ctx, { a: 1, b: 2 })),
      get: await within((ctx) => Storage.get(ctx, "a")),
      kvList: await within((ctx) => [...ctx.storage.kv.list({ prefix: "a" })]),
      absent: await within((ctx) => ctx.storage.kv.delete("none")),
      present: await within((ctx) => ctx.storage.kv.delete("a")),
      asyncPut: await within(async (ctx) => await ctx.storage.put({ c: 1, d: 2 })),
      asyncGet: await within(async (ctx) => await ctx.storage.get(["c", "d"])),
      asyncList: await within(async (ctx) => await ctx.storage.list({ start: "c", end: "d" })),
      asyncDelete: await within(async (ctx) => await ctx.storage.delete(["c", "none"])),
      transaction: await within(
        async (ctx) => await ctx.storage.transaction(async (txn) => await txn.put("e", await txn.get("d"))),
      ),
      table: await within((ctx) => ctx.storage.sql.exec("create table t (id integer primary key, x)")),
      insert: await within((ctx) => ctx.storage.sql.exec("insert into t (x) values (1), (2), (3)")),
      select: await within((ctx) => ctx.storage.sql.exec("select * from t").toArray()),
    };
    expect(counts).toEqual({
      nothing: { read: 0, written: 0 },
      put: { read: 0, written: 2 },
      get: { read: 1, written: 0 },
      kvList: { read: 1, written: 0 },
      absent: { read: 0, written: 0 },
      present: { read: 0, written: 1 },
      asyncPut: { read: 0, written: 2 },
      asyncGet: { read: 2, written: 0 },
      asyncList: { read: 2, written: 0 },
      asyncDelete: { read: 0, written: 1 },
      transaction: { read: 1, written: 1 },
      table: expect.anything(),
      insert: { read: expect.any(Number), written: 3 },
      select: { read: 3, written: 0 },
    });
  });

  it("counts one object and not its neighbours", async () => {
    const [one, other] = [env.LOCKER.getByName("one"), env.LOCKER.getByName("other")];
    await rows(other, () => other.add());
    const { written } = await rows(one, async () => {
      await other.add();
      await one.add();
      expect((await rows(other, () => other.add())).written).toBe(2);
    });
    expect(written).toBe(2);
  });

  it("says so when the object did not stay in memory", async () => {
    const locker = env.LOCKER.getByName("gone");
    expect(String(await errorOf(() => rows(locker, () => evict(locker))))).toContain("out of memory");
  });
});

describe("advanceTo and runDue", () => {
  afterEach(() => void vi.useRealTimers());

  it("run the alarm at the times it is set to, and no further", async () => {
    const clock = Object.from(env.CLOCK).byName("advance");
    const start = Date.now() + 86_400_000;
    await advanceTo(clock, start);
    await clock.every(1_000);
    expect(await runDue(clock)).toBe(0);
    expect(await advanceTo(clock, start + 3_500)).toBe(3);
    expect(Date.now()).toBeGreaterThanOrEqual(start + 3_500);
    expect(await clock.times()).toEqual([1_000, 2_000, 3_000].map((after) => start + after));
    expect(await advanceTo(clock, new Date(start + 4_000))).toBe(1);
  });

  it("run jobs at their times, and those of the user's own alarm", async () => {
    const clock = Object.from(env.CLOCK).byName("jobs");
    const start = Date.now() + 86_400_000;
    await advanceTo(clock, start);
    await clock.every(2_500);
    await clock.remind(1_000);
    const { written } = await rows(clock, async () => await advanceTo(clock, start + 1_500));
    const at = (after: number): number => start + after;
    expect(await clock.noted()).toEqual([`every ${at(1_000)}`]);
    // The field, the next run, and the alarm that is set to it.
    expect(written).toBe(3);
    await advanceTo(clock, start + 3_000);
    expect(await clock.noted()).toEqual([
      `every ${at(1_000)}`,
      `once ${at(2_000)}`,
      `every ${at(2_000)}`,
      `every ${at(3_000)}`,
    ]);
    expect(await clock.times()).toEqual([at(2_500)]);
  });

  it("run what is due now, and what that makes due", async () => {
    const clock = Object.from(env.CLOCK).byName("due");
    // What is due in a day is nothing that the platform runs by itself meanwhile.
    await advanceTo(clock, Date.now() + 86_400_000);
    await clock.countDown(3);
    expect(await runDue(clock)).toBe(3);
    expect(await runDue(clock)).toBe(0);
  });

  it("refuse a time that is none, or has passed", async () => {
    const clock = Object.from(env.CLOCK).byName("refused");
    for (const time of [Number.NaN, Date.now() - 1_000, new Date(Number.NaN)])
      expect(await errorOf(() => advanceTo(clock, time))).toBeInstanceOf(RangeError);
  });
});

describe.each([
  ["standard", env.ACCESSOR_THINGS],
  ["legacy", env.LEGACY_THINGS as unknown as typeof env.ACCESSOR_THINGS],
])("a Date of a test's fake clock (%s)", (_, namespace) => {
  afterEach(() => void vi.useRealTimers());

  it("is stored and tracked as any other, and what is stored goes on being one after it", async () => {
    const stub = namespace.getByName("fake clock");
    vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000_000_000 });
    const fake = new Date(1);
    await runInDurableObject(stub, (self) => {
      self.date = fake;
      self.date.setTime(2);
      self.any = [{ at: fake }];
      const id = self.schedule(60_000, self.run, { at: fake } as never);
      expect(self.schedules.get(id)?.input).toEqual({ at: fake });
      self.schedules.cancel(id);
    });
    await evict(stub);
    await runInDurableObject(stub, (self) => {
      expect([self.date.getTime(), JSON.stringify(self.any)]).toEqual([2, '[{"at":"1970-01-01T00:00:00.001Z"}]']);
      self.any = [fake];
      const [kept] = self.any as [Date];
      vi.useRealTimers();
      self.date = kept;
      kept.setTime(3);
      expect([self.date.getTime(), kept.getTime()]).toEqual([1, 3]);
    });
  });

  it("is refused where its class is the user's", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    class Later extends Date {}
    await runInDurableObject(namespace.getByName("fake subclass"), (self) => {
      expect(thrownBy(() => void (self.date = new Later(1)))).toMatchObject({ code: "not-persistable" });
    });
  });
});
