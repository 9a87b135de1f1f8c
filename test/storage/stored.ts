/** What lies in an object's storage, as `docs/storage-format.md` says. */
import { CHUNK_MAX } from "../../src/persisted/rows/layout.ts";
import { sizeOf } from "../../src/storage/size.ts";
import { readField } from "../formats/read-field.ts";
import { show } from "../persisted/model.ts";

const OWN = "durable-base:field:any";
const PARTS = "durable-base:part:any:";

/** The field `any` as text, read by the docs' reader: each of its rows is reached once, and none is too large. */
export function storedAny({ kv }: DurableObjectStorage): string {
  const parts = new Map(kv.list<object>({ prefix: PARTS }));
  const seen = new Set<string>();
  const get = (key: string): unknown => {
    if (!key.startsWith(PARTS)) return kv.get(key);
    const part = parts.get(key);
    if (part === undefined || seen.has(key)) throw new Error(`${key} is ${part === undefined ? "missing" : "shared"}`);
    seen.add(key);
    const count = countOf(part);
    const bytes = sizeOf(light(part));
    if (!tellsOfChunks(part) && (count === 0 || (count > 1 && bytes > CHUNK_MAX * 1.02)))
      throw new Error(`${key} takes ${bytes}, ${count} entries`);
    return part;
  };
  const found = show(readField(get, "any"));
  for (const key of parts.keys()) if (!seen.has(key)) throw new Error(`${key} is left behind`);
  const { rows } = kv.get<{ rows: Set<string> }>("durable-base:record")!;
  if (!rows.has("any") && kv.get(OWN) !== undefined) throw new Error(`${OWN} is left behind`);
  return found;
}

function countOf(part: object): number {
  if (Array.isArray(part)) return part.length;
  return part instanceof Map || part instanceof Set ? part.size : Object.keys(part).length;
}

/** Tells whether a row is a head or a page. */
function tellsOfChunks(part: object): boolean {
  return "ids" in part && "counts" in part;
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

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
