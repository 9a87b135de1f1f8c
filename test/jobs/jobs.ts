/** What the tests of jobs share: objects, times that pass, and what is stored. */
import { runInDurableObject } from "cloudflare:test";
import { type DurableBase, DurableError, type ErrorCode } from "durable-base";
import { type Job, jobs, type Jobs } from "durable-base/jobs";
import { afterEach, beforeEach, expect, vi, type MockInstance } from "vitest";
import { planOf, type AnyClass, type RecordedPart } from "../../src/core/plan.ts";
import { errorOf } from "../error-of.ts";

export interface Note {
  text: string;
}

/** The methods that every fixture of these cases has. */
export interface JobHost extends DurableBase {
  log: string[];
  readonly jobs: Jobs;
  hooks: Record<string, (input: never) => unknown>;
  starting: () => unknown;
  /** What the constructor was refused. */
  refused: unknown;
  run<R>(work: (self: this) => R): R;
  note(input: Note): void;
  tick(): void;
  /** Async. */
  noteLater(input: Note): Promise<void>;
  /** Atomic. */
  whole(input: Note): void;
  /** Atomic, async. */
  wholeLater(input: Note): Promise<void>;
  /** Exclusive. */
  hold(): Promise<void>;
  /** Exclusive, atomic, async. */
  wholeAlone(input: Note): Promise<void>;
  keep(input: unknown): Promise<void>;
  sweep?(): void;
  nightly?(): void;
}

export type JobStub = DurableObjectStub<JobHost>;
export type JobNamespace = () => DurableObjectNamespace<JobHost>;

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
export const MINUTE = 60_000;

/** Runs `work` as an entry. */
export async function inside<R>(
  stub: JobStub,
  work: (self: JobHost, storage: DurableObjectStorage) => R,
): Promise<Awaited<R>> {
  return await runInDurableObject(
    stub,
    async (self: JobHost, { storage }) => await self.run(() => work(self, storage)),
  );
}

/** What the platform does at the time of the alarm. */
export async function fire(stub: JobStub, info?: Partial<AlarmInvocationInfo>): Promise<void> {
  await runInDurableObject(stub, async (self: JobHost) => await self.alarm!(info as AlarmInvocationInfo));
}

export function logOf(stub: JobStub): Promise<string[]> {
  return inside(stub, (self) => [...self.log]);
}

export function listOf(stub: JobStub): Promise<Job[]> {
  return inside(stub, (self) => self.jobs.list());
}

/** What waits for the alarm as it is stored: the ids of jobs, or their methods if they have none, and the user's alarm. */
export function rowsOf(stub: JobStub): Promise<string[]> {
  return inside(stub, (_, { kv, sql }) => [
    ...jobRows(sql).map(({ id, job }) => id ?? (JSON.parse(job) as { method: string }).method),
    ...(kv.get("durable-base:alarm") === undefined ? [] : ["the user's alarm"]),
  ]);
}

function jobRows(sql: SqlStorage): { id: string | null; job: string }[] {
  const isThere = sql.exec("select 1 from sqlite_schema where name = 'durable_base_jobs'").toArray().length > 0;
  return isThere ? sql.exec<{ id: string; job: string }>("select id, job from durable_base_jobs").toArray() : [];
}

/** Damages the stored job of this method. */
export function damage(stub: JobStub, method: string): Promise<void> {
  return runInDurableObject(stub, (_, { storage: { sql } }) => {
    sql.exec("update durable_base_jobs set job = substr(job, 2) where job like ?", `%"${method}"%`);
  });
}

/** How many rows `work` changes, those of keys too. */
export function changesOf(stub: JobStub, work: (self: JobHost) => unknown): Promise<number> {
  return runInDurableObject(stub, async (self: JobHost, { storage: { sql } }) => {
    const changes = (): number => sql.exec<{ n: number }>("select total_changes() as n").one().n;
    const before = changes();
    await work(self);
    await scheduler.wait(1);
    return changes() - before;
  });
}

/** The message of the error that `work` throws, after which no job is stored. */
export async function refusalOf(stub: JobStub, code: ErrorCode, work: (self: JobHost) => unknown): Promise<string> {
  const error = await errorOf(() => inside(stub, work));
  if (!DurableError.is(error, code)) throw new Error(`expected ${code}`, { cause: error });
  expect(await rowsOf(stub)).toEqual([]);
  return error.message;
}

/** Times are from its start on, which is far ahead, so that no native alarm fires by itself: the tests do it. */
export class Clock {
  start = 0;
  errors!: MockInstance;
  warnings!: MockInstance;

  /** For each test of the block. */
  constructor() {
    beforeEach(() => {
      this.start = Date.UTC(2100, 0, 1);
      vi.useFakeTimers({ toFake: ["Date"], now: this.start });
      this.errors = vi.spyOn(console, "error").mockImplementation(() => {});
      this.warnings = vi.spyOn(console, "warn").mockImplementation(() => {});
    });
    afterEach(() => {
      vi.useRealTimers();
      vi.restoreAllMocks();
    });
  }

  at(ms: number): void {
    vi.setSystemTime(this.start + ms);
  }

  /** Fires the alarm at that time. */
  async fireAt(stub: JobStub, ms: number, info?: Partial<AlarmInvocationInfo>): Promise<void> {
    this.at(ms);
    await fire(stub, info);
  }

  /** The time of the native alarm. */
  async nativeOf(stub: JobStub): Promise<number | null> {
    const at = await inside(stub, (_, storage) => {
      const native = Object.getPrototypeOf(storage) as DurableObjectStorage;
      return native.getAlarm.call(storage);
    });
    return at === null ? null : at - this.start;
  }
}

/** The declarations of `@Scheduled` in a class, for a test that changes them as a deploy does. */
export function declaredBy(cls: AnyClass): Map<string, unknown> {
  const parts = planOf(cls).parts as Map<string, RecordedPart>;
  const { members } = parts.get("jobs") ?? { members: new Map<string, unknown>() };
  parts.set("jobs", { attach: jobs, members });
  return members;
}
