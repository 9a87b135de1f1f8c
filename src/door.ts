/**
 * @module
 * The door: the one member of the base class that a stub reaches. `Object.once` knocks, the base class answers.
 */

/** Its name, which no class may give to a member of its own. */
export const DOOR = "__once";

/** An object seen through its door. */
export interface Door {
  /** Calls a method exactly once per key; `ttl` in milliseconds. */
  __once(method: string, key: string, args: unknown[], ttl: number | undefined): Promise<unknown>;
}
