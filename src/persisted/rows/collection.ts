/**
 * @module
 * A collection: an array, Map, Set or plain object too large for one row, held in chunks of neighbouring entries.
 *
 * A *head* lists the chunks in order. An array's head has the number of items of each chunk, so that an index finds its chunk; that of the first and the last chunk may be out of
 * date, so that both ends grow and shrink without it. The head of the others has a 16-bit hash of each key (a
 * *print*) of every chunk but the last, to which new entries go; there may be prints of keys that are gone. Chunks
 * are loaded when touched.
 */
import { isEqual } from "../../core/values/equal.ts";
import type { DurableError } from "../../core/errors.ts";
import { isContainer, loadedBy } from "../../core/values/snapshot.ts";
import { diff } from "../tracking/diff.ts";
import { partKey, unreadable, type Named } from "./layout.ts";
import { printAsIs } from "../tracking/printing.ts";

/** What a collection needs of the field it belongs to. */
export interface Store extends Named {
  /** The key of the field's own row. */
  readonly key: string;
  /** Reads a row; undefined when there is none. Throws for a value from before a failed write, and for damaged bytes. */
  fetch(key: string): unknown;
  /** What is stored, with the collections it points to in place of their pointers, gathered in `held` too. */
  decode(stored: unknown, held: Set<Collection>): unknown;
  /** Called when a collection has something to write. */
  changed(collection: Collection): void;
  /** Called when the row of the value as a whole has to be written. */
  mark(): void;
}

/** The row that tells where the chunks of a collection are. */
export interface Head {
  /** The collection's kind, boxed, as no value of a field can be. */
  // oxlint-disable-next-line typescript/no-wrapper-object-types
  readonly chunks: String;
  /** The chunks in order. */
  readonly ids: readonly number[];
  /** An array's items of each chunk, else the prints of each. */
  readonly counts: readonly number[];
  readonly prints?: Uint16Array;
}

/** The kinds of containers. */
export type Kind = "array" | "map" | "set" | "object";

/** Neighbouring entries that share a row. */
export class Chunk {
  readonly id: number;
  count: number;
  /** The keys in order, of a keyed collection's chunk that is loaded. */
  keys: Set<unknown> | undefined;
  isLoaded = true;
  /** True when an entry is not as its row has it. */
  isDirty = false;
  /** How many entries its row holds; 0 when it has none yet. */
  stored = 0;
  /** The size of its row when last measured. */
  bytes: number | undefined;
  /** Where its prints begin among those of the collection, and how many there are; -1 when they have to be made. */
  from = 0;
  prints = -1;
  /** The collections its row points to; undefined while unknown. */
  held: ReadonlySet<Collection> | undefined;

  constructor(id: number, count: number, keys?: Set<unknown>) {
    // A head may have it as a double, which takes more bytes.
    this.id = id | 0;
    this.count = count;
    this.keys = keys;
  }
}

/** One collection: which chunks there are, which are loaded, which changed. */
export abstract class Collection {
  readonly store: Store;
  /** The name of its head among the parts of the field; empty for the field's own value. */
  readonly id: string;
  raw: object;
  #isComplete = false;
  isOpen = false;
  isStored = false;
  chunks: Chunk[] = [];
  /** True when the head has to be written. */
  isHeadDirty = true;
  /** The chunks that differ from their rows. */
  readonly touched: Set<Chunk> = new Set();
  /** A number that no chunk has. */
  next = 1;
  /** How many entries lie before each of the first chunks; before the others it has to be counted. */
  #starts: number[] = [];

  constructor(store: Store, id: string, raw: object) {
    this.store = store;
    this.id = id;
    this.raw = raw;
  }

  /** True once every entry is in `raw`, in order. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  set isComplete(value: boolean) {
    this.#isComplete = value;
    if (value) printAsIs(this.raw);
  }

  get key(): string {
    return this.id === "" ? this.store.key : partKey(this.store.key, this.id);
  }

  /** The key of a chunk. */
  keyOf({ id }: Chunk): string {
    return partKey(this.store.key, `${this.id === "" ? "" : `${this.id}.`}${id}`);
  }

  /** The kind of the container, boxed, as no value of a field can be. */
  // oxlint-disable-next-line typescript/no-wrapper-object-types
  get kind(): String {
    return new globalThis.String(kindOf(this.raw));
  }

  /** What stands for it in the row that holds it. */
  get pointer(): object {
    return new globalThis.String(`${kindOf(this.raw)[0]}${this.id}`);
  }

  /** Reads the head, unless that is done. */
  open(head?: Head): void {
    if (this.isOpen) return;
    const found = head ?? this.store.fetch(this.key);
    if (!isHead(found) || String(found.chunks) !== kindOf(this.raw) || !isWhole(found))
      throw this.#misshaped(this.key, found);
    this.isHeadDirty = false;
    this.chunks = found.ids.map((id, i) => {
      const chunk = new Chunk(id, found.counts[i]!);
      chunk.isLoaded = false;
      chunk.stored = chunk.count;
      this.next = Math.max(this.next, id + 1);
      return chunk;
    });
    this.readHead(found.prints);
    this.isOpen = this.isStored = true;
  }

  #misshaped(key: string, found: unknown): DurableError {
    return unreadable(this.store, `Its row "${key}" ${found === undefined ? "is missing" : "has another shape"}.`);
  }

  /** Takes what the head tells beside the chunks. */
  protected abstract readHead(prints: Uint16Array | undefined): void;

  /** Loads the chunk at a place. */
  abstract load(at: number): void;

  /** Loads what is needed to answer for `key`. */
  abstract need(key: unknown): void;

  /** Loads everything there is. */
  abstract complete(): void;

  /** Notes that the entry `key`, whose value is `raw`, changed inside or got another value. */
  abstract change(key: unknown, raw?: object): void;

  /** The entries of the chunk at a place, as a container of the collection's kind. */
  abstract slice(at: number): object;

  /** All entries in the order of the chunks. */
  protected abstract entries(): unknown[];

  /** Puts all entries of a raw container that is not stored yet into one chunk, to be divided when it is written. */
  fill(): void {
    const keys = keysOf(this.raw);
    this.arrange(0, [this.newChunk(keys?.size ?? (this.raw as unknown[]).length, keys)]);
    this.isOpen = this.isComplete = true;
  }

  /** The numbers of each chunk that the head has; the chunks are in their final order. */
  abstract describe(): Pick<Head, "counts" | "prints">;

  /** Notes that a chunk differs from its row, from its `from`-th entry on. */
  protected touch(chunk: Chunk, from: number): void {
    // Entries behind all stored ones leave their row as it is, if the chunk is divided there.
    chunk.isDirty ||= from < chunk.stored;
    this.touched.add(chunk);
  }

  /** How many entries lie before the chunk at a place. */
  startOf(at: number): number {
    const starts = this.#starts;
    // Counting goes on from where entries moved: from the first chunk on, each time, it would take quadratic time.
    for (let i = starts.length; i <= at; i++) starts.push(i === 0 ? 0 : starts[i - 1]! + this.chunks[i - 1]!.count);
    return starts[at]!;
  }

  /** Which chunk has the entry; the last one for the place behind all. */
  protected find(index: number): number {
    const starts = this.#starts;
    while (starts.length < this.chunks.length && this.startOf(starts.length) <= index);
    return search(starts.length - 1, index, (at) => starts[at]!);
  }

  /** Notes that something has to be written, and behind which chunk the entries may have other places. */
  protected note(at: number = Infinity): void {
    this.#starts.splice(at + 1);
    this.store.changed(this);
  }

  /** Notes that `removed` entries go from the `start`-th on, and `added` others come in their place. */
  splice(start: number, removed: number, added: number): void {
    const first = this.find(start);
    let at = first;
    let from = start - this.startOf(at);
    let left = removed;
    let right = added;
    do {
      const chunk = this.chunks[at++]!;
      const taken = Math.min(left, chunk.count - from);
      chunk.count += right - taken;
      this.touch(chunk, from);
      // Nothing is left to load.
      chunk.isLoaded ||= chunk.count === 0;
      left -= taken;
      right = from = 0;
    } while (left > 0);
    this.note(first);
  }

  /** Notes that the entry at a place is not as stored. */
  protected touchAt(index: number): void {
    const at = this.find(index);
    this.touch(this.chunks[at]!, index - this.startOf(at));
  }

  /** Takes another raw container in the place of its own, and notes where they differ; false if it is of another kind. */
  adopt(raw: unknown): boolean {
    if (typeof raw !== "object" || raw === null || !isContainer(raw) || kindOf(raw) !== kindOf(this.raw)) return false;
    this.complete();
    const [old, fresh] = [this.entries(), entriesOf(raw)];
    // A hole is not undefined.
    const isSame = (i: number, j: number): boolean => i in old === j in fresh && isEqual(old[i], fresh[j], true);
    let shift = 0;
    for (const { at, removed, added } of diff(old.length, fresh.length, isSame)) {
      const replaced = Math.min(removed, added);
      for (let i = at; i < at + replaced; i++) if (!isSame(i, i + shift)) this.touchAt(i + shift);
      if (removed !== added) this.splice(at + shift + replaced, removed - replaced, added - replaced);
      shift += added - removed;
    }
    this.note();
    this.raw = raw;
    return true;
  }

  /** Reads a chunk's row. */
  protected fetch(chunk: Chunk): unknown {
    const key = this.keyOf(chunk);
    const part = this.store.fetch(key);
    if (typeof part !== "object" || part === null || kindOf(part) !== kindOf(this.raw))
      throw this.#misshaped(key, part);
    const held = new Set<Collection>();
    const decoded = this.store.decode(part, held);
    chunk.held = held;
    return decoded;
  }

  /** The collections that a chunk points to, also of one that was never loaded. */
  heldBy(chunk: Chunk): ReadonlySet<Collection> {
    if (chunk.held === undefined && chunk.stored > 0) this.fetch(chunk);
    return chunk.held ?? NONE;
  }

  /** Takes out the chunks that have no entries any more, and returns them. */
  dropEmpty(): ReadonlySet<Chunk> {
    const empty = new Set([...this.touched].filter(({ count }) => count === 0));
    if (empty.size > 0) {
      for (const chunk of empty) this.touched.delete(chunk);
      this.chunks = this.chunks.filter((chunk) => !empty.has(chunk));
      this.isHeadDirty = true;
      this.#starts = [];
    }
    return empty;
  }

  /** Puts others in the place of the chunk at a place, to be written. */
  arrange(at: number, parts: readonly Chunk[]): void {
    this.chunks.splice(at, 1, ...parts);
    for (const part of parts) this.touched.add(part);
    this.isHeadDirty = true;
    this.#starts.splice(at);
  }

  newChunk(count: number, keys?: Set<unknown>): Chunk {
    return new Chunk(this.next++, count, keys);
  }
}

/** No collections. */
export const NONE: ReadonlySet<Collection> = new Set();

/** Of things from 0 to `last` that start one after the other, the last that starts at `place` or before. */
export function search(last: number, place: number, startOf: (at: number) => number): number {
  let [low, high] = [0, last];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (startOf(middle) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The entries of a container in order, to compare them. */
function entriesOf(raw: object): unknown[] {
  return Array.isArray(raw) ? raw : raw instanceof Map || raw instanceof Set ? [...raw] : Object.entries(raw);
}

/** The keys of a container in order; undefined for an array. */
export function keysOf(raw: object): Set<unknown> | undefined {
  if (Array.isArray(raw)) return undefined;
  return new Set(raw instanceof Map || raw instanceof Set ? raw.keys() : Object.keys(raw));
}

/** The kind of a container. */
function kindOf(raw: object): Kind {
  if (Array.isArray(raw)) return "array";
  if (raw instanceof Map) return "map";
  return raw instanceof Set ? "set" : "object";
}

/** The letters of a pointer to a collection inside a field. */
export const POINTER_LENGTH = 9;

/** Tells whether what a row holds is the head of a collection. */
export function isHead(value: unknown): value is Head {
  if (typeof value !== "object" || value === null) return false;
  const { chunks } = value as Partial<Head>;
  // What the user calls `chunks` may be a collection: its pointer is longer than any kind.
  return chunks instanceof globalThis.String && chunks.length < POINTER_LENGTH;
}

function isWhole({ ids, counts }: Partial<Head>): boolean {
  return Array.isArray(ids) && Array.isArray(counts) && ids.length > 0 && ids.length === counts.length;
}

/** The collection that a raw container is held by; undefined for one that lies in the row of what holds it. */
export function collectionOf(raw: object): Collection | undefined {
  return loadedBy(raw) as Collection | undefined;
}
