/** npm's `abstract-level` over `Storage`: a database is a prefix of keys in one object's storage. */
import { Buffer } from "node:buffer";
import {
  AbstractIterator,
  AbstractLevel,
  type AbstractBatchOperation,
  type AbstractDatabaseOptions,
  type AbstractIteratorOptions,
} from "abstract-level";
import * as Storage from "durable-base/storage";

/** How keys and values come from `abstract-level`: as text, or as bytes. */
export type Format = "utf8" | "view";
type Data = string | Uint8Array;
type Manifest = ConstructorParameters<typeof AbstractLevel>[0];
type Operation = AbstractBatchOperation<StorageLevel, Data, Data>;

/** A range as `abstract-level` hands it on; no limit is -1. */
interface Range {
  gt?: Data;
  gte?: Data;
  lt?: Data;
  lte?: Data;
  reverse: boolean;
  limit: number;
}

export class StorageLevel extends AbstractLevel<Data> {
  readonly #handle: Storage.StorageHandle;
  readonly #prefix: string;
  readonly #format: Format;

  constructor(
    handle: Storage.StorageHandle,
    prefix: string,
    { manifest, ...options }: AbstractDatabaseOptions<string, string> & { manifest: Manifest },
  ) {
    super(manifest, options);
    this.#handle = handle;
    this.#prefix = prefix;
    this.#format = manifest.encodings?.view === true ? "view" : "utf8";
  }

  async _get(key: Data): Promise<unknown> {
    return this._getSync(key);
  }

  _getSync(key: Data): unknown {
    return Storage.get(this.#handle, this.#keyOf(key));
  }

  async _getMany(keys: Data[]): Promise<unknown[]> {
    const names = keys.map((key) => this.#keyOf(key));
    const found = Storage.getMany(this.#handle, names);
    return names.map((name) => found.get(name));
  }

  async _has(key: Data): Promise<boolean> {
    return Storage.has(this.#handle, this.#keyOf(key));
  }

  async _hasMany(keys: Data[]): Promise<boolean[]> {
    return keys.map((key) => Storage.has(this.#handle, this.#keyOf(key)));
  }

  async _put(key: Data, value: Data): Promise<void> {
    Storage.put(this.#handle, this.#keyOf(key), value);
  }

  async _del(key: Data): Promise<void> {
    Storage.delete(this.#handle, this.#keyOf(key));
  }

  async _batch(operations: Operation[]): Promise<void> {
    Storage.batch(
      this.#handle,
      operations.map((operation) =>
        operation.type === "put"
          ? { put: this.#keyOf(operation.key), value: operation.value }
          : { delete: this.#keyOf(operation.key) },
      ),
    );
  }

  async _clear({ limit, ...range }: Range): Promise<void> {
    Storage.clear(this.#handle, { ...this.#optionsOf(range), limit: limit === -1 ? Infinity : limit });
  }

  _iterator(range: Range & AbstractIteratorOptions<Data, Data>): StorageIterator {
    return new StorageIterator(this, range, {
      options: this.#optionsOf(range),
      list: (options) => Storage.list<Data>(this.#handle, options),
      keyOf: (key) => this.#keyOf(key),
      dataOf: (key) => this.#dataOf(key),
    });
  }

  /** The key in storage. Each byte is a character, so that bytes and the UTF-8 of these sort alike. */
  #keyOf(key: Data): string {
    return this.#prefix + (typeof key === "string" ? key : Buffer.from(key).toString("latin1"));
  }

  #dataOf(key: string): Data {
    const name = key.slice(this.#prefix.length);
    return this.#format === "view" ? Uint8Array.from(Buffer.from(name, "latin1")) : name;
  }

  #optionsOf({ gt, gte, lt, lte, reverse }: Omit<Range, "limit">): Storage.ListOptions {
    const options: Storage.ListOptions = { prefix: this.#prefix, reverse };
    if (gte !== undefined) options.start = this.#keyOf(gte);
    else if (gt !== undefined) options.startAfter = this.#keyOf(gt);
    if (lte !== undefined) options.end = after(this.#keyOf(lte));
    else if (lt !== undefined) options.end = this.#keyOf(lt);
    return options;
  }
}

/** What an iterator needs of its database. */
interface Source {
  options: Storage.ListOptions;
  list(options: Storage.ListOptions): Iterator<[string, Data]>;
  keyOf(key: Data): string;
  dataOf(key: string): Data;
}

class StorageIterator extends AbstractIterator<StorageLevel, Data, Data> {
  readonly #source: Source;
  #entries: Iterator<[string, Data]>;

  constructor(db: StorageLevel, options: AbstractIteratorOptions<Data, Data>, source: Source) {
    super(db, options);
    this.#source = source;
    this.#entries = source.list(source.options);
  }

  async _next(): Promise<[Data, Data] | undefined> {
    const { done, value } = this.#entries.next();
    return done === true ? undefined : [this.#source.dataOf(value[0]), value[1]];
  }

  _seek(target: Data): void {
    const { list, options } = this.#source;
    const key = this.#source.keyOf(target);
    const { startAfter: _, ...others } = options;
    if (!isWithin(key, options)) this.#entries = [].values();
    else if (options.reverse === true) this.#entries = list({ ...options, end: after(key) });
    else this.#entries = list({ ...others, start: key });
  }
}

function isWithin(key: string, { start, startAfter, end }: Storage.ListOptions): boolean {
  if (start !== undefined && isBefore(key, start)) return false;
  if (startAfter !== undefined && !isBefore(startAfter, key)) return false;
  return end === undefined || isBefore(key, end);
}

function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}

/** The key next to `key`: nothing fits between. */
function after(key: string): string {
  return `${key}\0`;
}
