/** What `migrations([...])` promises, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import type { DurableBase } from "durable-base";
import type { Jobs } from "durable-base/jobs";
import { migrate, type Migration, migrations } from "durable-base/migrations";
import type { ListedPart } from "durable-base/part";
import * as Storage from "durable-base/storage";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { errorOf } from "../error-of.ts";
import { meterOf } from "../testing/fixtures/meter.ts";

/** What each fixture of these cases has. */
export interface Deployed {
  count: number;
  readonly jobs: Jobs;
  /** Adopts the key `title`. */
  title: string;
  /** As the constructor read it. */
  readonly titleAtFirst: string;
  /** The tables that each `onStart` found. */
  readonly tablesAtStart: string[][];
  /** Is awaited by `onStart`. */
  starting: (() => Promise<void>) | undefined;
  add(): void;
  run<R>(work: (self: this) => R): R;
  tables(): string[];
}

type AnyDeployed = Deployed & DurableBase;

const A: Migration = { id: "a", up: "create table a (n integer); insert into a values (1)" };
const B: Migration = { id: "b", up: "alter table a add column m; create table b (n)" };
const BROKEN: Migration = {
  id: "b",
  up: "create table b (n); insert into a values (2); insert into a (nosuch) values (3)",
};

/** The part `migrations()` with what the test has deployed last. */
export const deployedMigrations: ListedPart = {
  name: "migrations",
  attach: (object) => {
    const { deployed } = object.constructor as { deployed?: Migration[] };
    if (deployed !== undefined) migrations(deployed).attach(object);
  },
};

export function migrationCases(
  dialect: string,
  namespace: () => DurableObjectNamespace<AnyDeployed>,
  cls: { readonly name: string; deployed?: Migration[] },
): void {
  describe(`migrations(), ${dialect}`, () => {
    let stub: DurableObjectStub<AnyDeployed>;

    beforeEach(() => {
      stub = namespace().get(namespace().newUniqueId());
      cls.deployed = [];
    });

    /** As a deploy without an eviction: the very instance that failed goes on with another list. */
    const mend = (...list: Migration[]): void => void cls.deployed!.splice(0, Infinity, ...list);

    const deploy = async (list?: readonly Migration[]): Promise<void> => {
      // One that is not running cannot be evicted.
      await runInDurableObject(stub, () => {});
      await evictDurableObject(stub);
      if (list === undefined) delete cls.deployed;
      else cls.deployed = (list as Migration[] | null)?.slice() ?? (list as never);
    };
    const tables = async (): Promise<unknown> => await stub.tables();
    const inside = async <R>(work: (self: AnyDeployed, ctx: DurableObjectState) => R): Promise<Awaited<R>> =>
      await runInDurableObject(stub, async (self, ctx) => await self.run((self) => work(self, ctx)));
    const numbers = (): Promise<unknown> =>
      inside((_, { storage }) =>
        storage.sql
          .exec("select n from a")
          .toArray()
          .map(({ n }) => n),
      );

    it("run once each, in order, before onStart", async () => {
      await deploy([A, B]);
      expect(await tables()).toEqual(["a", "b"]);
      expect(await inside(({ tablesAtStart }) => tablesAtStart)).toEqual([["a", "b"]]);
      await evictDurableObject(stub);
      expect(await tables()).toEqual(["a", "b"]);
      expect(await numbers()).toEqual([1]);
    });

    it("run from where an object is, however old", async () => {
      await deploy();
      expect(await tables()).toEqual([]);
      await deploy([A]);
      expect(await tables()).toEqual(["a"]);
      await deploy([A, B]);
      expect(await tables()).toEqual(["a", "b"]);
      expect(await numbers()).toEqual([1]);
    });

    it("cost one row read per wake-up when all are applied, and none written", async () => {
      await deploy([A, B]);
      await tables();
      const rowsOf = (): Promise<[read: number, written: number]> =>
        runInDurableObject(stub, async (self, { storage }) => {
          const { read, written } = await meterOf(storage).during(() => self.run(() => {}));
          return [read, written];
        });
      // The fixture's own onStart reads some.
      await deploy();
      const [own] = await rowsOf();
      await deploy([A, B]);
      expect(await rowsOf()).toEqual([own + 1, 0]);
      expect(await rowsOf()).toEqual([0, 0]);
    });

    it("leave nothing of a failed one, give every entry the error, and let a fixed deploy go on", async () => {
      using _ = vi.spyOn(console, "error").mockImplementation(() => {});
      await deploy([A]);
      await inside((self) => (self.count = 5));
      await deploy([A, BROKEN]);
      for (const call of [tables, numbers, () => stub.fetch("http://o/").then(() => tables())]) {
        expect(await errorOf(call)).toMatchObject({ name: "DurableError", code: "migration-failed" });
      }
      const message = (await errorOf(tables)).message;
      expect(message).toContain(`${cls.name}: migrations: step "b", statement 3 of 3, failed`);
      expect(message).toContain("table a has no column named nosuch\n\ninsert into a (nosuch) values (3)");
      // Without entering it.
      const found = await runInDurableObject(stub, (_, { storage }) => [
        storage.sql.exec("select n from a").toArray(),
        storage.kv.get("durable-base:migrations"),
      ]);
      expect(found).toEqual([[{ n: 1 }], { format: 1, applied: [expect.objectContaining({ id: "a" })] }]);
      mend(A, B);
      expect(await tables()).toEqual(["a", "b"]);
      expect(await inside(({ count }) => count)).toBe(5);
    });

    it("use up no alarm when they fail: the jobs run when a deploy has mended them", async () => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
      const told = vi.spyOn(console, "error").mockImplementation(() => {});
      try {
        await deploy([A]);
        await inside((self) => void self.jobs.schedule(1_000, self.add));
        await deploy([A, BROKEN]);
        for (let n = 0; n < 20; n++) {
          await runInDurableObject(stub, async (self, { storage }) => {
            const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
            const at = (await native.getAlarm.call(storage))!;
            vi.setSystemTime(Math.max(at, Date.now()));
            await self.alarm!();
            expect(await native.getAlarm.call(storage)).toBeGreaterThan(Date.now());
          });
        }
        expect(told).toHaveBeenCalledTimes(20);
        await deploy([A, B]);
        vi.setSystemTime(Date.now() + 3_600_000);
        await runInDurableObject(stub, async (self) => await self.alarm!());
        expect(await inside((self) => self.count)).toBe(1);
      } finally {
        vi.useRealTimers();
        told.mockRestore();
      }
    });

    it("tell HTTP nothing but their code", async () => {
      using _ = vi.spyOn(console, "error").mockImplementation(() => {});
      await deploy([{ id: "secret", up: "insert into nowhere values ('password')" }]);
      const response = await stub.fetch("http://o/tables");
      expect(response.status).toBe(500);
      expect(await response.json()).toEqual({
        type: "about:blank",
        title: "Internal Server Error",
        status: 500,
        code: "migration-failed",
      });
    });

    it("refuse a list that is not what was applied, and change nothing", async () => {
      await deploy([A, B]);
      await tables();
      const more: Migration = { id: "c", up: "create table c (n)" };
      const cases: [code: string, part: string, migrations: readonly Migration[]][] = [
        ["migration-changed", `step "a"`, [{ id: "a", up: `${A.up as string}; drop table a` }, B]],
        ["migration-changed", `step "a"`, [{ id: "a", up: () => {} }, B]],
        ["migration-missing", `"a" was applied`, [B]],
        ["migration-missing", `"a" was applied`, [B, A]],
        ["migration-missing", `step 2 is "c", but "b"`, [A, more, B]],
        ["schema-newer", `step "b"`, [A]],
        ["schema-newer", `step "a"`, []],
        ["bad-migration", "no array", null as never],
      ];
      for (const [code, part, migrations] of cases) {
        await deploy(migrations);
        expect(await errorOf(tables)).toMatchObject({ code, message: expect.stringContaining(part) });
      }
      await deploy([A, B, more]);
      expect(await tables()).toEqual(["a", "b", "c"]);
      expect(await numbers()).toEqual([1]);
    });

    it("change what a field has adopted, also if the constructor has read it", async () => {
      await inside((self) => (self.title = "old"));
      await deploy([{ id: "title", up: ({ kv }) => kv.put("title", `${kv.get<string>("title")}, moved`) }]);
      expect(await inside(({ title, titleAtFirst }) => [titleAtFirst, title])).toEqual(["old", "old, moved"]);
      await inside((self) => (self.title += "!"));
      await evictDurableObject(stub);
      expect(await inside(({ title }) => title)).toBe("old, moved!");
    });

    it("change it by the functions of Storage too, which refuse that again afterwards", async () => {
      const first: Migration = { id: "put", up: (storage) => Storage.put(storage, "title", "put") };
      const stop: Migration = { id: "stop", up: "insert into nosuch values (1)" };
      const guarded = (): Promise<unknown> =>
        runInDurableObject(stub, async (_, ctx) => (await errorOf(() => Storage.put(ctx, "title", "x"))).message);
      await deploy([first, stop]);
      expect(await errorOf(tables)).toMatchObject({ message: expect.stringContaining("nosuch") });
      expect(await guarded()).toContain("persisted field title");
      await deploy([
        first,
        { id: "update", up: (storage) => void Storage.update<string>(storage, "title", (old) => `${old}!`) },
      ]);
      expect(await inside(({ title }) => title)).toBe("put!");
      expect(await guarded()).toContain("persisted field title");
      await deploy([...cls.deployed!, { id: "clear", up: (storage) => void Storage.clear(storage) }]);
      expect(await inside(({ title, titleAtFirst }) => [titleAtFirst, title])).toEqual(["put!", "none"]);
    });

    it("take back what a failed one changed of fields", async () => {
      await inside((self) => (self.count = 1));
      await inside((self, ctx) => {
        const migrations: Migration[] = [
          { id: "count", up: () => void (self.count = 2) },
          { id: "stop", up: "insert into nosuch values (1)" },
        ];
        self.count = 3;
        expect(() => migrate(ctx, migrations)).toThrow("nosuch");
        expect(self.count).toBe(3);
        migrate(ctx, migrations.slice(0, 1));
        expect(self.count).toBe(2);
      });
      await evictDurableObject(stub);
      mend({ id: "count", up: () => {} });
      expect(await inside(({ count }) => count)).toBe(2);
    });

    it("run again after deleteAll, at the next entry, without another onStart", async () => {
      await deploy([A, B]);
      await tables();
      const before = await inside(async (self, { storage }) => {
        await storage.deleteAll();
        return self.tables();
      });
      expect(before).toEqual([]);
      expect(await tables()).toEqual(["a", "b"]);
      expect(await inside(({ tablesAtStart }) => tablesAtStart.length)).toBe(1);
      // Nobody waits for this one.
      await inside((_, { storage }) => void storage.deleteAll());
      expect(await tables()).toEqual(["a", "b"]);
      await evictDurableObject(stub);
      expect(await numbers()).toEqual([1]);
    });

    it("run again after a deleteAll in onStart, before the first entry", async () => {
      await deploy([A]);
      await runInDurableObject(stub, (self, { storage }) => {
        self.starting = () => storage.deleteAll();
      });
      expect(await tables()).toEqual(["a"]);
    });

    it("run again after deleteAll also when the first try fails", async () => {
      await deploy([A]);
      await inside((_, { storage }) => storage.deleteAll());
      mend(A, BROKEN);
      expect((await errorOf(tables)).message).toContain("nosuch");
      mend(A, B);
      expect(await tables()).toEqual(["a", "b"]);
    });
  });
}
