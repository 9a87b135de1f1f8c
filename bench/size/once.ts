import { DurableBase, Persisted } from "durable-base";
import { exactlyOnce } from "durable-base/once";

export { default } from "./counter.ts";

/** The counter with the part. */
export class Counter extends DurableBase {
  static override parts = [exactlyOnce()];

  @Persisted() accessor count = 0;

  increment(by: number): number {
    return (this.count += by);
  }
}
