/**
 * @module
 * State that clients see as it changes, and methods that they call: `@Synced` and `@Callable`.
 */
export { caller } from "./caller.ts";
export { Callable, Synced, type CallableDecorator, type SyncedDecorator } from "./decorators.ts";
export type { SyncedOptions } from "./options.ts";
