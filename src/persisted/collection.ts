/**
 * @module
 * A collection: an array, Map, Set or plain object too large for one row, held in chunks of neighbouring entries.
 *
 * A *head* lists the chunks in order, in *pages* of their own when there are many. An array's head has the number
 * of items of each chunk, so that an index finds its chunk; that of the first and the last chunk may be out of
 * date, so that both ends grow and shrink without it. The head of the others has a 16-bit hash of each key (a
 * *print*) of every chunk but the last, to which new entries go; there may be prints of keys that are gone. Chunks
 * are loaded when touched.
 */
import type { DurableError } from "../errors.ts";
import { quote } from "../errors.ts";
import { isContainer, loadBy, loadedBy, setOwn } from "../snapshot.ts";
import { isEqual } from "./equal.ts";
import { partKey, unreadable, type Named } from "./layout.ts";

/** What a collection needs of the field it belongs to. */
export interface Store extends Named {
  /** The key of the field's own row. */
  readonly key: string;
  /** Reads a row; undefined when there is none. Throws for a value from before a failed write, and for damaged bytes. */
  fetch(key: string): unknown;
  /** Called when a collection has something to write. */
  changed(collection: Collection): void;
  /** Called when the row of the value as a whole has to be written. */
  mark(): void;
}

/** A row that tells about neighbouring chunks. */
export interface StoredPage {
  /** The chunks in order. */
  readonly ids: readonly number[];
  /** An array's items of each chunk, else the prints of each. */
  readonly counts: readonly number[];
  readonly prints?: Uint16Array;
}

/** The row that tells where the chunks of a collection are. */
export interface Head extends StoredPage {
  /** The collection's kind, boxed, as no value of a field can be. */
  // oxlint-disable-next-line typescript/no-wrapper-object-types
  readonly chunks: String;
  /** The pages that come before what the head itself tells. */
  readonly pages: readonly number[];
}

/** Which row tells about a chunk. */
export class Page {
  /** 0 for the head itself. */
  readonly id: number;
  isDirty: boolean;

  constructor(id: number, isDirty: boolean) {
    this.id = id;
    this.isDirty = isDirty;
  }
}

/** The kinds of containers, as the first letter of a pointer tells them. */
const KINDS = { a: "array", m: "map", s: "set", o: "object" } as const;

type Kind = (typeof KINDS)[keyof typeof KINDS];

/** Neighbouring entries that share a row. */
export class Chunk {
  readonly id: number;
  count: number;
  /** The keys in order, of a keyed collection's chunk that is loaded. */
  keys: unknown[] | undefined;
  isLoaded = true;
  /** The first entry that is not as stored. */
  dirtyFrom: number = Infinity;
  /** How many entries its row holds; 0 when it has none yet. */
  stored = 0;
  /** The size of its row when last measured. */
  bytes: number | undefined;
  /** Where its prints begin among those of the collection, and how many there are; -1 when they have to be made. */
  from = 0;
  prints = -1;
  /** The row that tells about it. */
  page: Page;
  /** The collections its row points to; undefined while unknown. */
  held: ReadonlySet<Collection> | undefined;

  constructor(id: number, page: Page, count: number, keys?: unknown[]) {
    this.id = id;
    this.page = page;
    this.count = count;
    this.keys = keys;
  }

  change(from: number): void {
    this.dirtyFrom = Math.min(this.dirtyFrom, from);
  }
}

/** One collection: which chunks there are, which are loaded, which changed. */
export abstract class Collection {
  readonly store: Store;
  /** The name of its head among the parts of the field; empty for the field's own value. */
  readonly id: string;
  abstract raw: object;
  /** True once every entry is in `raw`, in order. */
  isComplete = false;
  isOpen = false;
  isStored = false;
  chunks: Chunk[] = [];
  /** The page that the head itself is. */
  readonly head: Page = new Page(0, true);
  /** The others, as they are stored. */
  pages: readonly Page[] = [];
  /** The chunks that differ from their rows. */
  readonly touched: Set<Chunk> = new Set();
  /** A number that no chunk and no page has. */
  next = 1;
  /** Of each chunk, how many entries lie before it; undefined when that has to be counted again. */
  #starts: number[] | undefined;

  constructor(store: Store, id: string) {
    this.store = store;
    this.id = id;
  }

  get key(): string {
    return this.id === "" ? this.store.key : partKey(this.store.key, this.id);
  }

  /** The key of a chunk or a page. */
  keyOf({ id }: Chunk | Page): string {
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
    if (!isHead(found) || String(found.chunks) !== kindOf(this.raw) || !Array.isArray(found.pages))
      throw this.#misshaped(this.key, found);
    this.pages = found.pages.map((id: number) => new Page(id, false));
    this.head.isDirty = false;
    const chunks: Chunk[] = [];
    const prints: (Uint16Array | undefined)[] = [];
    for (const page of [...this.pages, this.head]) {
      const key = page === this.head ? this.key : this.keyOf(page);
      const stored: unknown = page === this.head ? found : this.store.fetch(key);
      if (!isPage(stored)) throw this.#misshaped(key, stored);
      stored.ids.forEach((id, i) => chunks.push(new Chunk(id, page, stored.counts[i]!)));
      prints.push(stored.prints);
    }
    if (chunks.length === 0) throw this.#misshaped(this.key, found);
    for (const chunk of chunks) {
      chunk.isLoaded = false;
      chunk.stored = chunk.count;
      this.next = Math.max(this.next, chunk.id + 1);
    }
    for (const { id } of this.pages) this.next = Math.max(this.next, id + 1);
    this.chunks = chunks;
    this.readHead(prints);
    this.isOpen = this.isStored = true;
  }

  #misshaped(key: string, found: unknown): DurableError {
    return unreadable(this.store, `Its row "${key}" ${found === undefined ? "is missing" : "has another shape"}.`);
  }

  /** Takes what the pages tell beside the chunks. */
  protected abstract readHead(prints: readonly (Uint16Array | undefined)[]): void;

  /** Loads a chunk, of which the first entry is the `start`-th of all. */
  abstract load(chunk: Chunk, start: number): void;

  /** Loads what is needed to answer for `key`. */
  abstract need(key: unknown): void;

  /** Loads everything there is. */
  abstract complete(): void;

  /** Notes that the entry `key`, whose value is `raw`, changed inside or got another value. */
  abstract change(key: unknown, raw?: object): void;

  /** The entries of a chunk, of which the first is the `start`-th of all, as a container of the collection's kind. */
  abstract slice(chunk: Chunk, start: number): object;

  /** The value of an entry of a chunk; of a Set, the member. */
  abstract valueAt(chunk: Chunk, start: number, i: number): unknown;

  /** All entries in the order of the chunks. */
  protected abstract entries(): unknown[];

  /** Puts all entries of a raw container that is not stored yet into one chunk, to be divided when it is written. */
  abstract fill(): void;

  /** Makes what the head tells beside the chunks, which are in their final order. */
  abstract index(): void;

  /** What a page tells about neighbouring chunks. */
  abstract describe(chunks: readonly Chunk[]): StoredPage;

  /** Notes that a chunk differs from its row, from its `from`-th entry on. */
  protected touch(chunk: Chunk, from: number): void {
    chunk.change(from);
    this.touched.add(chunk);
  }

  startOf(at: number): number {
    if (this.#starts === undefined) {
      let start = 0;
      this.#starts = this.chunks.map((chunk) => (start += chunk.count) - chunk.count);
    }
    return this.#starts[at]!;
  }

  /** Which chunk has the entry; the last one for the place behind all. */
  protected find(index: number): number {
    this.startOf(0);
    return Math.max(
      0,
      search(this.#starts!.length - 1, index, (at) => this.#starts![at]!),
    );
  }

  /** Notes that something has to be written, and whether entries went from place to place. */
  protected note(hasMoved = true): void {
    if (hasMoved) this.#starts = undefined;
    this.store.changed(this);
  }

  /** Notes that `removed` entries go from the `start`-th on, and `added` others come in their place. */
  splice(start: number, removed: number, added: number): void {
    let at = this.find(start);
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
    this.note();
  }

  /** Takes another raw container in the place of its own, and notes where they differ; false if it is of another kind. */
  adopt(raw: unknown): boolean {
    if (typeof raw !== "object" || raw === null || !isContainer(raw) || kindOf(raw) !== kindOf(this.raw)) return false;
    this.complete();
    const [old, fresh] = [this.entries(), entriesOf(raw)];
    const shorter = Math.min(old.length, fresh.length);
    let head = 0;
    // A hole is not undefined.
    const isSame = (i: number, j: number): boolean => i in old === j in fresh && isEqual(old[i], fresh[j], true);
    while (head < shorter && isSame(head, head)) head++;
    let tail = 0;
    while (tail < shorter - head && isSame(old.length - 1 - tail, fresh.length - 1 - tail)) tail++;
    if (old.length === fresh.length) {
      for (let i = head; i < fresh.length - tail; i++) {
        if (isSame(i, i)) continue;
        const at = this.find(i);
        this.touch(this.chunks[at]!, i - this.startOf(at));
      }
      this.note(false);
    } else this.splice(head, old.length - head - tail, fresh.length - head - tail);
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
    const decoded = decode(part, this.store, held);
    chunk.held = held;
    return decoded;
  }

  /** The collections that a chunk points to, also of one that was never loaded. */
  heldBy(chunk: Chunk): ReadonlySet<Collection> {
    if (chunk.held === undefined && chunk.stored > 0) this.fetch(chunk);
    return chunk.held ?? NONE;
  }

  /** Puts the chunks in their final order. */
  arrange(chunks: Chunk[]): void {
    this.chunks = chunks;
    this.touched.clear();
    this.#starts = undefined;
  }

  newChunk(page: Page, count: number, keys?: unknown[]): Chunk {
    return new Chunk(this.next++, page, count, keys);
  }
}

/** No collections. */
export const NONE: ReadonlySet<Collection> = new Set();

/** A large array. */
export class List extends Collection {
  raw: unknown[];

  constructor(store: Store, id: string, raw: unknown[]) {
    super(store, id);
    this.raw = raw;
  }

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

  override load(chunk: Chunk, start: number): void {
    if (chunk.isLoaded) return;
    const items = this.fetch(chunk) as unknown[];
    if (items.length !== chunk.count)
      throw unreadable(
        this.store,
        `Its row "${this.keyOf(chunk)}" has ${items.length} items in place of ${chunk.count}.`,
      );
    this.#put(chunk, start, items);
  }

  override need(index: unknown): void {
    if (Number(index) < this.raw.length) this.needRange(Number(index), 0);
  }

  /** Loads what a splice of `count` items changes. */
  needRange(start: number, count: number): void {
    if (this.isComplete) return;
    for (let at = this.find(start), last = this.find(start + Math.max(0, count - 1)); at <= last; at++)
      this.load(this.chunks[at]!, this.startOf(at));
  }

  override complete(): void {
    this.open();
    if (this.isComplete) return;
    this.chunks.forEach((chunk, at) => this.load(chunk, this.startOf(at)));
    this.isComplete = true;
  }

  override change(index: unknown, raw?: object): void {
    // An item that moved since it was read is looked for.
    const i = raw === undefined || this.raw[Number(index)] === raw ? Number(index) : this.raw.indexOf(raw);
    const at = this.find(i);
    this.touch(this.chunks[at]!, i - this.startOf(at));
    this.note(false);
  }

  /** Notes that items changed places, or others lie in their place; `before` has them as they were. */
  rearrange(before: readonly unknown[]): void {
    this.chunks.forEach((chunk, at) => {
      const start = this.startOf(at);
      for (let i = start; i < start + chunk.count; i++) {
        if (Object.is(before[i], this.raw[i]) && i in before === i in this.raw) continue;
        this.touch(chunk, i - start);
        break;
      }
    });
    this.note(false);
  }

  override slice(chunk: Chunk, start: number): object {
    return this.raw.slice(start, start + chunk.count);
  }

  protected override entries(): unknown[] {
    return this.raw;
  }

  override valueAt(_: Chunk, start: number, i: number): unknown {
    return this.raw[start + i];
  }

  override fill(): void {
    const chunk = this.newChunk(this.head, this.raw.length);
    this.touch(chunk, 0);
    this.chunks = [chunk];
    this.isOpen = this.isComplete = true;
  }

  override index(): void {
    for (const chunk of this.chunks) chunk.prints = 0;
  }

  override describe(chunks: readonly Chunk[]): StoredPage {
    return { ids: chunks.map(({ id }) => id), counts: chunks.map(({ count }) => count) };
  }
}

type Entries = Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/** A large Map, Set or plain object. */
export class Keyed extends Collection {
  raw: Entries;
  #prints: Uint16Array = new Uint16Array();

  constructor(store: Store, id: string, raw: Entries) {
    super(store, id);
    this.raw = raw;
  }

  protected override readHead(prints: readonly (Uint16Array | undefined)[]): void {
    let from = 0;
    for (const chunk of this.chunks) {
      chunk.from = from;
      chunk.prints = chunk.count;
      from += chunk.count;
      // How many are left is seen when it is loaded; there is a row at least.
      chunk.stored = Math.max(1, chunk.count);
    }
    this.#prints = new Uint16Array(from);
    let at = 0;
    for (const some of prints) {
      if (!(some instanceof Uint16Array) || at + some.length > from) break;
      this.#prints.set(some, at);
      at += some.length;
    }
    // With too few of them, an entry that is there would not be found.
    if (at !== from) throw unreadable(this.store, `Its row "${this.key}", or a page, has other prints than it says.`);
    this.isComplete = this.chunks.length === 1;
    if (this.isComplete) this.load(this.chunks[0]!);
  }

  override load(chunk: Chunk): void {
    if (chunk.isLoaded) return;
    const part = this.fetch(chunk) as Entries;
    chunk.keys = keysOf(part);
    chunk.count = chunk.stored = chunk.keys.length;
    chunk.isLoaded = true;
    for (const key of chunk.keys) put(this.raw, key, valueOf(part, key));
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
    const parts = this.chunks.map((chunk) => {
      if (chunk.isLoaded) return loaded;
      const part = this.fetch(chunk) as Entries;
      chunk.keys = keysOf(part);
      chunk.count = chunk.stored = chunk.keys.length;
      return part;
    });
    // Again in order, now that nothing can fail.
    if (raw instanceof Map || raw instanceof Set) raw.clear();
    else for (const key of Object.keys(raw)) delete raw[key];
    this.chunks.forEach((chunk, i) => {
      for (const key of chunk.keys!) put(raw, key, valueOf(parts[i]!, key));
      chunk.isLoaded = true;
    });
    this.isComplete = true;
  }

  /** The loaded chunk that has a key, and the key's place in it. */
  #locate(key: unknown): [Chunk, number] {
    const print = printOf(key);
    let chunk: Chunk | undefined = this.chunks.at(-1);
    for (let next = 0; chunk !== undefined;) {
      const at = chunk.keys === undefined ? -1 : indexOf(chunk.keys, key);
      if (at !== -1) return [chunk, at];
      [chunk, next] = this.#candidate(print, next) ?? [undefined, 0];
    }
    throw new Error(`${this.store.field}: no chunk has the key ${quote(key)}`);
  }

  override change(key: unknown): void {
    const [chunk, at] = this.#locate(key);
    this.touch(chunk, at);
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
    const [chunk, at] = this.#locate(key);
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
      if (!isEqual(own, chunk.keys, true)) {
        chunk.page.isDirty = true;
        chunk.prints = -1;
      }
      chunk.keys = own;
    });
    this.index();
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
    const chunk = this.newChunk(this.head, keys.length, keys);
    this.touch(chunk, 0);
    this.chunks = [chunk];
    this.isOpen = this.isComplete = true;
  }

  override index(): void {
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

  override describe(chunks: readonly Chunk[]): StoredPage {
    const counts = chunks.map(({ prints }) => Math.max(0, prints));
    const [from, last] = [chunks[0]?.from ?? 0, chunks.at(-1)];
    const to = last === undefined ? 0 : last.from + Math.max(0, last.prints);
    return { ids: chunks.map(({ id }) => id), counts, prints: this.#prints.slice(from, to) };
  }
}

/** Of things from 0 to `last` that start one after the other, the last that starts at `place` or before. */
function search(last: number, place: number, startOf: (at: number) => number): number {
  let [low, high] = [0, last];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (startOf(middle) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
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

/** The entries of a container in order, to compare them. */
function entriesOf(raw: object): unknown[] {
  return Array.isArray(raw) ? raw : raw instanceof Map || raw instanceof Set ? [...raw] : Object.entries(raw);
}

/** FNV-1a of a key's text, folded to 16 bits; all objects have the same. */
function printOf(key: unknown): number {
  if (typeof key === "object" && key !== null) return 0;
  const text = String(key);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & 0xffff;
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

function isPage(value: unknown): value is StoredPage {
  if (typeof value !== "object" || value === null) return false;
  const { ids, counts } = value as Partial<StoredPage>;
  return Array.isArray(ids) && Array.isArray(counts) && ids.length === counts.length;
}

/** The collection that a raw container is held by; undefined for one that lies in the row of what holds it. */
export function collectionOf(raw: object): Collection | undefined {
  return loadedBy(raw) as Collection | undefined;
}

/** A collection for a raw container. */
export function makeCollection(store: Store, id: string, raw: object): Collection {
  return Array.isArray(raw) ? new List(store, id, raw) : new Keyed(store, id, raw as Entries);
}

/** The stored value with the collections it points to in place of their pointers, gathered in `held` too. */
export function decode(value: unknown, store: Store, held: Set<Collection>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof globalThis.String) return collectionAt(String(value), store, held).raw;
  if (!isContainer(value)) return value;
  if (value instanceof Set) {
    const members = [...value].map((member) => decode(member, store, held));
    // A member cannot be put in the place of another.
    return held.size === 0 ? value : new Set(members);
  }
  const each = (member: unknown, place: (fresh: unknown) => void): void => {
    if (typeof member !== "object" || member === null) return;
    const decoded = decode(member, store, held);
    if (decoded !== member) place(decoded);
  };
  if (value instanceof Map) {
    for (const [key, member] of value) each(member, (fresh) => value.set(key, fresh));
  } else if (Array.isArray(value)) {
    value.forEach((member, i) => each(member, (fresh) => (value[i] = fresh)));
  } else {
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) each(object[key], (fresh) => (object[key] = fresh));
  }
  return value;
}

const EMPTY = { array: () => [], map: () => new Map(), set: () => new Set(), object: () => ({}) };

function collectionAt(pointer: string, store: Store, held: Set<Collection>): Collection {
  const collection = makeEmpty(store, pointer.slice(1), KINDS[pointer[0] as keyof typeof KINDS]);
  held.add(collection);
  return collection;
}

/** The collection whose head was read as the value of a field. */
export function makeHeaded(store: Store, head: Head): Collection {
  const kind = String(head.chunks);
  if (!Object.hasOwn(EMPTY, kind)) throw unreadable(store, `It is of the unknown kind "${kind}".`);
  const collection = makeEmpty(store, "", kind as Kind);
  collection.open(head);
  return collection;
}

function makeEmpty(store: Store, id: string, kind: Kind): Collection {
  const collection = makeCollection(store, id, EMPTY[kind]());
  loadBy(collection.raw, collection);
  return collection;
}
