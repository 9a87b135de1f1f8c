/**
 * @module
 * What decorators record for a class, and how a subclass inherits it.
 *
 * A member decorator records on its own level: `context.metadata` in the standard dialect (which
 * never sees the class), the prototype in the legacy one. `planOf` joins the levels of a class's
 * chain into one plan, once per class, so that siblings share nothing.
 */
import "reflect-metadata/lite";
import { DurableError } from "./errors.ts";

// `Symbol.metadata` is missing in workerd, and tsc's helpers leave `context.metadata` undefined
// without it. Every decorator imports this module, so it is set before any decorated class is
// evaluated; as a statement of a module whose exports are used, bundlers keep it.
(Symbol as { metadata?: symbol }).metadata ??= Symbol.for("Symbol.metadata");

/** A persisted field as its decorator saw it; `options` belong to the room of fields. */
export interface FieldPlan {
  readonly name: string;
  readonly dialect: "accessor" | "field" | "legacy";
  readonly options?: object | undefined;
}

/** A route as its decorator saw it; `options` belong to the route room. */
export interface RoutePlan {
  readonly method: string;
  readonly path: string;
  readonly member: string;
  readonly options: object;
}

/** Turns the arguments of a call from outside into those the method gets; `self` is the object, for messages. */
export type Prepare = (args: unknown[], self: object) => unknown[] | Promise<unknown[]>;

/** Marks what a stub calls for a method: the gate that took the method's place. */
export type MarkGate = (gate: (...args: never[]) => unknown) => void;

/** The HTTP side of a class, brought by the decorator that needs it. */
export interface HttpEngine {
  /** Answers a request on behalf of `self`, which has started, and opens an entry for what runs of the user's. */
  answer(self: object, request: Request): Response | Promise<Response>;
  /** Answers for an object that could not start: nothing of the error leaves. */
  refuse(error: unknown): Response;
}

/** Makes the HTTP engine of a class. */
export type MakeEngine = (cls: AnyClass) => HttpEngine;

/** What the decorators of a class and its ancestors recorded. */
export interface Plan {
  readonly fields: ReadonlyMap<string, FieldPlan>;
  /** In the order in which they are asked: the class's own before those that it inherits. */
  readonly routes: readonly RoutePlan[];
  /** By method name: what a call through a stub goes through first. */
  readonly prepare: ReadonlyMap<string, Prepare>;
  /** The methods that are safe to run more than once, with what marks them for the platform. */
  readonly idempotent: ReadonlyMap<string, MarkGate>;
  /** By method name: when it runs again and again, as the room of schedules reads it. */
  readonly scheduled: ReadonlyMap<string, object>;
  /** Makes the class's HTTP engine; present when a decorator or `routes()` brought one. */
  engine: MakeEngine | undefined;
}

/** What the decorators of one class, without its ancestors, recorded. */
export interface Level {
  readonly fields: Map<string, FieldPlan>;
  routes: readonly RoutePlan[];
  /** The members that keep none of the routes they inherit. */
  readonly rerouted: Set<string>;
  readonly prepare: Map<string, Prepare>;
  readonly idempotent: Map<string, MarkGate>;
  readonly scheduled: Map<string, object>;
  engine: MakeEngine | undefined;
}

/** A class as the library handles it: `never` is the parameter list that every constructor fits. */
export type AnyClass = abstract new (...args: never[]) => object;

const LEVEL = Symbol.for("durable-base.level");
const KEY = "durable-base:plan";
const METADATA: symbol = (Symbol as { metadata?: symbol }).metadata as symbol;

type Holder = { [LEVEL]?: Level };

/** The level of the class that is being decorated: `context.metadata`, or the prototype in the legacy dialect. */
export function levelOf(holder: object | undefined): Level {
  if (holder === undefined) {
    throw new DurableError(
      "bad-decorator",
      'A decorator got no `context.metadata`: the compiler follows an older proposal. Use esbuild, TypeScript 5.2 or later, or Babel with `version: "2023-11"`.',
    );
  }
  if (!Object.hasOwn(holder, LEVEL)) {
    const level: Level = {
      fields: new Map(),
      routes: [],
      rerouted: new Set(),
      prepare: new Map(),
      idempotent: new Map(),
      scheduled: new Map(),
      engine: undefined,
    };
    Object.defineProperty(holder, LEVEL, { value: level });
  }
  return (holder as Required<Holder>)[LEVEL];
}

/** What the class itself, not an ancestor, recorded. */
export function ownLevel(cls: AnyClass): Level | undefined {
  const metadata = Object.hasOwn(cls, METADATA)
    ? (cls as unknown as Record<symbol, Holder | null>)[METADATA]
    : undefined;
  for (const holder of [metadata, cls.prototype as Holder]) {
    if (holder && Object.hasOwn(holder, LEVEL)) return holder[LEVEL];
  }
  return undefined;
}

/**
 * The plan of a class: its own over its ancestors'.
 *
 * Published for tools as `Reflect.getMetadata("durable-base:plan", Class)` from the first time the
 * class is used (constructed, `from`, `serve`).
 */
export function planOf(cls: AnyClass): Plan {
  const known = Reflect.getOwnMetadata(KEY, cls) as Plan | undefined;
  if (known !== undefined) return known;
  const parent = Object.getPrototypeOf(cls) as AnyClass | null;
  const base = typeof parent === "function" && parent.prototype !== undefined ? planOf(parent) : undefined;
  const own = ownLevel(cls);
  const plan: Plan = {
    fields: new Map([...(base?.fields ?? []), ...(own?.fields ?? [])]),
    routes: [...(own?.routes ?? []), ...(base?.routes ?? []).filter(({ member }) => !own?.rerouted.has(member))],
    prepare: new Map([...(base?.prepare ?? []), ...(own?.prepare ?? [])]),
    idempotent: new Map([...inheritedMarks(cls, base), ...(own?.idempotent ?? [])]),
    scheduled: new Map([...(base?.scheduled ?? []), ...(own?.scheduled ?? [])]),
    engine: own?.engine ?? base?.engine,
  };
  Reflect.defineMetadata(KEY, plan, cls);
  return plan;
}

/** The mark of a method is its own: an override says again that it is safe, or is not. */
function inheritedMarks(cls: AnyClass, base: Plan | undefined): [string, MarkGate][] {
  return [...(base?.idempotent ?? [])].filter(([name]) => !Object.hasOwn(cls.prototype as object, name));
}
