import { DurableBase, Persisted, Route } from "durable-base";
import { z } from "zod";

const Increment = z.object({ by: z.number().int().default(1) });

/** A counter that remembers when it was last changed. */
export class Counter extends DurableBase {
  @Persisted() accessor count = 0;
  @Persisted() accessor changedAt: Date | undefined;

  @Route.get("/")
  read(): { name: string; count: number; changedAt: Date | undefined } {
    return { name: this.name, count: this.count, changedAt: this.changedAt };
  }

  @Route.post("/increment", { input: Increment })
  increment({ by }: { by: number }): number {
    this.changedAt = new Date();
    return (this.count += by);
  }
}
