/**
 * @module
 * An object as its parts see it. The first part loads this, not the core.
 */
import { atomically, endingWith } from "../../calls/atomic.ts";
import { afterTurn } from "../../calls/replace-method.ts";
import { behindGate, notImplemented } from "../entry/gate.ts";
import { enter } from "../entry/run.ts";
import { checkWritable, openScope, type Method } from "../entry/scope.ts";
import { isThenable } from "../values/async.ts";
import type { Home } from "./attached.ts";
import type { CallOptions, Host } from "./types.ts";
import { record } from "../../persisted/tracking/changes.ts";
import { reachable } from "../rpc-surface.ts";

/** The object as one of its parts, by name, sees it. */
export function hostOf(part: string, home: Home): Host {
  const { self, ctx, fields } = home;
  const { plan, base } = home.shape;
  return {
    object: self,
    ctx,
    get isWritten() {
      return fields.isWritten;
    },
    records: () => plan.parts.get(part)?.members ?? new Map(),
    start: () => home.start(),
    enter: (work, { out = false, name } = {}) => {
      const source = { kind: "part", name: name === undefined ? part : `${part}.${name}`, staysInside: !out } as const;
      return enter(home, work, source);
    },
    scope: () => openScope(home),
    isReachable: (name) => reachable(self, base, name) !== undefined,
    call: (name, args, options) => call(home, name, args, options),
    transacted: (name, last) => {
      const member = (self as Record<string, unknown>)[name] as Method;
      return endingWith(behindGate(member)?.method ?? member, name, last) ?? undefined;
    },
    get isOver() {
      return home.refusal?.() !== undefined;
    },
    onChange: (recorder) => record(fields, recorder),
    reload: () => fields.forget(),
    afterWrite: (work, undone) => fields.afterWrite(work, undone),
    checkWritable: (label) => checkWritable(home, label),
  };
}

function call({ self, shape }: Home, name: string, args: unknown[], { atomic }: CallOptions = {}): unknown {
  const gated = reachable(self, shape.base, name);
  if (gated === undefined) throw notImplemented(name);
  const whole = (inner: Method): Method =>
    async function (...given) {
      return await atomically(self, name, () => atomic!(async () => await inner.apply(self, given)));
    };
  // A method that waits for its turn does so before the transaction, which would keep the holder waiting too.
  const method = atomic === undefined ? gated.method : afterTurn(gated.method, whole);
  // Other code may have put a function of its own in the gate's place, which calls the gate from inside.
  const prepare = gated.prepare ?? shape.plan.prepare.get(name);
  const ready = prepare === undefined ? args : prepare(args, self);
  return isThenable(ready)
    ? Promise.resolve(ready).then((list) => method.apply(self, list))
    : method.apply(self, ready);
}
