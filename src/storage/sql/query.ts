/**
 * @module
 * A query that was written, and what can be asked of it.
 */
import { DurableError } from "../../core/errors.ts";
import { sqlFailed } from "./error.ts";
import { checkRows, type Bound } from "./values.ts";

/**
 * What a query did, as it is billed.
 *
 * @example
 * ```ts
 * const { rowsWritten }: SqlCounts = Storage.sql(ctx)`delete from todos where done = 1`.run();
 * ```
 */
export interface SqlCounts {
  readonly rowsRead: number;
  readonly rowsWritten: number;
}

/**
 * A query of `Storage.sql`. It runs when it is asked, each time anew, to its end: no cursor stays open.
 *
 * An open one would see rows written ahead of it, lock tables, break when a transaction is undone, and reset the object
 * when one is committed. So a loop reads all rows at its first step, and `first()` reads all too: write a `limit`.
 *
 * @example
 * ```ts
 * for (const { title } of Storage.sql<Todo>(ctx)`select title from todos limit 100`) console.log(title);
 * ```
 */
export class Query<Row> implements Iterable<Row> {
  readonly #storage: DurableObjectStorage;
  readonly #statements: readonly string[];
  readonly #values: readonly Bound[];

  /** Binds `values` to the last statement. */
  constructor(storage: DurableObjectStorage, statements: readonly string[], values: readonly Bound[]) {
    this.#storage = storage;
    this.#statements = statements;
    this.#values = values;
  }

  /**
   * All rows.
   *
   * @throws DurableError `sql-failed`, `lossy-result`.
   */
  all(): Row[] {
    const { rows, cursor } = this.#run();
    checkRows(cursor.columnNames, rows);
    return rows as Row[];
  }

  /**
   * The first row, or `undefined`.
   *
   * @throws DurableError `sql-failed`, `lossy-result`.
   */
  first(): Row | undefined {
    return this.all()[0];
  }

  /**
   * The only row.
   *
   * @throws DurableError `not-one-row` when there is none or another, `sql-failed`, `lossy-result`.
   */
  one(): Row {
    const rows = this.all();
    if (rows.length === 1) return rows[0]!;
    throw new DurableError(
      "not-one-row",
      `Storage.sql: ${rows.length} rows in place of one. \`first()\` gives the first or undefined, \`all()\` all.`,
    );
  }

  /**
   * Runs it for what it does, and tells the rows read and written.
   *
   * @throws DurableError `sql-failed`.
   */
  run(): SqlCounts {
    const { cursor } = this.#run();
    // Counted when they are looked at: asking the platform takes a good part of what a small insert does.
    return {
      get rowsRead() {
        return cursor.rowsRead;
      },
      get rowsWritten() {
        return cursor.rowsWritten;
      },
    };
  }

  /** The rows as {@link Query.all} gives them, read at the first step. */
  *[Symbol.iterator](): Generator<Row, void> {
    yield* this.all();
  }

  /** Rejects an `await`, which does not compile either: it would wait for nothing and leave the query unasked. */
  // oxlint-disable-next-line no-thenable
  then(_: unknown, reject: (error: DurableError) => void): void {
    reject(
      new DurableError(
        "bad-sql",
        "Storage.sql: a query was awaited, and did not run. Write `query.run()` or `query.all()`.",
      ),
    );
  }

  #run(): { rows: object[]; cursor: SqlStorageCursor<Record<string, SqlStorageValue>> } {
    // One by one: the platform leaves an `insert … returning` before the last half-read, and resets the object.
    for (const statement of this.#statements.slice(0, -1)) this.#exec(statement, []);
    return this.#exec(this.#statements.at(-1)!, this.#values);
  }

  #exec(
    statement: string,
    values: readonly Bound[],
  ): { rows: object[]; cursor: SqlStorageCursor<Record<string, SqlStorageValue>> } {
    try {
      const cursor = this.#storage.sql.exec(statement, ...values);
      return { rows: cursor.toArray(), cursor };
    } catch (cause) {
      throw sqlFailed(statement, values, cause);
    }
  }
}
