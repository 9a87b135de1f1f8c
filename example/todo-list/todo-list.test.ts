import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { describe, expect, it } from "vitest";
import { call } from "../call.ts";

describe("TodoList", () => {
  it("adds, changes, filters and removes todos", async () => {
    const added = await call("POST", "/lists/flat/todos", { title: "milk", tags: ["shop"] });
    expect(added.status).toBe(201);
    const milk = await added.json<{ id: string }>();
    expect(milk).toMatchObject({ title: "milk", done: false, tags: ["shop"] });
    await call("POST", "/lists/flat/todos", { title: "sleep" });

    const changed = await call("PATCH", `/lists/flat/todos/${milk.id}`, { done: true });
    expect(await changed.json()).toMatchObject({ done: true, dates: { done: expect.any(String) } });
    expect(await (await call("GET", "/lists/flat/todos?tag=shop")).json()).toEqual([
      expect.objectContaining({ id: milk.id, done: true }),
    ]);

    expect((await call("DELETE", `/lists/flat/todos/${milk.id}`)).status).toBe(204);
    expect(await (await call("GET", "/lists/flat/todos")).json()).toHaveLength(1);
    expect((await call("PATCH", `/lists/flat/todos/${milk.id}`, { done: true })).status).toBe(404);
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
