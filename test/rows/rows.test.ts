/** What each operation of `rows.ts` costs in rows, beside its bound and beside the same by hand: `npm run rows`. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError } from "durable-base";
import { describe, expect, it } from "vitest";
import docs from "../../docs/rows.md?raw";
import { isLong } from "../battery.ts";
import { KINDS, type Entries } from "../persisted/fixtures/entries.ts";
import { meterOf, type Rows as Counted } from "../testing/fixtures/meter.ts";
import type { HandRows, Rows, SmallFields } from "./fixtures/rows.ts";
import { show } from "../persisted/model.ts";
import { OPERATIONS, ROW, type Bound, type Operation } from "./rows.ts";

/** What an operation cost: of several calls the sum, and the most that one of them wrote. */
interface Cost extends Counted {
  atOnce: number;
}

interface Measured {
  cold: Cost;
  warm: Cost;
  /** What is stored in the end, as text. */
  state: string;
}

/** An object of one side, and how it does the operation. */
interface Subject {
  readonly stub: DurableObjectStub;
  before(self: unknown): void;
  work(self: unknown, nth: number): unknown;
  state(self: unknown): string;
}

const results: { operation: Operation; ours: Measured | string; hand: Measured }[] = [];

/** In `npm test` some of the cases, and only a few of those on large collections. */
const CASES = OPERATIONS.map((operation, nth) => [operation.name, operation, nth] as const).filter(
  ([name], nth) => isLong || nth % (/\b[13]0,000\b/.test(name) ? 48 : 6) === 0,
);

describe("rows written and read", () => {
  it.each(CASES)("%s", async (_, operation, nth) => {
    const hand = await measure(operation, subjectOf(operation, nth, "hand"));
    const ours = await measure(operation, subjectOf(operation, nth, "ours")).catch(refusal);
    results.push({ operation, ours, hand });
    if (typeof ours !== "string") expect(ours.state === hand.state, "both sides come to the same state").toBe(true);
    const broken = typeof ours === "string" ? [ours] : beyond(operation.bound, ours);
    expect(broken).toEqual([]);
  });

  it("are the same as in docs/rows.md, which `npm run rows -- --update` writes", async () => {
    expect(results.length).toBe(CASES.length);
    const rows = results.map(({ operation, ours, hand }) => rowOf(operation, ours, hand));
    const written = new Set(docs.split("\n").map(cellsOf));
    const others = rows.map((row) => row.join("|")).filter((row) => !written.has(row));
    if (!isLong) return expect(others).toEqual([]);
    const table = tableOf([HEAD, HEAD.map(() => "---"), ...rows]);
    console.log(table);
    // The message of a mismatch names the rows, which a report would leave out.
    await expect(`${INTRODUCTION}\n${table}\n`).toMatchFileSnapshot("../../docs/rows.md", others.join("\n"));
  });
});

/** What the library refuses is a result; any other error is not. */
function refusal(error: unknown): string {
  if (DurableError.is(error)) return error.code;
  throw error;
}

function subjectOf(operation: Operation, nth: number, side: "ours" | "hand"): Subject {
  const isOurs = side === "ours";
  // Names of one length: it lies in the record.
  const name = `operation ${1_000 + nth}`;
  if ("fields" in operation) {
    const namespace =
      operation.fields === 1 ? env[isOurs ? "ROWS_1" : "HAND_ROWS_1"] : env[isOurs ? "ROWS_100" : "HAND_ROWS_100"];
    return {
      stub: namespace.getByName(name) as never,
      before: (self) => (self as SmallFields).set(1, 500),
      work: (self, nth) => operation.work(self as SmallFields, nth),
      state: (self) => show((self as SmallFields).read()),
    };
  }
  const { before = [], work, kind } = operation;
  const entriesOf = (self: unknown): Entries =>
    isOurs ? KINDS[kind].ours(self as Rows) : KINDS[kind].hand(self as HandRows);
  return {
    stub: env[isOurs ? "ROWS" : "HAND_ROWS"].getByName(name) as never,
    before: (self) => entriesOf(self).fill(before),
    work: (self, nth) => work(entriesOf(self), nth),
    state: (self) => show(entriesOf(self).all()),
  };
}

async function measure(operation: Operation, { stub, before, work, state }: Subject): Promise<Measured> {
  const calls = "kind" in operation ? (operation.calls ?? 1) : 1;
  const again = async (from: number): Promise<Cost> =>
    await within(stub, async (run, storage) => {
      const total: Cost = { read: 0, written: 0, bytes: 0, largest: 0, atOnce: 0 };
      for (let nth = from; nth < from + calls; nth++) {
        const cost = await meterOf(storage).during(() => run((self) => work(self, nth)));
        for (const what of ["read", "written", "bytes"] as const) total[what] += cost[what];
        total.largest = Math.max(total.largest, cost.largest);
        total.atOnce = Math.max(total.atOnce, cost.written);
      }
      return total;
    });
  const read = async (): Promise<string> => await within(stub, (run) => run(state) as string);

  await within(stub, (run) => (operation.before === undefined ? undefined : run(before)));
  await evictDurableObject(stub);
  const cold = await again(0);
  await read();
  const warm = await again(calls);
  const memory = await read();
  await evictDurableObject(stub);
  const stored = await read();
  expect(memory === stored, "what is stored is what was in memory").toBe(true);
  return { cold, warm, state: stored };
}

/** Runs `work` in the object, where each `run` is a call of its own. */
async function within<R>(
  stub: DurableObjectStub,
  work: (run: (work: (self: unknown) => unknown) => unknown, storage: DurableObjectStorage) => R,
): Promise<Awaited<R>> {
  return await runInDurableObject(
    stub as DurableObjectStub<Rows>,
    async (self, { storage }) => await work((one) => self.run(one), storage),
  );
}

/** Which bounds the counts are beyond, in words. */
function beyond(bound: Bound, { cold, warm }: Measured): string[] {
  const most: Bound = { largest: ROW, ...bound };
  const check = (when: string, cost: Cost, most: Partial<Cost>): string[] =>
    Object.entries(most)
      .filter(([what, limit]) => cost[what as keyof Cost] > limit)
      .map(([what, limit]) => `${when}: ${what} ${cost[what as keyof Cost]}, not at most ${limit}`);
  return [...check("cold", cold, most), ...check("warm", warm, { ...most, read: 0 })];
}

const INTRODUCTION = `# Rows written and read

What operations cost in rows of storage, which is what is billed; \`test/rows/rows.test.ts\` asserts every number, and
\`npm run rows -- --update\` writes this file anew. \`test/rows/rows.ts\` says what each operation is.

Counted below the class, at \`ctx.storage.kv\`; SQLite's own \`total_changes()\` agrees with each count of rows written.
**Cold** is an operation that comes first after an eviction, **warm** the same again when everything has been read.
**By hand** is one key an entry, with one row that keeps order and length; small fields share a row.
A cell says rows read → rows written (≤ the most by one of several calls), bytes written (≤ the largest row).
**Most** is what the design allows: rows written, also by one of several calls, rows read when cold, bytes written; no row
above ${ROW} bytes unless one value alone is.
`;

const HEAD = ["operation", "most", "cold", "warm", "by hand, cold", "warm"];

/** The cells of a line of the table, without padding. */
function cellsOf(line: string): string {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())
    .join("|");
}

/** The table as text, its columns in line. */
function tableOf(rows: readonly string[][]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`).join("\n");
}

function rowOf({ name, bound }: Operation, ours: Measured | string, hand: Measured): string[] {
  const isKept = typeof ours !== "string" && beyond(bound, ours).length === 0;
  const cells = typeof ours === "string" ? [`\`${ours}\``, ""] : [cell(ours.cold), cell(ours.warm)];
  return [`${name}${isKept ? "" : " **(not yet)**"}`, most(bound), ...cells, cell(hand.cold), cell(hand.warm)];
}

function most({ written, atOnce, read, bytes }: Bound): string {
  const parts = [`${Math.floor(written)} written`];
  if (atOnce !== undefined) parts.push(`${atOnce} a call`);
  if (read !== undefined) parts.push(`${read} read`);
  if (bytes !== undefined) parts.push(`${bytes} B`);
  return parts.join(", ");
}

function cell({ read, written, bytes, largest, atOnce }: Cost): string {
  const rows = `${read} → ${written}`;
  if (written === 0) return rows;
  return `${rows}${atOnce === written ? "" : ` (≤ ${atOnce})`}, ${bytes} B${written === 1 ? "" : ` (≤ ${largest})`}`;
}
