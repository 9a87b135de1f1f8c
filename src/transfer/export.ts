/**
 * @module
 * A whole object as a stream.
 */
import { DurableError, quote } from "../core/errors.ts";
import { IMPORT_KEY } from "../storage/import-notice.ts";
import { after, RECORD_KEY } from "../storage/kv/keys.ts";
import { offer } from "../storage/remote-operations.ts";
import { ask } from "../storage/remote.ts";
import { isRemote, storageOf, type AnyStorage, type RemoteStorage, type StorageHandle } from "../storage/handle.ts";
import { cellOf, type Cell } from "./cells.ts";
import {
  badTransfer,
  batchOf,
  cursorOf,
  positionOf,
  VERSION,
  type Header,
  type Position,
  type TransferProgress,
} from "./format.ts";
import {
  itemsOf,
  notExportable,
  PAGE_BYTES,
  quoted,
  readSchema,
  RowReader,
  schemaHash,
  type Item,
  type Schema,
} from "./tables.ts";
import { encodeValue } from "../storage/tagged-json.ts";

const WHERE = "Transfer.export";

/**
 * How {@link exportAll} works.
 *
 * @example
 * ```ts
 * const options: ExportOptions = { unchanged: true, onProgress: ({ bytes }) => console.log(bytes) };
 * ```
 */
export interface ExportOptions {
  /** Goes on behind this place, which `onProgress` or `Transfer.importing` gave. */
  readonly from?: string | undefined;
  /** Fails with `changed-meanwhile` as soon as anything was written since the export began. */
  readonly unchanged?: boolean;
  /** Is told after each batch, which was read but may not have arrived; a promise that it gives is awaited. */
  readonly onProgress?: (progress: TransferProgress) => unknown;
}

/**
 * Gives the whole object as a stream of lines of JSON: every key and value, persisted fields included, every SQL table
 * with its rows, indexes, views and triggers, and the alarm. Exported as `export`; `docs/transfer-format.md` has the format.
 *
 * It is read in pages of about 256 KB, when the reader asks for them; memory stays flat. Each page is what is stored at
 * that moment, pending changes of persisted fields included. **The object goes on meanwhile**: what is written while the
 * stream is read may be in it or not. The last line tells whether anything was, and `unchanged: true` makes it fail.
 *
 * @throws DurableError at the call: `not-exportable` for tables that cannot be read back and for a half-imported object,
 * `bad-transfer` for a cursor that does not fit, `bad-option`, `no-sqlite-storage`. The stream fails with `not-exportable`
 * for a value that cannot be written, `bad-transfer` when the tables themselves change, and `changed-meanwhile`.
 *
 * @example
 * ```ts
 * return new Response(Transfer.export(this.ctx));
 * ```
 */
export function exportAll(handle: StorageHandle, options?: ExportOptions): ReadableStream<Uint8Array>;
export function exportAll(handle: RemoteStorage, options?: ExportOptions): Promise<ReadableStream<Uint8Array>>;
export function exportAll(
  handle: AnyStorage,
  options: ExportOptions = {},
): ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>> {
  checkOptions(WHERE, options, ["from", "unchanged", "onProgress"]);
  if (isRemote(handle)) return ask(handle, "Transfer.export", options);
  const storage = storageOf(handle);
  if (storage.kv.get(IMPORT_KEY) !== undefined) {
    throw notExportable("the object is half imported", "End the import first.");
  }
  const schema = readSchema(storage.sql);
  const begin: Position =
    options.from === undefined
      ? { id: crypto.randomUUID(), seq: 0, schema: schema.hash, stage: 0, keys: 0, rows: 0 }
      : positionOf(options.from, WHERE);
  if (begin.schema !== schema.hash) throw tablesChanged();
  if (options.from !== undefined && options.unchanged === true) {
    throw new DurableError(
      "bad-option",
      `${WHERE}: what changed before \`from\` is not known. Leave out \`unchanged\`, or \`from\`.`,
    );
  }
  const { id } = handle as { readonly id?: { readonly name?: string } };
  const batches = read(storage, schema, begin, id?.name, options);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await batches.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}

offer("Transfer.export", "read", (ctx, options: ExportOptions) => {
  // What the call brought is let go when the call has ended, and the stream goes on.
  const { onProgress } = options as { onProgress?: Required<ExportOptions>["onProgress"] & { dup?(): never } };
  return exportAll(ctx, onProgress?.dup === undefined ? options : { ...options, onProgress: onProgress.dup() });
});

/** @throws DurableError `bad-option` for an option that is not known. */
export function checkOptions(where: string, options: object, names: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new DurableError("bad-option", `${where}: there is no option ${quote(unknown)}. Use ${names.join(", ")}.`);
}

/** What a page gives, and where the next one begins; no `after` ends the stage. */
interface Lines {
  readonly lines: readonly string[];
  readonly keys?: number;
  readonly rows?: number;
  readonly after?: readonly unknown[];
}

type Stage = (after: readonly unknown[] | undefined) => Lines;

async function* read(
  storage: DurableObjectStorage,
  schema: Schema,
  begin: Position,
  name: string | undefined,
  { from, unchanged = false, onProgress }: ExportOptions,
): AsyncGenerator<Uint8Array, void> {
  let position = begin;
  /** The writes that the storage has counted, from the first page on. */
  let writes: string | undefined;
  let isUnchanged = from === undefined;
  const inStep = <Result>(page: () => Result): Result =>
    // Which lets persisted fields write what is pending.
    storage.transactionSync(() => {
      const items = itemsOf(storage.sql);
      if (schemaHash(items) !== schema.hash) throw tablesChanged();
      const now = writesOf(storage.sql);
      writes ??= now;
      isUnchanged &&= writes === now;
      if (unchanged && !isUnchanged) {
        throw new DurableError(
          "changed-meanwhile",
          `${WHERE}: the object was written to while it was exported with \`unchanged\`. Export it again, or leave out \`unchanged\`.`,
        );
      }
      return page();
    });

  const header: Header = {
    id: begin.id,
    at: new Date().toISOString(),
    ...(name === undefined ? {} : { name }),
    from: begin.seq,
  };
  const head = batchOf([line("durable-base", VERSION, header)], `["check",${begin.seq},"${cursorOf(begin)}",`);
  let bytes = head.length;
  yield head;
  const stages = stagesOf(storage, schema);
  while (position.stage < stages.length) {
    const { lines, keys = 0, rows = 0, after } = inStep(() => stages[position.stage]!(position.after));
    const { after: _, ...rest } = position;
    const stage = after === undefined ? rest.stage + 1 : rest.stage;
    if (lines.length === 0) {
      position = { ...rest, stage };
      continue;
    }
    position = {
      ...rest,
      stage,
      ...(after === undefined ? {} : { after }),
      seq: rest.seq + 1,
      keys: rest.keys + keys,
      rows: rest.rows + rows,
    };
    const cursor = cursorOf(position);
    const batch = batchOf(lines, `["check",${position.seq},"${cursor}",`);
    bytes += batch.length;
    yield batch;
    await onProgress?.({ cursor, keys: position.keys, rows: position.rows, bytes });
  }
  const alarm = await storage.getAlarm();
  const lines = inStep(() => {
    const record = storage.kv.get(RECORD_KEY);
    return record === undefined ? [] : [keyLine(RECORD_KEY, record)];
  });
  const counts = { keys: position.keys + lines.length, rows: position.rows, unchanged: isUnchanged };
  if (alarm !== null) lines.push(line("alarm", alarm));
  yield batchOf(lines, `["end",${position.seq + 1},"${begin.id}",${JSON.stringify(counts)},`);
}

/** Changes with every row written, keys and the alarm included. */
function writesOf(sql: SqlStorage): string {
  return JSON.stringify([...sql.exec("select total_changes(), (select group_concat(name) from sqlite_schema)").raw()]);
}

function tablesChanged(): DurableError {
  return badTransfer(WHERE, "the tables, indexes or views of the object have changed since the export began");
}

function line(...parts: readonly unknown[]): string {
  return `${JSON.stringify(parts)}\n`;
}

/** Everything but the end, in the order in which an import needs it. */
function stagesOf({ kv, sql }: DurableObjectStorage, schema: Schema): Stage[] {
  return [
    () => ({ lines: schema.first.map(itemLine) }),
    ...schema.tables.map((table) => rowsOf(sql, table)),
    // Each by itself, since it may take long.
    ...schema.indexes.map((index) => () => ({ lines: [itemLine(index)] })),
    // An index may be made of a view, and no trigger may be set off.
    () => ({ lines: [...schema.views.map(itemLine), ...textLines(sql, schema), ...sequenceLines(sql, schema)] }),
    () => ({ lines: schema.triggers.map(itemLine) }),
    (after) => keysOf(kv, after),
  ];
}

function itemLine({ type, name, sql }: Item): string {
  return line("schema", type, name, sql);
}

function rowsOf(sql: SqlStorage, table: string): Stage {
  let reader: RowReader | undefined;
  return (after) => {
    reader ??= new RowReader(sql, table);
    const { rows, hasMore } = reader.page(after as readonly Cell[] | undefined);
    const lines = rows.map((row) => line("row", table, ...row));
    return hasMore ? { lines, rows: rows.length, after: reader.keyOf(rows.at(-1)!) } : { lines, rows: rows.length };
  };
}

/** What is set for full-text tables; of those with texts elsewhere, that the index is to be made anew. */
function textLines(sql: SqlStorage, { texts }: Schema): string[] {
  return texts.flatMap(({ name, isExternal }) => {
    const settings = [
      ...sql.exec(`select k, typeof(v), v from ${quoted(`${name}_config`)} where k <> 'version'`).raw(),
    ];
    const lines = settings.map(([key, type, value]) => line("setting", name, key, cellOf(type as string, value!)));
    return isExternal ? [...lines, line("rebuild", name)] : lines;
  });
}

function sequenceLines(sql: SqlStorage, { hasSequences }: Schema): string[] {
  if (!hasSequences) return [];
  const sequences = [...sql.exec("select name, typeof(seq), cast(seq as text) from sqlite_sequence").raw()];
  return sequences.map(([name, type, seq]) => line("sequence", name, cellOf(type as string, seq!)));
}

function keysOf(kv: SyncKvStorage, at: readonly unknown[] | undefined): Lines {
  const [last] = (at ?? []) as [last?: string];
  const lines: string[] = [];
  let bytes = 0;
  let key = last;
  let isWhole = true;
  try {
    for (const [name, value] of kv.list(last === undefined ? {} : { start: after(last) })) {
      key = name;
      if (name === RECORD_KEY) continue;
      const text = keyLine(name, value);
      lines.push(text);
      bytes += text.length;
      isWhole = bytes < PAGE_BYTES;
      if (!isWhole) break;
    }
  } catch (cause) {
    if (DurableError.is(cause)) throw cause;
    const place = key === undefined ? "the first key" : `the key behind ${quote(key)}`;
    throw notExportable(`the value under ${place} cannot be read`, "Delete the key, or write it anew.", cause);
  } finally {
    // A list that is left open locks tables; another one ends it.
    void [...kv.list({ start: IMPORT_KEY, end: after(IMPORT_KEY) })];
  }
  if (key?.includes("\ufffd") === true || lines.some((text) => text.includes("\ufffd"))) checkKeys(kv, last, key);
  return isWhole ? { lines, keys: lines.length } : { lines, keys: lines.length, after: [key] };
}

function keyLine(key: string, value: unknown): string {
  try {
    return line("key", key, encodeValue(value));
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw notExportable(
      `the value under ${quote(key)} cannot be written: ${what}`,
      "Store plain data in its place.",
      cause,
    );
  }
}

/** A key with a lone surrogate, which the platform stores, is given as another one: it cannot be read by what a list calls it. */
function checkKeys(kv: SyncKvStorage, last: string | undefined, end: string | undefined): void {
  const range = {
    ...(last === undefined ? {} : { start: after(last) }),
    ...(end === undefined ? {} : { end: after(end) }),
  };
  for (const [key] of [...kv.list(range)]) {
    if (!key.includes("\ufffd") || [...kv.list({ start: key, end: after(key) })].some(([name]) => name === key))
      continue;
    throw notExportable(`the key ${quote(key)} is no well-formed text`, "Store its value under another key.");
  }
}
