/**
 * @module
 * The life of one object: its start, its writes and its end, and the parts that share them.
 */
import { COPY } from "./copies.ts";
import { Destroyer } from "./destroy.ts";
import { handOut } from "./entry/results.ts";
import { run } from "./entry/run.ts";
import type { Observe, Owner, Scope, Source } from "./entry/scope.ts";
import { DurableError } from "./errors.ts";
import { Parts } from "./part/attached.ts";
import { Fields } from "../persisted/fields.ts";
import { becomeLive, retireLive } from "./live-instance.ts";
import { followImports } from "../storage/imported.ts";
import { methodOf, replaceOn, stateOf } from "../storage/storage-state.ts";
import type { Shape } from "./rpc-surface.ts";

/** How long an entry waits for `onStart`, in milliseconds: what the platform gives `blockConcurrencyWhile`. */
const START_TIMEOUT = 30_000;

const STARTING: Source = { kind: "start", name: "starting" };
const ON_START: Source = { kind: "start", name: "onStart" };

/** What a life calls and reads of its object. */
interface Living {
  onStart?(): void | Promise<void>;
  onDestroy?(): void | Promise<void>;
}

/** What a life reads of its object's class. */
interface Statics {
  readonly name: string;
  readonly remoteStacks?: boolean;
}

const lives = new WeakMap<object, Life>();

/** The life of an object of our base class. */
export function lifeOf(self: object): Life {
  return lives.get(self)!;
}

/** The life of one instance, as its entries see it: construction, start, writes. */
export class Life implements Owner {
  readonly fields: Fields;
  readonly parts: Parts;
  readonly shape: Shape;
  readonly hides: ReadonlySet<object>;
  readonly targetClass: Owner["targetClass"];
  readonly sendsStacks: boolean;
  isConstructing = true;
  running: Scope | undefined;
  refusal: (() => DurableError | undefined) | undefined;
  observe: Observe | undefined;
  readonly #self: Living;
  readonly #class: Statics;
  isStarting = false;
  readonly parked: Owner["parked"] = new Map();
  #destroyer: Destroyer | undefined;
  readonly #ctx: DurableObjectState;
  #isReady = false;
  #hasStarted = false;
  #isAnnounced = false;
  /** True when `deleteAll` has deleted what the parts stored at the start. */
  #isCleared = false;
  #followsDeleteAll = false;
  /** True while `destroy()` deletes everything, and after it. */
  #isEnding = false;
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
    this.#leaves = [followImports(ctx.storage, () => this.parts.notify("replaced"))];
    this.parts = new Parts({ owner: this, self, ctx, shape, fields: this.fields });
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
    // Only the end of the whole start lets the next entry try again: earlier, it would begin a second start beside this one.
    return this.#isReady
      ? undefined
      : (this.#starting ??= this.#begin()?.catch((error: unknown) => this.#failed(error)));
  }

  flush(scope: Scope): void {
    this.fields.flush(scope);
  }

  handOut(result: unknown): unknown {
    return handOut(this, result);
  }

  destroy(): void {
    this.#destroyer ??= new Destroyer(this, this.#self, this.#ctx, {
      prepare: () => {
        this.#isEnding = true;
        return this.parts.run("destroyed");
      },
      disarm: () => disarm(this.#ctx),
      failed: () => {
        this.#isEnding = false;
        if (this.#isCleared) this.parts.notify("replaced");
      },
    });
    this.#destroyer.ask();
  }

  written(): void {
    this.parts.notify("written");
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
    // In reverse order of construction: each restores what it found.
    for (const leave of this.#leaves.toReversed()) leave();
    this.parts.notify("retired");
    this.fields.retire();
  }

  #begin(): Promise<void> | undefined {
    if (this.#defect !== undefined) throw this.#defect;
    this.shape.verify(this.#self);
    if (!this.#followsDeleteAll) this.#followDeleteAll();
    const waiting = this.#prepare();
    return waiting === undefined ? this.#runOnStart() : waiting.then(() => this.#runOnStart());
  }

  /** Runs `starting` of the parts, as an entry of its own. */
  #prepare(): Promise<void> | undefined {
    this.#isCleared = false;
    if (!this.parts.have("starting")) return undefined;
    const result = run(this, () => this.parts.run("starting"), STARTING);
    return result instanceof Promise ? bounded(result, `The start of the parts of ${this.#class.name}`) : undefined;
  }

  #runOnStart(): Promise<void> | undefined {
    if (this.#hasStarted) return this.#settle();
    this.fields.begin();
    this.isStarting = true;
    let result: unknown;
    try {
      const { onStart } = this.#self;
      result = onStart === undefined ? undefined : run(this, () => onStart.call(this.#self), ON_START);
    } finally {
      this.isStarting = result instanceof Promise;
    }
    if (!(result instanceof Promise)) return this.#started();
    return bounded(result, `${this.#class.name}.onStart`).then(() => this.#started());
  }

  #started(): Promise<void> | undefined {
    this.isStarting = false;
    this.#hasStarted = true;
    return this.#settle();
  }

  /** Ends the start, unless everything was deleted meanwhile: by `onStart`, or by an open entry while a part was starting. */
  #settle(): Promise<void> | undefined {
    const waiting = this.#isCleared ? this.#prepare() : undefined;
    if (waiting !== undefined) return waiting.then(() => this.#settle());
    this.#starting = undefined;
    this.#isReady = true;
    if (this.#isAnnounced) return undefined;
    this.#isAnnounced = true;
    this.parts.notify("started");
    return undefined;
  }

  /** Lets the next entry try again when the start fails. */
  #failed(error: unknown): never {
    this.#starting = undefined;
    this.isStarting = false;
    throw error;
  }

  /** Lets the parts start again when everything that is stored was deleted. */
  #followDeleteAll(): void {
    this.#followsDeleteAll = true;
    if (!this.parts.have("starting", "replaced")) return;
    const { storage } = stateOf(this.#ctx.storage);
    const before = methodOf(storage, "deleteAll");
    const deleteAll: typeof before = (options) => {
      this.#isCleared = true;
      this.#isReady = false;
      const deleted = before(options);
      if (!this.#isEnding) this.parts.notify("replaced");
      return deleted;
    };
    this.#leaves.push(replaceOn(storage, { deleteAll }));
  }
}

/** Deletes the native alarm, by the platform's own function: a part may have replaced the storage's `deleteAlarm`. */
async function disarm(ctx: DurableObjectState): Promise<void> {
  const { storage } = stateOf(ctx.storage);
  const proto = Object.getPrototypeOf(storage) as DurableObjectStorage;
  await proto.deleteAlarm.call(storage);
}

async function bounded(start: Promise<unknown>, what: string): Promise<void> {
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new DurableError(
        "start-timeout",
        `${what} did not end within ${START_TIMEOUT} ms; the next call tries again. Start long work in it without awaiting: \`this.ctx.waitUntil(work())\`.`,
      ),
    );
  }, START_TIMEOUT);
  try {
    await Promise.race([start, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
