/**
 * @module
 * The `Storage` module: plain functions over the storage of a Durable Object, without a base class.
 *
 * @example
 * ```ts
 * import * as Storage from "durable-base/storage";
 *
 * Storage.update<number>(ctx, "visits", (n = 0) => n + 1);
 * for (const [key, value] of Storage.list(ctx, { prefix: "user:" })) console.log(key, value);
 * ```
 */
export { batch, type BatchOperation, deleteMany, getMany, putMany } from "./kv/batch.ts";
export { clear, count, list, list as entries, type ListOptions } from "./kv/list.ts";
export { sql, type Sql, type SqlFragment, type SqlInput, type SqlValue } from "./sql/sql.ts";
export type { Query, SqlCounts } from "./sql/query.ts";
export type { SqlBinding } from "./sql/values.ts";
export type { RemoteStorage, StorageHandle } from "./handle.ts";
export { transaction } from "./transaction.ts";
export { get, has, put, remove as delete, update } from "./kv/values.ts";
