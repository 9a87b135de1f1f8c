import { DurableBase } from "../../src/core/durable-base.ts";
import { cron } from "../../src/jobs/cron.ts";
import { Scheduled } from "../../src/jobs/scheduled.ts";
import { byPattern, type CronHost, type Pattern, type Ran } from "../jobs/cron-host.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

class Crons extends DurableBase implements CronHost {
  readonly jobs: Jobs = jobs(this);
  ran: Ran[] = [];
  armed: () => number | null = () => null;

  run<R>(work: (self: this) => R): R {
    return work(this);
  }

  tick(): void {
    this.ran.push({ time: this.jobs.current!.time.getTime(), at: Date.now() });
  }
}

function declaring({ pattern, timeZone }: Pattern): typeof Crons {
  class Declaring extends Crons {
    @Scheduled(cron(pattern, timeZone === undefined ? {} : { timeZone })) override tick(): void {
      super.tick();
    }
  }
  return Declaring;
}

/** Classes in legacy decorators: each object has the one that declares the pattern in its name. */
export const LegacyCrons = byPattern(Crons, declaring);
