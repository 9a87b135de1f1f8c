/** `Storage.sql` beside Drizzle and Kysely, in one object: the same tables, the same transactions. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/durable-sqlite";
import { migrate } from "drizzle-orm/durable-sqlite/migrator";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Storage } from "durable-base";
import { Kysely, type Generated } from "kysely";
import { describe, expect, it } from "vitest";
import { durableDialect } from "./kysely-dialect.ts";

const { sql } = Storage;

const users = sqliteTable("users", { id: integer().primaryKey(), name: text().notNull() });

interface Tables {
  users: { id: Generated<number>; name: string };
}

const inObject = (name: string, work: (ctx: DurableObjectState) => Promise<void>): Promise<void> =>
  runInDurableObject(env.COUNTER.getByName(name), async (_, ctx) => {
    sql(ctx)`create table users (id integer primary key, name text not null)`.run();
    await work(ctx);
  });

const names = (ctx: DurableObjectState): string[] =>
  sql<{ name: string }>(ctx)`select name from users order by id`.all().map(({ name }) => name);

describe("Drizzle", () => {
  it("reads and writes the tables of Storage.sql", async () => {
    await inObject("drizzle", async (ctx) => {
      const db = drizzle(ctx.storage);
      sql(ctx)`insert into users (name) values (${"alice"})`.run();
      db.insert(users).values({ name: "bob" }).run();
      expect(db.select().from(users).where(eq(users.name, "alice")).all()).toEqual([{ id: 1, name: "alice" }]);
      expect(names(ctx)).toEqual(["alice", "bob"]);
    });
  });

  it("is undone with Storage.transaction, and undoes it with its own", async () => {
    await inObject("drizzle transaction", async (ctx) => {
      const db = drizzle(ctx.storage);
      expect(() =>
        Storage.transaction(ctx, () => {
          db.insert(users).values({ name: "alice" }).run();
          throw new RangeError("stop");
        }),
      ).toThrow(RangeError);
      expect(() =>
        db.transaction(() => {
          sql(ctx)`insert into users (name) values (${"bob"})`.run();
          Storage.put(ctx, "bob", 1);
          throw new RangeError("stop");
        }),
      ).toThrow(RangeError);
      expect([names(ctx), Storage.has(ctx, "bob")]).toEqual([[], false]);
    });
  });

  // drizzle-team/drizzle-orm#4586, #4558 and #3746
  it("migrates an object, and rolls rows and persisted fields back together", async () => {
    await runInDurableObject(env.COUNTER.getByName("drizzle fields"), async (self, ctx) => {
      const db = drizzle(ctx.storage);
      const entry = { idx: 0, when: 1, tag: "0000_first", breakpoints: true };
      const m0000 =
        "create table users (id integer primary key, name text not null);\n--> statement-breakpoint\ninsert into users (name) values ('first');";
      for (const _ of ["first", "again"])
        await ctx.blockConcurrencyWhile(() => migrate(db, { journal: { entries: [entry] }, migrations: { m0000 } }));
      const add = (name: string): void => {
        self.count++;
        db.insert(users).values({ name }).run();
      };
      add("kept");
      expect(() =>
        db.transaction(() => {
          add("lost");
          throw new RangeError("stop");
        }),
      ).toThrow(RangeError);
      expect([self.count, names(ctx)]).toEqual([1, ["first", "kept"]]);
      const count = db.transaction((tx) => {
        add("outer");
        expect(() =>
          tx.transaction((nested) => {
            add("inner");
            nested.rollback();
          }),
        ).toThrow("Rollback");
        return self.count;
      });
      expect([count, self.count, names(ctx)]).toEqual([2, 2, ["first", "kept", "outer"]]);
      await expect(
        ctx.storage.transaction(async () => {
          add("lost");
          await db.select().from(users);
          add("too");
          throw new RangeError("stop");
        }),
      ).rejects.toThrow("stop");
      expect([self.count, names(ctx)]).toEqual([2, ["first", "kept", "outer"]]);
    });
  });
});

describe("Kysely", () => {
  it("reads and writes the tables of Storage.sql", async () => {
    await inObject("kysely", async (ctx) => {
      const db = new Kysely<Tables>({ dialect: durableDialect(ctx.storage) });
      sql(ctx)`insert into users (name) values (${"alice"})`.run();
      await db.insertInto("users").values({ name: "bob" }).execute();
      expect(await db.selectFrom("users").selectAll().where("name", "=", "bob").execute()).toEqual([
        { id: 2, name: "bob" },
      ]);
      expect(names(ctx)).toEqual(["alice", "bob"]);
      sql(ctx)`create index by_name on users (name)`.run();
      const { numDeletedRows } = await db.deleteFrom("users").executeTakeFirstOrThrow();
      expect([numDeletedRows, names(ctx)]).toEqual([2n, []]);
    });
  });

  it("is undone with Storage.transaction", async () => {
    await inObject("kysely transaction", async (ctx) => {
      const db = new Kysely<Tables>({ dialect: durableDialect(ctx.storage) });
      const insert = async (fail: boolean): Promise<void> =>
        await Storage.transaction(ctx, async () => {
          await db.insertInto("users").values({ name: "alice" }).execute();
          if (fail) throw new RangeError("stop");
        });
      await expect(insert(true)).rejects.toThrow("stop");
      expect(names(ctx)).toEqual([]);
      await insert(false);
      expect(names(ctx)).toEqual(["alice"]);
    });
  });

  it("refuses its own transactions and streams, saying what to write", async () => {
    await inObject("kysely refused", async (ctx) => {
      const db = new Kysely<Tables>({ dialect: durableDialect(ctx.storage) });
      const own = db.transaction().execute(async (db) => await db.insertInto("users").values({ name: "x" }).execute());
      await expect(own).rejects.toThrow("Storage.transaction");
      await expect(db.selectFrom("users").selectAll().stream()[Symbol.asyncIterator]().next()).rejects.toThrow(
        "execute()",
      );
      expect(names(ctx)).toEqual([]);
    });
  });
});
