import { DurableBase, Persisted, Route, snapshot } from "durable-base";
import { attach, type Host } from "durable-base/part";
import { entries, entryOf, keyOf, numbers, walk, type Entry, type Walk, type Walked } from "./entries.ts";
import { Input } from "./input.ts";

/** The same as `HandCounter`, on the library. */
export class Counter extends DurableBase {
  @Persisted() accessor count = 0;

  noop(): void {}

  increment(by: number): number {
    return (this.count += by);
  }

  increment100(): number {
    for (let i = 0; i < 100; i++) this.count++;
    return this.count;
  }

  @Route.get("/")
  read(): { count: number } {
    return { count: this.count };
  }

  @Route.post("/double", { input: Input })
  double({ by }: Input): { doubled: number } {
    return { doubled: by * 2 };
  }
}

/** The same as `HandEntries`, on the library. */
export class Entries extends DurableBase implements Walked {
  @Persisted() accessor map = new Map<string, Entry>();
  @Persisted() accessor numbers: number[] = [];
  @Persisted() accessor entries: Entry[] = [];
  #copy: Entry[] = [];

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.map.set(keyOf(i), entryOf(i));
  }

  clear(): void {
    this.map.clear();
  }

  warm(count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += this.map.get(keyOf(i))!.n;
    return sum;
  }

  change(...places: number[]): void {
    for (const i of places) this.map.get(keyOf(i))!.n++;
  }

  change1000(i: number): void {
    const entry = this.map.get(keyOf(i))!;
    for (let time = 0; time < 1_000; time++) entry.n++;
  }

  read(i: number): number {
    return this.map.get(keyOf(i))!.n;
  }

  evict(): void {
    this.ctx.abort("evicted");
  }

  walk(how: Walk, times: number): number {
    return walk(this, how, times);
  }

  prepareWalk(): void {
    if (this.numbers.length === 0) [this.numbers, this.entries] = [numbers(), entries()];
    this.#copy = snapshot(this.entries);
  }

  walkCopy(times: number): number {
    return walk({ numbers: [], entries: this.#copy }, "entries", times);
  }

  copy(times: number): number {
    let { length } = this.entries;
    for (let i = 0; i < times; i++) ({ length } = snapshot(this.entries));
    return length;
  }
}

const ignored = { changed: (): void => {}, reset: (): void => {} };
const recorder = { name: "recorder", attach: (object: object): void => void attach(object, "recorder", record) };

function record(host: Host): object {
  host.onChange(ignored);
  return {};
}

/** The same entries with a part that gets each change. */
export class RecordedEntries extends Entries {
  static override parts = [recorder];
}
