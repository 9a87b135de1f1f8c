/** The entries of the collections, the same for all contenders. */
export interface Entry {
  n: number;
  at: number;
}

const COUNT = 10_000;

export const keyOf = (i: number): string => `key${i}`;
export const entryOf = (i: number): Entry => ({ n: i, at: 1_700_000_000_000 + i });

export const numbers = (): number[] => Array.from({ length: COUNT }, (_, i) => i);
export const entries = (): Entry[] => Array.from({ length: COUNT }, (_, i) => entryOf(i));

/** What is walked over, and how: the numbers or the entries by for-of, the numbers by index. */
export type Walk = "numbers" | "index" | "entries";

/** What both classes of entries offer. */
export interface Walked {
  fill(count: number): void;
  clear(): void;
  /** Reads so many. */
  warm(count: number): number;
  change(...places: number[]): void;
  /** Changes one entry so many times. */
  change1000(i: number): void;
  read(i: number): number;
  evict(): void;
  walk(how: Walk, times: number): number;
  /** Everything that a walk needs and that is not measured. */
  prepareWalk(): void;
  walkCopy(times: number): number;
  copy(times: number): number;
}

/** Walks over everything, so many times; many in one call, so that the call itself does not count. */
export function walk(lists: { numbers: number[]; entries: Entry[] }, how: Walk, times: number): number {
  let sum = 0;
  for (let time = 0; time < times; time++) {
    if (how === "numbers") {
      for (const n of lists.numbers) sum += n;
    } else if (how === "entries") {
      for (const { n } of lists.entries) sum += n;
    } else {
      const list = lists.numbers;
      for (let i = 0; i < list.length; i++) sum += list[i]!;
    }
  }
  return sum;
}
