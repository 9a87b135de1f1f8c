/**
 * @module
 * The frame of an export: lines of JSON in batches, each with a checksum and a cursor. `docs/transfer-format.md` is the reference.
 */
import { DurableError } from "../core/errors.ts";
import { base64, bytesOfBase64 } from "../storage/tagged-json.ts";

/** The version of the format that this code writes, and the only one that it reads. */
export const VERSION = 1;

/** The most bytes of a batch that is read: a row of 2 MB takes at most 14 MB as JSON. */
const MAX_BATCH = 32 * 1024 * 1024;

/** The largest buffer that is kept for the next batch. */
const MAX_SCRATCH = 1024 * 1024;

/** The length of a batch's end: the quoted checksum, a bracket and a newline. */
const TAIL = 12;

/**
 * How far an export or import is.
 *
 * @example
 * ```ts
 * const onProgress = ({ rows, keys }: TransferProgress) => console.log(`${rows + keys} rows`);
 * ```
 */
export interface TransferProgress {
  /** Where to go on: `Transfer.export(source, { from: cursor })`. */
  readonly cursor: string;
  /** Keys with their values, the library's own included. */
  readonly keys: number;
  /** Rows of SQL tables. */
  readonly rows: number;
  /** Bytes of this stream until here. */
  readonly bytes: number;
}

/** What a cursor says. */
export interface Position {
  /** The export's own name: two exports of one object differ. */
  readonly id: string;
  /** How many batches there were, without that of the header. */
  readonly seq: number;
  /** A hash of the schema that the stages were made of. */
  readonly schema: number;
  readonly stage: number;
  /** Where in the stage: behind a key, or the key of a table's row. */
  readonly after?: readonly unknown[];
  readonly keys: number;
  readonly rows: number;
}

/** What an export says of itself in its first line. */
export interface Header {
  readonly id: string;
  /** When the export began, as ISO text. */
  readonly at: string;
  /** The object's name, if it was known. */
  readonly name?: string;
  /** The number of the batch behind which a resumed export begins. */
  readonly from: number;
}

/** A batch that was read whole and without damage. */
export interface Batch {
  /** All lines, the last of which is a `check` or the `end`. */
  readonly lines: readonly (readonly unknown[])[];
  /** The checksum of the batch. */
  readonly crc: string;
  readonly size: number;
}

/** A text as bytes. */
export function toBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A cursor of a position. */
export function cursorOf(position: Position): string {
  return base64(toBytes(JSON.stringify(position)));
}

/** @throws DurableError `bad-transfer` when the text is no cursor. */
export function positionOf(cursor: unknown, where: string): Position {
  try {
    const position = JSON.parse(new TextDecoder().decode(bytesOfBase64(cursor as string))) as Position;
    const numbers = [position.seq, position.schema, position.stage, position.keys, position.rows];
    if (typeof position.id === "string" && numbers.every(Number.isSafeInteger)) return position;
  } catch {
    // Neither base64 nor JSON.
  }
  throw badTransfer(where, "the cursor is none", "Pass `progress.cursor` as it was given.");
}

/** What batches are put together in, since large texts and buffers stay until the garbage of the whole heap is collected. */
let scratch: Uint8Array = new Uint8Array(0);

/** The bytes of lines and of the beginning of the batch's last line, with its checksum. */
export function batchOf(lines: readonly string[], last: string): Uint8Array {
  const encoder = new TextEncoder();
  let length = 0;
  for (const text of [...lines, `${last}"00000000"]\n`]) {
    // A UTF-16 unit takes three at most.
    const most = length + text.length * 3;
    if (most > scratch.length) scratch = larger(scratch, length, most);
    length += encoder.encodeInto(text, scratch.subarray(length)).written;
  }
  const bytes = scratch.slice(0, length);
  encoder.encodeInto(crcOf(bytes.subarray(0, -TAIL)), bytes.subarray(1 - TAIL));
  if (scratch.length > MAX_SCRATCH) scratch = new Uint8Array(0);
  return bytes;
}

/**
 * The batches of a stream, each checked before it is given.
 *
 * @throws DurableError `bad-transfer` for damage, another format, and a stream that breaks off within a batch.
 */
export async function* batchesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Batch, void> {
  let buffer: Uint8Array = new Uint8Array(64 * 1024);
  let length = 0;
  /** Where the line begins that is not whole yet, and how much of it was looked at. */
  let line = 0;
  let seen = 0;
  let isFirst = true;
  for await (const chunk of stream) {
    const bytes: unknown = chunk;
    if (!(bytes instanceof Uint8Array)) {
      throw damaged("the stream gives other things than bytes", "Pass a `ReadableStream<Uint8Array>`.");
    }
    if (length + bytes.length > buffer.length) buffer = larger(buffer, length, length + bytes.length);
    buffer.set(bytes, length);
    length += bytes.length;
    for (;;) {
      const newline = buffer.subarray(0, length).indexOf(10, seen);
      if (newline === -1) break;
      const next = newline + 1;
      if (isFirst) checkHeader(buffer.subarray(0, newline));
      isFirst = false;
      if (closes(buffer, line)) {
        yield opened(buffer.subarray(0, next));
        buffer.copyWithin(0, next, length);
        length -= next;
        line = seen = 0;
      } else line = seen = next;
    }
    seen = length;
    if (length > MAX_BATCH) throw damaged(`there is no end of a batch within ${MAX_BATCH} bytes`);
  }
  if (length > 0) throw damaged("it breaks off within a batch", RESUME);
}

/** What to do about a stream that ended too early. */
export const RESUME = "What came whole is kept: import the stream again from its start.";

function larger(buffer: Uint8Array, length: number, needed: number): Uint8Array {
  const next = new Uint8Array(Math.max(needed, buffer.length * 2));
  next.set(buffer.subarray(0, length));
  return next;
}

/** Tells whether the line at `at` is the last of a batch. */
function closes(bytes: Uint8Array, at: number): boolean {
  const begin = String.fromCharCode(...bytes.subarray(at, at + 8));
  return begin === '["check"' || begin.startsWith('["end",');
}

function checkHeader(line: Uint8Array): void {
  const [, version] = /^\["durable-base",(\d+),/.exec(new TextDecoder().decode(line.subarray(0, 100))) ?? [];
  if (version === undefined) throw damaged("it does not begin as an export does");
  if (Number(version) === VERSION) return;
  throw damaged(
    `it has format ${version}, and this code reads format ${VERSION}`,
    "Import it with the version of durable-base that wrote it, or a later one.",
  );
}

/** @throws DurableError `bad-transfer` when it is damaged. */
function opened(bytes: Uint8Array): Batch {
  const body = bytes.subarray(0, -TAIL);
  const crc = crcOf(body);
  if (new TextDecoder().decode(bytes.subarray(-TAIL)) !== `"${crc}"]\n`) {
    throw damaged("a batch does not have the checksum that it names", "It was changed on its way: fetch it again.");
  }
  let lines: unknown[];
  try {
    lines = Array.from(linesOf(bytes), (line) => JSON.parse(line) as unknown);
  } catch (cause) {
    throw damaged("a line is no JSON", undefined, cause);
  }
  if (!lines.every(Array.isArray)) throw damaged("a line is no array");
  return { lines: lines as unknown[][], crc, size: bytes.length };
}

function* linesOf(bytes: Uint8Array): Generator<string, void> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let from = 0, to; from < bytes.length; from = to + 1) {
    to = bytes.indexOf(10, from);
    yield decoder.decode(bytes.subarray(from, to));
  }
}

/** The error for what cannot be imported. */
export function damaged(what: string, fix?: string, cause?: unknown): DurableError {
  return badTransfer("Transfer.import", `the stream cannot be imported: ${what}`, fix, cause);
}

/** The error for a transfer that cannot go on. */
export function badTransfer(
  where: string,
  what: string,
  fix = "Export the object again.",
  cause?: unknown,
): DurableError {
  return new DurableError("bad-transfer", `${where}: ${what}. ${fix}`, cause === undefined ? {} : { cause });
}

let table: Uint32Array | undefined;

/** The CRC-32 of ISO 3309, as zlib has it. */
export function crc32(bytes: Uint8Array): number {
  table ??= crcTable();
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}

function crcOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

function crcTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
}
