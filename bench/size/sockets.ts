import { DurableBase, Persisted } from "durable-base";
import { sockets } from "durable-base/sockets";

export { default } from "./counter.ts";

/** The counter with the part. */
export class Counter extends DurableBase {
  readonly #sockets = sockets(this);

  @Persisted() accessor count = 0;

  increment(by: number): number {
    this.count += by;
    this.#sockets.broadcast(this.count);
    return this.count;
  }
}
