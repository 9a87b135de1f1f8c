import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object as Objects } from "durable-base";
import { once } from "durable-base/once";
import * as Storage from "durable-base/storage";
import { describe, expect, it, vi } from "vitest";
import type { AccessorThings } from "../persisted/fixtures/persisted.ts";
import type { StandardAlarms, StandardDeclared } from "../jobs/fixtures/schedule.ts";

/** The work of a loop at each key. */
type Step<Self> = (self: Self, storage: DurableObjectStorage, key: string) => unknown;

const KEYS = ["row:1", "row:2", "row:3"];
const alarms = (): DurableObjectNamespace<StandardAlarms> => env.STANDARD_ALARMS;
const declared = (): DurableObjectNamespace<StandardDeclared> => env.STANDARD_DECLARED;
const things = (): DurableObjectNamespace<AccessorThings> => env.ACCESSOR_THINGS;
let nth = 0;

/** Runs `work` as an entry of an object that has the keys, woken anew. */
async function withKeys<Self extends StandardAlarms | StandardDeclared | AccessorThings, R>(
  namespace: () => DurableObjectNamespace<Self>,
  before: Step<Self>,
  work: (self: Self, storage: DurableObjectStorage) => R,
): Promise<void> {
  const stub = namespace().getByName(`loop ${nth++}`);
  type Runs = { run(work: (self: Self) => unknown): unknown };
  const inside = async (act: (self: Self, storage: DurableObjectStorage) => unknown): Promise<void> => {
    await runInDurableObject(stub as DurableObjectStub, async (self, { storage }) => {
      await (self as unknown as Runs).run((me) => act(me, storage));
    });
  };
  await inside(async (self, storage) => {
    for (const key of KEYS) storage.kv.put(key, 0);
    await before(self, storage, "");
  });
  await evictDurableObject(stub as DurableObjectStub);
  await inside(work);
}

/** Expects that a loop sees every key, both in one turn and when it waits at each key. */
async function survives<Self extends StandardAlarms | StandardDeclared | AccessorThings>(
  namespace: () => DurableObjectNamespace<Self>,
  step: Step<Self>,
  before: Step<Self> = () => {},
): Promise<void> {
  await withKeys(namespace, before, (self, storage) => {
    const seen: string[] = [];
    for (const [key] of storage.kv.list({ prefix: "row:" })) {
      seen.push(key);
      void step(self, storage, key);
    }
    expect(seen).toEqual(KEYS);
  });
  await waits(namespace, step, before);
}

/** Expects that a loop that waits at each key sees them all. */
async function waits<Self extends StandardAlarms | StandardDeclared | AccessorThings>(
  namespace: () => DurableObjectNamespace<Self>,
  step: Step<Self>,
  before: Step<Self> = () => {},
): Promise<void> {
  await withKeys(namespace, before, async (self, storage) => {
    const seen: string[] = [];
    for (const [key] of storage.kv.list({ prefix: "row:" })) {
      seen.push(key);
      await step(self, storage, key);
      await scheduler.wait(1);
    }
    expect(seen).toEqual(KEYS);
  });
}

const MINUTE = 60_000;
const hasJob: Step<StandardAlarms> = (self) => {
  for (let n = 0; n < 5; n++) self.jobs.schedule(MINUTE + n, self.tick, undefined, { id: `job ${n}` });
};

/** Waits until a job has run. */
async function ticks(self: StandardAlarms): Promise<void> {
  const before = self.log.length;
  self.jobs.schedule(0, self.tick);
  await vi.waitFor(() => expect(self.log.length).toBe(before + 1), { timeout: 10_000 });
}

describe("the user's loop over ctx.storage.kv.list()", () => {
  it("goes on when it schedules jobs", async () => {
    await survives(alarms, (self) => self.jobs.schedule(MINUTE, self.tick));
    await survives(alarms, (self) => self.jobs.schedule(MINUTE, self.tick), hasJob);
  });

  it("goes on when it schedules jobs by id, and recurring jobs", async () => {
    await survives(alarms, (self, _, key) =>
      self.jobs.schedule(MINUTE, self.tick, undefined, { id: key, replace: true }),
    );
    await survives(alarms, (self) => self.jobs.schedule({ every: MINUTE }, self.tick));
  });

  it.each<[string, Step<StandardAlarms>]>([
    ["sets the alarm", (_, storage) => storage.setAlarm(Date.now() + MINUTE)],
    ["asks for the alarm", (_, storage) => storage.getAlarm()],
    ["deletes the alarm", (_, storage) => storage.deleteAlarm()],
  ])("goes on when it %s, with and without jobs", async (_, step) => {
    await survives(alarms, step);
    await survives(alarms, step, hasJob);
  });

  it("goes on when it cancels jobs that aren't due first, and gets jobs", async () => {
    const after = (self: StandardAlarms): void => {
      hasJob(self, undefined as never, "");
      self.jobs.schedule(MINUTE / 2, self.tick);
    };
    const idOf = (key: string): string => `job ${KEYS.indexOf(key)}`;
    await survives(alarms, (self, _, key) => self.jobs.cancel(idOf(key)), after);
    await withKeys(alarms, hasJob, (self, storage) => {
      for (const [key] of storage.kv.list({ prefix: "row:" })) expect(self.jobs.cancel(idOf(key))).toBe(true);
    });
    await survives(alarms, (self, _, key) => self.jobs.get(idOf(key)), after);
  });

  it("goes on when it cancels the job that is due first, lists jobs, and waits while a job runs", async () => {
    await survives(alarms, (self, _, key) => self.jobs.cancel(`job ${KEYS.indexOf(key)}`), hasJob);
    await survives(alarms, (self) => self.jobs.list(), hasJob);
    await waits(alarms, ticks);
  });

  it("goes on at the first write of an object whose class declares jobs", async () => {
    await survives(declared, (self, _, key) => void self.log.push(key));
  });

  it("goes on when it changes fields of one row and of many", async () => {
    await survives(things, (self) => void self.count++);
    await survives(things, (self) => {
      self.count++;
      for (let n = 0; n < 200; n++) self.log.push({ at: new Date(n), by: n });
    });
  });

  it("goes on when fields of many rows are written inside an async transaction", async () => {
    await withKeys(
      things,
      () => {},
      async (self, storage) => {
        const seen: string[] = [];
        await storage.transaction(async () => {
          for (const [key] of storage.kv.list({ prefix: "row:" })) {
            seen.push(key);
            self.count++;
            for (let n = 0; n < 200; n++) self.log.push({ at: new Date(n), by: n });
            await scheduler.wait(1);
          }
        });
        expect(seen).toEqual(KEYS);
        expect([self.count, self.log.length]).toEqual([3, 600]);
      },
    );
  });

  it("goes on when it reads and writes by functions of Storage", async () => {
    await survives(alarms, (_, storage, key) => {
      Storage.putMany(storage, { other: 1 });
      expect(Storage.deleteMany(storage, ["other"])).toBe(1);
      expect([Storage.has(storage, key), Storage.getMany(storage, [key]).size]).toEqual([true, 1]);
    });
  });

  it("can do anything when it is over Storage.list()", async () => {
    await withKeys(alarms, hasJob, async (self, storage) => {
      const seen: string[] = [];
      for (const [key] of Storage.list(storage, { prefix: "row:" })) {
        seen.push(key);
        self.jobs.cancel(`job ${KEYS.indexOf(key)}`);
        await ticks(self);
        expect(self.jobs.list().length).toBeGreaterThan(0);
        Storage.has(storage, "nothing");
      }
      expect([seen, [...self.log]]).toEqual([KEYS, ["tick", "tick", "tick"]]);
    });
  });
});

describe("the user's loop over ctx.storage.kv.list(), and a transaction that is undone", () => {
  const undo = (storage: DurableObjectStorage, work: () => void = () => {}): void => {
    expect(() =>
      storage.transactionSync(() => {
        work();
        throw new Error("undone");
      }),
    ).toThrow("undone");
  };
  const first: Step<StandardAlarms> = (self) => void self.jobs.schedule(60_000, self.tick);

  it("goes on without a job, and once the object has had one", async () => {
    await survives(alarms, (_, storage) => undo(storage));
    await survives(
      alarms,
      (self, storage, key) => {
        undo(storage, () => void first(self, storage, key));
        first(self, storage, key);
        undo(storage);
      },
      first,
    );
  });

  it.each<[string, Step<StandardAlarms>]>([
    ["after it", (self, storage, key) => (first(self, storage, key), undo(storage))],
    ["in it", (self, storage, key) => undo(storage, () => void first(self, storage, key))],
  ])(
    "breaks in the turn in which the object's first job is scheduled, %s, as docs/storage.md says",
    async (_, step) => {
      await withKeys(
        alarms,
        () => {},
        (self, storage) => {
          const seen: string[] = [];
          expect(() => {
            for (const [key] of storage.kv.list({ prefix: "row:" })) {
              seen.push(key);
              void step(self, storage, key);
            }
          }).toThrow();
          expect(seen).toEqual(KEYS.slice(0, 1));
        },
      );
    },
  );

  it("goes on if an await is between the first job and the transaction", async () => {
    await waits(alarms, async (self, storage, key) => {
      first(self, storage, key);
      await scheduler.wait(1);
      undo(storage);
    });
  });
});

describe("the user's loop over ctx.storage.kv.list() when calls of once() arrive", () => {
  it("goes on", async () => {
    await waits(alarms, async (self, _, key) => {
      const handle = Objects.from(alarms() as never).byName(self.name) as unknown as { tick(): Promise<void> };
      await once(handle, key).tick();
      await once(handle, key).tick();
    });
  });
});
