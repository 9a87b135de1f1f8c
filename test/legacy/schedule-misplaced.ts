import { Scheduled } from "../../src/jobs/scheduled.ts";

/** `@Scheduled` where it cannot work: what, the class, the code, a part of the message. */
export const misplacedSchedules: readonly [string, () => unknown, string, string][] = [
  ["a time that comes once", () => Scheduled(5 as never), "bad-time", "`@Scheduled({ every: 60_000 })`"],
  ["no time", () => Scheduled(undefined as never), "bad-time", "`@Scheduled({ every: 60_000 })`"],
  ["a short interval", () => Scheduled({ every: 10 }), "bad-time", "setInterval"],
  ["a bad option", () => Scheduled({ every: 5_000 }, { missed: "never" as never }), "bad-option", "missed"],
  [
    "two schedules of one method",
    () => {
      class Wrong {
        @Scheduled({ every: 5_000 }) @Scheduled({ every: 6_000 }) sweep(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "a method of its own",
  ],
  [
    "a static method",
    () => {
      class Wrong {
        own = 1;
        @Scheduled({ every: 5_000 }) static sweep(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "@Scheduled() cannot stand on sweep",
  ],
  [
    "a field",
    () => {
      class Wrong {
        own = 1;
        // @ts-expect-error a field isn't a method
        @Scheduled({ every: 5_000 }) sweep = (): void => {};
      }
      return Wrong;
    },
    "bad-decorator",
    "`@Scheduled({ every: 60_000 }) sweep() { … }`",
  ],
  [
    "a class",
    () => {
      // @ts-expect-error a class isn't a method
      @Scheduled({ every: 5_000 })
      class Wrong {}
      return Wrong;
    },
    "bad-decorator",
    "it isn't a method",
  ],
];
