/**
 * @module
 * What a class shows of its objects: which members a stub reaches, and what all of its instances have in common.
 */
import { DOORS } from "./door.ts";
import { behindGate, wrapPrototypes, type Gated } from "./entry.ts";
import { DurableError } from "./errors.ts";
import { accessorsOf, verifyAccessors } from "./persisted/accessors.ts";
import { planOf, type AnyClass, type HttpEngine, type Plan } from "./plan.ts";

/** Hooks of the user's class that only the library calls. */
const HOOKS = ["onStart", "onDestroy", "onError"];

/** Members that the platform itself calls and never offers to a stub, and the library's door. */
const PLATFORM = new Set([
  ...["constructor", "fetch", "connect", "alarm", "dup"],
  ...["webSocketMessage", "webSocketClose", "webSocketError", ...DOORS],
]);

/** What all instances of a class have in common. */
export interface Shape {
  readonly plan: Plan;
  readonly fields: PropertyDescriptorMap;
  readonly hidden: PropertyDescriptorMap;
  engine(): HttpEngine | undefined;
  verify(self: object): void;
}

const shapes = new WeakMap<AnyClass, Shape>();

/** The shape of a class below `base`, made with its first instance; `own` are properties that every instance has. */
export function shapeOf(cls: AnyClass, base: object, own: PropertyDescriptorMap): Shape {
  let shape = shapes.get(cls);
  if (shape === undefined) shapes.set(cls, (shape = makeShape(cls, base, own)));
  return shape;
}

function makeShape(cls: AnyClass, base: object, own: PropertyDescriptorMap): Shape {
  const plan = planOf(cls);
  const names = new Set(plan.fields.keys());
  wrapPrototypes(cls.prototype as object, base, (proto) => planOf(proto.constructor as AnyClass));
  let engine: HttpEngine | undefined;
  let isVerified = false;
  return {
    plan,
    fields: accessorsOf(plan),
    hidden: { ...hiddenMembers(cls, base, names), ...own },
    engine: () => (engine ??= plan.engine?.(cls)),
    verify: (self) => {
      // What can be wrong is wrong in every instance, so the first that is right speaks for all.
      if (!isVerified) verifyAccessors(self, cls, plan);
      isVerified = true;
    },
  };
}

/** Own properties that shadow what a stub must not reach: the platform offers prototype members only. */
function hiddenMembers(cls: AnyClass, base: object, fields: ReadonlySet<string>): PropertyDescriptorMap {
  const allowed = (cls as { rpc?: readonly string[] }).rpc;
  const hidden: PropertyDescriptorMap = {};
  const end: unknown = Object.getPrototypeOf(base);
  for (let proto = cls.prototype as object; proto !== end; proto = Object.getPrototypeOf(proto) as object) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (DOORS.includes(name as "__once") && proto !== base) throw takenName(cls, name);
      if (PLATFORM.has(name) || fields.has(name) || Object.hasOwn(hidden, name)) continue;
      const ours = Object.hasOwn(base, name) || HOOKS.includes(name);
      if (!ours && (allowed === undefined || allowed.includes(name))) continue;
      hidden[name] = { ...Object.getOwnPropertyDescriptor(proto, name), enumerable: false };
    }
  }
  return hidden;
}

function takenName(cls: AnyClass, name: string): DurableError {
  return new DurableError(
    "reserved-name",
    `${cls.name}.${name}: the name belongs to the framework, as a door for \`Object.once\` or \`Storage\`. Choose another: \`${name.slice(2)}() { … }\`.`,
  );
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
