import { RpcTarget } from "cloudflare:workers";
import { DurableBase, Persisted, Route } from "durable-base";
import { jobs } from "durable-base/jobs";
import { open, watching, type WatchedLike } from "../core/fixtures/watch.ts";

class Target extends RpcTarget {
  touch(): string {
    return "touched";
  }
}

/** Has parts that observe entries and answer sockets, in legacy decorators. */
export class LegacyWatching extends DurableBase implements WatchedLike {
  static override parts = watching;
  readonly #jobs = jobs(this);
  @Persisted() count = 0;

  override onStart(): void {
    this.count++;
  }

  override onDestroy(): void {}

  increment(by: number): number {
    return (this.count += by);
  }

  fail(): void {
    throw new RangeError("no");
  }

  async later(): Promise<string> {
    this.increment(1);
    await scheduler.wait(20);
    return "later";
  }

  get total(): number {
    return this.count;
  }

  handed(): ReturnType<WatchedLike["handed"]> {
    return { call: () => "called", target: new Target() };
  }

  wake(at: number): void {
    void this.ctx.storage.setAlarm(at);
  }

  override alarm(): void {
    this.count++;
  }

  remindLater(): void {
    this.#jobs.schedule(1, this.remind);
  }

  remind(): void {
    this.count++;
  }

  unwritable(): void {
    const { kv } = this.ctx.storage;
    const { put } = kv;
    kv.put = () => {
      kv.put = put;
      throw new Error("disk full");
    };
    this.count++;
  }

  end(): void {
    this.destroy();
  }

  @Route.get("/routed") routed(): string {
    return "routed";
  }

  @Route.get("/socket/:tag") socket({ tag }: { tag: string }): Response {
    return open(this.ctx, tag);
  }

  @Route.get("/items") async *items(): AsyncGenerator<number> {
    yield 1;
    await Promise.resolve();
    yield 2;
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    socket.send(`own: ${String(data)}, ${this.count}`);
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close(1000, "own");
  }
}

/** Answers sockets by its parts alone, in legacy decorators. */
export class LegacyWatchingOnly extends DurableBase {
  static override parts = watching;

  @Route.get("/socket/:tag") socket({ tag }: { tag: string }): Response {
    return open(this.ctx, tag);
  }
}
