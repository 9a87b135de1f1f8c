import { DurableBase, Persisted, Route, serve } from "durable-base";
import { idempotencyKey } from "durable-base/once";
import { z } from "zod";

const Charge = z.object({ id: z.string(), amount: z.number().positive() });

/** Charges, and remembers what it charged, so that a lost or doubled charge shows. */
export class Account extends DurableBase {
  static override use = [idempotencyKey()];

  @Persisted() accessor sum = 0;
  @Persisted() accessor ids: string[] = [];
  /** Another in each process. */
  readonly #life = crypto.randomUUID();

  @Route.post("/charge", { input: Charge })
  charge({ id, amount }: { id: string; amount: number }): { sum: number; life: string } {
    this.ids.push(id);
    return { sum: (this.sum += amount), life: this.#life };
  }

  @Route.get("/charges/:nth")
  read({ nth }: { nth: string }): { id: string; at: Date } | undefined {
    const id = this.ids[Number(nth)];
    return id === undefined ? undefined : { id, at: new Date(0) };
  }

  @Route.get("/state")
  state(): { sum: number; ids: string[]; life: string } {
    return { sum: this.sum, ids: this.ids, life: this.#life };
  }
}

const app = serve({ "/accounts/:name": Account }, { authorize: () => true });

// The object has answered, so what it stored is committed; the client waits for the answer.
app.use(async (c, next) => {
  await next();
  if (c.req.header("x-hang") === undefined) return;
  console.log("answered");
  await scheduler.wait(60_000);
});

export default app;
