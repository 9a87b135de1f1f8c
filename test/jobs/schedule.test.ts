import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../error-of.ts";
import { misplacedSchedules as misplacedLegacy } from "../legacy/schedule-misplaced.ts";
import { misplacedSchedules } from "./fixtures/schedule-misplaced.ts";
import { recurringCases } from "./recurring.cases.ts";
import { scheduleCases } from "./schedule.cases.ts";

const standard = {
  jobs: () => env.STANDARD_JOBS as never,
  alarms: () => env.STANDARD_ALARMS as never,
  declared: () => env.STANDARD_DECLARED as never,
};
const legacy = {
  jobs: () => env.LEGACY_JOBS as never,
  alarms: () => env.LEGACY_ALARMS as never,
  declared: () => env.LEGACY_DECLARED as never,
};

scheduleCases("standard", standard.jobs, standard.alarms);
recurringCases("standard", standard);
scheduleCases("legacy", legacy.jobs, legacy.alarms);
recurringCases("legacy", legacy);

describe("@Scheduled, misplaced", () => {
  const all = [
    ...misplacedSchedules.map((row) => ["standard", ...row] as const),
    ...misplacedLegacy.map((row) => ["legacy", ...row] as const),
  ];

  it.each(all)("refuses, %s: %s", (_, __, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });
});
