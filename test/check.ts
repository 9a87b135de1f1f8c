/** Random tests whose verdict doesn't depend on the speed of the machine. */
import fc from "fast-check";

/** How long the case of a failure is made smaller, in milliseconds. */
const MOST_SHRINKING = 60_000;

/** As `fc.check`: only the search for a smaller case that fails too is bounded by time, and by that the report alone. */
export async function check<Args>(
  property: fc.IAsyncProperty<Args>,
  parameters: fc.Parameters<Args>,
): Promise<fc.RunDetails<Args>> {
  const found = await fc.check(property, { ...parameters, endOnFailure: true });
  if (!found.failed) return found;
  const shrunk = await fc.check(property, { ...parameters, interruptAfterTimeLimit: MOST_SHRINKING });
  return shrunk.counterexample === null ? found : shrunk;
}
