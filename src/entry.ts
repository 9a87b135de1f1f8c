/**
 * @module
 * Entries: the one gate through which everything reaches an object from outside.
 *
 * A gate waits until the object has started, opens a scope, runs the method, lets the object write
 * what changed, and hands the result out as plain data. A method called by code that an entry of the
 * same object set off is a plain call. Scopes live in `AsyncLocalStorage` (on by default from
 * compatibility date 2026-08-04), which tells an inside call from an outside one across awaits.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { DurableError, quote } from "./errors.ts";
import { isThenable } from "./functions.ts";
import type { Plan, Prepare } from "./plan.ts";
import { giveOutBy, isContainer, isPrimitive, hasHiddenDisposer, snapshot, unwrap, type Replace } from "./snapshot.ts";
import { release, untrack } from "./thrown.ts";

/** The changes of an object, as those see them who depend on their fate. */
export interface Changes {
  /** Called before a transaction: what waits has to know of it. */
  join(): void;
  /** See `Host.afterWrite`. */
  afterWrite(work: () => void): void;
  /** Drops what waits: the object is over. */
  drop(): void;
}

/** How an entry reaches its object; `later` is a call of something that an entry handed out. */
export type EntryKind = "rpc" | "fetch" | "alarm" | "socket" | "part" | "later" | "start" | "destroy";

/** The origin of an entry. One without it is a member of the object's class, or something that was handed out. */
export interface Source {
  readonly kind: EntryKind;
  /** Names the entry in place of its function. */
  readonly name?: string | undefined;
  /** True if the result doesn't leave the object. */
  readonly staysInside?: boolean;
}

/** Runs an entry, and observes it. */
export type Observe = (work: () => unknown, method: Method, self: unknown, source: Source | undefined) => unknown;

/** One object as its entries see it. */
export interface Owner {
  readonly fields: Changes;
  /** The entry whose synchronous part is running: it will write by itself what it changes. */
  running: Scope | undefined;
  /** True until the first microtask after construction: calls are then the constructor's own. */
  readonly isConstructing: boolean;
  /** True when errors that leave take their stack along. */
  readonly sendsStacks: boolean;
  /** The guards on its class's prototypes that refuse callers from outside. */
  readonly hides: ReadonlySet<object>;
  /** The class of live objects that a method may hand out (`RpcTarget`). */
  readonly targetClass: abstract new () => object;
  /** Asked before each change of a field: why the running code may change nothing any more. Set when it is needed. */
  refusal: (() => DurableError | undefined) | undefined;
  /** Called after the object's first write of a field. */
  written(): void;
  /** Set if a part observes entries. */
  observe: Observe | undefined;
  /** True while `onStart` runs: what it handed to other objects may be called back without waiting for its end. */
  readonly isStarting: boolean;
  /** The entries that wait for something, by what ends each with an error while its code is left where it is. */
  readonly parked: Map<Scope, (error: unknown) => void>;
  /** Undefined once the object has started; before, a promise of that. */
  start(): Promise<void> | undefined;
  /**
   * Writes what changed, on behalf of `scope`. Never throws: a failure is put on each open scope that wrote;
   * for a change made outside any, the object is reset.
   */
  flush(scope: Scope): void;
}

/** The time from the beginning of an entry to its end. */
export class Scope {
  readonly owner: Owner;
  /** False for code that outlived its entry, such as a timer: its changes belong to nobody. */
  isOpen = true;
  /** Why a write of this entry failed; every further change in it fails alike. */
  failure: DurableError | undefined = undefined;
  /** Ends the entry's object once the entry has ended, before its answer, which it gives, goes out. */
  finish: ((answer?: unknown) => Promise<unknown>) | undefined = undefined;

  constructor(owner: Owner) {
    this.owner = owner;
  }
}

/** A method or getter as entries call it. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** A method behind its gate, and what a call from outside goes through first. */
export interface Gated {
  readonly method: Method;
  readonly prepare: Prepare | undefined;
}

const scopes = new AsyncLocalStorage<Scope>();
const owners = new WeakMap<object, Owner>();
const wrapped = new WeakSet<object>();
/** By gate, what is behind it. */
const behindGates = new WeakMap<object, Gated>();
/** By guard, the function that it guards. */
const behindGuards = new WeakMap<object, Method>();
/** The RpcTargets that entries handed out. */
const handed = new WeakSet<object>();

/** Names the owner of an object, so that calls of its wrapped methods become entries. */
export function own(self: object, owner: Owner): void {
  owners.set(self, owner);
}

/** The owner of an object, if it is one whose methods are entries. */
export function ownerOf(self: object): Owner | undefined {
  return owners.get(self);
}

/** The open scope of `owner` that the running code belongs to. */
export function openScope(owner: Owner): Scope | undefined {
  const scope = owner.running ?? scopes.getStore();
  return scope !== undefined && scope.owner === owner && scope.isOpen ? scope : undefined;
}

/** Tells whether the running code was set off by an entry of `owner`, which may have ended. */
export function isInside(owner: Owner): boolean {
  return owner.running !== undefined || scopes.getStore()?.owner === owner;
}

/**
 * Runs `method` as an entry; sync where the object has started and the method is sync. Its result, or its error, is made
 * fit to leave the object, unless the source says that it stays inside.
 */
export function enter(
  owner: Owner,
  method: Method,
  self: unknown,
  args: unknown[],
  prepare?: Prepare,
  source?: Source,
): unknown {
  const starting = owner.start();
  if (starting === undefined) return run(owner, method, self, args, prepare, source);
  return starting.then(() => run(owner, method, self, args, prepare, source));
}

/** Runs `method` in a scope of its own, without the gate: for the object's start itself. */
export function run(
  owner: Owner,
  method: Method,
  self: unknown,
  args: unknown[],
  prepare?: Prepare,
  source?: Source,
): unknown {
  const { observe } = owner;
  const staysInside = source?.staysInside === true;
  return observe === undefined
    ? runInScope(owner, method, self, args, prepare, staysInside)
    : observe(() => runInScope(owner, method, self, args, prepare, staysInside), method, self, source);
}

function runInScope(
  owner: Owner,
  method: Method,
  self: unknown,
  args: unknown[],
  prepare: Prepare | undefined,
  staysInside: boolean,
): unknown {
  const scope = new Scope(owner);
  const outer = owner.running;
  owner.running = scope;
  let result: unknown;
  let isPending: boolean;
  try {
    // A closure, since each argument that is passed on by `run` itself takes workerd half a microsecond.
    result = scopes.run(scope, () =>
      prepare === undefined ? Reflect.apply(method, self, args) : prepared(prepare, method, self, args),
    );
    isPending = isThenable(result);
  } catch (error) {
    owner.running = outer;
    return fail(scope, error, staysInside);
  }
  owner.running = outer;
  if (!isPending) return leave(scope, result, staysInside);
  // What was changed before the first await is written here, not in a microtask of its own.
  owner.flush(scope);
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  owner.parked.set(scope, reject);
  Promise.resolve(result)
    .then(
      (value) => leave(scope, value, staysInside),
      (error: unknown) => fail(scope, error, staysInside),
    )
    .then(resolve, reject);
  return promise;
}

/**
 * Wraps the methods and getters of a prototype and its ancestors below `stop`, once per class; `planFor` gives
 * the plan of a prototype's own class, whose persisted fields are left alone.
 */
export function wrapPrototypes(from: object, stop: object, planFor: (proto: object) => Plan | undefined): void {
  for (let proto = from; proto !== stop; proto = Object.getPrototypeOf(proto) as object) {
    if (wrapped.has(proto)) continue;
    wrapped.add(proto);
    const plan = planFor(proto);
    // The platform calls only this symbol for a stub: when an RpcTarget is disposed of.
    for (const name of [...Object.getOwnPropertyNames(proto), Symbol.dispose] as string[]) {
      if (name === "constructor" || plan?.fields.has(name) === true || !Object.hasOwn(proto, name)) continue;
      const property = Object.getOwnPropertyDescriptor(proto, name)!;
      if (typeof property.value === "function") {
        property.value = gated(property.value as Method, plan?.prepare.get(name));
        plan?.idempotent.get(name)?.(property.value as Method);
      } else if (property.get !== undefined) property.get = gated(property.get, undefined);
      else continue;
      Object.defineProperty(proto, name, property);
    }
  }
}

function gated(method: Method, prepare: Prepare | undefined): Method {
  const gate = function (this: object, ...args: unknown[]): unknown {
    const owner = owners.get(this);
    if (owner === undefined || owner.isConstructing || isInside(owner)) return method.apply(this, args);
    return owner.isStarting && handed.has(this)
      ? run(owner, method, this, args, prepare)
      : enter(owner, method, this, args, prepare);
  };
  behindGates.set(gate, { method, prepare });
  return alike(gate as Method, method);
}

/**
 * Guards a prototype's method or getter `member`, called `name`, against callers that a class hides it from: for an
 * object that has the guard among its `hides`, it refuses as the platform does for a member that doesn't exist.
 *
 * The object's own property hides the member from workerd and holds the unguarded function. So `this.name()` in the
 * object's own code never meets the guard, even outside of an entry: in a callback of the constructor, or in the
 * listener of an accepted socket. Only code that reads the prototype meets the guard:
 * - A dev server that calls on behalf of a stub (`@cloudflare/vite-plugin`) runs outside of every entry, and is refused.
 * - `super.name()` runs in the entry that the override's gate has opened, or during construction, and is let in. Outside
 *   of an entry it is let in if the guard isn't the nearest one: an object's `hides` holds only the nearest guards.
 */
export function guard(name: string, member: Method): Method {
  if (behindGuards.has(member)) return member;
  const guarded = function (this: unknown, ...args: unknown[]): unknown {
    const owner = owners.get(this as object);
    if (owner?.hides.has(guarded) === true && !owner.isConstructing && !isInside(owner)) throw notImplemented(name);
    return member.apply(this, args);
  };
  behindGuards.set(guarded, member);
  const gate = behindGates.get(member);
  if (gate !== undefined) behindGates.set(guarded, gate);
  return alike(guarded, member);
}

/** The function behind a guard; any other function itself. */
export function behindGuard(member: Method): Method {
  return behindGuards.get(member) ?? member;
}

/** The platform's error for a member that a stub can't reach. */
export function notImplemented(name: string): TypeError {
  return new TypeError(`The RPC receiver does not implement the method ${quote(name)}.`);
}

/** Sets a function's name and length to those that the function it replaces has. */
function alike(made: Method, { name, length }: Method): Method {
  return Object.defineProperties(made, { name: { value: name }, length: { value: length } });
}

/** What is behind the gate that a prototype's member has become; undefined for any other function. */
export function behindGate(gate: object): Gated | undefined {
  return behindGates.get(gate);
}

function prepared(prepare: Prepare, method: Method, self: unknown, args: unknown[]): unknown {
  const ready = prepare(args, self as object);
  return isThenable(ready)
    ? Promise.resolve(ready).then((list) => method.apply(self, list))
    : method.apply(self, ready);
}

/** Ends the scope, after everything was written; a failed write is the entry's error. */
function close(scope: Scope): void {
  scope.isOpen = false;
  scope.owner.parked.delete(scope);
  if (scope.failure !== undefined) throw scope.failure;
}

function leave(scope: Scope, result: unknown, staysInside: boolean): unknown {
  scope.owner.flush(scope);
  try {
    if (!staysInside) result = handOut(scope.owner, result);
  } finally {
    close(scope);
  }
  return scope.finish === undefined ? result : scope.finish(result);
}

/** Ends the scope of a method that threw, and throws the error for the caller. */
function fail(scope: Scope, error: unknown, staysInside: boolean): unknown {
  scope.owner.flush(scope);
  close(scope);
  try {
    if (!staysInside) release(error, scope.owner.sendsStacks);
  } catch {
    // An error that cannot be walked (a Proxy, a list without end) goes out as it is: it says more than this one.
  }
  if (scope.finish === undefined) throw error;
  return scope.finish().then(() => {
    throw error;
  });
}

// What an entry passes to another object leaves it as a result does.
giveOutBy((value) => {
  const owner = scopes.getStore()?.owner;
  return owner === undefined ? snapshot(value) : handOut(owner, value);
});

/** Gives plain data for tracked values, and makes later calls of what is handed out entries too. */
function handOut(owner: Owner, result: unknown): unknown {
  if (isPrimitive(result)) return result;
  const later =
    (method: Method, self?: object): Method =>
    (...args) =>
      (owner.isStarting ? run : enter)(owner, method, self, args);
  const keepDisposer = <T extends object>(from: unknown, to: T): T => {
    const dispose = disposerOf(from);
    if (dispose === undefined) return to;
    // Hidden, as the platform's own disposer of a result is.
    return Object.defineProperty(to, Symbol.dispose, { value: later(dispose, from as object), configurable: true });
  };
  const replace: Replace = (value) => {
    // A stub of another object is callable too, but no Function: it goes out as it is.
    if (value instanceof Function) return keepDisposer(value, later(value as Method));
    if (value instanceof owner.targetClass) {
      own(value, owner);
      handed.add(value);
      wrapPrototypes(Object.getPrototypeOf(value) as object, owner.targetClass.prototype as object, () => undefined);
    } else if (value instanceof Error) {
      untrack(value);
    } else if (isIterator(value)) {
      throw new DurableError(
        "not-transferable",
        'A generator or iterator cannot cross an RPC call. Return an array (`[...values]`), or a ReadableStream of bytes as in "Streams" of docs/stubs.md: objects in a stream are lost.',
      );
    }
    return value;
  };
  // The platform disposes of the outermost plain object only.
  const isDisposable = disposerOf(result) !== undefined;
  // A result of another object's call is passed on unchanged: the platform disposes of it without this object's code.
  const out = unwrap(result, replace, { isCopied: isDisposable && !hasHiddenDisposer(result) });
  return isDisposable && out !== result && isContainer(out as object) ? keepDisposer(result, out as object) : out;
}

function disposerOf(value: unknown): Method | undefined {
  const dispose = (value as { [Symbol.dispose]?: unknown } | null | undefined)?.[Symbol.dispose];
  return typeof dispose === "function" ? (dispose as Method) : undefined;
}

function isIterator(value: object): boolean {
  return (
    (Symbol.iterator in value || Symbol.asyncIterator in value) &&
    typeof (value as { next?: unknown }).next === "function"
  );
}
