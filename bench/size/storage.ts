import { DurableObject } from "cloudflare:workers";
import * as Storage from "durable-base/storage";

/** A class without ours that reads, writes and lists keys. */
export class Counter extends DurableObject {
  increment(by: number): number {
    return Storage.update<number>(this.ctx, "count", (count = 0) => count + by)!;
  }

  all(): [string, unknown][] {
    return [...Storage.list(this.ctx)];
  }
}

export default {
  fetch: (): Response => new Response(),
};
