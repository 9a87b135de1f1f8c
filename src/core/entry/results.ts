/**
 * @module
 * Handing out results of entries as plain data; functions and live objects in them keep working.
 */
import { DurableError } from "../errors.ts";
import {
  giveOutBy,
  hasHiddenDisposer,
  isContainer,
  isPrimitive,
  snapshot,
  unwrap,
  type Replace,
} from "../values/snapshot.ts";
import { wrapTarget } from "./gate.ts";
import { untrack } from "./rpc-errors.ts";
import { enter, run } from "./run.ts";
import { scopes, type Method, type Owner } from "./scope.ts";

// A value that an entry passes to another object leaves it as a result does.
giveOutBy((value) => {
  const owner = scopes.getStore()?.owner;
  return owner === undefined ? snapshot(value) : handOut(owner, value);
});

/** Gives plain data for tracked values, and makes later calls of what is handed out entries too. */
export function handOut(owner: Owner, result: unknown): unknown {
  if (isPrimitive(result)) return result;
  const later =
    (method: Method, self?: object): Method =>
    (...args) =>
      (owner.isStarting ? run : enter)(owner, () => Reflect.apply(method, self, args), {
        kind: "later",
        name: method.name,
      });
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
      wrapTarget(value, owner);
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
