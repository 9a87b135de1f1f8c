import { DurableBase, Persisted } from "durable-base";
import { remoteStorage } from "durable-base/remote-storage";

export { default } from "./counter.ts";

/** The counter with the part. */
export class Counter extends DurableBase {
  static override parts = [remoteStorage("read")];

  @Persisted() accessor count = 0;

  increment(by: number): number {
    return (this.count += by);
  }
}
