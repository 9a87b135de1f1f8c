/**
 * @module
 * The registry of tracked values and handles, and plain copies of them.
 *
 * It is in a lower layer than the tracking itself, so that every layer can unwrap values for the platform.
 */

const rawOf = new WeakMap<object, object>();

/** Remembers that `tracked` (a Proxy, or a Date with setters of ours) stands for `raw`, a plain tree that it owns. */
export function markTracked(tracked: object, raw: object): void {
  rawOf.set(tracked, raw);
}

/** The plain tree behind a tracked value; undefined for any other value. */
export function rawBehind(value: object): object | undefined {
  return rawOf.get(value);
}

const nativeOf = new WeakMap<object, Holder>();

/** Makes the native stubs of a handle. */
interface Holder {
  /** Makes a native stub: the handle's own may have met a reset meanwhile. */
  open(): object;
  /** Makes a native stub that replaces the handle's own. */
  renew(): object;
}

/** Remembers that `handle` crosses to other objects as the native stub that `holder` opens. */
export function markHandle(handle: object, holder: Holder): void {
  nativeOf.set(handle, holder);
}

/** Returns true for a handle, whatever it is asked about its own properties. */
export function isHandle(value: object): boolean {
  return nativeOf.has(value);
}

/** A fresh native stub for a handle; undefined for any other value. */
export function renewedBehind(value: object): object | undefined {
  return nativeOf.get(value)?.renew();
}

/** Returns a fresh native stub of a handle's object, and keeps the handle's own; undefined for any other value. */
export function nativeBehind(value: object): object | undefined {
  return nativeOf.get(value)?.open();
}

/** Returns the value that crosses in place of a tracked value or a handle; undefined for any other value. */
function standIn(value: object): unknown {
  const raw = rawOf.get(value);
  return raw === undefined ? nativeBehind(value) : copyPlain(raw);
}

/** By raw container: what loads the entries that are not there yet. */
const loaders = new WeakMap<object, Loader>();

/** What loads the rest of a container. */
interface Loader {
  /** Loads every entry that is not there yet. */
  complete(): void;
}

/** Sets the loader for the rest of a raw container; undefined if it is fully loaded. */
export function loadBy(raw: object, loader: Loader | undefined): void {
  if (loader === undefined) loaders.delete(raw);
  else loaders.set(raw, loader);
}

/** Returns the loader for the rest of a raw container. */
export function loadedBy(raw: object): Loader | undefined {
  return loaders.get(raw);
}

/** The plain value behind a tracked one, or the value itself, with all its own entries there. */
export function wholeBehind(value: object): object {
  const raw = rawOf.get(value) ?? value;
  loaders.get(raw)?.complete();
  return raw;
}

/** The platform's Date. A test's fake clock replaces the global one, and copies outlive the clock. */
export const NativeDate: DateConstructor = structuredClone(new Date(0)).constructor as DateConstructor;

/** Copies a tree of plain data: no cycles, nothing tracked, only what a field can hold. */
export function copyPlain<T>(value: T): T;
export function copyPlain(value: unknown): unknown {
  if (isPrimitive(value)) return value;
  if (isContainer(value)) return rebuild(value, copyPlain);
  return value instanceof Date ? new NativeDate(value.getTime()) : structuredClone(value);
}

/**
 * A container like `value` with `each` of its members; holes stay holes. `begin` gets the new container
 * while it is still empty.
 */
export function rebuild<T extends object>(
  value: T,
  each: (member: unknown, key: PropertyKey) => unknown,
  begin?: (copy: T) => void,
): T;
export function rebuild(
  value: object,
  each: (member: unknown, key: PropertyKey) => unknown,
  begin?: (copy: object) => void,
): object {
  loaders.get(value)?.complete();
  const copy = emptyLike(value);
  // Holes at the end stay, too.
  if (Array.isArray(copy)) copy.length = (value as unknown[]).length;
  begin?.(copy);
  if (copy instanceof Map) {
    for (const [key, item] of value as Map<unknown, unknown>) copy.set(each(key, "key"), each(item, nameOf(key)));
  } else if (copy instanceof Set) {
    for (const item of value as Set<unknown>) copy.add(each(item, nameOf(item)));
  } else {
    for (const key of Object.keys(value)) setOwn(copy, key, each((value as Record<string, unknown>)[key], key));
  }
  return copy;
}

/** An empty container of the same kind. */
export function emptyLike(value: object): object {
  if (Array.isArray(value)) return [];
  return value instanceof Map ? new Map() : value instanceof Set ? new Set() : {};
}

/** A key or Set member as a step of a path. */
export function nameOf(key: unknown): PropertyKey {
  return isPrimitive(key) ? String(key) : "value";
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

/** Returns true if an object has the hidden disposer that the platform adds to the result of a stub's call. */
export function hasHiddenDisposer(value: object): boolean {
  const property = Object.getOwnPropertyDescriptor(value, Symbol.dispose);
  return property?.enumerable === false && property.value !== undefined;
}

/** What to put in place of a value that is no container; the same value to leave it. */
export type Replace = (value: object | ((...args: never[]) => unknown)) => unknown;

/**
 * A copy of `value` in which every tracked value is a plain one, every object has a prototype, and `replace` has seen
 * everything that isn't a container; `value` itself when there is nothing to change. Follows cycles and shared parts.
 */
export function unwrap(
  value: unknown,
  replace: Replace,
  { isOpen = isContainer, isCopied = false }: UnwrapOptions = {},
): unknown {
  if (isPrimitive(value)) return value;
  const other = standIn(value);
  if (other !== undefined) return other;
  if (!isOpen(value)) return replace(value);
  const rules = { replace, isOpen };
  return isCopied || holdsOther(value, rules, new Set()) ? unwrapAll(value, rules, new Map()) : value;
}

/**
 * Gives a detached plain copy of a value read from a persisted field.
 *
 * Later changes of the field don't reach the copy and changes of the copy don't reach the field. A value
 * that holds tracked values or objects without prototype somewhere inside is copied as far as needed, so that it can
 * be passed to another object; any other value is returned as it is.
 *
 * @example
 * ```ts
 * const before = snapshot(this.todos);   // a real Map with real objects
 * ```
 */
export function snapshot<T>(value: T): T {
  return unwrap(value, (other) => other) as T;
}

let giveOut: (value: unknown) => unknown = snapshot;

/** Says what {@link outgoing} does; `entry/results.ts` does, so that handles alone don't need entries. */
export function giveOutBy(give: (value: unknown) => unknown): void {
  giveOut = give;
}

/**
 * What to pass to another object in place of `value`: plain data for tracked values and, inside an entry,
 * functions and RpcTargets whose later calls are entries.
 */
export function outgoing(value: unknown): unknown {
  return isPrimitive(value) ? value : giveOut(value);
}

type Primitive = string | number | bigint | boolean | symbol | null | undefined;

/** Tells whether a value is no object, so that nothing inside it can change. */
export function isPrimitive(value: unknown): value is Primitive {
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

/** How {@link unwrap} goes through a value. */
interface UnwrapOptions {
  /** Returns true for a value whose members are to be looked at. */
  readonly isOpen?: (value: object) => boolean;
  /** True to copy a container even when nothing in it changes. */
  readonly isCopied?: boolean;
}

/** The arguments of {@link unwrap}. */
interface Rules {
  readonly replace: Replace;
  readonly isOpen: (value: object) => boolean;
}

/** Returns true if a container, or anything inside it, would be replaced. */
function holdsOther(value: object, rules: Rules, seen: Set<object>): boolean {
  seen.add(value);
  // The platform refuses an object without prototype, such as a route's input or what `Object.groupBy` returns.
  if (Object.getPrototypeOf(value) === null) return true;
  const isOther = (member: unknown): boolean => {
    if (isPrimitive(member) || seen.has(member)) return false;
    if (rawOf.has(member) || nativeOf.has(member)) return true;
    return rules.isOpen(member) ? holdsOther(member, rules, seen) : rules.replace(member) !== member;
  };
  if (value instanceof Set) return [...value].some(isOther);
  if (value instanceof Map) return [...value].some(([key, item]) => isOther(key) || isOther(item));
  // An array's too: spread, one of a billion holes would take all memory.
  return Object.values(value).some(isOther);
}

function unwrapAll(value: unknown, rules: Rules, done: Map<object, unknown>): unknown {
  if (isPrimitive(value)) return value;
  if (done.has(value)) return done.get(value);
  const inPlace = standIn(value);
  if (inPlace === undefined && rules.isOpen(value)) {
    return rebuild(
      value,
      (member) => unwrapAll(member, rules, done),
      (copy) => done.set(value, copy),
    );
  }
  const other = inPlace ?? rules.replace(value);
  done.set(value, other);
  return other;
}
