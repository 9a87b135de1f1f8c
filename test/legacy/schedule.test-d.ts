/** What `@Scheduled` accepts and refuses at compile time, with legacy decorators. */
import { DurableBase } from "../../src/core/durable-base.ts";
import { cron } from "../../src/jobs/cron.ts";
import { Scheduled } from "../../src/jobs/scheduled.ts";

export class Accepted extends DurableBase {
  @Scheduled({ every: 60_000 }) sweep(): void {}
  @Scheduled(cron("0 3 * * *"), { missed: "skip" }) protected async nightly(): Promise<void> {}
  @Scheduled({ every: 60_000 }) optional(_n = 1): void {}
}

export class Refused extends DurableBase {
  // @ts-expect-error nobody gives it an input
  @Scheduled({ every: 60_000 }) input(_n: number): void {}
  // @ts-expect-error a delay does not come again
  @Scheduled(60_000) once(): void {}
  // @ts-expect-error a field isn't a method
  @Scheduled({ every: 60_000 }) field = 1;
  // @ts-expect-error a getter isn't a method
  @Scheduled({ every: 60_000 }) get doubled(): number {
    return 2;
  }
}
