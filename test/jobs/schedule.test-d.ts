/** What `jobs(this)` and `@Scheduled` accept and refuse at compile time. */
import { DurableBase, type Handle, type RouteContext } from "durable-base";
import { cron, type Job, type JobRun, jobs, type Jobs, Scheduled, type ScheduleOptions } from "durable-base/jobs";

interface Note {
  text: string;
  at?: Date;
}

const options: ScheduleOptions = { id: "a", replace: true, retry: { maxAttempts: 3 }, missed: "all", timeout: 1 };

export class Accepted extends DurableBase {
  readonly jobs: Jobs = jobs(this);
  none(): void {}
  async one(_note: Note): Promise<void> {}
  maybe(_n?: number): void {}
  defaulted(_n = 1): number {
    return 1;
  }
  any(_value: unknown): void {}
  union(_value: string | { n: 1 }): void {}
  generic<T extends object>(value: T): T {
    return value;
  }
  routed(_note: Note, _c: RouteContext | undefined): void {}
  protected hidden(_n: number): void {}
  private own(_n: number): void {}
  overloaded(a: string): void;
  overloaded(a: number): void;
  overloaded(_a: string | number): void {}
  arrow = (_n: number): void => {};

  all(): string[] {
    this.jobs.schedule(1, this.one, { text: "a" });
    this.jobs.schedule(1, this.own, 1);
    return [
      this.jobs.schedule(1_000, this.none),
      this.jobs.schedule(new Date(), this.none, undefined, options),
      this.jobs.schedule({ every: 1_000 }, this.one, { text: "a" }),
      this.jobs.schedule(cron("* * * * *"), this.one, { text: "a", at: new Date() }, { id: "x" }),
      this.jobs.schedule(1, this.maybe),
      this.jobs.schedule(1, this.maybe, 5),
      this.jobs.schedule(1, this.maybe, undefined, {}),
      this.jobs.schedule(1, this.defaulted, 5),
      this.jobs.schedule(1, this.any, { x: [] }),
      this.jobs.schedule(1, this.union, { n: 1 }),
      this.jobs.schedule(1, this.generic, { x: 1 }),
      this.jobs.schedule(1, this.routed, { text: "a" }),
      this.jobs.schedule(1, this.hidden, 1),
      this.jobs.schedule(1, this.overloaded, 1),
      this.jobs.schedule(1, this.arrow, 1),
    ];
  }

  listed(): [Job[], Job | undefined, boolean, boolean, JobRun | undefined] {
    const { jobs } = this;
    this.jobs.start();
    return [
      jobs.list({ state: "dead", method: "one" }),
      jobs.get("a"),
      jobs.cancel("a"),
      jobs.retry("a"),
      jobs.current,
    ];
  }

  @Scheduled({ every: 60_000 }) sweep(): void {}
  @Scheduled(cron("0 3 * * *", { timeZone: "Europe/Berlin" }), { missed: "skip", timeout: 1_000 })
  protected async nightly(): Promise<void> {}
  @Scheduled({ every: 60_000 }) optional(_n = 1): void {}
}

export class Refused extends DurableBase {
  readonly jobs: Jobs = jobs(this);
  none(): void {}
  one(_note: Note): void {}
  two(_a: number, _b: number): void {}
  #hidden = 1;

  all(): void {
    // @ts-expect-error it takes an input
    this.jobs.schedule(1, this.one);
    // @ts-expect-error another one
    this.jobs.schedule(1, this.one, { text: 1 });
    // @ts-expect-error with no more than it has
    this.jobs.schedule(1, this.one, { text: "a", extra: 1 });
    // @ts-expect-error it takes no input
    this.jobs.schedule(1, this.none, 5);
    // @ts-expect-error a job has one input
    this.jobs.schedule(1, this.two, 5);
    // @ts-expect-error there is no such method
    this.jobs.schedule(1, this.nothing);
    // @ts-expect-error a name isn't a method
    this.jobs.schedule(1, "none");
    // @ts-expect-error this isn't a method
    this.jobs.schedule(1, this.#hidden);
    // @ts-expect-error this is no time
    this.jobs.schedule("tomorrow", this.none);
    // @ts-expect-error nor this
    this.jobs.schedule({ every: "1 s" }, this.none);
    // @ts-expect-error an expression has to be read first
    this.jobs.schedule({ cron: "* * * * *" }, this.none);
    // @ts-expect-error there is no such option
    this.jobs.schedule(1, this.none, undefined, { retries: 5 });
    // @ts-expect-error there is no such state
    this.jobs.list({ state: "done" });
    // @ts-expect-error what is listed is a copy
    this.jobs.get("a")!.attempts = 0;
  }

  // @ts-expect-error nobody gives it an input
  @Scheduled({ every: 60_000 }) input(_note: Note): void {}
  // @ts-expect-error a delay does not come again
  @Scheduled(60_000) once(): void {}
  // @ts-expect-error a field isn't a method
  @Scheduled({ every: 60_000 }) field = 1;
  // @ts-expect-error a getter isn't a method
  @Scheduled({ every: 60_000 }) get doubled(): number {
    return 2;
  }
  // @ts-expect-error an id is the method's own
  @Scheduled({ every: 60_000 }, { id: "a" }) named(): void {}
  // @ts-expect-error it has to be told when
  @Scheduled() bare(): void {}
}

export function through(handle: Handle<Accepted>, stub: DurableObjectStub<Accepted>): void {
  void handle.none();
  void stub.none();
  // @ts-expect-error no stub reaches it
  void handle.schedule(1, null);
  // @ts-expect-error nor this
  void handle.jobs;
}
