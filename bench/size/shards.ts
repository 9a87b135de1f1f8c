import { shards } from "durable-base/shards";
import type { Counter } from "./counter.ts";

export * from "./counter.ts";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

/** The counter, spread over several objects. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return Response.json(await shards(env.COUNTER, 16).byKey(request.url).increment(1));
  },
};
