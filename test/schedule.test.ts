import { env } from "cloudflare:workers";
import { scheduleCases } from "./schedule.cases.ts";

scheduleCases("standard", {
  jobs: () => env.STANDARD_JOBS as never,
  alarms: () => env.STANDARD_ALARMS as never,
  declared: () => env.STANDARD_DECLARED as never,
});
