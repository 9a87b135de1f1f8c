/** The Worker of the tests that use `durable-base/testing`, or classes in Sentry's wrapper: only what they need is loaded. */
export { BootedReports, BuriedReports, CountedReports } from "./fixtures/reports.ts";
export { InstrumentedReports, MixedReports, Reports } from "./fixtures/reports.ts";
export { LegacyCountedReports, LegacyInstrumentedReports, LegacyMixedReports } from "./fixtures/legacy/reports.ts";
export { LegacyHidden, LegacyListed } from "./fixtures/legacy/hidden.ts";
export { Mixed, MixedChild, MixedHeir } from "./fixtures/mixed.ts";
export { NativeAlarm, NativeBare, Tested } from "./fixtures/tested.ts";
export { ProxiedLegacy, SentryElevenLegacy, SentryTenLegacy } from "./fixtures/legacy/wrapped.ts";
export { ProxiedStandard, SentryElevenStandard, SentryTenStandard } from "./fixtures/wrapped.ts";
export { StandardHidden, StandardListed } from "./fixtures/hidden.ts";
export { Probe, Unbacked } from "./fixtures/probe.ts";
export { AccessorThings } from "./fixtures/persisted.ts";
export { LegacyThings } from "./fixtures/legacy/persisted.ts";
export { Locker } from "./fixtures/locker.ts";
export { Clock } from "./fixtures/clock.ts";
export { StandardJobs } from "./fixtures/schedule.ts";

export default { fetch: (): Response => new Response("ok") };
