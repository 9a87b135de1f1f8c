import { DurableObject } from "cloudflare:workers";

const nothing = (_target: unknown, _context: ClassAccessorDecoratorContext): void => {};

/** The application without us, with one decorator: what is there anyway, esbuild's decorator helpers included. */
export class Counter extends DurableObject {
  @nothing accessor count = 0;

  increment(by: number): number {
    return (this.count += by);
  }
}

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export default {
  async fetch(_: Request, env: Env): Promise<Response> {
    return Response.json(await env.COUNTER.getByName("a").increment(1));
  },
};
