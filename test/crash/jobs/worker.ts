import { Atomic, DurableBase, Object, Persisted } from "durable-base";
import { jobs } from "durable-base/jobs";

/** A job as it was asked for. */
interface Asked {
  readonly job: string;
  /** Whether that is the job's id too. */
  readonly isNamed: boolean;
  readonly kind: "sync" | "atomic" | "later";
  /** In milliseconds since 1970. */
  readonly at: number;
}

/** One run of a job. */
interface Ran {
  readonly job: string;
  readonly at: number;
}

/** Runs jobs, and notes each run, so that a lost, doubled or early one shows. */
export class Desk extends DurableBase {
  readonly #jobs = jobs(this);
  /** The runs in their order. */
  @Persisted() accessor ran: Ran[] = [];
  /** Is 1 only between two changes that belong together. */
  @Persisted() accessor torn = 0;

  /** Gives the time at which it was asked: what was due before is due then. */
  plan(jobs: readonly Asked[]): number {
    const methods = { sync: this.note, atomic: this.noteAtomic, later: this.noteLater };
    for (const { job, isNamed, kind, at } of jobs)
      this.#jobs.schedule(new Date(at), methods[kind], job, isNamed ? { id: job } : {});
    return Date.now();
  }

  note(job: string): void {
    this.torn++;
    this.ran.push({ job, at: Date.now() });
    this.torn--;
  }

  @Atomic() async noteAtomic(job: string): Promise<void> {
    this.torn++;
    await scheduler.wait(1);
    this.note(job);
    this.torn--;
  }

  /** At least once: its note is written before its end. */
  async noteLater(job: string): Promise<void> {
    this.note(job);
    await scheduler.wait(100);
  }

  async state(): Promise<{ ran: Ran[]; torn: number; waiting: number; dead: number; alarm: number | null }> {
    const jobs = this.#jobs.list();
    const dead = jobs.filter(({ state }) => state === "dead").length;
    return {
      ran: this.ran,
      torn: this.torn,
      waiting: jobs.length - dead,
      dead,
      alarm: await this.ctx.storage.getAlarm(),
    };
  }
}

interface Env {
  DESK: DurableObjectNamespace<Desk>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const desk = Object.from(env.DESK).byName(new URL(request.url).pathname);
    return Response.json(request.method === "POST" ? await desk.plan(await request.json()) : await desk.state());
  },
};
