import { Persisted } from "../../src/persisted/persisted.ts";

/** Legacy decorators where they cannot work: what, the class, the code, a part of the message. */
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
