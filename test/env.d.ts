declare namespace Cloudflare {
  interface Env {
    PROBE: DurableObjectNamespace<import("./fixtures/probe.ts").Probe>;
    ACCESSOR_THINGS: DurableObjectNamespace<import("./fixtures/persisted.ts").AccessorThings>;
    FIELD_THINGS: DurableObjectNamespace<import("./fixtures/persisted.ts").FieldThings>;
    LEGACY_THINGS: DurableObjectNamespace<import("./fixtures/legacy/persisted.ts").LegacyThings>;
  }
}
