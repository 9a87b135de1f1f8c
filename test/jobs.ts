/** What the tests of jobs share: objects, times that pass, and what is stored. */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, expect, vi, type MockInstance } from "vitest";
import type { DurableBase } from "../src/durable-base.ts";
import { DurableError, type ErrorCode } from "../src/errors.ts";
import { jobs, type Job, type Jobs } from "../src/jobs/jobs.ts";
import { planOf, type AnyClass, type RecordedPart } from "../src/plan.ts";
import { errorOf } from "./error-of.ts";

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

/** The keys of the jobs' rows. */
export function rowsOf(stub: JobStub): Promise<string[]> {
  return inside(stub, (_, { kv }) => [...kv.list({ prefix: "durable-base:job" })].map(([key]) => key));
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
