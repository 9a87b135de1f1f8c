import { cron } from "durable-base/jobs";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../error-of.ts";

/** So many times from `from` on, in UTC. */
function times(text: string, timeZone: string, from: string, count: number): string[] {
  const { next } = cron(text, { timeZone });
  const found: string[] = [];
  for (let at: number | undefined = Date.parse(from); found.length < count;) {
    at = next(at);
    if (at === undefined) break;
    found.push(new Date(at).toISOString().replace(":00.000Z", ""));
  }
  return found;
}

describe("cron", () => {
  it("gives times after the given one, to the second", () => {
    const { next } = cron("* * * * * *");
    expect([999, 1_000, 1_001, 1_999].map(next)).toEqual([1_000, 2_000, 2_000, 2_000]);
    expect(cron("30 9 * * 1-5").next(Date.parse("2026-11-27T09:30:00Z"))).toBe(Date.parse("2026-11-30T09:30:00Z"));
  });

  it("reads names, nicknames, lists, steps and the last day, in UTC by default", () => {
    expect(times("0 0 L * *", "UTC", "2028-01-31T12:00Z", 2)).toEqual(["2028-02-29T00:00", "2028-03-31T00:00"]);
    expect(times("@monthly", "UTC", "2026-11-23T12:00Z", 1)).toEqual(["2026-12-01T00:00"]);
    expect(times("0 12 * JAN MON#2", "UTC", "2026-11-23T12:00Z", 1)).toEqual(["2027-01-11T12:00"]);
    expect(cron("*/20 8,9 * * *").next(0)).toBe(8 * 3_600_000);
    expect(cron("0 9 * * *").timeZone).toBe("UTC");
  });

  it.each([
    // One time a day that the gap leaves out comes after it; one that comes twice, once.
    ["30 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", ["2027-03-28T01:00", "2027-03-29T00:30"]],
    ["30 2 * * *", "Europe/Berlin", "2027-10-30T12:00Z", ["2027-10-31T00:30", "2027-11-01T01:30"]],
    ["30 2 * * *", "America/New_York", "2027-03-13T12:00Z", ["2027-03-14T07:00", "2027-03-15T06:30"]],
    ["30 1 * * *", "America/New_York", "2027-11-06T12:00Z", ["2027-11-07T05:30", "2027-11-08T06:30"]],
    // Half an hour.
    ["15 2 * * *", "Australia/Lord_Howe", "2027-10-02T12:00Z", ["2027-10-02T15:30", "2027-10-03T15:15"]],
    // Every half hour goes on as the clock on the wall does.
    ["*/30 * * * *", "Europe/Berlin", "2027-03-28T00:15Z", ["2027-03-28T00:30", "2027-03-28T01:00"]],
  ])("reads %s in %s through a change of the clocks", (text, timeZone, from, expected) => {
    expect(times(text, timeZone, from, 2)).toEqual(expected);
  });

  it.each([
    ["", "UTC", "exactly five, six, or seven"],
    ["61 * * * *", "UTC", "minute"],
    ["* * * *", "UTC", "parts"],
    ["a b c d e", "UTC", "cron("],
    [undefined, "UTC", "are texts"],
    [5, "UTC", "are texts"],
    ["* * * * *", "Nope/Zone", "Nope/Zone"],
    ["* * * * *", "", "are texts"],
    ["* * * * *", null, "are texts"],
    ["* * * * *", 60, "are texts"],
    ["0 0 30 2 *", "UTC", "no day is like that"],
    ["2030-01-01T00:00:00", "UTC", "pass a Date"],
    ["@reboot", "UTC", "@reboot"],
  ])("refuses %s in %s", (text, timeZone, part) => {
    const error = thrownBy(() => cron(text as string, { timeZone: timeZone as string }));
    expect(error.code).toBe("bad-cron");
    expect(error.message).toContain(part);
  });
});
