/**
 * @module
 * Rows of SQL tables, as an import writes them.
 */
import { quote } from "../core/errors.ts";
import { IMPORT_KEY } from "../storage/import-notice.ts";
import { bindingOf, compact, expressionOf, type Cell } from "./cells.ts";
import { damaged } from "./format.ts";
import { itemsOf, quoted, shapeOf } from "./tables.ts";

/** The most values that the platform binds. */
const MAX_BOUND = 100;

/** A table as far as its rows are written. */
interface Known {
  readonly columns: readonly string[];
  /** What its rows refer to, where SQLite would look only at the end of a transaction. */
  readonly deferred: readonly Reference[];
}

interface Reference {
  readonly table: string;
  /** Pairs of a column's place and the column that it refers to. */
  readonly columns: readonly (readonly [at: number, to: string])[];
}

/** Writes rows, and lays those aside that refer to rows which are not there yet. */
export class RowWriter {
  /** How many rows were laid aside. */
  aside: number;
  readonly #storage: DurableObjectStorage;
  readonly #tables = new Map<string, Known>();

  constructor(storage: DurableObjectStorage, aside: number) {
    this.#storage = storage;
    this.aside = aside;
  }

  /** Writes a row, or lays it aside. */
  write(line: readonly [table: string, ...cells: unknown[]]): void {
    const [table, ...cells] = line as [string, ...Cell[]];
    const known = this.#tableOf(table);
    if (known.deferred.every((reference) => this.#isMet(reference, cells))) {
      try {
        return this.#insert(table, known.columns, cells);
      } catch (error) {
        // The statement alone is undone by that.
        if (!String(error).includes("FOREIGN KEY constraint failed")) throw error;
      }
    }
    this.#storage.kv.put(`${IMPORT_KEY}:${this.aside++}`, [table, ...cells.map(compact)]);
  }

  /** Writes what was laid aside, where rows may refer to each other. */
  writeAside(): void {
    const { kv, sql } = this.#storage;
    sql.exec("pragma defer_foreign_keys = on");
    const tables = new Set<string>();
    for (let i = 0; i < this.aside; i++) {
      const key = `${IMPORT_KEY}:${i}`;
      const [table, ...cells] = kv.get<[string, ...Cell[]]>(key)!;
      this.#insert(table, this.#tableOf(table).columns, cells);
      kv.delete(key);
      tables.add(table);
    }
    for (const table of tables) {
      const [broken] = sql
        .exec<{ parent: string }>("select parent from pragma_foreign_key_check(?) limit 1", table)
        .toArray();
      if (broken === undefined) continue;
      // A commit would fail, and reset the object.
      throw damaged(`a row of ${quote(table)} refers to one of ${quote(broken.parent)} that is not in it`, WRITTEN);
    }
  }

  /** What AUTOINCREMENT goes on from. */
  setSequence(table: string, value: Cell): void {
    const { sql } = this.#storage;
    sql.exec("delete from sqlite_sequence where name = ?", table);
    sql.exec(`insert into sqlite_sequence (name, seq) values (?, ${expressionOf(value)})`, table, bindingOf(value));
  }

  /** Sets an option of a full-text table. */
  set(table: string, key: string, value: Cell): void {
    const name = quoted(table);
    this.#storage.sql.exec(
      `insert into ${name}(${name}, rank) values (?, ${expressionOf(value)})`,
      key,
      bindingOf(value),
    );
  }

  #insert(table: string, columns: readonly string[], cells: readonly Cell[]): void {
    if (cells.length !== columns.length) throw new TypeError(`a row of ${quote(table)} has not its columns`);
    const bound = cells.map(bindingOf);
    const values = cells.map(expressionOf);
    // A table of all columns that it may have, and its rowid.
    if (bound.length > MAX_BOUND) values[0] = String(BigInt(bound.shift() as number | string));
    const into = `insert into ${quoted(table)} (${columns.join(", ")})`;
    this.#storage.sql.exec(`${into} values (${values.join(", ")})`, ...bound);
  }

  #tableOf(table: string): Known {
    let known = this.#tables.get(table);
    if (known === undefined) {
      const { sql } = this.#storage;
      const item = itemsOf(sql).find(({ type, name }) => type === "table" && name === table);
      if (item === undefined) throw new TypeError(`there is no table ${quote(table)}`);
      const { columns } = shapeOf(sql, table);
      known = { columns, deferred: /\bdeferred\b/i.test(item.sql) ? this.#referencesOf(table, columns) : [] };
      this.#tables.set(table, known);
    }
    return known;
  }

  #referencesOf(table: string, columns: readonly string[]): Reference[] {
    const { sql } = this.#storage;
    const found = new Map<number, { table: string; columns: [number, string][] }>();
    const rows = sql
      .exec<{ id: number; seq: number; parent: string; from: string; to: string | null }>(
        'select id, seq, "table" as parent, "from", "to" from pragma_foreign_key_list(?) order by id, seq',
        table,
      )
      .toArray();
    for (const { id, seq, parent, from, to } of rows) {
      const reference = found.get(id) ?? { table: parent, columns: [] };
      found.set(id, reference);
      const at = columns.findIndex((column) => column.toLowerCase() === quoted(from).toLowerCase());
      reference.columns.push([at, to ?? this.#primaryKeyOf(parent, seq)]);
    }
    return [...found.values()];
  }

  #primaryKeyOf(table: string, nth: number): string {
    return this.#storage.sql
      .exec<{ name: string }>("select name from pragma_table_xinfo(?) where pk = ?", table, nth + 1)
      .one().name;
  }

  #isMet({ table, columns }: Reference, cells: readonly Cell[]): boolean {
    const own = columns.map(([at]) => cells[at] ?? null);
    if (own.includes(null)) return true;
    const where = columns.map(([, to], i) => `${quoted(to)} = +${expressionOf(own[i]!)}`).join(" and ");
    return (
      this.#storage.sql.exec(`select 1 from ${quoted(table)} where ${where} limit 1`, ...own.map(bindingOf)).toArray()
        .length > 0
    );
  }
}

const WRITTEN = "The object was written to while it was exported: export it again, with `{ unchanged: true }`.";
