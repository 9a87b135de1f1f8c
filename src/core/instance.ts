/**
 * @module
 * The life of one object: its start, its writes and its end.
 */
import { COPY } from "./two-copies.ts";
import { Destroyer } from "./destroy.ts";
import { handOut } from "./entry/results.ts";
import { run } from "./entry/run.ts";
import { ownerOf, type Observe, type Owner, type Scope, type Source } from "./entry/scope.ts";
import { DurableError } from "./errors.ts";
import { becomeLive, keyOfLive, retireLive } from "./live-instance.ts";
import type { Home, Parts } from "./part/attached.ts";
import { Fields } from "../persisted/fields.ts";
import { stateOf } from "../storage/storage-state.ts";
import type { Shape } from "./rpc-surface.ts";

/** How long an entry waits for `onStart`, in milliseconds: what the platform gives `blockConcurrencyWhile`. */
const START_TIMEOUT = 30_000;

const ON_START: Source = { kind: "start", name: "onStart" };

/** What a life calls and reads of its object. */
interface Living {
  onStart?(): void | Promise<void>;
  onDestroy?(): void | Promise<void>;
}

/** The life of an object of our base class. */
export function lifeOf(self: object): Life {
  return ownerOf(self) as Life;
}

/** The life of one instance, as its entries and parts see it: construction, start, writes. */
export class Life implements Home {
  readonly copy: object = COPY;
  readonly self: Living;
  readonly ctx: DurableObjectState;
  readonly fields: Fields;
  readonly shape: Shape;
  readonly hides: ReadonlySet<object>;
  readonly targetClass: Owner["targetClass"];
  readonly sendsStacks: boolean;
  readonly parked: Owner["parked"] = new Map();
  /** Made with the first part. */
  parts: Parts | undefined;
  isConstructing = true;
  running: Scope | undefined;
  refusal: (() => DurableError | undefined) | undefined;
  observe: Observe | undefined;
  isStarting = false;
  #destroyer: Destroyer | undefined;
  #isReady = false;
  #hasStarted = false;
  #isAnnounced = false;
  #defect: DurableError | undefined;
  #starting: Promise<void> | undefined;

  constructor(self: Living, ctx: DurableObjectState, shape: Shape, targetClass: Owner["targetClass"]) {
    this.self = self;
    this.ctx = ctx;
    this.shape = shape;
    this.hides = shape.hides;
    this.targetClass = targetClass;
    this.sendsStacks = (self.constructor as { remoteStacks?: boolean }).remoteStacks === true;
    const key = keyOfLive(ctx);
    retireLive(key);
    this.fields = new Fields(this.#className, shape.plan, ctx, this);
    stateOf(ctx.storage).copy = COPY;
    becomeLive(key, () => this.#retire());
    // Not queueMicrotask: in a constructor it takes workerd 15 µs.
    void Promise.resolve().then(() => {
      try {
        this.#defect = this.fields.endConstruction();
      } finally {
        this.isConstructing = false;
      }
    });
  }

  get #className(): string {
    return this.self.constructor.name;
  }

  start(): Promise<void> | undefined {
    // Only the end of the whole start lets the next entry try again: earlier, it would begin a second start beside this one.
    return this.#isReady
      ? undefined
      : (this.#starting ??= this.#begin()?.catch((error: unknown) => this.#failed(error)));
  }

  restart(): void {
    this.#isReady = false;
  }

  handOut(result: unknown): unknown {
    return handOut(this, result);
  }

  destroy(): void {
    this.#destroyer ??= new Destroyer(this);
    this.#destroyer.ask();
  }

  written(): void {
    this.parts?.notify("written");
  }

  /** Called when a newer instance replaces this one, whose memory is out of date from then on. */
  #retire(): void {
    this.fields.flush();
    this.refusal = () =>
      new DurableError(
        "stale-instance",
        `${this.#className}: a newer instance of the object has replaced this one, as after an edit in a dev server. Call the object again, and make one instance for each \`ctx\`.`,
      );
    this.start = () => {
      throw this.refusal!();
    };
    this.parts?.retire();
    this.fields.retire();
  }

  #begin(): Promise<void> | undefined {
    if (this.#defect !== undefined) throw this.#defect;
    this.shape.verify(this.self);
    const waiting = this.#startParts();
    return waiting === undefined ? this.#runOnStart() : waiting.then(() => this.#runOnStart());
  }

  #startParts(): Promise<void> | undefined {
    const starting = this.parts?.start();
    return starting && bounded(starting, `The start of the parts of ${this.#className}`);
  }

  #runOnStart(): Promise<void> | undefined {
    if (this.#hasStarted) return this.#settle();
    this.fields.begin();
    this.isStarting = true;
    let result: unknown;
    try {
      const { onStart } = this.self;
      result = onStart === undefined ? undefined : run(this, () => onStart.call(this.self), ON_START);
    } finally {
      this.isStarting = result instanceof Promise;
    }
    if (!(result instanceof Promise)) return this.#started();
    return bounded(result, `${this.#className}.onStart`).then(() => this.#started());
  }

  #started(): Promise<void> | undefined {
    this.isStarting = false;
    this.#hasStarted = true;
    return this.#settle();
  }

  /** Ends the start, unless everything was deleted meanwhile: by `onStart`, or by an open entry while a part was starting. */
  #settle(): Promise<void> | undefined {
    const waiting = this.parts?.isCleared === true ? this.#startParts() : undefined;
    if (waiting !== undefined) return waiting.then(() => this.#settle());
    this.#starting = undefined;
    this.#isReady = true;
    if (this.#isAnnounced) return undefined;
    this.#isAnnounced = true;
    this.parts?.notify("started");
    return undefined;
  }

  /** Lets the next entry try again when the start fails. */
  #failed(error: unknown): never {
    this.#starting = undefined;
    this.isStarting = false;
    throw error;
  }
}

async function bounded(start: Promise<unknown>, what: string): Promise<void> {
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new DurableError(
        "start-timeout",
        `${what} did not end within ${START_TIMEOUT} ms; the next call tries again. Don't await long work in it: \`this.ctx.waitUntil(work())\`.`,
      ),
    );
  }, START_TIMEOUT);
  try {
    await Promise.race([start, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
