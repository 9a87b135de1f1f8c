/**
 * @module
 * The scope of a running entry, and the object that it belongs to.
 *
 * Scopes live in `AsyncLocalStorage` (on by default from compatibility date 2026-08-04), which tells an inside call from an
 * outside one across awaits.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { DurableError } from "../errors.ts";

/** A method or getter as entries call it. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** How an entry reaches its object; `later` is a call of something that an entry handed out. */
export type EntryKind = "rpc" | "fetch" | "alarm" | "socket" | "part" | "later" | "start" | "destroy";

/** The origin of an entry. */
export interface Source {
  readonly kind: EntryKind;
  /** The name of the function, or of the part and its work. */
  readonly name: string;
  /** True if the result doesn't leave the object. */
  readonly staysInside?: boolean;
}

/** Runs an entry, and observes it. */
export type Observe = (work: () => unknown, source: Source) => unknown;

/** The changes of an object, as those see them who depend on their fate. */
export interface Changes {
  /**
   * Writes what changed, on behalf of `scope`. Never throws: a failure is put on each open scope that wrote;
   * for a change made outside any, the object is reset.
   */
  flush(scope: Scope): void;
  /** Called before a transaction: what waits has to know of it. */
  join(): void;
  /** See `Host.afterWrite`. */
  afterWrite(work: () => void, undone?: () => void): void;
  /** Drops what waits: the object is over. */
  drop(): void;
}

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
  /** Makes a result fit to leave the object: see `handOut`. */
  handOut(result: unknown): unknown;
}

/** The time from the beginning of an entry to its end. */
export class Scope {
  readonly owner: Owner;
  readonly source: Source;
  /** False for code that outlived its entry, such as a timer: its changes belong to nobody. */
  isOpen = true;
  /** Why a write of this entry failed; every further change in it fails alike. */
  failure: DurableError | undefined = undefined;
  /** Runs once the entry has ended, and returns the answer that goes out: ends the object, or shows the answer to its parts. */
  finish: ((answer?: unknown) => Promise<unknown>) | undefined = undefined;

  constructor(owner: Owner, source: Source) {
    this.owner = owner;
    this.source = source;
  }
}

/** Holds the scope that the running code belongs to, open or not. */
export const scopes: Scopes = new AsyncLocalStorage<Scope>();

/** Its part that is used, for declarations that need no types of Node. */
interface Scopes {
  getStore(): Scope | undefined;
  run<Result>(scope: Scope, work: () => Result): Result;
}

const owners = new WeakMap<object, Owner>();

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

/** @throws DurableError where nothing of the object may be changed; `what` names the change. */
export function checkWritable({ isConstructing, refusal }: Owner, what: string): void {
  if (isConstructing) throw changedTooEarly(what);
  const error = refusal?.();
  if (error !== undefined) throw error;
}

/** The error for a change before the object was ready. */
export function changedTooEarly(what: string): DurableError {
  return new DurableError(
    "changed-in-constructor",
    `${what}: in the constructor only defaults can be assigned. Move this to \`onStart() { … }\`.`,
  );
}

/** Tells whether the running code was set off by an entry of `owner`, which may have ended. */
export function isInside(owner: Owner): boolean {
  return owner.running !== undefined || scopes.getStore()?.owner === owner;
}
