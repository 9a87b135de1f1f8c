/**
 * @module
 * Where two sequences differ.
 */

/** `removed` items from the `at`-th of the old sequence on, in whose place there are `added` others. */
export interface Hunk {
  readonly at: number;
  readonly removed: number;
  readonly added: number;
}

/** Up to so many items that others took the place of are told from what comes behind, however many took it. */
const NEAR = 8;

/**
 * Finds where a sequence of `fresh` items differs from one of `old` items: the hunks in order, not always the fewest.
 * Takes time in proportion to the lengths, since what is searched for the next place where both agree is skipped then.
 *
 * @param isSame - compares the `i`-th old item with the `j`-th fresh one.
 */
export function diff(old: number, fresh: number, isSame: (i: number, j: number) => boolean): Hunk[] {
  let tail = 0;
  while (tail < old && tail < fresh && isSame(old - 1 - tail, fresh - 1 - tail)) tail++;
  const [oldEnd, freshEnd] = [old - tail, fresh - tail];

  const isWithin = (i: number, j: number): boolean => i < oldEnd && j < freshEnd && isSame(i, j);
  // Two in a row, since one may be the same by chance.
  const agree = (i: number, j: number): boolean => isWithin(i, j) && isWithin(i + 1, j + 1);
  const differing = (i: number, j: number): [removed: number, added: number] => {
    for (let many = 1; i + many <= oldEnd || j + many <= freshEnd; many++) {
      if (agree(i + many, j + many)) return [many, many];
      for (let few = 0; few < many && few <= NEAR; few++) {
        if (agree(i + many, j + few)) return [many, few];
        if (agree(i + few, j + many)) return [few, many];
      }
    }
    return [oldEnd - i, freshEnd - j];
  };

  const hunks: Hunk[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    while (isWithin(i, j)) {
      i++;
      j++;
    }
    if (i === oldEnd && j === freshEnd) return hunks;
    const [removed, added] = differing(i, j);
    hunks.push({ at: i, removed, added });
    i += removed;
    j += added;
  }
}
