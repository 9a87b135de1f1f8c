/**
 * @module
 * The row planner: which rows have to be put and deleted for fields that changed.
 *
 * It reads rows where a value's parts have to be known, and writes none.
 */
import { isPrimitive } from "../../core/values/snapshot.ts";
import { RECORD_KEY } from "../../storage/kv/keys.ts";
import { sizeOf } from "../../storage/size.ts";
import { collectionOf, NONE } from "./collection.ts";
import { isSmall } from "../tracking/copy.ts";
import { adoptedKey } from "../evolve.ts";
import type { Field } from "../field.ts";
import {
  fieldKey,
  isInRecord,
  rowKey,
  setEntry,
  setVersion,
  sharesRecord,
  takeOut,
  type StoredRecord,
  versionOf,
} from "./layout.ts";
import { PLAIN } from "../options.ts";
import { checkRow, freeRows, isTooLarge, Packer, Rows } from "./packing.ts";

/**
 * Plans the rows of fields that changed, the record among them if it did or `isRecordChanged` says so.
 *
 * It brings the record and the fields to the state they have once the rows are written.
 *
 * @throws DurableError `too-large` or `field-unreadable`; the record and the fields then have to be read again.
 */
export function planRows(changed: Iterable<Field>, record: StoredRecord, isRecordChanged: boolean): Rows {
  const rows = new Rows();
  for (const field of changed) if (place(field, record, rows)) isRecordChanged = true;
  if (isRecordChanged) rows.put(RECORD_KEY, record);
  return rows;
}

/** Plans one field; returns true if the record changed. */
function place(field: Field, record: StoredRecord, rows: Rows): boolean {
  const { name, options, raw, from } = field;
  // Most fields are numbers and short texts that stay in the record.
  if (isPrimitive(raw) && isSmall(raw) && options === PLAIN && from === name && Object.hasOwn(record.fields, name)) {
    if (field.removed === undefined && field.held === NONE && versionOf(record, name) === 1) {
      record.fields[name] = raw;
      field.isDirty = false;
      field.isStored = true;
      return true;
    }
  }
  let isRecordChanged = field.unreadable !== undefined;
  if (field.unreadable !== undefined) keepUnreadable(field, record, rows);
  const adopted = adoptedKey(record, field);
  // `undefined` under a key of the user's would look like no row: it is noted in the record.
  const key = raw === undefined ? undefined : adopted;
  if (adopted !== undefined && adopted !== key) rows.delete(adopted, true);
  const packer = new Packer(field, rows);
  if (field.removed !== undefined) freeRows(field.removed, rows);
  if (from !== undefined && (from !== name || key !== undefined)) {
    isRecordChanged = true;
    const old = takeOut(record, from);
    if (old !== undefined) rows.delete(old, true);
  }
  packer.writeAll(field.dirty);
  const isCollection = !isPrimitive(raw) && collectionOf(raw) !== undefined;
  if (key !== undefined) {
    checkRow(field.field, key, sizeOf(raw));
    rows.put(key, raw);
    packer.drop(field.held);
    field.held = NONE;
  } else if (!isCollection && (field.isDirty || !field.isStored)) {
    const hadRow = record.rows.has(name);
    field.key = rowKey(record, name);
    const { stored, bytes, held } = packer.inline(raw, field.held);
    const isShared = sharesRecord(bytes, hadRow);
    if (isShared) {
      if (hadRow) rows.delete(takeOut(record, name)!, true);
      record.fields[name] = stored;
    } else {
      // What its parts are, its own rows point to.
      if (isTooLarge(raw, bytes)) packer.make(raw, "");
      else {
        checkRow(field.field, field.key, bytes);
        rows.put(field.key, stored);
      }
      record.rows.add(name);
      delete record.fields[name];
    }
    const isNamed = (!isShared || held.size > 0) && field.key !== fieldKey(name);
    setEntry(record, "keys", name, isNamed ? field.key : undefined);
    field.held = isPrimitive(raw) || collectionOf(raw) === undefined ? held : NONE;
    isRecordChanged ||= isShared || !hadRow;
  }
  packer.end();
  field.from = key === undefined ? name : undefined;
  field.removed = field.unreadable = undefined;
  field.isDirty = false;
  field.isStored = true;
  return setVersion(record, name, options.version) || isRecordChanged;
}

/** Keeps the rows of a value that couldn't be read; the field's value gets other ones. */
function keepUnreadable({ name: field, options, unreadable }: Field, record: StoredRecord, rows: Rows): void {
  const { from, version } = unreadable!;
  if (from === undefined) setEntry(record, "unreadable", options.key!, { field, version });
  // What the record has under the field's name goes unread then, too.
  const name = from ?? field;
  if (from !== undefined || isInRecord(record, name)) {
    const key = rowKey(record, name);
    // The keys of its parts come from this one.
    if (Object.hasOwn(record.fields, name)) rows.put(key, record.fields[name]);
    setEntry(record, "unreadable", key, { field, version });
  }
  takeOut(record, name);
}

/** @throws DurableError `too-large` for a value that doesn't fit the one row of its field's key. */
export function checkKeyed(raw: unknown, { field, options: { key } }: Field): void {
  if (key !== undefined) checkRow(field, key, sizeOf(raw));
}
