/**
 * @module
 * Counts how often objects come into memory.
 */
import { instances } from "../core/live-instance.ts";
import type { Target } from "./target.ts";

/** By object, the instances that were made since this module was loaded. */
const counts = new Map<string, number>();

const add = instances.set.bind(instances);
instances.set = (id, retire) => {
  // An id, but for a facet whose id is a text.
  const key = (id as DurableObjectId).toString();
  counts.set(key, (counts.get(key) ?? 0) + 1);
  return add(id, retire);
};

/**
 * Returns how often an object was constructed since `durable-base/testing` was loaded: 0 if nothing has called it yet, and one
 * more whenever something wakes it after an eviction or reset. Asking doesn't wake it; the other helpers do.
 *
 * Counts objects of classes that extend `DurableBase`, and is 0 for any other.
 *
 * @example
 * ```ts
 * await evict(room);
 * ann.send("ping");
 * expect(await ann.next()).toBe("pong");
 * expect(wakeUps(room)).toBe(1);   // answered without waking it
 * ```
 */
export function wakeUps(object: Pick<Target, "id">): number {
  return counts.get(String(object.id)) ?? 0;
}
