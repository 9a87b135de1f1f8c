import { Object, serve } from "durable-base";
import { http } from "durable-base/client";
import { openapi } from "durable-base/openapi";
import { shards } from "durable-base/shards";
import { Counter } from "./counter.ts";

export { Counter };

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

const app = serve<Env>({ "/counters/:name": Counter });

app.get("/total", async (c) => {
  const names = (c.req.query("names") ?? "").split(",");
  const counts = await Promise.all(names.map((name) => Object.from(c.env.COUNTER).byName(name).read()));
  return c.json(counts.reduce((total, { count }) => total + count, 0));
});

// tsc's decorator helpers and this line meet the imported `Object`, which inherits from the global one.
app.get("/keys", (c) => c.json(Object.keys({ a: 1 })));

app.get("/openapi", (c) => c.json(openapi({ "/counters/:name": Counter }).paths));

// The counter of a key, copied into another object.
app.get("/copied/:key", async (c) => {
  const source = shards(c.env.COUNTER, 16).byKey(c.req.param("key"));
  const target = Object.from(c.env.COUNTER).byName(`copy of ${source.name}`);
  await source.increment({ by: 7 });
  await target.load(await source.backUp());
  return c.json([source.name, await target.read()]);
});

// A call by HTTP that is sent twice.
app.get("/twice", async (c) => {
  const stub = c.env.COUNTER.getByName("twice");
  const increment = { increment: "POST /increment" } as const;
  const counter = http<Counter>("http://object", increment, { fetch: (url, init) => stub.fetch(url, init) });
  return c.json([await counter.increment({ by: 4 }, { key: "a" }), await counter.increment({ by: 4 }, { key: "a" })]);
});

// What a stub reaches on the platform itself; the tests' plugin has a dispatcher of its own.
app.get("/reachable", async (c) => {
  const stub = c.env.COUNTER.getByName("a") as unknown as Record<string, Promise<unknown>>;
  const found: string[] = [];
  for (const name of (c.req.query("names") ?? "").split(",")) {
    try {
      await stub[name];
      found.push(name);
    } catch (error) {
      if (!/does not implement/.test(String(error))) throw error;
    }
  }
  return c.json(found);
});

export default app;
