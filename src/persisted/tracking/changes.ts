/**
 * @module
 * Describing changes of tracked values for a recorder: the path, and the operation with its values as plain data.
 */
import type { Change } from "../../core/part/types.ts";
import { copyPlain, isPrimitive } from "../../core/values/snapshot.ts";
import { Node, NOWHERE, type Operation } from "./node.ts";

/**
 * Describes a change that a tracked value has just had; without an operation, its whole value. Something inside an object that is
 * a Set's member or a Map's key has no path, so that the whole Set or Map is set in its place.
 */
export function describe(node: Node, operation?: Operation): Change {
  let path: unknown[] = [];
  let whole = operation === undefined || ("key" in operation && !isPrimitive(operation.key)) ? node : undefined;
  for (let child = node, { parent } = node; parent instanceof Node; child = parent, { parent } = parent) {
    const key = parent.keyOf(child.raw, child.at);
    if (key !== NOWHERE) path.unshift(key);
    else [whole, path] = [parent, []];
  }
  const field = node.root!.name;
  if (whole !== undefined) return { field, path, op: "set", value: copyPlain(whole.raw) };
  const { key, ...values } = operation as Operation & { key?: unknown };
  if ("key" in operation!) path.push(key);
  return { field, path, ...copyPlain(values) };
}

/** The splice that has the effect of changes of items in their places; undefined for none that has it, null for no change. */
export function rearranged(before: readonly unknown[], after: readonly unknown[]): Operation | undefined | null {
  if (before.length !== after.length) return undefined;
  const isSame = (i: number): boolean => Object.is(before[i], after[i]) && i in before === i in after;
  let [start, end] = [0, after.length];
  while (start < end && isSame(start)) start++;
  while (start < end && isSame(end - 1)) end--;
  if (start === end) return null;
  // A hole can't be passed to a splice.
  for (let i = start; i < end; i++) if (!(i in after)) return undefined;
  return { op: "splice", start, count: end - start, items: after.slice(start, end) };
}
