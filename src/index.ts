/**
 * @module
 * A light, decorator-driven base class for Cloudflare Durable Objects.
 */
export { Atomic } from "./call/atomic.ts";
export { Exclusive, type ExclusiveOptions } from "./call/exclusive.ts";
export type { CallDecorator } from "./call/method.ts";
export { DurableBase } from "./durable-base.ts";
export { DurableError, type ErrorCode, type Issue } from "./errors.ts";
export { objects as Object } from "./object/object.ts";
export type {
  Finder,
  FromOptions,
  Handle,
  MapOptions,
  Moved,
  NotTransferable,
  Objects,
  Shards,
  Stub,
} from "./object/object.ts";
export type { Codec, PersistedOptions } from "./persisted/options.ts";
export { Persisted } from "./persisted/persisted.ts";
export * as Quarantine from "./persisted/quarantine.ts";
export { Route, type RouteContext, type RouteDecorator } from "./route/route.ts";
export type { RouteOptions } from "./route/router.ts";
export type { InputSchema } from "./route/input.ts";
export type { StandardSchema } from "./schema.ts";
export { serve, type ServeNamespace, type ServeOptions, type ServeTarget } from "./object/serve.ts";
export { snapshot } from "./snapshot.ts";
export * as Storage from "./storage/storage.ts";
