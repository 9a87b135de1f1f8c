/**
 * @module
 * One live instance per object: a dev server makes another on the same `ctx` when a file is edited, while calls still
 * run in the earlier one.
 */

/**
 * By `ctx.id`, which code that wraps a class leaves alone: what retires the live instance. On the global object, since
 * the edit may have loaded this module anew.
 */
const REGISTRY: unique symbol = Symbol.for("durable-base.instances") as never;
const retirements = ((globalThis as { [REGISTRY]?: WeakMap<DurableObjectId, () => void> })[REGISTRY] ??= new WeakMap());

/** Makes the instance that is being constructed the live one of its object; `retire` is called when the next one is. */
export function becomeLive(id: DurableObjectId, retire: () => void): void {
  retirements.get(id)?.();
  retirements.set(id, retire);
}
