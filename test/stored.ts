/** What lies in an object's storage, as `docs/storage-format.md` says. */
import { CHUNK_MAX } from "../src/persisted/layout.ts";
import { sizeOf } from "../src/storage/size.ts";
import { show } from "./model.ts";

/** The field `any` as text, read from its rows without the library: each is reached once, and none is too large. */
export function storedAny({ kv }: DurableObjectStorage): string {
  const parts = new Map(kv.list({ prefix: "durable-base:part:any:" }));
  const record = kv.get<{ fields: Record<string, unknown>; rows: Set<string> }>("durable-base:record")!;
  const seen = new Set<string>();
  const idsOf = ({ pages, ids }: { pages: number[]; ids: number[] }, prefix: string): number[] => [
    ...pages.flatMap((page) => {
      const key = `durable-base:part:any:${prefix}${page}`;
      seen.add(key);
      return (parts.get(key) as { ids: number[] }).ids;
    }),
    ...ids,
  ];
  const whole = (value: unknown, prefix: string): unknown => {
    const head = value as { chunks?: unknown; pages: number[]; ids: number[] };
    if (typeof value !== "object" || value === null || !(head.chunks instanceof String)) return deep(value);
    const chunks = idsOf(head, prefix).map((id) => {
      const key = `durable-base:part:any:${prefix}${id}`;
      if (seen.has(key) || !parts.has(key)) throw new Error(`${key} is ${seen.has(key) ? "shared" : "missing"}`);
      seen.add(key);
      const part = parts.get(key) as object;
      const count = Array.isArray(part)
        ? part.length
        : part instanceof Map || part instanceof Set
          ? part.size
          : Object.keys(part).length;
      if (count === 0 || (count > 1 && sizeOf(light(part)) > CHUNK_MAX * 1.02))
        throw new Error(`${key} takes ${sizeOf(light(part))}, ${count} entries`);
      return deep(part);
    });
    if (Array.isArray(chunks[0])) return (chunks as unknown[][]).flat(1);
    if (chunks[0] instanceof Map) return new Map((chunks as Map<unknown, unknown>[]).flatMap((chunk) => [...chunk]));
    if (chunks[0] instanceof Set) return new Set((chunks as Set<unknown>[]).flatMap((chunk) => [...chunk]));
    return Object.assign({}, ...chunks) as unknown;
  };
  const deep = (value: unknown): unknown => {
    if (value instanceof String) {
      const key = `durable-base:part:any:${value.slice(1)}`;
      if (seen.has(key) || !parts.has(key)) throw new Error(`${key} is ${seen.has(key) ? "shared" : "missing"}`);
      seen.add(key);
      return whole(parts.get(key), `${value.slice(1)}.`);
    }
    if (Array.isArray(value)) return Array.from(value, (item, i) => (i in value ? deep(item) : HOLE));
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, deep(item)]));
    if (value instanceof Set) return new Set([...value].map(deep));
    if (isPlain(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, deep(item)]));
    return value;
  };
  const stored = record.rows.has("any") ? kv.get("durable-base:field:any") : record.fields["any"];
  const found = show(whole(stored, ""));
  for (const key of parts.keys()) if (!seen.has(key)) throw new Error(`${key} is left behind`);
  if (!record.rows.has("any") && kv.get("durable-base:field:any") !== undefined)
    throw new Error("durable-base:field:any is left behind");
  return found.replaceAll(show(HOLE), "hole");
}

/** The same with a short text in place of each pointer. */
function light(value: unknown): unknown {
  if (value instanceof String) return "x".repeat(20);
  if (Array.isArray(value)) return Array.from(value, light);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, light(item)]));
  if (value instanceof Set)
    return new Set([...value].map((item, i) => (item instanceof String ? `${i}`.padEnd(20) : light(item))));
  if (isPlain(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, light(item)]));
  return value;
}

const HOLE = { hole: true };

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
