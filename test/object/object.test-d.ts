/** What the `Object` module and `serve` claim; checked by `tsc` alone. */
import type { DurableObject } from "cloudflare:workers";
import { DurableBase, type Finder, type FromOptions, type Handle, Object, serve } from "durable-base";
import { type MapOptions, type Moved, shards, type Shards } from "durable-base/shards";
import type { Hono } from "hono";
import { expectTypeOf } from "vitest";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
  LIST: DurableObjectNamespace<List>;
  SECRET: string;
}

class Counter extends DurableBase<Env> {
  count(): number {
    return this.env.SECRET.length;
  }
}

class List extends DurableBase<Env> {
  titles(): string[] {
    return [];
  }
}

/** Takes its own constructor's `ctx`, as a plain class does. */
class Made extends DurableBase<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    expectTypeOf(this.ctx.id).toEqualTypeOf<DurableObjectId>();
  }
}

class Facet extends DurableBase<Env, { tenant: string }> {
  constructor(ctx: DurableObjectState<{ tenant: string }>, env: Env) {
    super(ctx, env);
    expectTypeOf(this.ctx.props).toEqualTypeOf<{ tenant: string }>();
  }
}

declare const env: Env;

// Code that takes a plain class, such as Sentry's, takes one of ours.
declare function wrap<C extends new (ctx: DurableObjectState, env: Env) => DurableObject<Env>>(cls: C): C;
expectTypeOf(wrap(Counter)).toEqualTypeOf<typeof Counter>();
expectTypeOf(wrap(Made)).toEqualTypeOf<typeof Made>();
expectTypeOf<DurableBase<Env, { tenant: string }>>().toExtend<DurableObject<Env, { tenant: string }>>();
expectTypeOf<Facet>().toExtend<DurableObject<Env, { tenant: string }>>();

// Both doors give the same, typed.
expectTypeOf(Object.from(env.COUNTER)).toEqualTypeOf<Finder<Counter>>();
expectTypeOf(Counter.from(env.COUNTER)).toEqualTypeOf<Finder<Counter>>();
expectTypeOf(Counter.from(env.COUNTER).byName("a")).toEqualTypeOf<Handle<Counter>>();
expectTypeOf(Object.from(env.LIST).byName("a").titles).toEqualTypeOf<() => Promise<string[]>>();
expectTypeOf(Object.from(env.LIST).byId("a").titles()).toEqualTypeOf<Promise<string[]>>();
expectTypeOf(Object.from(env.LIST).unique().titles()).toEqualTypeOf<Promise<string[]>>();

// Work on shards may answer at once, later, or now this and now that.
declare const flag: boolean;
const lists = shards(env.LIST, 2);
expectTypeOf(lists).toEqualTypeOf<Shards<Handle<List>>>();
expectTypeOf(shards(Object.from(env.LIST), 2, { prefix: "list-" })).toEqualTypeOf<Shards<Handle<List>>>();
expectTypeOf(shards(List.from(env.LIST).jurisdiction("eu"), 2)).toEqualTypeOf<Shards<Handle<List>>>();
expectTypeOf<MapOptions | undefined>().toEqualTypeOf<Parameters<typeof lists.map>[1]>();
expectTypeOf(lists.movedSince(1, [])).toEqualTypeOf<Iterable<Moved<Handle<List>>>>();
// @ts-expect-error -- a binding that may be missing has to be checked first
shards(env.LIST as Env["LIST"] | undefined, 2);
// @ts-expect-error -- the prefix is an option
shards(env.LIST, 2, "list-");
// @ts-expect-error -- shards are a function of their own
Object.from(env.LIST).sharded(2);
expectTypeOf(await lists.map((list) => list.titles())).toEqualTypeOf<PromiseSettledResult<string[]>[]>();
expectTypeOf(await lists.map((list) => (flag ? list.titles() : new Date()))).toEqualTypeOf<
  PromiseSettledResult<string[] | Date>[]
>();

// @ts-expect-error -- a namespace of another class
Counter.from(env.LIST);
// @ts-expect-error -- no namespace
Object.from(env.SECRET);
// @ts-expect-error -- an optional binding has to be checked first
Object.from(env.COUNTER as Env["COUNTER"] | undefined);
// @ts-expect-error -- a name is a string
Object.from(env.COUNTER).byName(5);
// @ts-expect-error -- a method of another class
void Object.from(env.COUNTER).byName("a").titles();

// Options are the same for both; methods that may run again are named as the class has them.
const options: FromOptions = { retry: { maxRetries: 1, timeoutMs: 500, signal: new AbortController().signal } };
expectTypeOf(Object.from(env.LIST, options)).toEqualTypeOf<Finder<List>>();
expectTypeOf(Counter.from(env.COUNTER, options)).toEqualTypeOf<Finder<Counter>>();
expectTypeOf(Object.from(env.LIST, { idempotent: ["titles"] })).toEqualTypeOf<Finder<List>>();
expectTypeOf(List.from(env.LIST, { idempotent: ["titles"] })).toEqualTypeOf<Finder<List>>();
// @ts-expect-error -- no method of this class
Object.from(env.LIST, { idempotent: ["count"] });

// `Object` is still the global one.
expectTypeOf(Object.keys({ a: 1 })).toEqualTypeOf<string[]>();
expectTypeOf(Object.entries({ a: 1 })).toEqualTypeOf<[string, number][]>();
expectTypeOf(Object.assign({ a: 1 }, { b: 2 })).toEqualTypeOf<{ a: number } & { b: number }>();
expectTypeOf(Object).toExtend<ObjectConstructor>();
expectTypeOf(new Object()).toExtend<object>();

// `serve` takes classes and functions of the environment, and gives a Hono app of it.
const app = serve<Env>({ "/counters/:name": Counter, "/lists/:name": ({ LIST }) => LIST });
expectTypeOf(app).toEqualTypeOf<Hono<{ Bindings: Env }>>();
app.get("/total", (c) => {
  expectTypeOf(c.env).toEqualTypeOf<Env>();
  return c.text(c.env.SECRET);
});
app satisfies ExportedHandler<Env>;
expectTypeOf(serve({ "/counters/:name": Counter })).toEqualTypeOf<Hono<{ Bindings: Cloudflare.Env }>>();
serve<Env>({ "/c/:name": Counter }, { authorize: (request, { name, env }) => request.url.includes(name + env.SECRET) });
serve<Env>({ "/c/:name": Counter }, { authorize: async () => new Response(null, { status: 401 }) });
// @ts-expect-error -- forgetting to decide lets nobody in, so it is an error
serve<Env>({ "/c/:name": Counter }, { authorize: () => undefined });
// @ts-expect-error -- a class that is no Durable Object
serve<Env>({ "/c/:name": Date });
// @ts-expect-error -- a function that gives no namespace
serve<Env>({ "/c/:name": ({ SECRET }) => SECRET });
