/**
 * @module
 * Printing a collection that isn't all in memory: `console.log` looks past a Proxy, at the raw container.
 */
import { wholeBehind } from "../snapshot.ts";

/** The method that `console.log` and `util.inspect` call on a value, if it has one, to print it. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

const hook = {
  value(this: object): unknown {
    try {
      wholeBehind(this);
    } catch (error) {
      // A line of a log must not fail the method that writes it.
      return `[${String(error)}]`;
    }
    // Which is printed as it is.
    return this;
  },
  configurable: true,
};

/** Has a raw container loaded before it is printed. */
export function loadToPrint(raw: object): void {
  Object.defineProperty(raw, INSPECT, hook);
}

/** Has a raw container printed as it is, since it is all there. */
export function printAsIs(raw: object): void {
  Reflect.deleteProperty(raw, INSPECT);
}
