/** `Storage.sql` beside Drizzle and Kysely, in one object: the same tables, the same transactions. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/durable-sqlite";
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
