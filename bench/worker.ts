/** Runs one batch of one contender per request, so that Node's clock, not the frozen one in here, times it. */
import { Object, type Finder } from "durable-base";
import { type Walk, type Walked } from "./entries.ts";
import { fronts } from "./fronts.ts";
import type { HandCounter, HandEntries } from "./hand.ts";
import type { HonoCounter } from "./hono.ts";
import type { Counter, Entries } from "./ours.ts";
import type { HandQueue, OurQueue, Queue } from "./jobs.ts";
import type { HandStorage, OurStorage, Stored } from "./storage.ts";

export { HandCounter, HandEntries } from "./hand.ts";
export { HonoCounter } from "./hono.ts";
export { Counter, Entries, RecordedEntries } from "./ours.ts";
export { HandQueue, OurQueue } from "./jobs.ts";
export { HandChat, OurChat, PartyChat } from "./sockets.ts";
export { HandShared, OurShared } from "./sync.ts";
export { HandStorage, OurStorage } from "./storage.ts";

/** What the generated classes of `fields.mjs` have in common. */
interface Fields extends Rpc.DurableObjectBranded {
  save(): void;
  sum(): number;
  evict(): void;
  change10(): void;
}

interface Env {
  HAND: DurableObjectNamespace<HandCounter>;
  HONO: DurableObjectNamespace<HonoCounter>;
  OURS: DurableObjectNamespace<Counter>;
  HAND10: DurableObjectNamespace<Fields>;
  HAND100: DurableObjectNamespace<Fields>;
  OURS10: DurableObjectNamespace<Fields>;
  OURS100: DurableObjectNamespace<Fields>;
  HAND_KEYS10: DurableObjectNamespace<Omit<Fields, "change10">>;
  HAND_KEYS100: DurableObjectNamespace<Omit<Fields, "change10">>;
  HAND_GETS100: DurableObjectNamespace<Omit<Fields, "change10">>;
  HAND_ROUTES: DurableObjectNamespace;
  HONO_ROUTES: DurableObjectNamespace;
  OUR_ROUTES: DurableObjectNamespace;
  HAND_ENTRIES: DurableObjectNamespace<HandEntries>;
  ENTRIES: DurableObjectNamespace<Entries>;
  RECORDED_ENTRIES: DurableObjectNamespace<Entries>;
  HAND_STORAGE: DurableObjectNamespace<HandStorage>;
  OUR_STORAGE: DurableObjectNamespace<OurStorage>;
  HAND_QUEUE: DurableObjectNamespace<HandQueue>;
  OUR_QUEUE: DurableObjectNamespace<OurQueue>;
}

interface Calls {
  noop(): Promise<unknown>;
  increment(by: number): Promise<unknown>;
  increment100(): Promise<unknown>;
}

/** A class of entries, called. */
type EntryCalls = { [K in keyof Walked]: (...args: Parameters<Walked[K]>) => Promise<unknown> };

interface Fetcher {
  fetch(request: Request): Promise<Response>;
}

/** Runs a batch of `size` operations on the objects called `name`; `time` is when jobs are due. */
type Batch = (env: Env, name: string, size: number, time: number) => Promise<void>;

const noop = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i++) await stub.noop();
  };

/** As {@link noop}, with a stub made anew for each call. */
const freshNoop = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    for (let i = 0; i < size; i++) await calls(env, name).noop();
  };

const oneByOne = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i++) await stub.increment(1);
  };

const set100 = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i++) await stub.increment100();
  };

const change10 = (stub: (env: Env, name: string) => { change10(): Promise<unknown> }): Batch =>
  async function (env, name, size) {
    const object = stub(env, name);
    for (let i = 0; i < size; i++) await object.change10();
  };

const at32 = (calls: (env: Env, name: string) => Calls): Batch =>
  async function (env, name, size) {
    const stub = calls(env, name);
    for (let i = 0; i < size; i += 32) await Promise.all(Array.from({ length: 32 }, () => stub.increment(1)));
  };

const route =
  (method: string, path: string | ((i: number) => string), init: RequestInit = {}) =>
  (stub: (env: Env, name: string) => Fetcher): Batch =>
    async function (env, name, size) {
      const object = stub(env, name);
      for (let i = 0; i < size; i++) {
        const at = typeof path === "string" ? path : path(i);
        const response = await object.fetch(new Request(`http://bench${at}`, { method, ...init }));
        if (response.status !== 200) throw new Error(`${method} ${at} answered ${response.status}`);
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

/** What was made ready by an earlier batch. */
const ready = new Set<string>();

/** Of all entries and numbers. */
const SUM = (10_000 * 9_999) / 2;

/** All contenders must have done the same. */
function check(found: unknown, expected: number | undefined): void {
  if (found !== expected) throw new Error(`${String(found)} in place of ${expected}`);
}

type EntryStub = (env: Env, name: string) => EntryCalls;

/** The object has so many entries, all of them in memory. */
const filled =
  (count: number) =>
  (stub: EntryStub): Batch =>
    async function (env, name) {
      const object = stub(env, `${name}-of-${count}`);
      if (!ready.has(`${name}-of-${count}`)) await object.fill(count);
      ready.add(`${name}-of-${count}`);
      await object.warm(count);
    };

/** Changes one entry a call, or every tenth of all. */
const changing =
  (count: number, atOnce: number) =>
  (stub: EntryStub): Batch =>
    async function (env, name, size) {
      const object = stub(env, `${name}-of-${count}`);
      for (let i = 0; i < size; i++) {
        await object.change(...Array.from({ length: atOnce }, (_, k) => (i * 7_919 + k * 10) % count));
      }
    };

/** Changes one entry 1,000 times a call. */
const changing1000 = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    const object = stub(env, `${name}-of-1000`);
    for (let i = 0; i < size; i++) await object.change1000((i * 7_919) % 1_000);
  };

const filling = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    for (const one of coldNames(name, size)) await stub(env, `fill-${one}`).fill(10_000);
  };

const cleared = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    for (const one of coldNames(name, size)) await stub(env, `fill-${one}`).clear();
  };

const coldEntry = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    for (const one of coldNames(name, size)) check(await stub(env, `cold-${one}`).read(7_777), 7_777);
  };

const evictedEntries = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    for (const one of coldNames(`cold-${name}`, size)) {
      if (!ready.has(one)) await stub(env, one).fill(10_000);
      ready.add(one);
      await stub(env, one)
        .evict()
        .catch(() => {});
    }
  };

const readyToWalk = (stub: EntryStub): Batch =>
  async function (env, name) {
    await stub(env, `walk-${name}`).prepareWalk();
  };

const walking =
  (how: Walk) =>
  (stub: EntryStub): Batch =>
    async function (env, name, size) {
      check(await stub(env, `walk-${name}`).walk(how, size), size * SUM);
    };

const walkingCopy = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    check(await stub(env, `walk-${name}`).walkCopy(size), size * SUM);
  };

const copying = (stub: EntryStub): Batch =>
  async function (env, name, size) {
    check(await stub(env, `walk-${name}`).copy(size), 10_000);
  };

/** Also with a part that gets each change. */
const onRecorded = (batch: (stub: EntryStub) => Batch): Record<string, Batch> => ({
  ...onEntries(batch),
  recorded: batch((env, name) => Object.from(env.RECORDED_ENTRIES).byName(name)),
});

/** Both classes of entries. */
const onEntries = (batch: (stub: EntryStub) => Batch): Record<string, Batch> => ({
  hand: batch((env, name) => env.HAND_ENTRIES.getByName(name)),
  ours: batch((env, name) => Object.from(env.ENTRIES).byName(name)),
});

type StoredCalls = { [K in keyof Stored]: (size: number) => Promise<number | void> };

/** What comes of so many. */
const EXPECTED: Partial<Record<keyof Stored, (size: number) => number>> = {
  get: (size) => sumOf(size, (i) => (i * 7) % 1_000),
  list: (size) => size * sumOf(1_000, (i) => i),
  select: (size) => sumOf(size, (i) => i % 1_000),
  insert: () => 1_000,
};

function sumOf(size: number, part: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += part(i);
  return sum;
}

/** Has the object of each side do so many, in one call. */
type QueueCalls = { [K in keyof Queue]: (...args: Parameters<Queue[K]>) => Promise<unknown> };

const queued = (work: (queue: QueueCalls, size: number, time: number) => Promise<unknown>): Record<string, Batch> => ({
  hand: async (env, name, ...rest) => void (await work(env.HAND_QUEUE.getByName(name), ...rest)),
  ours: async (env, name, ...rest) => void (await work(Object.from(env.OUR_QUEUE).byName(name), ...rest)),
});

const stored = (work: keyof Stored): Record<string, Batch> => {
  const batch = (stub: (env: Env, name: string) => StoredCalls): Batch =>
    async function (env, name, size) {
      if (work !== "fill") check(await stub(env, name)[work](size), EXPECTED[work]?.(size));
      else if (!ready.has(`stored-${name}`)) await stub(env, name).fill(size);
      ready.add(`stored-${name}`);
    };
  return {
    hand: batch((env, name) => env.HAND_STORAGE.getByName(name)),
    ours: batch((env, name) => env.OUR_STORAGE.getByName(name)),
  };
};

const hand = (env: Env, name: string): Calls & Fetcher => env.HAND.getByName(name);
const hono = (env: Env, name: string): Fetcher => env.HONO.getByName(name);
const ours = (env: Env, name: string): Calls & Fetcher => Object.from(env.OURS).byName(name);
const native = (env: Env, name: string): Calls => env.OURS.getByName(name);

/** A native stub of the object that a handle gets too: what differs is the handle. */
const sameNative = (env: Env): Calls => env.OURS.getByName("same");
const finders = new WeakMap<Env, Finder<Counter>>();
const sameOurs = (env: Env): Calls => {
  let finder = finders.get(env);
  if (finder === undefined) finders.set(env, (finder = Object.from(env.OURS)));
  return finder.byName("same");
};

const get = route("GET", "/");
const body = '{"by":2}';
// A request made in a Worker has no length of its own; one that came over HTTP brings the client's.
const headers = { "content-type": "application/json", "content-length": `${body.length}` };
const post = route("POST", "/double", { body, headers });

const param50 = route("GET", (i) => `/route${(i * 7) % 50}/${i}`);

const batches: Record<string, Record<string, Batch>> = {
  noop: { hand: noop(hand), ours: noop(ours), native: noop(native) },
  handle: { hand: noop(sameNative), ours: noop(sameOurs) },
  freshhandle: { hand: freshNoop(sameNative), ours: freshNoop(sameOurs) },
  increment: { hand: oneByOne(hand), ours: oneByOne(ours), native: oneByOne(native) },
  increment32: { hand: at32(hand), ours: at32(ours), native: at32(native) },
  set100: { hand: set100(hand), ours: set100(ours) },
  fields10of100: {
    hand: change10((env, name) => env.HAND100.getByName(name)),
    ours: change10((env, name) => Object.from(env.OURS100).byName(name)),
  },
  entry1000: onEntries(changing(1_000, 1)),
  entry10000: onEntries(changing(10_000, 1)),
  entries1000: onEntries(changing(10_000, 1_000)),
  change1000: onRecorded(changing1000),
  fill10000: onEntries(filling),
  coldentry: onEntries(coldEntry),
  walkNumbers: onEntries(walking("numbers")),
  walkIndex: onEntries(walking("index")),
  walkEntries: onEntries(walking("entries")),
  walkCopy: onEntries(walkingCopy),
  copy: onEntries(copying),
  "storage-get": stored("get"),
  "storage-put": stored("put"),
  "storage-list": stored("list"),
  "storage-select": stored("select"),
  "storage-insert": stored("insert"),
  "jobs-insert": queued(async (queue, size) => await queue.insert(size, Date.now() + 86_400_000)),
  "jobs-fire": queued(async (queue) => await queue.drained()),
  cold10keys: {
    hand: cold((env, name) => env.HAND_KEYS10.getByName(name)),
    ours: cold((env, name) => env.OURS10.getByName(name)),
  },
  cold100keys: {
    hand: cold((env, name) => env.HAND_KEYS100.getByName(name)),
    ours: cold((env, name) => env.OURS100.getByName(name)),
    gets: cold((env, name) => env.HAND_GETS100.getByName(name)),
  },
  get: { hand: get(hand), ours: get(ours), hono: get(hono) },
  getparam50: {
    hand: param50((env, name) => env.HAND_ROUTES.getByName(name)),
    ours: param50((env, name) => env.OUR_ROUTES.getByName(name)),
    hono: param50((env, name) => env.HONO_ROUTES.getByName(name)),
  },
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
  entry1000: onEntries(filled(1_000)),
  entry10000: onEntries(filled(10_000)),
  entries1000: onEntries(filled(10_000)),
  change1000: onRecorded(filled(1_000)),
  fill10000: onEntries(cleared),
  coldentry: onEntries(evictedEntries),
  walkNumbers: onEntries(readyToWalk),
  walkIndex: onEntries(readyToWalk),
  walkEntries: onEntries(readyToWalk),
  walkCopy: onEntries(readyToWalk),
  copy: onEntries(readyToWalk),
  "storage-get": stored("fill"),
  "storage-put": stored("fill"),
  "storage-list": stored("fill"),
  "storage-select": stored("fill"),
  "storage-insert": stored("fill"),
  "jobs-insert": queued(async (queue) => await queue.empty()),
  "jobs-fire": queued(async (queue, size, time) => await queue.insert(size, time)),
  cold10keys: {
    hand: evicted((env, name) => env.HAND_KEYS10.getByName(name)),
    ours: evicted((env, name) => env.OURS10.getByName(name)),
  },
  cold100keys: {
    hand: evicted((env, name) => env.HAND_KEYS100.getByName(name)),
    ours: evicted((env, name) => env.OURS100.getByName(name)),
    gets: evicted((env, name) => env.HAND_GETS100.getByName(name)),
  },
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
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, stage, subject, contender] = pathname.split("/") as [string, string, string, string];
    const front = fronts[stage];
    if (front !== undefined) return await front(request, env, ctx);
    const batch = (stage === "prepare" ? preparations : batches)[subject]?.[contender];
    if (batch === undefined) return new Response(null, { status: stage === "prepare" ? 204 : 404 });
    await batch(env, searchParams.get("name")!, Number(searchParams.get("size")), Number(searchParams.get("time")));
    return new Response("done");
  },
};
