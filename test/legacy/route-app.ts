import { csrf } from "hono/csrf";
import { etag } from "hono/etag";
import { streamSSE } from "hono/streaming";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { Route, type RouteContext } from "../../src/route/route.ts";
import { routes } from "../../src/route/router.ts";
import {
  answerError,
  classUse,
  closed,
  counting,
  endless,
  numbers,
  type RouteAppLike,
  type Variables,
} from "../route/fixtures/route-app-data.ts";
import { SECRET } from "../route/fixtures/route-data.ts";

/** Streams, middleware, the hook and what is added to the app, with legacy decorators. */
export class LegacyRouteApp extends DurableBase implements RouteAppLike {
  static override use = classUse;
  @Persisted() count = 0;
  @Persisted() ended = 0;
  @Persisted() started = 0;
  @Persisted() log: { n: number }[] = [];
  @Persisted() labels = new Map([["a", { n: 1 }]]);

  override onError(error: Error, c: RouteContext): Response | undefined | Promise<undefined> {
    return answerError(error, c);
  }

  @Route.get("/state")
  state(): { count: number; ended: number; started: number } {
    return { count: this.count, ended: this.ended, started: this.started };
  }

  reset(): void {
    [this.count, this.ended, this.started, this.log] = [0, 0, 0, []];
  }

  @Route.get("/items/:upTo")
  async *items({ upTo }: { upTo: string }): AsyncGenerator<{ n: number }> {
    this.started++;
    try {
      for (let n = 1; n <= Number(upTo); n++) {
        this.count++;
        await scheduler.wait(1);
        this.log.push({ n });
        yield this.log.at(-1)!;
      }
    } finally {
      await scheduler.wait(1);
      this.ended++;
    }
  }

  @Route.get("/sync/:upTo", { headers: { "x-kind": "sync", "cache-control": "max-age=5" } })
  *sync({ upTo }: { upTo: string }): Generator<number> {
    for (let n = 1; n <= Number(upTo); n++) yield ++this.count;
  }

  @Route.get("/iterable")
  iterable(): AsyncIterable<number> {
    return numbers(3);
  }

  @Route.get("/iterator")
  iterator(): unknown {
    return this.labels.entries();
  }

  @Route.get("/typed")
  async *typedItems(_: unknown, c: RouteContext): AsyncGenerator<number> {
    c.header("content-type", "x/never");
    yield 1;
  }

  @Route.get("/chosen")
  chosenItems(_: unknown, c: RouteContext): AsyncIterable<number> {
    c.header("content-type", "text/event-stream; charset=utf-8");
    c.header("cache-control", "no-store");
    return numbers(2);
  }

  @Route.get("/events", { headers: { "content-type": "text/event-stream" } })
  *events(): Generator<string> {
    yield "two\nlines";
  }

  @Route.get("/named")
  named(_: unknown, c: RouteContext): Response {
    return streamSSE(c, async (stream) => {
      await stream.writeSSE({ event: "tick", id: "7", data: String(this.count) });
    });
  }

  @Route.get("/broken/:how")
  async *broken({ how }: { how: string }): AsyncGenerator {
    try {
      yield "fine";
      this.count = 5;
      if (how === "throw") throw new Error(SECRET);
      if (how === "write") this.#failNextWrite();
      yield how === "json" ? new Map([[SECRET, 1]]) : "written";
    } finally {
      this.ended++;
    }
  }

  @Route.get("/unwritten")
  unwritten(): number {
    this.#failNextWrite();
    return ++this.count;
  }

  #go: (() => void) | undefined;

  @Route.get("/waiting")
  async *waiting(): AsyncGenerator<number> {
    try {
      yield 1;
      await new Promise<void>((resolve) => {
        this.#go = resolve;
      });
      yield 2;
    } finally {
      this.ended++;
    }
  }

  go(): void {
    this.#go?.();
  }

  #failNextWrite(): void {
    const { kv } = this.ctx.storage;
    const { put } = kv;
    kv.put = () => {
      kv.put = put;
      throw new Error(SECRET);
    };
  }

  @Route.get("/user", { use: counting })
  user(_: unknown, c: RouteContext<Cloudflare.Env, Variables>): unknown {
    return { user: c.get("user"), count: this.count, isSelf: c.get("object") === this };
  }

  @Route.get("/closed", { use: [counting, closed] })
  never(): string {
    return "never";
  }

  @Route.post("/guarded", { use: csrf() })
  @Route.post("/unguarded")
  byQuery(input: object): unknown {
    return input;
  }

  @Route.get("/tagged", { use: [etag()] })
  tagged(): string {
    return "the same";
  }

  @Route.get("/text", { status: 203, headers: { "Content-Type": "text/csv", "x-a": "option", "x-b": "option" } })
  text(_: unknown, c?: RouteContext): string {
    c?.header("x-b", "method");
    return "a,b";
  }

  @Route.get("/own-response", { status: 203, headers: { "x-a": "option" } })
  ownResponse(): Response {
    return new Response("own");
  }

  @Route.get("/nothing", { headers: { "x-a": "option" } })
  nothing(): void {}

  @Route.get("/bare/:kind", { status: 204 })
  @Route.get("/bare/:kind/:status{[0-9]+}")
  bare({ kind, status }: { kind: string; status?: string }, c?: RouteContext): unknown {
    if (status !== undefined) c?.status(Number(status) as 200);
    this.count++;
    if (kind === "items") return numbers(1);
    if (kind === "text") return "text";
    return kind === "json" ? { count: this.count } : endless(() => this.ended++);
  }

  @Route.get("/throws", { headers: { "cache-control": "public" } })
  throwText(): never {
    throw SECRET;
  }

  @Route.get("/optional/:a?/:b?")
  @Route.get("/others/:c{[0-9]+}")
  optional(input: { a?: string; b?: string; c?: string }): unknown {
    return input;
  }

  @Route.get("/late", { status: 203 })
  @Route.all("/late")
  late(_: unknown, c: RouteContext): string {
    return c.req.method;
  }

  @Route.get("/gone")
  @Route.post("/gone")
  gone(): string {
    return "here";
  }

  @Route.post("/only-post")
  onlyPost(): void {}
}

/** Removes a route that it inherits, and has middleware of its own beside that of its parent. */
export class ChildLegacyRouteApp extends LegacyRouteApp {
  static override use = [
    ...super.use,
    async (c: RouteContext, next: () => Promise<void>): Promise<void> => {
      await next();
      c.header("x-child", "yes");
    },
  ];

  @Route.none()
  override gone(): string {
    return "by stub only";
  }
}

routes(LegacyRouteApp).get("/added", (c) => c.json(c.get("object").count));
routes(LegacyRouteApp).get("/state", (c) => c.text("the class's own answers first"));
