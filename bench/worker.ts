/** Runs one batch of one contender per request, so that Node's clock, not the frozen one in here, times it. */
import { Object } from "durable-base";
import type { HandCounter } from "./hand.ts";
import type { HonoCounter } from "./hono.ts";
import type { Counter } from "./ours.ts";

export { HandCounter } from "./hand.ts";
export { HonoCounter } from "./hono.ts";
export { Counter } from "./ours.ts";

/** What the generated classes of `fields.mjs` have in common. */
interface Fields extends Rpc.DurableObjectBranded {
  save(): void;
  sum(): number;
  evict(): void;
}

interface Env {
  HAND: DurableObjectNamespace<HandCounter>;
  HONO: DurableObjectNamespace<HonoCounter>;
  OURS: DurableObjectNamespace<Counter>;
  HAND10: DurableObjectNamespace<Fields>;
  HAND100: DurableObjectNamespace<Fields>;
  OURS10: DurableObjectNamespace<Fields>;
  OURS100: DurableObjectNamespace<Fields>;
}

interface Calls {
  noop(): Promise<unknown>;
  increment(by: number): Promise<unknown>;
}

interface Fetcher {
  fetch(request: Request): Promise<Response>;
}

/** Runs a batch of `size` operations on the objects called `name`. */
type Batch = (env: Env, name: string, size: number) => Promise<void>;

const noop = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i++) await stub.noop();
  };

const oneByOne = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i++) await stub.increment(1);
  };

const at32 = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i += 32) await Promise.all(Array.from({ length: 32 }, () => stub.increment(1)));
  };

const route =
  (method: string, path: string, init: RequestInit = {}) =>
  (stub: (env: Env, name: string) => Fetcher): Batch =>
    async function (env, name, size) {
      const object = stub(env, name);
      for (let i = 0; i < size; i++) {
        const response = await object.fetch(new Request(`http://bench${path}`, { method, ...init }));
        if (response.status !== 200) throw new Error(`${method} ${path} answered ${response.status}`);
        await response.text();
      }
    };

const coldNames = (name: string, size: number): string[] => Array.from({ length: size }, (_, i) => `${name}-${i}`);

const cold = (stub: (env: Env, name: string) => { sum(): Promise<number> }): Batch =>
  async function (env, name, size) {
    for (const one of coldNames(name, size)) await stub(env, one).sum();
  };

/** Stores every object's state and puts it out of memory: what the next call finds is a cold start. */
const evicted = (stub: (env: Env, name: string) => { save(): Promise<void>; evict(): Promise<void> }): Batch =>
  async function (env, name, size) {
    for (const one of coldNames(name, size)) {
      await stub(env, one).save();
      await stub(env, one)
        .evict()
        .catch(() => {});
    }
  };

const hand = (env: Env, name: string): Calls & Fetcher => env.HAND.getByName(name);
const hono = (env: Env, name: string): Fetcher => env.HONO.getByName(name);
const ours = (env: Env, name: string): Calls & Fetcher => Object.from(env.OURS).byName(name);
const native = (env: Env, name: string): Calls => env.OURS.getByName(name);

const get = route("GET", "/");
const body = '{"by":2}';
// A request made in a Worker has no length of its own; one that came over HTTP brings the client's.
const headers = { "content-type": "application/json", "content-length": `${body.length}` };
const post = route("POST", "/double", { body, headers });

const batches: Record<string, Record<string, Batch>> = {
  noop: { hand: noop(hand), ours: noop(ours), native: noop(native) },
  increment: { hand: oneByOne(hand), ours: oneByOne(ours), native: oneByOne(native) },
  increment32: { hand: at32(hand), ours: at32(ours), native: at32(native) },
  get: { hand: get(hand), ours: get(ours), hono: get(hono) },
  post: { hand: post(hand), ours: post(ours), hono: post(hono) },
  cold10: {
    hand: cold((env, name) => env.HAND10.getByName(name)),
    ours: cold((env, name) => env.OURS10.getByName(name)),
  },
  cold100: {
    hand: cold((env, name) => env.HAND100.getByName(name)),
    ours: cold((env, name) => env.OURS100.getByName(name)),
  },
};

const preparations: Record<string, Record<string, Batch>> = {
  cold10: {
    hand: evicted((env, name) => env.HAND10.getByName(name)),
    ours: evicted((env, name) => env.OURS10.getByName(name)),
  },
  cold100: {
    hand: evicted((env, name) => env.HAND100.getByName(name)),
    ours: evicted((env, name) => env.OURS100.getByName(name)),
  },
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, stage, subject, contender] = pathname.split("/") as [string, string, string, string];
    const batch = (stage === "prepare" ? preparations : batches)[subject]?.[contender];
    if (batch === undefined) return new Response(null, { status: stage === "prepare" ? 204 : 404 });
    await batch(env, searchParams.get("name")!, Number(searchParams.get("size")));
    return new Response("done");
  },
};
