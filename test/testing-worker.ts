/** The Worker of the tests that use `durable-base/testing`, or classes in Sentry's wrapper: only what they need is loaded. */
export { BootedReports, BuriedReports, Reports } from "./core/fixtures/reports.ts";
export { CountedReports, InstrumentedReports, MixedReports } from "./core/fixtures/mixins.ts";
export { LegacyCountedReports, LegacyInstrumentedReports, LegacyMixedReports } from "./legacy/twins/mixins.ts";
export { LegacyHidden, LegacyListed } from "./legacy/twins/hidden.ts";
export { Mixed, MixedChild, MixedHeir } from "./core/fixtures/mixed.ts";
export { EchoRoom, StandardEcho } from "./testing/fixtures/echo-room.ts";
export { NativeAlarm, NativeBare, Tested } from "./testing/fixtures/tested.ts";
export { LegacyProxied, LegacySentryEleven, LegacySentryTen } from "./legacy/twins/wrapped.ts";
export { Proxied, SentryEleven, SentryTen } from "./core/fixtures/wrapped.ts";
export { StandardHidden, StandardListed } from "./core/fixtures/hidden.ts";
export { Probe, Unbacked } from "./core/fixtures/probe.ts";
export { AccessorThings } from "./persisted/fixtures/persisted.ts";
export { LegacyThings } from "./legacy/twins/persisted.ts";
export { Locker } from "./storage/fixtures/locker.ts";
export { Clock } from "./jobs/fixtures/clock.ts";
export { StandardJobs } from "./jobs/fixtures/schedule.ts";

/** Passes `/echo-room/<name>/…` on to that object. */
export default {
  async fetch(request: Request, env: Cloudflare.Env): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const [, kind, name, ...rest] = pathname.split("/");
    if (kind !== "echo-room") return new Response("ok");
    const room = env.ECHO_ROOM.getByName(decodeURIComponent(name!));
    return await room.fetch(new Request(`http://room/${rest.join("/")}${search}`, request));
  },
};
