import { DurableBase, Object, Persisted } from "durable-base";

/** Counts, and remembers what it counted, so that a lost or doubled increment shows. */
export class Counter extends DurableBase {
  @Persisted() accessor count = 0;
  @Persisted() accessor ids: string[] = [];

  increment(id: string): number {
    this.count++;
    this.ids.push(id);
    return this.count;
  }

  state(): { count: number; ids: string[] } {
    return { count: this.count, ids: this.ids };
  }
}

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const counter = Object.from(env.COUNTER).byName(pathname);
    const id = searchParams.get("id");
    return Response.json(id === null ? await counter.state() : await counter.increment(id));
  },
};
