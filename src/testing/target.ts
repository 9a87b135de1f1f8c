/**
 * @module
 * Runs code inside the object that a test means, whichever stub of it the test holds.
 */
import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { renewedBehind } from "../core/values/snapshot.ts";

/** An object as a test holds it: a handle, or a native stub. */
export interface Target {
  readonly id: DurableObjectId;
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

/** How often another stub is tried: an object may destroy itself at each start. */
const AGAIN = 3;

/** The native stub to use in place of a handle or of a native stub that is dead. */
const stubs = new WeakMap<Target, DurableObjectStub>();

/** A native stub that worked last, or a fresh one. */
export function stubOf(target: Target): DurableObjectStub {
  return stubs.get(target) ?? renew(target);
}

/** Puts a fresh native stub in place of one that a reset has broken; the next call of a handle uses it too. */
function renew(target: Target): DurableObjectStub {
  const native = (renewedBehind(target) ?? (stubs.has(target) ? found(target.id) : target)) as DurableObjectStub;
  stubs.set(target, native);
  return native;
}

/** A fresh native stub of an object, by the namespaces that the test's Worker has: each refuses the ids of others. */
function found(id: DurableObjectId): DurableObjectStub {
  for (const binding of [env, exports].flatMap((bindings) => Object.values(bindings) as unknown[])) {
    // Not by its methods: a service binding has every name, and calls it.
    if (!Object.prototype.toString.call(binding).endsWith("DurableObjectNamespace]")) continue;
    const namespace = binding as DurableObjectNamespace;
    try {
      namespace.idFromString(String(id));
    } catch {
      continue;
    }
    return namespace.get(id);
  }
  throw new Error(`durable-base/testing: no namespace in \`env\` has the object ${String(id)}. Pass a new stub of it.`);
}

/** Runs `work` inside the object; on a fresh stub where the one that the test holds is of no more use. */
export async function within<Result>(
  target: Target,
  work: (ctx: DurableObjectState, self: object) => Result,
): Promise<Awaited<Result>> {
  for (let left = AGAIN; ; left--) {
    let hasBegun = false;
    try {
      return await runInDurableObject(stubOf(target), async (self, ctx) => {
        hasBegun = true;
        return await work(ctx, self);
      });
    } catch (error) {
      if (hasBegun || left === 0) throw error;
      renew(target);
    }
  }
}
