/**
 * @module
 * From what is stored to a field's value and back, by the field's options: find, migrate, decode, validate, encode.
 *
 * `admit` is the way in, at the line of an assignment and when a value that was changed inside is written;
 * `revive` is the way out of storage. What fails there concerns one field: its bytes stay as they are.
 */
import { isEqual } from "../core/values/equal.ts";
import { DurableError, quote } from "../core/errors.ts";
import { isThenable } from "../core/values/functions.ts";
import { listIssues, plainIssues, type SchemaResult, type StandardSchema } from "../core/values/schema.ts";
import { copyPlain, snapshot } from "../core/values/snapshot.ts";
import { copyIn, refused, type Site } from "./tracking/copy.ts";
import type { Found, Loaded } from "./field.ts";
import {
  isInRecord,
  isKept,
  isVersioned,
  rowKey,
  unreadable,
  versionOf,
  type Named,
  type StoredRecord,
} from "./rows/layout.ts";
import type { Codec, FieldOptions } from "./options.ts";

/** A field's value as its options have made it of the stored one. */
export interface Revived extends Loaded {
  readonly value: unknown;
}

/** What a field is made of that nothing is stored for, and whose value is about to be given. */
export const NOTHING: Revived = { raw: undefined, value: undefined, isStored: false, from: undefined };

/** The name under which the record knows the field's value; undefined when it does not. */
export function nameIn(record: StoredRecord | null, name: string, options?: FieldOptions): string | undefined {
  return isInRecord(record, name) ? name : options?.renamedFrom.find((old) => isInRecord(record, old));
}

/** The row that the field's value has under a key of the user's; undefined when it lies elsewhere. */
export function adoptedKey(record: StoredRecord | null, options?: FieldOptions): string | undefined {
  return options?.key === undefined || isKept(record, options.key) ? undefined : options.key;
}

/** Finds what is stored for a field, even if it can't be read; undefined when nothing is. */
export function find(
  kv: SyncKvStorage,
  record: StoredRecord | null,
  site: Site & Named,
  options: FieldOptions | undefined,
): Found | undefined {
  const { name } = site;
  const key = adoptedKey(record, options);
  if (key !== undefined) {
    // `undefined` is noted in the record: other code could not tell it from no row.
    const row = readRow(kv, key, site);
    if (row.value !== undefined || row.flaw !== undefined)
      return { ...row, version: adoptedVersion(record, name, options), from: undefined };
  }
  const found = nameIn(record, name, options);
  if (found === undefined || record === null) return undefined;
  const place = { version: versionOf(record, found), from: found };
  if (Object.hasOwn(record.fields, found)) return { value: record.fields[found], ...place };
  const row = readRow(kv, rowKey(record, found), site);
  // What has a row of its own is too large to be undefined.
  const flaw = row.value === undefined ? unreadable(site, "Its row is missing.") : undefined;
  return { ...(flaw && { flaw }), ...row, ...place };
}

/** The version of what lies under a key of the user's, which the record has by the field's name, or an older one. */
function adoptedVersion(record: StoredRecord | null, name: string, options?: FieldOptions): number {
  const known = [name, ...(options?.renamedFrom ?? [])].find((one) => isVersioned(record, one));
  return record === null || known === undefined ? 1 : versionOf(record, known);
}

function readRow(kv: SyncKvStorage, key: string, site: Site & Named): Pick<Found, "value" | "flaw"> {
  try {
    return { value: kv.get(key) };
  } catch (cause) {
    const flaw = unreadable(site, `The bytes of its row ${quote(key)} cannot be decoded.`, { cause });
    return { value: undefined, flaw };
  }
}

/**
 * Makes a field's value of a stored one.
 *
 * @throws DurableError `field-newer`, `field-unreadable`, or `bad-option` for a schema or `migrate` that is async.
 */
export function revive(found: Found, options: FieldOptions | undefined, site: Site & Named): Revived {
  const { version: current = 1, migrate, codec, schema } = options ?? {};
  const { value: stored, version, from } = found;
  if (!(version <= current)) throw newer(site, version, current);
  const isAdopted = from === undefined;
  const isStored = version === current && (isAdopted || from === site.name);
  if (codec === undefined && schema === undefined && version === current && !isAdopted)
    return { raw: stored, value: stored, isStored, from };
  try {
    // A copy, since the record goes on being written with what is stored; other code may have stored no tree.
    const copy = isAdopted ? copyIn(stored, site) : copyPlain(stored);
    const value = version === current ? decode(codec, copy, site) : migrated(migrate!, copy, version, site);
    const { raw, value: checked } = check(value, options, site);
    return { raw, value: checked, isStored: isStored && isEqual(raw, stored), from };
  } catch (error) {
    if (!DurableError.is(error) || error.code === "bad-option" || error.code === "field-unreadable") throw error;
    const { message, cause = error, issues } = error;
    throw unreadable(site, message, issues === undefined ? { cause } : { cause, issues });
  }
}

/**
 * Makes a field's value of its default: plain data that is to be left as it is.
 *
 * @throws DurableError as {@link admit}.
 */
export function remake(given: unknown, options: FieldOptions | undefined, site: Site): Revived {
  const { codec, schema } = options ?? {};
  const raw = copyPlain(given);
  if (codec === undefined && schema === undefined) return { ...NOTHING, raw };
  return check(decode(codec, raw, site), options, site);
}

/**
 * Makes a field's value of what its `onUnreadable` returns for a stored one.
 *
 * @throws what `onUnreadable` throws, and DurableError as {@link admit}.
 */
export function replaceUnreadable(error: DurableError, stored: unknown, options: FieldOptions, site: Site): Revived {
  const value = options.onUnreadable!(error, stored);
  return isThenable(value) ? refuseAsync("onUnreadable", value, site) : check(value, options, site);
}

/** A value by its schema, and the plain data for it. */
function check(given: unknown, { codec, schema }: Partial<FieldOptions> = {}, site: Site): Revived {
  const value = schema === undefined ? given : validate(schema, given, site);
  return { ...NOTHING, raw: encode(codec, value, site), value };
}

/**
 * The plain data to store for a value that is assigned, or was changed inside.
 *
 * @throws DurableError `not-persistable`, `too-large`, `schema-failed`, or `bad-option` for an async schema.
 */
export function admit(given: unknown, options: FieldOptions, site: Site): unknown {
  const { codec, schema } = options;
  const { raw } = check(schema === undefined ? given : snapshot(given), options, site);
  const loaded = decode(codec, copyPlain(raw), site);
  try {
    if (schema === undefined || isEqual(raw, check(loaded, options, site).raw)) return raw;
  } catch (error) {
    if (!DurableError.is(error, "schema-failed")) throw error;
  }
  throw new DurableError(
    "schema-failed",
    `${site.field}: its schema refuses or converts its own output, so the value would change with each load. Use a schema that keeps it, and a \`codec\` for another form in storage.`,
  );
}

/** The plain data for a value, by its codec if it has one. */
export function encode(codec: Codec<unknown> | undefined, value: unknown, site: Site): unknown {
  if (codec === undefined || value === undefined || value === null) return copyIn(value, site);
  const encoded = attempt("codec.encode", site, () => codec.encode(value));
  if (encoded !== undefined && encoded !== null) return copyIn(encoded, site);
  throw refused(`\`codec.encode\` gave ${encoded}, which stands for no value. Give plain data for it.`, site);
}

/** The value that a codec makes of plain data. */
export function decode(codec: Codec<unknown> | undefined, raw: unknown, site: Site): unknown {
  return codec === undefined || raw === undefined || raw === null
    ? raw
    : attempt("codec.decode", site, () => codec.decode(raw));
}

function migrated(migrate: NonNullable<FieldOptions["migrate"]>, old: unknown, from: number, site: Site): unknown {
  const result = attempt("migrate", site, () => migrate(old, from));
  return isThenable(result) ? refuseAsync("migrate", result, site) : result;
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
  if (isThenable(result)) return refuseAsync("schema", result, site);
  const { issues: found, value: output } = result as { value?: unknown; issues?: readonly { message: string }[] };
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

function refuseAsync(what: string, result: PromiseLike<unknown>, { field }: Site): never {
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
