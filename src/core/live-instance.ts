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
export const instances: WeakMap<object, () => void> = ((globalThis as { [REGISTRY]?: WeakMap<object, () => void> })[
  REGISTRY
] ??= new WeakMap());

/** Returns what stands for an object: its `ctx.id`, or its `ctx` in a facet whose id is a text. */
export function keyOfLive(ctx: DurableObjectState): object {
  const id: DurableObjectId | string = ctx.id;
  return typeof id === "string" ? ctx : id;
}

/** Retires the live instance of an object, if there is one, before the next is made. */
export function retireLive(key: object): void {
  const retire = instances.get(key);
  instances.delete(key);
  retire?.();
}

/** Makes an instance the live one of its object, once it is complete; `retire` is called when another one takes over. */
export function becomeLive(key: object, retire: () => void): void {
  instances.set(key, retire);
}
