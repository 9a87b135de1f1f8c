/**
 * @module
 * The doors: the members of the base class that a stub reaches. `Object.once` and `Storage` knock, the base class
 * answers.
 */

/** Their names, which no class may give to a member of its own. */
export const DOORS = ["__once", "__storage"] as const;

/** An object seen through its doors. */
export interface Door {
  /** Calls a method exactly once per key; `ttl` in milliseconds. */
  __once(method: string, key: string, args: unknown[], ttl: number | undefined): Promise<unknown>;
  /** Does with the object's storage what the function of that name does, where the class allows it. */
  __storage(operation: string, args: unknown[]): Promise<unknown>;
}
