/**
 * @module
 * Describing changes of persisted fields for a recorder: the path, and the operation with its values as plain data.
 */
import type { Change, ChangeRecorder } from "../../core/part/types.ts";
import { copyPlain, isPrimitive } from "../../core/values/snapshot.ts";
import { Node, NOWHERE, type Operation, type Root, type Tell } from "./node.ts";

/** Tells a recorder of each change from now on. */
export function record(fields: { follow(tell: Tell, reset: () => void): void }, recorder: ChangeRecorder): void {
  const tell: Tell = (part, operation) => {
    const settled = operation?.op === "rearrange" ? rearranged(operation.before, part.raw as unknown[]) : operation;
    if (settled !== null) recorder.changed(describe(part, settled));
  };
  fields.follow(tell, () => recorder.reset());
}

/**
 * Describes a change that a field or a part of it has just had; without an operation, its whole value. Something inside an object
 * that is a Set's member or a Map's key has no path, so that the whole Set or Map is set in its place.
 */
function describe(part: Node | Root, operation?: Operation): Change {
  let path: unknown[] = [];
  let whole = operation === undefined || ("key" in operation && !isPrimitive(operation.key)) ? part : undefined;
  let at = part;
  for (; at instanceof Node; at = at.parent!) {
    const { parent } = at;
    if (!(parent instanceof Node)) continue;
    const key = parent.keyOf(at.raw, at.at);
    if (key !== NOWHERE) path.unshift(key);
    else [whole, path] = [parent, []];
  }
  const field = at.name;
  if (whole !== undefined) return { field, path, op: "set", value: copyPlain(whole.raw) };
  const { key, ...values } = operation as Exclude<Operation, { op: "rearrange" }> & { key?: unknown };
  if ("key" in operation!) path.push(Array.isArray(part.raw) && key !== "length" ? Number(key) : key);
  return { field, path, ...copyPlain(values) };
}

/** The splice that has the effect of changes of items in their places; undefined for none that has it, null for no change. */
function rearranged(before: readonly unknown[], after: readonly unknown[]): Operation | undefined | null {
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
