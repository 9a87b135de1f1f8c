import { DurableBase, Persisted, Route, serve, type Validated } from "durable-base";
import { exactlyOnce, idempotencyKey } from "durable-base/once";
import { sockets } from "durable-base/sockets";
import { Callable, Synced } from "durable-base/sync";
import { z } from "zod";

const Card = z.object({ text: z.string(), ms: z.number().default(0) });
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

/** A list that clients write, each as the user of its token. */
export class Board extends DurableBase {
  static override parts = [exactlyOnce()];

  @Synced() @Persisted() accessor cards: { by: string; text: string }[] = [];
  readonly #sockets = sockets<{ user: string }>(this, {
    connect: (socket, request) => {
      const user = new URL(request.url).searchParams.get("token");
      if (user === null) return socket.close(4001, "no token");
      socket.state = { user };
      return undefined;
    },
  });

  @Callable({ input: Card }) async add({ text, ms }: Validated<typeof Card>): Promise<number> {
    this.cards.push({ by: this.#sockets.all()[0]?.state.user ?? "nobody", text });
    if (ms > 0) {
      console.log("added");
      await scheduler.wait(ms);
    }
    return this.cards.length;
  }

  @Callable({ input: z.number() }) async *numbers(to: number): AsyncGenerator<number> {
    for (let n = 0; n < to; n++) yield n;
  }
}

const app = serve({ "/accounts/:name": Account, "/boards/:name": Board }, { authorize: () => true });

// The object has answered, so what it stored is committed; the client waits for the answer.
app.use(async (c, next) => {
  await next();
  if (c.req.header("x-hang") === undefined) return;
  console.log("answered");
  await scheduler.wait(60_000);
});

export default app;
