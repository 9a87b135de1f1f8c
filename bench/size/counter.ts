import { DurableBase, Object, Persisted } from "durable-base";

/** The smallest useful application: a base, a field, a stub. */
export class Counter extends DurableBase {
  @Persisted() accessor count = 0;

  increment(by: number): number {
    return (this.count += by);
  }
}

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export default {
  async fetch(_: Request, env: Env): Promise<Response> {
    return Response.json(await Object.from(env.COUNTER).byName("a").increment(1));
  },
};
