/** The helpers of `durable-base/testing`, as a user's tests call them. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import * as Storage from "durable-base/storage";
import { advanceTo, crash, evict, rows, runDue } from "durable-base/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { isLong } from "../battery.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import type { Clock } from "../jobs/fixtures/clock.ts";
import { Tested } from "./fixtures/tested.ts";

const DAY = 86_400_000;

type TestedStub = ReturnType<typeof env.TESTED.getByName>;

/** The stubs and handles that a test may hold of an object. A handle's type says more than a native stub's. */
const KINDS: Record<string, (name: string) => TestedStub> = {
  "a handle of Object.from": (name) => Object.from(env.TESTED).byName(name) as unknown as TestedStub,
  "a handle of Tested.from": (name) => Tested.from(env.TESTED).byName(name) as unknown as TestedStub,
  "a native stub": (name) => env.TESTED.getByName(name),
};

/** Clocks that a test may run under, by how they are set. */
const CLOCKS: Record<string, () => void> = {
  "the real clock": () => {},
  "a Date fixed at 1970": () => void vi.setSystemTime(1),
  "a Date fixed at 2001": () => void vi.setSystemTime(new Date("2001-02-03T04:05:06.789Z")),
  "a Date fixed at 2100": () => void vi.setSystemTime(new Date("2100-01-01")),
  "a Date fixed at the present": () => void vi.setSystemTime(Date.now()),
  "fake timers at 1970": () => void vi.useFakeTimers({ now: 1 }),
  "fake timers at 2001": () => void vi.useFakeTimers({ now: new Date("2001-02-03T04:05:06.789Z") }),
  "fake timers at 2100": () => void vi.useFakeTimers({ now: new Date("2100-01-01") }),
  "fake timers at the present": () => void vi.useFakeTimers(),
  "a fake Date that goes on": () => void vi.useFakeTimers({ toFake: ["Date"], shouldAdvanceTime: true }),
};

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe.each(globalThis.Object.keys(CLOCKS))("under %s", (clock) => {
  it.each(globalThis.Object.keys(KINDS))("every helper works on %s", async (kind) => {
    const name = `${clock}, ${kind}`;
    const object = KINDS[kind]!(name);
    const times = async (): Promise<number[]> => (await object.seen()).map((text) => Number(text.split(" ")[1]));
    CLOCKS[clock]!();

    expect(await advanceTo(object, Date.now() + 1_000)).toBe(0);
    const start = Date.now();
    await object.plan("work", { delay: 60_000, times: 2 });
    await object.plan("work", { delay: 3 * DAY });
    await object.plan("work", { delay: 120_000, isAgain: true });
    expect(await advanceTo(object, start + 59_000)).toBe(0);
    await evict(object);
    expect(await advanceTo(object, start + 200_000)).toBe(2);
    const after = [60_000, 60_000, 120_000];
    expect((await times()).map((time) => Math.round((time - start) / 1_000) * 1_000)).toEqual(after);
    expect(Date.now()).toBeGreaterThanOrEqual(start + 200_000);
    expect(await runDue(object)).toBe(0);

    expect((await rows(object, () => object.add())).written).toBe(1);
    await crash(object);
    // The helpers go on with a native stub that is dead.
    await evict(object);
    expect(await advanceTo(object, new Date(start + 250_000))).toBe(1);
    await object.plan("work", { delay: 0 }).catch(async () => await KINDS[kind]!(name).plan("work", { delay: 0 }));
    expect(await runDue(object)).toBe(1);
    const fresh = KINDS[kind]!(name);
    expect([await fresh.add(), (await fresh.seen()).length, await fresh.called()]).toEqual([2, 5, name]);
  });

  it("an alarm of the object's own comes at its time, and not by itself", async () => {
    CLOCKS[clock]!();
    const [ours, native] = [env.CLOCK.getByName(clock), env.NATIVE_ALARM.getByName(clock)];
    expect([await advanceTo(ours, Date.now()), await advanceTo(native, Date.now())]).toEqual([0, 0]);
    const start = Date.now();
    await ours.every(1_000);
    await native.set(1_000);
    await scheduler.wait(20);
    expect([await ours.times(), await native.seen()]).toEqual([[], []]);
    expect(await runInDurableObject(ours, (_, { storage }) => storage.getAlarm())).toBe((await native.at())!);
    expect(await advanceTo(ours, Date.now() + 3_500)).toBe(3);
    expect(await runDue(native)).toBe(1);
    expect((await ours.times()).length).toBe(3);
    expect((await native.seen())[0]!).toBeGreaterThanOrEqual(start + 3_000);
  });
});

describe("an object that destroys itself", () => {
  it.each(globalThis.Object.keys(KINDS))("in a job ends there, by %s", async (kind) => {
    const object = KINDS[kind]!(`destroyed by its job, ${kind}`);
    await object.add();
    await object.plan("destroySelf", { delay: 1_000 });
    await object.plan("work", { delay: 2_000 });
    expect(await advanceTo(object, Date.now() + 5_000)).toBe(1);
    const next = KINDS[kind]!(`destroyed by its job, ${kind}`);
    expect([await next.add(), await next.seen()]).toEqual([1, []]);
    expect(await advanceTo(object, Date.now() + 5_000)).toBe(0);
  });

  it("in an async job ends there, and what is due in the next one runs", async () => {
    const object = Object.from(env.TESTED).byName("destroyed by its async job");
    await object.plan("destroyLater", { delay: 0 });
    await runDue(object);
    await object.plan("work", { delay: DAY });
    expect(await advanceTo(object, Date.now() + 2 * DAY)).toBe(1);
  });

  it.each(["evict", "crash", "rows", "runDue"] as const)("in a call just before doesn't hinder %s", async (name) => {
    const object = Object.from(env.TESTED).byName(`destroyed before ${name}`);
    await object.add();
    expect(await object.destroyLater()).toBe("destroyed");
    const helpers = { evict, crash, runDue, rows: async () => await rows(object, () => undefined) };
    await helpers[name](object);
    expect(await object.add()).toBe(1);
  });
});

describe("an alarm that fails", () => {
  it("rejects, and comes again after 2, 4, 8 seconds and so on, six times", async () => {
    vi.setSystemTime("2100-01-01");
    const object = env.NATIVE_ALARM.getByName("fails");
    await object.set(0);
    await object.fail();
    const start = Date.now();
    for (let n = 0; n < 7; n++)
      expect(String(await errorOf(() => advanceTo(object, start + 1_000_000)))).toContain("the alarm fails");
    expect(await advanceTo(object, start + 1_000_000)).toBe(0);
    const after = [0, 2_000, 6_000, 14_000, 30_000, 62_000, 126_000];
    expect(await object.tries()).toEqual(after.map((ms, n) => [start + ms, n]));
  });

  it("of a job that stops its object rejects, and the job steps back", async () => {
    vi.setSystemTime("2100-01-01");
    const object = Object.from(env.TESTED).byName("stopped by its job");
    await object.plan("stop", { delay: 1_000 });
    const end = Date.now() + DAY;
    // The first retry can't know if the job had begun, and doesn't count its try.
    for (const tried of [["1"], ["1", "1"], ["1", "1", "2"]]) {
      expect(String(await errorOf(() => advanceTo(object, end)))).toContain("stopped by its job");
      expect(await object.seen()).toEqual(tried);
    }
    await advanceTo(object, end);
    expect(await object.seen()).toEqual(["1", "1", "2", "3"]);
  });
});

describe("a job that schedules itself at once", () => {
  it.each(["endlessly", "endlesslyLater"] as const)("is an error and no endless loop: %s", async (method) => {
    const object = Object.from(env.TESTED).byName(method);
    await advanceTo(object, Date.now());
    await object.plan(method, { delay: 0 });
    const run = method === "endlessly" ? runDue(object) : advanceTo(object, Date.now() + DAY);
    expect(String(await errorOf(() => run))).toContain("Does one schedule itself at once?");
  });

  it("is one too where the object's own alarm does so", async () => {
    const clock = env.CLOCK.getByName("at once");
    await advanceTo(clock, Date.now());
    await clock.countDown(Infinity);
    expect(String(await errorOf(() => runDue(clock)))).toContain("Does one schedule itself at once?");
    await clock.countDown(0);
  });

  it("may run thousands of times over time", async () => {
    const object = Object.from(env.TESTED).byName("often");
    await advanceTo(object, Date.now());
    for (let n = 1; n <= 8; n++) await object.plan("add", { delay: n, times: 500 });
    expect(await advanceTo(object, Date.now() + 1_000)).toBe(8);
    expect(await object.add()).toBe(4_001);
  });
});

describe("a result that isn't disposed", () => {
  it("doesn't hinder crash, rows, runDue and advanceTo, and goes with the object", async () => {
    const object = Object.from(env.TESTED).byName("held");
    const result = await object.handOut();
    expect(await result.add()).toBe(1);
    expect((await rows(object, () => result.add())).written).toBe(1);
    await object.plan("work", { delay: 1_000 });
    expect(await advanceTo(object, Date.now() + 2_000)).toBe(1);
    expect(await result.ticket.number()).toBe(0);
    await crash(object);
    // It goes with the object.
    expect(await errorOf(async () => await result.add())).toBeInstanceOf(Error);
    expect(await object.add()).toBe(3);
  });

  it.each(globalThis.Object.keys(KINDS))("makes evict wait until it is, by %s", async (kind) => {
    const object = KINDS[kind]!(`waits, ${kind}`);
    const result = await object.handOut();
    let isEvicted = false;
    const evicted = evict(object).then(() => (isEvicted = true));
    await scheduler.wait(50);
    expect([isEvicted, await result.add()]).toEqual([false, 1]);
    (result as unknown as Disposable)[Symbol.dispose]();
    await evicted;
    expect(await object.add()).toBe(2);
  });

  // The platform takes 30 s for it.
  it.runIf(isLong)("makes evict fail when the platform gives up, with the reason", async () => {
    const object = Object.from(env.TESTED).byName("never disposed");
    using _ = (await object.handOut()) as unknown as Disposable;
    expect(String(await errorOf(() => evict(object)))).toContain("using result = await");
  });
});

describe("objects of every kind", () => {
  it.each(["\u{1F600} \n", "/?#%2F..", "__proto__", "ctx", "x".repeat(2_000), "a'b\"c`"])(
    "have names like %j",
    async (name) => {
      const object = env.TESTED.getByName(name);
      for (const helper of [evict, runDue, crash]) await helper(object);
      await evict(object);
      expect((await rows(object, () => env.TESTED.getByName(name).add())).result).toBe(1);
    },
  );

  it("may never have been called, or have no name", async () => {
    const made = [Object.from(env.TESTED).unique(), env.TESTED.get(env.TESTED.newUniqueId())] as TestedStub[];
    for (const object of [...made, env.NATIVE_BARE.getByName("never called")]) {
      expect(await runDue(object)).toBe(0);
      expect(await rows(object, () => 7)).toEqual({ result: 7, read: 0, written: 0 });
      await evict(object);
      await crash(object);
      await crash(object);
      await evict(object);
    }
  });

  it("may have nothing of ours", async () => {
    const object = env.NATIVE_ALARM.getByName("native");
    expect((await rows(object, () => object.put())).written).toBe(1);
    await evict(object);
    await evictDurableObject(object).catch(() => {});
    await crash(object);
    const next = env.NATIVE_ALARM.getByName("native");
    await next.set(500);
    expect(await advanceTo(next, Date.now() + DAY)).toBe(1);
  });

  it("may set an alarm in a transaction, which doesn't come by itself either", async () => {
    vi.setSystemTime("2001-02-03");
    const object = env.NATIVE_ALARM.getByName("in a transaction");
    await advanceTo(object, Date.now());
    const at = Date.now() + 1_000;
    await runInDurableObject(object, async (_, { storage }) => {
      await storage.transaction(async (transaction) => {
        await transaction.setAlarm(at);
        expect(await transaction.getAlarm()).toBe(at);
      });
      expect(await storage.getAlarm()).toBe(at);
    });
    await scheduler.wait(100);
    expect(await object.tries()).toEqual([]);
    expect(await advanceTo(object, at)).toBe(1);
    expect(await object.seen()).toEqual([at]);
  });

  it("may have no SQLite", async () => {
    const object = env.UNBACKED.getByName("without");
    await evict(object);
    const inside = (): Promise<void> => runInDurableObject(object, async (_, { storage }) => await storage.put("a", 1));
    expect((await rows(object, inside)).written).toBe(1);
    await crash(object);
    expect(await runDue(object)).toBe(0);
  });

  it("need an alarm() where they set one", async () => {
    const object = env.NATIVE_BARE.getByName("without alarm");
    await advanceTo(object, Date.now());
    await object.setAnyway();
    expect(String(await errorOf(() => runDue(object)))).toContain("NativeBare has set an alarm and has no alarm()");
  });
});

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

describe("the example of crash", () => {
  it("leaves no unhandled rejection", async () => {
    const order = Object.from(env.LOCKER).byName("example of crash");
    const failure = order.hang().catch((error: unknown) => error);
    await crash(order);
    expect(await failure).toMatchObject({ durableObjectReset: true });
  });

  it("does so with native stubs too, and with calls that have not reached the object yet", async () => {
    for (const calls of [1, 20]) {
      const order = env.LOCKER.getByName(`native example of crash ${calls}`);
      const failures = Array.from({ length: calls }, () => order.hang().catch((error: unknown) => error));
      await crash(order);
      for (const failure of failures) expect(await failure).toMatchObject({ durableObjectReset: true });
    }
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
    expect(String(await errorOf(() => rows(locker, () => evict(locker))))).toContain("was evicted or reset");
  });
});

describe("advanceTo and runDue", () => {
  it("wait for an alarm that the platform has begun", async () => {
    const object = Object.from(env.TESTED).byName("begun");
    await object.plan("workLater", { delay: 0 });
    await eventually(async () => expect(await object.seen()).toEqual(["begun"]));
    expect(await runDue(object)).toBe(0);
    expect(await object.seen()).toEqual(["begun", "ended"]);
  });

  it("say so when Date doesn't follow", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const object = Object.from(env.TESTED).byName("no date");
    expect(String(await errorOf(() => advanceTo(object, Date.now() + DAY)))).toContain("vi.useFakeTimers");
  });

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
    // The field, the next run with its id, and the alarm that is set to it.
    expect(written).toBe(4);
    await advanceTo(clock, start + 3_000);
    expect(await clock.noted()).toEqual([
      `every ${at(1_000)}`,
      `every ${at(2_000)}`,
      `once ${at(2_000)}`,
      `every ${at(3_000)}`,
    ]);
    expect(await clock.times()).toEqual([at(2_500)]);
  });

  it("show what jobs cost, as docs/schedules.md has it", async () => {
    const clock = Object.from(env.CLOCK).byName("cost");
    await advanceTo(clock, Date.now() + 86_400_000);
    const written = async (work: () => unknown): Promise<number> =>
      (await rows(clock, async () => await work())).written;
    const inside = (work: (self: Clock) => unknown) => (): Promise<unknown> =>
      runInDurableObject(env.CLOCK.getByName("cost"), (self) => work(self));
    // A job, the table and its index, and the alarm.
    expect(await written(inside(({ jobs, note }) => jobs.schedule(60_000, note, "")))).toBe(5);
    expect(await written(inside(({ jobs, note }) => jobs.schedule(70_000, note, "")))).toBe(1);
    expect(await written(inside(({ jobs, note }) => jobs.schedule(70_000, note, "", { id: "a" })))).toBe(2);
    expect(await written(inside(({ jobs, note }) => jobs.schedule({ every: 80_000 }, note, "")))).toBe(1);
    expect(await written(inside(({ jobs }) => jobs.cancel("a")))).toBe(1);
    expect(await written(inside(({ jobs }) => jobs.list()))).toBe(0);
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
      const id = self.jobs.schedule(60_000, self.run, { at: fake } as never);
      expect(self.jobs.get(id)?.input).toEqual({ at: fake });
      self.jobs.cancel(id);
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
