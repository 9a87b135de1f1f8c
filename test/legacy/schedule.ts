import { Atomic } from "../../src/calls/atomic.ts";
import { Exclusive } from "../../src/calls/exclusive.ts";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { cron } from "../../src/jobs/cron.ts";
import { Scheduled } from "../../src/jobs/scheduled.ts";
import type { JobHost, Note } from "../jobs/jobs.ts";
import { exactlyOnce } from "../../src/once/once.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

/** Methods for jobs, in legacy decorators; `hooks` are what a test has them do. */
export class LegacyJobs extends DurableBase implements JobHost {
  readonly jobs: Jobs = jobs(this);
  @Persisted() log: string[] = [];
  hooks: Record<string, (input: never) => unknown> = {};
  starting: () => unknown = () => {};
  refused: unknown;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    try {
      this.jobs.schedule(1, this.tick);
    } catch (error) {
      this.refused = error;
    }
  }

  override onStart(): void | Promise<void> {
    return this.starting() as void | Promise<void>;
  }

  run<R>(work: (self: this) => R): R {
    return work(this);
  }

  note({ text }: Note): void {
    this.log.push(text);
    this.hooks[text]?.({ text } as never);
  }

  tick(): void {
    this.log.push("tick");
    this.hooks["tick"]?.(undefined as never);
  }

  async noteLater({ text }: Note): Promise<void> {
    await scheduler.wait(1);
    this.log.push(text);
    await this.hooks[text]?.({ text } as never);
    this.log.push(`${text}, done`);
  }

  @Atomic() whole({ text }: Note): void {
    this.note({ text });
  }

  @Atomic() async wholeLater({ text }: Note): Promise<void> {
    await this.noteLater({ text });
  }

  @Exclusive() async hold(): Promise<void> {
    await this.hooks["hold"]?.(undefined as never);
  }

  @Exclusive() @Atomic() async wholeAlone({ text }: Note): Promise<void> {
    await this.noteLater({ text });
  }

  async keep(input: unknown): Promise<void> {
    await this.hooks["keep"]?.(input as never);
  }
}

/** Also with an alarm of its own. */
export class LegacyAlarms extends LegacyJobs {
  static override parts = [exactlyOnce()];

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.log.push(`alarm ${info?.retryCount ?? "-"}`);
    await this.hooks["alarm"]?.(info as never);
  }
}

/** Also with declarations. */
export class LegacyDeclared extends LegacyJobs {
  @Scheduled({ every: 60_000 }) sweep(): void {
    this.log.push("sweep");
    this.hooks["sweep"]?.(undefined as never);
  }

  @Scheduled(cron("0 3 * * *", { timeZone: "Europe/Berlin" }), { missed: "skip" }) nightly(): void {
    this.log.push("nightly");
  }
}
