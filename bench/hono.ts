import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono/tiny";
import { Input } from "./input.ts";

/** The routes by hand on the router that ours are built on. */
export class HonoCounter extends DurableObject {
  #count: number | undefined;
  readonly #app: Hono;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#app = new Hono()
      .get("/", (c) => c.json({ count: (this.#count ??= this.ctx.storage.kv.get<number>("count") ?? 0) }))
      .post("/double", async (c) => {
        let body: unknown;
        try {
          body = await c.req.json();
        } catch {
          return c.json({ title: "Bad Request" }, 400);
        }
        const { data, error } = Input.safeParse(body);
        if (error !== undefined) return c.json({ title: "Unprocessable Content" }, 422);
        return c.json({ doubled: data.by * 2 });
      });
  }

  override fetch(request: Request): Response | Promise<Response> {
    return this.#app.fetch(request);
  }
}
