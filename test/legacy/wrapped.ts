import { Atomic } from "../../src/calls/atomic.ts";
import { Exclusive } from "../../src/calls/exclusive.ts";
import { DurableBase } from "../../src/core/durable-base.ts";
import { migrations } from "../../src/migrations/migrations.ts";
import { exactlyOnce } from "../../src/once/once.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { remoteStorage } from "../../src/remote-storage/remote-storage.ts";
import { Scheduled } from "../../src/jobs/scheduled.ts";
import {
  doWork,
  steps,
  proxied,
  sentry10,
  sentry11,
  type WrappedClass,
  type WrappedLike,
} from "../core/fixtures/wrapped-data.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

/** A new class for each wrapper, since some change prototypes, with legacy decorators. */
function makeClass(): WrappedClass {
  class LegacyWrapped extends DurableBase implements WrappedLike {
    static override parts = [migrations(steps), remoteStorage("write"), exactlyOnce()];

    readonly jobs: Jobs = jobs(this);
    @Persisted() count = 0;
    @Persisted() list: number[] = [];
    @Persisted({ key: "owned" }) owned = "";
    readonly log: string[] = [];

    get state(): DurableObjectState {
      return this.ctx;
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

    add(by: number): number {
      return (this.count += by);
    }

    remind({ text }: { text: string }): void {
      this.count++;
      this.log.push(text);
    }

    @Scheduled({ every: 3_600_000 }) sweep(): void {
      this.log.push("sweep");
    }

    override alarm(): void {
      this.log.push("alarm");
    }
  }
  return LegacyWrapped;
}

export const ProxiedLegacy: WrappedClass = proxied(makeClass());
export const SentryTenLegacy: WrappedClass = sentry10(makeClass());
export const SentryElevenLegacy: WrappedClass = sentry11(makeClass());
