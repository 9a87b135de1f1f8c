/**
 * @module
 * What decorators record for a class, and how a subclass inherits it.
 *
 * A member decorator records on its own level: `context.metadata` in the standard dialect (which
 * never sees the class), the prototype in the legacy one. `planOf` joins the levels of a class's
 * chain into one plan, once per class, so that siblings share nothing.
 */
import "reflect-metadata/lite";
import { COPY, mixedCopies } from "./two-copies.ts";
import { DurableError } from "./errors.ts";

// `Symbol.metadata` is missing in workerd, and tsc's helpers leave `context.metadata` undefined
// without it. Every decorator imports this module, so it is set before any decorated class is
// evaluated; as a statement of a module whose exports are used, bundlers keep it.
(Symbol as { metadata?: symbol }).metadata ??= Symbol.for("Symbol.metadata");

/** A persisted field as its decorator saw it; `options` belong to `persisted/`. */
export interface FieldPlan {
  readonly name: string;
  readonly dialect: "accessor" | "field" | "legacy";
  readonly options?: object | undefined;
}

/** A route as its decorator saw it; `options` belong to `route/`. */
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
  /**
   * Answers a request on behalf of `self`, which has started, and opens an entry for what runs of the user's. Asks `rest` about
   * what no route takes.
   */
  answer(self: object, request: Request, rest: Unrouted | undefined): Response | Promise<Response>;
  /** Answers for an object that could not start: nothing of the error leaves. */
  refuse(error: unknown): Response;
}

/** Answers requests that no route takes: the object's parts do. */
export interface Unrouted {
  answer(hook: "unrouted", request: Request): Response | undefined | Promise<Response | undefined>;
}

/** Makes the HTTP engine of a class. */
export type MakeEngine = (cls: AnyClass) => HttpEngine;

/** The records of one part's decorators. */
export interface RecordedPart {
  /** Attaches the part to an object. */
  readonly attach: (object: object) => unknown;
  /** By member. */
  readonly members: Map<string, unknown>;
}

/** What the decorators of a class and its ancestors recorded. */
export interface Plan {
  readonly fields: ReadonlyMap<string, FieldPlan>;
  /** In the order in which they are asked: the class's own before those that it inherits. */
  readonly routes: readonly RoutePlan[];
  /** By method name: what a call through a stub goes through first. */
  readonly prepare: ReadonlyMap<string, Prepare>;
  /** The methods that are safe to run more than once, with what marks them for the platform. */
  readonly idempotent: ReadonlyMap<string, MarkGate>;
  /** The members that are hidden from stubs, overrides included. */
  readonly internal: ReadonlySet<string>;
  /** By name, the parts that decorators brought. */
  readonly parts: ReadonlyMap<string, RecordedPart>;
  /** Makes the class's HTTP engine; present when a decorator or `routes()` brought one. */
  engine: MakeEngine | undefined;
  /** The copy of the library that made the plan. */
  readonly copy: object;
}

/** What the decorators of one class, without its ancestors, recorded. */
export interface Level {
  readonly fields: Map<string, FieldPlan>;
  routes: readonly RoutePlan[];
  /** The members that keep none of the routes they inherit. */
  readonly rerouted: Set<string>;
  readonly prepare: Map<string, Prepare>;
  readonly idempotent: Map<string, MarkGate>;
  readonly internal: Set<string>;
  readonly parts: Map<string, RecordedPart>;
  engine: MakeEngine | undefined;
  /** The copy of the library whose decorators record here. */
  readonly copy: object;
}

/** A class as the library handles it: `never` is the parameter list that every constructor fits. */
export type AnyClass = abstract new (...args: never[]) => object;

const LEVEL = Symbol.for("durable-base.level");
const KEY = "durable-base:plan";
const METADATA: symbol = (Symbol as { metadata?: symbol }).metadata as symbol;

type Holder = { [LEVEL]?: Level };

/**
 * The level of the class that is being decorated: `context.metadata`, or the prototype in the legacy dialect.
 *
 * @throws DurableError `two-copies` when decorators of another copy of the library recorded there; `bad-decorator` when the
 * compiler passes no metadata.
 */
export function levelOf(holder: object | undefined): Level {
  if (holder === undefined) {
    throw new DurableError(
      "bad-decorator",
      'A decorator got no `context.metadata`: the compiler follows an older proposal. Use esbuild, TypeScript 5.2 or later, or Babel with `version: "2023-11"`.',
    );
  }
  // By default swc compiles decorators the legacy way, except decorators on an `accessor`: both belong to one level.
  holder = metadataOf(holder.constructor) ?? holder;
  if (!Object.hasOwn(holder, LEVEL)) Object.defineProperty(holder, LEVEL, { value: emptyLevel() });
  return levelIn(holder, "A class");
}

function emptyLevel(): Level {
  return {
    fields: new Map(),
    routes: [],
    rerouted: new Set(),
    prepare: new Map(),
    idempotent: new Map(),
    internal: new Set(),
    parts: new Map(),
    engine: undefined,
    copy: COPY,
  };
}

function levelIn(holder: Holder, where: string): Level {
  const level = holder[LEVEL]!;
  if (level.copy !== COPY) throw new DurableError("two-copies", mixedCopies(where));
  return level;
}

/**
 * Returns the level that the class itself, not an ancestor, recorded.
 *
 * @throws DurableError `two-copies` when another copy of the library recorded it; `bad-decorator` for decorators of both
 * dialects that could not be joined.
 */
export function ownLevel(cls: AnyClass): Level | undefined {
  const holders: (Holder | undefined)[] = [metadataOf(cls), cls.prototype as Holder];
  const [level, other] = holders.filter((holder) => holder && Object.hasOwn(holder, LEVEL));
  if (other === undefined) return level && levelIn(level, cls.name);
  throw new DurableError(
    "bad-decorator",
    `${cls.name} has legacy and standard decorators. Use one dialect for the whole class, as with \`"experimentalDecorators": false\`.`,
  );
}

/** The metadata of a class's own standard decorators. */
function metadataOf(cls: unknown): Holder | undefined {
  if (typeof cls !== "function" || !Object.hasOwn(cls, METADATA)) return undefined;
  return (cls as unknown as Record<symbol, Holder | null>)[METADATA] ?? undefined;
}

/**
 * The plan of a class: its own over its ancestors'.
 *
 * Published for tools as `Reflect.getMetadata("durable-base:plan", Class)` from the first time the
 * class is used (constructed, `from`, `serve`).
 */
export function planOf(cls: AnyClass): Plan {
  const known = Reflect.getOwnMetadata(KEY, cls) as Plan | undefined;
  // A platform class may have another copy's plan. That copy's own classes are refused below.
  if (known?.copy === COPY) return known;
  const parent = Object.getPrototypeOf(cls) as AnyClass | null;
  const base = typeof parent === "function" && parent.prototype !== undefined ? planOf(parent) : emptyLevel();
  const own = ownLevel(cls) ?? emptyLevel();
  // The mark of a method is its own: an override says again that it is safe, or is not.
  const marks = [...base.idempotent].filter(([name]) => !Object.hasOwn(cls.prototype as object, name));
  const plan: Plan = {
    fields: new Map([...base.fields, ...own.fields]),
    routes: [...own.routes, ...base.routes.filter(({ member }) => !own.rerouted.has(member))],
    prepare: new Map([...base.prepare, ...own.prepare]),
    idempotent: new Map([...marks, ...own.idempotent]),
    internal: new Set([...base.internal, ...own.internal]),
    parts: joinParts(base.parts, own.parts),
    engine: own.engine ?? base.engine,
    copy: COPY,
  };
  Reflect.defineMetadata(KEY, plan, cls);
  return plan;
}

/** Joins the records of a class with its ancestors', member by member. */
function joinParts(base: Plan["parts"], own: Plan["parts"]): Plan["parts"] {
  const all = new Map(base);
  for (const [name, { attach, members }] of own)
    all.set(name, { attach, members: new Map([...(all.get(name)?.members ?? []), ...members]) });
  return all;
}
