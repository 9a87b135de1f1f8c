/** What `this.schedule` and `this.jobs` promise of jobs that run once, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import type { ErrorCode } from "durable-base";
import { cron, type When } from "durable-base/jobs";
import { describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import {
  Clock,
  DAY,
  fire,
  HOUR,
  inside,
  listOf,
  logOf,
  MINUTE,
  refusalOf,
  changesOf,
  rowsOf,
  type JobHost,
  type JobNamespace,
  type JobStub,
} from "./jobs.ts";

export function scheduleCases(dialect: string, namespace: JobNamespace, alarms: JobNamespace): void {
  let nth = 0;
  const fresh = (): JobStub => namespace().getByName(`object ${nth++}`);

  describe(`${dialect} this.schedule`, () => {
    const clock = new Clock();

    it("is fired by the platform, at its millisecond or after it, with the object's name", async () => {
      vi.useRealTimers();
      const stub = fresh();
      const due = await inside(stub, (self) => {
        const time = Date.now() + 40;
        self.jobs.schedule(new Date(time), self.note, { text: "ran" });
        return time;
      });
      await evictDurableObject(stub);
      const seen: [number, string][] = [];
      await inside(stub, (self) => {
        self.hooks["ran"] = () => seen.push([Date.now(), self.name]);
      });
      await eventually(async () => expect(await logOf(stub)).toEqual(["ran"]));
      expect(seen[0]![0]).toBeGreaterThanOrEqual(due);
      expect(seen[0]![1]).toMatch(/^object \d+$/);
      expect(await rowsOf(stub)).toEqual([]);
    });

    it("shares the platform's alarm with the class's own, none early, each once", async () => {
      vi.useRealTimers();
      const stub = alarms().getByName(`object ${nth++}`);
      const late: number[] = [];
      await inside(stub, async (self, storage) => {
        const now = Date.now();
        const hook = (ms: number) => () => late.push(Date.now() - now - ms);
        self.hooks = { first: hook(30), alarm: hook(60), second: hook(90), third: hook(120) };
        self.jobs.schedule(new Date(now + 120), self.note, { text: "third" });
        self.jobs.schedule(new Date(now + 30), self.noteLater, { text: "first" });
        await storage.setAlarm(now + 60);
        self.jobs.schedule(new Date(now + 90), self.note, { text: "second" });
      });
      await eventually(async () => expect(await rowsOf(stub)).toEqual([]));
      expect(await logOf(stub)).toEqual(["first", "first, done", "alarm 0", "second", "third"]);
      expect(late.filter((ms) => ms < 0)).toEqual([]);
      expect(await clock.nativeOf(stub)).toBe(null);
    });

    it("runs 1,000 jobs in an alarm, and the rest in the next, at once", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        for (let n = 0; n < 1_500; n++) self.jobs.schedule(n, self.note, { text: `${n}` });
      });
      await clock.fireAt(stub, 5_000);
      expect((await logOf(stub)).length).toBe(1_000);
      expect(await clock.nativeOf(stub)).toBeLessThanOrEqual(5_000);
      await fire(stub);
      expect(await logOf(stub)).toEqual(Array.from({ length: 1_500 }, (_, n) => `${n}`));
      expect(await clock.nativeOf(stub)).toBe(null);
    });

    it("runs in its place what is scheduled, moved or cancelled while another runs", async () => {
      const stub = fresh();
      let end: (() => void) | undefined;
      await inside(stub, (self) => {
        for (const id of ["cancelled", "moved", "last"]) self.jobs.schedule(20, self.note, { text: id }, { id });
        self.hooks["slow"] = () => new Promise<void>((done) => (end = done));
        self.jobs.schedule(10, self.noteLater, { text: "slow" }, { id: "slow" });
      });
      clock.at(50);
      const running = fire(stub);
      await eventually(() => expect(end).toBeDefined());
      await inside(stub, (self) => {
        expect(self.jobs.get("slow")).toMatchObject({ state: "running" });
        self.jobs.cancel("cancelled");
        self.jobs.schedule(HOUR, self.note, { text: "moved" }, { id: "moved", replace: true });
        self.jobs.schedule(new Date(0), self.note, { text: "new" });
        self.jobs.cancel("slow");
        end!();
      });
      await running;
      expect(await logOf(stub)).toEqual(["slow", "slow, done", "last", "new"]);
      expect((await listOf(stub)).map(({ id }) => id)).toEqual(["moved"]);
      expect(await clock.nativeOf(stub)).toBe(50 + HOUR);
    });

    it("never runs what a sync job before it has cancelled, in the same turn", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.hooks["first"] = () => expect(self.jobs.cancel("cancelled")).toBe(true);
        for (const text of ["first", "cancelled", "last"]) self.jobs.schedule(1, self.note, { text }, { id: text });
      });
      await clock.fireAt(stub, 10);
      expect([await logOf(stub), await rowsOf(stub)]).toEqual([["first", "last"], []]);
    });

    it("runs what a transaction that was undone had cancelled, and nothing that it had scheduled", async () => {
      const stub = fresh();
      await runInDurableObject(stub, async (self: JobHost, { storage }) => {
        const began = Promise.withResolvers<void>();
        const going = Promise.withResolvers<void>();
        self.hooks["slow"] = () => {
          began.resolve();
          return going.promise;
        };
        self.run(() => {
          self.jobs.schedule(1, self.noteLater, { text: "slow" }, { id: "slow" });
          self.jobs.schedule(2, self.note, { text: "cancelled" }, { id: "cancelled" });
          self.jobs.schedule(HOUR, self.note, { text: "last" });
        });
        clock.at(10);
        const running = self.alarm!();
        await began.promise;
        const undone = self.run(() =>
          storage.transaction(async () => {
            self.jobs.cancel("cancelled");
            self.jobs.schedule(0, self.noteLater, { text: "never 1" });
            self.jobs.schedule(0, self.note, { text: "never 2" });
            // The job ends inside the transaction, and the next ones begin there.
            going.resolve();
            for (let n = 0; n < 100; n++) await Promise.resolve();
            throw new RangeError("undone");
          }),
        );
        await expect(undone).rejects.toThrow("undone");
        await running;
      });
      for (let n = 0; n < 3; n++) await fire(stub);
      const log = await logOf(stub);
      expect(log.filter((text) => text === "cancelled")).toEqual(["cancelled"]);
      expect(log).not.toContain("never 2");
      expect(await clock.nativeOf(stub)).toBe(HOUR);
    });

    it("reads few rows to run one job, however many wait", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule(1, self.note, { text: "due" });
        for (let n = 0; n < 100; n++) self.jobs.schedule(HOUR, self.note, { text: `${n}` });
      });
      clock.at(10);
      const read = await runInDurableObject(stub, async (self: JobHost, { storage: { sql } }) => {
        const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
        const exec = vi.spyOn(sql, "exec").mockImplementation((...args: Parameters<SqlStorage["exec"]>) => {
          const cursor = (Object.getPrototypeOf(sql) as SqlStorage).exec.apply(sql, args);
          cursors.push(cursor);
          return cursor as never;
        });
        await self.alarm!();
        exec.mockRestore();
        return cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
      });
      expect(await logOf(stub)).toEqual(["due"]);
      expect(read).toBeLessThanOrEqual(10);
    });

    it("reads one large input at a time, in the order of all jobs", async () => {
      const stub = fresh();
      const texts = [..."abcdefgh"].map((letter, nth) => letter.repeat(nth % 3 === 0 ? 1 : 500_000));
      await inside(stub, (self) => {
        for (const text of texts) self.jobs.schedule(1, self.note, { text });
      });
      clock.at(10);
      const most = await runInDurableObject(stub, async (self: JobHost, { storage: { sql } }) => {
        self.note = ({ text }) => void self.log.push(text.slice(0, 1));
        const sizes: number[] = [];
        const exec = vi.spyOn(sql, "exec").mockImplementation((...args: Parameters<SqlStorage["exec"]>) => {
          const cursor = (Object.getPrototypeOf(sql) as SqlStorage).exec.apply(sql, args);
          const toArray = cursor.toArray.bind(cursor);
          cursor.toArray = () => {
            const rows = toArray();
            sizes.push(JSON.stringify(rows).length);
            return rows;
          };
          return cursor;
        });
        await self.alarm!();
        exec.mockRestore();
        return Math.max(...sizes);
      });
      expect(await logOf(stub)).toEqual([..."abcdefgh"]);
      expect(most).toBeGreaterThan(500_000);
      expect(most).toBeLessThan(600_000);
    });

    it("runs a job whose retry says more than it knows", async () => {
      const stub = fresh();
      const retry = { maxAttempts: 1, note: "see the runbook", big: 1n, call: () => 0 };
      await inside(stub, (self) => self.jobs.schedule(1, self.note, { text: "ran" }, { retry }));
      await clock.fireAt(stub, 10);
      expect(await logOf(stub)).toEqual(["ran"]);
    });

    it("runs jobs as they are stored when the alarm comes", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        for (const [nth, id] of ["first", "changed", "deleted", "last"].entries())
          self.jobs.schedule(nth * HOUR, self.note, { text: id }, { id });
      });
      await clock.fireAt(stub, 10);
      await inside(stub, (_, { sql }) => {
        sql.exec(`update durable_base_jobs set input = '{"text":"changed by hand"}' where id = 'changed'`);
        sql.exec("delete from durable_base_jobs where id = 'deleted'");
      });
      await clock.fireAt(stub, HOUR);
      await clock.fireAt(stub, DAY);
      expect(await logOf(stub)).toEqual(["first", "changed by hand", "last"]);
    });

    it("runs each job once, in order of time and of scheduling, and sets the alarm to the next", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule(3_000, self.note, { text: "c" });
        self.jobs.schedule(1_000, self.note, { text: "a" });
        self.jobs.schedule(new Date(clock.start + 2_000), self.note, { text: "b1" });
        for (let n = 2; n < 12; n++) self.jobs.schedule(2_000, self.note, { text: `b${n}` });
      });
      expect(await clock.nativeOf(stub)).toBe(1_000);
      await clock.fireAt(stub, 999);
      expect(await logOf(stub)).toEqual([]);
      await clock.fireAt(stub, 2_000);
      const bs = Array.from({ length: 11 }, (_, n) => `b${n + 1}`);
      expect(await logOf(stub)).toEqual(["a", ...bs]);
      expect(await clock.nativeOf(stub)).toBe(3_000);
      await clock.fireAt(stub, 60_000);
      expect(await logOf(stub)).toEqual(["a", ...bs, "c"]);
      expect([await clock.nativeOf(stub), await rowsOf(stub)]).toEqual([null, []]);
    });

    it("undoes an atomic try that was given up while it waited for its turn: the job has its effect once", async () => {
      vi.useRealTimers();
      const stub = fresh();
      let release: (() => void) | undefined;
      await inside(stub, (self) => {
        self.hooks["hold"] = () => new Promise<void>((done) => (release = done));
      });
      const holding = stub.hold();
      await inside(stub, (self) => {
        const options = { timeout: 40, retry: { maxAttempts: 20, baseDelay: 0 } };
        self.jobs.schedule(0, self.wholeAlone, { text: "whole" }, options);
      });
      await eventually(() => expect(clock.errors.mock.calls.length).toBeGreaterThan(1));
      await inside(stub, () => release!());
      await holding;
      await eventually(async () => expect(await rowsOf(stub)).toEqual([]));
      await scheduler.wait(100);
      expect(await logOf(stub)).toEqual(["whole", "whole, done"]);
    });

    it("lets a job destroy its object: it and those behind it are gone, and the object goes on as new", async () => {
      vi.useRealTimers();
      const stub = fresh();
      const { id } = stub;
      const again = (): JobStub => namespace().get(id);
      const seen: string[] = [];
      await inside(stub, (self) => {
        self.hooks["end"] = () => {
          seen.push("end");
          self.destroy();
        };
        self.hooks["behind"] = () => seen.push("behind");
        for (const text of ["before", "end", "behind"]) self.jobs.schedule(30, self.note, { text });
      });
      await eventually(() => expect(seen).toEqual(["end"]));
      await eventually(async () => expect(await logOf(again())).toEqual([]));
      expect([await rowsOf(again()), await clock.nativeOf(again())]).toEqual([[], null]);
      await scheduler.wait(100);
      expect([await logOf(again()), seen]).toEqual([[], ["end"]]);
    });

    it("is refused in an object that has been destroyed, and its jobs go with it", async () => {
      vi.useRealTimers();
      const stub = fresh();
      const again = (): JobStub => namespace().get(stub.id);
      await inside(stub, (self) => void self.jobs.schedule(200, self.note, { text: "never" }, { id: "never" }));
      const parked = errorOf(() =>
        inside(stub, async (self) => {
          await scheduler.wait(5);
          self.jobs.schedule(1, self.note, { text: "late" });
        }),
      );
      await inside(stub, (self) => self.destroy());
      expect(await parked).toMatchObject({ code: "destroyed" });
      await eventually(async () => expect(await rowsOf(again())).toEqual([]));
      await scheduler.wait(250);
      expect(await logOf(again())).toEqual([]);
    });

    it("runs a job of the past, or of no delay, now", async () => {
      const stub = fresh();
      const times = await inside(stub, (self) => {
        const jobs = [new Date(0), new Date(clock.start - 1), 0, -5, 0.2].map((when) =>
          self.jobs.schedule(when, self.tick),
        );
        return jobs.map((id) => self.jobs.get(id)!.time.getTime() - clock.start);
      });
      expect(times).toEqual([0, 0, 0, 0, 1]);
      await clock.fireAt(stub, 1);
      expect(await logOf(stub)).toEqual(["tick", "tick", "tick", "tick", "tick"]);
    });

    it("costs a row to schedule and one to finish, whatever waits", async () => {
      const stub = fresh();
      // The native alarm is a row too, and so is the field of what runs.
      await inside(stub, (self) => self.jobs.schedule(5_000, self.tick));
      await inside(stub, (self) => {
        for (let n = 0; n < 500; n++) self.jobs.schedule(HOUR + n, self.tick);
      });
      expect(await changesOf(stub, (self) => self.run(() => self.jobs.schedule(6_000, self.tick)))).toBe(1);
      const ten = (self: JobHost): void => {
        for (let n = 0; n < 10; n++) self.jobs.schedule(7_000, self.tick);
      };
      expect(await changesOf(stub, (self) => self.run(() => ten(self)))).toBe(10);
      clock.at(5_000);
      expect(await changesOf(stub, (self) => self.alarm!())).toBe(3);
    });

    it("sets the native alarm once for all jobs of a stretch, and not for one that comes later", async () => {
      const stub = fresh();
      const sets = await runInDurableObject(stub, async (self: JobHost, { storage }) => {
        const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
        const before = await native.getAlarm.call(storage);
        self.run(() => {
          for (let n = 20; n > 0; n--) self.jobs.schedule(n * 1_000, self.tick);
        });
        // Within the same turn, so committed with the rows.
        for (let n = 0; n < 20; n++) await Promise.resolve();
        const after = await native.getAlarm.call(storage);
        return [before, after! - clock.start];
      });
      expect(sets).toEqual([null, 1_000]);
    });

    it("stores any input that storage can hold, copied at the call, tracked values too", async () => {
      const stub = fresh();
      const input = { date: new Date(5), map: new Map([[1, new Set(["x"])]]), bytes: new Uint8Array([1, 2]), big: 10n };
      await inside(stub, (self) => {
        self.log.push("logged");
        const given = structuredClone(input);
        self.jobs.schedule(0, self.keep, given);
        self.jobs.schedule(0, self.keep, self.log);
        self.jobs.schedule(0, self.keep, { inner: self.log });
        self.jobs.schedule(0, self.keep, null);
        self.jobs.schedule(0, self.keep, undefined);
        given.map.clear();
        self.log.push("later");
      });
      const seen: unknown[] = [];
      await inside(stub, (self) => void (self.hooks["keep"] = (given) => seen.push(given)));
      await fire(stub);
      expect(seen).toEqual([input, ["logged"], { inner: ["logged"] }, null, undefined]);
    });

    it.each<[string, unknown, string]>([
      ["a function", () => 1, "the input is a function"],
      ["one inside", { a: [1, { b: (): number => 1 }] }, "the input.a[1].b is a function"],
      ["one in a Map", new Map([["k", new Set([(): number => 1])]]), "the input.k.0 is a function"],
      ["a promise", { p: Promise.resolve() }, "the input.p is an instance of Promise, which cannot be stored"],
      ["an instance", [new (class Money {})()], "the input[0] is an instance of Money"],
      ["a stream", new ReadableStream(), "the input is an instance of ReadableStream"],
      ["a subclass of Map", { m: new (class Hits extends Map {})() }, "the input.m is an instance of Hits"],
      ["a subclass of Array", [[new (class Stack extends Array {})()]], "the input[0][0] is an instance of Stack"],
      ["a subclass of Date", new (class Zoned extends Date {})(0), "the input is an instance of Zoned"],
      ["a subclass of bytes", new (class Bytes extends Uint8Array {})(1), "the input is an instance of Bytes"],
      [
        "a Map with a property",
        Object.assign(new Map(), { n: 1 }),
        'the input is an instance of Map with the property "n"',
      ],
      ["a symbol", { s: Symbol("s") }, "the input holds something that cannot be stored"],
    ])("refuses %s as input", async (_, input, part) => {
      const stub = fresh();
      const message = await refusalOf(stub, "not-persistable", (self) => self.jobs.schedule(1, self.keep, input));
      expect(message).toContain(part);
    });

    it("stores what JSON can't hold: cycles, shared parts, and what looks like our own tag", async () => {
      const stub = fresh();
      const shared = { n: -0 };
      const inputs = [
        Object.assign({ shared, again: shared }, { self: {} as unknown }),
        { "durable-base": [["array"]] },
        { ["__proto__"]: { own: true }, hole: [1, undefined, NaN] },
        JSON.parse('{"__proto__": {"own": 1}}') as unknown,
        "\ud800",
        [],
        // Storage keeps the data, and calls nothing.
        { hidden: Object.defineProperty({ n: 1 }, "toJSON", { value: () => "lost" }) },
      ];
      (inputs[0] as { self: unknown }).self = inputs[0];
      await inside(stub, (self) => {
        for (const input of inputs) self.jobs.schedule(0, self.keep, input);
      });
      const seen: { self?: unknown; shared?: object; again?: object }[] = [];
      await inside(stub, (self) => void (self.hooks["keep"] = (given: never) => seen.push(given)));
      await fire(stub);
      expect(seen).toEqual(inputs.map((input) => structuredClone(input)));
      expect([seen[0]!.self === seen[0], seen[0]!.shared === seen[0]!.again]).toEqual([true, true]);
    });

    it("refuses what is too deep to be copied", async () => {
      let deep: unknown = "the end";
      for (let n = 0; n < 100_000; n++) deep = { deep };
      const message = await refusalOf(fresh(), "not-persistable", (self) => self.jobs.schedule(1, self.keep, deep));
      expect(message).toContain("(…, this.keep): the input is nested too deeply");
    });

    it("refuses what is too large", async () => {
      const schedule = (input: unknown) => (self: JobHost) => self.jobs.schedule(1, self.keep, input);
      await refusalOf(fresh(), "too-large", schedule("x".repeat(2_000_000)));
      // Three bytes each, and base64.
      await refusalOf(fresh(), "too-large", schedule("€".repeat(700_000)));
      await refusalOf(fresh(), "too-large", schedule(new Uint8Array(1_600_000)));
      await inside(fresh(), schedule("x".repeat(1_990_000)));
    });

    it.each<[unknown, ErrorCode]>([
      [NaN, "bad-time"],
      [Infinity, "bad-time"],
      [-Infinity, "bad-time"],
      [new Date(NaN), "bad-time"],
      [new Date(8.64e15), "bad-time"],
      [9e15, "bad-time"],
      ["tomorrow", "bad-time"],
      [undefined, "bad-time"],
      [null, "bad-time"],
      [{}, "bad-time"],
      [10n, "bad-time"],
      [{ every: 1 }, "bad-time"],
      [{ every: 999 }, "bad-time"],
      [{ every: 1_000.5 }, "bad-time"],
      [{ every: NaN }, "bad-time"],
      [{ every: Infinity }, "bad-time"],
      [{ every: 9_223_372_036_854 }, "bad-time"],
      [{ every: "1000" }, "bad-time"],
      [cron("0 0 0 1 1 * 2020"), "bad-cron"],
      [{ cron: "* * * * *" }, "bad-cron"],
    ])("refuses the time %s", async (when, code) => {
      expect(await refusalOf(fresh(), code, (self) => self.jobs.schedule(when as When, self.tick))).toMatch(
        /Jobs: jobs\.schedule/,
      );
    });

    it("says how to write a cron expression", async () => {
      const when = { cron: "* * * * *", timeZone: "UTC" } as When;
      expect(await refusalOf(fresh(), "bad-cron", (self) => self.jobs.schedule(when, self.tick))).toContain(
        '`cron("* * * * *")`, with `import { cron } from "durable-base/jobs"`',
      );
    });

    it("takes the last millisecond that the platform takes", async () => {
      const stub = fresh();
      const last = 9_223_372_036_854;
      await inside(stub, (self) => self.jobs.schedule(new Date(last), self.tick));
      expect((await clock.nativeOf(stub))! + clock.start).toBe(last);
    });

    it.each<[string, object, ErrorCode]>([
      ["an empty id", { id: "" }, "bad-key"],
      ["an id that is no string", { id: 5 }, "bad-key"],
      ["an id of a declaration's form", { id: "@tick" }, "bad-key"],
      ["a long id", { id: "x".repeat(1_025) }, "bad-key"],
      ["a number of tries in place of them", { retry: 3 }, "bad-option"],
      ["null in place of tries", { retry: null }, "bad-option"],
      ["no tries", { retry: { maxAttempts: 0 } }, "bad-option"],
      ["half a try", { retry: { maxAttempts: 1.5 } }, "bad-option"],
      ["a negative delay", { retry: { baseDelay: -1 } }, "bad-option"],
      ["an endless delay", { retry: { maxDelay: Infinity } }, "bad-option"],
      ["no time", { timeout: 0 }, "bad-option"],
      ["more time than an alarm has", { timeout: 900_000 }, "bad-option"],
      ["a time that is a text", { timeout: "60000" }, "bad-option"],
      ["another policy", { missed: "never" }, "bad-option"],
    ])("refuses %s", async (_, options, code) => {
      await refusalOf(fresh(), code, (self) => self.jobs.schedule(1, self.tick, undefined, options));
    });

    it("refuses a value that isn't a method of the class", async () => {
      const stub = fresh();
      for (const method of [(): void => {}, undefined, "tick", function tick(): void {}]) {
        const message = await refusalOf(stub, "unknown-method", (self) =>
          self.jobs.schedule(1, method as unknown as () => void),
        );
        expect(message).toContain("`this.#jobs.schedule(60_000, this.method)`");
      }
      const bound = (self: JobHost): (() => void) => self.tick.bind(self);
      await refusalOf(stub, "unknown-method", (self) => self.jobs.schedule(1, bound(self)));
    });

    it("is undone with what undoes the stretch, alarm and all", async () => {
      const stub = fresh();
      await inside(stub, (self, storage) => {
        expect(() =>
          storage.transactionSync(() => {
            self.jobs.schedule(1_000, self.tick);
            throw new Error("stop");
          }),
        ).toThrow("stop");
      });
      await inside(stub, async (self) => {
        self.hooks["undone"] = () => {
          self.jobs.schedule(1_000, self.tick);
          throw new Error("stop");
        };
        expect(() => self.whole({ text: "undone" })).toThrow("stop");
        await expect(self.wholeLater({ text: "undone" })).rejects.toThrow("stop");
      });
      expect([await clock.nativeOf(stub), await rowsOf(stub)]).toEqual([null, []]);
      await inside(stub, (self) => self.jobs.schedule(5_000, self.tick));
      await inside(stub, async (self) => {
        self.hooks["undone"] = async () => {
          self.jobs.schedule(1_000, self.tick);
          for (const { id } of self.jobs.list()) self.jobs.cancel(id);
          await scheduler.wait(1);
          throw new Error("stop");
        };
        await expect(self.wholeLater({ text: "undone" })).rejects.toThrow("stop");
      });
      expect([await clock.nativeOf(stub), (await rowsOf(stub)).length]).toEqual([5_000, 1]);
    });

    it("sees its jobs again when their table was dropped and that was undone", async () => {
      const stub = fresh();
      await inside(stub, async (self, storage) => {
        self.jobs.schedule(1, self.note, { text: "kept" }, { id: "kept" });
        const dropped = (): never =>
          storage.transactionSync(() => {
            storage.sql.exec("drop table durable_base_jobs");
            expect([self.jobs.list(), self.jobs.cancel("kept")]).toEqual([[], false]);
            throw new RangeError("undone");
          });
        expect(dropped).toThrow("undone");
        expect(self.jobs.get("kept")).toMatchObject({ id: "kept" });
      });
      await clock.fireAt(stub, 10);
      expect([await logOf(stub), await rowsOf(stub)]).toEqual([["kept"], []]);
    });

    it("is refused in the constructor, and works in onStart and outside entries", async () => {
      const stub = fresh();
      const [inTimer, listed] = await runInDurableObject(stub, async (self: JobHost) => {
        expect(self.refused).toMatchObject({ code: "changed-in-constructor" });
        const id = self.jobs.schedule(1_000, self.tick);
        return [id, self.jobs.get(id)!.state];
      });
      expect([inTimer.length, listed]).toEqual([26, "waiting"]);
      await evictDurableObject(stub);
      await runInDurableObject(stub, async (self: JobHost) => {
        self.starting = () => void self.jobs.schedule(500, self.tick, undefined, { id: "started" });
        await self.noteLater({ text: "called" });
      });
      expect((await listOf(stub)).map(({ id }) => id)).toEqual(["started", inTimer]);
      expect(await clock.nativeOf(stub)).toBe(500);
    });
  });

  describe(`${dialect} a job's id`, () => {
    const clock = new Clock();

    it("stands for one job: a second one changes nothing, unless it replaces the first", async () => {
      const stub = fresh();
      const ids = await inside(stub, (self) => [
        self.jobs.schedule(5_000, self.note, { text: "first" }, { id: "one" }),
        self.jobs.schedule(1_000, self.note, { text: "second" }, { id: "one" }),
      ]);
      expect(ids).toEqual(["one", "one"]);
      expect((await listOf(stub)).map(({ input }) => input)).toEqual([{ text: "first" }]);
      await inside(stub, (self) =>
        self.jobs.schedule(9_000, self.note, { text: "third" }, { id: "one", replace: true }),
      );
      expect(await clock.nativeOf(stub)).toBe(9_000);
      await inside(stub, (self) =>
        self.jobs.schedule({ every: 2_000 }, self.tick, undefined, { id: "one", replace: true }),
      );
      expect((await listOf(stub)).map(({ method, recurrence }) => [method, recurrence])).toEqual([
        ["tick", { every: 2_000 }],
      ]);
      await inside(stub, (self) => self.jobs.schedule(1_000, self.tick, undefined, { id: "one" }));
      expect((await listOf(stub)).map(({ recurrence }) => recurrence)).toEqual([{ every: 2_000 }]);
      await inside(stub, (self) => self.jobs.schedule(1_000, self.tick, undefined, { id: "one", replace: true }));
      await clock.fireAt(stub, HOUR);
      expect([await logOf(stub), await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([["tick"], [], null]);
    });

    it("keeps its job when what would replace it is refused", async () => {
      const stub = fresh();
      await inside(stub, (self) => self.jobs.schedule(5_000, self.note, { text: "first" }, { id: "one" }));
      for (const [when, input] of [
        [1, { s: Symbol("s") }],
        [1, (): void => {}],
        [NaN, {}],
        [{ every: 5 }, {}],
      ] as const) {
        await inside(stub, (self) => {
          expect(() => self.jobs.schedule(when, self.keep, input, { id: "one", replace: true })).toThrow(
            /Jobs: jobs\.schedule/,
          );
        });
      }
      expect((await listOf(stub)).map(({ input }) => input)).toEqual([{ text: "first" }]);
      expect(await clock.nativeOf(stub)).toBe(5_000);
    });

    it("that was made up can be replaced too", async () => {
      const stub = fresh();
      const id = await inside(stub, (self) => self.jobs.schedule(5_000, self.note, { text: "old" }));
      await inside(stub, (self) => self.jobs.schedule(1_000, self.note, { text: "new" }, { id, replace: true }));
      expect((await listOf(stub)).map((job) => [job.id, job.input])).toEqual([[id, { text: "new" }]]);
      await clock.fireAt(stub, HOUR);
      expect([await logOf(stub), await rowsOf(stub)]).toEqual([["new"], []]);
    });

    it("lets a job schedule itself again while it runs, and a failure of it then is the end of that run", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        for (const text of ["sync", "async"]) {
          const method = text === "sync" ? self.note : self.noteLater;
          self.hooks[text] = () => {
            self.jobs.schedule(1_000, method, { text }, { id: text });
            if (self.log.length > 4) throw new Error("stop");
          };
          self.jobs.schedule(0, method, { text }, { id: text });
        }
      });
      await clock.fireAt(stub, 0);
      await clock.fireAt(stub, 1_000);
      expect(await logOf(stub)).toEqual(["sync", "async", "async, done", "sync", "async"]);
      expect(
        (await listOf(stub)).map(({ id, attempts, time }) => [id, attempts, time.getTime() - clock.start]),
      ).toEqual([
        ["sync", 0, 2_000],
        ["async", 0, 2_000],
      ]);
      expect(await rowsOf(stub)).toEqual(["sync", "async"]);
    });

    it("is the same for each try, and told to the method, with the time it was to run", async () => {
      const stub = fresh();
      const seen: unknown[] = [];
      const id = await inside(stub, (self) => {
        self.hooks["seen"] = async () => {
          const { current } = self.jobs;
          await scheduler.wait(1);
          expect(self.jobs.current).toBe(current);
          seen.push([current!.id, current!.time.getTime() - clock.start, current!.attempt]);
          if (seen.length < 3) throw new Error("again");
        };
        expect(self.jobs.current).toBe(undefined);
        return self.jobs.schedule(1_000, self.noteLater, { text: "seen" });
      });
      await clock.fireAt(stub, 5_000);
      await clock.fireAt(stub, HOUR);
      await clock.fireAt(stub, 2 * HOUR);
      expect(seen).toEqual([1, 2, 3].map((attempt) => [id, 1_000, attempt]));
      expect(await rowsOf(stub)).toEqual([]);
    });

    it("finds a job to get, cancel and retry", async () => {
      const stub = fresh();
      const [auto, again] = await inside(stub, (self) => [
        self.jobs.schedule(5_000, self.note, { text: "auto" }),
        self.jobs.schedule({ every: 7_000 }, self.tick),
        self.jobs.schedule(6_000, self.tick, undefined, { id: "named" }),
      ]);
      const found = await inside(stub, (self) =>
        [auto!, again!, "named", "none", "x".repeat(26)].map((id) => {
          const job = self.jobs.get(id);
          return job && [job.id, job.method, job.input, job.state, job.time.getTime() - clock.start, job.recurrence];
        }),
      );
      expect(found).toEqual([
        [auto, "note", { text: "auto" }, "waiting", 5_000, undefined],
        [again, "tick", undefined, "waiting", 7_000, { every: 7_000 }],
        ["named", "tick", undefined, "waiting", 6_000, undefined],
        undefined,
        undefined,
      ]);
      expect(await inside(stub, (self) => self.jobs.retry(auto!))).toBe(true);
      expect(await clock.nativeOf(stub)).toBe(0);
      await clock.fireAt(stub, 1);
      expect([await logOf(stub), await clock.nativeOf(stub)]).toEqual([["auto"], 6_000]);
      const cancelled = await inside(stub, (self) =>
        [auto!, again!, "named", "named", "none"].map((id) => self.jobs.cancel(id)),
      );
      expect(cancelled).toEqual([false, true, true, false, false]);
      expect(await inside(stub, (self) => self.jobs.retry("named"))).toBe(false);
      expect([await rowsOf(stub), await clock.nativeOf(stub)]).toEqual([[], null]);
    });
  });

  describe(`${dialect} a job that fails`, () => {
    const clock = new Clock();

    it("is tried again after a random time that doubles, then kept as dead, and run again by retry", async () => {
      const stub = fresh();
      vi.spyOn(Math, "random").mockReturnValue(0.999_999);
      const retry = { maxAttempts: 4, baseDelay: 1_000, maxDelay: 3_000 };
      const id = await inside(stub, (self) => {
        self.hooks["bad"] = () => {
          throw new RangeError("out of luck");
        };
        return self.jobs.schedule(0, self.note, { text: "bad" }, { retry });
      });
      const delays: number[] = [];
      let now = 0;
      for (let n = 0; n < 4; n++) {
        await clock.fireAt(stub, now);
        const native = await clock.nativeOf(stub);
        if (native === null) break;
        delays.push(native - now);
        now = native;
      }
      expect(delays).toEqual([1_000, 2_000, 3_000]);
      expect(await clock.nativeOf(stub)).toBe(null);
      const [dead] = await listOf(stub);
      expect(dead).toMatchObject({ id, state: "dead", attempts: 4, error: "RangeError: out of luck", method: "note" });
      expect(dead!.time.getTime()).toBe(clock.start);
      expect(await logOf(stub)).toEqual(["bad", "bad", "bad", "bad"]);
      expect(clock.errors).toHaveBeenCalledTimes(4);
      await inside(stub, (self) => {
        self.hooks = {};
        expect(self.jobs.list({ state: "waiting" })).toEqual([]);
        expect(self.jobs.retry(id)).toBe(true);
        expect(self.jobs.get(id)).toMatchObject({ state: "waiting", attempts: 0, error: undefined });
      });
      await clock.fireAt(stub, now);
      expect([(await logOf(stub)).length, await rowsOf(stub)]).toEqual([5, []]);
    });

    it("waits up to 1 hour between its 10 tries by default, never longer than full jitter allows", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.hooks["bad"] = () => {
          throw new Error("no");
        };
        self.jobs.schedule(0, self.note, { text: "bad" });
      });
      let now = 0;
      let tries = 0;
      for (let native: number | null = 0; native !== null; native = await clock.nativeOf(stub)) {
        expect(native - now).toBeLessThanOrEqual(tries === 0 ? 0 : Math.min(HOUR, 2_000 * 2 ** (tries - 1)));
        now = native;
        // A delay of nothing runs in the same alarm.
        await clock.fireAt(stub, now);
        tries = (await logOf(stub)).length;
      }
      expect(tries).toBe(10);
    });

    it("without a delay is tried again at once, however often it has failed", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.hooks["bad"] = () => {
          throw new Error("no");
        };
        const retry = { maxAttempts: 2_000, baseDelay: 0 };
        self.jobs.schedule(1, self.note, { text: "bad" }, { id: "bad", retry });
        self.jobs.schedule(MINUTE, self.note, { text: "good" });
      });
      for (let n = 0; n < 3; n++) await clock.fireAt(stub, MINUTE);
      expect((await logOf(stub)).length).toBe(2_001);
      expect(await listOf(stub)).toMatchObject([{ id: "bad", state: "dead", attempts: 2_000 }]);
    });

    it("with an error that can't be read keeps no other from running", async () => {
      const stub = fresh();
      const unreadable = {
        getter: Object.defineProperty(new Error("no"), "message", {
          get() {
            throw new Error("a getter");
          },
        }),
        symbol: Object.assign(new Error("no"), { name: Symbol("name") }),
        bare: Object.create(null) as object,
        proxy: new Proxy(new Error("no"), {
          get() {
            throw new Error("a trap");
          },
          getPrototypeOf() {
            throw new Error("a trap");
          },
        }),
      };
      await inside(stub, (self) => {
        for (const [text, error] of Object.entries(unreadable)) {
          self.hooks[text] = () => {
            throw error;
          };
          self.jobs.schedule(1, self.note, { text }, { retry: { maxAttempts: 1 } });
          self.jobs.schedule(1, self.noteLater, { text }, { retry: { maxAttempts: 1 } });
        }
        self.jobs.schedule(1, self.note, { text: "good" });
      });
      await clock.fireAt(stub, 10);
      expect((await logOf(stub)).at(-1)).toBe("good");
      const dead = await listOf(stub);
      expect(dead.map(({ state, error }) => [state, typeof error])).toEqual(dead.map(() => ["dead", "string"]));
      expect(dead.length).toBe(8);
    });

    it("never keeps others from running, nor do they run before it", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        for (const text of ["x", "y"]) {
          self.hooks[text] = () => {
            throw new Error("no");
          };
        }
        self.jobs.schedule(1, self.note, { text: "x" });
        self.jobs.schedule(2, self.note, { text: "a" });
        self.jobs.schedule(3, self.noteLater, { text: "y" });
        self.jobs.schedule(4, self.noteLater, { text: "b" });
      });
      vi.spyOn(Math, "random").mockReturnValue(0.999_999);
      await clock.fireAt(stub, 10);
      expect(await logOf(stub)).toEqual(["x", "a", "y", "b", "b, done"]);
      expect((await listOf(stub)).map(({ input, attempts }) => [input, attempts])).toEqual([
        [{ text: "x" }, 1],
        [{ text: "y" }, 1],
      ]);
    });

    it("keeps its changes as a plain method does, and none as an atomic one", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.hooks["bad"] = () => {
          throw new Error("no");
        };
        const retry = { maxAttempts: 1 };
        for (const method of [self.note, self.whole, self.noteLater, self.wholeLater, self.wholeAlone])
          self.jobs.schedule(0, method, { text: "bad" }, { retry });
      });
      await clock.fireAt(stub, 10);
      expect(await logOf(stub)).toEqual(["bad", "bad"]);
      expect((await listOf(stub)).map(({ state, method }) => [state, method]).sort()).toEqual(
        ["note", "noteLater", "whole", "wholeAlone", "wholeLater"].map((method) => ["dead", method]),
      );
    });

    it("is undone with its row's end when it is async and atomic", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule(0, self.wholeLater, { text: "a" });
        self.jobs.schedule(1, self.wholeAlone, { text: "b" });
      });
      const sql = await runInDurableObject(stub, (_, { storage }) => storage.sql);
      const { exec } = sql;
      let refusals = 2;
      sql.exec = function (this: SqlStorage, query: string, ...values: unknown[]) {
        if (/^(?:delete|update)/.test(query) && refusals-- > 0) throw new Error("not now");
        return exec.call(this, query, ...values);
      } as never;
      vi.spyOn(Math, "random").mockReturnValue(0.999_999);
      // The first refusal ends the first job's transaction, the second one the note of its failure.
      await expect((async () => await clock.fireAt(stub, 10))()).rejects.toThrow("not now");
      expect(await logOf(stub)).toEqual([]);
      await clock.fireAt(stub, 20);
      expect(await logOf(stub)).toEqual(["a", "a, done", "b", "b, done"]);
      expect(await rowsOf(stub)).toEqual([]);
    });

    it("stopped in the middle runs again, alone", async () => {
      const name = `object ${nth++}`;
      let stub = namespace().getByName(name);
      await inside(stub, (self) => {
        self.jobs.schedule(0, self.noteLater, { text: "before" });
        self.jobs.schedule(1, self.noteLater, { text: "stopped" });
        self.jobs.schedule(2, self.note, { text: "after" });
      });
      clock.at(10);
      const stop = runInDurableObject(stub, async (self: JobHost, state) => {
        self.hooks["stopped"] = async () => {
          await scheduler.wait(1);
          state.abort("stopped");
        };
        await self.alarm!();
      });
      await expect(stop).rejects.toThrow("stopped");
      stub = namespace().getByName(name);
      expect((await listOf(stub)).map(({ input }) => input)).toEqual([{ text: "stopped" }, { text: "after" }]);
      await fire(stub);
      // What it had changed before its first await stays, as it is no atomic one.
      const again = ["stopped", "stopped, done"];
      expect(await logOf(stub)).toEqual(["before", "before, done", "stopped", ...again, "after"]);
    });

    it("fails when its changes cannot be written, and is kept", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        for (const method of [self.note, self.noteLater, self.whole, self.wholeLater])
          self.jobs.schedule(0, method, { text: "lost" }, { retry: { maxAttempts: 1 } });
      });
      await runInDurableObject(stub, async (self: JobHost, { storage: { kv } }) => {
        const { put } = kv;
        kv.put = (key, value) => {
          if (key === "durable-base:record") throw new Error("disk full");
          put.call(kv, key, value);
        };
        clock.at(10);
        await self.alarm!();
        kv.put = put;
      });
      expect(await logOf(stub)).toEqual([]);
      const dead = await listOf(stub);
      expect(dead.map(({ state }) => state)).toEqual(["dead", "dead", "dead", "dead"]);
      for (const { error } of dead) expect(error).toMatch(/^DurableError: .* could not be written/);
    });

    it("that never ends counts as failed after its time, and others go on", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.hooks["stuck"] = () => new Promise(() => {});
        self.jobs.schedule(0, self.noteLater, { text: "stuck" }, { timeout: 30, retry: { maxAttempts: 1 } });
        self.jobs.schedule(1, self.note, { text: "next" });
      });
      await clock.fireAt(stub, 10);
      expect(await logOf(stub)).toEqual(["stuck", "next"]);
      const [dead] = await listOf(stub);
      expect(dead).toMatchObject({ state: "dead", error: expect.stringContaining("over 30 ms") as string });
      expect(clock.errors).toHaveBeenCalledWith(
        expect.stringContaining("noteLater"),
        expect.objectContaining({ code: "job-timeout" }),
      );
    });

    it("whose method is missing is reported, kept, and runs when the class has it again", async () => {
      const stub = fresh();
      const deploy = (method?: unknown): Promise<void> =>
        runInDurableObject(stub, (self: JobHost) => {
          Object.defineProperty(self, "note", { value: method, configurable: true });
        });
      const id = await inside(stub, (self) => self.jobs.schedule(1_000, self.note, { text: "kept" }));
      await inside(stub, (self) =>
        self.jobs.schedule({ every: 1_000 }, self.note as () => void, undefined, { id: "again" }),
      );
      await deploy();
      expect((await listOf(stub)).map((job) => job.state)).toEqual(["missing", "missing"]);
      await clock.fireAt(stub, 1_000);
      await clock.fireAt(stub, 1_001);
      expect(clock.warnings).toHaveBeenCalledTimes(1);
      expect(clock.warnings).toHaveBeenCalledWith(expect.stringContaining("Jobs.note is scheduled"), expect.anything());
      expect(await clock.nativeOf(stub)).toBe(1_000 + MINUTE);
      let now = 0;
      for (let n = 0; n < 15; n++) await clock.fireAt(stub, (now = (await clock.nativeOf(stub))!));
      // It waits for as long again as it has waited, at most a day.
      expect((await clock.nativeOf(stub))! - now).toBe(DAY);
      const jobs = (await listOf(stub)).map((job) => [job.id, job.state, job.attempts]);
      expect(jobs.sort()).toEqual([
        [id, "missing", 0],
        ["again", "missing", 0],
      ]);
      expect(await logOf(stub)).toEqual([]);
      await evictDurableObject(stub);
      await inside(stub, (self) => expect(self.jobs.retry(id)).toBe(true));
      await clock.fireAt(stub, now + 1);
      expect(await logOf(stub)).toEqual(["kept"]);
      await runInDurableObject(stub, (self: JobHost) => {
        Object.defineProperty(self, "note", { value: () => self.log.push("again") });
      });
      await clock.fireAt(stub, now + DAY);
      expect(await logOf(stub)).toEqual(["kept", "again"]);
    });

    /** As workerd calls again what did not end; the job "deadly" stops the object. */
    const stoppedAt = async (stub: JobStub, ms: number, retryCount: number): Promise<void> => {
      clock.at(ms);
      await runInDurableObject(stub, async (self: JobHost, state) => {
        self.hooks["deadly"] = () => state.abort("out of memory");
        const info = { retryCount, isRetry: retryCount > 0, scheduledTime: clock.start + 1 };
        await self.alarm!(info as AlarmInvocationInfo);
      }).catch(() => {});
    };

    it("whose method became a getter that throws is kept as missing, and others run", async () => {
      const stub = fresh();
      await inside(stub, (self) => {
        self.jobs.schedule(1, self.tick);
        self.jobs.schedule(2, self.note, { text: "other" });
      });
      await runInDurableObject(stub, (self: JobHost) => {
        const get = (): never => {
          throw new Error("no method any more");
        };
        Object.defineProperty(self, "tick", { get });
      });
      await clock.fireAt(stub, 10);
      expect(await logOf(stub)).toEqual(["other"]);
      expect(await listOf(stub)).toMatchObject([{ method: "tick", state: "missing" }]);
    });

    it("that stops the object steps back when the alarm comes again, so that others run", async () => {
      const name = `object ${nth++}`;
      let stub = namespace().getByName(name);
      vi.spyOn(Math, "random").mockReturnValue(0.999_999);
      await inside(stub, (self) => {
        self.jobs.schedule(1, self.note, { text: "deadly" }, { id: "deadly", retry: { maxAttempts: 3 } });
        self.jobs.schedule(2, self.note, { text: "good" });
      });
      const stopped = async (ms: number, retryCount: number): Promise<void> => {
        await stoppedAt(stub, ms, retryCount);
        stub = namespace().getByName(name);
      };
      await stopped(10, 0);
      expect((await listOf(stub)).map(({ id, attempts }) => [id === "deadly", attempts])).toEqual([
        [true, 0],
        [false, 0],
      ]);
      await stopped(2_000, 1);
      const jobs = await listOf(stub);
      expect(jobs.map(({ id, attempts }) => [id === "deadly", attempts])).toEqual([
        [false, 0],
        [true, 1],
      ]);
      await clock.fireAt(stub, 3_000, { retryCount: 2, isRetry: true });
      expect(await logOf(stub)).toEqual(["good"]);
    });

    it("that stops the object costs no other a try, and is given up after its own", async () => {
      const name = `object ${nth++}`;
      const stub = (): JobStub => namespace().getByName(name);
      vi.spyOn(Math, "random").mockReturnValue(0);
      const once = { retry: { maxAttempts: 1 } };
      await inside(stub(), (self) => {
        for (const text of ["first", "deadly", "good"])
          self.jobs.schedule(1, self.note, { text }, { id: text, ...once });
        self.jobs.schedule({ every: DAY }, self.note as () => void, undefined, { id: "again", ...once });
      });
      await stoppedAt(stub(), 10, 0);
      const attempts: unknown[] = [];
      await inside(stub(), (self) => {
        self.hooks["first"] = () => attempts.push(self.jobs.current!.attempt);
      });
      await stoppedAt(stub(), 2_000, 1);
      expect(attempts).toEqual([1]);
      await clock.fireAt(stub(), 2_000, { retryCount: 2, isRetry: true });
      expect(await logOf(stub())).toEqual(["first", "good"]);
      expect(await inside(stub(), (self) => self.jobs.get("deadly"))).toMatchObject({
        state: "waiting",
        attempts: 1,
      });
      await clock.fireAt(stub(), (await clock.nativeOf(stub()))!);
      expect(await logOf(stub())).toEqual(["first", "good"]);
      expect(await listOf(stub())).toMatchObject([
        { id: "again", attempts: 0 },
        {
          id: "deadly",
          state: "dead",
          attempts: 1,
          error: expect.stringContaining("The object stopped while") as string,
        },
      ]);
    });

    it.each([
      ["when", '{ "every": 0 }'],
      ["when", '{ "every": "x" }'],
      ["when", "{}"],
      ["when", "5"],
      ["when", "null"],
      ["when", '{ "cron": 5, "timeZone": "UTC" }'],
      ["retry", '{ "baseDelay": "x" }'],
      ["timeout", '"x"'],
      ["time", '"x"'],
      ["attempts", '"x"'],
      ["missing", "{}"],
      ["method", "5"],
    ])("whose %s is damaged, as %s, keeps no other from running", async (property, json) => {
      const stub = fresh();
      await inside(stub, (self, { sql }) => {
        self.hooks["tick"] = () => {
          throw new Error("no");
        };
        self.jobs.schedule({ every: 1_000 }, self.tick, undefined, { id: "damaged" });
        sql.exec("update durable_base_jobs set job = json_set(job, ?, json(?))", `$.${property}`, json);
        self.jobs.schedule(1_000, self.note, { text: "good" });
      });
      await clock.fireAt(stub, 1_000);
      expect(await logOf(stub)).toEqual(["good"]);
      expect(await listOf(stub)).toMatchObject([{ id: "damaged", state: "unreadable" }]);
    });

    it("whose row is damaged is listed, can be cancelled, and keeps no other from running", async () => {
      const stub = fresh();
      const ids = await inside(stub, (self) =>
        ["a", "b", "c"].map((text, n) => self.jobs.schedule(n, self.note, { text })),
      );
      await runInDurableObject(stub, (_, { storage: { sql } }) => {
        sql.exec("update durable_base_jobs set job = substr(job, 2) where input like '%\"b\"%'");
      });
      expect((await inside(stub, (self) => self.jobs.list())).map(({ id, state }) => [id, state])).toEqual([
        [ids[0], "waiting"],
        [ids[1], "unreadable"],
        [ids[2], "waiting"],
      ]);
      await clock.fireAt(stub, 10);
      expect(await logOf(stub)).toEqual(["a", "c"]);
      expect(clock.errors).toHaveBeenCalledTimes(1);
      expect(await clock.nativeOf(stub)).toBe(null);
      await inside(stub, (self) => {
        expect(self.jobs.get(ids[1]!)).toMatchObject({ state: "unreadable" });
        expect([self.jobs.cancel(ids[1]!), self.jobs.list()]).toEqual([true, []]);
      });
    });
  });
}
