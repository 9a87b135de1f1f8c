import { DurableObject } from "cloudflare:workers";
import { DurableBase } from "durable-base";
import { jobs } from "durable-base/jobs";

/** What both queues do. Each job adds its input to a sum in memory: the queue is what is measured. */
export interface Queue {
  /** Inserts so many jobs that are due at `time`. */
  insert(jobs: number, time: number): void;
  /** Waits until all jobs have run. */
  drained(): Promise<number>;
  /** Deletes every job. */
  empty(): Promise<void>;
}

interface Input {
  readonly n: number;
}

/** How many have run of how many. */
class Progress {
  sum = 0;
  #left = 0;
  #drained = Promise.withResolvers<void>();

  add(jobs: number): void {
    if (this.#left === 0) this.#drained = Promise.withResolvers<void>();
    this.#left += jobs;
  }

  done({ n }: Input): void {
    this.sum += n;
    if (--this.#left === 0) this.#drained.resolve();
  }

  forget(): void {
    this.#left = 0;
  }

  async wait(): Promise<number> {
    await this.#drained.promise;
    return this.sum;
  }
}

interface HandJob {
  readonly method: "work";
  readonly input: Input;
}

const PREFIX = "job:";
const keyOf = (time: number, nth: number): string => `${PREFIX}${String(time).padStart(15, "0")}:${nth}`;

/** A queue as one writes it by hand: rows in the order of their times, deleted when they have run, over one alarm. */
export class HandQueue extends DurableObject implements Queue {
  readonly #progress = new Progress();
  #nth = 0;
  #next = Infinity;

  insert(jobs: number, time: number): void {
    this.#progress.add(jobs);
    for (let n = 0; n < jobs; n++) this.#schedule(time, "work", { n });
  }

  drained(): Promise<number> {
    return this.#progress.wait();
  }

  async empty(): Promise<void> {
    this.#progress.forget();
    await this.ctx.storage.deleteAll();
    this.#next = Infinity;
  }

  #schedule(time: number, method: "work", input: Input): void {
    const job: HandJob = { method, input: structuredClone(input) };
    this.ctx.storage.kv.put(keyOf(time, ++this.#nth), job);
    if (time >= this.#next) return;
    this.#next = time;
    void this.ctx.storage.setAlarm(time);
  }

  /** Others may be async. */
  work(input: Input): void | Promise<void> {
    this.#progress.done(input);
  }

  override async alarm(): Promise<void> {
    const { kv } = this.ctx.storage;
    const due = [...kv.list<HandJob>({ prefix: PREFIX, end: keyOf(Date.now() + 1, 0) })];
    for (const [key, { method, input }] of due) {
      try {
        await this[method](input);
        kv.delete(key);
      } catch (error) {
        console.error("a job failed, and is tried again", error);
      }
    }
    const [first] = kv.list({ prefix: PREFIX, limit: 1 });
    this.#next = first === undefined ? Infinity : Number(first[0].slice(PREFIX.length, PREFIX.length + 15));
    if (first !== undefined) await this.ctx.storage.setAlarm(this.#next);
  }
}

/** `jobs(this)`. */
export class OurQueue extends DurableBase implements Queue {
  readonly #jobs = jobs(this);
  readonly #progress = new Progress();

  insert(jobs: number, time: number): void {
    this.#progress.add(jobs);
    for (let n = 0; n < jobs; n++) this.#jobs.schedule(new Date(time), this.work, { n });
  }

  drained(): Promise<number> {
    return this.#progress.wait();
  }

  async empty(): Promise<void> {
    this.#progress.forget();
    await this.ctx.storage.deleteAll();
  }

  work(input: Input): void {
    this.#progress.done(input);
  }
}
