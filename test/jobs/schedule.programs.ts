/**
 * Programs for the model test of jobs: what is done to one object, and befalls it.
 *
 * `schedule.model.ts` has the list that tells what must come of it, and `schedule.play.ts` how both are played at once.
 */
import fc from "fast-check";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** An hour, a day at 03:00:30, or once at noon of the second day. */
export type CronKind = "hourly" | "daily" | "last";
export type ModelWhen =
  | { readonly delay: number }
  | { readonly date: number }
  | { readonly every: number }
  | { readonly cron: CronKind };
export type Again = Extract<ModelWhen, { every: number } | { cron: CronKind }>;

/** What a job does, as its input. */
export interface Work {
  readonly name: string;
  /** So many tries fail. */
  readonly fails: number;
  /** In so many tries the object is stopped, at the end of the first stretch or of the last. */
  readonly crashes: number;
  readonly crashesEarly: boolean;
  /** How long it takes, in milliseconds. */
  readonly takes: number;
  readonly acts: readonly Act[];
  /** What other entries do while it waits, for the method `later`. */
  readonly during: readonly Act[];
}

/** What the user's handler does. */
export interface Plan {
  readonly fails: number;
  readonly crashes: number;
  readonly waits: boolean;
  readonly acts: readonly Act[];
}

export interface ModelOptions {
  readonly retry: { readonly maxAttempts: number; readonly baseDelay: number; readonly maxDelay: number };
  readonly missed: "all" | "once" | "skip";
}

/** What is done to the object within a stretch. */
export type Act =
  | {
      readonly kind: "schedule";
      readonly when: ModelWhen;
      readonly method: number;
      /** Below 0 for a made-up one. */
      readonly id: number;
      readonly replace: boolean;
      readonly options: ModelOptions;
      readonly work: Work;
    }
  | { readonly kind: "cancel" | "retry"; readonly target: number }
  | { readonly kind: "setAlarm"; readonly delay: number; readonly plan: Plan }
  | { readonly kind: "deleteAlarm" | "write" };

/** What is done to the object, or befalls it. */
export type Step =
  | { readonly kind: "do"; readonly acts: readonly Act[]; readonly waits: boolean }
  | {
      readonly kind: "transaction";
      readonly how: "transactionSync" | "transaction" | "rollback" | "atomically" | "atomicallyLater";
      readonly acts: readonly Act[];
      readonly isKept: boolean;
    }
  /** Time passes, with the alarms in it, or with none before its end. */
  | { readonly kind: "pass" | "jump"; readonly ms: number }
  | { readonly kind: "deleteAll" }
  /** Where the platform loses the alarm of jobs, it is to be set again. */
  | { readonly kind: "evict"; readonly losesAlarm: boolean }
  | { readonly kind: "crash"; readonly acts: readonly Act[] }
  | { readonly kind: "failStart"; readonly times: number }
  | {
      readonly kind: "deploy";
      readonly methods: readonly boolean[];
      readonly sweep: Declared | null;
      readonly nightly: Declared | null;
    };

export interface Declared {
  readonly when: Again;
  readonly missed: ModelOptions["missed"];
}

export interface Program {
  readonly seed: number;
  readonly steps: readonly Step[];
}

export const METHODS = ["plain", "later", "whole", "wholeLater"];
export const NAMES = ["a", "b", "c"];

const OFTEN = 90_000;

const again: fc.Arbitrary<Again> = fc.oneof(
  fc.record({ every: fc.constantFrom(OFTEN, 20 * MINUTE, HOUR, DAY) }),
  fc.record({ cron: fc.constantFrom<CronKind>("hourly", "daily", "last") }),
);
const when: fc.Arbitrary<ModelWhen> = fc.oneof(
  fc.record({ delay: fc.constantFrom(0, 1, 1_000, 5_000, 90_000, HOUR, -5) }),
  fc.record({ date: fc.constantFrom(-1_000, 0, 2_000, 5_000, DAY) }),
  again,
);
const often = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const missed = fc.constantFrom("once" as const, "all" as const, "skip" as const);
const options: fc.Arbitrary<ModelOptions> = fc.record({
  retry: fc.record({
    maxAttempts: fc.constantFrom(1, 2, 4),
    baseDelay: fc.constantFrom(0, 1_000, 100_000),
    maxDelay: fc.constantFrom(3_000, HOUR),
  }),
  missed,
});

const { acts } = fc.letrec<{ acts: readonly Act[]; few: readonly Act[]; act: Act; work: Work }>((tie) => ({
  work: fc.record({
    name: fc.constantFrom("m", "n", "o", "p"),
    fails: often(0, 1, 2, 99),
    crashes: often(0, 0, 1, 2),
    crashesEarly: fc.boolean(),
    takes: often(0, 1, 40_000),
    acts: tie("few"),
    during: tie("few"),
  }),
  few: fc.oneof({ depthSize: "small", maxDepth: 2 }, fc.constant([]), fc.array(tie("act"), { maxLength: 2 })),
  act: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "retry"), target: fc.nat(11) }) },
    {
      weight: 6,
      arbitrary: fc
        .record({
          kind: fc.constant("schedule" as const),
          when,
          method: fc.nat(3),
          id: fc.integer({ min: -2, max: 2 }),
          replace: fc.boolean(),
          options,
          work: tie("work"),
        })
        .map((act) => ({
          ...act,
          options: { ...act.options, missed: bounded({ ...act.options, when: act.when }).missed },
        })),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("setAlarm" as const),
        delay: fc.constantFrom(0, 1, 1_000, 5_000, 90_000, HOUR),
        plan: fc.record({
          fails: often(0, 1, 99),
          crashes: often(0, 1),
          waits: fc.boolean(),
          acts: tie("few"),
        }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("deleteAlarm" as const, "write") }) },
  ),
  acts: fc.array(tie("act"), { minLength: 1, maxLength: 4, size: "max" }),
}));

const declared = fc.option(fc.record({ when: again, missed }).map(bounded));

/** Without the policy that would run a thousand times after a long pause. */
function bounded<T extends { readonly when: ModelWhen; readonly missed: ModelOptions["missed"] }>(job: T): T {
  return "every" in job.when && job.when.every === OFTEN && job.missed === "all" ? { ...job, missed: "once" } : job;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("do" as const), acts, waits: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("transaction" as const),
      how: fc.constantFrom("transactionSync", "transaction", "rollback", "atomically", "atomicallyLater"),
      acts,
      isKept: fc.boolean(),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 1_000, 10_000, 5 * MINUTE) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("jump" as const),
      ms: fc.constantFrom(1, 5_000, 61_000, HOUR, 26 * HOUR),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("evict" as const), losesAlarm: often(false, true) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteAll" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), acts }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("failStart" as const), times: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("deploy" as const),
      methods: fc.array(fc.oneof(fc.constant(true), fc.boolean()), { minLength: 4, maxLength: 4 }),
      sweep: declared,
      nightly: declared,
    }),
  },
);

/** Programs of up to so many steps. */
export function programs(most: number): fc.Arbitrary<Program> {
  return fc.record({ seed: fc.nat(), steps: fc.array(step, { minLength: 1, maxLength: most, size: "max" }) });
}

const idle: Work = { name: "m", fails: 0, crashes: 0, crashesEarly: false, takes: 0, acts: [], during: [] };
const later: Act = {
  kind: "schedule",
  when: { delay: 1_000 },
  method: 0,
  id: -1,
  replace: false,
  options: { retry: { maxAttempts: 1, baseDelay: 0, maxDelay: 0 }, missed: "once" },
  work: idle,
};

/** Seldom made by chance: the user's alarm is the object's again after jobs were undone in the middle of a stretch. */
export const UNDONE: Program = {
  seed: 1,
  steps: [
    {
      kind: "do",
      waits: false,
      acts: [{ kind: "setAlarm", delay: 90_000, plan: { fails: 0, crashes: 0, waits: false, acts: [] } }],
    },
    { kind: "transaction", how: "rollback", isKept: false, acts: [later, later] },
  ],
};
