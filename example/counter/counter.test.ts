import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { describe, expect, it } from "vitest";
import { call } from "../call.ts";

describe("Counter", () => {
  it("increments over HTTP and RPC alike", async () => {
    const response = await call("POST", "/counters/ann/increment", { by: 2 });
    expect([response.status, await response.text()]).toEqual([200, "2"]);
    expect(await Object.from(env.COUNTER).byName("ann").increment({ by: 3 })).toBe(5);
    expect(await (await call("GET", "/counters/ann")).json()).toMatchObject({ name: "ann", count: 5 });
  });

  it("keeps its count when it is evicted", async () => {
    const counter = Object.from(env.COUNTER).byName("ben");
    await counter.increment({ by: 4 });
    await evictDurableObject(env.COUNTER.getByName("ben"));
    expect(await counter.read()).toEqual({ name: "ben", count: 4, changedAt: expect.any(Date) });
  });

  it("refuses input that does not fit, and names it", async () => {
    const response = await call("POST", "/counters/cat/increment", { by: "x" });
    expect(response.status).toBe(422);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.text()).toContain('"by"');
    expect(await (await call("GET", "/counters/cat")).json()).toMatchObject({ count: 0 });
  });
});
