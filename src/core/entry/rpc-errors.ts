/**
 * @module
 * Errors that cross to another object: what is taken along when one leaves, and what becomes of one that arrives.
 *
 * The platform sends an error's name, message and own properties, but not its class, and no property at all if one
 * of them cannot be cloned.
 */
import { DurableError } from "../errors.ts";
import { snapshot } from "../values/snapshot.ts";

/** A class of errors that come back as themselves: its constructor is not called. */
export type ErrorClass = abstract new (...args: never) => Error;

/** Replaces the tracked values in an error, and in the errors inside it, by copies. */
export function untrack(error: unknown): void {
  walk(error, () => {});
}

/**
 * Makes an error, and those inside it, fit to leave: tracked values become copies, each property that cannot be cloned
 * is left out, and an error of a class that gives itself no name gets that of its class. `withStack` keeps the stack
 * where it can be read, as `remoteStack`.
 */
export function release(error: unknown, withStack: boolean): void {
  walk(error, (one, keys) => {
    for (const key of keys) if (!isCloneable(Reflect.get(one, key))) Reflect.deleteProperty(one, key);
    nameAndStack(one, withStack);
  });
}

/** Replaces tracked values by copies, and then calls `visit` with the properties that have a value. */
function walk(error: unknown, visit: (error: Error, keys: readonly string[]) => void, seen = new Set<unknown>()): void {
  if (!(error instanceof Error) || seen.has(error)) return;
  seen.add(error);
  const keys: string[] = [];
  for (const key of new Set([...Object.keys(error), "cause", "errors"])) {
    const property = Object.getOwnPropertyDescriptor(error, key);
    if (property === undefined || !("value" in property)) continue;
    keys.push(key);
    const value: unknown = snapshot(property.value);
    for (const part of Array.isArray(value) ? (value as unknown[]) : [value]) walk(part, visit, seen);
    if (value !== property.value) Reflect.defineProperty(error, key, { ...property, value });
  }
  visit(error, keys);
}

function nameAndStack(error: Error, withStack: boolean): void {
  const { name } = error.constructor;
  if (error.name === "Error" && name !== "") Reflect.defineProperty(error, "name", { value: name, configurable: true });
  if (withStack)
    Reflect.defineProperty(error, "remoteStack", { value: error.stack, configurable: true, enumerable: true });
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** Gives an error that arrived, and those inside it, the class that it had: of ours or of `classes`, by its name. */
export function revive(error: unknown, classes: readonly ErrorClass[], seen: Set<unknown> = new Set()): void {
  if (!(error instanceof Error) || seen.has(error)) return;
  seen.add(error);
  // Not by the name of our class, which a minifier may have changed; and what has no code is none of ours.
  const found = DurableError.is(error) ? DurableError : classes.find((cls) => cls.name === error.name);
  if (found !== undefined && !(error instanceof found)) Reflect.setPrototypeOf(error, found.prototype as object);
  const { errors } = error as { errors?: unknown };
  for (const inner of [error.cause, ...(Array.isArray(errors) ? (errors as unknown[]) : [])])
    revive(inner, classes, seen);
}
