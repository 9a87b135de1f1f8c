/**
 * @module
 * The parts of one object: keeping them, and running their hooks. Made with the first part.
 */
import { followImports } from "../../storage/import-notice.ts";
import { methodOf, replaceOn, stateOf } from "../../storage/storage-state.ts";
import { enter, run } from "../entry/run.ts";
import { isInside, type Changes, type Owner, type Source } from "../entry/scope.ts";
import { isThenable } from "../values/async.ts";
import type { Tell } from "../../persisted/tracking/node.ts";
import type { Shape } from "../rpc-surface.ts";
import type { Part } from "./types.ts";

/** The fields of an object, as parts see them. */
interface Fields extends Changes {
  readonly isWritten: boolean;
  forget(): void;
  follow(tell: Tell, reset: () => void): void;
}

/** An object and its workings, as its parts are made of them. */
export interface Home extends Owner {
  /** The copy of the library that the object's class comes from. */
  readonly copy: object;
  readonly self: object;
  readonly ctx: DurableObjectState;
  readonly shape: Shape;
  readonly fields: Fields;
  parts: Parts | undefined;
  /** Lets the next entry start the parts again. */
  restart(): void;
}

const STARTING: Source = { kind: "start", name: "starting" };
const FETCH: Source = { kind: "fetch", name: "fetch", staysInside: true };

/** The hooks of parts that take nothing and return nothing. */
type Notice = "started" | "written" | "replaced" | "retired";

/** The parts of one object. */
export class Parts {
  readonly #home: Home;
  readonly #byName = new Map<string, Part>();
  /** True when `deleteAll` has deleted what the parts stored at the start. */
  isCleared = false;
  /** True while `destroy()` deletes everything, and after it. */
  #isEnding = false;
  #followsDeleteAll = false;
  /** Functions that restore the storage's own methods. */
  readonly #leaves: (() => void)[];

  constructor(home: Home) {
    this.#home = home;
    // A transaction has to be known before it begins.
    home.fields.join();
    this.#leaves = [followImports(home.ctx.storage, () => this.notify("replaced"))];
  }

  add(name: string, part: Part): void {
    this.#byName.set(name, part);
  }

  /** The part of that name. */
  get(name: string): Part | undefined {
    return this.#byName.get(name);
  }

  /** Calls a hook of every part. What has happened can't be refused: if a hook throws, the error is logged. */
  notify(hook: Notice): void {
    for (const part of this.#byName.values()) {
      try {
        part[hook]?.();
      } catch (error) {
        console.error(`durable-base: the hook \`${hook}\` of a part failed.`, error);
      }
    }
  }

  /** Runs `starting` of every part as an entry of its own; undefined if none had to be waited for. */
  start(): Promise<void> | undefined {
    if (!this.#followsDeleteAll) this.#followDeleteAll();
    this.isCleared = false;
    if (!this.have("starting")) return undefined;
    return run(this.#home, () => this.#run("starting"), STARTING) as Promise<void> | undefined;
  }

  /** Runs `destroyed` of every part, right before everything is deleted. */
  end(): Promise<void> | undefined {
    this.#isEnding = true;
    return this.#run("destroyed");
  }

  /** The deletion failed, and the object goes on. */
  resume(): void {
    this.#isEnding = false;
    if (this.isCleared) this.notify("replaced");
  }

  /** A newer instance takes over. In reverse order of construction: each restores what it found. */
  retire(): void {
    for (const leave of this.#leaves.toReversed()) leave();
    this.notify("retired");
  }

  /** The first answer that a part has for a request, as an entry: before the routes are asked, or after. */
  answer(hook: "fetch" | "unrouted", request: Request): Response | undefined | Promise<Response | undefined> {
    if (!this.have(hook)) return undefined;
    const ask = (): Response | Promise<Response> | undefined => {
      for (const part of this.#byName.values()) {
        const response = part[hook]?.(request);
        if (response !== undefined) return response;
      }
      return undefined;
    };
    if (isInside(this.#home)) return ask();
    return enter(this.#home, ask, FETCH) as ReturnType<Parts["answer"]>;
  }

  /** Calls a hook of every part, one after another; undefined if none had to be waited for. */
  #run(hook: "starting" | "destroyed"): Promise<void> | undefined {
    const parts = [...this.#byName.values()];
    for (const [nth, part] of parts.entries()) {
      const waiting = part[hook]?.();
      // The promise of a call of another object is of the platform's own class.
      if (isThenable(waiting)) return runRest(hook, waiting, parts.slice(nth + 1));
    }
    return undefined;
  }

  /** Lets the parts start again when everything that is stored was deleted. */
  #followDeleteAll(): void {
    this.#followsDeleteAll = true;
    if (!this.have("starting") && !this.have("replaced")) return;
    const { storage } = stateOf(this.#home.ctx.storage);
    const before = methodOf(storage, "deleteAll");
    const deleteAll: typeof before = (options) => {
      this.isCleared = true;
      this.#home.restart();
      const deleted = before(options);
      if (!this.#isEnding) this.notify("replaced");
      return deleted;
    };
    this.#leaves.push(replaceOn(storage, { deleteAll }));
  }

  /** Lets the parts see a response that is about to leave; returns the one that leaves. */
  answered(response: Response): Response {
    return [...this.#byName.values()].reduce((last, part) => part.answered?.(last) ?? last, response);
  }

  /** True if any part has the hook. */
  have(hook: keyof Part): boolean {
    return [...this.#byName.values()].some((part) => part[hook] !== undefined);
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
