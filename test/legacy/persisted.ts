import { Atomic } from "../../src/calls/atomic.ts";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import type { Log, Things } from "../persisted/persisted.cases.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

/** Every shape of a field, as legacy fields. */
export class LegacyThings extends DurableBase implements Things {
  readonly jobs: Jobs = jobs(this);
  @Persisted() count = 0;
  @Persisted label = "new";
  @Persisted() id: string = crypto.randomUUID();
  @Persisted() log: Log[] = [];
  @Persisted() map = new Map<unknown, unknown>();
  @Persisted() set = new Set<unknown>();
  @Persisted() date = new Date(123);
  @Persisted() bytes = new Uint8Array([1, 2, 3]);
  @Persisted() tree = { a: { b: { n: 1 } }, list: [{ x: 1 }, { x: 2 }] };
  @Persisted() any: unknown = undefined;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.label = "constructed";
  }

  run<R>(work: (self: this) => R): R {
    return work(this);
  }

  /** The same, all or nothing. */
  @Atomic() atomically<R>(work: (self: this) => R): R {
    return work(this);
  }
}
