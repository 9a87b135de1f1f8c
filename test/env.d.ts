declare namespace Cloudflare {
  interface Env {
    PROBE: DurableObjectNamespace<import("./fixtures/probe.ts").Probe>;
  }
}
