import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Persisted } from "durable-base";
import { jobs, type Jobs, Scheduled } from "durable-base/jobs";
import { describe, expect, it } from "vitest";
import { retireLive } from "../../src/core/live-instance.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { StandardLife } from "./fixtures/life.ts";
import { LegacyLife } from "../legacy/twins/life.ts";
import { work, type LifeLike } from "./fixtures/life-data.ts";
import { Proxied } from "./fixtures/wrapped.ts";
import { work as workOfWrapped } from "./fixtures/wrapped-data.ts";

type Class<T> = new (ctx: DurableObjectState, env: Cloudflare.Env) => T;

let nth = 0;

/** Runs `test` with the state of a new object that no instance of ours uses yet. */
async function withState(test: (state: DurableObjectState) => unknown): Promise<void> {
  await runInDurableObject(env.PROBE.getByName(`stale ${nth++}`), async (_, state) => void (await test(state)));
}

/** Makes an instance as the platform does: its constructor ends before its first call. */
async function born<T>(cls: Class<T>, state: DurableObjectState): Promise<T> {
  const self = new cls(state, env);
  await scheduler.wait(0);
  return self;
}

function fail(message: string): never {
  throw new Error(message);
}

const STALE = { name: "DurableError", code: "stale-instance" };
const push = (n: number): string => work((self) => void self.list.push(n));
const read = work((self) => [self.count, [...self.list]]);

describe.each<[string, Class<LifeLike>]>([
  ["standard", StandardLife],
  ["legacy", LegacyLife],
])("an instance whose object has a newer one (%s)", (_, cls) => {
  it("can't write its fields from stale memory", async () => {
    await withState(async (state) => {
      const older = await born(cls, state);
      await older.act(push(1));
      const { promise: edited, resolve: edit } = Promise.withResolvers<void>();
      const slow = older.later(work(async (self) => (await edited, self.list.push(3))));
      const newer = await born(cls, state);
      await newer.act(push(2));
      edit();
      expect(await errorOf(() => slow)).toMatchObject(STALE);
      expect(await (await born(cls, state)).act(read)).toEqual([0, [1, 2]]);
    });
  });

  it("ends a call that changes nothing with its result, and reads what is stored", async () => {
    await withState(async (state) => {
      const older = await born(cls, state);
      await older.act(read);
      const { promise: edited, resolve: edit } = Promise.withResolvers<void>();
      const slow = older.later(work(async (self) => (self.count, await edited, [self.count, [...self.list]])));
      await (await born(cls, state)).act(work((self) => (self.count++, self.list.push(1))));
      edit();
      expect(await slow).toEqual([1, [1]]);
    });
  });

  it("keeps changes that it made before the newer one was made", async () => {
    await withState(async (state) => {
      const older = await born(cls, state);
      let newer: LifeLike | undefined;
      await older.act(
        work((self) => {
          self.count = 5;
          newer = new cls(state, env);
          expect(thrownBy(() => self.count++)).toMatchObject(STALE);
        }),
      );
      await scheduler.wait(0);
      expect(await newer!.act(read)).toEqual([5, []]);
    });
  });

  it("takes no new call", async () => {
    await withState(async (state) => {
      const older = await born(cls, state);
      await older.act(push(1));
      const newer = await born(cls, state);
      for (const call of [() => older.act(read), () => older.later(read), () => older.atomic(read), () => older.got]) {
        expect(await errorOf(call)).toMatchObject(STALE);
      }
      expect(await newer.act(read)).toEqual([0, [1]]);
    });
  });

  it("can't schedule, cancel, destroy or begin a transaction", async () => {
    await withState(async (state) => {
      const older = await born(cls, state);
      const { promise: edited, resolve: edit } = Promise.withResolvers<void>();
      const tries: ((self: LifeLike) => unknown)[] = [
        (self) => self.jobs.schedule(60_000, self.act, "id"),
        (self) => self.jobs.cancel("id"),
        (self) => self.destroy(),
        (self) => self.atomic(read),
        (self) => self.atomicLater(read),
      ];
      const slow = older.later(
        work(async (self) => (await edited, Promise.all(tries.map((act) => errorOf(() => act(self)))))),
      );
      const newer = await born(cls, state);
      await newer.act(push(1));
      edit();
      for (const error of (await slow) as Error[]) expect(error).toMatchObject(STALE);
      await scheduler.wait(30);
      expect([await newer.act(read), await newer.storage.getAlarm()]).toEqual([[0, [1]], null]);
    });
  });

  it("undoes an @Atomic call that was open in it and writes again", async () => {
    await withState(async (state) => {
      const older = await born(cls, state);
      let newer: LifeLike | undefined;
      const open = work(async (self) => {
        self.count = 1;
        await scheduler.wait(1);
        newer = new cls(state, env);
        self.list.push(1);
      });
      expect(await errorOf(() => older.atomicLater(open))).toMatchObject(STALE);
      expect(newer!.birth).not.toBe(older.birth);
      expect(await (await born(cls, state)).act(read)).toEqual([0, []]);
    });
  });

  it("leaves transactions to the newer one, however many there were", async () => {
    await withState(async (state) => {
      for (let n = 1; n <= 4; n++) {
        const self = await born(cls, state);
        const undone = work((me) => {
          me.count = 100;
          throw new RangeError("stop");
        });
        await self.act(work((me) => void me.count++));
        expect(thrownBy(() => self.storage.transactionSync(() => self.act(undone)))).toMatchObject({ message: "stop" });
        expect(await errorOf(() => self.atomicLater(undone))).toMatchObject({ message: "stop" });
        expect(await self.act(read)).toEqual([n, []]);
      }
      await (await born(cls, state)).later(work((self) => self.storage.deleteAll()));
      expect(await (await born(cls, state)).act(read)).toEqual([0, []]);
    });
  });
});

describe("an instance whose object has a newer one", () => {
  class Bytes extends DurableBase {
    @Persisted() accessor bytes = new Uint8Array(4);
    @Persisted() accessor log: string[] = [];
    run<R>(act: (self: this) => R): R {
      return act(this);
    }
  }

  class Declared extends Bytes {
    readonly jobs: Jobs = jobs(this);
    @Scheduled({ every: 60_000 }) sweep(): void {
      this.log.push("sweep");
    }
    async slow(wait: Promise<void>): Promise<void> {
      await wait;
      this.log.push("slow");
    }
    async waits(wait: Promise<void>): Promise<void> {
      await wait;
    }
    override alarm(): void {}
  }

  /** Calls the alarm as the platform does. */
  async function fire(self: DurableBase): Promise<void> {
    await self.alarm!();
  }

  async function nativeAlarm({ storage }: DurableObjectState): Promise<number | null> {
    return await (Object.getPrototypeOf(storage) as DurableObjectStorage).getAlarm.call(storage);
  }

  it("can't write what was changed in place either", async () => {
    await withState(async (state) => {
      const older = await born(Bytes, state);
      const { promise: edited, resolve: edit } = Promise.withResolvers<void>();
      const slow = older.run(async (self) => {
        await edited;
        self.bytes[0] = 1;
      });
      const newer = await born(Bytes, state);
      newer.run((self) => void self.bytes.fill(2));
      edit();
      expect(await errorOf(() => slow)).toMatchObject(STALE);
      expect([...(await born(Bytes, state)).bytes]).toEqual([2, 2, 2, 2]);
    });
  });

  it.each<["waits" | "slow", string, unknown[]]>([
    ["waits", "finishes a job that runs in it and writes nothing more", []],
    ["slow", "leaves a job that fails in it as it was, for the newer one", [["slow", 0]]],
  ])("with the job %s, %s", async (name, _, left) => {
    await withState(async (state) => {
      const older = await born(Declared, state);
      const { promise: edited, resolve: edit } = Promise.withResolvers<void>();
      const { promise: began, resolve: begin } = Promise.withResolvers<void>();
      Object.assign(older, {
        [name]: () => (begin(), Declared.prototype[name].call(older, edited)),
      });
      older.run((self) => void self.jobs.schedule(0, self[name] as () => Promise<void>, undefined, { id: name }));
      await scheduler.wait(2);
      const alarm = fire(older);
      await began;
      const newer = await born(Declared, state);
      newer.run((self) => void self.log.push("newer"));
      edit();
      await alarm;
      const jobs = newer.run((self) => self.jobs.list().map(({ id, attempts }) => [id, attempts]));
      expect(jobs).toEqual([...left, ["@sweep", 0]]);
      expect([...newer.log]).toEqual(["newer"]);
      expect(await nativeAlarm(state)).toBeGreaterThan(0);
    });
  });

  it("no longer takes part in the alarm and in imports", async () => {
    await withState(async (state) => {
      class Timed extends Bytes {
        readonly jobs = jobs(this);
      }
      const older = await born(Timed, state);
      older.run((self) => void self.log.push("older"));
      expect(await errorOf(() => state.storage.setAlarm(Date.now() + 60_000))).toMatchObject({
        code: "no-alarm-handler",
      });
      const newer = await born(Declared, state);
      newer.run((self) => void self.log.push("newer"));
      await state.storage.setAlarm(Date.now() + 60_000);
      expect(await state.storage.getAlarm()).toBeGreaterThan(0);
    });
  });

  it("keeps a function with which other code has replaced its own on the storage", async () => {
    await withState(async (state) => {
      const older = await born(Bytes, state);
      const { storage } = state;
      const before = storage.transactionSync;
      let calls = 0;
      storage.transactionSync = <T>(work: () => T): T => {
        calls++;
        return before(work);
      };
      const newer = await born(Bytes, state);
      newer.run((self) => void self.log.push("newer"));
      expect(() =>
        storage.transactionSync(() => {
          newer.run((self) => void self.log.push("undone"));
          throw new RangeError("stop");
        }),
      ).toThrow("stop");
      expect([calls, [...newer.log]]).toEqual([1, ["newer"]]);
      expect(thrownBy(() => older.run(() => {}))).toMatchObject(STALE);
    });
  });

  it("is known to another copy of the library too", async () => {
    await withState(async (state) => {
      const older = await born(Bytes, state);
      const copy = "../../src/core/live-instance.ts?copy";
      const other = (await import(/* @vite-ignore */ copy)) as { retireLive: typeof retireLive };
      expect(other.retireLive).not.toBe(retireLive);
      other.retireLive(state.id);
      expect(thrownBy(() => older.run(() => {}))).toMatchObject(STALE);
    });
  });

  it("goes stale even when the newer one fails to be made, and the next one works", async () => {
    await withState(async (state) => {
      const older = await born(StandardLife, state);
      await older.act(push(1));
      let reads = 0;
      const failing = globalThis.Object.create(state, {
        storage: { get: () => (reads++ === 0 ? state.storage : fail("no storage")) },
      }) as DurableObjectState;
      expect(thrownBy(() => new StandardLife(failing, env)).message).toBe("no storage");
      expect(await errorOf(() => older.act(push(2)))).toMatchObject(STALE);
      expect(await (await born(StandardLife, state)).act(read)).toEqual([0, [1]]);
    });
  });

  it("is found through a ctx that is wrapped", async () => {
    await withState(async (state) => {
      const older = await born(Proxied, state);
      await older.act(workOfWrapped((self) => void self.count++));
      const newer = await born(Proxied, state);
      await newer.atomic(workOfWrapped((self) => void self.count++));
      const undone = workOfWrapped((self) => {
        self.count = 100;
        throw new RangeError("stop");
      });
      expect(thrownBy(() => newer.atomic(undone))).toMatchObject({ message: "stop" });
      expect(newer.act(workOfWrapped((self) => self.count))).toBe(2);
      expect(await errorOf(() => older.act(undone))).toMatchObject(STALE);
    });
  });

  it("isn't touched by an instance of another object", async () => {
    await withState(async (one) => {
      const older = await born(Bytes, one);
      await withState(async (other) => void (await born(Bytes, other)));
      older.run((self) => void self.log.push("on"));
      expect([...older.log]).toEqual(["on"]);
    });
  });
});
