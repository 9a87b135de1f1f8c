/** Random values, names and templates in SQL: what is bound is read back as it was or refused, and all of it stays data. */
import { DurableError } from "durable-base";
import * as Storage from "durable-base/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLong } from "../battery.ts";
import { within } from "./storages.ts";

const { sql } = Storage;

/** Pieces that end quotes, comments and statements. */
const HOSTILE = [
  "'",
  '"',
  "`",
  "[",
  "]",
  "--",
  "/*",
  "*/",
  ";",
  "\0",
  "\n",
  "?",
  "?1",
  ":a",
  "@a",
  "$a",
  ")",
  "\\",
  "%",
];
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(...HOSTILE, " or 1=1 ", "; drop table victim; ", " union select "),
      fc.string({ unit: "binary" }),
    ),
  )
  .map((parts) => parts.join(""));

const value: fc.Arbitrary<unknown> = fc.oneof(
  hostile,
  fc.string({ unit: "binary" }),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(NaN, -0, Infinity, -Infinity, 2 ** 53, 2 ** 53 - 1, 2 ** 63, -(2 ** 63), 2 ** 64, 5e-324),
  fc.bigInt(),
  fc.constant(null),
  fc.uint8Array(),
  fc.float64Array(),
  fc.uint8Array().map((bytes) => bytes.buffer),
  fc.constantFrom("a\ud800", "\udc00"),
  fc.anything({ withDate: true, withMap: true, withBigInt: true, withTypedArray: true }),
);

/** What is read when it was bound: a type of SQLite's own. */
function asRead(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice().buffer;
  return value;
}

const REFUSED = new Set(["not-bindable", "lossy-result"]);

describe("Storage.sql, of random values", () => {
  it("reads back what it binds, in a table and without one, or refuses it", async () => {
    await within("sql fuzz", (ctx) => {
      sql(ctx)`create table t (v)`.run();
      let bound = 0;
      fc.assert(
        fc.property(value, (value) => {
          let query;
          try {
            query = sql<{ v: Storage.SqlValue }>(ctx)`select ${value as Storage.SqlBinding} as v`;
          } catch (error) {
            if (DurableError.is(error) && REFUSED.has(error.code)) return;
            throw error;
          }
          bound++;
          expect(query.one().v).toStrictEqual(asRead(value));
          sql(ctx)`delete from t`.run();
          sql(ctx)`insert into t values (${value as Storage.SqlBinding})`.run();
          expect(sql<{ v: Storage.SqlValue }>(ctx)`select v from t`.one().v).toStrictEqual(asRead(value));
        }),
        { numRuns: isLong ? 3_000 : 300 },
      );
      expect(bound).toBeGreaterThan(isLong ? 1_000 : 150);
    });
  });
});

describe("Storage.sql, of hostile text", () => {
  it("keeps it data in every place", async () => {
    await within("sql injection", (ctx) => {
      sql(ctx)`create table victim (id integer primary key, name text); insert into victim values (1, 'alice')`.run();
      const before = sql(ctx)`select * from sqlite_master`.all();
      const binding = hostile.filter((text) => text.isWellFormed());
      const name = binding.filter((text) => text !== "" && !text.includes("\0") && text !== "__proto__");
      fc.assert(
        fc.property(binding, binding, name, (one, other, name) => {
          const items = sql.join([one, sql.part`${other}`, one], sql.part`, `);
          const row = sql<Record<string, string>>(
            ctx,
          )`select ${one} as ${sql.id(name)}, ${other} as ${sql.id(`${name}x`)}`;
          expect(row.one()).toStrictEqual({ [name]: one, [`${name}x`]: other });
          const found = sql(
            ctx,
          )`select id from victim where name = ${one} or name in (${items}) order by ${sql.id("name")}`;
          expect(found.all()).toEqual([]);
          expect(sql(ctx)`select count(*) as n from victim limit ${1}`.one()).toEqual({ n: 1 });
          for (const query of [
            sql(ctx)`select ${sql.id(`nosuch ${name}`)} from victim`,
            sql(ctx)`select * from ${sql.id(`nosuch ${name}`)}`,
            sql(ctx)`update victim set ${sql.id(`nosuch ${name}`)} = ${one}`,
          ]) {
            expect(() => query.all()).toThrow(expect.objectContaining({ code: "sql-failed" }));
          }
        }),
        { numRuns: isLong ? 1_000 : 200 },
      );
      expect(sql(ctx)`select * from victim`.all()).toEqual([{ id: 1, name: "alice" }]);
      expect(sql(ctx)`select * from sqlite_master`.all()).toEqual(before);
    });
  });

  it("refuses it inside any quotes and comments of a template, or keeps it data there", async () => {
    await within("sql templates", (ctx) => {
      sql(ctx)`create table victim (id integer primary key, name text); insert into victim values (1, 'alice')`.run();
      const chunk = fc.array(fc.constantFrom(...HOSTILE, "a", " ", "''", "select", "from victim", ","), {
        maxLength: 4,
      });
      const attack = fc.constantFrom(
        sql.id("' ; delete from victim; select '"),
        sql.id('" ; delete from victim; select "'),
        sql.id("` ; delete from victim; select `"),
        sql.id("] ; delete from victim; select ["),
        sql.id("\n ; delete from victim; --"),
        sql.id("*/ ; delete from victim; /*"),
        "' ; delete from victim; --",
      );
      fc.assert(
        fc.property(chunk, chunk, attack, attack, (before, behind, one, other) => {
          const chunks = [`select ${before.join("")}`, behind.join(""), ""];
          // The strings object that JavaScript makes for such a template.
          const strings = Object.freeze(Object.assign(chunks, { raw: Object.freeze([...chunks]) }));
          try {
            sql(ctx)(strings, one, other).all();
          } catch (error) {
            if (!DurableError.is(error)) throw error;
            expect(["bad-sql", "sql-failed", "lossy-result"]).toContain(error.code);
          }
          expect(sql(ctx)`select * from victim`.all()).toEqual([{ id: 1, name: "alice" }]);
        }),
        { numRuns: isLong ? 3_000 : 300 },
      );
    });
  });
});
