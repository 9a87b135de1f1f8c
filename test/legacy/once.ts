import { z } from "zod";
import { Atomic } from "../../src/calls/atomic.ts";
import { Exclusive } from "../../src/calls/exclusive.ts";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { Route } from "../../src/route/route.ts";
import { works, type TillLike } from "../once/fixtures/once-data.ts";
import { exactlyOnce } from "../../src/once/once.ts";

/** A sum that must be exact, and methods of every make, with legacy decorators. */
export class LegacyTill extends DurableBase implements TillLike {
  static override parts = [exactlyOnce()];

  @Persisted() sum = 0;
  @Persisted() ids: string[] = [];

  add(id: string, by: number): number {
    this.ids.push(id);
    return (this.sum += by);
  }

  async addLater(id: string, by: number): Promise<number> {
    const sum = this.add(id, by);
    await scheduler.wait(1);
    return sum;
  }

  /** No `async`, which @Atomic itself would refuse. */
  addPromised(id: string, by: number): Promise<number> {
    return scheduler.wait(1).then(() => this.add(id, by));
  }

  @Atomic() addAtomic(id: string, by: number): number {
    return this.add(id, by);
  }

  @Atomic() async addAtomicLater(id: string, by: number): Promise<number> {
    return await this.addLater(id, by);
  }

  @Exclusive({ wait: 2_000 }) async addAlone(id: string, by: number): Promise<number> {
    return await this.addLater(id, by);
  }

  @Atomic() @Exclusive() async addAloneAtomic(id: string, by: number): Promise<number> {
    return await this.addLater(id, by);
  }

  /** Has the turn for a while. */
  @Exclusive() async hold(ms: number): Promise<void> {
    await scheduler.wait(ms);
  }

  @Route.post("/routed", { input: z.object({ by: z.coerce.number().max(9) }) })
  routed({ by }: { by: number }): number {
    return (this.sum += by);
  }

  @Route.post("/later", {
    input: z.object({ by: z.number().refine(async (by) => (await scheduler.wait(5), by < 9), "too many") }),
  })
  async routedLater({ by }: { by: number }): Promise<number> {
    return (this.sum += by);
  }

  /** Does whatever a test wants. */
  play(work: string, ...args: unknown[]): unknown {
    return works.get(work)!(this, ...args);
  }

  state(): { sum: number; ids: string[] } {
    return { sum: this.sum, ids: this.ids };
  }
}
