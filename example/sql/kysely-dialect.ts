import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";

/** Kysely over the SQLite of a Durable Object; for transactions use `Storage.transaction(ctx, async () => { … })`. */
export function durableDialect({ sql }: DurableObjectStorage): Dialect {
  const connection: DatabaseConnection = {
    async executeQuery<Row>({ sql: text, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
      const cursor = sql.exec(text, ...parameters);
      const rows = cursor.toArray() as Row[];
      if (cursor.rowsWritten === 0) return { rows, numAffectedRows: 0n };
      // Not `rowsWritten`, which has those of indexes too.
      const { changes } = sql.exec<{ changes: number }>("select changes() as changes").one();
      return { rows, numAffectedRows: BigInt(changes) };
    },
    // oxlint-disable-next-line require-yield
    async *streamQuery() {
      throw new Error("Kysely's stream() is not there: an open cursor breaks when others write. Use execute().");
    },
  };
  const refuse = async (): Promise<never> => {
    throw new Error("Kysely's transaction() is not there. Write `Storage.transaction(ctx, async () => { … })`.");
  };
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => ({
      init: async () => {},
      acquireConnection: async () => connection,
      beginTransaction: refuse,
      commitTransaction: refuse,
      rollbackTransaction: refuse,
      releaseConnection: async () => {},
      destroy: async () => {},
    }),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
