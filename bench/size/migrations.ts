import { DurableBase, Persisted } from "durable-base";
import { migrations } from "durable-base/migrations";

export { default } from "./counter.ts";

/** The counter with the part. */
export class Counter extends DurableBase {
  static override parts = [migrations([{ id: "1", up: "create table t (n)" }])];

  @Persisted() accessor count = 0;

  increment(by: number): number {
    return (this.count += by);
  }
}
