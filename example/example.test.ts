import { evictDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { Object } from "durable-base";
import { describe, expect, it } from "vitest";

const call = (method: string, path: string, body?: unknown): Promise<Response> =>
  exports.default.fetch(`http://example${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });

describe("Counter", () => {
  it("increments over HTTP and RPC alike", async () => {
    const response = await call("POST", "/counters/alice/increment", { by: 2 });
    expect([response.status, await response.text()]).toEqual([200, "2"]);
    expect(await Object.from(env.COUNTER).byName("alice").increment({ by: 3 })).toBe(5);
    expect(await (await call("GET", "/counters/alice")).json()).toMatchObject({ name: "alice", count: 5 });
  });

  it("keeps its count when it is evicted", async () => {
    const counter = Object.from(env.COUNTER).byName("bob");
    await counter.increment({ by: 4 });
    await evictDurableObject(env.COUNTER.getByName("bob"));
    expect(await counter.read()).toEqual({ name: "bob", count: 4, changedAt: expect.any(Date) });
  });

  it("refuses input that does not fit, and names it", async () => {
    const response = await call("POST", "/counters/carol/increment", { by: "x" });
    expect(response.status).toBe(422);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.text()).toContain('"by"');
    expect(await (await call("GET", "/counters/carol")).json()).toMatchObject({ count: 0 });
  });
});

describe("TodoList", () => {
  it("adds, changes, filters and removes todos", async () => {
    const added = await call("POST", "/lists/home/todos", { title: "milk", tags: ["shop"] });
    expect(added.status).toBe(201);
    const milk = await added.json<{ id: string }>();
    expect(milk).toMatchObject({ title: "milk", done: false, tags: ["shop"] });
    await call("POST", "/lists/home/todos", { title: "sleep" });

    const changed = await call("PATCH", `/lists/home/todos/${milk.id}`, { done: true });
    expect(await changed.json()).toMatchObject({ done: true, dates: { done: expect.any(String) } });
    expect(await (await call("GET", "/lists/home/todos?tag=shop")).json()).toEqual([
      expect.objectContaining({ id: milk.id, done: true }),
    ]);

    expect((await call("DELETE", `/lists/home/todos/${milk.id}`)).status).toBe(204);
    expect(await (await call("GET", "/lists/home/todos")).json()).toHaveLength(1);
    expect((await call("PATCH", `/lists/home/todos/${milk.id}`, { done: true })).status).toBe(404);
  });

  it("keeps nested changes when it is evicted", async () => {
    const list = Object.from(env.LIST).byName("work");
    const { id } = await list.add({ title: "write", tags: ["desk", "urgent"] });
    await list.change({ id, done: true });
    await evictDurableObject(env.LIST.getByName("work"));
    expect(await list.list({ tag: "urgent" })).toEqual([
      {
        id,
        title: "write",
        done: true,
        tags: ["desk", "urgent"],
        dates: { created: expect.any(Date), done: expect.any(Date) },
      },
    ]);
  });
});

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
