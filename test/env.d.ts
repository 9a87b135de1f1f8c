declare namespace Cloudflare {
  interface Env {
    PROBE: DurableObjectNamespace<import("./fixtures/probe.ts").Probe>;
    ACCESSOR_THINGS: DurableObjectNamespace<import("./fixtures/persisted.ts").AccessorThings>;
    FIELD_THINGS: DurableObjectNamespace<import("./fixtures/persisted.ts").FieldThings>;
    LEGACY_THINGS: DurableObjectNamespace<import("./fixtures/legacy/persisted.ts").LegacyThings>;
    SURFACE: DurableObjectNamespace<import("./fixtures/base.ts").Surface>;
    NARROW: DurableObjectNamespace<import("./fixtures/base.ts").Narrow>;
    STARTING: DurableObjectNamespace<import("./fixtures/base.ts").Starting>;
    HANDING: DurableObjectNamespace<import("./fixtures/base.ts").Handing>;
    EAGER: DurableObjectNamespace<import("./fixtures/base.ts").Eager>;
    REDECLARED: DurableObjectNamespace<import("./fixtures/base.ts").Redeclared>;
    REACCESSED: DurableObjectNamespace<import("./fixtures/base.ts").Reaccessed>;
    DEFINED: DurableObjectNamespace<import("./fixtures/legacy/base.ts").Defined>;
    LEFT_LEGACY: DurableObjectNamespace<import("./fixtures/legacy/base.ts").LeftLegacy>;
    RIGHT_LEGACY: DurableObjectNamespace<import("./fixtures/legacy/base.ts").RightLegacy>;
    ROUTES: DurableObjectNamespace<import("./fixtures/route.ts").Routes>;
    CHILD_ROUTES: DurableObjectNamespace<import("./fixtures/route.ts").ChildRoutes>;
    STUCK_ROUTES: DurableObjectNamespace<import("./fixtures/route.ts").StuckRoutes>;
    FETCHING_ROUTES: DurableObjectNamespace<import("./fixtures/route.ts").FetchingRoutes>;
    LEGACY_ROUTES: DurableObjectNamespace<import("./fixtures/legacy/route.ts").LegacyRoutes>;
    CHILD_LEGACY_ROUTES: DurableObjectNamespace<import("./fixtures/legacy/route.ts").ChildLegacyRoutes>;
    FUZZED: DurableObjectNamespace<import("./fixtures/fuzz.ts").Fuzzed>;
    PATHS: DurableObjectNamespace<import("./fixtures/paths.ts").Paths>;
    ROUTE_INPUT: DurableObjectNamespace<import("./fixtures/route-input.ts").RouteInput>;
    ROUTE_APP: DurableObjectNamespace<import("./fixtures/route-app.ts").RouteApp>;
    CHILD_ROUTE_APP: DurableObjectNamespace<import("./fixtures/route-app.ts").ChildRouteApp>;
    HOOKED: DurableObjectNamespace<import("./fixtures/route-app.ts").Hooked>;
    ADDED: DurableObjectNamespace<import("./fixtures/route-app.ts").Added>;
    LEGACY_ROUTE_INPUT: DurableObjectNamespace<import("./fixtures/legacy/route-input.ts").LegacyRouteInput>;
    LEGACY_ROUTE_APP: DurableObjectNamespace<import("./fixtures/legacy/route-app.ts").LegacyRouteApp>;
    CHILD_LEGACY_ROUTE_APP: DurableObjectNamespace<import("./fixtures/legacy/route-app.ts").ChildLegacyRouteApp>;
    SURFACES: DurableObjectNamespace<import("./fixtures/surface.ts").Surfaces>;
    FRAGILE: DurableObjectNamespace<import("./fixtures/fragile.ts").Fragile>;
    LEGACY_FRAGILE: DurableObjectNamespace<import("./fixtures/legacy/fragile.ts").LegacyFragile>;
    PEER: DurableObjectNamespace<import("./fixtures/object.ts").Peer>;
    SLEEPING: DurableObjectNamespace<import("./fixtures/base.ts").Sleeping>;
    FAULTS: DurableObjectNamespace<import("./fixtures/peers.ts").Faults>;
    UNBACKED: DurableObjectNamespace<import("./fixtures/probe.ts").Unbacked>;
    SHELF: DurableObjectNamespace<import("./fixtures/openapi.ts").Shelf>;
    MIRROR: DurableObjectNamespace<import("./fixtures/serve.ts").Mirror>;
    STANDARD_CALLS: DurableObjectNamespace<import("./fixtures/call.ts").StandardCalls>;
    LEGACY_CALLS: DurableObjectNamespace<import("./fixtures/legacy/call.ts").LegacyCalls>;
    TILL: DurableObjectNamespace<import("./fixtures/once.ts").Till>;
    CLOCK: DurableObjectNamespace<import("./fixtures/clock.ts").Clock>;
    LOCKER: DurableObjectNamespace<import("./fixtures/locker.ts").Locker>;
    READ_LOCKER: DurableObjectNamespace<import("./fixtures/locker.ts").ReadLocker>;
    NARROW_LOCKER: DurableObjectNamespace<import("./fixtures/locker.ts").NarrowLocker>;
    LATE_LOCKER: DurableObjectNamespace<import("./fixtures/locker.ts").LateLocker>;
    ODD_LOCKER: DurableObjectNamespace<import("./fixtures/locker.ts").OddLocker>;
    LEGACY_LOCKER: DurableObjectNamespace<import("./fixtures/legacy/locker.ts").LegacyLocker>;
    STANDARD_LIFE: DurableObjectNamespace<import("./fixtures/life.ts").StandardLife>;
    LEGACY_LIFE: DurableObjectNamespace<import("./fixtures/legacy/life.ts").LegacyLife>;
    LEGACY_DECLARED: DurableObjectNamespace<import("./fixtures/legacy/schedule.ts").LegacyDeclared>;
    LEGACY_ALARMS: DurableObjectNamespace<import("./fixtures/legacy/schedule.ts").LegacyAlarms>;
    LEGACY_JOBS: DurableObjectNamespace<import("./fixtures/legacy/schedule.ts").LegacyJobs>;
    STANDARD_DECLARED: DurableObjectNamespace<import("./fixtures/schedule.ts").StandardDeclared>;
    STANDARD_ALARMS: DurableObjectNamespace<import("./fixtures/schedule.ts").StandardAlarms>;
    STANDARD_JOBS: DurableObjectNamespace<import("./fixtures/schedule.ts").StandardJobs>;
    STANDARD_CRONS: DurableObjectNamespace<import("./cron-host.ts").CronHost>;
    LEGACY_CRONS: DurableObjectNamespace<import("./cron-host.ts").CronHost>;
    MODEL_JOBS: DurableObjectNamespace<import("./fixtures/schedule-model.ts").ModelJobs>;
    OPEN_TILL: DurableObjectNamespace<import("./fixtures/once.ts").OpenTill>;
    CLOSED_TILL: DurableObjectNamespace<import("./fixtures/once.ts").ClosedTill>;
    LEGACY_TILL: DurableObjectNamespace<import("./fixtures/legacy/once.ts").LegacyTill>;
    STEPPED: DurableObjectNamespace<import("./steps/stepped.ts").Stepped>;
    ROWS: DurableObjectNamespace<import("./fixtures/rows.ts").Rows>;
    ROWS_1: DurableObjectNamespace<import("./fixtures/rows.ts").Rows1>;
    ROWS_100: DurableObjectNamespace<import("./fixtures/rows.ts").Rows100>;
    HAND_ROWS: DurableObjectNamespace<import("./fixtures/rows.ts").HandRows>;
    HAND_ROWS_1: DurableObjectNamespace<import("./fixtures/rows.ts").HandRows1>;
    HAND_ROWS_100: DurableObjectNamespace<import("./fixtures/rows.ts").HandRows100>;
    MIGRATED: DurableObjectNamespace<import("./fixtures/migrations.ts").Migrated>;
    MIGRATED_HEIR: DurableObjectNamespace<import("./fixtures/migrations.ts").MigratedHeir>;
    MIGRATED_CHILD: DurableObjectNamespace<import("./fixtures/migrations.ts").MigratedChild>;
    LEGACY_MIGRATED: DurableObjectNamespace<import("./fixtures/legacy/migrations.ts").LegacyMigrated>;
    UPGRADED: DurableObjectNamespace<import("./steps/upgraded.ts").Upgraded>;
  }
}

/** A file as text: vite's `?raw`. */
declare module "*?raw" {
  const text: string;
  export { text as default };
}

/** Vite's, whose own types would bring Node's. */
interface ImportMeta {
  glob(patterns: string[], options: object): Record<string, string>;
}

/** Node's, of which arktype's types name one class. */
declare module "buffer" {
  export const File: unknown;
}
