/** The Worker for `scripts/check/stubs.mjs`: behaviour that only shows without a test runner. */
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { DurableBase, Idempotent, Object, type Stub } from "durable-base";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

/** Where the script has put a module of its own in place of the platform's, what `retryable` was called with. */
const { marked = new Set<unknown>() } = globalThis as { marked?: Set<unknown> };

/** What the platform's module has, once it is there. */
let found: string[] = [];
void import("cloudflare:durable-objects").then(
  (platform) => (found = globalThis.Object.keys(platform)),
  () => undefined,
);

class Lamp extends RpcTarget {
  light(by: number): number {
    return by + 1;
  }
}

export class Counter extends DurableBase<Env> {
  #count = 0;
  readonly #foundAtFirst = found;

  @Idempotent() set(count: number): number {
    return (this.#count = count);
  }

  get lamp(): Lamp {
    return new Lamp();
  }

  async addTo({ counter, by }: { counter: Stub<Counter>; by: number }): Promise<number> {
    return await counter.add(by);
  }

  reset(): void {
    this.ctx.abort("reset");
  }

  add(by: number): number {
    return (this.#count += by);
  }

  /** What the platform's module had when the object was constructed. */
  foundAtFirst(): string[] {
    return this.#foundAtFirst;
  }

  /** The methods whose very functions, those that a stub calls, are marked. */
  marks(): string[] {
    const methods = Counter.prototype as unknown as Record<string, unknown>;
    return Object.getOwnPropertyNames(methods).filter((name) => marked.has(methods[name]));
  }
}

/** A namespace whose stubs lose the first call. */
function losing(namespace: DurableObjectNamespace<Counter>): DurableObjectNamespace<Counter> {
  let isLost = false;
  const lose = (): PromiseLike<never> => {
    isLost = true;
    const promise = Promise.reject(globalThis.Object.assign(new Error("lost"), { retryable: true }));
    // oxlint-disable-next-line unicorn/no-thenable -- as a native call's promise, it is one
    return { then: promise.then.bind(promise) } as unknown as PromiseLike<never>;
  };
  return {
    getByName: (name: string) =>
      new Proxy(namespace.getByName(name), {
        get: (stub, key) => (isLost ? (Reflect.get(stub, key) as unknown) : lose),
      }),
  } as unknown as DurableObjectNamespace<Counter>;
}

const outcome = async (call: Promise<number>): Promise<string> =>
  await call.then(String, (error: unknown) => (error as Error).message);

/** A service whose methods take and return objects. */
export class Desk extends WorkerEntrypoint<Env> {
  find(name: string): Stub<Counter> {
    return Object.native(Object.from(this.env.COUNTER).byName(name));
  }

  findHandle(name: string): Stub<Counter> {
    return Object.from(this.env.COUNTER).byName(name);
  }

  async addTo({ counter, by }: { counter: Stub<Counter>; by: number }): Promise<number> {
    return await counter.add(by);
  }
}

const answers: Record<string, (env: Env, desk: Desk) => unknown> = {
  marks: (env) => env.COUNTER.getByName("marks").marks(),

  found: (env) => env.COUNTER.getByName("found").foundAtFirst(),

  async crossing({ COUNTER }, desk) {
    const counter = Object.from(COUNTER).byName("crossing");
    await counter.add(1);
    await outcome(COUNTER.getByName("crossing").reset() as Promise<never>);
    const found = await desk.find("crossing");
    const other = COUNTER.getByName("other") as unknown as Desk;
    return [
      await outcome(found.add(2)),
      (await found.fetch("http://o/")).status,
      await outcome(desk.addTo({ counter: Object.native(counter), by: 3 })),
      await outcome(other.addTo({ counter: Object.native(counter), by: 4 })),
      await outcome(desk.addTo({ counter, by: 5 })),
      await outcome(other.addTo({ counter, by: 6 })),
      await outcome((async () => await (await desk.findHandle("crossing")).add(7))()),
      await outcome(COUNTER.getByName("crossing").add(0)),
    ];
  },

  /** Through a handle that came over, a caller reaches no more than through a native stub. */
  async refused(_, desk) {
    const found = (await desk.findHandle("crossing")) as unknown as Record<string, () => Promise<never>>;
    return await Promise.all(
      ["nope", "schedule", "destroy"].map((name) => outcome((async () => await found[name]!())())),
    );
  },

  async getter({ COUNTER }) {
    const handle = Object.from(COUNTER).byName("getter");
    const { lamp } = handle as unknown as { lamp: { light(by: number): Promise<number> } };
    const before = await outcome(lamp.light(1));
    await outcome(COUNTER.getByName("getter").reset() as Promise<never>);
    return [before, await outcome(lamp.light(2)), await outcome(lamp.light(3))];
  },

  async lost({ COUNTER }) {
    const marked = Counter.from(losing(COUNTER)).byName("lost");
    const unmarked = Counter.from(losing(COUNTER)).byName("lost");
    const named = Object.from(losing(COUNTER), { idempotent: ["add"] }).byName("named");
    const unnamed = Object.from(losing(COUNTER)).byName("lost");
    const outcomes = [marked.set(5), unmarked.add(1), named.add(1), unnamed.set(9)].map(outcome);
    return [...(await Promise.all(outcomes)), await COUNTER.getByName("lost").add(0)];
  },
};

export default {
  async fetch(request: Request, env: Env, { exports }: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { Desk: desk } = exports as unknown as { Desk: Desk };
    return Response.json(await answers[pathname.slice(1)]!(env, desk));
  },
};
