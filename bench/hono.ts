import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono/tiny";
import { isInput } from "./input.ts";

/** The routes by hand on the router that ours are built on. */
export class HonoCounter extends DurableObject {
  #count: number | undefined;
  readonly #app: Hono;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#app = new Hono()
      .get("/", (c) => c.json({ count: (this.#count ??= this.ctx.storage.kv.get<number>("count") ?? 0) }))
      .post("/double", async (c) => {
        const input: unknown = await c.req.json().catch(() => undefined);
        if (!isInput(input)) return c.json({ title: "by: a number" }, input === undefined ? 400 : 422);
        return c.json({ doubled: input.by * 2 });
      });
  }

  override fetch(request: Request): Response | Promise<Response> {
    return this.#app.fetch(request);
  }
}
