import { DurableBase, Persisted } from "durable-base";
import { Callable, Synced } from "durable-base/sync";

export { default } from "./counter.ts";

/** The counter with the part. */
export class Counter extends DurableBase {
  @Synced() @Persisted() accessor count = 0;

  @Callable() increment(): number {
    return ++this.count;
  }
}
