import { Object } from "durable-base";
import type { Counter } from "./counter.ts";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

/** A Worker that only calls objects. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return await Object.from(env.COUNTER).byName("a").fetch(request);
  },
};
