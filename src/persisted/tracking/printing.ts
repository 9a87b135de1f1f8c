/**
 * @module
 * Printing a collection that isn't fully in memory: `console.log` looks past the Proxy, at the raw container.
 */
import { wholeBehind } from "../../core/values/snapshot.ts";

/** The name of the method that `console.log` and `util.inspect` call to print a value that has one. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

const hook = {
  value(this: object): unknown {
    try {
      wholeBehind(this);
    } catch (error) {
      // Logging must not make the method that logs fail.
      return `[${String(error)}]`;
    }
    // A hook that returns the value itself has it printed as usual.
    return this;
  },
  configurable: true,
};

/** Makes printing a raw container load all of it first. */
export function loadToPrint(raw: object): void {
  Object.defineProperty(raw, INSPECT, hook);
}

/** Lets a raw container be printed as it is, since it is fully loaded. */
export function printAsIs(raw: object): void {
  Reflect.deleteProperty(raw, INSPECT);
}
