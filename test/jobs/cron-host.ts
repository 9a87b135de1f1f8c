/** What the fixtures for cron expressions share, in both dialects. */
import type { DurableBase } from "durable-base";
import type { Jobs } from "durable-base/jobs";

export interface Pattern {
  readonly pattern: string;
  readonly timeZone?: string;
}

/** A run: when it was to be, and when it was. */
export interface Ran {
  time: number;
  at: number;
}

export interface CronHost extends DurableBase {
  ran: Ran[];
  readonly jobs: Jobs;
  run<R>(work: (self: this) => R): R;
  tick(): void;
  /** The time of the native alarm. */
  armed: () => number | null;
}

type HostClass = new (ctx: DurableObjectState, env: Env) => CronHost;
type Env = Cloudflare.Env;

/** The name of an object of {@link byPattern}; `nth` tells objects of one pattern apart. */
export function nameFor(pattern: Pattern | undefined, nth: number): string {
  return JSON.stringify({ ...pattern, nth });
}

/**
 * A class to bind, whose objects are of the class that `declaring` gives for the pattern in their name, or plainly of
 * `cls`. Their alarm is a number, and the test fires it: the platform would at once, since these times are long past.
 */
export function byPattern<T extends HostClass>(cls: T, declaring: (pattern: Pattern) => T): T {
  return new Proxy(cls, {
    construct(_, [ctx, env]: [DurableObjectState, Env]) {
      let alarm: number | null = null;
      const native = Object.assign(Object.create(Object.getPrototypeOf(ctx.storage) as object) as object, {
        getAlarm: async () => alarm,
        setAlarm: async (time: number) => void (alarm = time),
        deleteAlarm: async () => void (alarm = null),
      });
      Object.setPrototypeOf(ctx.storage, native);
      const { pattern, timeZone } = JSON.parse(ctx.id.name!) as Partial<Pattern>;
      const own = pattern === undefined ? cls : declaring({ pattern, ...(timeZone !== undefined && { timeZone }) });
      return Object.assign(new own(ctx, env), { armed: () => alarm });
    },
  });
}
