/** Helpers for tests that use the fields of `AccessorThings`, inside the object and after an eviction. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, snapshot } from "durable-base";
import { expect } from "vitest";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { show } from "./model.ts";

/** Makes a function that returns a new object at each call; `prefix` is the test file's own. */
export function freshThings(prefix: string): () => DurableObjectStub<AccessorThings> {
  let nth = 0;
  return () => env.ACCESSOR_THINGS.getByName(`${prefix} ${nth++}`);
}

/** Runs `work` in the object, outside of any entry. */
export function inObject<R>(
  stub: DurableObjectStub<AccessorThings>,
  work: (self: AccessorThings, storage: DurableObjectStorage) => R | Promise<R>,
): Promise<R> {
  return runInDurableObject<AccessorThings, R>(stub, (self, { storage }) => work(self, storage));
}

/** Runs `work` in the object, as an entry. */
export function inside<R>(
  stub: DurableObjectStub<AccessorThings>,
  work: (self: AccessorThings) => R | Promise<R>,
): Promise<R> {
  return inObject(stub, (self) => self.run(work));
}

/** The code of the error that a call throws or rejects with. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    return DurableError.is(error) ? error.code : String(error);
  }
  return "no error";
}

/** Lets every `put` fail until the result is called. */
export function failPuts({ kv }: DurableObjectStorage): () => void {
  const { put } = kv;
  kv.put = () => {
    throw new Error("disk full");
  };
  return () => (kv.put = put);
}

/** Returns `read`'s result in memory as text, which must be the same after an eviction. */
export async function agreed(
  stub: DurableObjectStub<AccessorThings>,
  read: (self: AccessorThings) => unknown,
): Promise<string> {
  const memory = await inside(stub, (self) => show(snapshot(read(self))));
  await evictDurableObject(stub);
  expect(await inside(stub, (self) => show(snapshot(read(self))))).toBe(memory);
  return memory;
}
