/**
 * @module
 * Which values are tracked, and how to get a plain copy of them.
 *
 * Lower than the tracking itself, so that every floor can unwrap what it hands to the platform.
 */

const rawOf = new WeakMap<object, object>();

/** Remembers that `tracked` (a Proxy or a tracked Date) stands for `raw`, a plain tree that it owns. */
export function markTracked(tracked: object, raw: object): void {
  rawOf.set(tracked, raw);
}

/** The plain tree behind a tracked value; undefined for any other value. */
export function rawBehind(value: object): object | undefined {
  return rawOf.get(value);
}

/** Copies a tree of plain data: no cycles, nothing tracked, only what a field can hold. */
export function copyPlain<T>(value: T): T;
export function copyPlain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const copy: unknown[] = new Array(value.length);
    // Holes stay holes.
    for (let i = 0; i < value.length; i++) if (i in value) copy[i] = copyPlain(value[i]);
    return copy;
  }
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    for (const [key, item] of value) copy.set(copyPlain(key), copyPlain(item));
    return copy;
  }
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    for (const item of value) copy.add(copyPlain(item));
    return copy;
  }
  if (value instanceof Date) return new Date(value.getTime());
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null) return structuredClone(value);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) setOwn(copy, key, copyPlain((value as Record<string, unknown>)[key]));
  return copy;
}

/** Sets an own property, also one called `__proto__`, which a plain assignment would take for the prototype. */
export function setOwn(object: object, key: PropertyKey, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else (object as Record<PropertyKey, unknown>)[key] = value;
}

/** Tells whether `value` is an array, Map, Set or plain object: something whose members are worth a look. */
export function isContainer(value: object): boolean {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

/** The members of a container: elements, keys and values, or own enumerable properties. */
function* members(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) yield* value;
  else if (value instanceof Map) for (const [key, item] of value) (yield key, yield item);
  else for (const key of Object.keys(value)) yield (value as Record<string, unknown>)[key];
}

/** What to put in place of a value that is no container; the same value to leave it. */
export type Replace = (value: object | ((...args: never[]) => unknown)) => unknown;

/**
 * A copy of `value` in which every tracked value is a plain one and `replace` has seen everything that
 * is no container; `value` itself when there is nothing to change. Follows cycles and shared parts.
 */
export function unwrap(value: unknown, replace: Replace): unknown {
  if (isPrimitive(value)) return value;
  const raw = rawOf.get(value);
  if (raw !== undefined) return copyPlain(raw);
  if (typeof value === "function" || !isContainer(value)) return replace(value);
  return holdsOther(value, replace, new Set()) ? rebuild(value, replace, new Map()) : value;
}

/**
 * Gives a detached plain copy of a value read from a persisted field.
 *
 * Later changes of the field don't reach the copy and changes of the copy don't reach the field. A value
 * that holds tracked values somewhere inside is copied as far as needed; any other value is returned as it is.
 *
 * @example
 * ```ts
 * const before = snapshot(this.todos);   // a real Map with real objects
 * ```
 */
export function snapshot<T>(value: T): T {
  return unwrap(value, (other) => other) as T;
}

function isPrimitive(value: unknown): value is string | number | bigint | boolean | symbol | null | undefined {
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

function holdsOther(value: object, replace: Replace, seen: Set<object>): boolean {
  seen.add(value);
  for (const member of members(value)) {
    if (isPrimitive(member) || seen.has(member)) continue;
    if (rawOf.has(member)) return true;
    if (typeof member === "function" || !isContainer(member)) {
      if (replace(member) !== member) return true;
    } else if (holdsOther(member, replace, seen)) return true;
  }
  return false;
}

function rebuild(value: unknown, replace: Replace, done: Map<object, unknown>): unknown {
  if (isPrimitive(value)) return value;
  if (done.has(value)) return done.get(value);
  const raw = rawOf.get(value);
  const whole = raw !== undefined ? copyPlain(raw) : undefined;
  const other = whole ?? (typeof value === "function" || !isContainer(value) ? replace(value) : undefined);
  if (other !== undefined) {
    done.set(value, other);
    return other;
  }
  const again = (member: unknown): unknown => rebuild(member, replace, done);
  if (Array.isArray(value)) {
    const copy: unknown[] = new Array(value.length);
    done.set(value, copy);
    for (let i = 0; i < value.length; i++) if (i in value) copy[i] = again(value[i]);
    return copy;
  }
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    done.set(value, copy);
    for (const [key, item] of value) copy.set(again(key), again(item));
    return copy;
  }
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    done.set(value, copy);
    for (const item of value) copy.add(again(item));
    return copy;
  }
  const copy: Record<string, unknown> = {};
  done.set(value, copy);
  for (const key of Object.keys(value)) setOwn(copy, key, again((value as Record<string, unknown>)[key]));
  return copy;
}
