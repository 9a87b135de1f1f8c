/**
 * @module
 * Gates and guards: the functions that take the place of a prototype's methods and getters.
 *
 * A gate makes a call from outside an entry; a call by code that an entry of the same object set off is a plain call. A guard
 * refuses a call from outside.
 */
import { quote } from "../errors.ts";
import { isThenable } from "../values/async.ts";
import type { Plan, Prepare } from "../plan.ts";
import { enter, run } from "./run.ts";
import { isInside, own, ownerOf, type EntryKind, type Method, type Owner, type Source } from "./scope.ts";

/** A method behind its gate, and the first step of a call from outside. */
export interface Gated {
  readonly method: Method;
  readonly prepare: Prepare | undefined;
}

/** The prototypes whose methods have gates. */
const wrapped = new WeakSet<object>();
/** By gate, the method behind it. */
const behindGates = new WeakMap<object, Gated>();
/** By guard, the function that it guards. */
const behindGuards = new WeakMap<object, Method>();
/** The RpcTargets that entries handed out. */
const handed = new WeakSet<object>();

/**
 * Wraps the methods and getters of a prototype and its ancestors below `stop`, once per class. For objects of our base class,
 * `planFor` returns the plan of a prototype's own class, whose persisted fields are left alone.
 */
export function wrapPrototypes(from: object, stop: object, planFor?: (proto: object) => Plan | undefined): void {
  for (let proto = from; proto !== stop; proto = Object.getPrototypeOf(proto) as object) {
    if (wrapped.has(proto)) continue;
    wrapped.add(proto);
    const plan = planFor?.(proto);
    const kind = plan === undefined ? "later" : "rpc";
    // The platform calls only this symbol for a stub: when an RpcTarget is disposed of.
    for (const name of [...Object.getOwnPropertyNames(proto), Symbol.dispose] as string[]) {
      if (name === "constructor" || plan?.fields.has(name) === true || !Object.hasOwn(proto, name)) continue;
      const property = Object.getOwnPropertyDescriptor(proto, name)!;
      if (typeof property.value === "function") {
        property.value = gate(property.value as Method, kind, plan?.prepare.get(name));
        plan?.idempotent.get(name)?.(property.value as Method);
      } else if (property.get !== undefined) property.get = gate(property.get, kind);
      else continue;
      Object.defineProperty(proto, name, property);
    }
  }
}

/** Makes later calls of a live object that an entry of `owner` hands out entries too. */
export function wrapTarget(target: object, owner: Owner): void {
  own(target, owner);
  handed.add(target);
  wrapPrototypes(Object.getPrototypeOf(target) as object, owner.targetClass.prototype as object);
}

function gate(method: Method, kind: EntryKind, prepare?: Prepare): Method {
  const behind = { method, prepare, kind, name: method.name };
  const made = function (this: object, ...args: unknown[]): unknown {
    const owner = ownerOutside(this);
    return owner === undefined ? method.apply(this, args) : callFromOutside(owner, behind, this, args);
  };
  behindGates.set(made, behind);
  return alike(made as Method, method);
}

/** The owner of an object that is called from outside; undefined for any other. */
function ownerOutside(self: object): Owner | undefined {
  const owner = ownerOf(self);
  return owner === undefined || owner.isConstructing || isInside(owner) ? undefined : owner;
}

/** Calls a method as an entry. Apart from the gate, so that a call from inside makes no closure. */
function callFromOutside(owner: Owner, behind: Gated & Source, self: object, args: unknown[]): unknown {
  const { method, prepare } = behind;
  // A closure, since each argument that `AsyncLocalStorage.run` itself passes on takes workerd half a microsecond.
  const work = (): unknown =>
    prepare === undefined ? Reflect.apply(method, self, args) : callPrepared(method, prepare, self, args);
  return owner.isStarting && handed.has(self) ? run(owner, work, behind) : enter(owner, work, behind);
}

function callPrepared(method: Method, prepare: Prepare, self: object, args: unknown[]): unknown {
  const ready = prepare(args, self);
  return isThenable(ready)
    ? Promise.resolve(ready).then((list) => method.apply(self, list))
    : method.apply(self, ready);
}

/** The method behind the gate that a prototype's member has become; undefined for any other function. */
export function behindGate(member: object): Gated | undefined {
  return behindGates.get(member);
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
    if (ownerOutside(this as object)?.hides.has(guarded) === true) throw notImplemented(name);
    return member.apply(this, args);
  };
  behindGuards.set(guarded, member);
  const gated = behindGates.get(member);
  if (gated !== undefined) behindGates.set(guarded, gated);
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
