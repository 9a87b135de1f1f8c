/**
 * @module
 * Jobs as a part of an object.
 */
import { alarmOf } from "../core/alarm.ts";
import { attach, type Host, type Part } from "../core/part/part.ts";
import type { Jobs } from "./job.ts";
import type { Declaration } from "./runner.ts";
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
class JobsPart implements Part {
  readonly scheduler: Scheduler;
  readonly #host: Host;

  constructor(host: Host) {
    const declared = host.records() as ReadonlyMap<string, Declaration>;
    const alarm = alarmOf(host);
    this.#host = host;
    this.scheduler = new Scheduler({ self: host.object, host, declared }, alarm);
    alarm.add(this.scheduler);
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
}
