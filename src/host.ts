/**
 * @module
 * The parts of one object: attaching them, running their hooks, and what they may ask of the object.
 */
import { COPY } from "./copies.ts";
import { atomically, endingWith } from "./call/atomic.ts";
import { afterTurn } from "./call/method.ts";
import { behindGate, enter, isInside, notImplemented, openScope, type Method, type Owner } from "./entry.ts";
import { DurableError } from "./errors.ts";
import { isThenable } from "./functions.ts";
import type { CallOptions, ChangeRecorder, Host, Part } from "./part.ts";
import { reachable, type Shape } from "./surface.ts";

/** The fields of an object, as parts see them. */
interface Fields {
  readonly isWritten: boolean;
  forget(): void;
  onChange(recorder: ChangeRecorder): void;
}

/** The hooks of parts that take nothing and return nothing. */
type Notice = "started" | "written" | "replaced" | "retired";

/** The parts of one object. */
export class Parts {
  readonly copy: object = COPY;
  readonly #owner: Owner;
  readonly #self: object;
  readonly #ctx: DurableObjectState;
  readonly #shape: Shape;
  readonly #fields: Fields;
  /** By name; undefined while there are none. */
  #parts: Map<string, Part> | undefined;

  constructor(owner: Owner, self: object, ctx: DurableObjectState, shape: Shape, fields: Fields) {
    this.#owner = owner;
    this.#self = self;
    this.#ctx = ctx;
    this.#shape = shape;
    this.#fields = fields;
  }

  attach<P extends Part>(name: string, make: (host: Host) => P): P {
    const known = this.#parts?.get(name);
    // The name is the part's own.
    if (known !== undefined) return known as P;
    if (!this.#owner.isConstructing) {
      throw new DurableError(
        "part-too-late",
        `${this.#self.constructor.name}: the part ${name} was asked for after the object was constructed. Write it in a field of the class: \`#${name} = ${name}(this)\`.`,
      );
    }
    const part = make(this.#hostOf(name));
    (this.#parts ??= new Map()).set(name, part);
    return part;
  }

  /** The part of that name. */
  get(name: string): Part | undefined {
    return this.#parts?.get(name);
  }

  /** True if any part has one of these hooks. */
  have(...hooks: readonly (keyof Part)[]): boolean {
    return this.#list().some((part) => hooks.some((hook) => part[hook] !== undefined));
  }

  /** Calls a hook of every part. */
  notify(hook: Notice): void {
    if (this.#parts !== undefined) for (const part of this.#parts.values()) part[hook]?.();
  }

  /** Calls `starting` or `destroyed` of every part, one after another; undefined if none had to be waited for. */
  run(hook: "starting" | "destroyed"): Promise<void> | undefined {
    const parts = this.#list();
    for (const [nth, part] of parts.entries()) {
      const waiting = part[hook]?.();
      // The promise of a call of another object is of the platform's own class.
      if (isThenable(waiting)) return runRest(hook, waiting, parts.slice(nth + 1));
    }
    return undefined;
  }

  /** The first answer that a part has for a request, as an entry. */
  answer(request: Request): Response | undefined | Promise<Response | undefined> {
    if (this.#parts === undefined) return undefined;
    const asked = this.#list().filter((part) => part.fetch !== undefined);
    if (asked.length === 0) return undefined;
    const ask = (): Response | Promise<Response> | undefined => {
      for (const part of asked) {
        const response = part.fetch!(request);
        if (response !== undefined) return response;
      }
      return undefined;
    };
    if (isInside(this.#owner)) return ask();
    return enter(this.#owner, ask, undefined, [], undefined, true) as ReturnType<Parts["answer"]>;
  }

  #list(): readonly Part[] {
    return this.#parts === undefined ? [] : [...this.#parts.values()];
  }

  #hostOf(part: string): Host {
    const [owner, self, fields] = [this.#owner, this.#self, this.#fields];
    const { plan, base } = this.#shape;
    return {
      object: self,
      ctx: this.#ctx,
      get isWritten() {
        return fields.isWritten;
      },
      records: () => plan.parts.get(part)?.members ?? new Map(),
      start: () => owner.start(),
      enter: (work, { out = false } = {}) => enter(owner, work, undefined, [], undefined, !out),
      scope: () => openScope(owner),
      isReachable: (name) => reachable(self, base, name) !== undefined,
      call: (name, args, options) => this.#call(name, args, options),
      transacted: (name, last) => {
        const member = (self as Record<string, unknown>)[name] as Method;
        return endingWith(behindGate(member)?.method ?? member, name, last) ?? undefined;
      },
      get isOver() {
        return owner.refusal?.() !== undefined;
      },
      reload: () => fields.forget(),
      onChange: (recorder) => fields.onChange(recorder),
      checkWritable: (label) => checkWritable(owner, label),
    };
  }

  #call(name: string, args: unknown[], { atomic }: CallOptions = {}): unknown {
    const self = this.#self;
    const gated = reachable(self, this.#shape.base, name);
    if (gated === undefined) throw notImplemented(name);
    const whole = (inner: Method): Method =>
      async function (...given) {
        return await atomically(self, name, () => atomic!(async () => await inner.apply(self, given)));
      };
    // A method that waits for its turn does so before the transaction, which would keep the holder waiting too.
    const method = atomic === undefined ? gated.method : afterTurn(gated.method, whole);
    const ready = gated.prepare === undefined ? args : gated.prepare(args, self);
    return isThenable(ready)
      ? Promise.resolve(ready).then((list) => method.apply(self, list))
      : method.apply(self, ready);
  }
}

async function runRest(
  hook: "starting" | "destroyed",
  waiting: PromiseLike<unknown>,
  rest: readonly Part[],
): Promise<void> {
  await waiting;
  for (const part of rest) await part[hook]?.();
}

function checkWritable(owner: Owner, label: string): void {
  if (owner.isConstructing) {
    throw new DurableError(
      "changed-in-constructor",
      `${label}: in the constructor nothing can be changed. Move it to \`onStart() { … }\`.`,
    );
  }
  const refusal = owner.refusal?.();
  if (refusal !== undefined) throw refusal;
}
