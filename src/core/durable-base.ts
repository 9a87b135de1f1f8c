/**
 * @module
 * The base class: joins entries, persisted fields, routes and handles, and adds little of its own.
 */
import { DurableObject, RpcTarget } from "cloudflare:workers";
import type { Context, MiddlewareHandler } from "hono";
import { bareProblem } from "./bare-problem.ts";
import { lackOf } from "./part/call-part.ts";
import { enter } from "./entry/run.ts";
import { isInside, openScope, own } from "./entry/scope.ts";
import { DurableError } from "./errors.ts";
import { Life, lifeOf } from "./instance.ts";
import { find, type Finder, type FromOptions } from "../object/namespace.ts";
import { PARTS } from "./part/key.ts";
import type { ListedPart } from "./part/types.ts";
import { FIELDS } from "../persisted/fields.ts";
import { levelOf, planOf } from "./plan.ts";
import { shapeOf } from "./rpc-surface.ts";

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
export abstract class DurableBase<Env = Cloudflare.Env, Props = {}> extends DurableObject<Env, Props> {
  /** The members a stub can reach, in place of all that the class defines; `fetch` stays reachable. */
  static rpc?: readonly string[];

  /** True lets errors that leave through a stub take their stack along, as `error.remoteStack`. */
  static remoteStacks?: boolean;

  /**
   * Hono's middleware for every request that the routes of this class get, also those that no route takes. It runs
   * inside the entry, finds the object as `c.get("object")`, and is inherited as any static is.
   */
  static use?: readonly MiddlewareHandler[];

  /**
   * The parts of every object of this class that have no API of their own, such as `exactlyOnce()`. A subclass inherits them,
   * and lists only its own.
   */
  static parts?: readonly ListedPart[];

  /**
   * Finds objects of this class: `Counter.from(env.COUNTER).byName("alice")` is
   * `Object.from(env.COUNTER).byName("alice")`, and a namespace of another class is a type error.
   */
  static from<T extends Rpc.DurableObjectBranded>(
    this: abstract new (ctx: never, env: never) => T,
    namespace: DurableObjectNamespace<T>,
    options: FromOptions<NoInfer<T>> = {},
  ): Finder<T> {
    return find<T>(namespace, options, { name: this.name, idempotent: planOf(this).idempotent.keys() });
  }

  static {
    // Signs the class for this copy of the library, so that another one refuses its subclasses.
    levelOf(this.prototype);
  }

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const shape = shapeOf(new.target, DurableBase.prototype);
    const life = new Life(this, ctx, shape, RpcTarget);
    own(this, life);
    Object.defineProperty(this, FIELDS, { value: life.fields });
    Object.defineProperty(this, PARTS, { value: life });
    Object.defineProperties(this, shape.own);
    for (const attach of shape.parts) attach(this);
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
    const name = this.ctx.id.name ?? lifeOf(this).fields.storedName();
    if (name !== undefined) return name;
    throw new DurableError(
      "name-unknown",
      `${this.constructor.name}.name: it was woken by its id and has not stored its name yet. Address it by name: \`Object.from(namespace).byName(name)\`.`,
    );
  }

  /**
   * Destroys the object at the end of the entry that calls this, also when that throws: `onDestroy` runs, all that is
   * stored is deleted, the alarm too, sockets are closed with code 1001, the answer goes out, and the object is reset.
   * Whoever calls next finds a new one; calls that are open end with an error. Not reachable through a stub.
   *
   * In a transaction or `@Atomic` it takes effect once that is committed, and is dropped if it's undone. Outside any entry, as in a timer
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
    lifeOf(this).destroy();
  }

  /** Answers HTTP: by the class's routes, else 404. A subclass may override it and call `super.fetch(request)`. */
  override fetch(request: Request): Response | Promise<Response> {
    const life = lifeOf(this);
    const { parts } = life;
    const engine = life.shape.engine();
    const refuse = (error: unknown): Response => {
      if (engine === undefined) throw error;
      return engine.refuse(error);
    };
    const route = (): Response | Promise<Response> =>
      engine === undefined
        ? orElse(parts?.answer("unrouted", request), () => bareProblem(404, "Not Found"), refuse)
        : engine.answer(this, request, parts);
    try {
      const answered = parts?.answer("fetch", request);
      const waiting = answered ?? (engine === undefined || isInside(life) ? undefined : life.start());
      const response = orElse<Response>(waiting, route, refuse);
      if (parts?.have("answered") !== true) return response;
      const scope = openScope(life);
      if (scope !== undefined) {
        // A `fetch` of the class's own called this one, and has the last word.
        scope.finish ??= async (last) => (last instanceof Response ? parts.answered(last) : last);
        return response;
      }
      return response instanceof Promise
        ? response.then((last) => parts.answered(last)).catch(refuse)
        : parts.answered(response);
    } catch (error) {
      return refuse(error);
    }
  }

  /** Answers calls of the object's parts. The base's one member that a stub reaches, and not changed by `static rpc`. */
  protected async __call(name: string, ...args: unknown[]): Promise<unknown> {
    const life = lifeOf(this);
    const part = life.parts?.get(name);
    if (part?.call === undefined) throw partMissing(this, name);
    return await enter(life, () => part.call!(...args), { kind: "part", name });
  }
}

/** The error for a call of a part that the object doesn't have; `callPart` adds the line to write. */
function partMissing(self: object, name: unknown): DurableError {
  const { name: className } = self.constructor;
  return new DurableError("part-missing", `${className}${lackOf(name)}`);
}

/** An answer, or another one if it is undefined. */
function orElse<T extends Response>(
  answer: T | undefined | Promise<T | undefined | void>,
  other: () => T | Promise<T>,
  refuse: (error: unknown) => T,
): T | Promise<T> {
  if (answer === undefined) return other();
  return answer instanceof Promise ? answer.then((found) => found ?? other(), refuse) : answer;
}
