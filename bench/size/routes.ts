import { DurableBase, Persisted, Route, serve } from "durable-base";

/** The same behind HTTP. */
export class Counter extends DurableBase {
  @Persisted() accessor count = 0;

  @Route.post("/increment")
  increment({ by }: { by: number }): number {
    return (this.count += by);
  }
}

export default serve({ "/counters/:name": Counter });
