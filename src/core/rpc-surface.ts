/**
 * @module
 * What a class shows of its objects: which members a stub reaches, and what all of its instances have in common.
 */
import { PART_CALL } from "./part/call-part.ts";
import { behindGate, behindGuard, guard, wrapPrototypes, type Gated } from "./entry/gate.ts";
import type { Method } from "./entry/scope.ts";
import { DurableError, quote } from "./errors.ts";
import type { ListedPart } from "./part/types.ts";
import { accessorsOf, verifyAccessors } from "../persisted/accessors.ts";
import { planOf, type AnyClass, type HttpEngine, type Plan } from "./plan.ts";

/** Hooks of the user's class that only the library calls. */
const HOOKS = ["onStart", "onDestroy", "onError"];

/** Members that the platform itself calls and never offers to a stub, and the one that calls parts. */
const PLATFORM = new Set([
  ...["constructor", "fetch", "connect", "alarm", "dup"],
  ...["webSocketMessage", "webSocketClose", "webSocketError", PART_CALL],
]);

/** What all instances of a class have in common. */
export interface Shape {
  readonly plan: Plan;
  /** The prototype of the base class. */
  readonly base: object;
  /** Attach the parts that the class lists, and the parts that its decorators brought. */
  readonly parts: readonly ((object: object) => unknown)[];
  /** The own properties of an instance: its fields, and the members that a stub must not reach. */
  readonly own: PropertyDescriptorMap;
  /** The guards of the members that a stub must not reach. */
  readonly hides: ReadonlySet<object>;
  engine(): HttpEngine | undefined;
  verify(self: object): void;
}

const shapes = new WeakMap<AnyClass, Shape>();

/** The shape of a class below `base`, made with its first instance. */
export function shapeOf(cls: AnyClass, base: object): Shape {
  let shape = shapes.get(cls);
  if (shape === undefined) shapes.set(cls, (shape = makeShape(cls, base)));
  return shape;
}

function makeShape(cls: AnyClass, base: object): Shape {
  const plan = planOf(cls);
  wrapPrototypes(cls.prototype as object, base, (proto) => planOf(proto.constructor as AnyClass));
  let engine: HttpEngine | undefined;
  let isVerified = false;
  const { hidden, hides } = hideMembers(cls, base, plan);
  return {
    plan,
    base,
    parts: [
      ...listedParts(cls, base).map((part) => (object: object) => part.attach(object)),
      ...Array.from(plan.parts.values(), ({ attach }) => attach),
    ],
    own: { ...hidden, ...accessorsOf(plan) },
    hides,
    engine: () => (engine ??= plan.engine?.(cls)),
    verify: (self) => {
      // What can be wrong is wrong in every instance, so the first that is right speaks for all.
      if (!isVerified) verifyAccessors(self, cls, plan);
      isVerified = true;
    },
  };
}

/**
 * Hides members that a stub must not reach, in two ways: by an own property of every instance, since workerd offers only
 * prototype members, and by a guard on the prototype's member.
 */
function hideMembers(cls: AnyClass, base: object, plan: Plan): { hidden: PropertyDescriptorMap; hides: Set<object> } {
  const { rpc } = cls as { rpc?: readonly string[] };
  const hidden: PropertyDescriptorMap = {};
  const hides = new Set<object>();
  const offered = new Set<string>();
  const seen = new Set(PLATFORM);
  const end: unknown = Object.getPrototypeOf(base);
  for (let proto = cls.prototype as object; proto !== end; proto = Object.getPrototypeOf(proto) as object) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (name === PART_CALL && proto !== base) throw takenName(cls, name);
      if (seen.has(name)) continue;
      seen.add(name);
      const isField = plan.fields.has(name);
      if (!isField && !plan.internal.has(name) && !Object.hasOwn(base, name) && !HOOKS.includes(name))
        offered.add(name);
      if (offered.has(name) && rpc?.includes(name) !== false) continue;
      const property = { ...hideMember(proto, name, hides, plan), enumerable: false };
      // A field is an own property anyway.
      if (!isField) hidden[name] = property;
    }
  }
  const wrong = rpc?.find((name) => !offered.has(name) && name !== "fetch");
  if (wrong === undefined) return { hidden, hides };
  throw new DurableError(
    "bad-option",
    `${cls.name}.rpc lists ${quote(wrong)}, which no stub can reach. List some of these: \`static rpc = ${JSON.stringify([...offered])}\`.`,
  );
}

/** Guards a prototype's member, and returns its property without the guard. */
function hideMember(proto: object, name: string, hides: Set<object>, plan: Plan): PropertyDescriptor {
  const property = Object.getOwnPropertyDescriptor(proto, name)!;
  const kind = "value" in property ? "value" : "get";
  const member = property[kind] as Method | undefined;
  if (typeof member !== "function") return property;
  const guarded = guard(name, member);
  hides.add(guarded);
  if (guarded !== member) {
    Object.defineProperty(proto, name, { ...property, [kind]: guarded });
    // A sibling class may offer a member that this one hides.
    plan.idempotent.get(name)?.(guarded);
  }
  return { ...property, [kind]: behindGuard(guarded) };
}

function takenName(cls: AnyClass, name: string): DurableError {
  return new DurableError(
    "reserved-name",
    `${cls.name}.${name}: the name belongs to the framework, which calls parts by it. Choose another: \`${name.slice(2)}() { … }\`.`,
  );
}

/** The parts that a class and its parents list, joined. */
function listedParts(cls: AnyClass, base: object): ListedPart[] {
  if (cls.prototype === base) return [];
  const all = new Map(listedParts(Object.getPrototypeOf(cls) as AnyClass, base).map((part) => [part.name, part]));
  const own: unknown = Object.hasOwn(cls, "parts") ? ((cls as { parts?: unknown }).parts ?? []) : [];
  const names = new Set<string>();
  for (const part of Array.isArray(own) ? (own as (Partial<ListedPart> | undefined)[]) : [undefined]) {
    if (typeof part?.attach !== "function" || names.has(part.name!)) {
      throw new DurableError(
        "bad-part",
        `${cls.name}.parts must be an array of parts: ${quote(part?.name ?? (Array.isArray(own) ? part : own))} isn't a part, or is listed twice. Write \`static override parts = [exactlyOnce()]\`.`,
      );
    }
    const listed = part as ListedPart;
    names.add(listed.name);
    const inherited = all.get(listed.name);
    all.set(listed.name, inherited === undefined ? listed : (listed.join?.(inherited) ?? listed));
  }
  return [...all.values()];
}

/** The method that a stub reaches by this name, of what is defined below `base`. */
export function reachable(self: object, base: object, name: string): Gated | undefined {
  // What shadows a member of the prototypes hides it; all that a stub must not reach is hidden so.
  if (typeof name !== "string" || PLATFORM.has(name) || Object.hasOwn(self, name)) return undefined;
  let proto = Object.getPrototypeOf(self) as object;
  while (proto !== base && !Object.hasOwn(proto, name)) proto = Object.getPrototypeOf(proto) as object;
  const { value } = Object.getOwnPropertyDescriptor(proto, name) ?? {};
  if (typeof value !== "function") return undefined;
  // What was put on a prototype after the first instance has no gate.
  return behindGate(value) ?? { method: value as Gated["method"], prepare: undefined };
}
