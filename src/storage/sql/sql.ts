/**
 * @module
 * SQL as a tagged template: text that was written in the code, and values that are bound.
 */
import { DurableError } from "../../core/errors.ts";
import { bound, type Bound, type SqlBinding } from "./values.ts";
import { Query } from "./query.ts";
import { isOver } from "../size.ts";
import { storageOf, type StorageHandle } from "../handle.ts";
import { isOpen, placeholdersOf, statementsOf } from "./statements.ts";

/** The platform's limits for one statement. */
const MAX_BOUND = 100;
const MAX_BYTES = 100_000;

/**
 * A piece of SQL with its values, which only {@link sql}'s `id`, `part` and `join` make.
 *
 * @example
 * ```ts
 * const isOpen: SqlFragment = Storage.sql.part`closed_at is null and owner = ${owner}`;
 * ```
 */
export type SqlFragment = Fragment;

/**
 * What may stand in a template: a value to bind, or a piece of SQL.
 *
 * @example
 * ```ts
 * const items: SqlInput[] = [1, Storage.sql.part`max(id)`];
 * ```
 */
export type SqlInput = SqlBinding | SqlFragment;

/** A tag of templates. */
type Tag<Result> = (strings: TemplateStringsArray, ...values: readonly SqlInput[]) => Result;

/** SQL with `?` for each of its values. */
interface Statement {
  readonly text: string;
  readonly values: readonly Bound[];
}

class Fragment implements Statement {
  readonly #text: string;
  readonly #values: readonly Bound[];

  constructor(text: string, values: readonly Bound[] = []) {
    this.#text = text;
    this.#values = values;
  }

  get text(): string {
    return this.#text;
  }

  get values(): readonly Bound[] {
    return this.#values;
  }
}

/**
 * What {@link sql} is: the tag for a handle, and makers of pieces.
 *
 * @example
 * ```ts
 * const { id, join, part } = Storage.sql;
 * ```
 */
export interface Sql {
  /**
   * The tag of a query: `` Storage.sql<Row>(ctx)`select …` ``. Nothing runs before the query is asked for its rows.
   *
   * @throws DurableError `no-sqlite-storage`; the tag throws `bad-sql`, `not-bindable` and `too-large`.
   */
  <Row extends Record<keyof Row, SqlValue> = Record<string, SqlValue>>(handle: StorageHandle): Tag<Query<Row>>;
  /**
   * The name of a table or column, quoted: any text is one name.
   *
   * @throws DurableError `bad-sql` when it is empty, holds a NUL or is ill-formed.
   */
  id(name: string): SqlFragment;
  /**
   * A piece of SQL to put into others.
   *
   * @throws DurableError `bad-sql`, `not-bindable`, `too-large`.
   */
  readonly part: Tag<SqlFragment>;
  /**
   * Values and pieces with a separator between them, `, ` unless another piece is given; empty when there are none.
   *
   * @throws DurableError `bad-sql`, `not-bindable`, `too-large`.
   */
  join(items: Iterable<SqlInput>, separator?: SqlFragment): SqlFragment;
}

/**
 * What a column of a row can be: a number for INTEGER and REAL, an ArrayBuffer for BLOB.
 *
 * @example
 * ```ts
 * const row: Record<string, SqlValue> = Storage.sql(ctx)`select * from todos limit 1`.one();
 * ```
 */
export type SqlValue = string | number | null | ArrayBuffer;

/**
 * Makes a query from a template: what stands in `${}` is bound, or a piece that `sql.id`, `sql.part` or `sql.join` made.
 *
 * There is no way to make SQL of a string. A query runs when it is asked, each time anew: `one()`, `first()`, `all()`, `run()`
 * or a loop over it; by itself it does nothing.
 *
 * @example
 * ```ts
 * interface Todo { id: number; title: string }
 * const { sql } = Storage;
 * sql(ctx)`insert into todos (title) values (${title})`.run();
 * const todo = sql<Todo>(ctx)`select id, title from todos where id = ${id}`.first();
 * const some = sql<Todo>(ctx)`select * from todos where id in (${sql.join(ids)}) order by ${sql.id(column)}`.all();
 * ```
 */
export const sql: Sql = /* @__PURE__ */ Object.assign(tagOf, { id, part, join });

function tagOf<Row extends Record<keyof Row, SqlValue>>(handle: StorageHandle): Tag<Query<Row>> {
  const storage = storageOf(handle);
  return (strings, ...values) => {
    const { text, values: all } = compile(strings, values);
    if (all.length > MAX_BOUND) {
      throw badSql(
        `${all.length} values are bound, over the ${MAX_BOUND} of the platform`,
        "Pass a list as JSON: `where id in (select value from json_each(${JSON.stringify(ids)}))`.",
      );
    }
    if (isOver(text, MAX_BYTES)) {
      throw badSql(`the statement is over ${MAX_BYTES} bytes`, "Bind long texts as values.");
    }
    const statements = text.includes(";") ? statementsOf(text).map((statement) => statement.text) : [];
    if (statements.slice(0, -1).some((statement) => placeholdersOf(statement).length > 0))
      throw badSql("only the last of several statements can have values", "Write a query for each statement.");
    return new Query<Row>(storage, statements.length === 0 ? [text] : statements, all);
  };
}

function part(strings: TemplateStringsArray, ...values: readonly SqlInput[]): Fragment {
  const { text, values: all } = compile(strings, values);
  if (isOpen(strings.at(-1)!)) throw badSql("a piece ends inside quotes or a comment", "Close them in the piece.");
  return new Fragment(text, all);
}

function id(name: string): Fragment {
  // Not in double quotes: SQLite takes those for a text when there is no such column.
  if (typeof name === "string" && name !== "" && name.isWellFormed() && !name.includes("\0")) {
    return new Fragment(`\`${name.replaceAll("`", "``")}\``);
  }
  throw badSql(
    "a name is no text, empty, ill-formed or holds a NUL",
    'Pass the name of a table or column: `sql.id("todos")`.',
  );
}

function join(items: Iterable<SqlInput>, separator: SqlFragment = COMMA): Fragment {
  if (!(separator instanceof Fragment)) throw badSql("a separator is no piece of SQL", "Write ``sql.part` and ` ``.");
  const pieces = [...items].flatMap((item, i) => (i === 0 ? [item] : [separator, item]));
  const values: Bound[] = [];
  for (const piece of pieces) bind(values, piece);
  return new Fragment(pieces.map(textOf).join(""), values);
}

const COMMA = /* @__PURE__ */ new Fragment(", ");

/** By template: its text when all of its values are bound. */
const texts = new WeakMap<TemplateStringsArray, string>();

function compile(strings: TemplateStringsArray, inputs: readonly SqlInput[]): Statement {
  let text = texts.get(strings);
  if (text === undefined) {
    check(strings);
    text = strings.join("?");
    texts.set(strings, text);
  }
  if (inputs.length !== strings.length - 1) throw badSql("the tag was not called by a template", FIX);
  const values: Bound[] = [];
  let hasPieces = false;
  for (const input of inputs) hasPieces = bind(values, input) || hasPieces;
  if (hasPieces) text = strings.reduce((before, next, i) => before + textOf(inputs[i - 1]!) + next);
  // A digit right behind a value would turn its `?` into a numbered placeholder, which binds another value.
  if (/\?\d/.test(text)) {
    const numbered = placeholdersOf(text).find((found) => found !== "?");
    if (numbered !== undefined) throw handWritten(numbered);
  }
  return { text, values };
}

/** Adds the values of what stands in a template, and tells whether that is a piece of SQL. */
function bind(values: Bound[], input: SqlInput): boolean {
  const isPiece = input instanceof Fragment;
  if (isPiece) values.push(...input.values);
  else values.push(bound(input, values.length + 1));
  return isPiece;
}

function textOf(input: SqlInput): string {
  return input instanceof Fragment ? input.text : "?";
}

const FIX =
  "Write ``Storage.sql(ctx)`select … where id = ${id}` ``, names as `${sql.id(name)}` and lists as `${sql.join(ids)}`.";

/** Only the language makes frozen arrays of this kind, of what is written in the code. */
function check(strings: TemplateStringsArray): void {
  const isTemplate =
    Array.isArray(strings) && Object.isFrozen(strings) && Array.isArray(strings.raw) && Object.isFrozen(strings.raw);
  if (!isTemplate) throw badSql("the tag was not called by a template", FIX);
  if (strings.includes(undefined as never))
    throw badSql("there is a malformed escape", "Write `\\\\` for a backslash.");
  for (const string of strings) {
    const [found] = placeholdersOf(string);
    if (found !== undefined) throw handWritten(found);
  }
  // A piece inside quotes could end them, and a `?` inside quotes isn't a placeholder.
  if (strings.slice(0, -1).some(isOpen))
    throw badSql("a `${}` stands inside quotes or a comment", "Write it without quotes.");
}

function handWritten(placeholder: string): DurableError {
  return badSql(
    `the placeholder \`${placeholder}\` would take the value of another`,
    "Write the value in its place: `where id = ${value}`.",
  );
}

function badSql(what: string, fix: string): DurableError {
  return new DurableError("bad-sql", `Storage.sql: ${what}. ${fix}`);
}
