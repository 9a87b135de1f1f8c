/**
 * @module
 * Jobs: `jobs(this)` in a field, `@Scheduled` and `cron`.
 */
export { cron, type CronOptions } from "./cron.ts";
export type { Job, JobListOptions, JobRun, Jobs } from "./job.ts";
export { jobs } from "./jobs-part.ts";
export type { JobOptions, JobRetry, ScheduleOptions } from "./options.ts";
export { Scheduled, type ScheduledDecorator } from "./scheduled.ts";
export type { Cron, Every, Recurrence, StoredRecurrence, When } from "./when.ts";
