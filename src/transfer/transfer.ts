/**
 * @module
 * Functions over a whole object: copies of it as streams, and the platform's point-in-time recovery.
 *
 * @example
 * ```ts
 * import * as Transfer from "durable-base/transfer";
 *
 * await Transfer.import(this.ctx, request.body, { replace: true });
 * return new Response(Transfer.export(this.ctx));
 * ```
 */
export { bookmark, restore } from "./bookmarks.ts";
export { exportAll as export, type ExportOptions } from "./export.ts";
export type { TransferProgress } from "./format.ts";
export { importAll as import, importing, type ImportOptions } from "./import.ts";
