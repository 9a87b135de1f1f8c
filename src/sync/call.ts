/**
 * @module
 * One running call of a client, and how code finds the call that it belongs to.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Connection } from "../sockets/connection.ts";

/** A running call. */
export interface Call {
  readonly object: object;
  readonly connection: Connection;
  readonly id: number;
  readonly method: string;
  /** True once a patch was sent that has changes of it. */
  isMarked: boolean;
  /** True once its result or error was sent. */
  isAnswered: boolean;
  /** True once its entry has ended. */
  hasEnded: boolean;
  /** True if what it changed was undone. */
  isUndone: boolean;
  /** True if its result is a stream. */
  isStream: boolean;
  /** How many items its stream may send. */
  credit: number;
  /** True once its stream is to end. */
  isStopped: boolean;
  /** Wakes its stream, which waits until it may send more. */
  wake: (() => void) | undefined;
  /** The promise that keeps the object from hibernating; undefined once it was released. */
  held: Promise<void> | undefined;
  release(): void;
}

/** Follows calls with a key, and streams, through the entries that they are made of. */
export const running: { getStore(): Call | undefined; run<R>(call: Call, work: () => R): R } =
  new AsyncLocalStorage<Call>();
/** By its entry, any other call: that costs less. */
export const byScope: WeakMap<object, Call> = new WeakMap<object, Call>();

/** The call that the running code belongs to, in that entry. */
export function runningCall(scope: object | undefined): Call | undefined {
  return (scope && byScope.get(scope)) ?? running.getStore();
}

/** The method's name as messages begin with it. */
export function labelOf({ object, method }: Call): string {
  return `${object.constructor.name}.${method}`;
}

/** Keeps the object from hibernating until `call.release()`. */
export function hold(call: Call): Promise<void> {
  if (call.held !== undefined) return call.held;
  const { promise, resolve } = Promise.withResolvers<void>();
  call.held = promise;
  call.release = () => {
    call.held = undefined;
    resolve();
  };
  return promise;
}
