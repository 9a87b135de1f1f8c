/** An object's storage for tests of fields: rows can be damaged, and classes wake up on it one after the other. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase } from "durable-base";

export const RECORD = "durable-base:record";

/** A class whose fields a test changes in an entry. */
export abstract class OnDisk extends DurableBase {
  run<R>(work: (self: this) => R): R {
    return work(this);
  }
}

export interface Disk {
  readonly kv: SyncKvStorage;
  /** Keys whose rows can't be read, until they are deleted. */
  readonly damaged: Set<string>;
  /** The key of each row that was written, or deleted with a "-" before it. */
  readonly written: string[];
  /** Makes an object of the class, as after an eviction. */
  wake<T extends OnDisk>(cls: new (ctx: DurableObjectState, env: Cloudflare.Env) => T): Promise<T>;
  keys(prefix: string): string[];
  /** The fields in the record. */
  fields(): Record<string, unknown>;
}

/** Runs `work` on an empty storage of its own. */
export async function onDisk(work: (disk: Disk) => Promise<void>): Promise<void> {
  await runInDurableObject(env.PROBE.getByName(`disk ${crypto.randomUUID()}`), async (_, state) => {
    const { kv } = state.storage;
    const damaged = new Set<string>();
    const written: string[] = [];
    const { get, put, delete: remove } = kv;
    kv.get = <T>(key: string): T | undefined => {
      if (damaged.has(key)) throw new Error("cannot decode");
      return get.call(kv, key) as T | undefined;
    };
    kv.put = (key: string, value: unknown) => {
      written.push(key);
      put.call(kv, key, value);
    };
    kv.delete = (key: string) => {
      damaged.delete(key);
      written.push(`-${key}`);
      return remove.call(kv, key);
    };
    await work({
      kv,
      damaged,
      written,
      wake: async (cls) => {
        const object = new cls(state, env);
        await scheduler.wait(0);
        return object;
      },
      keys: (prefix) => [...kv.list({ prefix })].map(([key]) => key),
      fields: () => (get.call(kv, RECORD) as { fields: Record<string, unknown> }).fields,
    });
  });
}

/** A list whose texts are all different: from 400 on, it takes several rows. */
export function manyTexts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `entry ${i}`);
}
