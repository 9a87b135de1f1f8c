/**
 * @module
 * Jobs as a part of an object.
 */
import { attach, type Host, type Part } from "../part.ts";
import type { Jobs } from "./job.ts";
import type { Declaration, Method } from "./runner.ts";
import { Scheduler } from "./scheduler.ts";

/** The part's name. */
const PART = "jobs";

/**
 * Lets an object run its methods later, and returns its {@link Jobs}. Write it in a field of the class.
 *
 * The object's own `alarm()` goes on working beside jobs. A class with `@Scheduled` has the part already.
 *
 * @throws DurableError `part-too-late` after construction.
 *
 * @example
 * ```ts
 * export class Order extends DurableBase {
 *   readonly #jobs = jobs(this);
 *
 *   submit() {
 *     this.#jobs.schedule({ every: 3_600_000 }, this.remind, undefined, { id: "remind" });
 *   }
 * }
 * ```
 */
export function jobs(object: object): Jobs {
  return attach(object, PART, (host) => new JobsPart(host)).scheduler;
}

/** Jobs as a part of one object. */
export class JobsPart implements Part {
  readonly scheduler: Scheduler;
  readonly #host: Host;

  constructor(host: Host) {
    const self = host.object;
    const handler = (): Method | undefined => (Object.getPrototypeOf(self) as { alarm?: Method }).alarm;
    const declared = host.records() as ReadonlyMap<string, Declaration>;
    this.#host = host;
    this.scheduler = new Scheduler(host.ctx, { self, host, declared, handler });
    // The platform calls the alarm() that it finds right after construction. Code that wraps the class may replace it.
    const alarm = (info?: AlarmInvocationInfo): unknown =>
      host.scope() === undefined ? this.scheduler.fire(info) : handler()?.call(self, info);
    Object.defineProperty(self, "alarm", { value: alarm, writable: true, configurable: true });
  }

  started(): void {
    this.scheduler.wake(() => this.#host.isWritten);
  }

  replaced(): void {
    this.scheduler.wake(() => this.#host.isWritten);
  }

  written(): void {
    this.scheduler.written();
  }

  retired(): void {
    this.scheduler.leave();
  }
}
