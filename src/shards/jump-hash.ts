/**
 * @module
 * The shard of a key: the jump consistent hash (Lamping and Veach, 2014) of the key's 64-bit FNV-1a hash.
 */
import { DurableError, quote } from "../core/errors.ts";

const encoder = new TextEncoder();

/**
 * Returns the 64-bit FNV-1a hash of a key's UTF-8 bytes.
 *
 * @throws DurableError `bad-key` when the key isn't a string, or has a lone surrogate.
 */
export function hash(key: string): bigint {
  if (typeof key !== "string" || !key.isWellFormed()) {
    throw new DurableError(
      "bad-key",
      `shards: the key ${quote(key)} isn't a well-formed string. Pass one: \`byKey(String(user.id))\`.`,
    );
  }
  let hashed = 0xcbf29ce484222325n;
  for (const byte of encoder.encode(key)) hashed = BigInt.asUintN(64, (hashed ^ BigInt(byte)) * 0x100000001b3n);
  return hashed;
}

/** Returns which of `count` buckets has a hash. */
export function jump(hashed: bigint, count: number): number {
  let [bucket, next] = [0, 0];
  while (next < count) {
    bucket = next;
    hashed = BigInt.asUintN(64, hashed * 2862933555777941757n + 1n);
    next = Math.floor((bucket + 1) * (2 ** 31 / (Number(hashed >> 33n) + 1)));
  }
  return bucket;
}
