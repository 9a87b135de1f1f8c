import { env } from "cloudflare:workers";
import type { Handle } from "durable-base";
import { afterEach, describe, expect, it } from "vitest";
import { makeHandle } from "../../src/object/handle.ts";
import { Repeater } from "../../src/object/retry.ts";
import { runs, unstartable, type Fault } from "./fixtures/fault.ts";
import type { Fragile } from "./fixtures/fragile.ts";
import { Lossy, type Loss } from "../persisted/lossy.ts";

/** A fault inside the object (`inside`), on the way (`loss`, the first `times` calls), or before the call (`before`). */
interface Case {
  readonly inside?: Fault;
  readonly loss?: Loss;
  readonly times?: number;
  readonly before?: "unstartable" | "reset by another";
}

/**
 * `sent/ran outcome`: how often the call left the handle, how often the method ran, and what the caller got: a result,
 * or an error's message and flags (R retryable, O overloaded, D durableObjectReset, r remote).
 *
 * Where the platform repeats, the handle leaves that to it (locally it repeats nothing); else it repeats twice at most.
 */
// oxfmt-ignore
const MATRIX: readonly (readonly [string, Case, string, string, string, string])[] = [
  // fault                                                                        unmarked: the platform             ours                               marked: the platform               ours
  ["none",                    {},                                                  "1/1 ok",                          "1/1 ok",                          "1/1 ok",                          "1/1 ok"],
  ["slow answer",             { inside: "slow" },                                  "1/1 ok",                          "1/1 ok",                          "1/1 ok",                          "1/1 ok"],
  ["plain throw",             { inside: "throw" },                                 "1/1 plain r",                     "1/1 plain r",                     "1/1 plain r",                     "1/1 plain r"],
  ["reset",                   { inside: "abort" },                                 "1/1 reset D",                     "1/1 reset D",                     "1/1 reset D",                     "1/1 reset D"],
  ["throw in onStart",        { before: "unstartable" },                           "1/0 no start r",                  "1/0 no start r",                  "1/0 no start r",                  "1/0 no start r"],
  ["dead stub",               { before: "reset by another" },                      "1/0 reset D",                     "1/0 reset D",                     "1/0 reset D",                     "1/0 reset D"],
  ["forged retryable",        { inside: "forge retryable" },                       "1/1 forged Rr",                   "1/1 forged Rr",                   "1/1 forged Rr",                   "1/1 forged Rr"],
  ["forged overloaded",       { inside: "forge overloaded" },                      "1/1 forged Or",                   "1/1 forged Or",                   "1/1 forged Or",                   "1/1 forged Or"],
  ["request lost once",       { loss: "request lost", times: 1 },                  "1/0 request lost R",              "1/0 request lost R",              "1/0 request lost R",              "2/1 ok"],
  ["request lost always",     { loss: "request lost" },                            "1/0 request lost R",              "1/0 request lost R",              "1/0 request lost R",              "3/0 request lost R"],
  ["answer lost once",        { loss: "answer lost", times: 1 },                   "1/1 answer lost R",               "1/1 answer lost R",               "1/1 answer lost R",               "2/2 ok"],
  ["answer lost always",      { loss: "answer lost" },                             "1/1 answer lost R",               "1/1 answer lost R",               "1/1 answer lost R",               "3/3 answer lost R"],
  ["retryable reset once",    { loss: "retryable reset", times: 1 },               "1/0 retryable reset RD",          "1/0 retryable reset RD",          "1/0 retryable reset RD",          "2/1 ok"],
  ["other reset once",        { loss: "reset", times: 1 },                         "1/0 reset D",                     "1/0 reset D",                     "1/0 reset D",                     "1/0 reset D"],
  ["overloaded once",         { loss: "overloaded", times: 1 },                    "1/0 overloaded O",                "1/0 overloaded O",                "1/0 overloaded O",                "1/0 overloaded O"],
  ["overloaded, retryable",   { loss: "retryable and overloaded", times: 1 },      "1/0 retryable and overloaded RO", "1/0 retryable and overloaded RO", "1/0 retryable and overloaded RO", "1/0 retryable and overloaded RO"],
  ["lost once, then a throw", { loss: "request lost", times: 1, inside: "throw" }, "1/0 request lost R",              "1/0 request lost R",              "1/0 request lost R",              "2/1 plain r"],
  ["lost once, then a reset", { loss: "request lost", times: 1, inside: "abort" }, "1/0 request lost R",              "1/0 request lost R",              "1/0 request lost R",              "2/1 reset D"],
];

const COLUMNS = [
  ["unmarked", true],
  ["unmarked", false],
  ["marked", true],
  ["marked", false],
] as const;

const LETTERS = { retryable: "R", overloaded: "O", durableObjectReset: "D", remote: "r" };

let made = 0;

describe("what becomes of a call", () => {
  afterEach(() => unstartable.clear());

  it.each(MATRIX)("%s", async (_, fault, ...expected) => {
    const seen: string[] = [];
    for (const [method, hasRetries] of COLUMNS) seen.push(await outcome(fault, method, hasRetries));
    expect(seen).toEqual(expected);
  });
});

async function outcome(fault: Case, method: "marked" | "unmarked", hasRetries: boolean): Promise<string> {
  const name = `fragile ${made++}`;
  const native = (): DurableObjectStub<Fragile> => env.FRAGILE.getByName(name);
  const lossy = new Lossy(fault.loss, fault.times ?? Infinity);
  const repeater = new Repeater(["marked"], { maxRetries: 2 }, async () => (hasRetries ? () => undefined : undefined));
  const handle = makeHandle<Handle<Fragile>>(() => lossy.stub(native()), [], repeater);

  if (fault.before === "unstartable") unstartable.add(name);
  if (fault.before === "reset by another") {
    await handle.unmarked("none");
    await Promise.allSettled([native().unmarked("abort")]);
    lossy.sent = 0;
    runs.delete(name);
  }
  let got: string;
  try {
    got = await handle[method](fault.inside ?? "none");
  } catch (error) {
    const flags = error as unknown as Record<string, unknown>;
    const letters = Object.entries(LETTERS).filter(([flag]) => flags[flag] === true);
    got = [(error as Error).message, letters.map(([, letter]) => letter).join("")].join(" ").trim();
  }
  return `${lossy.sent}/${runs.get(name) ?? 0} ${got}`;
}
