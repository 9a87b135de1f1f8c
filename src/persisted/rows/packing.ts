/**
 * @module
 * Writing a field's value: which parts lie in which rows, and which of those have to be written.
 *
 * A container that takes more than a row's worth becomes a collection, which lies in chunks; the row that
 * holds it has a pointer in its place. Chunks are divided when they are too large, joined with a neighbour when
 * they have become small, and a collection that fits half a row goes back to where it would lie.
 */
import { DurableError } from "../../core/errors.ts";
import { isContainer, rebuild } from "../../core/values/snapshot.ts";
import { bytesOf, MAX_ROW, sizeOf, sizeOfString } from "../../storage/size.ts";
import { collectionOf, NONE, POINTER_LENGTH, type Chunk, type Collection, type Store } from "./collection.ts";
import { CHUNK_MAX, partKey } from "./layout.ts";
import { attach, depthOf, mark } from "../tracking/node.ts";
import { makeCollection } from "./pointers.ts";

/** What a pointer takes. */
const POINTER = 24;

/** Rows to be written and deleted, all or nothing. */
export class Rows {
  readonly puts: Map<string, unknown> = new Map();
  readonly deletes: Set<string> = new Set();

  put(key: string, value: unknown): void {
    this.deletes.delete(key);
    this.puts.set(key, value);
  }

  /** Deletes a row, if it is stored. */
  delete(key: string, isStored: boolean): void {
    this.puts.delete(key);
    if (isStored) this.deletes.add(key);
  }
}

/** Writes one field's collections. */
export class Packer {
  readonly #store: Store;
  readonly #rows: Rows;
  /** Collections that a rewritten row pointed to, and those that one points to now. */
  #before: Set<Collection> | undefined;
  #after: Set<Collection> | undefined;
  /** Those met while the row at hand is measured. */
  #met: Collection[] = [];

  constructor(store: Store, rows: Rows) {
    this.#store = store;
    this.#rows = rows;
  }

  /** Writes the collections that changed, the innermost first. */
  writeAll(changed: Set<Collection> | undefined): void {
    while (changed !== undefined && changed.size > 0) {
      const batch = changed.size === 1 ? [...changed] : [...changed].sort((a, b) => depthOf(b.raw) - depthOf(a.raw));
      changed.clear();
      // One that was removed meanwhile is freed with the row that pointed to it.
      for (const collection of batch) if (collectionOf(collection.raw) === collection) this.#write(collection);
    }
  }

  /** What is to be stored for a value that is no collection, how large it is, and what it points to. */
  inline(
    value: unknown,
    held: ReadonlySet<Collection>,
  ): { stored: unknown; bytes: number; held: ReadonlySet<Collection> } {
    this.#met = [];
    const bytes = this.#fit(value);
    const found = this.#met.length > 0 ? new Set(this.#met) : NONE;
    this.#replace(held, found);
    return { stored: found.size > 0 ? encode(value) : value, bytes, held: found };
  }

  /** Makes a collection of a container. */
  make(raw: object, id: string = this.#freshId()): Collection {
    const collection = makeCollection(this.#store, id, raw);
    collection.fill();
    attach(raw, collection);
    this.#write(collection);
    return collection;
  }

  /** Says that no row points to these any more. */
  drop(held: ReadonlySet<Collection>): void {
    this.#replace(held, NONE);
  }

  /** Deletes what no row points to any more. */
  end(): void {
    for (const collection of this.#before ?? NONE)
      if (this.#after?.has(collection) !== true) freeRows(collection, this.#rows);
  }

  #replace(before: ReadonlySet<Collection>, after: ReadonlySet<Collection>): void {
    for (const collection of before) (this.#before ??= new Set()).add(collection);
    for (const collection of after) (this.#after ??= new Set()).add(collection);
  }

  #freshId(): string {
    for (;;) {
      const id = Math.random()
        .toString(36)
        .slice(2, POINTER_LENGTH + 1);
      const key = partKey(this.#store.key, id);
      if (id.length === POINTER_LENGTH - 1 && !this.#rows.puts.has(key) && this.#store.fetch(key) === undefined)
        return id;
    }
  }

  /** The bytes that a value takes in the row that holds it, once its large containers are collections. */
  #fit(value: unknown): number {
    if (typeof value !== "object" || value === null) return sizeOf(value);
    const collection = collectionOf(value);
    if (collection !== undefined) {
      this.#met.push(collection);
      return POINTER;
    }
    if (!isContainer(value)) return sizeOf(value);
    let bytes = 8;
    if (value instanceof Map) {
      for (const [key, member] of value) bytes += sizeOf(key) + this.#fitMember(member);
    } else if (value instanceof Set) {
      for (const member of value) bytes += this.#fitMember(member);
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) bytes += this.#fitMember(value[i]);
    } else {
      for (const key of Object.keys(value)) bytes += sizeOfString(key) + this.#fitMember(Reflect.get(value, key));
    }
    return bytes;
  }

  #fitMember(value: unknown): number {
    const met = this.#met;
    const { length } = met;
    const bytes = this.#fit(value);
    if (!isTooLarge(value, bytes)) return bytes;
    const collection = this.make(value);
    // What it holds, its own rows point to.
    met.length = length;
    met.push(collection);
    this.#met = met;
    return POINTER;
  }

  #sizes(collection: Collection, chunk: Chunk, start: number): number[] {
    const { keys, count } = chunk;
    const sizes = new Array<number>(count);
    const hasKeys = keys !== undefined && !(collection.raw instanceof Set);
    this.#met = [];
    for (let i = 0; i < count; i++) {
      sizes[i] = (hasKeys ? sizeOf(keys[i]) : 0) + this.#fitMember(collection.valueAt(chunk, start, i));
    }
    if (this.#met.length === 0) return sizes;
    const held = collection.heldBy(chunk);
    // A copy of what was stored, assigned in its place, has other collections in it.
    for (const inner of this.#met) if (!held.has(inner)) chunk.change(0);
    return sizes;
  }

  #write(collection: Collection): void {
    if (collection.isStored && this.#writeInPlace(collection)) return;
    this.#joinSmall(collection);
    const done: Chunk[] = [];
    let start = 0;
    for (const [at, chunk] of collection.chunks.entries()) {
      const isLast = at === collection.chunks.length - 1;
      const from = start;
      start += chunk.count;
      if (chunk.dirtyFrom === Infinity) {
        done.push(chunk);
        continue;
      }
      const sizes = this.#sizes(collection, chunk, from);
      const parts = divide(collection, chunk, sizes, isLast);
      // What the head says of the first and the last may be out of date.
      const isCounted = Array.isArray(collection.raw) && at > 0 && !isLast;
      if (parts.length > 1 || (isCounted && chunk.count !== chunk.stored)) collection.isHeadDirty = true;
      let place = from;
      for (const part of parts) {
        this.#put(collection, part, place, parts.length === 1 ? sizes : undefined);
        place += part.count;
        done.push(part);
      }
    }
    collection.arrange(done);
    if (done.length === 0 || (done.length === 1 && (done[0]!.bytes ?? Infinity) <= CHUNK_MAX / 2)) {
      this.#dissolve(collection);
    } else if (collection.isHeadDirty) {
      this.#writeHead(collection);
    }
  }

  /** Writes the chunks that changed, if none of them came, went, or has to be divided or joined: the usual case. */
  #writeInPlace(collection: Collection): boolean {
    const { chunks, raw, touched } = collection;
    const isList = Array.isArray(raw);
    for (const chunk of touched) {
      const at = chunks.indexOf(chunk);
      const isEnd = at === chunks.length - 1 || (isList && at === 0);
      if (chunk.count === 0 || (isList && !isEnd && chunk.count !== chunk.stored)) return false;
      const start = isList ? collection.startOf(at) : 0;
      const sizes = this.#sizes(collection, chunk, start);
      const bytes = sum(sizes);
      if (bytes > CHUNK_MAX ? chunk.count > 1 : hasShrunk(collection, chunk, bytes)) return false;
      this.#put(collection, chunk, start, sizes);
      touched.delete(chunk);
    }
    return !collection.isHeadDirty;
  }

  #writeHead(collection: Collection): void {
    const ids = collection.chunks.map(({ id }) => id);
    const head = { chunks: collection.kind, ids, ...collection.describe() };
    const bytes = sizeOf(ids) + sizeOf(head.counts) + sizeOf(head.prints);
    checkRow(`${this.#store.field}, the list of its chunks,`, collection.key, bytes);
    this.#rows.put(collection.key, head);
    collection.isHeadDirty = false;
    collection.isStored = true;
  }

  /** Drops the chunks that became empty, and moves the entries of one that became small to a neighbour. */
  #joinSmall(collection: Collection): void {
    const { chunks } = collection;
    const kept: Chunk[] = [];
    let start = 0;
    for (const [at, chunk] of chunks.entries()) {
      const other = kept.at(-1) ?? chunks[at + 1];
      if (chunk.dirtyFrom < Infinity && (chunk.count === 0 || this.#joins(collection, chunk, other, start))) {
        this.#replace(collection.heldBy(chunk), NONE);
        this.#rows.delete(collection.keyOf(chunk), chunk.stored > 0);
        collection.isHeadDirty = true;
      } else kept.push(chunk);
      // The first one's entries are counted with those of the next, which has them now.
      if (kept.length > 0) start += chunk.count;
    }
    if (kept.length < chunks.length) collection.arrange(kept);
  }

  /** Moves the entries of a chunk, of which the first is the `start`-th of all, to the one before or behind, if they fit well. */
  #joins(collection: Collection, chunk: Chunk, other: Chunk | undefined, start: number): boolean {
    if (other === undefined) return false;
    const bytes = sum(this.#sizes(collection, chunk, start));
    if (!hasShrunk(collection, chunk, bytes)) return false;
    const isBehind = start === 0;
    const from = isBehind ? chunk.count : start - other.count;
    try {
      collection.load(other, from);
    } catch (error) {
      // It stays as it is.
      if (DurableError.is(error, "field-unreadable")) return false;
      throw error;
    }
    if (bytes + sum(this.#sizes(collection, other, from)) > (CHUNK_MAX * 3) / 4) return false;
    other.change(isBehind ? 0 : other.count);
    if (isBehind) other.keys?.unshift(...chunk.keys!);
    else other.keys?.push(...chunk.keys!);
    other.count += chunk.count;
    other.prints = -1;
    collection.isHeadDirty = true;
    return true;
  }

  /** Writes a chunk, unless its row has just these entries. */
  #put(collection: Collection, chunk: Chunk, start: number, sizes?: readonly number[]): void {
    const bytes = sum(sizes ?? this.#sizes(collection, chunk, start));
    const met = this.#met.length > 0 ? new Set(this.#met) : NONE;
    this.#replace(collection.heldBy(chunk), met);
    chunk.bytes = bytes;
    chunk.held = met;
    if (chunk.dirtyFrom < chunk.count || chunk.count !== chunk.stored) {
      const key = collection.keyOf(chunk);
      checkRow(`${this.#store.field}, an entry,`, key, bytes);
      const part = collection.slice(chunk, start);
      this.#rows.put(key, met.size > 0 ? encodeMembers(part) : part);
    }
    chunk.stored = chunk.count;
    chunk.dirtyFrom = Infinity;
  }

  /** What became small enough lies in the row that holds it again. */
  #dissolve(collection: Collection): void {
    collection.complete();
    for (const chunk of collection.chunks) {
      this.#replace(collection.heldBy(chunk), NONE);
      this.#rows.delete(collection.keyOf(chunk), chunk.stored > 0);
    }
    this.#rows.delete(collection.key, collection.isStored);
    // What it held, the row that holds it points to from now on.
    collection.arrange([]);
    attach(collection.raw, undefined);
    if (collection.id === "") this.#store.mark();
    else mark(collection.raw);
  }
}

/** Deletes the rows of a collection and of those in it. */
export function freeRows(collection: Collection, rows: Rows): void {
  collection.open();
  for (const chunk of collection.chunks) {
    for (const inner of collection.heldBy(chunk)) freeRows(inner, rows);
    rows.delete(collection.keyOf(chunk), chunk.stored > 0);
  }
  rows.delete(collection.key, collection.isStored);
}

/** Tells whether a value of so many bytes has to be a collection: one with a single entry gains nothing by it. */
export function isTooLarge(value: unknown, bytes: number): value is object {
  if (bytes <= CHUNK_MAX || typeof value !== "object" || value === null || !isContainer(value)) return false;
  if (Array.isArray(value)) return value.length > 1;
  return (value instanceof Map || value instanceof Set ? value.size : Object.keys(value).length) > 1;
}

/** Tells whether a chunk became so small that a neighbour may take its entries; the last one is small when it begins. */
function hasShrunk({ chunks }: Collection, chunk: Chunk, bytes: number): boolean {
  if (bytes >= CHUNK_MAX / 4) return false;
  return chunk.count < chunk.stored || bytes < (chunk.bytes ?? (chunk === chunks.at(-1) ? 0 : Infinity));
}

function sum(sizes: readonly number[]): number {
  let bytes = 0;
  for (const size of sizes) bytes += size;
  return bytes;
}

/** Divides a chunk that is too large: what is added at the end fills chunks up, others get room to grow. */
function divide(collection: Collection, chunk: Chunk, sizes: readonly number[], isLast: boolean): Chunk[] {
  const bytes = sum(sizes);
  if (bytes <= CHUNK_MAX) return [chunk];
  const aim = isLast ? CHUNK_MAX : bytes / Math.ceil(bytes / ((CHUNK_MAX * 3) / 4));
  const ends: number[] = [];
  let inPart = 0;
  for (const [i, size] of sizes.entries()) {
    if (inPart > 0 && (inPart >= aim || inPart + size > CHUNK_MAX)) {
      ends.push(i);
      inPart = 0;
    }
    inPart += size;
  }
  ends.push(sizes.length);
  const { keys } = chunk;
  return ends.map((end, i) => {
    const from = ends[i - 1] ?? 0;
    const own = keys?.slice(from, end);
    if (i > 0) {
      const part = collection.newChunk(end - from, own);
      part.change(0);
      return part;
    }
    chunk.count = end;
    chunk.keys = own;
    chunk.prints = -1;
    return chunk;
  });
}

/** The plain value with pointers in place of the collections in it. */
export function encode(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return collectionOf(value)?.pointer ?? (isContainer(value) ? encodeMembers(value) : value);
}

function encodeMembers(container: object): unknown {
  return rebuild(container, (member) => encode(member));
}

/** @throws DurableError `too-large` for what doesn't fit the row of that key. */
export function checkRow(what: string, key: string, bytes: number): void {
  if (bytes + bytesOf(key) <= MAX_ROW) return;
  throw new DurableError(
    "too-large",
    `${what} takes ${bytes} bytes, more than the 2 MB of a row; the change was taken back. Split it over several fields or objects.`,
  );
}
