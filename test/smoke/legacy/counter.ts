import { DurableBase, Object, Persisted, Route } from "durable-base";
import { get } from "durable-base/storage";

export class Counter extends DurableBase {
  @Persisted() count = 0;
  @Persisted() history: { by: number; at: Date }[] = [];

  @Route.get("/")
  read(): { count: number; changes: number; keys: string[] } {
    return { count: this.count, changes: this.history.length, keys: Object.keys({ by: 1 }) };
  }

  @Route.post("/increment")
  increment({ by }: { by: number }): number {
    this.history.push({ by, at: new Date() });
    return (this.count += by);
  }

  stored(key: string): boolean {
    return get(this.ctx, key) !== undefined;
  }
}
