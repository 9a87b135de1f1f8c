/**
 * @module
 * One live instance per object. When you edit a file, a dev server makes another instance on the same `ctx`, while calls
 * still run in the earlier one.
 */

/**
 * The functions that retire live instances, by `ctx.id`: code that wraps a class leaves the id alone. They are kept on
 * the global object, since an edit may load this module again.
 */
const REGISTRY: unique symbol = Symbol.for("durable-base.instances") as never;
const retirements = ((globalThis as { [REGISTRY]?: WeakMap<DurableObjectId, () => void> })[REGISTRY] ??= new WeakMap());

/** Makes the instance that is being constructed the live one of its object; `retire` is called when another one takes over. */
export function becomeLive(id: DurableObjectId, retire: () => void): void {
  retirements.get(id)?.();
  retirements.set(id, retire);
}
