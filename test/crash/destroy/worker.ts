import { DurableBase, Object, Persisted } from "durable-base";

/** Stores something of every kind, many rows of it, and destroys itself. */
export class Doomed extends DurableBase {
  @Persisted() accessor count = 0;
  @Persisted() accessor list: { n: number; text: string }[] = [];

  fill(): void {
    const { storage } = this.ctx;
    this.count = 1;
    this.list = Array.from({ length: 5_000 }, (_, n) => ({ n, text: "x".repeat(100) }));
    storage.kv.put("own", 1);
    storage.sql.exec("create table own (n)");
    void storage.setAlarm(4_000_000_000_000);
  }

  end(): string {
    this.destroy();
    return "answer";
  }

  async state(): Promise<unknown[]> {
    const { storage } = this.ctx;
    const tables = storage.sql.exec("select name from sqlite_master where name = 'own'").toArray();
    return [this.count, this.list.length, storage.kv.get("own") ?? null, tables.length, await storage.getAlarm()];
  }

  override alarm(): void {}
}

interface Env {
  DOOMED: DurableObjectNamespace<Doomed>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, name = "", method] = new URL(request.url).pathname.split("/");
    const doomed = Object.from(env.DOOMED).byName(name);
    if (method === "fill") await doomed.fill();
    return Response.json(method === "end" ? await doomed.end() : await doomed.state());
  },
};
