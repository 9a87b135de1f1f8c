/**
 * @module
 * The parts of one object: attaching them, and running their hooks.
 */
import { COPY } from "../copies.ts";
import { enter } from "../entry/run.ts";
import { isInside, type Changes, type Owner, type Source } from "../entry/scope.ts";
import { DurableError } from "../errors.ts";
import { isThenable } from "../values/functions.ts";
import type { ChangeRecorder, Part } from "./types.ts";
import type { Shape } from "../rpc-surface.ts";

/** The fields of an object, as parts see them. */
interface Fields extends Changes {
  readonly isWritten: boolean;
  forget(): void;
  onChange(recorder: ChangeRecorder): void;
}

/** An object and its workings, as its parts are made of them. */
export interface Home {
  readonly owner: Owner;
  readonly self: object;
  readonly ctx: DurableObjectState;
  readonly shape: Shape;
  readonly fields: Fields;
}

const FETCH: Source = { kind: "fetch", name: "fetch", staysInside: true };

/** The hooks of parts that take nothing and return nothing. */
type Notice = "started" | "written" | "replaced" | "retired";

/** The parts of one object. */
export class Parts {
  readonly copy: object = COPY;
  readonly #home: Home;
  /** By name; undefined while there are none. */
  #parts: Map<string, Part> | undefined;

  constructor(home: Home) {
    this.#home = home;
  }

  attach<P extends Part>(name: string, make: (home: Home) => P): P {
    const known = this.#parts?.get(name);
    // The name is the part's own.
    if (known !== undefined) return known as P;
    const { owner, self, fields } = this.#home;
    if (!owner.isConstructing) {
      throw new DurableError(
        "part-too-late",
        `${self.constructor.name}: the part ${name} was asked for after the object was constructed. Write it in a field of the class: \`#${name} = ${name}(this)\`.`,
      );
    }
    // A transaction has to be known before it begins.
    fields.join();
    const part = make(this.#home);
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

  /** Calls a hook of every part. What has happened can't be refused: if a hook throws, the error is logged. */
  notify(hook: Notice): void {
    for (const part of this.#list()) {
      try {
        part[hook]?.();
      } catch (error) {
        console.error(`durable-base: the hook \`${hook}\` of a part failed.`, error);
      }
    }
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

  /** The first answer that a part has for a request, as an entry: before the routes are asked, or after. */
  answer(hook: "fetch" | "unrouted", request: Request): Response | undefined | Promise<Response | undefined> {
    if (this.#parts === undefined) return undefined;
    const asked = this.#list().filter((part) => part[hook] !== undefined);
    if (asked.length === 0) return undefined;
    const ask = (): Response | Promise<Response> | undefined => {
      for (const part of asked) {
        const response = part[hook]!(request);
        if (response !== undefined) return response;
      }
      return undefined;
    };
    if (isInside(this.#home.owner)) return ask();
    return enter(this.#home.owner, ask, FETCH) as ReturnType<Parts["answer"]>;
  }

  /** Lets the parts see a response that is about to leave; returns the one that leaves. */
  answered(response: Response): Response {
    return this.#list().reduce((last, part) => part.answered?.(last) ?? last, response);
  }

  #list(): readonly Part[] {
    return this.#parts === undefined ? [] : [...this.#parts.values()];
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
