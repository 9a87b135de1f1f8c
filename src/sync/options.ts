/**
 * @module
 * The options of `@Synced`, and what the decorators record.
 */

/**
 * Options of {@link Synced}.
 *
 * @example
 * ```ts
 * const options: SyncedOptions<{ isHost: boolean }> = { visibleTo: (state) => state?.isHost === true };
 * ```
 */
export interface SyncedOptions<State = unknown> {
  /**
   * Returns true for clients that may see the field, by their `socket.state`; undefined until it is set. It must depend on nothing
   * else. It is asked again whenever a client's state changes.
   */
  readonly visibleTo?: (state: Readonly<State> | undefined) => boolean;
}

/** The record of a member. */
export type Recorded =
  | { readonly kind: "field"; readonly visibleTo: SyncedOptions["visibleTo"] }
  | { readonly kind: "method" };
