/**
 * @module
 * Comparing what was stored with what is to be stored.
 */
import { isContainer, isPrimitive, loadedBy } from "../snapshot.ts";

/** Tells whether two trees of plain data cannot be told apart, the order of their entries and holes included. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (isPrimitive(a) || isPrimitive(b)) return Object.is(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  for (const value of [a, b]) loadedBy(value)?.complete();
  if (a instanceof Map) return isEqual([...a], [...(b as typeof a)]);
  if (a instanceof Set) return isEqual([...a], [...(b as typeof a)]);
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (a instanceof RegExp) return String(a) === String(b);
  if (ArrayBuffer.isView(a) || a instanceof ArrayBuffer) return isSameBytes(bytesOf(a), bytesOf(b as typeof a));
  if (!isContainer(a)) return false;
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  return (
    keys.length === others.length &&
    keys.every((key, i) => key === others[i] && isEqual(Reflect.get(a, key), Reflect.get(b, key)))
  );
}

/** The bytes of a buffer or of a view on one. */
function bytesOf(value: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // A plain loop: a megabyte takes a closure ten times as long.
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
