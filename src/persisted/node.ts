/**
 * @module
 * A node: one part of a tracked tree, which knows its parent, so that a change finds its way up.
 */
import type { DurableError } from "../errors.ts";
import { markTracked, rawBehind } from "../snapshot.ts";
import { copyIn, refused, type Site } from "./copy.ts";

/** What a tree reports to: the place that holds it. */
export interface Root {
  /** `Class.field`, for messages. */
  readonly field: string;
  /** Called before each change inside the tree; throws when there may be none. */
  change(): void;
  /** Puts another raw part in the place of one. */
  swap(old: object, fresh: object): void;
  /** Called when something was handed out that can change without a call of ours. */
  watch(leaf: Leaf): void;
}

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
  if (typeof raw !== "object" || raw === null) return undefined;
  const node = nodes.get(raw);
  if (node !== undefined) node.parent = undefined;
  return node;
}

/** One container or changeable value of a tree. */
export abstract class Node implements Site {
  parent: Parent | undefined;
  readonly raw: object;
  /** What reading gives. */
  abstract readonly outward: object;

  constructor(raw: object, parent: Parent) {
    this.raw = raw;
    this.parent = parent;
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
    let at: Parent | undefined = this.parent;
    while (at instanceof Node) at = at.parent;
    return at;
  }

  /** Reports a change that is about to happen; throws when it may not. */
  touch(): void {
    this.root?.change();
  }

  /** What reading a child gives. */
  give(child: unknown): unknown {
    return typeof child === "object" && child !== null ? nodeFor(child, this).handOut() : child;
  }

  /** What reading a child that was just removed gives: never tracked by anyone, it is plain already. */
  release(child: unknown): unknown {
    return detach(child)?.outward ?? child;
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
      path.unshift(at.keyOf(child.raw));
    }
    return path;
  }

  /** Where a child lies, for messages. */
  keyOf(_child: object): PropertyKey {
    return "?";
  }
}

/** An object, Map, Set or array, handed out as a Proxy whose handler is the node. */
export abstract class ContainerNode<T extends object> extends Node implements ProxyHandler<T> {
  declare readonly raw: T;
  readonly outward: T;

  constructor(raw: T, parent: Parent) {
    super(raw, parent);
    this.outward = new Proxy(raw, this);
    this.remember();
  }

  /** Puts another raw part in the place of a member. */
  abstract swap(old: object, fresh: object): void;

  copyIn(value: unknown, key?: PropertyKey): unknown {
    return copyIn(value, this, key);
  }

  refuse(what: string, key?: PropertyKey): DurableError {
    return refused(what, this, key === undefined ? [] : [key]);
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

/** The node behind what was handed out; throws where `outward` is no such value. */
export function nodeOf<N extends Node>(outward: object, kind: abstract new (...args: never[]) => N, what: string): N {
  const node = byOutward.get(outward);
  if (node instanceof kind) return node;
  throw new TypeError(
    `This method of a persisted value was called on something else than ${what} of a persisted field.`,
  );
}

/** Tells whether assigning `value` over the raw `old` changes nothing: the same primitive, or itself. */
export function isSame(old: unknown, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(old, value);
  return typeof old === "object" && (value === old || rawBehind(value) === old);
}
