import { DurableBase, DurableError, Object, Persisted, Quarantine } from "durable-base";

/** Fields in each place that a row can be damaged in. */
export class Damaged extends DurableBase {
  @Persisted() accessor count = 0;
  @Persisted() accessor log: string[] = [];
  @Persisted({ key: "visits" }) accessor visits = 0;

  write(): void {
    this.count++;
    this.visits++;
    this.log.push("x".repeat(2_000));
  }

  /** What each field says, and whether it can be written. */
  state(): unknown[] {
    return [this.#try(() => ++this.count), this.#try(() => this.log.push("y")), this.#try(() => ++this.visits)];
  }

  repair(): unknown[] {
    return [Quarantine.repair(this, "log", ["z".repeat(2_000)]), Quarantine.repair(this, "visits", 100)];
  }

  #try(work: () => unknown): unknown {
    try {
      return work();
    } catch (error) {
      return DurableError.is(error) ? error.code : String(error);
    }
  }
}

interface Env {
  DAMAGED: DurableObjectNamespace<Damaged>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const damaged = Object.from(env.DAMAGED).byName("one");
    const call = new URL(request.url).pathname.slice(1) as "write" | "state" | "repair";
    return Response.json((await damaged[call]()) ?? null);
  },
};
