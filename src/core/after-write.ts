/**
 * @module
 * Work that waits until the changes before it are stored and committed, such as sending what they say.
 */

/** An entry, as far as its work depends on it. */
interface Entry {
  /** Why one of its changes was lost; undefined while none was. */
  readonly failure: unknown;
}

/** Called in place of work that is dropped. */
type Undone = (() => void) | undefined;

/** The waiting work of one object. */
export class AfterWrite {
  /** In the order of asking, with the entry that asked; undefined for code outside any. */
  readonly #waiting: [work: () => void, undone: Undone, entry: Entry | undefined][] = [];
  /** How many of these wait for a commit alone. The changes before the rest have yet to be written. */
  #stored = 0;
  /** How many transactions are open. Whatever the object writes belongs to the innermost one, on the platform too. */
  open = 0;

  add(work: () => void, undone: Undone, entry: Entry | undefined): void {
    this.#waiting.push([work, undone, entry]);
  }

  /** The changes so far are written. */
  stored(): void {
    this.#stored = this.#waiting.length;
    this.#run();
  }

  /** Drops what waits, from a place on: all whose changes aren't written, if none is named. */
  drop(from: number = this.#stored): void {
    for (const [, undone] of this.#waiting.splice((this.#stored = from))) attempt(undone);
  }

  /** Begins a transaction, with the changes that aren't written yet. The function that is returned ends it, once. */
  begin(): (isCommitted: boolean) => void {
    const from = this.#stored;
    let isOpen = true;
    this.open++;
    return (isCommitted) => {
      if (!isOpen) return;
      isOpen = false;
      this.open--;
      if (!isCommitted) this.drop(from);
      this.#run();
    };
  }

  #run(): void {
    if (this.#stored === 0 || this.open > 0) return;
    const ready = this.#waiting.splice(0, this.#stored);
    this.#stored = 0;
    for (const [work, undone, entry] of ready) attempt(entry?.failure === undefined ? work : undone);
  }
}

function attempt(work: Undone): void {
  try {
    work?.();
  } catch (error) {
    console.error("durable-base: work after a write failed.", error);
  }
}
