/**
 * @module
 * Two copies of the library in one bundle: each knows its own classes and objects only, so they must not be mixed.
 */

/** This copy. A dev server that loads the library anew makes another, whose classes and objects are all new too. */
export const COPY: object = {};

const OWNERS = Symbol.for("durable-base.owners");

/** By storage of a live object of ours: the copy that its base class comes from. */
const owners = ((globalThis as { [OWNERS]?: WeakMap<object, object> })[OWNERS] ??= new WeakMap<object, object>());

/** Says that the object with this storage is one of this copy's base class. */
export function claim(storage: object): void {
  owners.set(storage, COPY);
}

/** Tells whether the object with this storage is one of another copy's base class. */
export function isOfAnother(storage: object): boolean {
  return (owners.get(storage) ?? COPY) !== COPY;
}

/** The message for what mixes them, with what to do. */
export function mixedCopies(where: string): string {
  return `${where} mixes two copies of durable-base, which know nothing of each other. Find them with \`npm ls durable-base\` and keep one: \`npm dedupe\`, or in vite \`resolve: { dedupe: ["durable-base"] }\`.`;
}
