/**
 * @module
 * Comparing plain data.
 */
import { isPrimitive, loadedBy } from "./snapshot.ts";

/**
 * Tells whether two values are the same plain data; two that are no data never are. `inOrder` also compares the order
 * of an object's keys.
 */
export function isEqual(a: unknown, b: unknown, inOrder = false): boolean {
  if (Object.is(a, b)) return true;
  if (isPrimitive(a) || isPrimitive(b)) return false;
  if (a instanceof Date) return b instanceof Date && Object.is(a.getTime(), b.getTime());
  const proto: unknown = Object.getPrototypeOf(a);
  if (proto !== Object.getPrototypeOf(b)) return false;
  for (const value of [a, b]) loadedBy(value)?.complete();
  if (a instanceof RegExp) return a.source === (b as RegExp).source && a.flags === (b as RegExp).flags;
  if (a instanceof Map || a instanceof Set) return isEqual([...a], [...(b as Set<unknown>)], inOrder);
  if (ArrayBuffer.isView(a) || a instanceof ArrayBuffer) return areSame(bytesIn(a), bytesIn(b as ArrayBuffer));
  const isList = Array.isArray(a);
  if (!isList && !(a instanceof Error) && proto !== Object.prototype && proto !== null) return false;
  if (isList && a.length !== (b as unknown[]).length) return false;
  // An Error's own are not enumerable.
  const keysOf = a instanceof Error ? Object.getOwnPropertyNames : Object.keys;
  const [keys, others] = [keysOf(a), keysOf(b)];
  if (keys.length !== others.length || (inOrder && !areSame(keys, others))) return false;
  const [x, y] = [a, b] as Record<string, unknown>[];
  return keys.every((key) => Object.hasOwn(b, key) && isEqual(x![key], y![key], inOrder));
}

function bytesIn(value: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

function areSame(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
