/**
 * @module
 * The SQL tables of an object as an export sees them: what there is, how rows are told apart, and pages of them.
 */
import { DurableError, quote } from "../core/errors.ts";
import { badText, bindingOf, cellOf, expressionOf, selected, type Cell } from "./cells.ts";
import { crc32, toBytes } from "./format.ts";

/** Something of the schema that has a statement. */
export interface Item {
  readonly type: "table" | "index" | "view" | "trigger";
  readonly name: string;
  readonly sql: string;
}

/** How the rows of a table are read and written. */
export interface Shape {
  /** The columns as they stand in a statement, the rowid first where there is one. */
  readonly columns: readonly string[];
  /** What rows are in order of: their places in `columns`. */
  readonly key: readonly KeyColumn[];
}

/** One column of what rows are in order of. */
interface KeyColumn {
  /** Its place among the columns. */
  readonly at: number;
  readonly isDescending: boolean;
  /** How its texts compare, which may not be as the column's own do. */
  readonly collation: string;
}

/** What an export has to say about tables. */
export interface Schema {
  /** Tables, and unique indexes, which foreign keys may need: what there has to be before the rows. */
  readonly first: readonly Item[];
  /** Tables with rows of their own, those that others refer to first. */
  readonly tables: readonly string[];
  readonly indexes: readonly Item[];
  readonly views: readonly Item[];
  readonly triggers: readonly Item[];
  /** Full-text tables, with what is set for them, and whether their index is made of another table. */
  readonly texts: readonly { readonly name: string; readonly isExternal: boolean }[];
  readonly hasSequences: boolean;
  readonly hash: number;
}

/** Modules of virtual tables whose rows can be read and written. */
const WITH_ROWS = ["fts5", "rtree", "rtree_i32"];

/** Bytes of a page, unless one row is larger: V8 keeps larger texts and buffers until it collects the whole heap. */
export const PAGE_BYTES: number = 64 * 1024;

const FIRST_ROWS = 16;
const MOST_ROWS = 1_024;

/** The platform's limit of columns of a result is 100, and each of ours takes two. */
const COLUMNS_AT_ONCE = 45;

/** A name in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** @throws DurableError `not-exportable` for tables whose rows cannot be read or told apart. */
export function readSchema(sql: SqlStorage): Schema {
  const items = itemsOf(sql);
  const tables = items.filter(({ type }) => type === "table");
  const modules = new Map<string, string>();
  for (const { name, sql } of tables) {
    const module = moduleOf(name, sql);
    if (module !== undefined) modules.set(name, module);
  }
  const isExternal = (name: string): boolean =>
    sql.exec("select 1 from pragma_table_list where schema = 'main' and name = ?", `${name}_content`).toArray()
      .length === 0;
  const texts = [...modules].flatMap(([name, module]) =>
    module === "fts5" ? [{ name, isExternal: isExternal(name) }] : [],
  );
  for (const text of texts) checkContent(text, tables);
  const withRows = tables
    .map(({ name }) => name)
    .filter((name) => modules.get(name) !== "fts5vocab" && !texts.some((one) => one.name === name && one.isExternal));
  // Which refuses what it cannot export, before anything is written.
  for (const name of withRows) shapeOf(sql, name);
  const indexes = items.filter(({ type }) => type === "index");
  const isUnique = ({ sql }: Item): boolean => /^create\s+unique/i.test(sql);
  return {
    first: [...tables, ...indexes.filter(isUnique)],
    tables: parentsFirst(sql, withRows),
    indexes: indexes.filter((index) => !isUnique(index)),
    views: items.filter(({ type }) => type === "view"),
    triggers: items.filter(({ type }) => type === "trigger"),
    texts,
    hasSequences: hasTable(sql, "sqlite_sequence"),
    hash: schemaHash(items),
  };
}

/** What the schema has, in the order it was made; what SQLite and the platform make by themselves is not. */
export function itemsOf(sql: SqlStorage): Item[] {
  const shadows = new Set(
    sql
      .exec<{ name: string }>("select name from pragma_table_list where schema = 'main' and type = 'shadow'")
      .toArray()
      .map(({ name }) => name),
  );
  return sql
    .exec<{ type: Item["type"]; name: string; tbl_name: string; sql: string | null }>(
      "select type, name, tbl_name, sql from sqlite_schema order by rowid",
    )
    .toArray()
    .filter(({ name, tbl_name: table, sql }) => sql !== null && !shadows.has(table) && !/^(?:_cf_|sqlite_)/i.test(name))
    .map(({ type, name, sql }) => ({ type, name, sql: sql! }));
}

/** A hash of a schema. */
export function schemaHash(items: readonly Item[]): number {
  return crc32(toBytes(JSON.stringify(items)));
}

function hasTable(sql: SqlStorage, name: string): boolean {
  return sql.exec("select 1 from sqlite_schema where type = 'table' and name = ?", name).toArray().length > 0;
}

/** The module of a virtual table. */
function moduleOf(name: string, sql: string): string | undefined {
  if (!/^create\s+virtual/i.test(sql)) return undefined;
  const [, module = ""] = /\busing\s+(\w+)/i.exec(withoutQuoted(sql)) ?? [];
  const known = module.toLowerCase();
  if (known !== "fts5vocab" && !WITH_ROWS.includes(known)) {
    throw notExportable(
      `the virtual table ${quote(name)} is of the module ${quote(module)}, whose rows cannot be written`,
    );
  }
  return known;
}

function withoutQuoted(sql: string): string {
  return sql.replace(/"(?:[^"]|"")*"|`(?:[^`]|``)*`|'(?:[^']|'')*'|\[[^\]]*\]/g, " q ");
}

/** A full-text table has texts of its own, or those of another table. */
function checkContent({ name, isExternal }: Schema["texts"][number], tables: readonly Item[]): void {
  const { sql } = tables.find((table) => table.name === name)!;
  const isContentless = /\bcontent\s*=\s*(?:'\s*'|"\s*"|[,)])/i.test(sql);
  if (!isContentless && (!isExternal || /\bcontent\s*=/i.test(sql))) return;
  throw notExportable(`the full-text table ${quote(name)} is contentless, so its texts cannot be read`);
}

/** The error for an object that cannot be exported as it is. */
export function notExportable(
  what: string,
  fix = "Drop it first, and make it anew after the import.",
  cause?: unknown,
): DurableError {
  return new DurableError("not-exportable", `Transfer.export: ${what}. ${fix}`, cause === undefined ? {} : { cause });
}

/** @throws DurableError `not-exportable` when no name is left for the rowid. */
export function shapeOf(sql: SqlStorage, table: string): Shape {
  const columns = sql
    .exec<{ name: string; hidden: number }>("select name, hidden from pragma_table_xinfo(?)", table)
    .toArray();
  const names = columns.filter(({ hidden }) => hidden === 0).map(({ name }) => quoted(name));
  const { wr, type } = sql
    .exec<{ wr: number; type: string }>(
      "select wr, type from pragma_table_list where schema = 'main' and name = ?",
      table,
    )
    .one();
  if (wr === 0 || type === "virtual") {
    const taken = new Set(columns.map(({ name }) => name.toLowerCase()));
    const rowid = ["rowid", "_rowid_", "oid"].find((name) => !taken.has(name));
    if (rowid !== undefined)
      return { columns: [rowid, ...names], key: [{ at: 0, isDescending: false, collation: "binary" }] };
    throw notExportable(`the table ${quote(table)} has columns of all three names of the rowid`, "Rename one of them.");
  }
  const key = sql
    .exec<{ name: string; desc: number; coll: string }>(
      `select x.name, x."desc", x.coll from pragma_index_list(?1) as l, pragma_index_xinfo(l.name) as x where l.origin = 'pk' and x.key = 1 order by x.seqno`,
      table,
    )
    .toArray();
  return {
    columns: names,
    key: key.map(({ name, desc, coll: collation }) => ({
      at: names.indexOf(quoted(name)),
      isDescending: desc === 1,
      collation,
    })),
  };
}

/** The tables, each behind those that its foreign keys refer to, as far as they don't go in a circle. */
function parentsFirst(sql: SqlStorage, tables: readonly string[]): string[] {
  const byName = new Map(tables.map((name) => [name.toLowerCase(), name]));
  const ordered = new Set<string>();
  const begun = new Set<string>();
  const visit = (name: string): void => {
    if (begun.has(name)) return;
    begun.add(name);
    for (const { table } of sql
      .exec<{ table: string }>('select "table" from pragma_foreign_key_list(?)', name)
      .toArray()) {
      const parent = byName.get(table.toLowerCase());
      if (parent !== undefined) visit(parent);
    }
    ordered.add(name);
  };
  for (const name of tables) visit(name);
  return [...ordered];
}

/** Rows behind a key, as many as make a page, and whether there may be more. */
export interface Page {
  readonly rows: Cell[][];
  readonly hasMore: boolean;
}

/** Reads the rows of a table in pages; how many rows are looked at follows from the page before. */
export class RowReader {
  readonly #sql: SqlStorage;
  readonly #table: string;
  readonly #shape: Shape;
  #rows = FIRST_ROWS;

  constructor(sql: SqlStorage, table: string) {
    this.#sql = sql;
    this.#table = table;
    this.#shape = shapeOf(sql, table);
  }

  /** The rows behind the one that has this key. */
  page(after: readonly Cell[] | undefined): Page {
    const { columns } = this.#shape;
    const sizes = this.#select([sizeOfRow(columns)], after, this.#rows, 0);
    let bytes = 0;
    let count = 0;
    for (const [size] of sizes) {
      bytes += size as number;
      if (count > 0 && bytes > PAGE_BYTES) break;
      count++;
    }
    const hasMore = sizes.length === this.#rows || count < sizes.length;
    this.#rows = Math.min(MOST_ROWS, Math.max(FIRST_ROWS, count * 2));
    const rows = Array.from({ length: count }, (): Cell[] => []);
    for (let from = 0; from < columns.length && count > 0; from += COLUMNS_AT_ONCE) {
      const some = columns.slice(from, from + COLUMNS_AT_ONCE);
      for (const [i, values] of this.#select(some.map(selected), after, count, 0).entries()) {
        for (const [j, column] of some.entries()) {
          const cell = cellOf(values[2 * j] as string, values[2 * j + 1]!);
          // Not `??`: null is a cell.
          rows[i]!.push(cell === undefined ? this.#bytes(column, after, i) : cell);
        }
      }
    }
    return { rows, hasMore };
  }

  /** What a row is told by. */
  keyOf(row: readonly Cell[]): Cell[] {
    return this.#shape.key.map(({ at }) => row[at]!);
  }

  #bytes(column: string, after: readonly Cell[] | undefined, nth: number): Cell {
    return badText(this.#select([`cast(${column} as blob)`], after, 1, nth)[0]![0] as ArrayBuffer);
  }

  #select(
    what: readonly string[],
    after: readonly Cell[] | undefined,
    limit: number,
    offset: number,
  ): SqlStorageValue[][] {
    const { key, columns } = this.#shape;
    const where = after === undefined ? "" : ` where ${this.#behind(after)}`;
    const order = key.map((one) => `${compared(columns, one)}${one.isDescending ? " desc" : ""}`);
    const text = `select ${what.join(", ")} from ${quoted(this.#table)}${where} order by ${order.join(", ")} limit ${limit} offset ${offset}`;
    return [...this.#sql.exec(text, ...(after ?? []).map(bindingOf)).raw()];
  }

  /** The condition that a row comes behind a key, of which its first column bounds what is looked at. */
  #behind(after: readonly Cell[]): string {
    const { key, columns } = this.#shape;
    // A cast has an affinity, by which the column's values would be converted, an expression with a sign has none.
    const values = after.map((cell, i) => `+${expressionOf(cell).replace("?", `?${i + 1}`)}`);
    const names = key.map((one) => compared(columns, one));
    const beyond = key.map(({ isDescending }, i) => {
      const same = names.slice(0, i).map((name, j) => `${name} = ${values[j]!}`);
      return [...same, `${names[i]!} ${isDescending ? "<" : ">"} ${values[i]!}`].join(" and ");
    });
    return `${names[0]!} ${key[0]!.isDescending ? "<=" : ">="} ${values[0]!} and (${beyond.map((one) => `(${one})`).join(" or ")})`;
  }
}

function compared(columns: readonly string[], { at, collation }: KeyColumn): string {
  return `${columns[at]!} collate ${quoted(collation)}`;
}

/** About the bytes of a row, of which large values are not read for it. */
function sizeOfRow(columns: readonly string[]): string {
  const sizes = columns.map((column) => `ifnull(octet_length(${column}), 0)`);
  const groups: string[] = [];
  // A sum of a hundred is deeper than the platform lets an expression be.
  for (let i = 0; i < sizes.length; i += 20) groups.push(`(${sizes.slice(i, i + 20).join(" + ")})`);
  return groups.join(" + ");
}
