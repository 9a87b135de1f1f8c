/**
 * @module
 * For parts of your own: `durable-base/part`.
 */
export { alarmOf, type AlarmSource, type Due, type SharedAlarm } from "./alarm.ts";
export * from "./part.ts";
