/** The Worker of the tests: every class that a test talks to, one fixture file a subject. */
export { Probe, Unbacked } from "./fixtures/probe.ts";
export { Eager, Handing, Narrow, Reaccessed, Redeclared, Sleeping, Starting, Surface } from "./fixtures/base.ts";
export { Faults } from "./fixtures/peers.ts";
export { AccessorThings, FieldThings } from "./fixtures/persisted.ts";
export { Defined, LeftLegacy, RightLegacy } from "./fixtures/legacy/base.ts";
export { LegacyThings } from "./fixtures/legacy/persisted.ts";
export { ChildRoutes, FetchingRoutes, Routes, StuckRoutes } from "./fixtures/route.ts";
export { ChildLegacyRoutes, LegacyRoutes } from "./fixtures/legacy/route.ts";
export { RouteInput } from "./fixtures/route-input.ts";
export { LegacyRouteInput } from "./fixtures/legacy/route-input.ts";
export { Added, ChildRouteApp, Hooked, RouteApp } from "./fixtures/route-app.ts";
export { ChildLegacyRouteApp, LegacyRouteApp } from "./fixtures/legacy/route-app.ts";
export { Shelf } from "./fixtures/openapi.ts";
export { Fragile } from "./fixtures/fragile.ts";
export { LegacyFragile } from "./fixtures/legacy/fragile.ts";
export { Peer } from "./fixtures/object.ts";
export { Surfaces } from "./fixtures/surface.ts";
export { Mirror } from "./fixtures/serve.ts";
export { HandRows, HandRows1, HandRows100, Rows, Rows1, Rows100 } from "./fixtures/rows.ts";
export { Fuzzed } from "./fixtures/fuzz.ts";
export { Paths } from "./fixtures/paths.ts";
export { StandardCalls } from "./fixtures/call.ts";
export { Stepped } from "./steps/stepped.ts";
export { LegacyCalls } from "./fixtures/legacy/call.ts";
export { ClosedTill, OpenTill, Till } from "./fixtures/once.ts";
export { LegacyTill } from "./fixtures/legacy/once.ts";

export default { fetch: (): Response => new Response("ok") };
