/** What jobs that come again, `@Scheduled` and the user's own alarm promise, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { cron, type Recurrence } from "durable-base/jobs";
import * as Transfer from "durable-base/transfer";
import { describe, expect, it, vi } from "vitest";
import type { AnyClass } from "../../src/core/plan.ts";
import { errorOf } from "../error-of.ts";
import {
  Clock,
  DAY,
  fire,
  HOUR,
  inside,
  listOf,
  logOf,
  MINUTE,
  changesOf,
  damage,
  rowsOf,
  type JobHost,
  type JobNamespace,
  type JobStub,
  declaredBy,
} from "./jobs.ts";

/** The classes of a dialect. */
interface Classes {
  readonly jobs: JobNamespace;
  readonly alarms: JobNamespace;
  readonly declared: JobNamespace;
}

export function recurringCases(dialect: string, { jobs, alarms, declared }: Classes): void {
  let nth = 0;
  const fresh = (namespace = jobs): JobStub => namespace().getByName(`again ${nth++}`);
  const timeOf = (stub: JobStub, id: string, { start }: Clock): Promise<number> =>
    inside(stub, (self) => self.jobs.get(id)!.time.getTime() - start);

  describe(`${dialect} this.schedule, again and again`, () => {
    const clock = new Clock();

    it("keeps a job that cannot be read, and says so", async () => {
      const stub = fresh();
      await inside(stub, (self) => self.jobs.schedule({ every: 10_000 }, self.tick, undefined, { id: "tick" }));
      await damage(stub, "tick");
      await clock.fireAt(stub, 10_000);
      expect(await inside(stub, (self) => self.jobs.get("tick"))).toMatchObject({ state: "unreadable", method: "" });
      expect(clock.errors).toHaveBeenCalledTimes(1);
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["tick"], null]);
      expect(await inside(stub, (self) => self.jobs.retry("tick"))).toBe(false);
      await runInDurableObject(stub, (_, { storage: { sql } }) => {
        sql.exec("update durable_base_jobs set job = '{' || job");
      });
      expect(await inside(stub, (self) => self.jobs.retry("tick"))).toBe(true);
      await clock.fireAt(stub, 20_000);
      expect(await logOf(stub)).toEqual(["tick"]);
      expect(await inside(stub, (self) => self.jobs.get("tick"))).toMatchObject({ state: "waiting" });
    });

    it("keeps to the scheduled times, however late it runs, for one row a run", async () => {
      const stub = fresh();
      await inside(stub, (self) => self.jobs.schedule({ every: 10_000 }, self.tick, undefined, { id: "tick" }));
      const times: unknown[] = [];
      await inside(stub, (self) => {
        self.hooks["tick"] = () => times.push(self.jobs.current!.time.getTime() - clock.start);
      });
      for (const ms of [9_999, 10_000, 20_007, 39_999, 40_000]) await clock.fireAt(stub, ms);
      expect(times).toEqual([10_000, 20_000, 30_000, 40_000]);
      expect(await clock.nativeOf(stub)).toBe(50_000);
      clock.at(50_000);
      // The field, the job and the native alarm.
      expect(await changesOf(stub, (self) => self.alarm!())).toBe(3);
    });

    it("keeps its times and its order when the clock jumps, forward and back", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule({ every: 10_000 }, self.tick, undefined, { id: "tick" });
        clock.at(5_000);
        self.jobs.schedule(new Date(clock.start + 25_000), self.note, { text: "first" });
        clock.at(-DAY);
        self.jobs.schedule(new Date(clock.start + 25_000), self.note, { text: "second" });
      });
      await clock.fireAt(stub, 10_000);
      await clock.fireAt(stub, -HOUR);
      await clock.fireAt(stub, 19_999);
      expect(await logOf(stub)).toEqual(["tick"]);
      expect(await clock.nativeOf(stub)).toBe(20_000);
      await clock.fireAt(stub, 30_500);
      expect(await logOf(stub)).toEqual(["tick", "tick", "first", "second"]);
      expect(await clock.nativeOf(stub)).toBe(40_000);
    });

    it.each([
      ["once", 1, 100_000],
      ["all", 9, 100_000],
      ["skip", 0, 100_000],
      [undefined, 1, 100_000],
    ] as const)("makes up for missed runs by the policy %s", async (missed, runs, next) => {
      const stub = fresh();
      await inside(stub, (self) =>
        self.jobs.schedule({ every: 10_000 }, self.tick, undefined, { id: "tick", ...(missed && { missed }) }),
      );
      await clock.fireAt(stub, 95_000);
      expect((await logOf(stub)).length).toBe(runs);
      expect([await timeOf(stub, "tick", clock), await clock.nativeOf(stub)]).toEqual([next, next]);
      await clock.fireAt(stub, 100_000);
      expect((await logOf(stub)).length).toBe(runs + 1);
    });

    it("leaves a run out by the policy skip when it is a minute late, or its interval", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule({ every: HOUR }, self.tick, undefined, { missed: "skip" });
        self.jobs.schedule({ every: 10_000 }, self.note as () => void, undefined, { missed: "skip", id: "short" });
        self.jobs.cancel("short");
      });
      await clock.fireAt(stub, HOUR + MINUTE - 1);
      expect(await logOf(stub)).toEqual(["tick"]);
      await clock.fireAt(stub, 2 * HOUR + MINUTE);
      expect(await logOf(stub)).toEqual(["tick"]);
      expect(await clock.nativeOf(stub)).toBe(3 * HOUR);
    });

    it("tries a run that fails again, gives only that run up, and goes on", async () => {
      const stub = fresh();
      vi.spyOn(Math, "random").mockReturnValue(0.999_999);
      await inside(stub, (self) => {
        self.hooks["tick"] = () => {
          throw new Error("no");
        };
        self.jobs.schedule({ every: HOUR }, self.tick, undefined, { id: "tick", retry: { maxAttempts: 2 } });
      });
      await clock.fireAt(stub, HOUR);
      expect(await inside(stub, (self) => self.jobs.get("tick"))).toMatchObject({
        attempts: 1,
        error: "Error: no",
      });
      expect(await clock.nativeOf(stub)).toBe(HOUR + 2_000);
      await clock.fireAt(stub, HOUR + 2_000);
      expect(await inside(stub, (self) => self.jobs.get("tick"))).toMatchObject({
        attempts: 0,
        error: "Error: no",
        state: "waiting",
      });
      expect(await clock.nativeOf(stub)).toBe(2 * HOUR);
      await inside(stub, (self) => void (self.hooks = {}));
      await clock.fireAt(stub, 2 * HOUR);
      expect(await inside(stub, (self) => self.jobs.get("tick"))).toMatchObject({ attempts: 0, error: undefined });
    });

    it("runs by cron in a time zone, also after daylight saving begins", async () => {
      const stub = fresh();
      clock.start = Date.parse("2027-03-26T12:00:00Z");
      clock.at(0);
      await inside(stub, (self) => {
        self.jobs.schedule(cron("30 9 * * *", { timeZone: "Europe/Berlin" }), self.tick, undefined, { id: "daily" });
      });
      const times: string[] = [];
      for (let n = 0; n < 3; n++) {
        const next = await timeOf(stub, "daily", clock);
        times.push(new Date(clock.start + next).toISOString());
        if (n === 1) await evictDurableObject(stub);
        await clock.fireAt(stub, next);
      }
      expect(times).toEqual(["2027-03-27T08:30:00.000Z", "2027-03-28T07:30:00.000Z", "2027-03-29T07:30:00.000Z"]);
      expect((await logOf(stub)).length).toBe(3);
      expect(await inside(stub, (self) => self.jobs.get("daily")!.recurrence)).toEqual({
        cron: "30 9 * * *",
        timeZone: "Europe/Berlin",
      });
    });

    it("ends with the last time of its expression", async () => {
      const stub = fresh();
      const year = new Date(clock.start).getUTCFullYear() + 1;
      await inside(stub, (self) => self.jobs.schedule(cron(`0 0 0 1 1 * ${year}`), self.tick));
      await clock.fireAt(stub, 400 * DAY);
      expect([await logOf(stub), await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["tick"], [], null]);
    });

    it.each(["once", "all"] as const)("runs now by retry, and at its next time all the same (%s)", async (missed) => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule({ every: HOUR }, self.tick, undefined, { id: "tick", missed });
        self.jobs.retry("tick");
      });
      await clock.fireAt(stub, 5);
      expect(await logOf(stub)).toEqual(["tick"]);
      expect(await clock.nativeOf(stub)).toBe(HOUR);
    });
  });

  describe(`${dialect} @Scheduled`, () => {
    const clock = new Clock();

    /** As a deploy of a class with other declarations, or none. */
    const deploy = async (stub: JobStub, changes: Record<string, Recurrence | undefined>): Promise<() => void> => {
      const cls = await runInDurableObject(stub, (self: JobHost) => self.constructor as AnyClass);
      const plan = declaredBy(cls);
      const before = [...plan];
      for (const [method, when] of Object.entries(changes)) {
        if (when === undefined) plan.delete(method);
        else plan.set(method, { when });
      }
      await evictDurableObject(stub);
      return () => {
        plan.clear();
        for (const [method, declaration] of before) plan.set(method, declaration);
      };
    };

    it("stores nothing for an object that was only read, and itself with the first write", async () => {
      const stub = fresh(declared);
      await inside(stub, (self) => self.log.length);
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([[], null]);
      await inside(stub, (self) => self.log.push("written"));
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["@sweep", "@nightly"], MINUTE]);
      expect((await listOf(stub)).map(({ id, method, isDeclared }) => [id, method, isDeclared])).toEqual([
        ["@sweep", "sweep", true],
        ["@nightly", "nightly", true],
      ]);
    });

    it("stores itself when the object is asked to, or schedules something", async () => {
      const [asked, scheduling] = [fresh(declared), fresh(declared)];
      await inside(asked, (self) => self.jobs.start());
      expect((await listOf(asked)).map(({ id }) => id)).toEqual(["@sweep", "@nightly"]);
      await inside(scheduling, (self) => self.jobs.schedule(5, self.tick));
      expect((await listOf(scheduling)).map(({ method }) => method)).toEqual(["tick", "sweep", "nightly"]);
    });

    it("is not stored by what is undone", async () => {
      const stub = fresh(declared);
      await inside(stub, async (self) => {
        self.hooks["x"] = () => {
          throw new Error("stop");
        };
        expect(() => self.whole({ text: "x" })).toThrow("stop");
        await expect(self.wholeLater({ text: "x" })).rejects.toThrow("stop");
      });
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([[], null]);
      await inside(stub, (self) => self.whole({ text: "y" }));
      expect(await rowsOf(stub)).toEqual(["@sweep", "@nightly"]);
    });

    it("runs at its times, and writes nothing at a wake-up", async () => {
      const stub = fresh(declared);
      await inside(stub, (self) => self.log.push("written"));
      await clock.fireAt(stub, MINUTE);
      await clock.fireAt(stub, 2 * MINUTE + 1);
      // 3 o'clock in Berlin is at most 26 hours away.
      const night = await timeOf(stub, "@nightly", clock);
      await evictDurableObject(stub);
      expect(await changesOf(stub, (self) => self.run(() => {}))).toBe(0);
      expect(await logOf(stub)).toEqual(["written", "sweep", "sweep"]);
      await clock.fireAt(stub, night);
      expect((await logOf(stub)).slice(3)).toEqual(["sweep", "nightly"]);
    });

    it("begins in an object written before it was declared, moves when changed, and goes with its declaration", async () => {
      const stub = fresh(declared);
      const undo = await deploy(stub, { sweep: undefined, nightly: undefined });
      try {
        await inside(stub, (self) => self.log.push("written"));
        expect(await rowsOf(stub)).toEqual([]);
        await deploy(stub, { sweep: { every: HOUR } });
        await inside(stub, (self) => self.log.length);
        expect(await clock.nativeOf(stub)).toBe(HOUR);
        clock.at(1_000);
        await deploy(stub, { sweep: { every: HOUR } });
        await inside(stub, (self) => self.log.length);
        expect(await clock.nativeOf(stub)).toBe(HOUR);
        await deploy(stub, { sweep: { every: DAY } });
        await inside(stub, (self) => self.log.length);
        expect(await clock.nativeOf(stub)).toBe(DAY + 1_000);
        await deploy(stub, { sweep: undefined });
        // Also when it is the alarm that wakes the object up.
        await clock.fireAt(stub, 2 * DAY);
        expect([await logOf(stub), await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["written"], [], null]);
      } finally {
        undo();
      }
    });

    it("cannot be cancelled, but tried again", async () => {
      const stub = fresh(declared);
      await inside(stub, (self) => {
        self.jobs.start();
        expect(() => self.jobs.cancel("@sweep")).toThrow("Remove the decorator");
        expect(self.jobs.retry("@sweep")).toBe(true);
      });
      await clock.fireAt(stub, 1);
      expect(await logOf(stub)).toEqual(["sweep"]);
      expect(await timeOf(stub, "@sweep", clock)).toBe(MINUTE);
    });

    it("is stored again after deleteAll", async () => {
      const stub = fresh(declared);
      await inside(stub, (self) => self.log.push("written"));
      await inside(stub, async (_, storage) => await storage.deleteAll());
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([[], null]);
      await inside(stub, (self) => self.log.push("again"));
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["@sweep", "@nightly"], MINUTE]);
    });
  });

  describe(`${dialect} the one alarm`, () => {
    const clock = new Clock();
    const set = (stub: JobStub, ms: number): Promise<void> =>
      inside(stub, (_, storage) => storage.setAlarm(clock.start + ms));
    const userOf = (stub: JobStub): Promise<number | null> =>
      inside(stub, async (_, storage) => {
        const at = await storage.getAlarm();
        return at === null ? null : at - clock.start;
      });

    it("is the user's own while there are no jobs, and costs no row", async () => {
      const stub = fresh(alarms);
      await set(stub, 1_000);
      expect([await userOf(stub), await clock.nativeOf(stub), await rowsOf(stub)]).toEqual([1_000, 1_000, []]);
      await inside(stub, (_, storage) => storage.deleteAlarm());
      expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([null, null]);
    });

    it("is shared: each comes at its time, and getAlarm answers the user's", async () => {
      const stub = fresh(alarms);
      await set(stub, 2_000);
      await inside(stub, (self) => {
        for (const ms of [1_000, 3_000, 5_000]) self.jobs.schedule(ms, self.note, { text: `job ${ms}` });
      });
      expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([2_000, 1_000]);
      await clock.fireAt(stub, 1_000);
      expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([2_000, 2_000]);
      await clock.fireAt(stub, 2_000);
      expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([null, 3_000]);
      await set(stub, 4_000);
      await clock.fireAt(stub, 4_500);
      expect(await logOf(stub)).toEqual(["job 1000", "alarm 0", "job 3000", "alarm 0"]);
      await set(stub, 9_000);
      expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([9_000, 5_000]);
      await clock.fireAt(stub, 5_000);
      // With the last job, the alarm is the user's again.
      expect([await userOf(stub), await clock.nativeOf(stub), await rowsOf(stub)]).toEqual([9_000, 9_000, []]);
    });

    it("is shared from the stretch in which the first job is scheduled, whatever is set in it", async () => {
      for (const first of ["job", "alarm"]) {
        const stub = fresh(alarms);
        await set(stub, 7_000);
        await inside(stub, async (self, storage) => {
          if (first === "job") self.jobs.schedule(1_000, self.tick);
          const done = storage.setAlarm(clock.start + 5_000);
          if (first === "alarm") self.jobs.schedule(1_000, self.tick);
          expect(await storage.getAlarm()).toBe(clock.start + 5_000);
          await done;
        });
        expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([5_000, 1_000]);
        await inside(stub, (_, storage) => storage.deleteAlarm());
        expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([null, 1_000]);
        await inside(stub, (self) => {
          for (const { id } of self.jobs.list()) self.jobs.cancel(id);
        });
        expect([await clock.nativeOf(stub), await rowsOf(stub)]).toEqual([null, []]);
      }
    });

    it("goes back to the user at the user's time, even when both that and the last job are overdue", async () => {
      for (const [job, user] of [
        [1_000, 2_000],
        [2_000, 1_000],
        [1_000, 9_000],
        [9_000, 1_000],
      ] as const) {
        const stub = fresh(alarms);
        clock.at(0);
        await inside(stub, (self) => self.jobs.schedule(job, self.tick, undefined, { id: "a" }));
        await set(stub, user);
        clock.at(3_000);
        await inside(stub, (self) => self.jobs.cancel("a"));
        expect([await userOf(stub), await clock.nativeOf(stub), await rowsOf(stub)]).toEqual([user, user, []]);
        // Taken over once more, by a job that is overdue too.
        await inside(stub, (self) => self.jobs.schedule(0, self.tick, undefined, { id: "b" }));
        expect(await userOf(stub)).toBe(user);
        await inside(stub, (self) => self.jobs.cancel("b"));
        expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([user, user]);
      }
    });

    it("keeps the user's overdue time when the last job is cancelled and another is scheduled in one entry", async () => {
      const stub = fresh(alarms);
      await inside(stub, (self) => self.jobs.schedule(1_000, self.tick, undefined, { id: "a" }));
      await set(stub, 2_000);
      clock.at(3_000);
      await inside(stub, async (self) => {
        self.jobs.cancel("a");
        await scheduler.wait(0);
        self.jobs.schedule(0, self.tick, undefined, { id: "b" });
      });
      expect(await userOf(stub)).toBe(2_000);
      await clock.fireAt(stub, 4_000);
      expect([await logOf(stub), await userOf(stub)]).toEqual([["alarm 0", "tick"], null]);
    });

    it("writes no row for the native alarm when an overdue job gives way to another", async () => {
      const stub = fresh(alarms);
      await inside(stub, (self) => {
        self.jobs.schedule(1_000, self.tick, undefined, { id: "a" });
        self.jobs.schedule(2_000, self.tick, undefined, { id: "b" });
      });
      clock.at(3_000);
      await inside(stub, (self) => self.jobs.cancel("a"));
      expect(await clock.nativeOf(stub)).toBe(1_000);
    });

    it("gives null inside the user's handler, where another can be set", async () => {
      const stub = fresh(alarms);
      const seen: (number | null)[] = [];
      await inside(stub, (self, storage) => {
        self.jobs.schedule(HOUR, self.tick);
        self.hooks["alarm"] = async () => {
          seen.push(await storage.getAlarm());
          if (seen.length > 1) return;
          await storage.setAlarm(Date.now());
          seen.push((await storage.getAlarm())! - clock.start);
        };
      });
      await set(stub, 1_000);
      await clock.fireAt(stub, 2_000);
      expect(seen).toEqual([null, 2_000, null]);
      expect([await logOf(stub), await userOf(stub)]).toEqual([["alarm 0", "alarm 0"], null]);
    });

    it("tries the user's handler again as the platform does, for whom jobs don't wait", async () => {
      const stub = fresh(alarms);
      await inside(stub, (self) => {
        self.hooks["alarm"] = () => {
          throw new Error("no");
        };
        self.jobs.schedule(HOUR, self.tick);
      });
      await set(stub, 1_000);
      const delays: number[] = [];
      let now = 1_000;
      for (;;) {
        await clock.fireAt(stub, now);
        const native = (await clock.nativeOf(stub))!;
        if (native === HOUR) break;
        delays.push(native - now);
        now = native;
      }
      expect(delays).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 64_000]);
      expect(await logOf(stub)).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `alarm ${n}`));
      expect(await userOf(stub)).toBe(null);
      await clock.fireAt(stub, HOUR);
      expect((await logOf(stub)).at(-1)).toBe("tick");
    });

    it("leaves a failing handler to the platform while there are no jobs, and not when it scheduled one", async () => {
      const [alone, with_] = [fresh(alarms), fresh(alarms)];
      await inside(alone, (self) => {
        self.hooks["alarm"] = () => {
          throw new RangeError("no");
        };
      });
      await expect((async () => await fire(alone))()).rejects.toThrow("no");
      await inside(with_, (self) => {
        self.hooks["alarm"] = () => {
          self.jobs.schedule(HOUR, self.tick);
          throw new RangeError("no");
        };
      });
      await fire(with_, { retryCount: 2 });
      expect([await userOf(with_), await clock.nativeOf(with_)]).toEqual([8_000, 8_000]);
    });

    it("brings the user's handler again that was stopped after it had scheduled a job", async () => {
      const name = `again ${nth++}`;
      let stub = alarms().getByName(name);
      const seen: unknown[] = [];
      await runInDurableObject(stub, async (self: JobHost, state) => {
        self.hooks["alarm"] = async () => {
          self.jobs.schedule(HOUR, self.tick);
          await state.storage.sync();
          state.abort("stopped");
        };
        await self.alarm!();
      }).catch((error: unknown) => seen.push(String(error)));
      expect(seen).toEqual(["Error: stopped"]);
      stub = alarms().getByName(name);
      expect(await clock.nativeOf(stub)).toBe(0);
      await clock.fireAt(stub, 5_000);
      expect(await logOf(stub)).toEqual(["alarm -", "alarm 0"]);
      expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([null, HOUR]);
    });

    it("lets a handler that stops the object step back, so that jobs run", async () => {
      const name = `again ${nth++}`;
      let stub = alarms().getByName(name);
      await inside(stub, (self) => self.jobs.schedule(2_000, self.tick));
      await set(stub, 1_000);
      for (const retryCount of [0, 1]) {
        clock.at(3_000);
        await runInDurableObject(stub, async (self: JobHost, state) => {
          self.hooks["alarm"] = () => state.abort("stopped");
          await self.alarm!({ retryCount, isRetry: retryCount > 0, scheduledTime: 0 } as AlarmInvocationInfo);
        }).catch(() => {});
        stub = alarms().getByName(name);
      }
      await clock.fireAt(stub, 3_001, { retryCount: 2, isRetry: true });
      expect([await logOf(stub), await userOf(stub)]).toEqual([["tick"], 5_000]);
    });

    it("runs what is due also when it is called by hand, in the turn that scheduled it", async () => {
      const stub = fresh();
      await runInDurableObject(stub, async (self: JobHost) => {
        self.jobs.schedule(0, self.tick);
        await self.alarm!();
      });
      expect([await logOf(stub), await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["tick"], [], null]);
    });

    it("is not used up by an object that cannot start: after 20 alarms every job runs", async () => {
      const stub = fresh(alarms);
      await inside(stub, (self) => {
        for (let n = 0; n < 5; n++) self.jobs.schedule(n, self.note, { text: `job ${n}` });
        self.jobs.schedule({ every: HOUR }, self.tick);
      });
      await set(stub, 3);
      await evictDurableObject(stub);
      await runInDurableObject(stub, async (self: JobHost, { storage }) => {
        const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
        self.starting = () => Promise.reject(new Error("not yet"));
        let last = 0;
        for (let n = 0; n < 20; n++) {
          const at = (await native.getAlarm.call(storage))!;
          vi.setSystemTime(Math.max(at, clock.start + 10));
          await self.alarm!();
          const next = (await native.getAlarm.call(storage))!;
          last = next - Date.now();
          expect(last).toBeGreaterThan(0);
          expect(last).toBeLessThanOrEqual(302_000);
        }
        self.starting = () => {};
        await self.alarm!();
      });
      expect(await logOf(stub)).toEqual(["job 0", "job 1", "job 2", "job 3", "alarm 0", "job 4"]);
      expect((await listOf(stub)).length).toBe(1);
    });

    it("goes on beside a damaged job", async () => {
      for (const method of ["note", "tick"]) {
        const stub = fresh(alarms);
        clock.at(0);
        await inside(stub, (self) => {
          self.jobs.schedule({ every: 10_000 }, self.tick, undefined, { id: "tick" });
          self.jobs.schedule(1_000, self.note, { text: "first" });
        });
        await damage(stub, method);
        await set(stub, 3_000);
        await inside(stub, (self) => self.jobs.schedule(2_000, self.note, { text: "second" }));
        await clock.fireAt(stub, 5_000);
        const log = await logOf(stub);
        expect(log).toEqual([...(method === "note" ? [] : ["first"]), "second", "alarm 0"]);
        await inside(stub, (self) => {
          for (const { id } of self.jobs.list()) expect(self.jobs.cancel(id)).toBe(true);
        });
        // What is left is the user's, whatever is damaged.
        await set(stub, 9_000);
        expect([await userOf(stub), await clock.nativeOf(stub)]).toEqual([9_000, 9_000]);
        await clock.fireAt(stub, 9_000);
        expect((await logOf(stub)).length).toBe(log.length + 1);
      }
    });

    it("is set again at the next wake-up when it was lost", async () => {
      const stub = fresh();
      await inside(stub, (self) => self.jobs.schedule(HOUR, self.tick));
      await inside(stub, async (_, storage) => {
        const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
        await native.deleteAlarm.call(storage);
      });
      expect(await clock.nativeOf(stub)).toBe(null);
      await evictDurableObject(stub);
      await inside(stub, () => {});
      expect(await clock.nativeOf(stub)).toBe(HOUR);
    });

    it("is set when jobs have been imported, and not while they are half there", async () => {
      const [source, target] = [fresh(declared), fresh(declared)];
      await inside(source, (self) => {
        self.log.push("written");
        self.jobs.schedule(30_000, self.note, { text: "imported" });
      });
      const text = await runInDurableObject(source, (_, ctx) => new Response(Transfer.export(ctx)).text());
      const load = (part: string): Promise<unknown> =>
        runInDurableObject(target, (_, ctx) => Transfer.import(ctx, new Response(part).body!));
      const cut = text.slice(0, text.slice(0, -1).lastIndexOf('\n["check"'));
      expect(await errorOf(() => load(text.slice(0, text.indexOf("\n", cut.length + 1) + 1)))).toMatchObject({
        code: "bad-transfer",
      });
      await evictDurableObject(target);
      expect([(await rowsOf(target)).length, await clock.nativeOf(target)]).toEqual([3, null]);
      await load(text);
      expect(await clock.nativeOf(target)).toBe(30_000);
      await clock.fireAt(target, MINUTE);
      expect(await logOf(target)).toEqual(["written", "imported", "sweep"]);
    });

    it("refuses setAlarm in a class without alarm()", async () => {
      const stub = fresh();
      const error = await inside(stub, (_, storage) => storage.setAlarm(1).catch((reason: unknown) => reason));
      expect(error).toMatchObject({
        code: "no-alarm-handler",
        message: expect.stringContaining("alarm() {") as string,
      });
    });

    it("takes the times that the platform takes, and refuses what it refuses, also when it is shared", async () => {
      for (const isShared of [false, true]) {
        const stub = fresh(alarms);
        if (isShared) await inside(stub, (self) => self.jobs.schedule(HOUR, self.tick));
        for (const time of [NaN, Infinity, -1, 0, 9_300_000_000_000, new Date(NaN)]) {
          const refused = await inside(stub, (_, storage) => storage.setAlarm(time).then(String, () => "refused"));
          expect([time, refused]).toEqual([time, "refused"]);
        }
        for (const [time, ms] of [
          [1, 0],
          [new Date(clock.start + 5), 5],
          [clock.start + 7.9, 7],
        ] as const) {
          await inside(stub, (_, storage) => storage.setAlarm(time));
          // The platform has its own clock, which no test moves.
          if (isShared || ms > 0) expect(await userOf(stub)).toBe(ms);
        }
      }
    });

    it("follows transactions, by whatever it is set", async () => {
      const stub = fresh(alarms);
      await set(stub, 9_000);
      const both = async (): Promise<unknown[]> => [await userOf(stub), await clock.nativeOf(stub)];
      await inside(stub, async (self, storage) => {
        const failing = storage.transaction(async (txn) => {
          self.jobs.schedule(1_000, self.tick);
          await scheduler.wait(1);
          await txn.setAlarm(clock.start + 3_000);
          expect([await txn.getAlarm(), await storage.getAlarm()]).toEqual([clock.start + 3_000, clock.start + 3_000]);
          throw new Error("stop");
        });
        await expect(failing).rejects.toThrow("stop");
      });
      expect([await both(), await rowsOf(stub)]).toEqual([[9_000, 9_000], []]);
      await inside(stub, async (self, storage) => {
        await storage.transaction(async (txn) => {
          self.jobs.schedule(1_000, self.tick);
          await scheduler.wait(1);
          self.jobs.schedule(500, self.tick);
          txn.rollback();
        });
      });
      expect([await both(), await rowsOf(stub)]).toEqual([[9_000, 9_000], []]);
      await inside(stub, (self, storage) => {
        storage.transactionSync(() => self.jobs.schedule(1_000, self.tick));
        expect(() =>
          storage.transactionSync(() => {
            void storage.deleteAlarm();
            for (const { id } of self.jobs.list()) self.jobs.cancel(id);
            throw new Error("stop");
          }),
        ).toThrow("stop");
      });
      expect(await both()).toEqual([9_000, 1_000]);
    });
  });
}
