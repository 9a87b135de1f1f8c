/** Cron expressions by what is public of them, see cron-vectors.ts, and by brute force, see cron-oracle.ts. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError } from "durable-base";
import { cron, Scheduled, type When } from "durable-base/jobs";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isLong, seed, slice } from "../battery.ts";
import { nameFor, type CronHost, type Pattern, type Ran } from "./cron-host.ts";
import { changesOf, runsOf } from "./cron-oracle.ts";
import { DEVIATIONS, FIRING, INVALID, NEVER, type Firing } from "./cron-vectors.ts";
import { errorOf, thrownBy } from "../error-of.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 366 * DAY;

const FIRINGS = slice(
  Object.entries(FIRING).flatMap(([source, rows]) => rows.map((row) => ({ source, ...row }))),
  150,
);
const INVALIDS = slice(
  Object.entries(INVALID).flatMap(([source, rows]) => rows.map((pattern) => ({ source, pattern }))),
  24,
);

let nth = 0;

const timeOf = (text: string): number => Date.parse(`${text.replace(" ", "T")}Z`);
const textOf = (time: number): string =>
  new Date(time)
    .toISOString()
    .replace("T", " ")
    .replace(/(:00)?\.000Z|Z/, "");

const shown = (times: readonly string[]): string[] => times.map((text) => textOf(timeOf(text)));

/** The first `count` runs after `from`, as they happen: each is run by the alarm of its time. */
async function runsSeen(
  namespace: DurableObjectNamespace<CronHost>,
  { pattern, timeZone = "UTC" }: Pattern,
  from: number,
  count: number,
  door: "@Scheduled" | "this.schedule",
): Promise<string[]> {
  const isDeclared = door === "@Scheduled";
  const stub = namespace.getByName(nameFor(isDeclared ? { pattern, timeZone } : undefined, nth++));
  return await runInDurableObject(stub, async (self: CronHost) => {
    vi.setSystemTime(from);
    const id = self.run(() => {
      if (!isDeclared) return self.jobs.schedule(cron(pattern, { timeZone }), self.tick);
      self.jobs.start();
      return "@tick";
    });
    expect(self.jobs.get(id)).toMatchObject({ method: "tick", state: "waiting", isDeclared });
    await scheduler.wait(0);
    const expected: Ran[] = [];
    while (expected.length < count) {
      const time = self.jobs.get(id)?.time.getTime();
      expect(self.armed()).toBe(time ?? null);
      if (time === undefined) break;
      expected.push({ time, at: time });
      // Never early.
      vi.setSystemTime(time - 1);
      await self.alarm!();
      expect(self.ran).toHaveLength(expected.length - 1);
      vi.setSystemTime(time);
      await self.alarm!();
      expect(self.ran).toEqual(expected);
    }
    return self.ran.map(({ time }) => textOf(time));
  });
}

function bruteForce({ pattern, timeZone = "UTC" }: Pattern, from: number, count: number, until: number): string[] {
  return Array.from(runsOf(pattern, timeZone, from, until).take(count), textOf);
}

/** How a class says when, in both dialects. */
const DOORS = [
  ["this.schedule", "standard", env.STANDARD_CRONS],
  ["@Scheduled", "standard", env.STANDARD_CRONS],
  ["@Scheduled", "legacy", env.LEGACY_CRONS],
] as const;

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

describe.each(DOORS)("cron by %s, %s", (door, _, namespace) => {
  it.each(FIRINGS)("runs $pattern after $from as in $source", async (firing: Firing) => {
    const from = timeOf(firing.from);
    expect(await runsSeen(namespace, firing, from, firing.next.length, door)).toEqual(shown(firing.next));
  });

  it.each(slice(DEVIATIONS.wider, 6))("reads $pattern as $as, though $why", async ({ pattern, as }) => {
    const from = timeOf("2025-01-01 00:00");
    const runs = await runsSeen(namespace, { pattern }, from, 4, door);
    expect(runs).toEqual(bruteForce({ pattern: as }, from, 4, from + 10 * YEAR));
  });
});

describe("cron", () => {
  const refused = (pattern: string): Error & { code?: unknown } => {
    const errors = [
      thrownBy(() => cron(pattern)),
      thrownBy(() => {
        class Declaring {
          @Scheduled(cron(pattern)) tick(): void {}
        }
        return Declaring;
      }),
    ];
    for (const error of errors) expect(DurableError.is(error, "bad-cron")).toBe(true);
    expect(errors[1]!.message).toBe(errors[0]!.message);
    return errors[0]!;
  };

  it.each(FIRINGS.filter(({ next }) => timeOf(next.at(-1)!) < timeOf("2060-01-01 00:00")))(
    "is told right by the table: $pattern after $from",
    (firing) => {
      const from = timeOf(firing.from);
      expect(bruteForce(firing, from, firing.next.length, timeOf(firing.next.at(-1)!))).toEqual(shown(firing.next));
    },
  );

  it.each(INVALIDS)('refuses "$pattern", of $source', ({ pattern }) => {
    expect(refused(pattern).message).toMatch(/^cron\(/);
  });

  it.each(DEVIATIONS.narrower)("refuses $pattern: $why", ({ pattern }) => {
    refused(pattern);
  });

  it.each(slice(NEVER, 12))("refuses %s, which never comes", (pattern) => {
    expect(refused(pattern).message).toContain("pass a Date");
  });

  it.each([undefined, null, 5, {}, [], new Date(), ["* * * * *"], Symbol("s")])(
    "refuses what is no text: %s",
    (text) => {
      expect(thrownBy(() => cron(text as never))).toMatchObject({ code: "bad-cron" });
    },
  );

  it.each([
    "",
    " ",
    "Mars/Phobos",
    " UTC",
    "Europe/Berlin ",
    "local",
    "CEST",
    "+25:00",
    "GMT+2",
    null,
    1,
    {},
    Symbol("s"),
  ])("refuses the time zone %s", (timeZone) => {
    expect(thrownBy(() => cron("0 9 * * *", { timeZone: timeZone as never }))).toMatchObject({ code: "bad-cron" });
  });

  it.each(["0 0 0 1 1 * 2014", "0 0 0 1 1 * 2263", "0 0 0 1 1 * 9999"])(
    "%s is refused by this.schedule, where no such time is left, and not run by @Scheduled",
    async (pattern) => {
      vi.setSystemTime(timeOf("2025-01-01 00:00"));
      const stub = env.STANDARD_CRONS.getByName(nameFor({ pattern }, nth++));
      await runInDurableObject(stub, (self: CronHost) =>
        self.run(() => {
          const error = thrownBy(() => self.jobs.schedule(cron(pattern), self.tick));
          expect(DurableError.is(error, "bad-cron")).toBe(true);
          self.jobs.start();
          expect(self.jobs.list()).toEqual([]);
        }),
      );
    },
  );

  it.each([{ cron: "0 9 * * *" }, { cron: "0 9 * * *", timeZone: "UTC" }, { cron: 5, next: 5 }])(
    "has to be called: %j is refused by both doors",
    async (when) => {
      const stub = env.STANDARD_CRONS.getByName(nameFor(undefined, nth++));
      const error = await errorOf(() =>
        runInDurableObject(stub, (self: CronHost) =>
          self.run(() => self.jobs.schedule(when as unknown as When, self.tick)),
        ),
      );
      expect(error).toMatchObject({ code: "bad-cron" });
      expect(thrownBy(() => Scheduled(when as never))).toMatchObject({ code: "bad-cron" });
    },
  );
});

/** The days on which clocks change in 2025, and one that never does. */
const CHANGES = [
  { timeZone: "America/New_York", spring: "2025-03-09 07:00", autumn: "2025-11-02 06:00" },
  { timeZone: "Europe/Berlin", spring: "2025-03-30 01:00", autumn: "2025-10-26 01:00" },
  { timeZone: "Australia/Lord_Howe", spring: "2025-10-04 15:30", autumn: "2025-04-05 15:00" },
  { timeZone: "Asia/Kathmandu", spring: undefined, autumn: undefined },
];

/** Times around the hours that are left out or come twice in those zones, and jobs that come often. */
const DAILY = [
  "0 2 * * *",
  "15 2 * * *",
  "30 2 * * *",
  "59 2 * * *",
  "0 3 * * *",
  "0 1 * * *",
  "30 1 * * *",
  "45 1 * * *",
  "59 1 * * *",
  "0 0 * * *",
  "@daily",
  "30 30 2 * * *",
  "0,30 2 * * *",
  "15 1-3 * * *",
  "30 */2 * * *",
  "*/20 2 * * *",
  "* 1 * * *",
  "0 * * * *",
  "@hourly",
  "*/15 * * * *",
  "*/7 * * * *",
  "30 2 * * SUN",
  "15 2 * * SUN#L",
  "0 0 L * *",
];

describe("cron where clocks change", () => {
  it("has zones that change as the table says", () => {
    const [from, until] = [timeOf("2025-01-01 00:00"), timeOf("2026-01-01 00:00")];
    for (const { timeZone, spring, autumn } of CHANGES) {
      const changes = [spring, autumn].filter((time) => time !== undefined).toSorted();
      expect(changesOf(timeZone, from, until).map(textOf)).toEqual(changes);
    }
  });

  // The dialects differ in what they record, which the table has shown.
  describe.each(DOORS.slice(0, 2))("by %s, %s", (door, _, namespace) => {
    it.each(
      slice(
        CHANGES.flatMap((zone) => DAILY.map((pattern) => ({ ...zone, pattern }))),
        27,
      ),
    )(
      "runs $pattern in $timeZone as the clock shows it",
      async ({ timeZone, spring = "2025-03-30 01:00", autumn = "2025-10-26 01:00", pattern }) => {
        for (const change of [spring, autumn]) {
          const from = timeOf(change) - 26 * HOUR;
          const expected = bruteForce({ pattern, timeZone }, from, 150, timeOf(change) + 28 * HOUR);
          expect(await runsSeen(namespace, { pattern, timeZone }, from, expected.length, door)).toEqual(expected);
        }
      },
    );
  });

  it.each<[string, string, Pattern, string, string[]]>([
    // OCPS 1.4, 4.3.1 recommends that it is skipped.
    [
      "runs a time that is left out right after the gap",
      "New York",
      { pattern: "30 2 * * *", timeZone: "America/New_York" },
      "2025-03-08 12:00",
      ["2025-03-09 07:00", "2025-03-10 06:30"],
    ],
    [
      "runs a time that is left out right after the gap",
      "Berlin",
      { pattern: "30 2 * * *", timeZone: "Europe/Berlin" },
      "2025-03-29 12:00",
      ["2025-03-30 01:00", "2025-03-31 00:30"],
    ],
    [
      "runs a time that is left out right after the gap",
      "Lord Howe",
      { pattern: "15 2 * * *", timeZone: "Australia/Lord_Howe" },
      "2025-10-04 00:00",
      ["2025-10-04 15:30", "2025-10-05 15:15"],
    ],
    // As OCPS 1.4, 4.3.1 recommends.
    [
      "runs a time that comes twice once",
      "New York",
      { pattern: "30 1 * * *", timeZone: "America/New_York" },
      "2025-11-01 12:00",
      ["2025-11-02 05:30", "2025-11-03 06:30"],
    ],
    [
      "runs a time that comes twice once",
      "Berlin",
      { pattern: "30 2 * * *", timeZone: "Europe/Berlin" },
      "2025-10-25 12:00",
      ["2025-10-26 00:30", "2025-10-27 01:30"],
    ],
    [
      "runs a time that comes twice once",
      "Lord Howe",
      { pattern: "45 1 * * *", timeZone: "Australia/Lord_Howe" },
      "2025-04-05 00:00",
      ["2025-04-05 14:45", "2025-04-06 15:15"],
    ],
    [
      "leaves a list out in the gap, as OCPS does",
      "New York",
      { pattern: "0,30 2 * * *", timeZone: "America/New_York" },
      "2025-03-08 12:00",
      ["2025-03-10 06:00", "2025-03-10 06:30"],
    ],
    // OCPS 1.4, 4.3.1 recommends once.
    [
      "runs a list at both",
      "New York",
      { pattern: "0,30 1 * * *", timeZone: "America/New_York" },
      "2025-11-01 12:00",
      ["2025-11-02 05:00", "2025-11-02 05:30", "2025-11-02 06:00", "2025-11-02 06:30", "2025-11-03 06:00"],
    ],
    [
      "runs each hour of the day, which has 25",
      "New York",
      { pattern: "0 * * * *", timeZone: "America/New_York" },
      "2025-11-02 04:30",
      ["2025-11-02 05:00", "2025-11-02 06:00", "2025-11-02 07:00"],
    ],
    [
      "runs each hour of the day, which has 23",
      "Berlin",
      { pattern: "0 * * * *", timeZone: "Europe/Berlin" },
      "2025-03-29 23:30",
      ["2025-03-30 00:00", "2025-03-30 01:00", "2025-03-30 02:00"],
    ],
    // 02:00 is left out, and the clock goes from 02:00 to 02:30: hours are 90 minutes apart.
    [
      "leaves an hour out that the clock does not show",
      "Lord Howe",
      { pattern: "0 * * * *", timeZone: "Australia/Lord_Howe" },
      "2025-10-04 14:00",
      ["2025-10-04 14:30", "2025-10-04 16:00", "2025-10-04 17:00"],
    ],
    [
      "goes on when it begins in the second of two hours",
      "New York",
      { pattern: "30 1 * * *", timeZone: "America/New_York" },
      "2025-11-02 06:00",
      ["2025-11-03 06:30"],
    ],
    [
      "goes on when it begins in the second of two hours",
      "Los Angeles",
      { pattern: "* * * * *", timeZone: "America/Los_Angeles" },
      "2025-11-02 09:00",
      ["2025-11-02 09:01", "2025-11-02 09:02"],
    ],
  ])("%s, %s", async (_, __, pattern, from, next) => {
    expect(await runsSeen(env.STANDARD_CRONS, pattern, timeOf(from), next.length, "@Scheduled")).toEqual(next);
  });

  it.each(
    CHANGES.flatMap(({ timeZone, spring = "2025-06-01 12:00", autumn = spring }) =>
      [...new Set([spring, autumn])].map((change) => ({ timeZone, change })),
    ),
  )(
    "catches up in $timeZone after $change: with one run for all that were missed, or with each",
    async ({ timeZone, change }) => {
      const pattern = "*/20 * * * *";
      const [from, now] = [timeOf(change) - 3 * HOUR, timeOf(change) + 3 * HOUR + 1];
      const missed = bruteForce({ pattern, timeZone }, from, 100, now);
      for (const policy of ["once", "all"] as const) {
        const stub = env.STANDARD_CRONS.getByName(nameFor(undefined, nth++));
        await runInDurableObject(stub, async (self: CronHost) => {
          vi.setSystemTime(from);
          const when = cron(pattern, { timeZone });
          const id = self.run(() => self.jobs.schedule(when, self.tick, undefined, { missed: policy }));
          await scheduler.wait(0);
          vi.setSystemTime(now);
          await self.alarm!();
          const runs = self.ran.map(({ time }) => textOf(time));
          expect(runs).toEqual(policy === "once" ? missed.slice(0, 1) : missed);
          const next = bruteForce({ pattern, timeZone }, now, 1, now + DAY);
          expect([textOf(self.jobs.get(id)!.time.getTime())]).toEqual(next);
          expect(self.armed()).toBe(timeOf(next[0]!));
        });
      }
    },
  );
});

const ZONES = [
  "UTC",
  "America/New_York",
  "Europe/Berlin",
  "Europe/London",
  "Europe/Dublin",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Africa/Cairo",
  "Africa/Casablanca",
  "America/Santiago",
  "America/St_Johns",
  "Antarctica/Troll",
  "Asia/Beirut",
  "Pacific/Chatham",
];

const field = (least: number, most: number): fc.Arbitrary<string> => {
  const value = fc.integer({ min: least, max: most });
  const range = fc.tuple(value, value).map((ends) => ends.toSorted((one, other) => one - other).join("-"));
  const step = fc.integer({ min: 1, max: most - least });
  const stepped = fc.tuple(fc.oneof(fc.constant("*"), range), step).map((parts) => parts.join("/"));
  const single = fc.oneof(value.map(String), value.map(String), range, stepped);
  return fc.oneof(
    fc.constant("*"),
    value.map(String),
    single,
    fc.array(single, { minLength: 2, maxLength: 3 }).map(String),
  );
};

const often = (restricted: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant("*") }, { weight: 1, arbitrary: restricted });

const patterns = fc
  .tuple(
    fc.oneof(
      fc.constant(""),
      field(0, 59).map((seconds) => `${seconds} `),
    ),
    field(0, 59),
    field(0, 23),
    often(field(1, 31)),
    often(field(1, 12)),
    often(fc.oneof(field(0, 7), fc.constantFrom("MON-FRI", "sun", "Sat,SUN", "+MON-WED", "+5", "TUE#2", "FRI#L"))),
  )
  .map(([second, ...fields]) => second + fields.join(" "));

describe("cron by brute force", () => {
  it("agrees on the next runs of random expressions, in zones whose clocks change", async () => {
    console.log(`TEST_SEED=${seed} npx vitest run test/jobs/cron-vectors.test.ts`);
    const [first, last] = [timeOf("2024-01-01 00:00"), timeOf("2027-01-01 00:00")];
    const changes = new Map(ZONES.map((zone) => [zone, changesOf(zone, first, last)]));
    const moments = fc.constantFrom(...ZONES).chain((timeZone) => {
      const anywhere = fc.integer({ min: first, max: last });
      const near = changes.get(timeZone)!;
      const around = fc
        .tuple(fc.nat({ max: Math.max(0, near.length - 1) }), fc.integer({ min: -4 * HOUR, max: 4 * HOUR }))
        .map(([n, by]) => near[n]! + by);
      const from = near.length === 0 ? anywhere : fc.oneof(anywhere, around);
      return fc.record({ timeZone: fc.constant(timeZone), from });
    });
    const stub = env.STANDARD_CRONS.getByName(nameFor(undefined, nth++));
    let compared = 0;
    await runInDurableObject(stub, (self: CronHost) =>
      self.run(() => {
        const next = (pattern: string, timeZone: string, now: number): number => {
          vi.setSystemTime(now);
          const id = self.jobs.schedule(cron(pattern, { timeZone }), self.tick, undefined, {
            id: "tick",
            replace: true,
          });
          return self.jobs.get(id)!.time.getTime();
        };
        const agrees = fc.property(patterns, moments, (pattern, { timeZone, from }) => {
          const until = from + 70 * DAY;
          const expected = [...runsOf(pattern, timeZone, from, until).take(3)];
          if (expected.length === 0) {
            try {
              expect(next(pattern, timeZone, from)).toBeGreaterThan(until);
            } catch (error) {
              if (!DurableError.is(error, "bad-cron")) throw error;
              expect([...runsOf(pattern, timeZone, from, from + 9 * YEAR).take(1)]).toEqual([]);
            }
          }
          let now = from;
          for (const time of expected) {
            now = next(pattern, timeZone, now);
            expect(textOf(now)).toBe(textOf(time));
            compared++;
          }
        });
        fc.assert(agrees, { numRuns: isLong ? 1_000 : 8 });
      }),
    );
    expect(compared).toBeGreaterThan(isLong ? 1_000 : 8);
  });
});
