import { RpcTarget } from "cloudflare:workers";
import { Atomic } from "../../src/calls/atomic.ts";
import { Exclusive } from "../../src/calls/exclusive.ts";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { Route } from "../../src/route/route.ts";
import { doEvent, doWork, type LifeLike } from "../core/fixtures/life-data.ts";
import { exactlyOnce } from "../../src/once/once.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

/** Does whatever a test wants, at every event of its life, with legacy decorators. */
export class LegacyLife extends DurableBase implements LifeLike {
  static override parts = [exactlyOnce()];

  readonly jobs: Jobs = jobs(this);
  @Persisted() count = 0;
  @Persisted() list: number[] = [];
  readonly birth: string = crypto.randomUUID();
  starts = 0;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    doEvent(this, "construct");
  }

  get storage(): DurableObjectStorage {
    return this.ctx.storage;
  }

  get state(): DurableObjectState {
    return this.ctx;
  }

  override async onStart(): Promise<void> {
    await scheduler.wait(1);
    this.starts++;
    await doEvent(this, "start");
  }

  override async onDestroy(): Promise<void> {
    await doEvent(this, "destroy");
  }

  act(id: string): unknown {
    return doWork(this, id);
  }

  async later(id: string): Promise<unknown> {
    return await doWork(this, id);
  }

  @Atomic() atomic(id: string): unknown {
    return doWork(this, id);
  }

  @Atomic() async atomicLater(id: string): Promise<unknown> {
    return await doWork(this, id);
  }

  @Exclusive() async alone(id: string): Promise<unknown> {
    return await doWork(this, id);
  }

  @Route.get("/act") routed(): unknown {
    return doEvent(this, "route");
  }

  @Route.get("/used", { use: [async (_, next) => await next()] }) used(): unknown {
    return doEvent(this, "route");
  }

  @Route.get("/socket") socket(): Response {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async send(stream: ReadableStream): Promise<string> {
    return await new Response(stream).text();
  }

  get got(): unknown {
    return doEvent(this, "getter");
  }

  handed(id: string): { call: () => unknown; target: RpcTarget & { call(): unknown } } {
    return { call: () => doWork(this, id), target: new Target(() => doWork(this, id)) };
  }

  stream(): ReadableStream {
    let isDone = false;
    return new ReadableStream({
      type: "bytes",
      pull: (controller) => {
        if (isDone) controller.close();
        else controller.enqueue(new TextEncoder().encode(String(doEvent(this, "pull"))));
        isDone = true;
      },
    });
  }

  inspect(): ReturnType<LifeLike["inspect"]> {
    const { birth, count } = this;
    return { birth, count, list: [...this.list], keys: [...this.storage.kv.list()].map(([key]) => key) };
  }

  override async alarm(): Promise<void> {
    await doEvent(this, "alarm");
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    await doEvent(this, "message", socket, message);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    await doEvent(this, "close", socket, code);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await doEvent(this, "error", socket);
  }
}

class Target extends RpcTarget {
  readonly #work: () => unknown;

  constructor(work: () => unknown) {
    super();
    this.#work = work;
  }

  call(): unknown {
    return this.#work();
  }
}
