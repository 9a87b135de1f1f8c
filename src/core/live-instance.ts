/**
 * @module
 * One live instance per object. When you edit a file, a dev server makes another instance on the same `ctx`, while calls
 * still run in the earlier one.
 */

/**
 * The functions that retire live instances, by `ctx.id`: code that wraps a class leaves the id alone. They are kept on
 * the global object, since an edit may load this module again. `durable-base/testing` counts what is added.
 */
const REGISTRY: unique symbol = Symbol.for("durable-base.instances") as never;
export const instances: WeakMap<DurableObjectId, () => void> = ((
  globalThis as { [REGISTRY]?: WeakMap<DurableObjectId, () => void> }
)[REGISTRY] ??= new WeakMap());

/** Retires the live instance of an object, if there is one, before the next is made. */
export function retireLive(id: DurableObjectId): void {
  const retire = instances.get(id);
  instances.delete(id);
  retire?.();
}

/** Makes an instance the live one of its object, once it is complete; `retire` is called when another one takes over. */
export function becomeLive(id: DurableObjectId, retire: () => void): void {
  instances.set(id, retire);
}
