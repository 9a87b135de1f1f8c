import { Object, serve } from "durable-base";
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
