/**
 * @module
 * Keeps the alarms of objects to the clock of a test: while `Date` is mocked, none comes by itself.
 *
 * The platform fires alarms by its own clock. If a mocked clock is behind it, an alarm would fire at once, again and
 * again, and `getAlarm` would return another time than was set. So such an alarm is stored far ahead of its time.
 */
import { vi } from "vitest";
import { LATEST_ALARM } from "../core/alarm.ts";
import { showStorageTo } from "../storage/storage-state.ts";

/** How far ahead of its time an alarm is stored, in milliseconds: 221 years. Later alarms than 2040 need no such thing. */
const AHEAD = 7_000_000_000_000;

/** Where the functions below are kept on the prototype of the platform's storage, one time for all copies of this module. */
const ALARMS = Symbol.for("durable-base/testing: alarms");

type Alarms = Pick<DurableObjectTransaction, "getAlarm" | "setAlarm" | "deleteAlarm">;

interface Kept {
  readonly raw: Alarms;
  /** The times at which alarms were stored ahead. */
  readonly ahead: Set<number>;
}

type Proto = Alarms & { [ALARMS]?: Kept; transaction?: DurableObjectStorage["transaction"] };

/** The alarm functions of the platform's own storage, by the clock of the test. */
export function alarmsOf(storage: DurableObjectStorage): Alarms {
  const proto = keep(storage);
  return {
    getAlarm: (options) => proto.getAlarm.call(storage, options),
    setAlarm: (time, options) => proto.setAlarm.call(storage, time, options),
    deleteAlarm: (options) => proto.deleteAlarm.call(storage, options),
  };
}

/** Keeps an alarm that was set by the platform's clock from coming by itself, now that `Date` is mocked. */
export async function hold(storage: DurableObjectStorage): Promise<void> {
  const { raw, ahead } = keep(storage)[ALARMS]!;
  const at = await raw.getAlarm.call(storage);
  const later = at === null || ahead.has(at) ? undefined : laterThan(at);
  if (later === undefined) return;
  ahead.add(later);
  await raw.setAlarm.call(storage, later);
}

function keep(storage: Alarms, ahead = new Set<number>()): Proto {
  const proto = Object.getPrototypeOf(storage) as Proto;
  if (Object.hasOwn(proto, ALARMS)) return proto;
  const { getAlarm, setAlarm, deleteAlarm, transaction } = proto;
  proto[ALARMS] = { raw: { getAlarm, setAlarm, deleteAlarm }, ahead };
  proto.getAlarm = function (options) {
    return getAlarm.call(this, options).then((at) => (at !== null && ahead.has(at) ? at - AHEAD : at));
  };
  proto.setAlarm = function (time, options) {
    // A time that has passed means now, as on the platform, which refuses what isn't above 0.
    const later = Number(time) > 0 ? laterThan(Math.floor(Math.max(Number(time), Date.now()))) : undefined;
    if (later !== undefined) ahead.add(later);
    return setAlarm.call(this, later ?? time, options);
  };
  if (transaction !== undefined) {
    // A transaction has alarm functions of its own.
    proto.transaction = function <Result>(work: (transaction: DurableObjectTransaction) => Promise<Result>) {
      return transaction.call(this as DurableObjectStorage, async (inside) => {
        keep(inside, ahead);
        return await work(inside);
      }) as Promise<Result>;
    };
  }
  return proto;
}

/** When an alarm is stored in place of `at`; undefined where the platform may keep it as it is. */
function laterThan(at: number): number | undefined {
  return vi.getMockedSystemTime() !== null && at + AHEAD <= LATEST_ALARM ? at + AHEAD : undefined;
}

// Before an object of ours can set its first alarm.
showStorageTo((storage) => void keep(storage));
