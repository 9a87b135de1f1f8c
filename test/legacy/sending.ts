import { Atomic, DurableBase, Persisted } from "durable-base";
import { sending, type SendingLike } from "../core/fixtures/sent.ts";

/** Sends what it has stored in a persisted field, in legacy decorators. */
export class LegacySending extends DurableBase implements SendingLike {
  static override parts = [sending];
  @Persisted() count = 0;

  get stored(): number {
    return this.count;
  }

  change(): void {
    this.count++;
  }

  run<R>(work: () => R): R {
    return work();
  }

  @Atomic() atomic<R>(work: () => R): R {
    return work();
  }

  @Atomic() async atomicLater<R>(work: () => Promise<R>): Promise<R> {
    return await work();
  }

  end(): void {
    this.destroy();
  }
}

/** Sends what it has stored by itself: has no persisted field, in legacy decorators. */
export class LegacySendingRaw extends DurableBase implements SendingLike {
  static override parts = [sending];

  get stored(): number {
    return this.ctx.storage.kv.get<number>("count") ?? 0;
  }

  change(): void {
    this.ctx.storage.kv.put("count", this.stored + 1);
  }

  run<R>(work: () => R): R {
    return work();
  }

  @Atomic() atomic<R>(work: () => R): R {
    return work();
  }

  @Atomic() async atomicLater<R>(work: () => Promise<R>): Promise<R> {
    return await work();
  }

  end(): void {
    this.destroy();
  }
}
