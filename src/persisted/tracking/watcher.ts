/**
 * @module
 * Watching values that can change in place without a call of ours: bytes, instances of a codec's class, and Dates.
 */
import type { Scope } from "../../core/entry/scope.ts";
import type { Field } from "../field.ts";
import type { Leaf } from "./node.ts";

/** Whoever changed something: entries, or code outside any entry (undefined). */
export type Writers = readonly (Scope | undefined)[];

/** What the watcher reports to. */
export interface WatcherOwner {
  /** Called when a value in a field was found changed; the field may be one from before a failed write or a rollback. */
  foundChange(leaf: Leaf, field: Field, writers: Writers): void;
}

/** The values of one object that were handed out and can change in place, with the entries that got them. */
export class Watcher {
  readonly #owner: WatcherOwner;
  readonly #watched = new Map<Leaf, Set<Scope>>();

  constructor(owner: WatcherOwner) {
    this.#owner = owner;
  }

  get isEmpty(): boolean {
    return this.#watched.size === 0;
  }

  /** Watches a value that is handed out to an entry. */
  watch(leaf: Leaf, scope: Scope | undefined): void {
    const holders = this.#watched.get(leaf);
    if (holders === undefined) this.#watched.set(leaf, new Set(scope === undefined ? [] : [scope]));
    else if (scope !== undefined) holders.add(scope);
  }

  /** Finds what was changed in place: whoever holds it changed it, else the entry that is about to end. */
  find(ending: Scope | undefined, only?: Field): void {
    for (const [leaf, holders] of this.#watched) {
      if (only !== undefined && leaf.root !== only) continue;
      for (const scope of holders) if (!scope.isOpen) holders.delete(scope);
      const field = leaf.root as Field | undefined;
      if (field === undefined || (field.isStale && holders.size === 0)) this.#watched.delete(leaf);
      else if (leaf.hasChanged()) this.#blame(leaf, field, holders.size === 0 ? [ending] : [...holders]);
      else if (holders.size === 0 && !leaf.isSilent) this.#watched.delete(leaf);
    }
  }

  #blame(leaf: Leaf, field: Field, writers: Writers): void {
    if (!field.isStale && writers.every((scope) => scope?.failure !== undefined)) {
      // An entry that failed changes nothing any more.
      leaf.undo();
      return;
    }
    leaf.accept();
    this.#owner.foundChange(leaf, field, writers);
  }

  /** Puts back what was changed in place; returns the name of the first such field, as messages call it. */
  undo(): string | undefined {
    let first: string | undefined;
    for (const leaf of this.#watched.keys()) {
      if (leaf.root === undefined || !leaf.hasChanged()) continue;
      leaf.undo();
      first ??= leaf.root.field;
    }
    return first;
  }

  /** Takes what was changed in place for what it was: only a later change is one of a stale value. */
  accept(): void {
    for (const leaf of this.#watched.keys()) if (leaf.hasChanged()) leaf.accept();
  }
}
