/**
 * @module
 * A large Map, Set or plain object, whose chunks are found by the prints of their keys.
 */
import { quote } from "../../core/errors.ts";
import { setOwn } from "../../core/values/snapshot.ts";
import { Collection, search, type Chunk, type Store, type Head } from "./collection.ts";
import { unreadable } from "./layout.ts";

/** What has entries by key. */
export type Entries = Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/** A large Map, Set or plain object. */
export class Keyed extends Collection {
  raw: Entries;
  #prints: Uint16Array = new Uint16Array();

  constructor(store: Store, id: string, raw: Entries) {
    super(store, id);
    this.raw = raw;
  }

  protected override readHead(prints: Uint16Array | undefined): void {
    let from = 0;
    for (const chunk of this.chunks) {
      chunk.from = from;
      chunk.prints = chunk.count;
      from += chunk.count;
      // How many are left is seen when it is loaded; there is a row at least.
      chunk.stored = Math.max(1, chunk.count);
    }
    // With too few of them, an entry that is there would not be found.
    if (!(prints instanceof Uint16Array) || prints.length !== from)
      throw unreadable(this.store, `Its row "${this.key}" has other prints than it says.`);
    this.#prints = prints;
    this.isComplete = this.chunks.length === 1;
    if (this.isComplete) this.load(this.chunks[0]!);
  }

  override load(chunk: Chunk): void {
    if (chunk.isLoaded) return;
    this.#take(chunk, this.#read(chunk));
  }

  /** Reads a chunk's row, and with it which keys the chunk has. */
  #read(chunk: Chunk): Entries {
    const part = this.fetch(chunk) as Entries;
    chunk.keys = keysOf(part);
    chunk.count = chunk.stored = chunk.keys.length;
    return part;
  }

  #take(chunk: Chunk, part: Entries): void {
    for (const key of chunk.keys!) put(this.raw, key, valueOf(part, key));
    chunk.isLoaded = true;
  }

  #has(key: unknown): boolean {
    const { raw } = this;
    return raw instanceof Map || raw instanceof Set ? raw.has(key) : Object.hasOwn(raw, key as string);
  }

  override need(key: unknown): void {
    // A key that is an object is one that was loaded, or another.
    if (this.isComplete || (typeof key === "object" && key !== null) || this.#has(key)) return;
    const print = printOf(key);
    for (let found = this.#candidate(print, 0); found !== undefined; found = this.#candidate(print, found[1])) {
      this.load(found[0]);
      if (this.#has(key)) return;
    }
    this.load(this.chunks.at(-1)!);
  }

  /** The next chunk that may have a key of that print, and the place to go on from; undefined when there is none. */
  #candidate(print: number, from: number): [chunk: Chunk, next: number] | undefined {
    const i = this.#prints.indexOf(print, from);
    if (i === -1) return undefined;
    const chunk = this.chunks[search(this.chunks.length - 1, i, (at) => this.chunks[at]!.from)]!;
    return [chunk, chunk.from + chunk.prints];
  }

  override complete(): void {
    this.open();
    if (this.isComplete) return;
    const { raw } = this;
    const loaded: Entries = raw instanceof Map ? new Map(raw) : raw instanceof Set ? new Set(raw) : { ...raw };
    const parts = this.chunks.map((chunk) => (chunk.isLoaded ? loaded : this.#read(chunk)));
    // Again in order, now that nothing can fail.
    if (raw instanceof Map || raw instanceof Set) raw.clear();
    else for (const key of Object.keys(raw)) delete raw[key];
    this.chunks.forEach((chunk, i) => this.#take(chunk, parts[i]!));
    this.isComplete = true;
  }

  /** The chunk that has a key which is loaded. */
  #chunkOf(key: unknown): Chunk {
    const print = printOf(key);
    for (let found = this.#candidate(print, 0); found !== undefined; found = this.#candidate(print, found[1]))
      if (found[0].keys !== undefined && indexOf(found[0].keys, key) !== -1) return found[0];
    return this.chunks.at(-1)!;
  }

  override change(key: unknown): void {
    const chunk = this.#chunkOf(key);
    // Behind what has changed already, nobody asks for the place: there may be many that are not stored yet.
    const { dirtyFrom } = chunk;
    const at = indexOf(dirtyFrom === Infinity ? chunk.keys! : chunk.keys!.slice(0, dirtyFrom), key);
    this.touch(chunk, at === -1 ? dirtyFrom : at);
    this.note(false);
  }

  /** Notes a new entry at the end. */
  add(key: unknown): void {
    const chunk = this.chunks.at(-1)!;
    this.load(chunk);
    this.touch(chunk, chunk.count++);
    chunk.keys!.push(key);
    this.note();
  }

  /** Notes that an entry goes. */
  remove(key: unknown): void {
    const chunk = this.#chunkOf(key);
    const at = indexOf(chunk.keys!, key);
    if (at === -1) throw new Error(`${this.store.field}: no chunk has the key ${quote(key)}`);
    chunk.keys!.splice(at, 1);
    chunk.count--;
    this.touch(chunk, at);
    this.note();
  }

  /** Notes that all entries go. */
  clear(): void {
    for (const chunk of this.chunks) {
      chunk.keys = [];
      chunk.count = 0;
      chunk.isLoaded = true;
      this.touch(chunk, 0);
    }
    this.isComplete = true;
    this.note();
  }

  override adopt(raw: unknown): boolean {
    if (!super.adopt(raw)) return false;
    const keys = keysOf(this.raw);
    this.chunks.forEach((chunk, at) => {
      const start = this.startOf(at);
      const own = keys.slice(start, start + chunk.count);
      // Those of keys that are gone may stay.
      const prints = new Set(chunk.keys!.map(printOf));
      if (chunk.prints >= 0 && own.some((key) => !prints.has(printOf(key)))) {
        this.isHeadDirty = true;
        chunk.prints = -1;
      }
      chunk.keys = own;
    });
    this.#index();
    return true;
  }

  override slice({ keys }: Chunk): object {
    const { raw } = this;
    const part: Entries = raw instanceof Map ? new Map() : raw instanceof Set ? new Set() : {};
    for (const key of keys!) put(part, key, valueOf(raw, key));
    return part;
  }

  protected override entries(): unknown[] {
    // Of an object, those whose keys are numbers come first wherever they were added.
    return this.chunks.flatMap(({ keys }) =>
      this.raw instanceof Set ? keys! : keys!.map((key) => [key, valueOf(this.raw, key)]),
    );
  }

  override valueAt({ keys }: Chunk, _: number, i: number): unknown {
    return valueOf(this.raw, keys![i]);
  }

  override fill(): void {
    const keys = keysOf(this.raw);
    const chunk = this.newChunk(keys.length, keys);
    this.touch(chunk, 0);
    this.chunks = [chunk];
    this.isOpen = this.isComplete = true;
  }

  /** Makes the prints of the chunks, which are in their final order. */
  #index(): void {
    const old = this.#prints;
    const all: (Uint16Array | number[])[] = [];
    let from = 0;
    for (const chunk of this.chunks) {
      const isLast = chunk === this.chunks.at(-1);
      const isOld = chunk.prints >= 0;
      const prints = isLast
        ? []
        : isOld
          ? old.subarray(chunk.from, chunk.from + chunk.prints)
          : chunk.keys!.map(printOf);
      chunk.from = from;
      // Those of the last one are made when it is the last no more.
      chunk.prints = isLast ? -1 : prints.length;
      from += prints.length;
      all.push(prints);
    }
    this.#prints = new Uint16Array(from);
    this.chunks.forEach((chunk, i) => this.#prints.set(all[i]!, chunk.from));
  }

  override describe(): Pick<Head, "counts" | "prints"> {
    this.#index();
    return { counts: this.chunks.map(({ prints }) => Math.max(0, prints)), prints: this.#prints };
  }
}

function indexOf(keys: readonly unknown[], key: unknown): number {
  return Number.isNaN(key) ? keys.findIndex((other) => Number.isNaN(other)) : keys.indexOf(key);
}

function keysOf(raw: Entries): unknown[] {
  return raw instanceof Map || raw instanceof Set ? [...raw.keys()] : Object.keys(raw);
}

function valueOf(raw: Entries, key: unknown): unknown {
  if (raw instanceof Set) return key;
  return raw instanceof Map ? raw.get(key) : raw[key as string];
}

function put(raw: Entries, key: unknown, value: unknown): void {
  if (raw instanceof Map) raw.set(key, value);
  else if (raw instanceof Set) raw.add(value);
  else setOwn(raw, key as string, value);
}

/** FNV-1a of a key's text, folded to 16 bits; all objects have the same. */
function printOf(key: unknown): number {
  if (typeof key === "object" && key !== null) return 0;
  const text = String(key);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & 0xffff;
}
