import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Object as Objects, Persisted } from "durable-base";
import { jobs } from "durable-base/jobs";
import { migrations } from "durable-base/migrations";
import { once } from "durable-base/once";
import * as Storage from "durable-base/storage";
import { advanceTo, connect, rows } from "durable-base/testing";
import * as Transfer from "durable-base/transfer";
import { afterEach, describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import { rest, take } from "../sockets/client.ts";
import type { StandardJobs } from "../jobs/fixtures/schedule.ts";
import { proxiedState, work, type WrappedLike } from "./fixtures/wrapped-data.ts";

type Wrapped = DurableObjectNamespace<WrappedLike>;

const classes: Record<string, Wrapped> = {
  "Proxies, standard decorators": env.PROXIED,
  "Proxies, legacy decorators": env.LEGACY_PROXIED,
  "Sentry 10, standard decorators": env.SENTRY_TEN,
  "Sentry 10, legacy decorators": env.LEGACY_SENTRY_TEN,
  "Sentry 11, standard decorators": env.SENTRY_ELEVEN,
  "Sentry 11, legacy decorators": env.LEGACY_SENTRY_ELEVEN,
};

describe.each(Object.keys(classes))("a class wrapped by %s", (kind) => {
  const namespace = classes[kind]!;
  let nth = 0;
  const fresh = (): DurableObjectStub<WrappedLike> => namespace.getByName(`${kind} ${nth++}`);
  const failing = (change: (self: WrappedLike) => unknown): string =>
    work((self) => {
      change(self);
      throw new RangeError("stop");
    });
  const change = (self: WrappedLike): void => {
    self.count++;
    self.list.push(self.count);
    self.state.storage.kv.put("raw", self.count);
  };
  const read = work((self) => [self.count, [...self.list], self.state.storage.kv.get("raw"), self.owned]);

  afterEach(() => void vi.useRealTimers());

  it("stores fields and knows its name", async () => {
    const stub = fresh();
    await stub.act(work((self) => (change(self), void (self.owned = "mine"))));
    expect(await stub.act(work((self) => self.name))).toBe(`${kind} ${nth - 1}`);
    await evictDurableObject(stub);
    expect(await stub.act(read)).toEqual([1, [1], 1, "mine"]);
  });

  it("commits and undoes sync @Atomic methods, nested ones alone", async () => {
    const stub = fresh();
    await stub.atomic(work(change));
    expect(await errorOf(async () => await stub.atomic(failing(change)))).toMatchObject({ message: "stop" });
    await stub.atomic(
      work((self) => {
        change(self);
        expect(() => self.atomic(failing(change))).toThrow("stop");
      }),
    );
    for (let n = 0; n < 2; n++) {
      expect(await stub.act(read)).toEqual([2, [1, 2], 2, ""]);
      await evictDurableObject(stub);
    }
  });

  it("commits and undoes async @Atomic methods, nested ones alone", async () => {
    const stub = fresh();
    const slowly = async (self: WrappedLike): Promise<void> => {
      change(self);
      await scheduler.wait(1);
    };
    const failingSlowly = work(async (self) => {
      await slowly(self);
      throw new RangeError("stop");
    });
    await stub.atomicLater(work(slowly));
    expect(await errorOf(async () => await stub.atomicLater(failingSlowly))).toMatchObject({ message: "stop" });
    await stub.atomicLater(
      work(async (self) => {
        await slowly(self);
        await expect(self.atomicLater(failingSlowly)).rejects.toThrow("stop");
      }),
    );
    for (let n = 0; n < 2; n++) {
      expect(await stub.act(read)).toEqual([2, [1, 2], 2, ""]);
      await evictDurableObject(stub);
    }
  });

  it("includes fields in the user's own transactions, and in deleteAll", async () => {
    const stub = fresh();
    await stub.later(
      work(async (self) => {
        const { storage } = self.state;
        storage.transactionSync(() => change(self));
        expect(() => storage.transactionSync(() => (change(self), failure()))).toThrow("stop");
        await expect(storage.transaction(async () => (change(self), failure()))).rejects.toThrow("stop");
        await storage.transaction(async (transaction) => (change(self), transaction.rollback()));
        expect([self.count, [...self.list]]).toEqual([1, [1]]);
        await storage.deleteAll();
        expect([self.count, [...self.list], storage.kv.get("raw")]).toEqual([0, [], undefined]);
      }),
    );
  });

  it("lets one @Exclusive call run at a time", async () => {
    const stub = fresh();
    const slow = work(async (self) => {
      const { count } = self;
      await scheduler.wait(2);
      self.count = count + 1;
    });
    await Promise.all([stub.alone(slow), stub.alone(slow), stub.alone(slow)]);
    expect(await stub.act(read)).toEqual([3, [], undefined, ""]);
  });

  it("runs jobs, declared ones and the user's alarm when the platform's alarm fires", async () => {
    const stub = fresh();
    await stub.act(
      work(async (self) => {
        self.jobs.schedule(5, self.remind, { text: "one" });
        self.jobs.schedule(6, self.remind, { text: "two" }, { id: "two" });
        await self.state.storage.setAlarm(Date.now() + 7);
        expect(self.jobs.list().map(({ method }) => method)).toEqual(["remind", "remind", "sweep"]);
        expect(await self.state.storage.getAlarm()).toBeGreaterThan(0);
      }),
    );
    await vi.waitFor(async () =>
      expect(await stub.act(work((self) => self.log.toSorted()))).toEqual(["alarm", "one", "two"]),
    );
    expect(await stub.act(work((self) => [self.count, self.jobs.list().length]))).toEqual([2, 1]);
    await advanceTo(stub, Date.now() + 3_600_000);
    expect(await stub.act(work((self) => self.log.at(-1)))).toBe("sweep");
  });

  it("cancels jobs and deletes the native alarm", async () => {
    const stub = fresh();
    const left = await stub.act(
      work(async (self) => {
        self.jobs.schedule(60_000, self.remind, { text: "never" }, { id: "never" });
        await scheduler.wait(1);
        return [self.jobs.cancel("never"), await self.state.storage.getAlarm()];
      }),
    );
    expect(left).toEqual([true, null]);
  });

  it("destroys itself, and the next call finds a new object", async () => {
    const handle = Objects.from(namespace).byName(`${kind} destroyed`);
    const destroys = work((self) => {
      change(self);
      self.jobs.schedule(60_000, self.remind, { text: "never" });
      self.destroy();
      return "answer";
    });
    expect(await handle.act(destroys)).toBe("answer");
    expect(await handle.act(read)).toEqual([0, [], undefined, ""]);
    const stub = namespace.getByName(`${kind} destroyed`);
    expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).toBeNull();
  });

  it("runs migrations once, and again after deleteAll", async () => {
    const stub = fresh();
    const notes = work((self) => {
      const { sql } = Storage;
      sql(self.state)`insert into notes values (${"hello"})`.run();
      return sql(self.state)`select text from notes`.all();
    });
    expect(await stub.act(notes)).toEqual([{ text: "hello" }]);
    await evictDurableObject(stub);
    expect(await stub.act(notes)).toHaveLength(2);
    await stub.later(work((self) => self.state.storage.deleteAll()));
    expect(await stub.act(notes)).toEqual([{ text: "hello" }]);
  });

  it("serves the functions of Storage, and guards the keys of fields", async () => {
    const stub = fresh();
    await stub.act(
      work((self) => {
        const { state } = self;
        for (const handle of [state, state.storage]) {
          Storage.put(handle, "a", 1);
          expect(Storage.get(handle, "a")).toBe(1);
          Storage.putMany(handle, { b: 2, c: 3 });
          expect([...Storage.list(handle)]).toEqual([
            ["a", 1],
            ["b", 2],
            ["c", 3],
          ]);
          expect(() => Storage.put(handle, "owned", "x")).toThrow("holds the persisted field owned");
          expect(Storage.clear(handle)).toBe(3);
          const inner = (): Promise<void> => Storage.transaction(handle, async () => {});
          expect(() => Storage.transaction(state.storage, () => void inner())).toThrow(
            "would run after the transaction",
          );
        }
      }),
    );
    expect(await Storage.update<number>(stub as never, "far", (n = 0) => n + 1)).toBe(1);
  });

  it("answers a repeated call under a key once", async () => {
    const handle = Objects.from(namespace).byName(`${kind} once`);
    const kept = once(handle as unknown as { add(by: number): Promise<number> }, "key");
    expect([await kept.add(2), await kept.add(2), await handle.act(read)]).toEqual([2, 2, [2, [], undefined, ""]]);
  });

  it("is exported and imported, and reads its fields again after that", async () => {
    const [source, target] = [fresh(), fresh()];
    await source.act(work((self) => (change(self), void (self.owned = "mine"))));
    const bytes = (await source.later(
      work(async (self) => new Response(Transfer.export(self.state)).arrayBuffer()),
    )) as ArrayBuffer;
    await target.later(
      work(async (self) => {
        expect(self.count).toBe(0);
        await Transfer.import(self.state, new Response(bytes).body!, { replace: true });
      }),
    );
    expect(await target.act(read)).toEqual([1, [1], 1, "mine"]);
  });

  it("is counted by the helpers for tests", async () => {
    const stub = fresh();
    await stub.add(1);
    expect(await rows(stub, () => stub.add(1))).toMatchObject({ result: 2, written: 1 });
    expect(await rows(stub, () => stub.atomicLater(work(change)))).toMatchObject({ written: 2 });
  });

  it("keeps what is hidden from stubs hidden", async () => {
    const stub = fresh() as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    for (const name of ["destroy", "name", "onStart"]) {
      expect(await errorOf(async () => await stub[name]!())).toBeInstanceOf(Error);
    }
  });

  it("syncs its state, and answers the calls of clients", async () => {
    const stub = fresh();
    const client = await connect<unknown[]>(stub, "/", { protocols: ["durable-base.sync.1"] });
    expect(await client.nextJson()).toEqual(["state", expect.any(String), 0, { count: 0 }]);
    for (const [id, count] of [
      [1, 2],
      [2, 4],
    ]) {
      client.send(["call", id, "add", 2]);
      expect(await client.nextJson()).toEqual(["mark", id]);
      expect((await client.nextJson())[1]).toEqual([["count"], count]);
      expect(await client.nextJson()).toEqual(["ok", id, count]);
      await evictDurableObject(stub);
    }
    expect(await errorOf(async () => await stub.atomic(failing((self) => self.count++)))).toMatchObject({
      message: "stop",
    });
    client.send(["call", 3, "add", "no number"]);
    expect(await client.nextJson()).toMatchObject(["error", 3, { code: "invalid-input" }]);
  });

  it("has sockets, whose handlers run as entries, through evictions and failures", async () => {
    const stub = fresh();
    const { name } = stub;
    const ann = await connect(stub, "/?user=ann");
    const bob = await connect(stub, "/?user=bob");
    ann.send("hello");
    for (const client of [ann, bob]) expect(await take(client, 1)).toEqual([`${name}: ann hello 1`]);
    await evictDurableObject(stub);
    bob.send("hi");
    for (const client of [ann, bob]) expect(await take(client, 1)).toEqual([`${name}: bob hi 2`]);
    const logged = vi.spyOn(console, "error").mockReturnValue();
    ann.send("fail");
    expect(await rest(ann)).toEqual([[1011, ""]]);
    expect(logged.mock.calls.flat()).toContainEqual(expect.objectContaining({ message: "secret internals" }));
    logged.mockRestore();
    expect(await take(bob, 1)).toEqual(["ann left"]);
    bob.close(1000, "done");
    expect(await rest(bob)).toEqual([[1000, "done"]]);
    expect(await stub.act(work((self) => [self.count, [...self.list]]))).toEqual([2, [1011, 1000]]);
  });
});

describe("a wrapper of the storage", () => {
  class Seen extends DurableBase {
    readonly jobs = jobs(this);
    static override parts = [migrations([{ id: "1-none", up: "create table none (id)" }])];
    @Persisted() accessor count = 0;

    get state(): DurableObjectState {
      return this.ctx;
    }

    async use(): Promise<void> {
      const { storage } = this.ctx;
      await storage.get("a");
      await storage.delete(["a", "b"]);
      await storage.setAlarm(Date.now() + 60_000);
      await storage.getAlarm();
      await storage.deleteAlarm();
      storage.transactionSync(() => this.count++);
      await storage.transaction(async () => void this.count++);
      this.jobs.schedule(60_000, this.use);
      await scheduler.wait(1);
      await storage.deleteAll();
    }

    override alarm(): void {}
  }

  it("sees each call of the user's functions once, and none of the library's transactions and alarms", async () => {
    await runInDurableObject(env.PROBE.getByName("seen"), async (_, state) => {
      const seen: string[] = [];
      const self = new Seen(
        proxiedState(state, (name) => seen.push(name)),
        env,
      );
      await scheduler.wait(0);
      await self.use();
      const users = ["setAlarm", "getAlarm", "deleteAlarm", "transactionSync", "transaction", "deleteAll"];
      expect(seen.filter((name) => users.includes(name))).toEqual(users);
      const { storage } = self.state;
      // Before, calls of `kv.get` and `kv.delete` were among them.
      seen.length = 0;
      await storage.get(["a"]);
      await storage.delete("a");
      expect(seen).toEqual(["get", "delete"]);
    });
  });
});

describe("an object whose alarm can't be set", () => {
  it("is reset, which undoes the job and rejects the call that scheduled it", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    const stub = (): DurableObjectStub<StandardJobs> => env.STANDARD_JOBS.getByName("no alarm");
    const native = await runInDurableObject(
      stub(),
      (_, { storage }) => Object.getPrototypeOf(storage) as DurableObjectStorage,
    );
    const broken = vi.spyOn(native, "setAlarm").mockRejectedValueOnce(new Error("broken"));
    const scheduled = runInDurableObject(stub(), async (self) => {
      self.run((own) => own.jobs.schedule(60_000, own.tick));
      await new Promise(() => {});
    });
    expect((await errorOf(() => scheduled)).message).toContain("this object's alarm could not be set");
    broken.mockRestore();
    expect(printed).toHaveBeenCalledOnce();
    printed.mockRestore();
    expect(await runInDurableObject(stub(), (self) => self.jobs.list())).toEqual([]);
  });
});

function failure(): never {
  throw new RangeError("stop");
}
