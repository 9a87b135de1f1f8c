/**
 * @module
 * Which inputs a job can have: what comes back from storage as it was.
 */
import { DurableError } from "../core/errors.ts";
import { plainData } from "../core/values/kinds.ts";
import { isContainer, isPrimitive } from "../core/values/snapshot.ts";
import { bytesOf, isOver, MAX_ROW } from "../storage/size.ts";
import { textOf } from "../storage/tagged-json.ts";

/** Bytes for a job's key, its method's name and options. */
const SPARE = 8_000;

/**
 * The text of an input as it is stored: plain data, nothing tracked in it. `label` begins the message.
 *
 * @throws DurableError `not-persistable`, with the path of what cannot be stored; `too-large`.
 */
export function storable(input: unknown, label: string): string {
  let text: string;
  try {
    const plain = plainData(input, (part, what) => {
      throw notStorable(label, `${pathTo(part, input, new Set()) ?? ""} is ${what}, which cannot be stored`);
    });
    text = textOf(plain);
  } catch (cause) {
    if (!(cause instanceof Error) || DurableError.is(cause)) throw cause;
    // The stack is full.
    if (cause instanceof RangeError) throw notStorable(label, " is nested too deeply to be copied", cause);
    throw notStorable(label, ` holds something that cannot be stored (${cause.message})`, cause);
  }
  if (!isOver(text, MAX_ROW - SPARE)) return text;
  throw new DurableError(
    "too-large",
    `${label}: the input takes ${bytesOf(text)} bytes as JSON, over the ${MAX_ROW - SPARE} that a job can have. Store it in a field, and pass what finds it there.`,
  );
}

/** The error for an input that cannot be stored; `problem` follows the word "input". */
function notStorable(label: string, problem: string, cause?: unknown): DurableError {
  return new DurableError(
    "not-persistable",
    `${label}: the input${problem}. Pass plain data, such as the id of what is meant.`,
    { cause },
  );
}

/** Where in `whole` a part is; undefined when it is not in it. */
function pathTo(part: unknown, whole: unknown, seen: Set<object>): string | undefined {
  if (whole === part) return "";
  if (isPrimitive(whole) || seen.has(whole) || !isContainer(whole)) return undefined;
  seen.add(whole);
  const steps: Iterable<readonly [unknown, unknown]> =
    whole instanceof Map ? whole : whole instanceof Set ? [...whole].entries() : Object.entries(whole);
  for (const [step, member] of steps) {
    const rest = pathTo(part, member, seen);
    if (rest !== undefined) return `${Array.isArray(whole) ? `[${String(step)}]` : `.${String(step)}`}${rest}`;
  }
  return undefined;
}
