/** Export and import: a whole object as a stream, and back, exactly. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, Object, snapshot } from "durable-base";
import * as Transfer from "durable-base/transfer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import documented from "../../docs/guides/transfer.md?raw";
import { crc32, toBytes } from "../../src/transfer/format.ts";
import { isLong, seed } from "../battery.ts";
import { errorOf } from "../error-of.ts";
import type { AccessorThings } from "../persisted/fixtures/persisted.ts";
import { backUp, copy, load } from "./fixtures/transfer-docs.ts";
import code from "./fixtures/transfer-docs.ts?raw";
import { anyCell, anyValue, told } from "./transfer-values.ts";

let objects = 0;

/** Runs `work` in a fresh object that has none of our base class. */
async function fresh<Result>(work: (ctx: DurableObjectState) => Result): Promise<Awaited<Result>> {
  return await runInDurableObject(env.PROBE.getByName(`transfer ${objects++}`), async (_, ctx) => await work(ctx));
}

async function exported(ctx: DurableObjectState, options?: Transfer.ExportOptions): Promise<string> {
  return await new Response(Transfer.export(ctx, options)).text();
}

/** The text as a stream of small pieces that have nothing to do with lines. */
function streamOf(text: string | Uint8Array, size = 1_000): ReadableStream<Uint8Array> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, (at += size)));
    },
  });
}

/** The lines that are about what is stored. */
function content(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !/^\["(?:durable-base|check|end)"/.test(line));
}

async function codeOf(act: () => unknown): Promise<unknown> {
  const error = await errorOf(act);
  if (!DurableError.is(error)) throw error;
  return error.code;
}

const rows = (ctx: DurableObjectState, query: string): unknown[] => [...ctx.storage.sql.exec(query).raw()];

/** What lies in a fresh object that gets what another was filled with. */
async function carried<Result>(
  fill: (ctx: DurableObjectState) => unknown,
  look: (ctx: DurableObjectState) => Result,
): Promise<Awaited<Result>> {
  const text = await fresh(async (ctx) => {
    await fill(ctx);
    return await exported(ctx);
  });
  return await fresh(async (ctx) => {
    await Transfer.import(ctx, streamOf(text));
    expect(content(await exported(ctx))).toEqual(content(text));
    return await look(ctx);
  });
}

describe("Transfer.export and Transfer.import", () => {
  it(`carry any value of a key exactly, seed ${seed}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyValue, { minLength: 1, maxLength: 20 }), async (values) => {
        const stored = new Map<string, string>();
        const got = await carried(
          ({ storage: { kv } }) => {
            for (const [i, value] of values.entries()) {
              try {
                kv.put(`${i}`, value);
              } catch {
                // What storage does not take is not there to be carried.
                continue;
              }
              stored.set(`${i}`, told(kv.get(`${i}`)));
            }
          },
          ({ storage: { kv } }) => new Map(Array.from(kv.list(), ([key, value]) => [key, told(value)])),
        );
        expect(got).toEqual(new Map([...stored].toSorted(([a], [b]) => (a < b ? -1 : 1))));
      }),
      { numRuns: isLong ? 60 : 2 },
    );
  });

  it(`carry any row exactly, seed ${seed}`, async () => {
    const all =
      "select typeof(a), quote(a), cast(a as blob), quote(b), quote(c), quote(d), quote(e), cast(d as blob) from t";
    const cells = fc.array(anyCell, { minLength: 5, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(cells, { minLength: 1, maxLength: 30 }),
        fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 30 }),
        async (values, ids) => {
          let before: unknown;
          const after = await carried(
            (ctx) => {
              const { sql } = ctx.storage;
              sql.exec("create table t (a, b integer, c real, d text, e numeric)");
              sql.exec("create table k (a, b text collate nocase, c, primary key (a desc, b)) without rowid");
              for (const [i, row] of values.entries()) {
                const list = row.map(([text]) => text).join();
                const id = ids[i] === undefined ? "null" : String(ids[i]);
                sql.exec(
                  `insert or replace into t (rowid, a, b, c, d, e) values (${id}, ${list})`,
                  ...row.map(([, bound]) => bound),
                );
                const keys = row.slice(0, 3);
                sql.exec(
                  `insert or ignore into k values (${keys.map(([text]) => text).join()})`,
                  ...keys.map(([, bound]) => bound),
                );
              }
              before = [
                rows(ctx, `${all} order by rowid`),
                rows(ctx, "select rowid || '' from t order by rowid"),
                rows(ctx, "select quote(a), cast(b as blob), quote(c) from k"),
              ];
            },
            (ctx) => [
              rows(ctx, `${all} order by rowid`),
              rows(ctx, "select rowid || '' from t order by rowid"),
              rows(ctx, "select quote(a), cast(b as blob), quote(c) from k"),
            ],
          );
          expect(after).toEqual(before);
        },
      ),
      { numRuns: isLong ? 60 : 2 },
    );
  });

  it("carry tables of every kind, with what belongs to them", async () => {
    const schema =
      "select type, name, sql from sqlite_schema where name not like '\\_cf%' escape '\\' and name <> 'sqlite_sequence' order by 1, 2";
    let before: unknown[] = [];
    const look = (ctx: DurableObjectState): unknown[] => [
      rows(ctx, schema).filter((row) => !String((row as unknown[])[1]).startsWith("f")),
      ...["a", "w", "s", "log", "v", "wide", "sqlite_sequence", "r", "f", "f_config", "fe", "p", "c"].map((table) =>
        rows(ctx, `select * from ${table}`),
      ),
      rows(ctx, "select rowid, x from f where f match 'hello'"),
      rows(ctx, "select rowid from fe where fe match 'milk'"),
      rows(ctx, "select rowid from fw where fw match 'milk'"),
      rows(ctx, "select term, doc from fv"),
      rows(ctx, "select rowid, * from odd"),
    ];
    const after = await carried((ctx) => {
      const { sql } = ctx.storage;
      const wide = Array.from({ length: 100 }, (_, i) => `c${i}`);
      sql.exec(
        "create table a (id integer primary key autoincrement, title text not null check (title <> ''), twice as (title || title) stored)",
      );
      sql.exec("create table w (k text primary key, v) without rowid");
      sql.exec("create table s (n integer, x any) strict");
      sql.exec("create table log (text)");
      sql.exec("create index by_title on a (title collate nocase desc) where id > 1");
      sql.exec("create unique index one on a (lower(title))");
      sql.exec("create view v as select title from a");
      sql.exec("create trigger t after insert on a begin insert into log values ('added ' || new.title); end");
      sql.exec("insert into a (title) values ('x'), ('Y'), ('z')");
      sql.exec("delete from a where id = 3");
      sql.exec("insert into w values ('k', x'00'), ('a', 1.0)");
      sql.exec("insert into s values (5, 5.0)");
      sql.exec(`create table wide (${wide.join()})`);
      sql.exec(`insert into wide (rowid, c0, c99) values (7, 'first', 'last')`);
      sql.exec('create table odd (rowid text, "_rowid_" text, "quoted "" name, [x]" int)');
      sql.exec("insert into odd (oid, rowid) values (5, 'mine')");
      sql.exec("create virtual table r using rtree (id, x0, x1)");
      sql.exec("insert into r values (3, 0.1, 0.7), (9, -5, 5)");
      sql.exec("create virtual table f using fts5 (x, y unindexed)");
      sql.exec("insert into f (rowid, x, y) values (4, 'hello world', 'y'), (9, 'other', null)");
      sql.exec("insert into f (f, rank) values ('rank', 'bm25(10.0, 5.0)')");
      sql.exec("create virtual table fe using fts5 (title, content='a', content_rowid='id')");
      sql.exec("insert into a (title) values ('milk')");
      sql.exec("insert into fe (fe) values ('rebuild')");
      sql.exec("create virtual table fv using fts5vocab (f, 'row')");
      sql.exec("create view av as select id, title from a");
      sql.exec("create virtual table fw using fts5 (title, content='av', content_rowid='id')");
      sql.exec("insert into fw (fw) values ('rebuild')");
      expect(rows(ctx, "select rowid from fw where fw match 'milk'")).toEqual([[4]]);
      // The child comes first, and rows refer to later ones and to each other.
      sql.exec("create table c (id integer primary key, p references p (code), next int references c (id), x)");
      sql.exec(
        "create table p (id integer primary key, code text, peer int references p (id) deferrable initially deferred)",
      );
      sql.exec("create unique index codes on p (code)");
      ctx.storage.transactionSync(() => {
        sql.exec("pragma defer_foreign_keys = on");
        sql.exec("insert into p values (1, 'a', 2), (2, 'b', 1), (3, 'c', null)");
        sql.exec("insert into c values (1, 'b', 3, x'00ff'), (2, null, 1, cast(x'61ff' as text)), (3, 'a', 3, 1.0)");
      });
      before = look(ctx);
    }, look);
    expect(after).toEqual(before);
  });

  it("carry more rows than a page has, large ones among them, of tables of every key", async () => {
    const look = (ctx: DurableObjectState): unknown[] => [
      rows(ctx, "select count(*), sum(length(b)), sum(id) from big"),
      rows(ctx, "select count(*), sum(x) from pairs"),
      [...ctx.storage.kv.list()].map(([key, value]) => [key, (value as string).length]),
    ];
    let before: unknown[] = [];
    const after = await carried((ctx) => {
      const { sql, kv } = ctx.storage;
      sql.exec("create table big (id integer primary key, b)");
      sql.exec("create table pairs (a text, b int, x, primary key (a desc, b)) without rowid");
      for (let i = 0; i < (isLong ? 3_000 : 200); i++) {
        sql.exec("insert into big values (?, ?)", i * 3, i % 500 === 7 ? new Uint8Array(1_900_000) : "x");
        sql.exec("insert into pairs values (?, ?, ?)", `a${i % 7}`, i, i);
        if (i % 5 === 0) kv.put(`k${i}`, "v".repeat(i % 100 === 0 ? 500_000 : 100));
      }
      before = look(ctx);
    }, look);
    expect(after).toEqual(before);
  });

  it("read one page at a time, when it is asked for", async () => {
    await fresh(async (ctx) => {
      for (let i = 0; i < 40; i++) ctx.storage.kv.put(`k${i}`, "v".repeat(50_000));
      let batches = 0;
      const reader = Transfer.export(ctx, { onProgress: () => batches++ }).getReader();
      await reader.read();
      await reader.read();
      await scheduler.wait(20);
      expect(batches).toBeLessThan(3);
      // What a list left open would lock.
      ctx.storage.sql.exec("create table t (x)");
      await reader.cancel();
    });
  });

  it("set the alarm; where the class has none, the import can go on once it has", async () => {
    const at = Date.now() + 10_000_000;
    const text = await runInDurableObject(env.SURFACES.getByName("transfer alarm"), async (_, ctx) => {
      await ctx.storage.setAlarm(at);
      ctx.storage.kv.put("a", 1);
      return await exported(ctx);
    });
    const got = await runInDurableObject(env.SURFACES.getByName("transfer to alarm"), async (_, ctx) => {
      await Transfer.import(ctx, streamOf(text));
      return [await ctx.storage.getAlarm(), ctx.storage.kv.get("a")];
    });
    expect(got).toEqual([at, 1]);
    await fresh(async (ctx) => {
      const { setAlarm } = ctx.storage;
      // As the platform does for a class without `alarm()`; those of the tests all have one.
      ctx.storage.setAlarm = () => Promise.reject(new TypeError("Your class must have an alarm() handler"));
      expect(await codeOf(() => Transfer.import(ctx, streamOf(text)))).toBe("bad-transfer");
      expect(Transfer.importing(ctx)).toMatchObject({ keys: 1 });
      ctx.storage.setAlarm = setAlarm;
      await Transfer.import(ctx, streamOf(text));
      expect(await ctx.storage.getAlarm()).toBe(at);
    });
  });

  it("carry persisted fields, small, large and with keys, under the new object's own name", async () => {
    const source = env.ACCESSOR_THINGS.getByName("transfer source");
    const fill = (things: AccessorThings): void => {
      things.count = 7;
      for (let i = 0; i < 500; i++) things.log.push({ at: new Date(i), by: i });
      for (let i = 0; i < 300; i++) things.map.set(`k${i}`, { i, big: "x".repeat(200) });
      things.any = [1n, undefined, new Map([["a", new Uint8Array([1])]])];
    };
    const look = (things: AccessorThings): string =>
      told(snapshot([things.count, things.log, things.map, things.set, things.any, things.id, things.bytes]));
    const [text, before] = await runInDurableObject(source, async (things, ctx) => {
      // Not written yet, when it is exported.
      fill(things);
      return [await exported(ctx), look(things)] as const;
    });
    const target = env.ACCESSOR_THINGS.getByName("transfer target");
    const during = await runInDurableObject(target, async (things, ctx) => {
      expect(things.count).toBe(0);
      expect(things.log.length).toBe(0);
      const seen = new Set<number>();
      await Transfer.import(ctx, streamOf(text), { onProgress: () => seen.add(things.count + things.log.length) });
      // Nothing of the fields was there before all was.
      expect([...seen].slice(0, -1)).toEqual(seen.size > 1 ? [0] : []);
      return look(things);
    });
    expect(during).toBe(before);
    await evictDurableObject(target);
    const later = await runInDurableObject(target, async (things, { storage }) => {
      const { name } = storage.kv.get<{ name: string }>("durable-base:record")!;
      things.count++;
      return [look(things) === before, name, things.count];
    });
    expect(later).toEqual([false, "transfer target", 8]);
  });

  it("notice that fields were written while they were imported", async () => {
    const text = await runInDurableObject(env.ACCESSOR_THINGS.getByName("transfer writes"), async (things, ctx) => {
      things.count = 7;
      for (let i = 0; i < 20; i++) ctx.storage.kv.put(`k${i}`, "x".repeat(40_000));
      return await exported(ctx);
    });
    await runInDurableObject(env.ACCESSOR_THINGS.getByName("transfer to writes"), async (things, ctx) => {
      const onProgress = (): void => void things.count++;
      expect(await codeOf(() => Transfer.import(ctx, streamOf(text), { onProgress }))).toBe("not-empty");
      await Transfer.import(ctx, streamOf(text), { replace: true });
      expect(things.count).toBe(7);
    });
  });

  it("refuse an object that is not empty, unless it is to be replaced", async () => {
    const text = await fresh(async (ctx) => {
      ctx.storage.kv.put("new", 1);
      return await exported(ctx);
    });
    const fills: ((ctx: DurableObjectState) => unknown)[] = [
      ({ storage }) => storage.kv.put("old", 1),
      ({ storage }) => storage.sql.exec("create table old (x)"),
      ({ storage }) => storage.sql.exec("create view old as select 1"),
    ];
    for (const fill of fills) {
      await fresh(async (ctx) => {
        fill(ctx);
        expect(await codeOf(() => Transfer.import(ctx, streamOf(text)))).toBe("not-empty");
        await Transfer.import(ctx, streamOf(text), { replace: true });
        expect(content(await exported(ctx))).toEqual(content(text));
      });
    }
  });
});

/** Many batches: a table, an index, a trigger and keys. */
function fillSample({ storage: { kv, sql } }: DurableObjectState): void {
  sql.exec("create table t (id integer primary key autoincrement, p int references t (id), x)");
  sql.exec("create index i on t (x)");
  sql.exec("create trigger tr after insert on t begin update t set x = 'set off' where id = new.id; end");
  sql.exec("insert into t values (9, null, 0)");
  sql.exec("insert into t values (1, 9, 1), (2, 1, 2.5)");
  sql.exec("drop trigger tr");
  sql.exec("create trigger tr after insert on t begin update t set x = 'set off' where id = new.id; end");
  for (let i = 0; i < 8; i++) kv.put(`key ${i}`, i % 2 === 0 ? "é".repeat(40_000) : [i, new Map([[i, i]])]);
}

describe("an import that was cut off", () => {
  it("goes on from wherever it was, with the same stream or the rest of the export", async () => {
    const source = env.PROBE.getByName("transfer rest");
    const text = await runInDurableObject(source, async (_, ctx) => {
      fillSample(ctx);
      return await exported(ctx);
    });
    const rest = async (from: string): Promise<string> =>
      await runInDurableObject(source, async (_, ctx) => await exported(ctx, { from }));
    const lines = text.split(/(?<=\n)/);
    expect(lines.length).toBeGreaterThan(15);
    for (let cut = 1; cut < lines.length; cut++) {
      // In the middle of a line, too.
      const before = lines.slice(0, cut).join("") + lines[cut]!.slice(0, lines[cut]!.length / 2);
      const name = `transfer cut ${cut}`;
      const cursor = await runInDurableObject(env.PROBE.getByName(name), async (_, ctx) => {
        expect(await codeOf(() => Transfer.import(ctx, streamOf(before, 50_000)))).toBe("bad-transfer");
        const { cursor } = Transfer.importing(ctx) ?? {};
        if (cursor !== undefined) expect(await codeOf(() => Transfer.export(ctx))).toBe("not-exportable");
        return cursor;
      });
      const whole = cursor === undefined || cut % 2 === 0 ? text : await rest(cursor);
      if (cursor !== undefined && cut % 2 === 1) expect(whole.length).toBeLessThan(text.length);
      await runInDurableObject(env.PROBE.getByName(name), async (_, ctx) => {
        await Transfer.import(ctx, streamOf(whole, 50_000));
        expect(Transfer.importing(ctx)).toBeUndefined();
        expect(content(await exported(ctx))).toEqual(content(text));
      });
    }
  });

  it("survives the end of the object", async () => {
    const text = await fresh(async (ctx) => {
      fillSample(ctx);
      return await exported(ctx);
    });
    const stub = env.PROBE.getByName("transfer evicted");
    await runInDurableObject(stub, async (_, ctx) => {
      expect(await codeOf(() => Transfer.import(ctx, streamOf(text.slice(0, -200))))).toBe("bad-transfer");
    });
    await evictDurableObject(stub);
    await runInDurableObject(stub, async (_, ctx) => {
      expect(Transfer.importing(ctx)!.keys).toBeGreaterThan(0);
      await Transfer.import(ctx, streamOf(text));
      expect(content(await exported(ctx))).toEqual(content(text));
    });
  });

  it("refuses another stream, one that begins further on, and one that lacks a batch", async () => {
    const [text, other, cursors] = await fresh(async (ctx) => {
      fillSample(ctx);
      const cursors: string[] = [];
      const text = await exported(ctx, { onProgress: ({ cursor }) => cursors.push(cursor) });
      return [text, await exported(ctx), await Promise.all(cursors.map((from) => exported(ctx, { from })))] as const;
    });
    await fresh(async (ctx) => {
      expect(await codeOf(() => Transfer.import(ctx, streamOf(cursors[1]!)))).toBe("bad-transfer");
      await codeOf(() => Transfer.import(ctx, streamOf(text.slice(0, text.indexOf('["key"')))));
      const { cursor } = Transfer.importing(ctx)!;
      for (const wrong of [other, cursors.at(-1)!]) {
        expect(await codeOf(() => Transfer.import(ctx, streamOf(wrong)))).toBe("bad-transfer");
        expect(Transfer.importing(ctx)!.cursor).toBe(cursor);
      }
      const lines = text.split(/(?<=\n)/);
      const checks = lines.flatMap((line, i) => (line.startsWith('["check"') ? [i + 1] : []));
      const lacking = [...lines.slice(0, checks[2]), ...lines.slice(checks[3])].join("");
      await errorOf(() => Transfer.import(ctx, streamOf(lacking), { replace: true }));
      expect(await codeOf(() => Transfer.import(ctx, streamOf(lacking)))).toBe("bad-transfer");
    });
  });
});

describe("a damaged stream", () => {
  it("is told by the checksum that zlib has, too", () => {
    expect(crc32(toBytes("123456789"))).toBe(0xcbf43926);
  });

  it("is noticed whichever byte has changed, and where it ends too early or too late", async () => {
    const text = await fresh(async (ctx) => {
      ctx.storage.sql.exec("create table t (x)");
      ctx.storage.sql.exec("insert into t values (1), ('é')");
      ctx.storage.kv.put("a", { b: [1, new Date(5)] });
      return await exported(ctx);
    });
    const bytes = new TextEncoder().encode(text);
    await fresh(async (ctx) => {
      for (let i = 0; i < bytes.length; i += isLong ? 1 : 60) {
        for (const bit of [1, 2, 128]) {
          const changed = bytes.with(i, bytes[i]! ^ bit);
          const code = await codeOf(() => Transfer.import(ctx, streamOf(changed), { replace: true }));
          if (code !== "bad-transfer") throw new Error(`byte ${i}, bit ${bit}: ${String(code)}`);
        }
        const short = bytes.subarray(0, i);
        // The last newline alone may be missing.
        expect(await codeOf(() => Transfer.import(ctx, streamOf(short), { replace: true }))).toBe("bad-transfer");
      }
      for (const more of ["x", "\n", "\n\n", text]) {
        expect(await codeOf(() => Transfer.import(ctx, streamOf(text + more), { replace: true }))).toBe("bad-transfer");
      }
    });
  });

  it("is no export, of a newer format, or gives texts", async () => {
    await fresh(async (ctx) => {
      for (const text of ["", "\n", "hello\n", '{"a":1}\n', '["durable-base",2,{}]\n', "x".repeat(40_000_000)]) {
        expect(await codeOf(() => Transfer.import(ctx, streamOf(text, 1_000_000)))).toBe("bad-transfer");
      }
      const newer = await errorOf(() => Transfer.import(ctx, streamOf('["durable-base",2,{}]\n')));
      expect(newer.message).toContain("format 2");
      const texts = new ReadableStream({ start: (controller) => controller.enqueue("a text") });
      expect(await codeOf(() => Transfer.import(ctx, texts as ReadableStream<Uint8Array>))).toBe("bad-transfer");
      expect([...ctx.storage.kv.list()]).toEqual([]);
    });
  });

  it("makes nothing but what its lines say, also with right checksums", async () => {
    const text = await fresh(async (ctx) => {
      ctx.storage.sql.exec("create table t (x)");
      return await exported(ctx);
    });
    const hostile = [
      "create table t (x); create table u (x)",
      "create table u (x)",
      "drop table if exists u",
      "create table t as select 1 as x",
      "create temp table t (x)",
      "insert into t values (1)",
      "/**/ create table t (x)",
    ];
    for (const sql of hostile) {
      await fresh(async (ctx) => {
        const changed = resealed(text, "CREATE TABLE t (x)", sql);
        expect(await codeOf(() => Transfer.import(ctx, streamOf(changed)))).toBe("bad-transfer");
        expect(rows(ctx, "select name from sqlite_schema where name not like '\\_cf%' escape '\\'")).toEqual([]);
      });
    }
    const keys = await fresh(async (ctx) => {
      ctx.storage.kv.put("key", 1);
      return await exported(ctx);
    });
    const wrong = [
      '["key","durable-base:import",[1]]',
      '["key","",[[5]]]',
      '["key","a",[["view","Map",[0],0,1]]]',
      '["row","_cf_KV","a","b"]',
      '["what"]',
    ];
    for (const line of wrong) {
      const changed = resealed(keys, '["key","key",[1]]', line);
      expect(await fresh((ctx) => codeOf(() => Transfer.import(ctx, streamOf(changed))))).toBe("bad-transfer");
    }
  });
});

/** The text with something else in it, and checksums that are right again. */
function resealed(text: string, from: string, to: string): string {
  const escaped = (sql: string): string => (sql.startsWith("[") ? sql : JSON.stringify(sql).slice(1, -1));
  expect(text).toContain(from);
  let batch = "";
  let all = "";
  for (const line of text.replace(from, () => escaped(to)).split(/(?<=\n)/)) {
    batch += line;
    if (!/^\["(?:check|end)"/.test(line)) continue;
    const body = batch.slice(0, -12);
    all += `${body}"${crc32(toBytes(body)).toString(16).padStart(8, "0")}"]\n`;
    batch = "";
  }
  return all;
}

describe("an export of an object that is written to", () => {
  it("tells so in its last line, or fails when it has to be unchanged", async () => {
    await fresh(async (ctx) => {
      fillSample(ctx);
      expect(await exported(ctx, { unchanged: true })).toContain('"unchanged":true');
      const write = (): void => ctx.storage.kv.put("key 3", "changed");
      expect(await exported(ctx, { onProgress: write })).toContain('"unchanged":false');
      expect(await codeOf(() => exported(ctx, { unchanged: true, onProgress: write }))).toBe("changed-meanwhile");
      const alter = (): void => void ctx.storage.sql.exec("create table if not exists later (x)");
      expect(await codeOf(() => exported(ctx, { onProgress: alter }))).toBe("bad-transfer");
    });
  });

  it("refuses options and cursors that cannot work", async () => {
    await fresh(async (ctx) => {
      const cursors: string[] = [];
      await exported(ctx, { onProgress: ({ cursor }) => cursors.push(cursor) });
      ctx.storage.kv.put("a", 1);
      await exported(ctx, { onProgress: ({ cursor }) => cursors.push(cursor) });
      const [from] = cursors as [string];
      expect(await codeOf(() => Transfer.export(ctx, { from, unchanged: true }))).toBe("bad-option");
      expect(await codeOf(() => Transfer.export(ctx, { form: from } as Transfer.ExportOptions))).toBe("bad-option");
      expect(await codeOf(() => Transfer.import(ctx, streamOf(""), { force: true } as Transfer.ImportOptions))).toBe(
        "bad-option",
      );
      expect(await codeOf(() => Transfer.import(ctx, null as unknown as ReadableStream))).toBe("bad-option");
      for (const wrong of ["", "a", "e30=", "!", 5]) {
        expect(await codeOf(() => Transfer.export(ctx, { from: wrong as string }))).toBe("bad-transfer");
      }
      ctx.storage.sql.exec("create table t (x)");
      expect(await codeOf(() => Transfer.export(ctx, { from }))).toBe("bad-transfer");
    });
  });

  it("refuses what could not be read back", async () => {
    const fills: ((ctx: DurableObjectState) => unknown)[] = [
      ({ storage }) => storage.sql.exec("create virtual table f using fts5 (x, content='')"),
      ({ storage }) => storage.sql.exec('create virtual table f using fts5 (x, content = "", contentless_delete=1)'),
      ({ storage }) => storage.sql.exec("create table t (rowid, oid, _rowid_)"),
      ({ storage }) => storage.kv.put("blob", { a: new Blob(["a"]) }),
      ({ storage }) => storage.kv.put("headers", new Headers()),
      ({ storage }) => storage.kv.put("a\ud800", 1),
    ];
    for (const fill of fills) {
      const code = await fresh(async (ctx) => {
        ctx.storage.kv.put("a\ufffd", "\ufffd");
        fill(ctx);
        return await codeOf(() => exported(ctx));
      });
      expect(code).toBe("not-exportable");
    }
    expect(
      await carried(
        ({ storage }) => storage.kv.put("a\ufffd", 1),
        ({ storage }) => storage.kv.get("a\ufffd"),
      ),
    ).toBe(1);
  });
});

describe("Transfer.bookmark and Transfer.restore", () => {
  it("say that there is no recovery, as locally", async () => {
    await fresh(async (ctx) => {
      for (const act of [
        () => Transfer.bookmark(ctx),
        () => Transfer.bookmark(ctx, Date.now() - 1_000),
        () => Transfer.restore(ctx.storage, "0000007b-0000b26e-00001538-0c3e87bb37b3db5cc52eedb93cd3b96b"),
      ]) {
        const error = await errorOf(act);
        expect(DurableError.is(error, "no-recovery")).toBe(true);
      }
      const error = await errorOf(() => Transfer.bookmark(ctx, Date.now()));
      expect((error.cause as Error).message).toContain("point-in-time recovery");
    });
  });

  it("refuse times and bookmarks that cannot be", async () => {
    await fresh(async (ctx) => {
      const day = 86_400_000;
      for (const at of [NaN, new Date(NaN), Date.now() + day, new Date(Date.now() - 31 * day), "2026-11-20", null]) {
        expect(await codeOf(() => Transfer.bookmark(ctx, at as Date))).toBe("bad-option");
      }
      for (const bookmark of ["", undefined, 5]) {
        expect(await codeOf(() => Transfer.restore(ctx, bookmark as string))).toBe("bad-option");
      }
    });
  });

  // Local workerd has no recovery, so this shows only what the platform is asked, not what it does.
  it("ask the platform, and reset the object where the handle can", async () => {
    const asked: unknown[] = [];
    const ask = (name: string) => async (value?: unknown) => `${name} ${asked.push([name, value])}`;
    const storage = {
      sql: { databaseSize: 0 },
      getCurrentBookmark: ask("now"),
      getBookmarkForTime: ask("time"),
      onNextSessionRestoreBookmark: ask("restore"),
    } as unknown as DurableObjectStorage;
    const ctx = { storage, abort: (reason: string) => asked.push(["abort", reason.includes("a bookmark")]) };
    const time = Date.now() - 5_000;
    const got = [
      await Transfer.bookmark(storage),
      await Transfer.bookmark(ctx, new Date(time)),
      await Transfer.restore(storage, "a bookmark"),
      await Transfer.restore(ctx, "a bookmark"),
    ];
    expect(got).toEqual(["now 1", "time 2", "restore 3", "restore 4"]);
    const all = [
      ["now", undefined],
      ["time", time],
      ["restore", "a bookmark"],
      ["restore", "a bookmark"],
      ["abort", true],
    ];
    expect(asked).toEqual(all);
  });
});

describe("docs/guides/transfer.md", () => {
  const notebook = (name: string) => Object.from(env.NOTEBOOK).byName(name);

  it("shows the code that runs here", () => {
    const blocks = [...documented.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
    expect(blocks).toHaveLength(3);
    for (const block of blocks) expect(code).toContain(block);
  });

  it("copies an object into another", async () => {
    await notebook("first").write("milk");
    await notebook("copy").write("is replaced");
    await copy("first", "copy");
    expect(await notebook("copy").read()).toEqual(["milk"]);
  });

  it("keeps an export in R2, in as many parts as it needs", async () => {
    const notes = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(1_000_000));
    for (const note of notes) await notebook("large").write(note);
    await backUp("large");
    expect((await env.BACKUPS.head("large.ndjson"))!.size).toBeGreaterThan(9_000_000);
    await notebook("large").write("is lost");
    await load("large");
    expect(await notebook("large").read()).toEqual(notes);
    await load("unknown");
  });
});
