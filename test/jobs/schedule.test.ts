import { env } from "cloudflare:workers";
import { Scheduled } from "durable-base/jobs";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../error-of.ts";
import { misplacedSchedules as misplacedLegacy } from "../legacy/twins/schedule-misplaced.ts";
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

/** Rows that the legacy dialect's syntax or types don't allow. */
const onlyStandard: readonly [string, () => unknown, string, string][] = [
  [
    "a symbol",
    () => {
      class Wrong {
        @Scheduled({ every: 5_000 }) [Symbol.dispose](): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "Symbol.dispose",
  ],
  [
    "a #private method",
    () => {
      class Wrong {
        @Scheduled({ every: 5_000 }) #sweep(): void {}
        run(): void {
          this.#sweep();
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "cannot stand on #sweep",
  ],
];

describe("@Scheduled, misplaced", () => {
  const all = [
    ...[...misplacedSchedules, ...onlyStandard].map((row) => ["standard", ...row] as const),
    ...misplacedLegacy.map((row) => ["legacy", ...row] as const),
  ];

  it.each(all)("refuses, %s: %s", (_, __, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });
});
