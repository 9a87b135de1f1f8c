/**
 * When a cron expression comes, found without a cron library: each minute is tried, on the clock that Intl shows. It
 * reads what OCPS 1.4 says is valid, also `LW` and lists with `W`. Where clocks change, it has the rule of `cron`'s
 * doc comment.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const QUARTER = 15 * MINUTE;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const NICKNAMES: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** A day, as parts of its date. */
interface Day {
  year: number;
  /** From 1. */
  month: number;
  date: number;
  /** 0 is Sunday. */
  weekday: number;
  /** The last date of its month. */
  last: number;
}

interface Expression {
  seconds: number[];
  minutes: Set<number>;
  hours: Set<number>;
  isDay(day: Day): boolean;
  /** One hour, minute and second, none of them a `*` or a step. */
  isFixed: boolean;
}

/** The times after `from` and until `until`, in order, in milliseconds since 1970. */
export function* runsOf(text: string, timeZone: string, from: number, until: number): Generator<number> {
  const { seconds, minutes, hours, isDay, isFixed } = parse(text);
  const matches = (local: number): boolean => {
    const clock = new Date(local);
    return hours.has(clock.getUTCHours()) && minutes.has(clock.getUTCMinutes()) && isDay(dayOf(local));
  };
  // Clocks change on quarters of an hour.
  for (let quarter = Math.floor(from / QUARTER) * QUARTER; quarter <= until; quarter += QUARTER) {
    const offset = offsetOf(timeZone, quarter);
    const before = offsetOf(timeZone, quarter - QUARTER);
    let last = -Infinity;
    if (isFixed && offset > before) {
      for (let local = quarter + before; local < quarter + offset; local += MINUTE) {
        if (last !== quarter && quarter > from && matches(local)) yield (last = quarter);
      }
    }
    if (offset === before && !isDay(dayOf(quarter + offset))) continue;
    for (let minute = quarter; minute < quarter + QUARTER; minute += MINUTE) {
      if (!matches(minute + offset) || (isFixed && isRepeated(timeZone, minute, offset))) continue;
      for (const second of seconds) {
        const time = minute + second * SECOND;
        if (time > from && time <= until && time !== last) yield time;
      }
    }
  }
}

/** The moments between two times at which the clock of the zone changes. */
export function changesOf(timeZone: string, from: number, until: number): number[] {
  const changes: number[] = [];
  for (let quarter = Math.ceil(from / QUARTER) * QUARTER; quarter <= until; quarter += QUARTER) {
    if (offsetOf(timeZone, quarter) !== offsetOf(timeZone, quarter - QUARTER)) changes.push(quarter);
  }
  return changes;
}

/** True when the clock has shown this minute before. */
function isRepeated(timeZone: string, minute: number, offset: number): boolean {
  for (let back = QUARTER; back <= 3 * HOUR; back += QUARTER) {
    const earlier = offsetOf(timeZone, minute - back);
    if (earlier - offset === back) return true;
  }
  return false;
}

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** What the zone's clock is ahead of UTC. */
function offsetOf(timeZone: string, time: number): number {
  if (timeZone === "UTC") return 0;
  const day = Math.floor(time / DAY) * DAY;
  const atStart = shownOffset(timeZone, day);
  return atStart === shownOffset(timeZone, day + DAY)
    ? atStart
    : shownOffset(timeZone, Math.floor(time / MINUTE) * MINUTE);
}

function shownOffset(timeZone: string, time: number): number {
  const key = `${timeZone} ${time}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  let format = formats.get(timeZone);
  if (format === undefined) {
    const numeric = "numeric";
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      hourCycle: "h23",
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
    formats.set(timeZone, format);
  }
  const shown = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
  const { year, month, day, hour, minute, second } = shown as Record<string, number>;
  const offset = Date.UTC(year!, month! - 1, day, hour, minute, second) - time;
  offsets.set(key, offset);
  return offset;
}

function dayOf(local: number): Day {
  const clock = new Date(local);
  const [year, month] = [clock.getUTCFullYear(), clock.getUTCMonth() + 1];
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return { year, month, date: clock.getUTCDate(), weekday: clock.getUTCDay(), last };
}

function parse(text: string): Expression {
  const fields = (NICKNAMES[text.trim()] ?? text.trim()).split(/[ \t]+/);
  if (fields.length === 5) fields.unshift("0");
  if (fields.length === 6) fields.push("*");
  const [second, minute, hour, date, month, weekday, year] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const isDate = dateMatcher(date);
  const isWeekday = weekdayMatcher(weekday.replace("+", ""));
  const months = valuesOf(named(month, MONTHS, 1), 1, 12);
  const years = valuesOf(year, 1970, 2199);
  const isWild = (field: string): boolean => field === "*" || field === "?";
  const isEither = !isWild(date) && !isWild(weekday) && !weekday.startsWith("+");
  const clock = [valuesOf(second, 0, 59), valuesOf(minute, 0, 59), valuesOf(hour, 0, 23)] as const;
  return {
    seconds: [...clock[0]].toSorted((one, other) => one - other),
    minutes: clock[1],
    hours: clock[2],
    isDay: (day) =>
      years.has(day.year) &&
      months.has(day.month) &&
      (isEither ? isDate(day) || isWeekday(day) : isDate(day) && isWeekday(day)),
    isFixed: !/[*/?]/.test(second + minute + hour) && clock.every(({ size }) => size === 1),
  };
}

function dateMatcher(field: string): (day: Day) => boolean {
  const parts = field.split(",").map((part): ((day: Day) => boolean) => {
    if (part === "L") return ({ date, last }) => date === last;
    if (!part.endsWith("W")) {
      const dates = valuesOf(part, 1, 31);
      return ({ date }) => dates.has(date);
    }
    return (day) => {
      const wanted = part === "LW" ? day.last : Number(part.slice(0, -1));
      if (wanted > day.last) return false;
      const weekday = (day.weekday + wanted - day.date + 70) % 7;
      let nearest = wanted;
      if (weekday === 6) nearest = wanted === 1 ? 3 : wanted - 1;
      if (weekday === 0) nearest = wanted === day.last ? wanted - 2 : wanted + 1;
      return day.date === nearest;
    };
  });
  return (day) => parts.some((isOne) => isOne(day));
}

function weekdayMatcher(field: string): (day: Day) => boolean {
  const parts = field.split(",").map((part): ((day: Day) => boolean) => {
    const [, range, nth] = /^(.*?)(?:#([1-5L])|(?<=[0-9A-Za-z])(L))?$/.exec(part)!.filter((text) => text !== undefined);
    const weekdays = valuesOf(named(range!, WEEKDAYS, 0).replace(/(?<=[1-6])-0\b/, "-7"), 0, 7);
    return ({ weekday, date, last }) => {
      if (!weekdays.has(weekday) && !(weekday === 0 && weekdays.has(7))) return false;
      if (nth === undefined) return true;
      return nth === "L" ? date + 7 > last : Math.ceil(date / 7) === Number(nth);
    };
  });
  return (day) => parts.some((isOne) => isOne(day));
}

function named(field: string, names: readonly string[], first: number): string {
  return names.reduce((text, name, n) => text.replace(new RegExp(name, "gi"), `${n + first}`), field);
}

/** The values of a list of numbers, ranges and steps. */
function valuesOf(field: string, least: number, most: number): Set<number> {
  const values = new Set<number>();
  for (const part of field.split(",")) {
    const [range, step = "1"] = part.split("/") as [string, string?];
    const ends = range === "*" || range === "?" ? [least, most] : range.split("-").map(Number);
    for (let value = ends[0]!; value <= ends.at(-1)!; value += Number(step)) values.add(value);
  }
  return values;
}
