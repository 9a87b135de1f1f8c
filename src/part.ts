/**
 * @module
 * For parts of your own: `durable-base/part`.
 */
export type { AlarmSource, Due, SharedAlarm } from "./core/alarm-types.ts";
export { alarmOf } from "./core/alarm.ts";
export * from "./core/part/part.ts";
export { storedFields, type FieldInfo } from "./persisted/stored-fields.ts";
