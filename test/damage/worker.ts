import { DurableBase, DurableError, Object, Persisted } from "durable-base";

let isMending = false;

/** Goes on with a value, once that was asked for. */
function mendWith<Value>(value: Value) {
  return (error: DurableError): Value => {
    if (!isMending) throw error;
    return value;
  };
}

/** Fields in each place that a row can be damaged in. */
export class Damaged extends DurableBase {
  @Persisted() accessor count = 0;
  @Persisted({ onUnreadable: mendWith(["z".repeat(2_000)]) }) accessor log: string[] = [];
  @Persisted({ key: "visits", onUnreadable: mendWith(99) }) accessor visits = 0;

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
    isMending = true;
    return [this.log.length, ++this.visits];
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
