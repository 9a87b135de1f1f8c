/** A class that `scripts/check/vite-edit.mjs` edits under vite's dev server while its calls run. */
import { Atomic, DurableBase, DurableError, Persisted } from "durable-base";
import { jobs } from "durable-base/jobs";

interface Env {
  GUESTS: DurableObjectNamespace<Guests>;
}

export class Guests extends DurableBase<Env> {
  readonly #jobs = jobs(this);
  @Persisted() accessor names: string[] = [];
  readonly version = "version 1";

  hit(name: string): string {
    this.names.push(name);
    return this.version;
  }

  /** Waits until `open` is called, perhaps on a newer instance by then, and writes. */
  async slow(name: string): Promise<string> {
    await this.#opened();
    return this.hit(name);
  }

  @Atomic() undone(): void {
    this.names.push("undone");
    throw new Error("undone");
  }

  later(name: string): string {
    return this.#jobs.schedule(0, this.slow, name);
  }

  /** Returns true when a call waits. */
  waits(): boolean {
    return this.ctx.storage.kv.get("waits") === true;
  }

  open(): void {
    this.ctx.storage.kv.put("open", true);
  }

  async read(): Promise<unknown> {
    return { names: [...this.names], jobs: this.#jobs.list().map(({ attempts }) => attempts) };
  }

  async #opened(): Promise<void> {
    this.ctx.storage.kv.put("waits", true);
    while (this.ctx.storage.kv.get("open") === undefined) await scheduler.wait(5);
  }
}

export default {
  /** `/<object>/<method>/<argument>` */
  async fetch(request: Request, env: Env): Promise<Response> {
    const [object, method, ...args] = new URL(request.url).pathname.slice(1).split("/");
    const stub = env.GUESTS.getByName(object!) as unknown as Record<string, (...args: string[]) => Promise<unknown>>;
    try {
      return Response.json((await stub[method!]!(...args)) ?? null);
    } catch (error) {
      return Response.json(DurableError.is(error) ? error.code : String(error));
    }
  },
};
