import { DurableBase, Object, Persisted, Route } from "durable-base";
import { idempotencyKey } from "durable-base/once";
import { sockets } from "durable-base/sockets";
import { get, put } from "durable-base/storage";
import * as Transfer from "durable-base/transfer";

export class Counter extends DurableBase {
  @Persisted() count = 0;
  @Persisted() history: { by: number; at: Date }[] = [];
  readonly #sockets = sockets(this, {
    message: (_, data) => {
      this.#sockets.broadcast({ count: (this.count += Number(data)) });
    },
  });

  override onStart(): void {}

  @Route.get("/")
  read(): { count: number; changes: number; last: number | undefined; keys: string[] } {
    const last = get<number>(this.ctx, "last");
    return { count: this.count, changes: this.history.length, last, keys: Object.keys({ by: 1 }) };
  }

  @Route.post("/increment", { use: idempotencyKey() })
  increment({ by }: { by: number }): number {
    this.history.push({ by, at: new Date() });
    put(this.ctx, "last", by);
    return (this.count += by);
  }

  backUp(): ReadableStream<Uint8Array> {
    return Transfer.export(this.ctx);
  }

  async load(backup: ReadableStream<Uint8Array>): Promise<void> {
    await Transfer.import(this.ctx, backup, { replace: true });
  }
}
