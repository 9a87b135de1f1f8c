/**
 * @module
 * The library's state beside the storage of one object, and the replacing of the storage's own methods.
 *
 * Other code may wrap an object's class and pass it a Proxy as `ctx.storage`, even another one for each read. So nothing
 * is keyed by the identity of a storage, and no method of the platform's prototype is called on a wrapped storage. A
 * replacement calls the storage's own method, so that a wrapper sees each call of the user's once.
 */

/** The library's state beside one object's storage, as long as the object is in memory. */
export interface StorageState {
  /** The storage itself: a wrapper calls its methods on that, and so shows it to one of ours. */
  readonly storage: DurableObjectStorage;
  /** The user's own keys that hold persisted fields, with those fields' names. */
  fields: ReadonlyMap<string, string> | undefined;
  /** Called when an import has replaced the rows of the object. */
  readonly followers: Set<() => void>;
  /** True while a function that isn't async runs in `Storage.transaction`. */
  isBusy: boolean;
  /** The copy of the library that the class of the live instance comes from; undefined for a class without our base. */
  copy: object | undefined;
}

/**
 * A method of the storage itself, shared by all copies of this module. Every Proxy of the storage passes a method on; an
 * object might be wrapped in a Proxy of its own.
 */
const STATE: unique symbol = Symbol.for("durable-base.storage") as never;

let show: ((storage: DurableObjectStorage) => void) | undefined;

/** Shows each storage that gets a state to `see`. `durable-base/testing` uses it: its clock isn't the platform's. */
export function showStorageTo(see: (storage: DurableObjectStorage) => void): void {
  show = see;
}

/** Returns the state of a storage, made when it is first asked for. */
export function stateOf(storage: DurableObjectStorage & { [STATE]?: () => StorageState }): StorageState {
  if (storage[STATE] === undefined) {
    let state: StorageState | undefined;
    const value = function (this: DurableObjectStorage): StorageState {
      return (state ??= { storage: this, fields: undefined, followers: new Set(), isBusy: false, copy: undefined });
    };
    // Of what can't be configured, a Proxy would have to pass on this very function, and not one that calls it.
    Object.defineProperty(storage, STATE, { value, configurable: true });
    show?.(storage);
  }
  return storage[STATE]!();
}

/** The methods of a storage that can be replaced. */
type Replaceable =
  | "get"
  | "delete"
  | "transaction"
  | "transactionSync"
  | "deleteAll"
  | "getAlarm"
  | "setAlarm"
  | "deleteAlarm";

/** Some of a storage's methods. */
export type Replaced<Name extends Replaceable> = Pick<DurableObjectStorage, Name>;

/** Returns a storage's current method, bound to it, so that it can be called after it was replaced. */
export function methodOf<Name extends Replaceable>(
  storage: DurableObjectStorage,
  name: Name,
): DurableObjectStorage[Name] {
  const proto = Object.getPrototypeOf(storage) as Record<Name, (...args: unknown[]) => unknown>;
  const found = storage[name] as (...args: unknown[]) => unknown;
  // A method that nothing wraps is looked up at each call: the tests' row counter replaces it on the prototype.
  const method = found === proto[name] ? (...args: unknown[]) => proto[name].apply(storage, args) : found.bind(storage);
  return method as DurableObjectStorage[Name];
}

/** Replaces methods of a storage. Returns a function that restores them. */
export function replaceOn(storage: DurableObjectStorage, methods: Partial<Replaced<Replaceable>>): () => void {
  const undo = Object.entries(methods).map(([name, value]) => {
    const before = Object.getOwnPropertyDescriptor(storage, name);
    Object.defineProperty(storage, name, { value, writable: true, enumerable: true, configurable: true });
    return () => {
      // If other code has replaced the method since, its method stays, and goes on calling this one.
      if (Object.getOwnPropertyDescriptor(storage, name)?.value !== value) return;
      if (before === undefined) Reflect.deleteProperty(storage, name);
      else Object.defineProperty(storage, name, before);
    };
  });
  return () => undo.toReversed().forEach((put) => put());
}
