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
    const met: Collection[] = [];
    const bytes = this.#fit(value, met);
    const found = met.length > 0 ? new Set(met) : NONE;
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

  /** The bytes that a value takes in the row that holds it, once its large containers are collections, which `met` gets. */
  #fit(value: unknown, met: Collection[]): number {
    if (typeof value !== "object" || value === null) return sizeOf(value);
    const collection = collectionOf(value);
    if (collection !== undefined) {
      met.push(collection);
      return POINTER;
    }
    return isContainer(value) ? 8 + sum(this.#sizes(value, met)) : sizeOf(value);
  }

  /** The bytes that each entry of a container takes; an object's in the order of `keys`, as its own order puts numbers first. */
  #sizes(container: object, met: Collection[], keys?: ReadonlySet<unknown>): number[] {
    const sizes: number[] = [];
    const add = (member: unknown, bytesOfKey = 0): void => {
      const { length } = met;
      let bytes = this.#fit(member, met);
      if (isTooLarge(member, bytes)) {
        // Its own rows point to the collections inside it.
        met.length = length;
        met.push(this.make(member));
        bytes = POINTER;
      }
      sizes.push(bytesOfKey + bytes);
    };
    // Loops, which take a third of the time that `Array.from` takes.
    if (container instanceof Map) for (const [key, member] of container) add(member, sizeOf(key));
    else if (Array.isArray(container) || container instanceof Set) for (const member of container) add(member);
    else
      for (const key of (keys ?? Object.keys(container)) as Iterable<string>)
        add(Reflect.get(container, key), sizeOfString(key));
    return sizes;
  }

  #write(collection: Collection): void {
    const { touched } = collection;
    for (const chunk of collection.dropEmpty()) this.#free(collection, chunk);
    const { chunks } = collection;
    // Dividing and joining touch more of them, which are written after the others.
    while (touched.size > 0) {
      // In order, so that each is found, and its first entry counted, from the one before it on.
      const batch = touched.size === 1 ? [...touched] : chunks.filter((chunk) => touched.has(chunk));
      let at = 0;
      for (const chunk of batch) {
        touched.delete(chunk);
        at = chunks.indexOf(chunk, at);
        this.#writeChunk(collection, at);
      }
    }
    if (chunks.length === 0 || (chunks.length === 1 && (chunks[0]!.bytes ?? Infinity) <= CHUNK_MAX / 2)) {
      this.#dissolve(collection);
    } else if (collection.isHeadDirty) {
      this.#writeHead(collection);
    }
  }

  /** Writes a chunk, unless its row has just these entries; divides a large one, and drops one that joins another. */
  #writeChunk(collection: Collection, at: number): void {
    const { chunks } = collection;
    const chunk = chunks[at]!;
    const part = collection.slice(at);
    const met: Collection[] = [];
    const sizes = this.#sizes(part, met, chunk.keys);
    const bytes = sum(sizes);
    if (hasShrunk(collection, chunk, bytes) && this.#joins(collection, at, bytes)) {
      this.#free(collection, chunk);
      collection.arrange(at, []);
      return;
    }
    const isLast = at === chunks.length - 1;
    if (bytes > CHUNK_MAX && chunk.count > 1) {
      collection.arrange(at, divide(collection, chunk, sizes, isLast));
      return;
    }
    const before = collection.heldBy(chunk);
    chunk.held = met.length > 0 ? new Set(met) : NONE;
    this.#replace(before, chunk.held);
    chunk.bytes = bytes;
    // A copy of what was stored, assigned in its place, has other collections in it.
    if (chunk.isDirty || chunk.count !== chunk.stored || met.some((inner) => !before.has(inner))) {
      const key = collection.keyOf(chunk);
      checkRow(`${this.#store.field}, an entry,`, key, bytes);
      this.#rows.put(key, met.length > 0 ? encodeMembers(part) : part);
    }
    // The head may be out of date about the first and the last.
    if (Array.isArray(part) && at > 0 && !isLast && chunk.count !== chunk.stored) collection.isHeadDirty = true;
    chunk.stored = chunk.count;
    chunk.isDirty = false;
  }

  #writeHead(collection: Collection): void {
    // `map` may make an array of doubles, which take three times the bytes.
    const ids = Array.from(collection.chunks, ({ id }) => id);
    const head = { chunks: collection.kind, ids, ...collection.describe() };
    const bytes = sizeOf(ids) + sizeOf(head.counts) + sizeOf(head.prints);
    checkRow(`${this.#store.field}, the list of its chunks,`, collection.key, bytes);
    this.#rows.put(collection.key, head);
    collection.isHeadDirty = false;
    collection.isStored = true;
  }

  /** Moves the entries of a small chunk to the one before or behind, if they fit well. */
  #joins(collection: Collection, at: number, bytes: number): boolean {
    const place = at === 0 ? 1 : at - 1;
    const [chunk, other] = [collection.chunks[at]!, collection.chunks[place]];
    if (other === undefined) return false;
    try {
      collection.load(place);
    } catch (error) {
      // It stays as it is.
      if (DurableError.is(error, "field-unreadable")) return false;
      throw error;
    }
    const met: Collection[] = [];
    const fits = bytes + sum(this.#sizes(collection.slice(place), met)) <= (CHUNK_MAX * 3) / 4;
    // A collection that was made just now is reached by a pointer in this row alone.
    if (met.some((inner) => !collection.heldBy(other).has(inner))) collection.touched.add(other);
    if (!fits) return false;
    const [first, second] = at === 0 ? [chunk, other] : [other, chunk];
    if (first.keys !== undefined) other.keys = new Set([...first.keys, ...second.keys!]);
    other.count += chunk.count;
    other.isDirty = true;
    other.prints = -1;
    collection.touched.add(other);
    return true;
  }

  /** Deletes the row of a chunk. */
  #free(collection: Collection, chunk: Chunk): void {
    this.#replace(collection.heldBy(chunk), NONE);
    this.#rows.delete(collection.keyOf(chunk), chunk.stored > 0);
  }

  /** What became small enough lies in the row that holds it again. */
  #dissolve(collection: Collection): void {
    collection.complete();
    for (const chunk of collection.chunks) this.#free(collection, chunk);
    this.#rows.delete(collection.key, collection.isStored);
    // What it held, the row that holds it points to from now on.
    collection.chunks = [];
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
  const keys = chunk.keys && [...chunk.keys];
  return ends.map((end, i) => {
    const from = ends[i - 1] ?? 0;
    const own = keys && new Set(keys.slice(from, end));
    // The first part keeps the row.
    return i > 0 ? collection.newChunk(end - from, own) : Object.assign(chunk, { count: end, keys: own, prints: -1 });
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
