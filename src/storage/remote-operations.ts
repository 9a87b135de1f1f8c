/**
 * @module
 * What stubs may ask for beside the functions of keys and values, where the object's Worker has it.
 *
 * Each of these is a large part of its own, which a Worker brings along by using it, and no class by itself.
 */

/** What is asked for, done with `ctx`. */
export type Operation = (ctx: DurableObjectState, ...args: never[]) => unknown;

/** By name; `needed` is the access that a stub needs. */
export interface Offer {
  readonly needed: "read" | "write";
  readonly work: Operation;
}

const offers = new Map<string, Offer>();

/** Lets stubs ask for a function of another module, by its full name, such as `Transfer.export`; that module calls it. */
export function offer(name: string, needed: Offer["needed"], work: Operation): void {
  offers.set(name, { needed, work });
}

/** The function of that name; undefined where there is none, or the Worker does not use it. */
export function offered(name: string): Offer | undefined {
  return offers.get(name);
}
