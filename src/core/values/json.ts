/**
 * @module
 * Writing values as JSON, without dropping any part of them.
 */
import { DurableError } from "../errors.ts";

/** The message of `not-json`. */
interface Wording {
  /** Begins the message. */
  readonly label: string;
  /** The value's name. */
  readonly name: string;
  /** Begins the advice. */
  readonly verb: "Return" | "Send";
}

/**
 * Writes a value as JSON.
 *
 * @throws DurableError `not-json` when JSON would lose a part of it.
 */
export function toJson(value: unknown, { label, name, verb }: Wording): string {
  const loss = findLoss(value, 0);
  if (loss === undefined) return JSON.stringify(value);
  throw new DurableError(
    "not-json",
    `${label}: \`${name}${loss.path}\` is ${loss.what}, which JSON cannot hold. ${verb} plain data, such as \`Object.fromEntries(map)\`, \`[...set]\` or \`String(bigint)\`.`,
  );
}

/** The first part of a value that JSON would drop or turn into something else. */
interface Loss {
  /** Where it is: `.todos[3].at`, empty for the value itself. */
  path: string;
  readonly what: string;
}

/** Deeper than any honest result, and well before a cycle fills the stack. */
const DEPTH = 1_000;

// Before `JSON.stringify` and not as its replacer: a replacer is called from native code for each
// member, does not know the path, and costs a large result several times as much.
function findLoss(value: unknown, depth: number, isConverted = false): Loss | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : { path: "", what: String(value) };
    case "object":
      break;
    default:
      return { path: "", what: typeof value };
  }
  if (value === null) return undefined;
  if (depth > DEPTH) return { path: "", what: "nested without end" };
  // JSON takes the result of `toJSON` as it is: a Date would become an object without members.
  if (!isConverted) {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? { path: "", what: "an invalid Date" } : undefined;
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") return findLoss(toJSON.call(value, ""), depth + 1, true);
  }
  if (Array.isArray(value)) {
    // By index, so that a hole counts as the undefined that it reads as.
    for (let i = 0; i < value.length; i++) {
      const loss = findLoss(value[i], depth + 1);
      if (loss !== undefined) return at(`[${i}]`, loss);
    }
    return undefined;
  }
  // Map, Set, bytes, errors, promises and the like have a tag of their own; also behind a Proxy.
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag !== "Object") return { path: "", what: `of type ${tag}` };
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    const loss = member === undefined ? undefined : findLoss(member, depth + 1);
    if (loss !== undefined) return at(`.${key}`, loss);
  }
  return undefined;
}

function at(place: string, loss: Loss): Loss {
  // Only the outer part of a very long path is worth reading.
  loss.path = (place + loss.path).slice(0, 200);
  return loss;
}
