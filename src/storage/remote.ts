/**
 * @module
 * The caller's side of storage over a stub; `remote-storage/` is the object's.
 */
import { callPart } from "../core/part/call-part.ts";
import { DurableError } from "../core/errors.ts";
import { outgoing } from "../core/values/snapshot.ts";
import type { RemoteStorage } from "./handle.ts";

/** The name of the part that answers. */
export const PART = "remote-storage";

/** What one call of `list` brings: entries, and the last key that was there at that time when there may be more. */
export interface Page<Value = unknown> {
  readonly entries: [key: string, value: Value][];
  readonly last: string | undefined;
}

/**
 * Asks the object behind a stub to do what the function of that name does.
 *
 * @throws DurableError what that function throws there; `part-missing` and `storage-closed` when the class does not allow it, and
 * `not-persistable` for what cannot cross an RPC call.
 */
export async function ask<Result>(handle: RemoteStorage, operation: string, ...args: unknown[]): Promise<Result> {
  try {
    const result = await callPart(handle, PART, [operation, args.map(outgoing)], {
      label: labelOf(operation),
      line: lineFor("read"),
    });
    letGo(result);
    return result as Result;
  } catch (error) {
    // The platform sends errors without their class.
    if (DurableError.is(error)) Reflect.setPrototypeOf(error, DurableError.prototype);
    throw translated(error, operation);
  }
}

/** Ends the call that brought some data, which the platform keeps open, and with it the other object. */
export function letGo(data: unknown): void {
  (data as Partial<Disposable> | null | undefined)?.[Symbol.dispose]?.();
}

function translated(error: unknown, operation: string): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === "DataCloneError") {
    return new DurableError(
      "not-persistable",
      `${labelOf(operation)}: ${error.message} Pass plain data: primitives, Date, RegExp, Map, Set, bytes, arrays and plain objects.`,
      { cause: error },
    );
  }
  return error;
}

/** Returns the name by which users call an operation: `Storage.get` for `get`; other modules' operations have full names. */
export function labelOf(operation: string): string {
  return operation.includes(".") ? operation : `Storage.${operation}`;
}

/** The error for a class that does not open its storage as far as that. */
export function closed(problem: string, access: "read" | "write"): DurableError {
  return new DurableError(
    "storage-closed",
    `${problem}. Write \`${lineFor(access)}\` in the class: whoever holds a stub of it can then ${access} all of its storage.`,
  );
}

/** The line that opens a class's storage. */
function lineFor(access: "read" | "write"): string {
  return `static override parts = [remoteStorage("${access}")]`;
}
