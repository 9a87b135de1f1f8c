/**
 * @module
 * A table of the library's own in one object, made with its first row.
 *
 * A cursor of SQL disturbs nobody. In key-value storage, order needs a list, which ends a user's loop over `kv.list()`.
 */
import { DurableError } from "../../core/errors.ts";
import { withoutSqlite } from "../handle.ts";

/** Options of {@link OwnTable}. */
export interface TableOptions {
  readonly storage: DurableObjectStorage;
  /** Begins messages. */
  readonly className: string;
  /** The table's name. */
  readonly name: string;
  /** The statements that make the table and its indexes, unless they are there. */
  readonly schema: readonly string[];
}

type Value = string | number | null;

/** A table of the library's own. Until its first row is written, it costs nothing. */
export class OwnTable {
  readonly #options: TableOptions;
  /** Whether the table is there, as far as is known. */
  #isThere: boolean | undefined;
  /** True once the table was gone, which a rollback may undo: from then on its absence is looked up each time. */
  #mayReturn = false;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** Called when what is stored was replaced as a whole. */
  forget(): void {
    this.#isThere = undefined;
  }

  /** The rows that a statement gives. */
  select<Row extends Record<string, SqlStorageValue>>(statement: string, ...values: Value[]): Row[] {
    return this.#within(() => this.#exec<Row>(statement, ...values).toArray(), []);
  }

  /** Runs a statement that changes rows; returns true if it has changed any. */
  write(statement: string, ...values: Value[]): boolean {
    return this.#within(() => this.#exec(statement, ...values).rowsWritten > 0, false);
  }

  /** Runs a statement that inserts a row, into a table that is made if need be. */
  insert(statement: string, ...values: Value[]): void {
    if (this.write(statement, ...values)) return;
    for (const make of this.#options.schema) this.#exec(make);
    this.#isThere = true;
    this.write(statement, ...values);
  }

  /** A rollback may have taken the table along; without it there are no rows. */
  #within<Result>(work: () => Result, otherwise: Result): Result {
    if (!this.#hasTable()) return otherwise;
    try {
      return work();
    } catch (error) {
      if (!isAbout(error, /^no such table/)) throw error;
      this.#isThere = undefined;
      this.#mayReturn = true;
      return this.#hasTable() ? work() : otherwise;
    }
  }

  #hasTable(): boolean {
    if (this.#isThere !== undefined) return this.#isThere;
    const isThere = this.#look();
    if (isThere || !this.#mayReturn) this.#isThere = isThere;
    return isThere;
  }

  #look(): boolean {
    const { storage, name } = this.#options;
    try {
      return this.#exec("select 1 from sqlite_schema where name = ?", name).toArray().length > 0;
    } catch (error) {
      // Storage that isn't SQLite has no tables.
      if (withoutSqlite(storage) !== undefined) return false;
      throw error;
    }
  }

  #exec<Row extends Record<string, SqlStorageValue>>(statement: string, ...values: Value[]): SqlStorageCursor<Row> {
    const { storage, className, name } = this.#options;
    try {
      return storage.sql.exec<Row>(statement, ...values);
    } catch (cause) {
      if (!isAbout(cause, /^no such column|has no column named/)) throw cause;
      throw new DurableError(
        "reserved-name",
        `${className}: the table ${name} is the library's own, and this object has another table of that name. Rename yours: \`alter table ${name} rename to my_${name}\`.`,
        { cause },
      );
    }
  }
}

function isAbout(error: unknown, what: RegExp): boolean {
  return error instanceof Error && what.test(error.message);
}
