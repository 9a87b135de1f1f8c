import { app } from "../route/fixtures/fuzz.ts";

export { Fuzzed } from "../route/fixtures/fuzz.ts";

/**
 * The Worker that `scripts/fuzz/raw.mjs` sends malformed HTTP to. It marks its answers, whatever happens in it, to tell
 * them from those of workerd, which lets some requests not come as far.
 */
export default {
  async fetch(request: Request, env: Cloudflare.Env, ctx: ExecutionContext): Promise<Response> {
    try {
      const { body, status, headers } = await app.fetch(request, env, ctx);
      const marked = new Headers(headers);
      marked.set("x-ours", "yes");
      return new Response(body, { status, headers: marked });
    } catch (error) {
      return new Response(`serve threw: ${String(error)}`, { status: 500, headers: { "x-ours": "yes" } });
    }
  },
};
