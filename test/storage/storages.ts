/** What the tests of `Storage` share. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, type ErrorCode } from "durable-base";
import * as Storage from "durable-base/storage";
import { thrownBy } from "../error-of.ts";

/** Runs `work` in an object of its own that has none of our base class. */
export async function within<Result>(
  name: string,
  work: (ctx: DurableObjectState) => Result,
): Promise<Awaited<Result>> {
  return await runInDurableObject(env.PROBE.getByName(`storage ${name}`), async (_, ctx) => await work(ctx));
}

/** The error of ours that `act` throws; any other is thrown on. */
export function errorOf(act: () => unknown): DurableError {
  const error = thrownBy(act);
  if (DurableError.is(error)) return error;
  throw error;
}

export function codeOf(act: () => unknown): ErrorCode {
  return errorOf(act).code;
}

export function keysOf(ctx: DurableObjectState, options?: Storage.ListOptions): string[] {
  return Array.from(Storage.list(ctx, options), ([key]) => key);
}

/** The order of storage: by the bytes of UTF-8. */
export function byBytes(a: string, b: string): number {
  const bytes = (key: string): string => String.fromCharCode(...new TextEncoder().encode(key));
  return bytes(a) < bytes(b) ? -1 : bytes(a) > bytes(b) ? 1 : 0;
}
