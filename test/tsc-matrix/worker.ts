// The names below meet those that tsc's decorator helpers use: this file is never bundled, so nothing renames them.
import { RpcTarget } from "cloudflare:workers";
import { DurableBase, Object, Persisted, Route, type StandardSchema, type Validated } from "durable-base";
import { jobs, Scheduled } from "durable-base/jobs";
import { exactlyOnce, once } from "durable-base/once";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

class Lamp extends RpcTarget {
  light(by: number): number {
    return by;
  }
}

/** Takes `{ by?: string }` and returns `{ by: number }`. */
const Step: StandardSchema<{ by?: string }, { by: number }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => ({ value: { by: Number((value as { by?: string }).by ?? "1") } }),
  },
};

export class Counter extends DurableBase<Env> {
  static override parts = [exactlyOnce()];

  // A part asked for twice is the same; the fields are set or defined, by the compiler's options.
  readonly #jobs = jobs(this);
  protected readonly again = jobs(this);
  @Persisted() accessor count = 0;
  @Persisted accessor seen = new Map<string, { at: Date }>();
  @Persisted() plain = "default";

  get lamp(): Lamp {
    return new Lamp();
  }

  increment({ by }: { by: number }): number {
    this.seen.set(`by ${by}`, Object.assign({ at: new Date(by) }, Object.create(null)));
    this.plain = "changed";
    return (this.count += by);
  }

  @Route.post("/step", { input: Step })
  step({ by }: Validated<typeof Step>): number {
    return this.count + by;
  }

  inside(): number[] {
    return [this.step({ by: 4 })];
  }

  read(): unknown[] {
    return [this.count, this.plain, Object.entries({ n: this.count }), this.seen];
  }

  @Scheduled({ every: 86_400_000 })
  daily(): void {}

  plan(): unknown[] {
    const id = this.#jobs.schedule({ every: 3_600_000 }, this.daily, undefined, { id: "hourly" });
    return [
      id,
      this.again === this.#jobs,
      this.#jobs
        .list()
        .map(({ id }) => id)
        .toSorted(),
    ];
  }

  reset(): void {
    this.ctx.abort("reset");
  }
}

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    const counter = Object.from(env.COUNTER).byName("alice");
    const untyped = counter as unknown as { lamp: { light(by: number): Promise<number> } };
    const first = await counter.increment({ by: 2 });
    const caught = await counter.reset().then(
      () => "nothing",
      (error: unknown) => String(error),
    );
    const second = await Counter.from(env.COUNTER).byName("alice").increment({ by: 3 });
    const [count, plain, entries, seen] = await counter.read();
    return Response.json({
      // The schema's input; from inside, its output.
      steps: [await counter.step({}), await counter.step({ by: "3" }), ...(await counter.inside())],
      calls: [first, caught, second],
      state: [count, plain, entries, Object.fromEntries(seen as Map<string, unknown>)],
      // Its type compiles without `esnext.disposable` in `lib`, where `Disposable` has no members.
      once: [await once(counter, "key").increment({ by: 5 }), await once(counter, "key").increment({ by: 5 })],
      // A part in a field, one in the list, and one that a decorator brings.
      jobs: await counter.plan(),
      // A call on the value of a getter goes out before the value has arrived.
      lamp: await untyped.lamp.light(4),
      global: [
        Object.keys({ a: 1 }),
        Object(1) instanceof Object,
        Object.getPrototypeOf(new Object()) === {}.constructor.prototype,
      ],
    });
  },
};
