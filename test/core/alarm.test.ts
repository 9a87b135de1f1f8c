/** The alarm that parts share: `alarmOf` of `durable-base/part`. Jobs have tests of their own. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import type { Ticking, TickingToo } from "../jobs/fixtures/ticks.ts";

const MINUTE = 60_000;

describe("the alarm of a part", () => {
  const start = Date.UTC(2100, 0, 1);
  let nth = 0;
  const fresh = (): DurableObjectStub<Ticking> => env.TICKING.getByName(`ticking ${nth++}`);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: start });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  /** What the platform does at that time. */
  async function fireAt<T extends Ticking>(stub: DurableObjectStub<T>, ms: number, isRetry = false): Promise<void> {
    vi.setSystemTime(start + ms);
    await runInDurableObject(stub as DurableObjectStub<Ticking>, async (self) => {
      await (self as { alarm?(info: unknown): unknown }).alarm!({ retryCount: Number(isRetry), isRetry });
    });
  }

  /** When the native alarm comes. */
  async function nativeOf(stub: DurableObjectStub<Ticking>): Promise<number | null> {
    return await runInDurableObject(stub, async (_, { storage }) => {
      const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
      const at = await native.getAlarm.call(storage);
      return at === null ? null : at - start;
    });
  }

  it("comes at the part's time, once, and is set with what the part stores", async () => {
    const stub = fresh();
    await runInDurableObject(stub, ({ ticks }) => ticks.set(start + MINUTE));
    expect(await nativeOf(stub)).toBe(MINUTE);
    await evictDurableObject(stub);
    await runInDurableObject(stub, ({ ticks, log }) => {
      ticks.run = () => void log.push("ticked");
    });
    await fireAt(stub, MINUTE - 1);
    expect(await runInDurableObject(stub, ({ log }) => [...log])).toEqual([]);
    await fireAt(stub, MINUTE);
    expect(await runInDurableObject(stub, ({ log }) => [...log])).toEqual(["ticked"]);
    expect(await nativeOf(stub)).toBe(null);
  });

  it("is undone with what undoes the part's row", async () => {
    const stub = fresh();
    await runInDurableObject(stub, async ({ ticks }, { storage }) => {
      const undone = (): never =>
        storage.transactionSync(() => {
          ticks.set(start + MINUTE);
          throw new Error("undone");
        });
      expect(undone).toThrow("undone");
      await storage.transaction(async (txn) => {
        ticks.set(start + MINUTE);
        await scheduler.wait(1);
        txn.rollback();
      });
    });
    expect(await nativeOf(stub)).toBe(null);
  });

  it("runs what is due in order of time: parts, jobs and the class's own alarm", async () => {
    const stub = env.TICKING_TOO.getByName("shared");
    await runInDurableObject(stub, async ({ ticks, jobs, note, log }, { storage }) => {
      ticks.run = () => void log.push("ticked");
      ticks.set(start + 2 * MINUTE);
      await storage.setAlarm(start + 3 * MINUTE);
      for (const minutes of [1, 4]) jobs.schedule(minutes * MINUTE, note, `job ${minutes}`);
      await scheduler.wait(1);
      // The user's alone.
      expect(await storage.getAlarm()).toBe(start + 3 * MINUTE);
    });
    expect(await nativeOf(stub as never)).toBe(MINUTE);
    await fireAt<TickingToo>(stub, 3 * MINUTE);
    expect(await runInDurableObject(stub, ({ log }) => [...log])).toEqual(["job 1", "ticked", "alarm"]);
    expect(await nativeOf(stub as never)).toBe(4 * MINUTE);
  });

  it("comes again when it was lost", async () => {
    const stub = fresh();
    await runInDurableObject(stub, async ({ ticks }, { storage }) => {
      ticks.set(start + MINUTE);
      await scheduler.wait(1);
      const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
      await native.deleteAlarm.call(storage);
    });
    expect(await nativeOf(stub)).toBe(null);
    await evictDurableObject(stub);
    await stub.wake();
    expect(await nativeOf(stub)).toBe(MINUTE);
  });

  it("says that what runs steps back, when the platform calls again", async () => {
    const stub = fresh();
    const seen: boolean[] = [];
    await runInDurableObject(stub, ({ ticks }) => {
      ticks.run = (stepsBack) => void seen.push(stepsBack);
      ticks.set(start);
    });
    await fireAt(stub, 0, true);
    await runInDurableObject(stub, ({ ticks }) => ticks.set(start));
    await fireAt(stub, 0);
    expect(seen).toEqual([true, false]);
  });

  it("fails with a run that fails, and what is left comes with the next", async () => {
    const stub = fresh();
    await runInDurableObject(stub, ({ ticks }) => {
      ticks.run = async () => {
        ticks.set(start + MINUTE);
        throw new RangeError("no");
      };
      ticks.set(start);
    });
    expect(await errorOf(() => fireAt(stub, 0))).toMatchObject({ name: "RangeError" });
    expect(await nativeOf(stub)).toBe(MINUTE);
  });

  it("is tried again after a delay that doubles when a run fails and stays due, for as long as it fails", async () => {
    const stub = fresh();
    await runInDurableObject(stub, ({ ticks }) => {
      ticks.run = () => {
        ticks.set(start);
        throw new RangeError("no");
      };
      ticks.set(start);
    });
    const waits: number[] = [];
    for (let n = 0, at = 0; n < 9; n++, at = (await nativeOf(stub))!) {
      expect(await errorOf(() => fireAt(stub, at))).toMatchObject({ name: "RangeError" });
      waits.push((await nativeOf(stub))! - at);
    }
    expect(waits.map((ms) => ms! / 1_000)).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300]);
    await runInDurableObject(stub, ({ ticks, log }) => {
      ticks.run = () => void log.push("ticked");
    });
    await fireAt(stub, 60 * MINUTE);
    expect(await runInDurableObject(stub, ({ log }) => [...log])).toEqual(["ticked"]);
    expect(await nativeOf(stub)).toBe(null);
    // As if it had never failed.
    await runInDurableObject(stub, ({ ticks }) => {
      ticks.run = () => {
        ticks.set(start);
        throw new RangeError("no");
      };
      ticks.set(start);
    });
    await errorOf(() => fireAt(stub, 120 * MINUTE));
    expect(await nativeOf(stub)).toBe(120 * MINUTE + 2_000);
  });

  it("leaves setAlarm to classes with an alarm()", async () => {
    await runInDurableObject(fresh(), async (_, { storage }) => {
      expect(await errorOf(() => storage.setAlarm(start + 1))).toMatchObject({ code: "no-alarm-handler" });
    });
  });
});
