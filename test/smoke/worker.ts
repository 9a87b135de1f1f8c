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

export default app;
