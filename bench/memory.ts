import { DurableBase, Persisted, snapshot } from "durable-base";
import type { Entry } from "./entries.ts";

/** Three fields, of which an object uses one. */
interface Values {
  list: Entry[];
  numbers: Map<string, number>;
  map: Map<string, Entry>;
}

/** An object whose heap is measured. */
export class Held extends DurableBase implements Values {
  @Persisted() accessor list: Entry[] = [];
  @Persisted() accessor numbers = new Map<string, number>();
  @Persisted() accessor map = new Map<string, Entry>();

  fill<Name extends keyof Values>(name: Name, value: Values[Name]): void {
    (this as Values)[name] = value;
  }

  /** Everything comes to memory, and nothing is handed out. */
  load(name: keyof Values): void {
    snapshot(this[name]);
  }

  touch(name: keyof Values): void {
    if (name === "list") this.list[5_000]!.n++;
    else if (name === "map") this.map.get("key5000")!.n++;
    else this.numbers.set("key5000", -1);
  }

  /** Every entry is handed out once. */
  walk(name: keyof Values): number {
    let sum = 0;
    for (const item of this[name].values()) sum += typeof item === "number" ? item : item.n;
    return sum;
  }
}
