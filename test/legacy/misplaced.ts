/** Written by hand: legacy decorators are refused in other words, or where standard ones have no counterpart. */
import { Idempotent, Persisted } from "durable-base";

/** `@Persisted` where it cannot work: what, the class, the code, a part of the message. */
export const misplacedLegacy: readonly [string, () => unknown, string, string][] = [
  [
    "static",
    () => {
      class Wrong {
        @Persisted() static count = 0;
      }
      return Wrong;
    },
    "bad-decorator",
    "a static member belongs to no object",
  ],
  [
    "a method",
    () => {
      class Wrong {
        count(): number {
          return 1;
        }
      }
      const decorate = Persisted as (target: object, name: string, property: PropertyDescriptor | undefined) => void;
      decorate(Wrong.prototype, "count", Object.getOwnPropertyDescriptor(Wrong.prototype, "count"));
    },
    "bad-decorator",
    "@Persisted() count = …",
  ],
  [
    "a reserved name",
    () => {
      class Wrong {
        @Persisted() fetch = 0;
      }
      return Wrong;
    },
    "reserved-name",
    "myFetch",
  ],
  [
    "a symbol",
    () => {
      const count = Symbol("count");
      class Wrong {
        @Persisted() [count] = 0;
      }
      return Wrong;
    },
    "bad-decorator",
    "must be a string",
  ],
];

/** `@Idempotent` where it is refused in other words than in standard decorators: what, the class, a part of the message. */
export const misplacedIdempotent: readonly [string, () => unknown, string][] = [
  [
    "a getter",
    () => {
      class Wrong {
        own = 1;
        // @ts-expect-error a field or accessor isn't a method
        @Idempotent() get size(): number {
          return 1;
        }
      }
      return Wrong;
    },
    "a field or accessor isn't a method",
  ],
  [
    "a static method",
    () => {
      class Wrong {
        own = 1;
        @Idempotent() static make(): void {}
      }
      return Wrong;
    },
    "a static member belongs to no object",
  ],
];
