import { DurableObject } from "cloudflare:workers";
import { entries, entryOf, keyOf, numbers, walk, type Entry, type Walk, type Walked } from "./entries.ts";
import { Input } from "./input.ts";

/** What a careful engineer writes by hand: state in memory, loaded at first use, one `put` a change. */
export class HandCounter extends DurableObject {
  #count: number | undefined;

  noop(): void {}

  increment(by: number): number {
    const count = this.#load() + by;
    this.#count = count;
    this.ctx.storage.kv.put("count", count);
    return count;
  }

  /** Written once, as everything else in one call. */
  increment100(): number {
    let count = this.#load();
    for (let i = 0; i < 100; i++) count++;
    this.#count = count;
    this.ctx.storage.kv.put("count", count);
    return count;
  }

  override async fetch(request: Request): Promise<Response> {
    switch (`${request.method} ${new URL(request.url).pathname}`) {
      case "GET /":
        return Response.json({ count: this.#load() });
      case "POST /double": {
        let body: unknown;
        try {
          body = await request.json();
        } catch {
          return problem(400, "Bad Request");
        }
        const { data, error } = Input.safeParse(body);
        if (error !== undefined) return problem(422, "Unprocessable Content");
        return Response.json({ doubled: data.by * 2 });
      }
      default:
        return problem(404, "Not Found");
    }
  }

  #load(): number {
    return (this.#count ??= this.ctx.storage.kv.get<number>("count") ?? 0);
  }
}

/** Entries by hand: a key for each, and what was read or written stays in memory. */
export class HandEntries extends DurableObject implements Walked {
  readonly #entries = new Map<string, Entry>();
  readonly #walked = { numbers: numbers(), entries: entries() };

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.#put(keyOf(i), entryOf(i));
  }

  clear(): void {
    const { kv } = this.ctx.storage;
    for (const [key] of [...kv.list({ prefix: "entry:" })]) kv.delete(key);
    this.#entries.clear();
  }

  warm(count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += this.#get(keyOf(i)).n;
    return sum;
  }

  change(...places: number[]): void {
    for (const i of places) {
      const entry = this.#get(keyOf(i));
      entry.n++;
      this.#put(keyOf(i), entry);
    }
  }

  /** Written once. */
  change1000(i: number): void {
    const entry = this.#get(keyOf(i));
    for (let time = 0; time < 1_000; time++) entry.n++;
    this.#put(keyOf(i), entry);
  }

  read(i: number): number {
    return this.#get(keyOf(i)).n;
  }

  evict(): void {
    this.ctx.abort("evicted");
  }

  /** Through the least that a Proxy can do, at every level. */
  walk(how: Walk, times: number): number {
    return walk(forwarding(this.#walked), how, times);
  }

  prepareWalk(): void {}

  /** Over the plain array. */
  walkCopy(times: number): number {
    return walk(this.#walked, "entries", times);
  }

  copy(times: number): number {
    let { length } = this.#walked.entries;
    for (let i = 0; i < times; i++) ({ length } = structuredClone(this.#walked.entries));
    return length;
  }

  #get(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, (entry = this.ctx.storage.kv.get<Entry>(`entry:${key}`)!));
    return entry;
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.ctx.storage.kv.put(`entry:${key}`, entry);
  }
}

const proxies = new WeakMap<object, object>();

/** Objects come as Proxies too, the same one each time. */
const handler: ProxyHandler<Record<PropertyKey, unknown>> = {
  get(target, key) {
    const value = target[key];
    return typeof value === "object" && value !== null ? forwarding(value) : value;
  },
};

function forwarding<T extends object>(target: T): T {
  let proxy = proxies.get(target);
  if (proxy === undefined) proxies.set(target, (proxy = new Proxy(target as never, handler)));
  return proxy as T;
}

function problem(status: number, title: string): Response {
  return Response.json({ status, title }, { status, headers: { "content-type": "application/problem+json" } });
}
