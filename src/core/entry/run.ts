/**
 * @module
 * Running an entry: everything that reaches an object from outside.
 *
 * An entry waits until the object has started, opens a scope, runs its work, lets the object write what changed, and hands
 * the result out as plain data.
 */
import { isThenable } from "../values/async.ts";
import { release } from "./rpc-errors.ts";
import { Scope, scopes, type Owner, type Source } from "./scope.ts";

/**
 * Runs `work` as an entry; sync where the object has started and the work is sync. Its result, or its error, is made fit to
 * leave the object, unless the source says that it stays inside.
 */
export function enter(owner: Owner, work: () => unknown, source: Source): unknown {
  const starting = owner.start();
  // Bound, here and below: a closure would have each call allocate a context, even one that makes none.
  return starting === undefined ? run(owner, work, source) : starting.then(run.bind(undefined, owner, work, source));
}

/** Runs `work` in a scope of its own, without waiting for the start: for the start itself, and for the end. */
export function run(owner: Owner, work: () => unknown, source: Source): unknown {
  const { observe } = owner;
  const scope = new Scope(owner, source);
  return observe === undefined ? runIn(scope, work) : observe(runIn.bind(undefined, scope, work), source);
}

function runIn(scope: Scope, work: () => unknown): unknown {
  const { owner } = scope;
  const outer = owner.running;
  owner.running = scope;
  let result: unknown;
  let isPending: boolean;
  try {
    result = scopes.run(scope, work);
    isPending = isThenable(result);
  } catch (error) {
    owner.running = outer;
    return fail(scope, error);
  }
  owner.running = outer;
  if (!isPending) return leave(scope, result);
  // What was changed before the first await is written here, not in a microtask of its own.
  owner.fields.flush(scope);
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  owner.parked.set(scope, reject);
  Promise.resolve(result)
    .then(
      (value) => leave(scope, value),
      (error: unknown) => fail(scope, error),
    )
    .then(resolve, reject);
  return promise;
}

/** Ends the scope of work that returned, and returns the result for the caller. */
function leave(scope: Scope, result: unknown): unknown {
  const { owner, source } = scope;
  owner.fields.flush(scope);
  try {
    if (!source.staysInside) result = owner.handOut(result);
  } finally {
    close(scope);
  }
  return scope.finish === undefined ? result : scope.finish(result);
}

/** Ends the scope of work that threw, and throws the error for the caller. */
function fail(scope: Scope, error: unknown): unknown {
  const { owner, source } = scope;
  owner.fields.flush(scope);
  close(scope);
  try {
    if (!source.staysInside) release(error, owner.sendsStacks);
  } catch {
    // An error that cannot be walked (a Proxy, a list without end) goes out as it is: it says more than this one.
  }
  if (scope.finish === undefined) throw error;
  return scope.finish().then(() => {
    throw error;
  });
}

/** Ends the scope, after everything was written; a failed write is the entry's error. */
function close(scope: Scope): void {
  scope.isOpen = false;
  scope.owner.parked.delete(scope);
  if (scope.failure !== undefined) throw scope.failure;
}
