/**
 * @module
 * How an object's fields lie in its storage: the keys, the record, and which field goes where.
 *
 * Small fields share one row, the record; a larger field has a row of its own, and the record lists it, so
 * that one read tells where everything is. `docs/storage-format.md` is the reference.
 */
import { DurableError } from "../errors.ts";
import { PREFIX } from "../storage/keys.ts";

/** The key of the record. */
export const RECORD_KEY: string = `${PREFIX}record`;

/** The key of a field that has a row of its own. */
export function fieldKey(name: string): string {
  return `${PREFIX}field:${name}`;
}

/** The key of a part of a field: a chunk of a collection, or a collection inside the field. */
export function partKey(name: string, id: string): string {
  return `${PREFIX}part:${name}:${id}`;
}

/** The version of the format that this code writes; it reads 1 as well, whose rows are a part of those of 2. */
const FORMAT = 2;

/** The most bytes that a container takes within a row, before it is held in chunks of at most as many. */
export const CHUNK_MAX = 2_048;

/** The most bytes of a row that tells where the chunks are. */
export const PAGE_MAX = 8_000;

/** The most bytes a field may have to share the record; it comes back when it has shrunk to half. */
const SHARED_MAX = 1_024;

/** The one row that small fields share. */
export interface StoredRecord {
  format: number;
  /** The object's name, for wake-ups by id alone. */
  name?: string;
  /** The small fields by name, those of older code included. */
  readonly fields: Record<string, unknown>;
  /** The fields that have a row of their own. */
  readonly rows: Set<string>;
}

/** A record for an object that has stored nothing yet. */
export function emptyRecord(): StoredRecord {
  return { format: FORMAT, fields: {}, rows: new Set() };
}

/**
 * Reads the record; undefined when the object has stored nothing.
 *
 * @throws DurableError `record-unreadable` when the row is damaged or newer than this code; the row is kept.
 */
export function readRecord(kv: SyncKvStorage): StoredRecord | undefined {
  let stored: unknown;
  try {
    stored = kv.get(RECORD_KEY);
  } catch (cause) {
    throw unreadable("its bytes cannot be decoded", cause);
  }
  if (stored === undefined) return undefined;
  if (!isRecord(stored)) throw unreadable("it has another shape than a record");
  if (stored.format > FORMAT)
    throw unreadable(`it has format ${stored.format}, newer than ${FORMAT} of this code. Deploy the newer code again`);
  return stored;
}

function isRecord(value: unknown): value is StoredRecord {
  if (typeof value !== "object" || value === null) return false;
  const { format, fields, rows } = value as Partial<StoredRecord>;
  return typeof format === "number" && typeof fields === "object" && fields !== null && rows instanceof Set;
}

function unreadable(why: string, cause?: unknown): DurableError {
  return new DurableError(
    "record-unreadable",
    `The row "${RECORD_KEY}" of this object cannot be read: ${why}. Its bytes are kept and no field is written until it is repaired or deleted with \`ctx.storage.kv\`.`,
    { cause },
  );
}

/** Makes a record one of the present format, before it is written. */
export function upgrade(record: StoredRecord): void {
  record.format = FORMAT;
}

/** Tells whether a field of so many bytes shares the record, given where it lies now. */
export function sharesRecord(bytes: number, hasOwnRow: boolean): boolean {
  return bytes <= (hasOwnRow ? SHARED_MAX / 2 : SHARED_MAX);
}
