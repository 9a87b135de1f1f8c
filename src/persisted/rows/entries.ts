/**
 * @module
 * A large Map, Set or plain object, whose chunks are found by the prints of their keys.
 */
import { quote } from "../../core/errors.ts";
import { emptyLike, setOwn } from "../../core/values/snapshot.ts";
import { Collection, keysOf, search, type Chunk, type Head } from "./collection.ts";
import { unreadable } from "./layout.ts";

/** What has entries by key. */
type Entries = Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/** A large Map, Set or plain object. */
export class Keyed extends Collection {
  declare raw: Entries;
  #prints: Uint16Array = new Uint16Array();

  protected override readHead(prints: Uint16Array | undefined): void {
    let from = 0;
    for (const chunk of this.chunks) {
      chunk.from = from;
      // The last one has none.
      chunk.prints = chunk.count || -1;
      from += chunk.count;
      // How many are left is seen when it is loaded; there is a row at least.
      chunk.stored = Math.max(1, chunk.count);
    }
    // With too few of them, an entry that is there would not be found.
    if (!(prints instanceof Uint16Array) || prints.length !== from)
      throw unreadable(this.store, `Its row "${this.key}" has other prints than it says.`);
    this.#prints = prints;
    this.isComplete = this.chunks.length === 1;
    if (this.isComplete) this.load(0);
  }

  override load(at: number): void {
    const chunk = this.chunks[at]!;
    if (!chunk.isLoaded) this.#take(chunk, this.#read(chunk));
  }

  /** Reads a chunk's row, and with it which keys the chunk has. */
  #read(chunk: Chunk): Entries {
    const part = this.fetch(chunk) as Entries;
    chunk.keys = keysOf(part);
    chunk.count = chunk.stored = chunk.keys!.size;
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
    for (const at of this.#candidates(key)) {
      this.load(at);
      if (this.#has(key)) return;
    }
  }

  /** The places of the chunks that may have a key: those with its print, and the last one. */
  *#candidates(key: unknown): Generator<number> {
    const print = printOf(key);
    const last = this.chunks.length - 1;
    for (let i = this.#prints.indexOf(print); i !== -1;) {
      const at = search(last, i, (at) => this.chunks[at]!.from);
      const { from, prints } = this.chunks[at]!;
      yield at;
      i = this.#prints.indexOf(print, from + prints);
    }
    yield last;
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
    for (const at of this.#candidates(key)) if (this.chunks[at]!.keys?.has(key) === true) return this.chunks[at]!;
    throw new Error(`${this.store.field}: no chunk has the key ${quote(key)}`);
  }

  override change(key: unknown): void {
    const chunk = this.#chunkOf(key);
    this.touch(chunk, placeOf(key, chunk));
    this.note();
  }

  /** Notes a new entry at the end. */
  add(key: unknown): void {
    this.load(this.chunks.length - 1);
    const chunk = this.chunks.at(-1)!;
    chunk.keys!.add(key);
    this.touch(chunk, chunk.count++);
    this.note();
  }

  /** Notes that an entry goes. */
  remove(key: unknown): void {
    const chunk = this.#chunkOf(key);
    this.touch(chunk, placeOf(key, chunk));
    chunk.keys!.delete(key);
    chunk.count--;
    this.note(0);
  }

  /** Notes that all entries go. */
  clear(): void {
    for (const chunk of this.chunks) {
      chunk.keys = new Set();
      chunk.count = 0;
      chunk.isLoaded = true;
      this.touch(chunk, 0);
    }
    this.isComplete = true;
    this.note(0);
  }

  override adopt(raw: unknown): boolean {
    if (!super.adopt(raw)) return false;
    const keys = [...keysOf(this.raw)!];
    this.chunks.forEach((chunk, at) => {
      const { from, prints } = chunk;
      const own = keys.slice(this.startOf(at), this.startOf(at) + chunk.count);
      // Prints of keys that are gone may stay.
      const known = this.#prints.subarray(from, from + prints);
      if (prints >= 0 && !own.every((key) => known.includes(printOf(key)))) {
        this.isHeadDirty = true;
        chunk.prints = -1;
      }
      chunk.keys = new Set(own);
    });
    this.#index();
    return true;
  }

  override slice(at: number): object {
    const { raw } = this;
    const part = emptyLike(raw) as Entries;
    for (const key of this.chunks[at]!.keys!) put(part, key, valueOf(raw, key));
    return part;
  }

  protected override entries(): unknown[] {
    // Of an object, those whose keys are numbers come first wherever they were added.
    return this.chunks.flatMap(({ keys }) =>
      Array.from(keys!, (key) => (this.raw instanceof Set ? key : [key, valueOf(this.raw, key)])),
    );
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
          : Array.from(chunk.keys!, printOf);
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
    return { counts: Array.from(this.chunks, ({ prints }) => Math.max(0, prints)), prints: this.#prints };
  }
}

/** The place of a key in its chunk; all places behind the stored entries are the same one, and all are 0 in a chunk that is dirty. */
function placeOf(key: unknown, { keys, stored, isDirty }: Chunk): number {
  let place = 0;
  if (isDirty) return place;
  for (const other of keys!) {
    // Keys are found so, too: NaN by NaN, and 0 by -0.
    if (place === stored || other === key || (Number.isNaN(other) && Number.isNaN(key))) break;
    place++;
  }
  return place;
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
