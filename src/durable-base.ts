/**
 * @module
 * The base class: joins entries, persisted fields, routes and handles, and adds little of its own.
 */
import { DurableObject, RpcTarget } from "cloudflare:workers";
import type { Context, MiddlewareHandler } from "hono";
import { endingWith } from "./call/atomic.ts";
import { callOnce } from "./call/once.ts";
import { Destroyer } from "./destroy.ts";
import { DOORS, type Door } from "./door.ts";
import { behindGate, enter, isInside, own, run, wrapPrototypes, type Gated, type Owner, type Scope } from "./entry.ts";
import { DurableError, quote } from "./errors.ts";
import { find, type Finder, type FromOptions } from "./object/object.ts";
import { accessorsOf, verifyAccessors } from "./persisted/accessors.ts";
import { Fields, FIELDS } from "./persisted/fields.ts";
import { answer } from "./storage/answer.ts";
import { planOf, type AnyClass, type HttpEngine, type Plan } from "./plan.ts";
import type { ScheduleOptions } from "./schedule/options.ts";
import type { Declaration, Method } from "./schedule/runner.ts";
import { Scheduler } from "./schedule/scheduler.ts";
import type { Schedules } from "./schedule/schedules.ts";
import type { When } from "./schedule/when.ts";
import { followImports } from "./storage/imported.ts";
import { withoutFields } from "./storage/keys.ts";
import { migrateObject, type Migration } from "./storage/migrations.ts";
import { storageOf } from "./storage/sqlite.ts";

/** How long an entry waits for `onStart`, in milliseconds: what the platform gives `blockConcurrencyWhile`. */
const START_TIMEOUT = 30_000;

/** Hooks of the user's class that only the library calls. */
const HOOKS = ["onStart", "onDestroy", "onError"];

/** Members that the platform itself calls and never offers to a stub, and the library's door. */
const PLATFORM = new Set([
  ...["constructor", "fetch", "connect", "alarm", "dup"],
  ...["webSocketMessage", "webSocketClose", "webSocketError", ...DOORS],
]);

/**
 * The class to extend: a Durable Object with persisted fields, routes and entries.
 *
 * Methods and getters that the subclass defines can be called through a stub; what the base defines,
 * hooks and persisted fields cannot. TypeScript's `private` and `protected` vanish at run time and
 * stay callable: use `#private`, or list what a stub may call in `static rpc`.
 *
 * @example
 * ```ts
 * export class Counter extends DurableBase<Env> {
 *   @Persisted() accessor count = 0;
 *   increment({ by }: { by: number }) {
 *     return (this.count += by);
 *   }
 * }
 * ```
 */
export abstract class DurableBase<Env = Cloudflare.Env, Props = unknown> extends DurableObject<Env, Props> {
  /** The members a stub can reach, in place of all that the class defines; `fetch` stays reachable. */
  static rpc?: readonly string[];

  /** True lets errors that leave through a stub take their stack along, as `error.remoteStack`. */
  static remoteStacks?: boolean;

  /**
   * Opens the object's storage to whoever holds a stub of it: `"read"` for the functions of `Storage` that read, `"write"`
   * for those that write too. SQL stays inside, and routes and `serve` never offer it.
   */
  static storage?: string;

  /**
   * Hono's middleware for every request that the routes of this class get, also those that no route takes. It runs
   * inside the entry, finds the object as `c.get("object")`, and is inherited as any static is.
   */
  static use?: readonly MiddlewareHandler[];

  /**
   * What was to be changed in an object's tables and stored data since the class was first deployed: {@link Migration}s, each
   * run once per object, in order, before `onStart`. A subclass's list takes the place of this one, as any static does:
   * begin it with `...Base.migrations`. If a step fails every entry gets the error, nothing is kept, and the next tries again.
   */
  static migrations?: readonly Migration[];

  /**
   * Finds objects of this class: `Counter.from(env.COUNTER).byName("alice")` is
   * `Object.from(env.COUNTER).byName("alice")`, and a namespace of another class is a type error.
   */
  static from<T extends Rpc.DurableObjectBranded>(
    this: abstract new (ctx: never, env: never) => T,
    namespace: DurableObjectNamespace<T>,
    options: FromOptions<NoInfer<T>> = {},
  ): Finder<T> {
    return find<T>(namespace, options, this);
  }

  constructor(ctx: DurableObjectState<Props>, env: Env) {
    super(ctx, env);
    const shape = shapeOf(new.target);
    const life = new Life(this, ctx, shape);
    own(this, life);
    Object.defineProperty(this, FIELDS, { value: life.fields });
    Object.defineProperties(this, shape.hidden);
    Object.defineProperties(this, shape.fields);
  }

  /** Runs before the first entry of every wake-up; while it runs, entries wait. If it throws, the caller
   * gets the error and the next entry tries again. Not reachable through a stub. */
  onStart?(): void | Promise<void>;

  /** Runs once before the object is destroyed, as an entry of its own that may still read and call. If it throws, the
   * caller whose entry called `destroy()` gets the error and nothing is destroyed. Not reachable through a stub. */
  onDestroy?(): void | Promise<void>;

  /**
   * Is asked for the answer to every error of a request: what a method or middleware threw, and each refusal, which is
   * an `HTTPException` with a `status`. A `Response` is sent; for anything else the problem of that error, which is
   * also sent when the hook itself fails. Not reachable through a stub.
   */
  onError?(error: Error, c: Context): Response | void | Promise<Response | void>;

  /**
   * The name the object was addressed by. Not reachable through a stub.
   *
   * @throws DurableError `name-unknown` when the object was woken by its id and has never been written to.
   */
  get name(): string {
    const name = this.ctx.id.name ?? lives.get(this)!.fields.storedName();
    if (name !== undefined) return name;
    throw new DurableError(
      "name-unknown",
      `${this.constructor.name}.name: the object was woken by its id alone and has not stored its name yet. Address it by name: \`Object.from(namespace).byName(name)\`.`,
    );
  }

  /**
   * Destroys the object at the end of the entry that calls this, also when that throws: `onDestroy` runs, all that is
   * stored is deleted, the alarm too, sockets are closed with code 1001, the answer goes out, and the object is reset.
   * Whoever calls next finds a new one; calls that are open end with an error. Not reachable through a stub.
   *
   * Within `@Atomic` it holds once that is committed, and is dropped with what is undone. Outside any entry, as in a timer
   * that outlived its own, the object is destroyed at once.
   *
   * @throws DurableError `changed-in-constructor` when called there. The caller of the entry gets `write-failed` when the
   * deletion fails, and the error of `onDestroy`; nothing is destroyed then.
   *
   * @example
   * ```ts
   * close(): string {
   *   this.destroy();
   *   return "closed";
   * }
   * ```
   */
  destroy(): void {
    lives.get(this)!.destroy();
  }

  /**
   * Runs a method of this object later, at least once: at a `Date`, after a number of milliseconds, at each
   * `{ every: milliseconds }`, or by `cron("0 9 * * 1-5", { timeZone })`; a time that has passed means now. Gives the
   * job's id. Not reachable through a stub.
   *
   * The job is one row, stored with what else the stretch changes, and undone with an `@Atomic` method. Its row goes with
   * the last changes of the method, so what a sync or `@Atomic` method does to the object is done exactly once. A
   * method that throws is tried again, see {@link ScheduleOptions.retry}, and then kept as a dead job.
   *
   * @throws DurableError `bad-time`, `bad-cron`, `bad-option`, `bad-key`, `unknown-method`, `not-persistable`, `too-large`,
   * `changed-in-constructor`.
   *
   * @example
   * ```ts
   * this.schedule(86_400_000, this.remind, { user: "alice" }, { id: "reminder:alice", replace: true });
   * ```
   */
  schedule<M extends (input: never, context: undefined) => unknown>(
    when: When,
    method: M,
    ...rest: Scheduling<Parameters<M>>
  ): string {
    return lives.get(this)!.scheduler.schedule(when, method, ...(rest as [unknown?, ScheduleOptions?]));
  }

  /** The jobs of this object: `list`, `get`, `cancel`, `retry`. Not reachable through a stub. */
  get schedules(): Schedules {
    return lives.get(this)!.scheduler;
  }

  /** Answers HTTP: by the class's routes, else 404. A subclass may override it and call `super.fetch(request)`. */
  override fetch(request: Request): Response | Promise<Response> {
    const life = lives.get(this)!;
    const engine = life.shape.engine();
    if (engine === undefined) return noRoutes();
    try {
      const starting = isInside(life) ? undefined : life.start();
      if (starting !== undefined)
        return starting.then(
          () => engine.answer(this, request),
          (error: unknown) => engine.refuse(error),
        );
    } catch (error) {
      return engine.refuse(error);
    }
    return engine.answer(this, request);
  }

  /** What `Object.once` calls: a member of the base that a stub reaches, and with it only what it reaches anyway. */
  protected async __once(...[name, key, args, ttl]: Parameters<Door["__once"]>): Promise<unknown> {
    const gated = Array.isArray(args) ? reachable(this, name) : undefined;
    // As the platform puts it.
    if (gated === undefined) throw new TypeError(`The RPC receiver does not implement the method ${quote(name)}.`);
    const call = (): Promise<unknown> => callOnce(this, { ...gated, name, key, args, ttl });
    return await enter(lives.get(this)!, call, undefined, []);
  }

  /** What the functions of `Storage` call on a stub, where `static storage` allows it. */
  protected async __storage(...call: Parameters<Door["__storage"]>): Promise<unknown> {
    const { name, storage } = this.constructor as typeof DurableBase;
    return await enter(lives.get(this)!, () => answer(this.ctx, name, storage, call), undefined, []);
  }
}

/** What follows the method in a call of `schedule`: its input, if it takes one, and options. */
type Scheduling<Params extends unknown[]> = Params extends []
  ? [input?: undefined, options?: ScheduleOptions]
  : [] extends Params
    ? [input?: Params[0], options?: ScheduleOptions]
    : [input: Params[0], options?: ScheduleOptions];

/** What the platform calls as `alarm`, in place of the class's own. */
function alarm(this: DurableBase<unknown>, info?: AlarmInvocationInfo): unknown {
  const life = lives.get(this)!;
  return isInside(life) ? handlerOf(this)?.call(this, info) : life.scheduler.fire(info);
}

/** The alarm() of the user's class. */
function handlerOf(self: object): Method | undefined {
  return (Object.getPrototypeOf(self) as { alarm?: Method }).alarm;
}

/** The method that a stub reaches by this name. */
function reachable(self: object, name: string): Gated | undefined {
  // What shadows a member of the prototypes hides it; all that a stub must not reach is hidden so.
  if (typeof name !== "string" || PLATFORM.has(name) || Object.hasOwn(self, name)) return undefined;
  let proto = Object.getPrototypeOf(self) as object;
  while (proto !== DurableBase.prototype && !Object.hasOwn(proto, name)) proto = Object.getPrototypeOf(proto) as object;
  const { value } = Object.getOwnPropertyDescriptor(proto, name) ?? {};
  if (typeof value !== "function") return undefined;
  // What was put on a prototype after the first instance has no gate.
  return behindGate(value) ?? { method: value as Gated["method"], prepare: undefined };
}

/** A problem as the router's, which a class without routes does not bring. */
function noRoutes(): Response {
  const body = '{"type":"about:blank","title":"Not Found","status":404,"code":"not-found"}';
  return new Response(body, { status: 404, headers: { "content-type": "application/problem+json" } });
}

interface Shape {
  readonly plan: Plan;
  readonly fields: PropertyDescriptorMap;
  readonly hidden: PropertyDescriptorMap;
  engine(): HttpEngine | undefined;
  verify(self: object): void;
}

const shapes = new WeakMap<AnyClass, Shape>();
const lives = new WeakMap<object, Life>();

/** What all instances of a class have in common, made with the first of them. */
function shapeOf(cls: AnyClass): Shape {
  let shape = shapes.get(cls);
  if (shape === undefined) shapes.set(cls, (shape = makeShape(cls)));
  return shape;
}

function makeShape(cls: AnyClass): Shape {
  const plan = planOf(cls);
  const names = new Set(plan.fields.keys());
  wrapPrototypes(cls.prototype as object, DurableBase.prototype, (proto) => planOf(proto.constructor as AnyClass));
  let engine: HttpEngine | undefined;
  let isVerified = false;
  return {
    plan,
    fields: accessorsOf(plan),
    hidden: hiddenMembers(cls, names),
    engine: () => (engine ??= plan.engine?.(cls)),
    verify: (self) => {
      // What can be wrong is wrong in every instance, so the first that is right speaks for all.
      if (!isVerified) verifyAccessors(self, cls, plan);
      isVerified = true;
    },
  };
}

/** Own properties that shadow what a stub must not reach: the platform offers prototype members only. */
function hiddenMembers(cls: AnyClass, fields: ReadonlySet<string>): PropertyDescriptorMap {
  const allowed = (cls as { rpc?: readonly string[] }).rpc;
  const hidden: PropertyDescriptorMap = {};
  for (
    let proto = cls.prototype as object;
    proto !== DurableObject.prototype;
    proto = Object.getPrototypeOf(proto) as object
  ) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (DOORS.includes(name as "__once") && proto !== DurableBase.prototype) throw takenName(cls, name);
      if (PLATFORM.has(name) || fields.has(name) || Object.hasOwn(hidden, name)) continue;
      const ours = Object.hasOwn(DurableBase.prototype, name) || HOOKS.includes(name);
      if (!ours && (allowed === undefined || allowed.includes(name))) continue;
      hidden[name] = { ...Object.getOwnPropertyDescriptor(proto, name), enumerable: false };
    }
  }
  hidden["alarm"] = { value: alarm };
  return hidden;
}

function takenName(cls: AnyClass, name: string): DurableError {
  return new DurableError(
    "reserved-name",
    `${cls.name}.${name}: the name belongs to the framework, as a door for \`Object.once\` or \`Storage\`. Choose another: \`${name.slice(2)}() { … }\`.`,
  );
}

/** The life of one instance, as its entries see it: construction, start, writes. */
class Life implements Owner {
  readonly fields: Fields;
  readonly scheduler: Scheduler;
  readonly shape: Shape;
  readonly targetClass = RpcTarget;
  readonly sendsStacks: boolean;
  isConstructing = true;
  running: Scope | undefined;
  refusal: (() => DurableError | undefined) | undefined;
  readonly #self: DurableBase<unknown>;
  isStarting = false;
  readonly parked: Owner["parked"] = new Map();
  #destroyer: Destroyer | undefined;
  readonly #ctx: DurableObjectState;
  #isReady = false;
  #hasStarted = false;
  /** True until migrations have run, and after `deleteAll`, which takes their work along; undefined where there are none. */
  #isCleared: boolean | undefined;
  #defect: DurableError | undefined;
  #starting: Promise<void> | undefined;

  constructor(self: DurableBase<unknown>, ctx: DurableObjectState, shape: Shape) {
    this.#self = self;
    this.#ctx = ctx;
    this.shape = shape;
    this.sendsStacks = (self.constructor as typeof DurableBase).remoteStacks === true;
    this.fields = new Fields(self.constructor.name, shape.plan, ctx, this);
    const declared = shape.plan.scheduled as ReadonlyMap<string, Declaration>;
    const handler = (): Method | undefined => handlerOf(self);
    this.scheduler = new Scheduler(ctx.storage, { self, owner: this, declared, handler, around });
    followImports(ctx.storage, () => this.#wake());
    lives.set(self, this);
    // Not queueMicrotask: in a constructor it takes workerd 15 µs.
    void Promise.resolve().then(() => {
      try {
        this.#defect = this.fields.endConstruction();
      } finally {
        this.isConstructing = false;
      }
    });
  }

  start(): Promise<void> | undefined {
    return this.#isReady ? undefined : (this.#starting ??= this.#begin());
  }

  flush(scope: Scope): void {
    this.fields.flush(scope);
  }

  destroy(): void {
    (this.#destroyer ??= new Destroyer(this, this.#self, this.#ctx)).ask();
  }

  written(): void {
    this.scheduler.written();
  }

  #begin(): Promise<void> | undefined {
    if (this.#defect !== undefined) throw this.#defect;
    this.shape.verify(this.#self);
    this.#migrate();
    if (this.#hasStarted) {
      this.#isReady = true;
      return undefined;
    }
    this.fields.begin();
    this.isStarting = true;
    let result: unknown;
    try {
      const { onStart } = this.#self;
      result = onStart === undefined ? undefined : run(this, onStart, this.#self, []);
    } finally {
      this.isStarting = result instanceof Promise;
    }
    if (!(result instanceof Promise)) {
      this.#started();
      return undefined;
    }
    return bounded(result, this.#self.constructor.name).then(
      () => this.#started(),
      (error: unknown) => {
        this.#starting = undefined;
        this.isStarting = false;
        throw error;
      },
    );
  }

  #started(): void {
    this.isStarting = false;
    this.#starting = undefined;
    this.#hasStarted = true;
    if (this.#isCleared === true) this.#migrate();
    this.#isReady = true;
    this.#wake();
  }

  #wake(): void {
    this.scheduler.wake(() => this.fields.isWritten);
  }

  #migrate(): void {
    const { migrations, name } = this.#self.constructor as typeof DurableBase;
    if (migrations === undefined) return;
    const storage = storageOf(this.#ctx.storage, name);
    if (this.#isCleared === undefined) {
      const { deleteAll } = storage;
      this.#isCleared = true;
      storage.deleteAll = (options) => {
        this.#isCleared = true;
        this.#isReady = false;
        return deleteAll.call(storage, options);
      };
    }
    // What the constructor has read may be stored otherwise now.
    const ran = withoutFields(storage, () => migrateObject(storage, migrations, `${name}.migrations`));
    if (ran.length > 0) this.fields.forget();
    this.#isCleared = false;
  }
}

/** A job's method, with what the job's end is where that must be within a transaction. */
function around(method: Method, name: string, last: () => void): Method | null {
  return endingWith(behindGate(method)?.method ?? method, name, last) as Method | null;
}

async function bounded(start: Promise<unknown>, name: string): Promise<void> {
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new DurableError(
        "start-timeout",
        `${name}.onStart did not end within ${START_TIMEOUT} ms; the next call tries again. Start long work in it without awaiting: \`this.ctx.waitUntil(work())\`.`,
      ),
    );
  }, START_TIMEOUT);
  try {
    await Promise.race([start, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
