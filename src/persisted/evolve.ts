/**
 * @module
 * From what is stored to a field's value and back, by the field's options: find, migrate, decode, validate, encode.
 *
 * `admit` is the way in, at the line of an assignment and when a value that was changed inside is written;
 * `revive` is the way out of storage. What fails there concerns one field: its bytes stay as they are.
 */
import { isEqual } from "../core/values/equal.ts";
import { DurableError } from "../core/errors.ts";
import { isThenable } from "../core/values/async.ts";
import { listIssues, plainIssues, type SchemaResult, type StandardSchema } from "../core/values/schema.ts";
import { copyPlain, snapshot } from "../core/values/snapshot.ts";
import { copyIn, refused, type Site } from "./tracking/copy.ts";
import { isInRecord, isKept, rowKey, unreadable, versionOf, type Named, type StoredRecord } from "./rows/layout.ts";
import type { FieldOptions } from "./options.ts";

/** A field's stored value. */
export interface Found {
  readonly value: unknown;
  readonly version: number;
  /** The name under which the record knows it, the field's own or an older one; undefined for a row of the user's. */
  readonly from: string | undefined;
  /** Why its row can't be read. */
  readonly flaw?: DurableError;
}

/** A field's value as its options have made it of the stored one. */
export interface Revived {
  /** Its value as plain data. */
  readonly raw: unknown;
  /** The value that its codec made of that. */
  readonly value?: unknown;
  /** True when the plain data is what is stored, as the field's own. */
  readonly isStored: boolean;
  /** The name under which the record knows what is stored; undefined when it does not. */
  readonly from: string | undefined;
}

/** What a field is made of that nothing is stored for, and whose value is about to be given. */
export const NOTHING: Revived = { raw: undefined, isStored: false, from: undefined };

/** A field by its name, and how its values evolve. */
export interface Known {
  readonly name: string;
  readonly options: FieldOptions;
}

/** A field whose value is made here. */
export interface Evolving extends Known, Site, Named {
  /** Reads a row. Throws `field-unreadable`. */
  fetch(key: string): unknown;
}

/** The name under which the record knows the field's value; undefined when it does not. */
export function nameIn(record: StoredRecord | null, { name, options }: Known): string | undefined {
  return [name, ...options.renamedFrom].find((one) => isInRecord(record, one));
}

/** The row that the field's value has under a key of the user's; undefined when it lies elsewhere. */
export function adoptedKey(record: StoredRecord | null, { options: { key } }: Known): string | undefined {
  return key === undefined || isKept(record, key) ? undefined : key;
}

/** Finds what is stored for a field, even if it can't be read; undefined when nothing is. */
export function find(record: StoredRecord | null, field: Evolving): Found | undefined {
  const key = adoptedKey(record, field);
  if (key !== undefined) {
    // `undefined` is noted in the record: other code could not tell it from no row.
    const row = readRow(key, field);
    if (row.value !== undefined || row.flaw !== undefined)
      return { ...row, version: adoptedVersion(record, field), from: undefined };
  }
  const found = nameIn(record, field);
  if (found === undefined || record === null) return undefined;
  const place = { version: versionOf(record, found), from: found };
  if (Object.hasOwn(record.fields, found)) return { value: record.fields[found], ...place };
  const row = readRow(rowKey(record, found), field);
  // What has a row of its own is too large to be undefined.
  const flaw = row.value === undefined ? unreadable(field, "Its row is missing.") : undefined;
  return { ...(flaw && { flaw }), ...row, ...place };
}

/** The version of what lies under a key of the user's, which the record has by the field's name, or an older one. */
function adoptedVersion(record: StoredRecord | null, { name, options }: Known): number {
  if (record === null) return 1;
  const versions = [name, ...options.renamedFrom].map((one) => versionOf(record, one));
  return versions.find((version) => version !== 1) ?? 1;
}

function readRow(key: string, field: Evolving): Pick<Found, "value" | "flaw"> {
  try {
    return { value: field.fetch(key) };
  } catch (flaw) {
    return { value: undefined, flaw: flaw as DurableError };
  }
}

/**
 * Makes a field's value of a stored one.
 *
 * @throws DurableError `field-newer`, `field-unreadable`, or `bad-option` for a schema or `migrate` that is async.
 */
export function revive({ value: stored, version, from }: Found, field: Evolving): Revived {
  const { version: current, codec, schema } = field.options;
  if (!(version <= current)) throw newer(field, version, current);
  const isAdopted = from === undefined;
  const isStored = version === current && (isAdopted || from === field.name);
  if (codec === undefined && schema === undefined && version === current && !isAdopted)
    return { raw: stored, isStored, from };
  try {
    // A copy, since the record goes on being written with what is stored; other code may have stored no tree.
    const copy = isAdopted ? copyIn(stored, field) : copyPlain(stored);
    const { raw, value } = check(version === current ? decode(copy, field) : migrated(copy, version, field), field);
    return { raw, value, isStored: isStored && isEqual(raw, stored), from };
  } catch (error) {
    if (!DurableError.is(error) || error.code === "bad-option" || error.code === "field-unreadable") throw error;
    const { message, cause = error, issues } = error;
    throw unreadable(field, message, issues === undefined ? { cause } : { cause, issues });
  }
}

/**
 * Makes a field's value of its default: plain data that is to be left as it is.
 *
 * @throws DurableError as {@link admit}.
 */
export function remake(given: unknown, field: Evolving): Revived {
  const { codec, schema } = field.options;
  const raw = copyPlain(given);
  return codec === undefined && schema === undefined ? { ...NOTHING, raw } : check(decode(raw, field), field);
}

/**
 * Makes a field's value of what its `onUnreadable` returns for a stored one.
 *
 * @throws what `onUnreadable` throws, and DurableError as {@link admit}.
 */
export function replaceUnreadable(error: DurableError, stored: unknown, field: Evolving): Revived {
  return check(settled("onUnreadable", field.options.onUnreadable!(error, stored), field), field);
}

/** A value by its schema, and the plain data for it. */
function check(given: unknown, field: Evolving): Revived {
  const { schema } = field.options;
  const value = schema === undefined ? given : validate(schema, given, field);
  return { ...NOTHING, raw: encode(value, field), value };
}

/**
 * The plain data to store for a value that is assigned, or was changed inside.
 *
 * @throws DurableError `not-persistable`, `too-large`, `schema-failed`, or `bad-option` for an async schema.
 */
export function admit(given: unknown, field: Evolving): unknown {
  const { schema } = field.options;
  const { raw } = check(schema === undefined ? given : snapshot(given), field);
  const loaded = decode(copyPlain(raw), field);
  try {
    if (schema === undefined || isEqual(raw, check(loaded, field).raw)) return raw;
  } catch (error) {
    if (!DurableError.is(error, "schema-failed")) throw error;
  }
  throw new DurableError(
    "schema-failed",
    `${field.field}: its schema refuses or converts its own output, so the value would change with each load. Use a schema that keeps it, and a \`codec\` for another form in storage.`,
  );
}

/** The plain data for a value, by its codec if it has one. */
export function encode(value: unknown, field: Evolving): unknown {
  const { codec } = field.options;
  if (codec === undefined || value === undefined || value === null) return copyIn(value, field);
  const encoded = attempt("codec.encode", field, () => codec.encode(value));
  if (encoded !== undefined && encoded !== null) return copyIn(encoded, field);
  throw refused(`\`codec.encode\` gave ${encoded}, which stands for no value. Give plain data for it.`, field);
}

/** The value that a codec makes of plain data. */
export function decode(raw: unknown, field: Evolving): unknown {
  const { codec } = field.options;
  return codec === undefined || raw === undefined || raw === null
    ? raw
    : attempt("codec.decode", field, () => codec.decode(raw));
}

function migrated(old: unknown, from: number, field: Evolving): unknown {
  return settled(
    "migrate",
    attempt("migrate", field, () => field.options.migrate!(old, from)),
    field,
  );
}

/**
 * What a schema makes of a value.
 *
 * @throws DurableError `schema-failed`, or `bad-option` for an async schema.
 */
export function validate(schema: StandardSchema, value: unknown, site: Site): unknown {
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = schema["~standard"].validate(value);
  } catch (cause) {
    throw new DurableError("schema-failed", `${site.field}: its schema threw; see \`error.cause\`.`, { cause });
  }
  const { issues: found, value: output } = settled("schema", result, site) as {
    value?: unknown;
    issues?: readonly { message: string }[];
  };
  if (found === undefined) return output;
  const issues = plainIssues(found);
  const list = listIssues(issues, "the value");
  throw new DurableError("schema-failed", `${site.field} does not fit its schema: ${list}.`, { issues });
}

function attempt<T>(what: string, site: Site, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new DurableError("not-persistable", `${site.field}: its \`${what}\` threw; see \`error.cause\`.`, { cause });
  }
}

/** The result of a function of the user's, which must not be a promise. */
function settled(what: string, result: unknown, { field }: Site): unknown {
  if (!isThenable(result)) return result;
  // Nobody waits for it.
  result.then(undefined, () => undefined);
  throw new DurableError(
    "bad-option",
    `${field}: its \`${what}\` gave a promise, and fields are loaded synchronously. Do what is async in \`onStart\`.`,
  );
}

function newer({ field }: Site, version: number, current: number): DurableError {
  return new DurableError(
    "field-newer",
    `${field} was stored as version ${version}, and this code knows ${current}. Deploy the newer code again: the stored value is kept, the field takes no other, and the other fields work.`,
  );
}
