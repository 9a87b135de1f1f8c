/** The value of a row; undefined when there is none. */
type Get = (key: string) => unknown;

/** A field's stored value; `adopted` is the option `key` of a field that has one. */
export function readField(get: Get, name: string, adopted?: string): unknown {
  const record = get("durable-base:record") as
    | {
        fields: Record<string, unknown>;
        rows: Set<string>;
        keys?: Record<string, string>;
        unreadable?: Record<string, unknown>;
      }
    | undefined;
  if (adopted !== undefined && record?.unreadable?.[adopted] === undefined) {
    const value = get(adopted);
    if (value !== undefined) return value;
  }
  if (record === undefined) return undefined;
  const own = record.keys?.[name] ?? `durable-base:field:${name}`;
  return whole(get, own, record.rows.has(name) ? get(own) : record.fields[name]);
}

/** What is stored, with its parts in their places; `own` is the key of the row that the keys of the parts come from. */
export function whole(get: Get, own: string, stored: unknown): unknown {
  const part = (id: string | number): unknown => get(`${own.replace("field", "part")}:${id}`);
  return collected(stored, "");

  /** A value that has a row of its own, which may be the head of a collection. */
  function collected(value: unknown, prefix: string): unknown {
    const head = value as { chunks?: unknown; ids: number[] } | null | undefined;
    // A pointer, in an object of the user's, is longer than any kind.
    if (!(head?.chunks instanceof String) || head.chunks.length > 8) return inlined(value);
    const chunks = head.ids.map((id) => inlined(part(`${prefix}${id}`)));
    switch (String(head.chunks)) {
      case "array":
        // Not `flat()`, which drops holes.
        return ([] as unknown[]).concat(...(chunks as unknown[][]));
      case "map":
        return new Map((chunks as Map<unknown, unknown>[]).flatMap((chunk) => [...chunk]));
      case "set":
        return new Set((chunks as Set<unknown>[]).flatMap((chunk) => [...chunk]));
      default:
        return Object.fromEntries((chunks as object[]).flatMap((chunk) => Object.entries(chunk)));
    }
  }

  /** A value with what its pointers point to. */
  function inlined(value: unknown): unknown {
    if (value instanceof String) return collected(part(value.slice(1)), `${value.slice(1)}.`);
    if (Array.isArray(value)) return value.map(inlined);
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, inlined(item)]));
    if (value instanceof Set) return new Set([...value].map(inlined));
    if (Object.prototype.toString.call(value) !== "[object Object]") return value;
    return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, inlined(item)]));
  }
}
