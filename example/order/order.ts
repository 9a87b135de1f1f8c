import { DurableBase, Persisted, Route } from "durable-base";
import { jobs } from "durable-base/jobs";

/** An order that reminds its customer every hour until it is paid. */
export class Order extends DurableBase {
  readonly #jobs = jobs(this);
  @Persisted() accessor reminded = 0;

  @Route.post("/submit")
  submit(): void {
    this.#jobs.schedule({ every: 3_600_000 }, this.remind, undefined, { id: "remind" });
  }

  remind(): void {
    this.reminded++;
  }

  @Route.get("/")
  reminders(): number {
    return this.reminded;
  }

  @Route.post("/pay")
  pay(): void {
    this.#jobs.cancel("remind");
  }
}
