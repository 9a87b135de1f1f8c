import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { migrate, type Migration } from "durable-base/migrations";
import * as Storage from "durable-base/storage";
import { describe, expect, it } from "vitest";
import docs from "../../docs/storage.md?raw";
import { errorOf as rejectionOf, thrownBy } from "../error-of.ts";
import { LegacyMigrated } from "../legacy/twins/migrations.ts";
import { Migrated } from "./fixtures/migrations.ts";
import { migrationCases } from "./migrations.cases.ts";
import { codeOf, errorOf, within } from "../storage/storages.ts";

migrationCases("standard", () => env.MIGRATED as never, Migrated);
migrationCases("legacy", () => env.LEGACY_MIGRATED as never, LegacyMigrated);

describe("migrations(), inherited", () => {
  it("continue the base's list, which an heir without a list inherits", async () => {
    expect(await env.MIGRATED_HEIR.getByName("heir").tables()).toEqual(["base"]);
    expect(await env.MIGRATED_CHILD.getByName("child").tables()).toEqual(["base", "child"]);
  });
});

const KEY = "durable-base:migrations";
const all = (ctx: DurableObjectState, query: string): unknown[] => ctx.storage.sql.exec(query).toArray();
const tables = (ctx: DurableObjectState): unknown[] =>
  all(ctx, "select name from sqlite_schema where name not like '\\_%' escape '\\' order by name").map(
    (row) => (row as { name: string }).name,
  );
const step = (id: string, up: Migration["up"]): Migration => ({ id, up });
const TABLE = step("table", "create table t (n integer unique)");

describe("migrate", () => {
  it("runs what is outstanding, and gives its ids", async () => {
    await within("migrate", (ctx) => {
      const fill = step("fill", (storage) => {
        expect(storage).toBe(ctx.storage);
        Storage.put(storage, "filled", true);
        return Storage.sql(storage)`insert into t values (${1})`.run();
      });
      expect(migrate(ctx, [TABLE])).toEqual(["table"]);
      expect(migrate(ctx.storage, [TABLE, fill])).toEqual(["fill"]);
      expect(migrate(ctx, [TABLE, fill])).toEqual([]);
      expect([all(ctx, "select * from t"), Storage.get(ctx, "filled")]).toEqual([[{ n: 1 }], true]);
    });
  });

  it("notes what was applied in one row, as docs/storage-format.md says", async () => {
    await within("migrate format", (ctx) => {
      migrate(ctx, [step("a", " create  table\nt (n) ; -- done"), step("é", () => {}), step("c", "select 'é  x'")]);
      expect(ctx.storage.kv.get(KEY)).toEqual({
        format: 1,
        applied: [{ id: "a", hash: "18-cdbe0c60" }, { id: "é" }, { id: "c", hash: "14-87a968bd" }],
      });
      expect(Array.from(ctx.storage.kv.list(), ([key]) => key)).toEqual([KEY]);
    });
  });

  it("takes any SQL: strings, comments, triggers, rows that nobody asked for", async () => {
    await within("migrate statements", (ctx) => {
      const up = `
        -- What's done; and by whom
        create table t (id integer primary key, text text); /* it's; */ ;
        --> statement-breakpoint
        create table log (text text);
      `;
      const trigger = `create trigger logs after insert on t begin
          insert into log values ('a; end;' || new.text);
          update log set text = case when text is null then 'end;' else text end;
        END;
        insert into t (text) values ('it''s; -- none'), ('/* ;') returning id;
        insert into t (text) values (' [;') returning text;
        select * from t;
        pragma foreign_key_check;
        insert into t select 7, \`text\` || [text] from t limit 1 -- the end`;
      migrate(ctx, [step("1", up), step("2", trigger)]);
      expect(all(ctx, "select text from t").map((row) => (row as { text: string }).text)).toEqual([
        "it's; -- none",
        "/* ;",
        " [;",
        "it's; -- noneit's; -- none",
      ]);
      expect(all(ctx, "select count(*) as n from log")).toEqual([{ n: 4 }]);
    });
    // An `insert … returning` that was left half-read would have reset it.
    await within("migrate statements", (ctx) => expect(all(ctx, "select count(*) as n from log")).toEqual([{ n: 4 }]));
  });

  it("takes a file with a byte order mark, and a trigger right before its quoted name", async () => {
    await within("migrate marks", (ctx) => {
      const trigger = (name: string): string =>
        `\ufeffcreate trigger${name} after insert on t begin delete from t where n = 1; delete from t where n = 2; end`;
      const up = ` ${trigger(" a")};\r\n ${trigger('"b"')}; ${trigger("[c]")}; insert into t values (1), (2), (3)`;
      migrate(ctx, [TABLE, step("marks", up)]);
      expect(all(ctx, "select n from t")).toEqual([{ n: 3 }]);
      // SQLite's own view of where a mark is a blank.
      expect(all(ctx, "\ufeffselect 1 \ufeff as a\ufeff")).toEqual([{ "a\ufeff": 1 }]);
    });
  });

  it("knows an applied step by its SQL, less blanks and comments between words", async () => {
    await within("migrate checksums", (ctx) => {
      const text = "create table t (a text default 'x  y'); insert into t values ('it''s')";
      migrate(ctx, [step("1", text)]);
      const same = [
        text,
        `${text};`,
        ` -- new\r\n${text.replace("create table", "create\n\ttable")} /* ; */;;`,
        text.replace("; insert", ";/* 'x */insert").replace("into t", "into/**/t"),
      ];
      for (const up of same) expect(migrate(ctx, [step("1", up)])).toEqual([]);
      const others = [
        text.replace("x  y", "x y"),
        text.replace("it''s", "it'' s"),
        text.replace("into t", "into T"),
        text.replace("insert", "--insert"),
        text.replace("; insert", ";\u00a0insert"),
        text.replace("(a text", "(atext"),
      ];
      for (const up of others) {
        expect([up, codeOf(() => migrate(ctx, [step("1", up)]))]).toEqual([up, "migration-changed"]);
      }
      migrate(ctx, [step("1", text), step("2", () => {})]);
      expect(migrate(ctx, [step("1", text), step("2", (storage) => storage.kv.put("x", 1))])).toEqual([]);
    });
  });

  it("tells the step, the statement and the place, and undoes every step", async () => {
    await within("migrate failing", (ctx) => {
      const error = errorOf(() =>
        migrate(ctx, [TABLE, step("rows", "insert into t values (1);\n\n select n,\n  m from t where n = ';'")]),
      );
      expect(error.code).toBe("migration-failed");
      expect(error.message).toBe(
        `migrate: step "rows", statement 2 of 2, failed, and all that was done is undone: no such column: m\n\nselect n,\n  m from t where n = ';'\n  ^\n\nMend the step: the next call tries again.`,
      );
      expect(error.cause).toMatchObject({ message: expect.stringContaining("SQLITE_ERROR") });
      expect([tables(ctx), ctx.storage.kv.get(KEY)]).toEqual([[], undefined]);
      expect(migrate(ctx, [TABLE])).toEqual(["table"]);
    });
  });

  it("undoes a function that throws, and tells what it threw", async () => {
    await within("migrate throwing", (ctx) => {
      const cause = new RangeError("too far");
      const error = errorOf(() =>
        migrate(ctx, [
          TABLE,
          step("function", (storage) => {
            storage.kv.put("x", 1);
            storage.sql.exec("insert into t values (1)");
            throw cause;
          }),
        ]),
      );
      expect(error).toMatchObject({ code: "migration-failed", cause });
      expect(error.message).toContain(`step "function" failed, and all that was done is undone: too far`);
      expect(
        codeOf(() =>
          migrate(ctx, [
            step("1", () => {
              throw undefined;
            }),
          ]),
        ),
      ).toBe("migration-failed");
      expect([tables(ctx), [...ctx.storage.kv.list()]]).toEqual([[], []]);
    });
  });

  it("refuses a function that gives a promise, and undoes what it did", async () => {
    await within("migrate promise", async (ctx) => {
      const up = ({ kv }: DurableObjectStorage): Promise<never> => {
        kv.put("x", 1);
        return Promise.reject(new Error("unseen"));
      };
      const error = errorOf(() => migrate(ctx, [TABLE, step("later", up)]));
      expect([error.code, error.message]).toEqual(["returned-promise", expect.stringContaining(`step "later"`)]);
      expect([tables(ctx), [...ctx.storage.kv.list()]]).toEqual([[], []]);
      await scheduler.wait(1);
    });
  });

  it("refuses a function that leaves an async transaction behind", async () => {
    await within("migrate async transaction", async (ctx) => {
      const later = step("later", (storage) => {
        void Storage.transaction(storage, async () => Storage.put(storage, "x", 1));
      });
      const error = errorOf(() => migrate(ctx, [TABLE, later]));
      expect([error.code, (error.cause as { code?: string }).code]).toEqual(["migration-failed", "returned-promise"]);
      await scheduler.wait(1);
      expect([tables(ctx), [...ctx.storage.kv.list()]]).toEqual([[], []]);
    });
  });

  it.each<[name: string, part: string, list: unknown]>([
    ["no array", "no array", TABLE],
    ["nothing", "no array", undefined],
    ["a step that is none", "step 2, undefined, is no string", [TABLE, null]],
    ["a hole", "step 1, undefined, is no string", new Array(1)],
    ["no id", "step 1, undefined, is no string", [{ up: "select 1" }]],
    ["an id that is a number", "is no string", [step(1 as never, "select 1")]],
    ["an empty id", "is empty", [step("", "select 1")]],
    ["an ill-formed id", "surrogate", [step("\ud800", "select 1")]],
    ["an id of 257 bytes", "over 256 bytes", [step("x".repeat(257), "select 1")]],
    ["two steps of one id", `step 2, "table", is that of an earlier step`, [TABLE, TABLE]],
    ["no up", `step "a" has an \`up\` that is neither`, [{ id: "a" }]],
    ["an up that is an array", "neither", [step("a", ["select 1"] as never)]],
    ["an empty text", "no statement", [step("a", "")]],
    ["a text of comments", "no statement", [step("a", " ; -- none\n;; /* select 1")]],
    ["a NUL", "NUL", [step("a", "create table t (n) \0 drop table t")]],
    ["a lone surrogate", "surrogate", [step("a", "insert into t values ('\ud800')")]],
    ["an async function", "async", [step("a", async () => {})]],
    ["a generator", "generator", [step("a", function* () {} as never)]],
  ])("refuses %s before anything runs", async (name, part, list) => {
    await within(`migrate bad ${name}`, (ctx) => {
      const error = errorOf(() => migrate(ctx, list as never));
      expect([error.code, error.message]).toEqual(["bad-migration", expect.stringContaining(part)]);
      const steps = Array.isArray(list) ? (list as Migration[]) : [];
      const ran: string[] = [];
      const first = step("first", () => void ran.push("first"));
      if (steps.length > 0) expect(codeOf(() => migrate(ctx, [first, ...steps]))).toBe("bad-migration");
      expect([ran, tables(ctx)]).toEqual([[], []]);
    });
  });

  it("takes an id of 256 bytes", async () => {
    await within("migrate long id", (ctx) => {
      const id = "é".repeat(128);
      expect(migrate(ctx, [step(id, "select 1")])).toEqual([id]);
    });
  });

  it("follows the transaction it is in, sync and async", async () => {
    await within("migrate in transaction", async (ctx) => {
      const stop = (): never => {
        throw new RangeError("stop");
      };
      expect(() => Storage.transaction(ctx, () => (migrate(ctx, [TABLE]), stop()))).toThrow("stop");
      const later = Storage.transaction(ctx, async () => {
        migrate(ctx, [TABLE]);
        await scheduler.wait(1);
        stop();
      });
      expect((await rejectionOf(() => later)).message).toBe("stop");
      expect([tables(ctx), ctx.storage.kv.get(KEY)]).toEqual([[], undefined]);
      Storage.transaction(ctx, () => {
        Storage.put(ctx, "kept", 1);
        expect(codeOf(() => migrate(ctx, [TABLE, step("bad", "nonsense")]))).toBe("migration-failed");
      });
      expect([tables(ctx), Storage.get(ctx, "kept")]).toEqual([[], 1]);
      await Storage.transaction(ctx, async () => migrate(ctx, [TABLE]));
      expect(tables(ctx)).toContain("t");
    });
  });

  it.each([
    ["of a newer format", { format: 2, applied: [] }],
    ["of another shape", "what"],
    ["of steps that are none", { format: 1, applied: [{ id: "table" }, null] }],
    ["of steps without ids", { format: 1, applied: [{}] }],
  ])("leaves a row %s as it is", async (name, row) => {
    await within(`migrate row ${name}`, (ctx) => {
      ctx.storage.kv.put(KEY, row);
      const error = errorOf(() => migrate(ctx, [TABLE]));
      expect([error.code, error.message]).toEqual(["record-unreadable", expect.stringContaining(KEY)]);
      expect([tables(ctx), ctx.storage.kv.get(KEY)]).toEqual([[], row]);
    });
  });

  it("tells that the class has no SQLite", async () => {
    await runInDurableObject(env.UNBACKED.getByName("migrate"), (_, ctx) => {
      expect(codeOf(() => migrate(ctx, []))).toBe("no-sqlite-storage");
    });
  });

  it("takes more statements than the platform takes in one text", async () => {
    await within("migrate long", (ctx) => {
      const rows = Array.from({ length: 5_000 }, (_, n) => `insert into t values (${n});`);
      expect(thrownBy(() => ctx.storage.sql.exec(rows.join(""))).message).toContain("too long");
      migrate(ctx, [TABLE, step("rows", rows.join("\n"))]);
      expect(all(ctx, "select count(*) as n, max(n) as m from t")).toEqual([{ n: 5_000, m: 4_999 }]);
    });
  });
});

describe("the SQL of docs/storage.md", () => {
  it("runs as the steps of its example", async () => {
    const block = /^## Migrations$.*?^```ts\n(.*?)^```$/ms.exec(docs)![1]!;
    const steps = Array.from(block.matchAll(/id: "([^"]+)", up: "([^"]+)"/g), ([, id, up]) => step(id!, up!));
    expect(steps.map(({ id }) => id)).toEqual(["1-todos", "2-done"]);
    await within("documented steps", (ctx) => {
      migrate(ctx, steps);
      ctx.storage.sql.exec("insert into todos (title) values ('milk')");
      migrate(ctx, [
        ...steps,
        step("3-shout", (storage) => {
          for (const { id, title } of Storage.sql<{ id: number; title: string }>(storage)`select id, title from todos`)
            Storage.sql(storage)`update todos set title = ${title.toUpperCase()} where id = ${id}`.run();
        }),
      ]);
      expect(all(ctx, "select * from todos")).toEqual([{ id: 1, title: "MILK", done: 0 }]);
    });
  });
});

describe("a migration that rebuilds a table which others reference", () => {
  const FIRST = step(
    "first",
    `create table users (id integer primary key, name text);
     create table posts (id integer primary key, author integer references users (id) on delete cascade);
     insert into users values (1, 'ann'), (2, 'bob');
     insert into posts values (1, 1), (2, 2), (3, 2);`,
  );
  const state = (ctx: DurableObjectState): unknown => [
    all(ctx, "select * from users"),
    all(ctx, "select * from posts"),
    all(ctx, "pragma foreign_key_check"),
  ];

  const RECIPE = /```sql rebuild\n(.*?)```/s.exec(docs)![1]!;
  const REFERENCES = [
    "",
    "on delete no action",
    "on delete restrict on update restrict",
    "on delete cascade",
    "on delete set null",
    "on delete set default",
    "deferrable initially deferred",
    "on delete restrict deferrable initially deferred",
    "on delete cascade deferrable initially deferred",
    "on delete set default deferrable initially deferred",
  ];
  const filled = (reference: string): Migration =>
    step(
      "first",
      `create table users (id integer primary key autoincrement, name text);
       create index users_name on users (name);
       create view names as select upper(name) as name from users;
       create table log (id integer);
       create table posts (id integer primary key, author integer default 1 references users (id) ${reference});
       create index posts_author on posts (author);
       create trigger posts_log after delete on posts begin insert into log values (old.id); end;
       create table comments (id integer primary key, post integer default 1 references posts (id) ${reference});
       insert into users values (1, 'ann'), (2, 'bob'), (9, 'eve');
       delete from users where id = 9;
       insert into posts values (1, 1), (2, 2), (3, 2), (4, null);
       insert into comments values (1, 1), (2, 3);`,
    );
  const contents = (ctx: DurableObjectState): unknown =>
    ["users", "posts", "comments", "names", "log", "sqlite_sequence"].map((name) => [
      ...ctx.storage.sql.exec(`select * from ${name}`).raw(),
    ]);
  const expected = [
    [
      [1, "ann"],
      [2, "bob"],
    ],
    [
      [1, 1],
      [2, 2],
      [3, 2],
      [4, null],
    ],
    [
      [1, 1],
      [2, 3],
    ],
    [["ANN"], ["BOB"]],
    [],
    [["users", 9]],
  ];

  it.each(REFERENCES)("keeps all rows by the recipe of docs/storage.md, and references hold: %s", async (reference) => {
    const [first, rebuild] = [filled(reference), step("rebuild", RECIPE)];
    await within(`rebuild by recipe ${reference}`, async (ctx) => {
      migrate(ctx, [first]);
      expect(contents(ctx)).toEqual(expected);
      migrate(ctx, [first, rebuild]);
      await ctx.storage.sync();
    });
    await within(`rebuild by recipe ${reference}`, (ctx) => {
      const { sql } = ctx.storage;
      expect(contents(ctx)).toEqual(expected);
      expect(all(ctx, "pragma foreign_key_check")).toEqual([]);
      expect(tables(ctx)).toEqual([
        "comments",
        "log",
        "names",
        "posts",
        "posts_author",
        "posts_log",
        "sqlite_sequence",
        "users",
        "users_name",
      ]);
      expect(() => sql.exec("insert into users (name) values (null)")).toThrow("NOT NULL");
      expect(sql.exec("insert into users (name) values ('eve') returning id").one()).toEqual({ id: 10 });
      sql.exec("delete from posts where id = 4");
      expect(all(ctx, "select id from log")).toEqual([{ id: 4 }]);
      // The reference is enforced again; a deferred one is checked only at the commit.
      if (reference.includes("deferrable")) return;
      expect(() => sql.exec("insert into posts values (5, 7)")).toThrow("FOREIGN KEY");
      if (/cascade|set/.test(reference)) sql.exec("delete from users where id = 2");
      else expect(() => sql.exec("delete from users where id = 2")).toThrow("FOREIGN KEY");
      const authors = all(ctx, "select author from posts").map((row) => (row as { author: unknown }).author);
      const left = { cascade: [1], null: [1, null, null], default: [1, 1, 1] };
      expect(authors).toEqual(left[/cascade|null|default/.exec(reference)?.[0] as keyof typeof left] ?? [1, 2, 2]);
    });
  });

  it("runs the recipe by `migrations()`, beside fields", async () => {
    Migrated.deployed = [filled("on delete set default"), step("rebuild", RECIPE)];
    const stub = env.MIGRATED.getByName("rebuild by recipe");
    await stub.add();
    await runInDurableObject(stub, (_, ctx) => {
      expect(contents(ctx)).toEqual(expected);
    });
  });

  it("needs no copies of tables whose references have no action", async () => {
    const short = RECIPE.replaceAll(/^.*(?:posts|comments).*\n/gm, "");
    expect(short).not.toMatch(/posts|comments/);
    for (const reference of ["", "on delete no action", "deferrable initially deferred"]) {
      await within(`rebuild without copies ${reference}`, (ctx) => {
        migrate(ctx, [filled(reference), step("rebuild", short)]);
        expect([contents(ctx), all(ctx, "pragma foreign_key_check")]).toEqual([expected, []]);
      });
    }
  });

  it("lets an empty table keep its sequence", async () => {
    const empty = step("empty", "delete from comments; delete from posts; delete from log; delete from users");
    await within("rebuild empty", (ctx) => {
      migrate(ctx, [filled("on delete set null"), empty, step("rebuild", RECIPE)]);
      ctx.storage.sql.exec("insert into users (name) values ('new')");
      expect(all(ctx, "select id from users")).toEqual([{ id: 10 }]);
    });
  });

  it.each(REFERENCES)("keeps references of a table to itself, and of several columns: %s", async (reference) => {
    const users = `create table users (
      org integer default 1, id integer default 1, boss integer default 1, name text, primary key (org, id),
      foreign key (org, boss) references users (org, id) ${reference})`;
    const first = step(
      "first",
      `${users};
       create table posts (id integer primary key, org integer default 1, author integer default 1,
         foreign key (org, author) references users (org, id) ${reference});
       create table likes (org integer default 1, fan integer default 1, post integer references posts (id),
         foreign key (org, fan) references users (org, id) ${reference}) strict;
       pragma defer_foreign_keys = on;
       insert into users values (1, 1, 2, 'ann'), (1, 2, 2, 'bob'), (2, 1, 1, 'cid');
       insert into posts values (1, 1, 1), (2, 2, 1);
       insert into likes values (1, 2, 1), (2, 1, 2);`,
    );
    const rebuild = step(
      "rebuild",
      `pragma defer_foreign_keys = on;
       create table old_users as select * from users;
       create table old_posts as select * from posts;
       create table old_likes as select * from likes;
       delete from likes;
       delete from posts;
       drop table users;
       ${users.replace("name text", "name text not null")};
       insert into users select * from old_users;
       insert into posts select * from old_posts;
       insert into likes select * from old_likes;
       drop table old_users; drop table old_posts; drop table old_likes;`,
    );
    const rows = (ctx: DurableObjectState): unknown =>
      ["users", "posts", "likes"].map((name) => [...ctx.storage.sql.exec(`select * from ${name}`).raw()]);
    await within(`rebuild itself ${reference}`, async (ctx) => {
      migrate(ctx, [first]);
      const before = rows(ctx);
      migrate(ctx, [first, rebuild]);
      await ctx.storage.sync();
      expect([rows(ctx), all(ctx, "pragma foreign_key_check")]).toEqual([before, []]);
    });
  });

  it.each([
    "PRAGMA foreign_keys=OFF;",
    "pragma main . foreign_keys = 'no';",
    "pragma foreign_keys(0);",
    'pragma/**/"foreign_keys" = false;',
    "select 1; pragma `foreign_keys`=off;",
  ])("is refused with what does nothing in a transaction, and would lose rows: %s", async (pragma) => {
    // As drizzle-kit writes it.
    const up = `${pragma}--> statement-breakpoint
      create table \`__new_users\` (id integer primary key, name text not null);--> statement-breakpoint
      insert into \`__new_users\` select * from users;--> statement-breakpoint
      drop table users;--> statement-breakpoint
      alter table \`__new_users\` rename to users;--> statement-breakpoint
      pragma foreign_keys=ON;`;
    await within(`rebuild ${pragma}`, (ctx) => {
      migrate(ctx, [FIRST]);
      const before = state(ctx);
      const error = errorOf(() => migrate(ctx, [FIRST, step("rebuild", up)]));
      expect([error.code, error.message]).toEqual(["bad-migration", expect.stringContaining("Rebuilding a table")]);
      expect(state(ctx)).toEqual(before);
      // The platform takes it, and the rows are gone.
      ctx.storage.transactionSync(() => void ctx.storage.sql.exec(pragma + "drop table users").toArray());
      expect(all(ctx, "select * from posts")).toEqual([]);
    });
  });

  it("may turn foreign keys on, and defer them", async () => {
    await within("foreign keys on", (ctx) => {
      const up =
        "pragma foreign_keys = on; pragma foreign_keys(1); pragma foreign_keys; pragma defer_foreign_keys = on";
      expect(migrate(ctx, [step("on", up)])).toEqual(["on"]);
    });
  });

  it("by a renamed table, as SQLite's manual has it, is undone with a reset by the platform, and can be mended", async () => {
    const renamed = step(
      "rebuild",
      `pragma defer_foreign_keys = on;
       create table new_posts (id integer primary key, author integer references users (id));
       insert into new_posts select * from posts;
       drop table posts;
       create table posts (id integer primary key, author integer references users (id));
       insert into posts select * from new_posts;
       drop table new_posts;
       create table new_users (id integer primary key, name text not null);
       insert into new_users select * from users;
       drop table users;
       alter table new_users rename to users;`,
    );
    const error = await rejectionOf(() =>
      within("rebuild renamed", async (ctx) => {
        migrate(ctx, [FIRST]);
        await ctx.storage.sync();
        migrate(ctx, [FIRST, renamed]);
        await ctx.storage.sync();
      }),
    );
    expect(error.message).toContain("constraints were violated");
    await within("rebuild renamed", (ctx) => {
      expect(ctx.storage.kv.get(KEY)).toMatchObject({ applied: [{ id: "first" }] });
      expect(migrate(ctx, [FIRST, step("rebuild", "alter table users add column age")])).toEqual(["rebuild"]);
    });
  });
});
