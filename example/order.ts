import { DurableBase, Persisted, Route } from "durable-base";

/** An order that reminds its customer every hour until it is paid. */
export class Order extends DurableBase {
  @Persisted() accessor reminded = 0;

  @Route.post("/submit")
  submit(): void {
    this.schedule({ every: 3_600_000 }, this.remind, undefined, { id: "remind" });
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
    this.schedules.cancel("remind");
  }
}
