import { describe, expect, it } from "vitest";
import { call } from "./call.ts";

describe("the Worker", () => {
  it("sums counters by RPC", async () => {
    await call("POST", "/counters/dave/increment", { by: 5 });
    await call("POST", "/counters/erin/increment", { by: 7 });
    expect(await (await call("GET", "/total?names=dave,erin")).json()).toBe(12);
    expect(await (await call("GET", "/total")).json()).toBe(0);
  });

  it("answers a name that cannot be one with 400", async () => {
    for (const path of [`/total?names=${"x".repeat(1_025)}`, `/counters/${"x".repeat(1_025)}`, "/counters/%FF"]) {
      const response = await call("GET", path);
      expect([response.status, await response.json()]).toMatchObject([400, { code: "bad-name" }]);
    }
  });

  it("answers an unknown path with a problem", async () => {
    for (const path of ["/nowhere", "/counters/alice/nowhere"]) {
      const response = await call("GET", path);
      expect(response.status).toBe(404);
      expect(response.headers.get("content-type")).toContain("application/problem+json");
    }
  });
});
