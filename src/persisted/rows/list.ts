/**
 * @module
 * A large array.
 */
import { Collection, type Chunk, type Head } from "./collection.ts";
import { unreadable } from "./layout.ts";

/** A large array. */
export class List extends Collection {
  declare raw: unknown[];

  protected override readHead(): void {
    const last = this.chunks.length - 1;
    const ends = last > 0 ? [0, last] : [0];
    const items = ends.map((at) => this.fetch(this.chunks[at]!) as unknown[]);
    ends.forEach((at, i) => (this.chunks[at]!.count = this.chunks[at]!.stored = items[i]!.length));
    this.raw.length = this.startOf(last) + this.chunks[last]!.count;
    ends.forEach((at, i) => this.#put(this.chunks[at]!, this.startOf(at), items[i]!));
    this.isComplete = last <= 1;
  }

  #put(chunk: Chunk, start: number, items: readonly unknown[]): void {
    // Holes stay holes.
    items.forEach((item, i) => (this.raw[start + i] = item));
    chunk.isLoaded = true;
  }

  override load(at: number): void {
    const chunk = this.chunks[at]!;
    if (chunk.isLoaded) return;
    const items = this.fetch(chunk) as unknown[];
    if (items.length !== chunk.count)
      throw unreadable(
        this.store,
        `Its row "${this.keyOf(chunk)}" has ${items.length} items in place of ${chunk.count}.`,
      );
    this.#put(chunk, this.startOf(at), items);
  }

  override need(index: unknown): void {
    if (Number(index) < this.raw.length) this.needRange(Number(index), 0);
  }

  /** Loads what a splice of `count` items changes. */
  needRange(start: number, count: number): void {
    if (this.isComplete) return;
    for (let at = this.find(start), last = this.find(start + Math.max(0, count - 1)); at <= last; at++) this.load(at);
  }

  override complete(): void {
    this.open();
    if (this.isComplete) return;
    for (let at = 0; at < this.chunks.length; at++) this.load(at);
    this.isComplete = true;
  }

  override change(index: unknown, raw?: object): void {
    // An item that moved since it was read is looked for.
    const i = raw === undefined || this.raw[Number(index)] === raw ? Number(index) : this.raw.indexOf(raw);
    this.touchAt(i);
    this.note();
  }

  /** Notes that items changed places, or others lie in their place; `before` has them as they were. */
  rearrange(before: readonly unknown[]): void {
    for (let i = 0; i < before.length; i++)
      if (!Object.is(before[i], this.raw[i]) || i in before !== i in this.raw) this.touchAt(i);
    this.note();
  }

  override slice(at: number): object {
    const start = this.startOf(at);
    return this.raw.slice(start, start + this.chunks[at]!.count);
  }

  protected override entries(): unknown[] {
    return this.raw;
  }

  override describe(): Pick<Head, "counts"> {
    return { counts: Array.from(this.chunks, ({ count }) => count) };
  }
}
