import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { Object } from "durable-base";
import * as Storage from "durable-base/storage";
import { describe, expect, it } from "vitest";
import { errorOf as rejectionOf } from "../error-of.ts";
import { meterOf } from "../testing/fixtures/meter.ts";
import { codeOf, errorOf, within } from "./storages.ts";

const { sql } = Storage;

interface Todo {
  id: number;
  title: string;
  done: number;
}

/** Runs `work` where there are three todos. */
const withTodos = (name: string, work: (ctx: DurableObjectState) => unknown): Promise<unknown> =>
  within(`sql ${name}`, async (ctx) => {
    ctx.storage.sql.exec("create table todos (id integer primary key, title text not null unique, done integer)");
    ctx.storage.sql.exec("insert into todos (title, done) values ('milk', 0), ('bread', 1), ('soap', 0)");
    await work(ctx);
  });

const titles = (ctx: DurableObjectState): string[] =>
  sql<{ title: string }>(ctx)`select title from todos order by id`.all().map(({ title }) => title);

/** A template of that text, with frozen arrays as JavaScript makes them. */
const template = (...texts: string[]): TemplateStringsArray =>
  globalThis.Object.freeze(globalThis.Object.assign([...texts], { raw: globalThis.Object.freeze([...texts]) }));

describe("Storage.sql", () => {
  it.each([
    ["a semicolon", ";"],
    ["semicolons", ";;"],
    ["a line comment", " -- c"],
    ["a semicolon and a line comment", "; -- c"],
    ["a comment between semicolons", "; /* c */ ;"],
    ["comments on lines of their own", ";\n-- a\n/* b\n */\n-- c\n"],
    ["lines that end as on Windows", ";\r\n-- a\r\n\r\n-- b"],
    ["a comment with a semicolon and quotes in it", '; -- it\'s; "so" `it` [is'],
    ["a comment that is not closed", "; /* c; ' "],
    ["a comment with a placeholder", "; -- where id = ?1 or :a"],
    ["a byte order mark", ";\ufeff-- c"],
  ])("takes one statement with %s behind it", async (what, tail) => {
    await withTodos(`before ${what}`, (ctx) => {
      const { part } = sql;
      expect(sql(ctx)(template(`select id from todos where id = 1${tail}`)).all()).toEqual([{ id: 1 }]);
      expect(sql(ctx)(template("select id from todos where id = ", tail), 2).all()).toEqual([{ id: 2 }]);
      expect(sql(ctx)(template("select id from todos where ", tail), part`id = ${3}`).all()).toEqual([{ id: 3 }]);
      expect(sql(ctx)(template(`delete from todos where id = 1${tail}`)).run().rowsWritten).toBeGreaterThan(0);
    });
  });

  it.each([
    ["?", "select ? as v"],
    ["?1", "select ?1 as v"],
    [":a", "select :a as v"],
    ["@a", "select @a as v"],
    ["$a", "select $a as v"],
    ["?12", "select 'it''s ?', ?12"],
    [":b", "select a:b"],
    ["?", "select json('{}') ->? "],
    ["?", "-- ?\r\nselect ?"],
  ])("refuses the placeholder %s in %j, and names the fix", async (placeholder, text) => {
    await withTodos(`placeholder ${text}`, (ctx) => {
      for (const act of [
        () => sql(ctx)(template(text)),
        () => sql(ctx)(template(`${text}, `, ""), 1),
        () => sql(ctx)(template("select ", `, ${text}`), 1),
        () => sql.part(template(text)),
      ]) {
        const error = errorOf(act);
        expect([error.code, error.message]).toEqual(["bad-sql", expect.stringContaining("${value}")]);
        expect(error.message).toContain(`\`${placeholder}\``);
      }
    });
  });

  it("works as docs and messages advise", async () => {
    await withTodos("advice", (ctx) => {
      const { join, part } = sql;
      const ids = Array.from({ length: 150 }, (_, i) => i);
      const [flag, value, big] = [true, undefined as number | undefined, 2n ** 60n + 1n];
      expect(errorOf(() => sql(ctx)`select id from todos where id in (${join(ids)})`).message).toContain(
        "where id in (select value from json_each(${JSON.stringify(ids)}))",
      );
      expect(
        sql(ctx)`select id from todos where id in (select value from json_each(${JSON.stringify(ids)}))`.all(),
      ).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
      expect(sql(ctx)`select id from todos where id in (${join([])})`.all()).toEqual([]);
      expect(
        sql(ctx)`select a.id as a_id, b.id as b_id from todos a, todos b where a.id = 1 and b.id = 1`.one(),
      ).toEqual({
        a_id: 1,
        b_id: 1,
      });
      sql(ctx)`create table sizes (n integer, flag integer, gone integer)`.run();
      sql(ctx)`insert into sizes values (${String(big)}, ${Number(flag)}, ${value ?? null})`.run();
      expect(codeOf(() => sql(ctx)`select n from sizes`.one())).toBe("lossy-result");
      expect(sql(ctx)`select cast(n as text) as n, flag, gone from sizes where n = ${String(big)}`.one()).toEqual({
        n: String(big),
        flag: 1,
        gone: null,
      });
      const seen: number[] = [];
      for (let last = 0, page: { id: number }[]; ; last = page.at(-1)!.id) {
        page = sql<{ id: number }>(ctx)`select id from todos where id > ${last} order by id limit 2`.all();
        seen.push(...page.map(({ id }) => id));
        if (page.length === 0) break;
      }
      expect(seen).toEqual([1, 2, 3]);
      const conditions = [part`done = ${0}`, part`title <> ${"soap"}`];
      expect(sql(ctx)`select id from todos where ${join(conditions, part` and `)}`.all()).toEqual([{ id: 1 }]);
    });
  });

  it("refuses a digit right behind a value, since both would make one placeholder", async () => {
    await withTodos("digit", (ctx) => {
      const { join, part } = sql;
      for (const act of [
        () => sql(ctx)`select ${5}1 as v, ${7}`,
        () => sql(ctx)`select ${part`${5}`}1 as v`,
        () => sql(ctx)`select ${join([5, part`1`], part``)} as v`,
      ]) {
        expect(errorOf(act)).toMatchObject({ code: "bad-sql", message: expect.stringContaining("`?1`") });
      }
    });
  });

  it.each([
    ["a text", "select '?1' as v", "?1"],
    ["a text with a quote", "select 'it''s ?' as v", "it's ?"],
    ["a name in double quotes", 'select 1 as "quoted?"', 1],
    ["a name in brackets", "select 1 as [bracket?1]", 1],
    ["a name in backticks", "select 1 as `backtick:a`", 1],
    ["a comment", "select 1 /* ? :a */ as v -- @a $a ?1", 1],
    ["a path in JSON", "select '{\"a\":5}' ->> '$.a' as v", 5],
    ["a path with brackets", "select json_extract('[7]', '$[0]') as v", 7],
    ["a dollar inside a name", "select 3 as a$b", 3],
    ["a dollar behind a letter that is not of ASCII", "select 3 as é$b", 3],
    ["a time", "select '10:30' as v", "10:30"],
    ["a cast", "select cast('5' as integer) as v", 5],
    ["a blob", "select hex(x'3f31') as v", "3F31"],
    ["what is not closed", "select 1 as v /* ?1", 1],
  ])("takes for no placeholder what is in %s", async (what, text, expected) => {
    await withTodos(`no placeholder in ${what}`, (ctx) => {
      expect(globalThis.Object.values(sql(ctx)(template(text)).one())).toEqual([expected]);
    });
  });

  it("gives all rows, the first, the only one, or a loop over them", async () => {
    await withTodos("reading", (ctx) => {
      const open = sql<Todo>(ctx)`select * from todos where done = ${0} order by id`;
      const [milk, soap] = [
        { id: 1, title: "milk", done: 0 },
        { id: 3, title: "soap", done: 0 },
      ];
      expect(open.all()).toStrictEqual([milk, soap]);
      expect(open.first()).toStrictEqual(milk);
      expect([...open]).toStrictEqual([milk, soap]);
      expect(sql<Todo>(ctx.storage)`select * from todos where id = ${3}`.one()).toStrictEqual(soap);
      expect(sql(ctx)`select * from todos where id = ${4}`.first()).toBeUndefined();
      expect(sql(ctx)`select * from todos where id = ${4}`.all()).toEqual([]);
    });
  });

  it("refuses more rows than one, and none, where one is asked for", async () => {
    await withTodos("one", (ctx) => {
      expect(errorOf(() => sql(ctx)`select * from todos`.one())).toMatchObject({
        code: "not-one-row",
        message: expect.stringContaining("3 rows"),
      });
      expect(codeOf(() => sql(ctx)`select * from todos where id = 0`.one())).toBe("not-one-row");
    });
  });

  it("tells the rows read and written", async () => {
    await withTodos("run", (ctx) => {
      // One of the table, one of the index.
      expect(sql(ctx)`insert into todos (title, done) values (${"tea"}, ${0})`.run().rowsWritten).toBe(2);
      expect(sql(ctx)`select * from todos`.run()).toEqual({ rowsRead: 4, rowsWritten: 0 });
      const counts = sql(ctx)`delete from todos where title = ${"tea"}`.run();
      expect(structuredClone(counts)).toEqual({ rowsRead: 1, rowsWritten: 1 });
      sql(ctx)`delete from todos where false`.run();
      expect({ ...counts }).toEqual({ rowsRead: 1, rowsWritten: 1 });
      expect(sql(ctx)`insert into todos (title) values ('a'), ('b') returning id`.run().rowsWritten).toBe(4);
      expect(sql<{ id: number }>(ctx)`insert into todos (title) values ('c') returning id`.one()).toEqual({ id: 6 });
    });
  });

  it("does nothing before it is asked, and runs anew each time it is", async () => {
    await withTodos("lazy", async (ctx) => {
      const insert = sql(ctx)`insert into todos (title) values (${"x"} || (select count(*) from todos))`;
      const loop = insert[Symbol.iterator]();
      expect(titles(ctx)).toEqual(["milk", "bread", "soap"]);
      loop.next();
      insert.run();
      expect(titles(ctx).slice(3)).toEqual(["x3", "x4"]);
    });
  });

  it("rejects an await, which would not run it", async () => {
    await withTodos("await", async (ctx) => {
      // @ts-expect-error it does not compile
      const error = await rejectionOf(async () => await sql(ctx)`delete from todos`);
      expect(error).toMatchObject({ code: "bad-sql", message: expect.stringContaining(".run()") });
      expect(titles(ctx)).toHaveLength(3);
    });
  });

  it("binds values as they were when the query was written", async () => {
    await within("sql copies", (ctx) => {
      const bytes = new Uint8Array([1, 2]);
      const query = sql<{ v: ArrayBuffer }>(ctx)`select ${bytes} as v`;
      bytes.fill(9);
      expect(query.one().v).toEqual(new Uint8Array([1, 2]).buffer);
    });
  });

  it("takes statements that define tables, and several at once", async () => {
    await within("sql tables", (ctx) => {
      sql(ctx)`create table a (n integer); create table b (n integer)`.run();
      sql(ctx)`create trigger c after insert on a begin insert into b values (new.n + 1); end`.run();
      sql(ctx)`insert into a values (${1})`.run();
      expect(sql(ctx)`select n from b`.all()).toEqual([{ n: 2 }]);
      expect(codeOf(() => sql(ctx)`delete from b; delete from nosuch`.run())).toBe("sql-failed");
      expect(sql(ctx)`select n from b`.all()).toEqual([]);
    });
  });

  it("runs each of several statements to its end, so that none resets the object", async () => {
    await within("sql several", async (ctx) => {
      sql(ctx)`create table a (n integer)`.run();
      const insert = sql(ctx)`insert into a values (1), (2) returning n; insert into a values (${3}) returning n;`;
      expect(insert.all()).toEqual([{ n: 3 }]);
      await ctx.storage.sync();
      expect(sql(ctx)`select n from a`.all()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
      const error = errorOf(() => sql(ctx)`select 1 as a; select 'b;', nosuch; select ${1}`.all());
      expect(error.message).toContain("\n\nselect 'b;', nosuch\n             ^\n");
    });
  });

  it("refuses values before the last of several statements", async () => {
    await within("sql parameters", (ctx) => {
      for (const query of [() => sql(ctx)`select ${1}; select ${2}`, () => sql(ctx)`select ${1}; select 2;`]) {
        expect(errorOf(query)).toMatchObject({
          code: "bad-sql",
          message: expect.stringContaining("a query for each statement"),
        });
      }
    });
  });

  it("follows the transaction it is in", async () => {
    await withTodos("transaction", (ctx) => {
      expect(() =>
        Storage.transaction(ctx, () => {
          for (const { id } of sql<Todo>(ctx)`select id from todos order by id`) {
            expect(() =>
              Storage.transaction(ctx, () => {
                sql(ctx)`delete from todos where id = ${id}`.run();
                throw new RangeError("inner");
              }),
            ).toThrow("inner");
            sql(ctx)`update todos set title = ${`${id}`} where id = ${id}`.run();
          }
          expect(titles(ctx)).toEqual(["1", "2", "3"]);
          throw new RangeError("outer");
        }),
      ).toThrow("outer");
      expect(titles(ctx)).toEqual(["milk", "bread", "soap"]);
    });
  });

  it("binds the plain bytes behind a persisted field", async () => {
    const stub = env.ACCESSOR_THINGS.getByName("sql");
    await runInDurableObject(stub, (self, ctx) => {
      expect(sql(ctx)`select ${self.bytes} as v`.one()).toEqual({ v: new Uint8Array([1, 2, 3]).buffer });
      expect(errorOf(() => sql(ctx)`select ${self.date as never}`).message).toContain("value.getTime()");
      expect(errorOf(() => sql(ctx)`select ${self.log as never}`).message).toContain("sql.join");
    });
  });

  it("tells at once that the class has no SQLite", async () => {
    await runInDurableObject(env.UNBACKED.getByName("sql"), (_, ctx) => {
      expect(codeOf(() => sql(ctx))).toBe("no-sqlite-storage");
      expect(codeOf(() => Storage.transaction(ctx, () => 1))).toBe("no-sqlite-storage");
    });
  });

  it("reads as many rows as SQLite says, in a loop that ends early too", async () => {
    await runInDurableObject(env.ROWS_1.getByName("sql"), async (_, ctx) => {
      sql(ctx)`create table t (n integer primary key)`.run();
      const { written } = await meterOf(ctx.storage).during(() =>
        sql(ctx)`insert into t values ${sql.join(Array.from({ length: 50 }, (_, i) => sql.part`(${i})`))}`.run(),
      );
      const rowsOf = async (work: () => unknown): Promise<number> =>
        (await meterOf(ctx.storage).during(() => work())).read;
      const ended = await rowsOf(() => {
        for (const _ of sql(ctx)`select n from t`) break;
      });
      const first = await rowsOf(() => sql(ctx)`select n from t`.first());
      const limited = await rowsOf(() => sql(ctx)`select n from t limit 1`.first());
      expect([written, ended, first, limited]).toEqual([50, 50, 50, 1]);
    });
  });
});

describe("a loop over a query", () => {
  it("ends, though it writes ahead of itself, changes tables and is left early", async () => {
    await withTodos("loop", (ctx) => {
      const seen: number[] = [];
      for (const { id } of sql<Todo>(ctx)`select id from todos order by id`) {
        seen.push(id);
        sql(ctx)`insert into todos (title) values (${`more ${id}`})`.run();
        sql(ctx)`update todos set done = ${1}`.run();
        sql(ctx)`create table ${sql.id(`t${id}`)} (n integer)`.run();
      }
      expect(seen).toEqual([1, 2, 3]);
      for (const _ of sql(ctx)`select id from todos`) break;
      for (const _ of sql(ctx)`insert into todos (title) values ('x'), ('y') returning id`) break;
      expect(sql(ctx)`insert into todos (title) values ('z'), ('zz') returning id`.first()).toEqual({ id: 9 });
      sql(ctx)`drop table todos`.run();
    });
  });

  it("goes on over an await and over writes of others", async () => {
    await withTodos("await in loop", async (ctx) => {
      const seen: string[] = [];
      for (const { title } of sql<Todo>(ctx)`select title from todos order by id`) {
        seen.push(title);
        await scheduler.wait(1);
        ctx.storage.sql.exec("delete from todos");
        Storage.put(ctx, title, 1);
      }
      expect(seen).toEqual(["milk", "bread", "soap"]);
    });
  });
});

describe("sql.id, part and join", () => {
  it("make names, pieces and lists", async () => {
    await withTodos("pieces", (ctx) => {
      const open = sql.part`done = ${0}`;
      const some = sql.part`id in (${sql.join([1, 3, 7])}) and ${open}`;
      const order = sql.join([sql.id("done"), sql.part`${sql.id("id")} desc`]);
      expect(sql(ctx)`select id from ${sql.id("todos")} where ${some} order by ${order}`.all()).toEqual([
        { id: 3 },
        { id: 1 },
      ]);
      const any = sql.join([sql.part`title = ${"milk"}`, sql.part`title = ${"soap"}`], sql.part` or `);
      expect(sql(ctx)`select count(*) as n from todos where ${any}`.one()).toEqual({ n: 2 });
      expect(sql(ctx)`select id from todos where id in (${sql.join([])})`.all()).toEqual([]);
      expect(sql(ctx)`select id from todos where true ${sql.part``} order by id limit ${1}`.all()).toEqual([{ id: 1 }]);
    });
  });

  it("make a name of a misspelt column an error, where double quotes would make it a text", async () => {
    await withTodos("misspelt", (ctx) => {
      expect(ctx.storage.sql.exec(`select "tilte" from todos limit 1`).toArray()).toHaveLength(1);
      expect(codeOf(() => sql(ctx)`select ${sql.id("tilte")} from todos`.all())).toBe("sql-failed");
    });
  });

  it("refuse names that are none", () => {
    for (const name of ["", "a\0b", "a\ud800", 5, undefined, ["a"]] as string[]) {
      expect(codeOf(() => sql.id(name))).toBe("bad-sql");
    }
  });
});

describe("SQL that was not written as a template", () => {
  it("is refused, however it is passed", async () => {
    await withTodos("strings", (ctx) => {
      const tag = sql(ctx) as (...args: unknown[]) => unknown;
      const forged = globalThis.Object.assign(["drop table todos"], { raw: ["drop table todos"] });
      for (const strings of [
        "drop table todos",
        ["drop table todos"],
        forged,
        undefined,
        new String("drop table todos"),
      ]) {
        expect(codeOf(() => tag(strings))).toBe("bad-sql");
        expect(codeOf(() => (sql.part as (...args: unknown[]) => unknown)(strings))).toBe("bad-sql");
      }
      const strings = ((strings: TemplateStringsArray) => strings)`select 1`;
      expect(codeOf(() => tag(strings, "more"))).toBe("bad-sql");
      for (const separator of [" or ", "); drop table todos; --", 5, null]) {
        expect(codeOf(() => sql.join([1, 2], separator as never))).toBe("bad-sql");
      }
      const likeFragment = { text: "1; drop table todos", values: [] };
      expect(codeOf(() => sql(ctx)`select ${likeFragment as never}`)).toBe("not-bindable");
      expect(titles(ctx)).toHaveLength(3);
    });
  });

  it("is refused where a value or a piece would stand in quotes or a comment", async () => {
    await within("sql quotes", (ctx) => {
      const name = sql.id("a' or 1 --");
      for (const act of [
        () => sql(ctx)`select '${"a"}'`,
        () => sql(ctx)`select 'it''s ${name}'`,
        () => sql(ctx)`select "${name}"`,
        () => sql(ctx)`select \`${name}\``,
        () => sql(ctx)`select [${name}]`,
        () => sql(ctx)`select 1 -- ${name}`,
        () => sql(ctx)`select 1 /* ${name} */`,
        () => sql(ctx)`select '${name}' -- '`,
        () => sql(ctx)`select '\unicode', ${1}`,
        () => sql.part`-- a comment`,
        () => sql.part`'a`,
        () => sql.part`/* a`,
        () => sql.part`${1} "`,
      ]) {
        expect(codeOf(act)).toBe("bad-sql");
      }
      const query = sql(ctx)`select 'it''s' || ${"a"} as "a -- '", /* ' */ 'b' as [c"], -- "
        ${"d"} as \`e'\` -- the end`;
      expect(query.one()).toEqual({ "a -- '": "it'sa", 'c"': "b", "e'": "d" });
    });
  });

  it("is refused over 100 values or 100 KB, at once", async () => {
    await within("sql limits", (ctx) => {
      const many = Array.from({ length: 100 }, (_, i) => i);
      expect(sql(ctx)`select count(*) as n from json_each('[1]') where value in (${sql.join(many)})`.one()).toEqual({
        n: 1,
      });
      expect(errorOf(() => sql(ctx)`select ${sql.join([...many, 100])}`)).toMatchObject({
        code: "bad-sql",
        message: expect.stringContaining("json_each"),
      });
      const long = sql.join(Array.from({ length: 100 }, () => sql.id("é".repeat(500))));
      expect(codeOf(() => sql(ctx)`select ${long}`)).toBe("bad-sql");
      expect(sql.part`${sql.join(many)}`).toBeDefined();
    });
  });
});

describe("values of SQL", () => {
  it("are refused when SQLite would change them, saying what to write and never the value", async () => {
    await within("sql refused", (ctx) => {
      const detached = new Uint8Array(2);
      structuredClone(detached, { transfer: [detached.buffer] });
      for (const [value, fix] of [
        [true, "Number(value)"],
        [new Date(5), "value.getTime()"],
        [undefined, "value ?? null"],
        [NaN, "null"],
        [2 ** 53, "String(value)"],
        [-(2 ** 63), "String(value)"],
        [2n ** 53n, "String(value)"],
        [-(2n ** 63n), "String(value)"],
        [10n ** 400n, "String(value)"],
        ["secret\ud800", "toWellFormed"],
        [{ secret: 1 }, "JSON.stringify"],
        [["secret"], "sql.join"],
        [new Map([["secret", 1]]), "JSON.stringify"],
        [new String("secret"), "JSON.stringify"],
        [Symbol("secret"), "String(value)"],
        [() => "secret", "String(value)"],
        [new SharedArrayBuffer(2), "new Uint8Array(value)"],
        [new Uint8Array(new SharedArrayBuffer(2)), "new Uint8Array(value)"],
        [detached, "transferred"],
      ] as [Storage.SqlBinding, string][]) {
        const error = errorOf(() => sql(ctx)`select ${1}, ${value}`);
        expect([error.code, error.message]).toEqual(["not-bindable", expect.stringContaining(fix)]);
        expect(error.message).toContain("value 2");
        expect(error.message).not.toContain("secret");
      }
    });
  });

  it("are too large over 2 MB", async () => {
    await within("sql large", (ctx) => {
      for (const value of ["x".repeat(2_000_001), "€".repeat(666_667), new Uint8Array(2_000_001)]) {
        expect(codeOf(() => sql(ctx)`select ${value}`)).toBe("too-large");
      }
      expect(sql(ctx)`select length(${"€".repeat(666_666)}) as n`.one()).toEqual({ n: 666_666 });
    });
  });

  it("are refused on their way out when a row would not say what SQLite has", async () => {
    await within("sql lossy", (ctx) => {
      for (const query of [
        sql(ctx)`select 1 as a, 2 as a`,
        sql(ctx)`select 1 as a, 2 as a where false`,
        sql(ctx)`select 1 as ${sql.id("__proto__")}`,
        sql(ctx)`select 9007199254740993 as n`,
        sql(ctx)`select -9223372036854775807 as n`,
        sql(ctx)`select 1 as n union all select 9007199254740992`,
      ]) {
        for (const ask of [() => query.all(), () => query.first(), () => query.one(), () => [...query]]) {
          expect(codeOf(ask)).toBe("lossy-result");
        }
        expect(query.run().rowsWritten).toBe(0);
      }
      expect(errorOf(() => sql(ctx)`select 9007199254740993 as n`.one()).message).toContain("cast(n as text)");
      expect(sql(ctx)`select cast(9007199254740993 as text) as n, 1 as N, 1e300 as big`.one()).toEqual({
        n: "9007199254740993",
        N: 1,
        big: 1e300,
      });
    });
  });

  it("are what the docs say where SQLite has another type", async () => {
    await within("sql types", (ctx) => {
      sql(ctx)`create table t (any, i integer, r real, x text)`.run();
      const rowOf = (value: number | bigint): unknown => {
        sql(ctx)`delete from t`.run();
        sql(ctx)`insert into t values (${value}, ${value}, ${value}, ${value})`.run();
        return Object.values(sql<Record<string, number>>(ctx)`select any, i, r, x from t`.one());
      };
      expect(rowOf(5)).toEqual([5, 5, 5, "5.0"]);
      expect(rowOf(5n)).toEqual([5, 5, 5, "5.0"]);
      expect(rowOf(-0)).toEqual([-0, 0, 0, "0.0"]);
      expect(rowOf(Infinity)).toEqual([Infinity, Infinity, Infinity, "Inf"]);
      expect(sql(ctx)`select ${7} / 2 as real, cast(${7} as integer) / 2 as whole`.one()).toEqual({
        real: 3.5,
        whole: 3,
      });
    });
  });
});

describe("an error of SQLite", () => {
  const failure = (query: Storage.Query<unknown>): { message: string; cause: unknown } => {
    const error = errorOf(() => query.all());
    expect(error.code).toBe("sql-failed");
    expect(error.cause).toBeInstanceOf(Error);
    return { message: error.message, cause: error.cause };
  };

  it("shows the statement and marks the place, by characters and lines", async () => {
    await withTodos("place", (ctx) => {
      expect(failure(sql(ctx)`select 'é€😀', nosuch, ${"secret"} from todos`).message).toContain(
        "no such column: nosuch\n\nselect 'é€😀', nosuch, ? from todos\n               ^\n",
      );
      expect(
        failure(sql(ctx)`select id
  from todos
  wher id = ${5}
  limit 1`).message,
      ).toContain('near "id": syntax error\n\nselect id\n  from todos\n  wher id = ?\n       ^\n  limit 1\n');
      expect(failure(sql(ctx)`select ${sql.id("nosuch")} from todos`).message).toContain("\n       ^\n");
    });
  });

  it("marks a column by its table, quoted or not", async () => {
    await withTodos("tables", (ctx) => {
      const table = sql.id("todos");
      for (const name of [sql.part`todos.nosuch`, sql.part`${table}.nosuch`, sql.part`${table}.${sql.id("nosuch")}`]) {
        const { message } = failure(sql(ctx)`select id, ${name} from todos`);
        expect(message).toMatch(/nosuch.* from todos\n {11,19}\^\n/);
      }
    });
  });

  it("shows no mark where SQLite names no place", async () => {
    await withTodos("no place", (ctx) => {
      for (const query of [sql(ctx)`select * from nosuch`, sql(ctx)`select`, sql(ctx)``]) {
        const { message } = failure(query);
        expect(message).toContain("Storage.sql: ");
        expect(message).not.toContain("^");
      }
    });
  });

  it("cuts a long statement round the place", async () => {
    await withTodos("long", (ctx) => {
      const long = sql.join(Array.from({ length: 50 }, () => sql.id("x".repeat(500))));
      const { message } = failure(sql(ctx)`select id from todos where nosuch = 1 and 1 in (${long})`);
      expect(message).toContain("where nosuch");
      expect(message.length).toBeLessThan(1_500);
    });
  });

  it("tells of a broken rule by the names of the schema", async () => {
    await withTodos("constraint", (ctx) => {
      const insert = sql(ctx)`insert into todos (title) values (${"milk"})`;
      expect(failure(insert).message).toContain("UNIQUE constraint failed: todos.title\n");
      expect(failure(sql(ctx)`insert into todos (title) values (${null})`).message).toContain("NOT NULL constraint");
      expect(titles(ctx)).toHaveLength(3);
    });
  });

  it("never shows a bound value, though SQLite's own words do", async () => {
    await withTodos("secrets", (ctx) => {
      sql(ctx)`create virtual table words using fts5(a)`.run();
      sql(ctx)`create table guarded (v)`.run();
      sql(ctx)`create trigger whole before insert on guarded begin select raise(abort, new.v); end`.run();
      sql(
        ctx,
      )`create trigger part before delete on guarded begin select raise(abort, 'not ' || old.v || ' here'); end`.run();
      sql(ctx)`create trigger rest before update on guarded begin select raise(abort, 'no: ' || new.v); end`.run();
      for (const value of ["s3cret", "it's s3cret", "s3cret:x", '"s3cret" x(', "x s3cret"]) {
        for (const query of [
          sql(ctx)`select json_extract('{}', ${value})`,
          sql(ctx)`select * from words where words match ${`(${value}`}`,
          sql(ctx)`select * from words where words match ${`${value} ::`}`,
          sql(ctx)`insert into guarded values (${value})`,
        ]) {
          const { message, cause } = failure(query);
          expect(message).not.toContain("s3cret");
          expect((cause as Error).message).toContain("SQLITE_");
        }
      }
      ctx.storage.sql.exec("drop trigger whole");
      sql(ctx)`insert into guarded values (${"s3cret"})`.run();
      expect(failure(sql(ctx)`delete from guarded where v = ${"s3cret"}`).message).toContain("…");
      expect(failure(sql(ctx)`update guarded set v = ${"s3cret"}`).message).toContain("no: …\n");
    });
  });

  it("comes of what the platform forbids, the library's rows among it", async () => {
    await within("sql forbidden", (ctx) => {
      Storage.put(ctx, "a", 1);
      for (const query of [
        sql(ctx)`select * from _cf_KV`,
        sql(ctx)`delete from ${sql.id("_cf_KV")}`,
        sql(ctx)`update main._cf_KV set value = null`,
        sql(ctx)`drop table _cf_KV`,
        sql(ctx)`create table _cf_mine (n)`,
        sql(ctx)`begin`,
        sql(ctx)`pragma user_version`,
        sql(ctx)`attach ${"x"} as y`,
      ]) {
        failure(query);
      }
      expect(Storage.get(ctx, "a")).toBe(1);
    });
  });
});
