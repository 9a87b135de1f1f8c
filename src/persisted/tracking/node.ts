/**
 * @module
 * A node: one part of a tracked tree, which knows its parent, so that a change finds its way up.
 */
import type { DurableError } from "../../core/errors.ts";
import { isContainer, isPrimitive, loadBy, markTracked, nameOf, rawBehind } from "../../core/values/snapshot.ts";
import { collectionOf, type Collection } from "../rows/collection.ts";
import { copyIn, refused, type Site } from "./copy.ts";

/** What a tree reports to: the place that holds it. */
export interface Root {
  readonly name: string;
  /** `Class.field`, for messages. */
  readonly field: string;
  /** Its value as plain data. */
  readonly raw: unknown;
  /** Called before each change inside the tree; throws when there may be none. Returns what to tell of it once it is done. */
  change(): Tell | undefined;
  /** Called when the row of the value as a whole has to be written. */
  mark(): void;
  /** Puts another raw part in the place of one. */
  swap(old: object, fresh: object): void;
  /** Called when a part was taken out, of `from` if that was taken out before: it is the field's again after a rollback. */
  took(node: Node, from?: Node): void;
  /** Called when something was handed out that can change without a call of ours. */
  watch(leaf: Leaf): void;
}

/** Called after a change of a field or a part of it, with what was done to that; without, all of it may be another. */
export type Tell = (part: Node | Root, operation?: Operation) => void;

/** What was done to a container: `key` is a property, an index or a Map's key. */
export type Operation =
  | { readonly op: "set"; readonly key: unknown; readonly value: unknown }
  | { readonly op: "delete"; readonly key: unknown }
  | { readonly op: "splice"; readonly start: number; readonly count: number; readonly items: readonly unknown[] }
  | { readonly op: "add"; readonly value: unknown }
  | { readonly op: "clear" }
  /** Items of an array changed places, or others took theirs. */
  | { readonly op: "rearrange"; readonly before: readonly unknown[] };

/** The key of a part that no path leads to: a Set's member, a Map's key, or the value of a key that is an object. */
export const NOWHERE: unique symbol = Symbol();

/** A value that can be changed behind our back: bytes, or a Date by another Date's setter. */
export interface Leaf {
  /** The field it belongs to; undefined once it was removed. */
  readonly root: Root | undefined;
  /** True when nothing but comparing shows a change, so that it has to be watched for as long as it is there. */
  readonly isSilent: boolean;
  /** Tells whether it is another than it was. */
  hasChanged(): boolean;
  /** Takes what it is for what it was. */
  accept(): void;
  /** Notes that the row it lies in has to be written. */
  mark(): void;
  /** Puts back what it was. */
  undo(): void;
}

/** What a node hangs on. */
export type Parent = Node | Root;

/** By raw part. A node lives as long as its raw part. */
const nodes = new WeakMap<object, Node>();

/** By what was handed out, for methods that get it as `this`. */
const byOutward = new WeakMap<object, Node>();

/** Makes the node for a raw part; given by `tree.ts`, which knows the kinds. */
let makeNode: (raw: object, parent: Parent) => Node;

/** Says how nodes are made: the kinds of nodes need each other, and files must not. */
export function makeNodesBy(make: typeof makeNode): void {
  makeNode = make;
}

/** The node of a raw part, made when first asked for. */
export function nodeFor(raw: object, parent: Parent): Node {
  const node = nodes.get(raw);
  if (node === undefined) return makeNode(raw, parent);
  // A part that was removed and put back (by a comparator that changes the list it sorts).
  node.parent ??= parent;
  return node;
}

/** Cuts a part off its parent: from then on it is an ordinary value. */
export function detach(raw: unknown): Node | undefined {
  const node = isPrimitive(raw) ? undefined : nodes.get(raw);
  if (node === undefined) return undefined;
  load(raw, true);
  const { top } = node;
  if (top.parent !== undefined) {
    top.parent.took(node);
    takenFrom.set(node, top.parent);
  } else takenFrom.get(top)?.took(node, top);
  node.parent = undefined;
  return node;
}

/** What removed parts were taken out of. */
const takenFrom = new WeakMap<Node, Root>();

/**
 * Loads all of a part that is about to go, since its rows go too; before anything is changed, since that may fail. What
 * was never read only matters when it is handed out now.
 */
export function prepare(raw: unknown, isHandedOut = false): void {
  if (!isPrimitive(raw) && (isHandedOut || nodes.has(raw))) load(raw);
}

/** Loads every collection in a tree, and lets go of them where `isGone`: plain data is left. */
function load(raw: unknown, isGone = false): void {
  if (isPrimitive(raw) || !isContainer(raw)) return;
  const collection = collectionOf(raw);
  collection?.complete();
  if (isGone && collection !== undefined) attach(raw, undefined);
  const members: Iterable<unknown> = raw instanceof Map || raw instanceof Set ? raw.values() : Object.values(raw);
  for (const member of members) load(member, isGone);
}

/** Says that a container is held by a collection from now on, or no more. */
export function attach(raw: object, collection: Collection | undefined): void {
  loadBy(raw, collection);
  const node = nodes.get(raw);
  if (node !== undefined) node.collection = collection;
}

/** How deep a part lies, as far as anyone has seen it. */
export function depthOf(raw: object): number {
  return nodes.get(raw)?.depth() ?? 0;
}

/** Notes that the row a part lies in has to be written. */
export function mark(raw: object): void {
  nodes.get(raw)?.mark();
}

/** One container or changeable value of a tree. */
export abstract class Node implements Site {
  parent: Parent | undefined;
  readonly raw: object;
  /** Where it lies in its parent, as far as is known. */
  at: unknown;
  /** What loads and notes its entries, if it is too large for a row. */
  collection: Collection | undefined;
  /** What reading gives. */
  abstract readonly outward: object;

  constructor(raw: object, parent: Parent) {
    this.raw = raw;
    this.parent = parent;
    this.collection = collectionOf(raw);
    nodes.set(raw, this);
  }

  /** What reading gives this time: a value that can change unseen is looked at again when the field is written. */
  handOut(): object {
    return this.outward;
  }

  /** Makes what is handed out known as standing for this. */
  protected remember(): void {
    markTracked(this.outward, this.raw);
    byOutward.set(this.outward, this);
  }

  get root(): Root | undefined {
    return this.top.parent;
  }

  /** The outermost part that this one lies in, which hangs on the field or on nothing. */
  get top(): Node & { readonly parent: Root | undefined } {
    let at: Node = this;
    while (at.parent instanceof Node) at = at.parent;
    return at as Node & { readonly parent: Root | undefined };
  }

  /**
   * Reports a change that is about to happen, and cuts off the parts that go; throws when it may not. A collection has to be told
   * what changes. Returns what to tell of the change once it is done.
   */
  touch(gone: readonly unknown[] = []): Tell | undefined {
    for (const part of gone) prepare(part);
    const tell = this.root?.change();
    if (this.collection === undefined) this.mark();
    for (const part of gone) detach(part);
    return tell;
  }

  /** Notes that the row it lies in has to be written. */
  mark(): void {
    let { raw, at, parent }: Pick<Node, "raw" | "at" | "parent"> = this;
    while (parent instanceof Node && parent.collection === undefined) ({ raw, at, parent } = parent);
    if (parent instanceof Node) parent.collection!.change(at, raw);
    else parent?.mark();
  }

  /** What reading the child at a place gives. */
  give(child: unknown, at?: unknown): unknown {
    if (typeof child !== "object" || child === null) return child;
    const node = nodeFor(child, this);
    node.at = at;
    return node.handOut();
  }

  /** What reading a child that was just removed gives: never tracked by anyone, it is plain already. */
  release(child: unknown): unknown {
    const node = detach(child);
    if (node === undefined) load(child, true);
    return node?.outward ?? child;
  }

  get field(): string {
    return this.root?.field ?? "a removed value";
  }

  depth(): number {
    let depth = 1;
    for (let at = this.parent; at instanceof Node; at = at.parent) depth++;
    return depth;
  }

  path(): PropertyKey[] {
    const path: PropertyKey[] = [];
    for (let child: Node = this, at = this.parent; at instanceof Node; child = at, at = at.parent) {
      const key = at.keyOf(child.raw, child.at);
      path.unshift(key === NOWHERE ? "key" : nameOf(key));
    }
    return path;
  }

  /** Where a child is, probably `at`; {@link NOWHERE} if no path leads to it. */
  keyOf(_child: object, _at?: unknown): unknown {
    return NOWHERE;
  }
}

/** An object, Map, Set or array, handed out as a Proxy whose handler is the node. */
export abstract class ContainerNode<T extends object, C extends Collection> extends Node implements ProxyHandler<T> {
  declare readonly raw: T;
  declare collection: C | undefined;
  readonly outward: T;

  constructor(raw: T, parent: Parent) {
    super(raw, parent);
    this.outward = new Proxy(raw, this);
    this.remember();
  }

  override handOut(): object {
    this.collection?.open();
    return this.outward;
  }

  /** Loads what is needed to answer for `key`. */
  need(key: unknown): void {
    if (this.collection?.isComplete === false && typeof key !== "symbol") this.collection.need(key);
  }

  /** Puts another raw part in the place of a member. */
  abstract swap(old: object, fresh: object): void;

  copyIn(value: unknown, key?: PropertyKey): unknown {
    return copyIn(value, this, key);
  }

  refuse(what: string, key?: PropertyKey): DurableError {
    return refused(what, this, key === undefined ? [] : [key]);
  }

  ownKeys(target: T): (string | symbol)[] {
    this.collection?.complete();
    return Reflect.ownKeys(target);
  }

  setPrototypeOf(target: T, proto: object | null): boolean {
    if (proto === Object.getPrototypeOf(target)) return true;
    throw this.refuse("the prototype of stored data cannot be changed. Store plain data.");
  }

  preventExtensions(): boolean {
    throw this.refuse("stored data cannot be frozen or sealed. Freeze a copy: `Object.freeze(snapshot(value))`.");
  }
}

/** The node behind what was handed out, if it is one. */
export function nodeBehind(outward: object): Node | undefined {
  return byOutward.get(outward);
}

/** The node behind what was handed out; throws for any other value. */
export function nodeOf<N extends Node>(outward: object, kind: abstract new (...args: never[]) => N, what: string): N {
  const node = byOutward.get(outward);
  if (node instanceof kind) return node;
  throw new TypeError(
    `This method of a persisted value was called on a value that isn't ${what} of a persisted field.`,
  );
}

/** Tells whether assigning `value` over the raw `old` changes nothing: the same primitive, or itself. */
export function isSame(old: unknown, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(old, value);
  return typeof old === "object" && (value === old || rawBehind(value) === old);
}
