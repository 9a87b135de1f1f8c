/**
 * @module
 * Drafts: a function changes what looks like a copy of the state, and only what it reads is copied.
 */
import {
  type Container,
  copyOf,
  getMember,
  isContainer,
  isSameLeaf,
  lengthOf,
  type Member,
  membersOf,
  setMember,
} from "./state.ts";

/** By draft, the value that it was made of and the copy behind it. */
type Drafts = Map<unknown, { readonly base: unknown; readonly copy: unknown }>;

/**
 * Returns what `state` is after `work` has changed a draft of it. A value that `work` leaves as it is stays the same object.
 *
 * @throws what `work` throws.
 */
export function changedBy<T>(state: T, work: (draft: T) => void): T {
  const drafts: Drafts = new Map();
  const draft = draftOf(state, drafts) as T;
  work(draft);
  return settled(draft, drafts, new Map()) as T;
}

/** Objects, arrays and Maps make drafts of their members as they are read; Dates, bytes and the like are copied. */
function draftOf(base: unknown, drafts: Drafts): unknown {
  if (typeof base !== "object" || base === null) return base;
  let copy: unknown;
  let draft: unknown;
  if (!isContainer(base)) copy = draft = structuredClone(base);
  // A Set has no place for a draft that is made later.
  else if (base instanceof Set) copy = draft = new Set(Array.from(base, (member) => draftOf(member, drafts)));
  else {
    const container = copyOf(base);
    copy = container;
    draft = new Proxy(container, { get: (_, name) => read(name, draft, base, container, drafts) });
  }
  drafts.set(draft, { base, copy });
  return draft;
}

/** Reads a property of the draft of an object, array or Map. */
function read(name: PropertyKey, draft: unknown, base: Container, copy: Container, drafts: Drafts): unknown {
  const member = (key: unknown): unknown => {
    const value = getMember(copy, key);
    // A value that `work` has put there is its own to change.
    if (value !== getMember(base, key)) return value;
    const memberDraft = draftOf(value, drafts);
    if (memberDraft !== value) setMember(copy, key, memberDraft);
    return memberDraft;
  };
  if (!(copy instanceof Map)) return Object.hasOwn(copy, name) ? member(name) : Reflect.get(copy, name, draft);
  const entries = function* (): Generator<Member> {
    for (const key of copy.keys()) yield [key, member(key)];
  };
  const methods: Record<PropertyKey, unknown> = {
    [Symbol.iterator]: entries,
    entries,
    *values() {
      for (const [, value] of entries()) yield value;
    },
    forEach: (visit: (value: unknown, key: unknown, all: unknown) => void) => {
      for (const [key, value] of entries()) visit(value, key, draft);
    },
    get: member,
    set: (key: unknown, value: unknown) => (copy.set(key, value), draft),
  };
  const own = Object.hasOwn(methods, name) ? methods[name] : (Reflect.get(copy, name, copy) as unknown);
  return typeof own === "function" ? own.bind(copy) : own;
}

/** Returns what a draft has become; any other value is itself, without drafts in it. */
function settled(value: unknown, drafts: Drafts, done: Map<unknown, unknown>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (done.has(value)) return done.get(value);
  const { base, copy } = drafts.get(value) ?? { base: undefined, copy: value };
  // A value of `work` may hold itself.
  done.set(value, copy);
  const isSame = isContainer(copy)
    ? settleMembers(base, copy, (member) => settled(member, drafts, done))
    : base !== undefined && isSameLeaf(base, copy);
  if (isSame) done.set(value, base);
  return done.get(value);
}

/** Puts what drafts have become into their places in a copy. Returns true if it has the members of `base` then. */
function settleMembers(base: unknown, copy: Container, settle: (member: unknown) => unknown): boolean {
  const before = isContainer(base) ? membersOf(base) : [];
  const members = membersOf(copy);
  if (copy instanceof Set) copy.clear();
  let isSame = base !== undefined && before.length === members.length && lengthOf(base) === lengthOf(copy);
  members.forEach(([key, member], i) => {
    const [oldKey, old] = before[i] ?? [];
    const value = Object.is(member, old) ? old : settle(member);
    isSame &&= Object.is(key, oldKey) && Object.is(value, old);
    if (copy instanceof Set) copy.add(value);
    else if (value !== member) setMember(copy, key, value);
  });
  return isSame;
}
