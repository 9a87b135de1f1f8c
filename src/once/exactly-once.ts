/**
 * @module
 * The part for exactly-once calls: what a call changes, its key and its answer are stored together.
 */
import { notImplemented } from "../core/entry/gate.ts";
import { DurableError, quote } from "../core/errors.ts";
import { attach, type Host, type ListedPart, type Part } from "../core/part/part.ts";
import { storageOf } from "../storage/handle.ts";
import { Answers, checkedTtl, checkKey, DAY } from "./answers.ts";
import { dataOf, hashOf } from "./repeatable-data.ts";

/** The part's name. */
const PART = "once";

/**
 * Lets callers call the object's methods exactly once per key, with `once(handle, key)`: for `static override parts`.
 *
 * A call costs one row written beside what its method writes. It reads one row for each day up to the last on which an answer
 * expires, twice; a repeat reads them once. Keys expire after a day unless the caller says otherwise, and each call deletes up to
 * two expired rows.
 *
 * @example
 * ```ts
 * export class Account extends DurableBase {
 *   static override parts = [exactlyOnce()];
 * }
 * ```
 */
export function exactlyOnce(): ListedPart {
  return { name: PART, attach: (object) => void attach(object, PART, partOf) };
}

function partOf(host: Host): Part {
  const { object, ctx } = host;
  const answers = new Answers(ctx.storage, object.constructor.name);
  return {
    replaced: () => answers.forget(),
    call: (name, key, args, ttl) => {
      if (!Array.isArray(args) || !host.isReachable(name as string)) throw notImplemented(String(name));
      return callOnce(host, answers, { name: name as string, key, args, ttl });
    },
  };
}

/** A call as its caller sent it: nothing of it was checked, except `name` and `args`. */
interface OnceCall {
  readonly name: string;
  readonly key: unknown;
  readonly args: unknown[];
  /** For how long the answer is kept, in milliseconds. */
  readonly ttl: unknown;
}

/** Runs a method once per key, inside an entry; a repeat gets the answer that is stored. */
async function callOnce(host: Host, answers: Answers, { name, key, args, ttl = DAY }: OnceCall): Promise<unknown> {
  const className = host.object.constructor.name;
  const label = `once(…, ${quote(key)}): ${className}.${name}`;
  checkKey(label, key);
  const lasting = checkedTtl(label, ttl, `once(handle, key, { ttl: ${DAY} })`);
  const hash = await hashOf(dataOf(args, `${label}: an argument`));
  storageOf(host.ctx.storage, className);
  // A method's name may hold a colon.
  const id = `${encodeURIComponent(name)}:${key as string}`;

  const earlier = (): (() => unknown) | undefined =>
    answers.find(
      id,
      hash,
      () =>
        new DurableError(
          "once-conflict",
          `${label} was called with other arguments under this key before. Use a key of its own for each call, such as the order's id.`,
        ),
    );

  const atomic = async (run: () => Promise<unknown>): Promise<unknown> => {
    // A call that came at the same time may have been answered meanwhile.
    const known = earlier();
    if (known !== undefined) return known();
    const value = dataOf(await run(), `${label}: its result`);
    // A call that took over 25 s has been undone, and has no answer any more.
    host.checkWritable(label);
    return answers.keep(id, { hash, value, ttl: lasting }, label);
  };

  const found = earlier();
  return found === undefined ? await host.call(name, args, { atomic }) : found();
}
