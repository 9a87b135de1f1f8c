import { env } from "cloudflare:workers";
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

scheduleCases("standard", standard.jobs);
recurringCases("standard", standard);
scheduleCases("legacy", legacy.jobs);
recurringCases("legacy", legacy);
