import { DurableBase, Persisted } from "durable-base";
import { attach } from "durable-base/part";

export { default } from "./counter.ts";

/** The counter with a part that does nothing: what all parts share. */
export class Counter extends DurableBase {
  static override parts = [{ name: "none", attach: (object: object) => void attach(object, "none", () => ({})) }];

  @Persisted() accessor count = 0;

  increment(by: number): number {
    return (this.count += by);
  }
}
