/**
 * @module
 * The object behind Hono's context: one app serves all objects of a class.
 */
import type { Context } from "hono";
import { enter } from "../core/entry/run.ts";
import { isInside, ownerOf } from "../core/entry/scope.ts";
import { DurableError, quote } from "../core/errors.ts";
import type { Unrouted } from "../core/plan.ts";

/** An object as its app sees it. */
export type Self = Record<string, (input: unknown, c: Context) => unknown> & {
  onError?(error: Error, c: Context): unknown;
};

const selves = new WeakMap<object, Self>();
/** By object, what answers requests that none of its routes takes. */
const rests = new WeakMap<object, Unrouted>();

/** Says that requests with this `ctx` are for `self`, and that `rest` answers those that no route takes. */
export function serveFor(ctx: object, self: object, rest: Unrouted | undefined): void {
  selves.set(ctx, self as Self);
  if (rest !== undefined) rests.set(self, rest);
}

/** A call of a routed method, as its route would make it. */
export interface RouteCall {
  readonly self: Self;
  readonly member: string;
  readonly input: unknown;
  /** Makes the response of the method's result. */
  readonly respond: (result: unknown) => Response | Promise<Response>;
}

/** Calls a routed method in place of its route, and returns the response. */
export type RouteCaller = (call: RouteCall) => Promise<Response>;

const callers = new WeakMap<Context, RouteCaller>();

/** Has `caller` call the method of this request's route, once all middleware and the schemas have let the request pass. */
export function callThrough(c: Context, caller: RouteCaller): void {
  callers.set(c, caller);
}

/** The function that calls the method of this request's route; undefined where the route does so itself. */
export function callerFor(c: Context): RouteCaller | undefined {
  return callers.get(c);
}

/** The contexts in which middleware or a handler has answered with `c.notFound()`. */
const declined = new WeakSet<Context>();

/** Asks what answers a request that no route takes. Nothing does if code of the user's has refused it with `c.notFound()`. */
export function answerUnrouted(c: Context): ReturnType<Unrouted["answer"]> {
  const self = declined.has(c) ? undefined : findObject(c);
  return self === undefined ? undefined : rests.get(self)?.answer("unrouted", c.req.raw);
}

/** The object that a request is for; undefined outside any. */
export function findObject(c: Context): Self | undefined {
  try {
    return selves.get(c.executionCtx);
  } catch {
    // Hono throws where there is no `ctx`, as in `app.request("/")`.
    return undefined;
  }
}

/**
 * The object that a request is for.
 *
 * @throws DurableError `no-object` outside any.
 */
export function objectOf(c: Context): Self {
  const self = findObject(c);
  if (self !== undefined) return self;
  throw new DurableError(
    "no-object",
    "The app of a class answers inside its objects only. Send them the request: `env.COUNTER.getByName(name).fetch(request)`.",
  );
}

/** Runs code of the user's as an entry of that name of the object, or in the one that it belongs to. */
export function inEntry<T>(self: Self, name: string, work: () => T | Promise<T>): T | Promise<T> {
  const owner = ownerOf(self)!;
  if (isInside(owner)) return work();
  const source = { kind: "fetch", name, staysInside: true } as const;
  return enter(owner, work, source) as T | Promise<T>;
}

/** Stands before all other middleware: lets them run in an entry, and makes an error of whatever else they throw. */
export const outermost = async (c: Context, next: () => Promise<void>): Promise<void> => {
  const self = objectOf(c);
  c.set("object", self);
  const { notFound } = c;
  c.notFound = () => {
    declined.add(c);
    return notFound();
  };
  const answer = await inEntry(self, "fetch", async () => {
    await next().catch(throwError);
    return c.finalized ? c.res : undefined;
  });
  // An object that destroys itself has read the body before.
  if (answer !== c.res && answer !== undefined) c.res = answer;
};

/** Hono lets whatever is no Error pass its `onError`. */
export function throwError(thrown: unknown): never {
  if (thrown instanceof Error) throw thrown;
  throw new Error(`${quote(thrown)} was thrown, which is no Error`, { cause: thrown });
}
