/**
 * @module
 * A whole object from a stream that `Transfer.export` gave.
 */
import { DurableError, quote } from "../core/errors.ts";
import { IMPORT_KEY, tellImported } from "../storage/import-notice.ts";
import { RECORD_KEY } from "../storage/kv/keys.ts";
import { offer } from "../storage/remote-operations.ts";
import { ask } from "../storage/remote.ts";
import { isRemote, storageOf, type AnyStorage, type RemoteStorage, type StorageHandle } from "../storage/handle.ts";
import { checkOptions } from "./export.ts";
import { RowWriter } from "./rows.ts";
import { batchesOf, damaged, positionOf, RESUME, type Batch, type Header, type TransferProgress } from "./format.ts";
import { itemsOf, quoted, type Item } from "./tables.ts";
import { decodeValue } from "../storage/tagged-json.ts";

/**
 * How {@link importAll} works.
 *
 * @example
 * ```ts
 * const options: ImportOptions = { replace: true, onProgress: ({ bytes }) => console.log(bytes) };
 * ```
 */
export interface ImportOptions {
  /** Removes all that the object has, unless it is this stream's import that goes on. */
  readonly replace?: boolean;
  /** Is told after each batch, which then is durable; a promise that it gives is awaited. */
  readonly onProgress?: (progress: TransferProgress) => unknown;
}

/** How far an import is that has not ended. */
type ImportProgress = Omit<TransferProgress, "bytes">;

/** What is stored of an import that has not ended. */
interface Unfinished {
  readonly id: string;
  readonly seq: number;
  readonly crc: string;
  readonly cursor: string;
  readonly keys: number;
  readonly rows: number;
  /** How many rows were laid aside, since rows that they refer to were not there yet. */
  readonly aside: number;
}

/**
 * Makes an empty object what another was when it was exported; exported as `import`. Gives how much that was.
 *
 * Batches of about 256 KB are checked and written one by one, each in a transaction, so memory stays flat and what was
 * written stays when the stream breaks off or the object is stopped: **the same call again goes on**, with the same
 * stream from its start, or one by `Transfer.export(source, { from })` with the cursor of {@link importing}. Until it has ended
 * the object has no persisted fields, but its keys and tables grow, and nothing else must write; then fields
 * are read anew. **Trust a stream as you trust code**: its triggers and views run in the object.
 *
 * @throws DurableError `not-empty`; `bad-transfer` when the stream is damaged, cut short, of a newer format, or another one
 * than that of the import that goes on; `bad-option`, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const backup = await env.BACKUPS.get("alice.ndjson");
 * await Transfer.import(this.ctx, backup.body, { replace: true });
 * ```
 */
export async function importAll(
  handle: AnyStorage,
  stream: ReadableStream<Uint8Array>,
  options: ImportOptions = {},
): Promise<TransferProgress> {
  const { replace = false, onProgress } = options;
  checkOptions("Transfer.import", options, ["replace", "onProgress"]);
  if (typeof (stream as Partial<ReadableStream> | null)?.getReader !== "function") {
    throw new DurableError(
      "bad-option",
      "Transfer.import: there is no stream. Pass a `ReadableStream`, such as `response.body`.",
    );
  }
  if (isRemote(handle)) return await ask(handle, "Transfer.import", stream, options);
  const storage = storageOf(handle);
  const { id: owner } = handle as { readonly id?: { readonly name?: string } };
  let target: Target | undefined;
  let bytes = 0;
  for await (const batch of batchesOf(stream)) {
    bytes += batch.size;
    if (target === undefined) {
      target = new Target(storage, await begin(storage, headerOf(batch), replace), headerOf(batch).from, owner?.name);
      continue;
    }
    if (target.hasEnded) throw damaged("it goes on behind its end");
    const [, seq] = batch.lines.at(-1)! as [string, number];
    if (seq !== target.read + 1) throw damaged(`batch ${target.read + 1} is missing`);
    if (target.isKnown(batch)) continue;
    await target.write(batch);
    await onProgress?.({ ...target.progress, bytes });
  }
  if (target?.hasEnded !== true) throw damaged("it ends before its end", RESUME);
  return { ...target.progress, bytes };
}

/**
 * Tells how far an import is that has not ended; `undefined` when there is none, as once it has.
 *
 * @throws DurableError `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const rest = Transfer.export(source, { from: Transfer.importing(target)!.cursor });
 * ```
 */
export function importing(handle: StorageHandle): ImportProgress | undefined;
export function importing(handle: RemoteStorage): Promise<ImportProgress | undefined>;
export function importing(handle: AnyStorage): ImportProgress | undefined | Promise<ImportProgress | undefined> {
  if (isRemote(handle)) return ask(handle, "Transfer.importing");
  const unfinished = storageOf(handle).kv.get<Unfinished>(IMPORT_KEY);
  if (unfinished === undefined) return undefined;
  const { cursor, keys, rows } = unfinished;
  return { cursor, keys, rows };
}

offer("Transfer.import", "write", importAll);
offer("Transfer.importing", "read", importing);

function headerOf({ lines }: Batch): Header {
  const header = lines[0]![2] as Header | undefined;
  if (typeof header?.id === "string" && Number.isSafeInteger(header.from) && lines.length === 2) return header;
  throw damaged("its first line is no header");
}

/** What there is to go on from; for a new import the object must be empty, or is emptied. */
async function begin(storage: DurableObjectStorage, { id, from }: Header, replace: boolean): Promise<Unfinished> {
  const unfinished = storage.kv.get<Unfinished>(IMPORT_KEY);
  // Fields that were written meanwhile would be lost in it, so that is no import to go on with.
  const isSpoilt = replace && storage.kv.get(RECORD_KEY) !== undefined;
  if (unfinished?.id === id && !isSpoilt) {
    if (from <= unfinished.seq) return unfinished;
    throw damaged(
      `it begins behind batch ${from}, and ${unfinished.seq} were imported`,
      "Export from an earlier cursor.",
    );
  }
  if (from !== 0) throw damaged("it begins in the middle, and this object has no import that it continues");
  if (replace) await storage.deleteAll();
  else if (unfinished !== undefined) {
    throw damaged("the object is half imported from another stream", "Import that one, or pass `{ replace: true }`.");
  }
  // Which lets persisted fields write what is pending.
  storage.transactionSync(() => {
    const [key] = [...storage.kv.list({ limit: 1 })][0] ?? [];
    const [item] = itemsOf(storage.sql);
    if (key === undefined && item === undefined) return;
    throw new DurableError(
      "not-empty",
      `Transfer.import: the object is not empty: it has ${key === undefined ? `the ${item!.type} ${quote(item!.name)}` : `the key ${quote(key)}`}. Import into a new one, or remove all that it has by \`{ replace: true }\`.`,
    );
  });
  return { id, seq: 0, crc: "", cursor: "", keys: 0, rows: 0, aside: 0 };
}

/** The object that is imported into. */
class Target {
  /** The last batch that was read. */
  read: number;
  hasEnded = false;
  readonly #storage: DurableObjectStorage;
  readonly #rows: RowWriter;
  readonly #name: string | undefined;
  #done: Unfinished;

  constructor(storage: DurableObjectStorage, done: Unfinished, from: number, name: string | undefined) {
    this.#storage = storage;
    this.#rows = new RowWriter(storage, done.aside);
    this.#done = done;
    this.#name = name;
    this.read = from;
  }

  get progress(): Omit<TransferProgress, "bytes"> {
    const { cursor, keys, rows } = this.#done;
    return { cursor, keys, rows };
  }

  /** Tells whether a batch was written before; the last of those must be this one. */
  isKnown({ lines, crc }: Batch): boolean {
    this.read++;
    if (this.read > this.#done.seq) return false;
    const [, , cursor] = lines.at(-1)!;
    if (this.read === this.#done.seq && (crc !== this.#done.crc || cursor !== this.#done.cursor)) {
      throw damaged(
        "it differs from the one whose import goes on",
        "Import that one, or begin anew with `{ replace: true }`.",
      );
    }
    return true;
  }

  /** Writes a batch, all or nothing, and waits until it is durable. */
  async write({ lines, crc }: Batch): Promise<void> {
    const [kind, seq, cursor] = lines.at(-1)! as [string, number, string];
    const isEnd = kind === "end";
    const before = this.#done;
    if ((isEnd ? cursor : positionOf(cursor, "Transfer.import").id) !== before.id)
      throw damaged("a batch of another export is in it");
    const body = lines.slice(0, -1);
    // It may be refused, and then all that goes before it has to stay undone.
    const alarm = body.find(([kind]) => kind === "alarm")?.[1];
    if (alarm !== undefined) await this.#arm(alarm as number);
    this.#storage.transactionSync(() => {
      this.#checkAlone();
      const counts = { keys: before.keys, rows: before.rows };
      for (const line of body) this.#apply(line, counts);
      this.#done = { ...before, ...counts, seq, crc, cursor: isEnd ? before.cursor : cursor, aside: this.#rows.aside };
      if (isEnd) this.#end(lines.at(-1)![3] as TransferProgress);
      else this.#storage.kv.put(IMPORT_KEY, this.#done);
    });
    this.hasEnded = isEnd;
    // At once: what memory has of the fields must not be written over what has come.
    if (isEnd) tellImported(this.#storage);
    // What is not on disk yet takes memory.
    await this.#storage.sync();
  }

  /** The record is the last to come, so what is there was written meanwhile. */
  #checkAlone(): void {
    if (this.#storage.kv.get(RECORD_KEY) === undefined) return;
    throw new DurableError(
      "not-empty",
      "Transfer.import: the object wrote persisted fields while it was imported. Let nothing change them, and import the stream again with `{ replace: true }`.",
    );
  }

  async #arm(time: number): Promise<void> {
    try {
      await this.#storage.setAlarm(time);
    } catch (cause) {
      throw damaged("its alarm cannot be set", "Give the class an `alarm()`, and import the stream again.", cause);
    }
  }

  #apply([kind, ...parts]: readonly unknown[], counts: { keys: number; rows: number }): void {
    const { sql } = this.#storage;
    try {
      switch (kind) {
        case "row":
          counts.rows++;
          return this.#rows.write(parts as [string]);
        case "key":
          counts.keys++;
          return this.#putKey(...(parts as [string, unknown[]]));
        case "schema":
          return create(sql, ...(parts as [Item["type"], string, string]));
        case "sequence":
          return this.#rows.setSequence(...(parts as [string, number]));
        case "setting":
          return this.#rows.set(...(parts as [string, string, number]));
        case "rebuild": {
          const name = quoted(parts[0] as string);
          return void sql.exec(`insert into ${name}(${name}) values ('rebuild')`);
        }
        case "alarm":
          return;
        default:
          throw new TypeError(`there is no line ${quote(kind)}`);
      }
    } catch (cause) {
      if (DurableError.is(cause)) throw cause;
      const what = cause instanceof Error ? cause.message : String(cause);
      throw damaged(`a line of batch ${this.read} cannot be written: ${what}`, undefined, cause);
    }
  }

  #putKey(key: string, nodes: unknown[]): void {
    if (typeof key !== "string" || !key.isWellFormed() || key.startsWith(IMPORT_KEY))
      throw new TypeError("a key is none");
    const value = decodeValue(nodes);
    // The name is that of the object it lies in; one that is not known here is learnt later.
    if (key === RECORD_KEY) this.#rename(value as { name?: string });
    this.#storage.kv.put(key, value);
  }

  #rename(record: { name?: string }): void {
    if (this.#name === undefined) delete record.name;
    else if (record.name !== undefined) record.name = this.#name;
  }

  #end(counts: TransferProgress): void {
    this.#rows.writeAside();
    const { keys, rows } = this.#done;
    if (counts?.keys !== keys || counts.rows !== rows) throw damaged("it has not as many rows as its end tells");
    this.#storage.kv.delete(IMPORT_KEY);
  }
}

/** Makes a table, index, view or trigger: the statement must be that, and nothing else. */
function create(sql: SqlStorage, type: Item["type"], name: string, text: string): void {
  if (!/^create\s/i.test(text)) throw new TypeError(`the ${quote(type)} ${quote(name)} is none`);
  sql.exec(text);
  const made = sql.exec("select sql from sqlite_schema where type = ? and name = ?", type, name).toArray();
  if (made[0]?.["sql"] !== text) throw new TypeError(`the statement of the ${quote(type)} ${quote(name)} is another`);
}
