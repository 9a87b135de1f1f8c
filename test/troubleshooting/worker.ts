/** The Worker for `scripts/check/troubleshooting.mjs`: answers with the message of an error. */
import { DurableBase, Object, Persisted, serve } from "durable-base";
// The script makes this import a second copy.
import * as other from "../../src/index.ts";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export class Counter extends DurableBase<Env> {
  read(): number {
    return 1;
  }
}

/** Decorated by one copy, on the base class of the other. */
export class Twice extends other.DurableBase {
  @Persisted() accessor count = 0;

  read(): number {
    return this.count;
  }
}

/** As legacy decorators leave a field that the compiler defines. */
export class Defined extends DurableBase {
  count = 0;

  read(): number {
    return this.count;
  }
}
(Persisted() as unknown as (prototype: object, name: string) => void)(Defined.prototype, "count");

/** Exported, but not configured. */
export class Plain extends DurableBase {}

class Unexported extends DurableBase {}

type Reader = { read(): Promise<number> };

const asked: Record<string, (env: Record<string, DurableObjectNamespace>, ctx: ExecutionContext) => unknown> = {
  "/binding": () => Object.from(undefined as never),
  "/twice": async ({ TWICE }) => await (TWICE!.getByName("a") as unknown as Reader).read(),
  "/defined": async ({ DEFINED }) => await (DEFINED!.getByName("a") as unknown as Reader).read(),
  "/hidden": async ({ COUNTER }) =>
    await (COUNTER!.getByName("a") as unknown as { destroy(): Promise<void> }).destroy(),
  "/plain": async (env, ctx) => await logged(Plain, env, ctx),
  "/unexported": async (env, ctx) => await logged(Unexported, env, ctx),
};

/** Returns the message that `serve` logs for a class. */
async function logged(Class: typeof Plain, env: object, ctx: ExecutionContext): Promise<never> {
  const { error } = console;
  let message = "";
  console.error = (thrown: Error): void => void (message = thrown.message);
  try {
    await serve<object>({ "/:name": Class as never }, { authorize: () => true }).fetch(
      new Request("http://worker/a"),
      env,
      ctx,
    );
  } finally {
    console.error = error;
  }
  throw new Error(message);
}

export default {
  async fetch(request: Request, env: Record<string, DurableObjectNamespace>, ctx: ExecutionContext): Promise<Response> {
    try {
      await asked[new URL(request.url).pathname]!(env, ctx);
      return new Response("no error");
    } catch (error) {
      return new Response((error as Error).message);
    }
  },
};
