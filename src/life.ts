/**
 * @module
 * The life of one object: its start, its writes and its end, and the parts that share them.
 */
import { endingWith } from "./call/atomic.ts";
import { COPY } from "./copies.ts";
import { Destroyer } from "./destroy.ts";
import { behindGate, isInside, run, type Owner, type Scope } from "./entry.ts";
import { DurableError } from "./errors.ts";
import { Fields } from "./persisted/fields.ts";
import { becomeLive, retireLive } from "./live-instance.ts";
import type { Declaration, Method } from "./schedule/runner.ts";
import { Scheduler } from "./schedule/scheduler.ts";
import { followImports } from "./storage/imported.ts";
import { withoutFields } from "./storage/keys.ts";
import { migrateObject, type Migration } from "./storage/migrations.ts";
import { storageOf } from "./storage/sqlite.ts";
import { methodOf, replaceOn, stateOf } from "./storage/storage-state.ts";
import type { Shape } from "./surface.ts";

/** How long an entry waits for `onStart`, in milliseconds: what the platform gives `blockConcurrencyWhile`. */
const START_TIMEOUT = 30_000;

/** What a life calls and reads of its object. */
interface Living {
  onStart?(): void | Promise<void>;
  onDestroy?(): void | Promise<void>;
}

/** What a life reads of its object's class. */
interface Statics {
  readonly name: string;
  readonly remoteStacks?: boolean;
  readonly migrations?: readonly Migration[];
}

const lives = new WeakMap<object, Life>();

/** The life of an object of our base class. */
export function lifeOf(self: object): Life {
  return lives.get(self)!;
}

/** The life of one instance, as its entries see it: construction, start, writes. */
export class Life implements Owner {
  readonly fields: Fields;
  readonly scheduler: Scheduler;
  readonly shape: Shape;
  readonly hides: ReadonlySet<object>;
  readonly targetClass: Owner["targetClass"];
  readonly sendsStacks: boolean;
  isConstructing = true;
  running: Scope | undefined;
  refusal: (() => DurableError | undefined) | undefined;
  readonly #self: Living;
  readonly #class: Statics;
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
  /** Functions that restore the storage's own methods. */
  readonly #leaves: (() => void)[];

  constructor(self: Living, ctx: DurableObjectState, shape: Shape, targetClass: Owner["targetClass"]) {
    this.#self = self;
    this.#class = self.constructor;
    this.targetClass = targetClass;
    this.#ctx = ctx;
    this.shape = shape;
    this.hides = shape.hides;
    this.sendsStacks = this.#class.remoteStacks === true;
    retireLive(ctx.id);
    this.fields = new Fields(this.#class.name, shape.plan, ctx, this);
    const declared = shape.plan.scheduled as ReadonlyMap<string, Declaration>;
    const handler = (): Method | undefined => handlerOf(self);
    this.scheduler = new Scheduler(ctx, { self, owner: this, declared, handler, around });
    this.#leaves = [() => this.scheduler.leave(), followImports(ctx.storage, () => this.#wake())];
    lives.set(self, this);
    stateOf(ctx.storage).copy = COPY;
    becomeLive(ctx.id, () => this.#retire());
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
    (this.#destroyer ??= new Destroyer(this, this.#self, this.#ctx, () => this.scheduler.disarm())).ask();
  }

  /** What the platform calls as the object's alarm(), in place of the class's own. */
  alarm(info?: AlarmInvocationInfo): unknown {
    return isInside(this) ? handlerOf(this.#self)?.call(this.#self, info) : this.scheduler.fire(info);
  }

  written(): void {
    this.scheduler.written();
  }

  /** Called when a newer instance replaces this one, whose memory is out of date from then on. */
  #retire(): void {
    this.fields.flush();
    const { name } = this.#class;
    this.refusal = () =>
      new DurableError(
        "stale-instance",
        `${name}: a newer instance of this object has replaced this one, as after an edit in a dev server, so this one can't change anything. Call the object again, and make only one instance for each \`ctx\`.`,
      );
    this.start = () => {
      throw this.refusal!();
    };
    for (const leave of this.#leaves.toReversed()) leave();
    this.fields.retire();
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
    return bounded(result, this.#class.name).then(
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
    const { migrations, name } = this.#class;
    if (migrations === undefined) return;
    const { storage } = stateOf(storageOf(this.#ctx.storage, name));
    if (this.#isCleared === undefined) {
      const before = methodOf(storage, "deleteAll");
      this.#isCleared = true;
      const deleteAll: typeof before = (options) => {
        this.#isCleared = true;
        this.#isReady = false;
        return before(options);
      };
      this.#leaves.push(replaceOn(storage, { deleteAll }));
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

/** The alarm() of the user's class. */
function handlerOf(self: object): Method | undefined {
  return (Object.getPrototypeOf(self) as { alarm?: Method }).alarm;
}
