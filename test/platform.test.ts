import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

describe("the platform", () => {
  it("drains microtasks between a constructor and the first call", async () => {
    expect(await env.PROBE.getByName("rpc").whenConstructed()).toBe("in an earlier turn");
    expect(await (await env.PROBE.getByName("http").fetch("http://o")).text()).toBe("in an earlier turn");
  });
});
