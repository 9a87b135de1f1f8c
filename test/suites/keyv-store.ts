/** A store for npm's `keyv` over `Storage`: all of its keys lie under one prefix. */
import { EventEmitter } from "node:events";
import * as Storage from "durable-base/storage";
import type { KeyvStoreAdapter, StoredData } from "keyv";

const PREFIX = "keyv/";

export class StorageStore extends EventEmitter implements KeyvStoreAdapter {
  /** Keyv iterates over stores of the databases that it knows. */
  readonly opts = { dialect: "sqlite" };
  /** Set by Keyv, which puts it before each key, too. */
  namespace?: string;
  readonly #handle: Storage.StorageHandle;

  constructor(handle: Storage.StorageHandle) {
    super();
    this.#handle = handle;
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    return Storage.get<StoredData<Value>>(this.#handle, PREFIX + key);
  }

  async getMany<Value>(keys: string[]): Promise<StoredData<Value | undefined>[]> {
    const found = Storage.getMany<StoredData<Value>>(this.#handle, keys.map(under));
    return keys.map((key) => found.get(PREFIX + key));
  }

  async set(key: string, value: unknown): Promise<void> {
    Storage.put(this.#handle, PREFIX + key, value);
  }

  async setMany(entries: { key: string; value: unknown }[]): Promise<void> {
    Storage.putMany(
      this.#handle,
      entries.map(({ key, value }) => [PREFIX + key, value] as const),
    );
  }

  async delete(key: string): Promise<boolean> {
    return Storage.delete(this.#handle, PREFIX + key);
  }

  async deleteMany(keys: string[]): Promise<boolean> {
    return Storage.deleteMany(this.#handle, keys.map(under)) === keys.length;
  }

  async has(key: string): Promise<boolean> {
    return Storage.has(this.#handle, PREFIX + key);
  }

  async clear(): Promise<void> {
    Storage.clear(this.#handle, { prefix: prefixOf(this.namespace) });
  }

  async *iterator<Value>(namespace?: string): AsyncGenerator<(string | Awaited<Value> | undefined)[], void> {
    for (const [key, value] of Storage.list<Awaited<Value>>(this.#handle, { prefix: prefixOf(namespace) })) {
      yield [key.slice(PREFIX.length), value];
    }
  }
}

const under = (key: string): string => PREFIX + key;

function prefixOf(namespace: string | undefined): string {
  return namespace === undefined ? PREFIX : `${PREFIX}${namespace}:`;
}
