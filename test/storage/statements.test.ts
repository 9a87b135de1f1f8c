import { describe, expect, it } from "vitest";
import { statementsOf } from "../../src/storage/sql/statements.ts";
import { mulberry32 } from "../random.ts";

const texts = (sql: string): string[] => statementsOf(sql).map(({ text }) => text);
const normal = (sql: string): string[] => statementsOf(sql).map((statement) => statement.normal);

describe("statementsOf", () => {
  it.each([
    ["nothing", "", []],
    ["blanks, comments and semicolons alone", " ;\n-- a; b\n;/* c; */ ; -- d", []],
    ["one", "select 1", ["select 1"]],
    ["several", "select 1;select 2 ; select 3;", ["select 1", "select 2", "select 3"]],
    [
      "semicolons in literals and names",
      `select ';''', ";""", \`;\`, [;]; b`,
      [`select ';''', ";""", \`;\`, [;]`, "b"],
    ],
    ["semicolons in comments", "a -- ; '\n b; /* ' ; */ c /* ; **/ d", ["a -- ; '\n b", "c /* ; **/ d"]],
    ["what is not closed", "a; b 'c; d", ["a", "b 'c; d"]],
    ["a comment that is not closed", "a; b /* c; d", ["a", "b"]],
    [
      "operators that look like comments",
      "select 1 - -1, 2 / 3, a->'b', c->>'d';x",
      ["select 1 - -1, 2 / 3, a->'b', c->>'d'", "x"],
    ],
    [
      "a trigger",
      "create trigger t after insert on a begin b; c; end; d",
      ["create trigger t after insert on a begin b; c; end", "d"],
    ],
    [
      "a trigger that is explained",
      "explain query plan create trigger t begin b; c; end; d",
      ["explain query plan create trigger t begin b; c; end", "d"],
    ],
    [
      "a trigger with comments",
      "/**/CREATE/**/Temp --\nTRIGGER t begin b;/* */end --\n;d",
      ["CREATE/**/Temp --\nTRIGGER t begin b;/* */end", "d"],
    ],
    [
      "a case in a trigger",
      "create temporary trigger t begin a case x end; weekend; b; end;c",
      ["create temporary trigger t begin a case x end; weekend; b; end", "c"],
    ],
    ...['"t"', "'t'", "`t`", "[t]"].map((name): [string, string, string[]] => [
      `a trigger right before its name, ${name}`,
      `create trigger${name} begin b; c; end; d`,
      [`create trigger${name} begin b; c; end`, "d"],
    ]),
    [
      "a file that begins with a byte order mark",
      "\ufeffcreate trigger t begin b; end;\ufeff;",
      ["create trigger t begin b; end"],
    ],
    [
      "tables that are no triggers",
      "create table trigger_a (n); create trigger_b; end; c",
      ["create table trigger_a (n)", "create trigger_b", "end", "c"],
    ],
  ])("takes apart %s", (_, sql, expected) => {
    expect(texts(sql)).toEqual(expected);
  });

  it("makes one space of blanks and comments, and leaves literals and names", () => {
    expect(normal("a\t\r\n b--c\nd/*e*/f  'g  h' ( 1 );\u00a0 i")).toEqual(["a b d f 'g  h' ( 1 )", "\u00a0 i"]);
    expect(normal("x'ab' 1.5 a  .b 'it''s  ' \"a  b\" [c  d]")).toEqual(["x'ab' 1.5 a .b 'it''s  ' \"a  b\" [c  d]"]);
  });

  it("takes a byte order mark for a blank where SQLite does, and elsewhere for a part of a name", () => {
    expect(normal("\ufeffselect 1 \ufeff as a\ufeff")).toEqual(["select 1 as a\ufeff"]);
  });

  it("finds in any text the statements it was put together of", () => {
    const seed = Date.now() % 1e6;
    const random = mulberry32(seed);
    const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)]!;
    const many = (list: readonly string[]): string =>
      Array.from({ length: 1 + Math.floor(random() * 6) }, () => pick(list)).join("");
    const words = [
      "a",
      "end",
      "begin",
      "create",
      "case",
      "1.5",
      "é",
      "';'",
      "''",
      "'it''s'",
      '";"',
      "[;]",
      "`;`",
      "(",
      ")",
      "-",
      "+",
    ];
    const blanks = [" ", "\n", "\t", "/* ; ' */", '--;"\n', "/**/"];
    for (let round = 0; round < 2_000; round++) {
      const statements = Array.from({ length: Math.floor(random() * 5) }, () => {
        const body = (): string =>
          `x${pick(blanks)}${Array.from({ length: 4 }, () => pick(words) + many(blanks)).join("")}y`;
        if (random() < 0.7) return body();
        return `create${many(blanks)}trigger${many(blanks)}t begin ${body()};${body()};${pick(["", ...blanks])}${pick(["end", "END"])}`;
      });
      const sql = statements.map((one) => `${many([...blanks, ";"])}${one}${pick(["", ...blanks])};`).join("");
      expect(texts(sql), `seed ${seed}, round ${round}: ${sql}`).toEqual(statements);
    }
  });
});
