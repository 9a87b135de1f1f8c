import { DurableBase, Object, Persisted } from "durable-base";
import { exactlyOnce, once } from "durable-base/once";

/** Charges, and remembers what it charged, so that a lost or doubled charge shows. */
export class Account extends DurableBase {
  static override parts = [exactlyOnce()];

  @Persisted() accessor sum = 0;
  @Persisted() accessor ids: string[] = [];
  /** Another in each process. */
  readonly #life = crypto.randomUUID();

  charge(id: string, amount: number): { sum: number; life: string } {
    this.ids.push(id);
    this.sum += amount;
    return { sum: this.sum, life: this.#life };
  }

  async chargeLater(id: string, amount: number): Promise<{ sum: number; life: string }> {
    this.sum += amount;
    await scheduler.wait(0);
    this.sum -= amount;
    return this.charge(id, amount);
  }

  state(): { sum: number; ids: string[]; life: string } {
    return { sum: this.sum, ids: this.ids, life: this.#life };
  }
}

interface Env {
  ACCOUNT: DurableObjectNamespace<Account>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const account = Object.from(env.ACCOUNT).byName(pathname);
    const id = searchParams.get("id");
    if (id === null) return Response.json(await account.state());
    const method = id.endsWith("later") ? "chargeLater" : "charge";
    return Response.json(await once(account, id)[method](id, Number(searchParams.get("amount"))));
  },
};
