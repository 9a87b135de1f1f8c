/**
 * @module
 * For parts of your own: `durable-base/part`.
 */
export { alarmOf, type AlarmSource, type Due, type SharedAlarm } from "./core/alarm.ts";
export * from "./core/part/part.ts";
export { fieldsOf, type FieldInfo } from "./persisted/stored-fields.ts";
