/**
 * @module
 * A light, decorator-driven base class for Cloudflare Durable Objects.
 */
export { Atomic } from "./calls/atomic.ts";
export { Exclusive, type ExclusiveOptions } from "./calls/exclusive.ts";
export { Idempotent } from "./calls/idempotent.ts";
export { Internal, type InternalDecorator } from "./calls/internal.ts";
export type { CallDecorator } from "./calls/replace-method.ts";
export { DurableBase } from "./core/durable-base.ts";
export { DurableError, type ErrorCode, type Issue } from "./core/errors.ts";
export { objects as Object } from "./object/namespace.ts";
export type { Finder, FromOptions, Handle, NotTransferable, Objects, RetryOptions, Stub } from "./object/namespace.ts";
export type { Codec, PersistedOptions } from "./persisted/options.ts";
export { Persisted } from "./persisted/persisted.ts";
export type { BodyKind, InputSchema, RouteOptions } from "./route/options.ts";
export type { PathParams } from "./route/path.ts";
export { Route, type RouteContext } from "./route/route.ts";
export { routes } from "./route/router.ts";
export type {
  RouteDecorator,
  RouteDecoratorOf,
  RouteFunction,
  RouteVerb,
  UncheckedRouteDecorator,
} from "./route/types.ts";
export type { StandardSchema, Validated } from "./core/values/schema.ts";
export { problems } from "./object/problems.ts";
export { dataOf, type PassWith } from "./object/request-data.ts";
export { serve } from "./object/serve.ts";
export type {
  ServeCall,
  ServeNamespace,
  ServeObject,
  ServeOptions,
  ServeRoute,
  ServeTarget,
} from "./object/serve-options.ts";
export { snapshot } from "./core/values/snapshot.ts";
export * as Storage from "./storage/storage.ts";
