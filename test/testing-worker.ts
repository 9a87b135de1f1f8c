/** The Worker of the tests that use `durable-base/testing`, or classes in Sentry's wrapper: only what they need is loaded. */
export { BootedReports, BuriedReports, CountedReports } from "./core/fixtures/reports.ts";
export { InstrumentedReports, MixedReports, Reports } from "./core/fixtures/reports.ts";
export { LegacyCountedReports, LegacyInstrumentedReports, LegacyMixedReports } from "./legacy/reports.ts";
export { LegacyHidden, LegacyListed } from "./legacy/hidden.ts";
export { Mixed, MixedChild, MixedHeir } from "./core/fixtures/mixed.ts";
export { NativeAlarm, NativeBare, Tested } from "./testing/fixtures/tested.ts";
export { ProxiedLegacy, SentryElevenLegacy, SentryTenLegacy } from "./legacy/wrapped.ts";
export { ProxiedStandard, SentryElevenStandard, SentryTenStandard } from "./core/fixtures/wrapped.ts";
export { StandardHidden, StandardListed } from "./core/fixtures/hidden.ts";
export { Probe, Unbacked } from "./core/fixtures/probe.ts";
export { AccessorThings } from "./persisted/fixtures/persisted.ts";
export { LegacyThings } from "./legacy/persisted.ts";
export { Locker } from "./storage/fixtures/locker.ts";
export { Clock } from "./jobs/fixtures/clock.ts";
export { StandardJobs } from "./jobs/fixtures/schedule.ts";

export default { fetch: (): Response => new Response("ok") };
