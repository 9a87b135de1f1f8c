import { DurableBase, Persisted } from "durable-base";
import { jobs } from "durable-base/jobs";

export { default } from "./counter.ts";

/** The counter with the part. */
export class Counter extends DurableBase {
  readonly #jobs = jobs(this);

  @Persisted() accessor count = 0;

  increment(by: number): number {
    this.#jobs.schedule(60_000, this.increment, by);
    return (this.count += by);
  }
}
