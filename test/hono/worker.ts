/** The application for `scripts/check/hono.mjs`, whose Hono may differ from durable-base's. */
import { DurableBase, Persisted, Route, routes, serve } from "durable-base";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export class Counter extends DurableBase<Env> {
  static override use = [cors({ origin: "https://a.example" })];

  @Persisted() accessor count = 0;

  @Route.post("/add/:by{[0-9]+}")
  add({ by, twice }: { by: string; twice?: boolean }): number {
    return (this.count += Number(by) * (twice === true ? 2 : 1));
  }

  @Route.get("/query")
  query(input: Record<string, unknown>): Record<string, unknown> {
    return input;
  }

  @Route.post("/form", { accept: "form" })
  form(input: Record<string, unknown>): Record<string, unknown> {
    return input;
  }

  @Route.get("/items")
  *items(): Generator<number> {
    yield* [1, 2];
  }

  @Route.get("/refused", {
    use: () => {
      throw new HTTPException(402, { message: "pay first" });
    },
  })
  refused(): void {}

  @Route.get("/answered")
  answered(): void {
    throw new HTTPException(418, { res: new Response("a teapot", { status: 418 }) });
  }

  @Route.get("/broken")
  broken(): void {
    throw new Error("the secret");
  }
}
routes(Counter).route(
  "/sub",
  new Hono().get("/:id", (c) => c.json({ id: c.req.param("id") })),
);

const served = serve<Env>({ "/counters/:name": Counter }, { authorize: () => true });

served.use(async (c, next) => {
  c.header("x-before", "yes");
  if (c.req.header("x-read") === "text") await c.req.text();
  await next();
  // As Hono's middleware does it: an object's response would refuse this.
  c.res.headers.set("x-after", "yes");
});

const app = new Hono<{ Bindings: Env }>();
app.use("/counters/*", async (c, next) => {
  await next();
  c.header("x-outer", "yes");
});
app.route("/", served);
app.route("/api/:tenant", served);
app.mount("/mounted", served.fetch);

export default app;
