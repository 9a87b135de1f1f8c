import { Atomic } from "../../src/calls/atomic.ts";
import { Exclusive } from "../../src/calls/exclusive.ts";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { Route } from "../../src/route/route.ts";
import type { Calls } from "../calls/call.cases.ts";

/** Methods that are all or nothing, or run one at a time, in legacy decorators. */
export class LegacyCalls extends DurableBase implements Calls {
  @Persisted() count = 0;
  @Persisted() log: { by: number }[] = [];

  /** An entry that does whatever a test wants. */
  run<R>(work: (self: this) => R): R {
    return work(this);
  }

  @Atomic() all<R>(work: (self: this) => R): R {
    return work(this);
  }

  @Atomic async allLater<R>(work: (self: this) => R): Promise<Awaited<R>> {
    return await work(this);
  }

  @Exclusive() async alone<R>(work: (self: this) => R): Promise<Awaited<R>> {
    return await work(this);
  }

  @Exclusive({ wait: 40 }) async briefly<R>(work: (self: this) => R): Promise<Awaited<R>> {
    return await work(this);
  }

  @Exclusive aloneAtOnce<R>(work: (self: this) => R): R {
    return work(this);
  }

  @Exclusive({ wait: 40 }) @Atomic() async aloneThenAll<R>(work: (self: this) => R): Promise<Awaited<R>> {
    return await work(this);
  }

  @Atomic() @Exclusive({ wait: 40 }) async allThenAlone<R>(work: (self: this) => R): Promise<Awaited<R>> {
    return await work(this);
  }

  /** A read, an await and a write: what loses updates. */
  async addUnguarded(): Promise<number> {
    const { count } = this;
    await scheduler.wait(1);
    return (this.count = count + 1);
  }

  @Exclusive() async add(): Promise<number> {
    return await this.addUnguarded();
  }

  read(): number {
    return this.count;
  }

  @Atomic() fail(by: number): number {
    this.count += by;
    throw new RangeError(`cannot add ${by}`);
  }

  @Atomic() async failLater(by: number): Promise<number> {
    this.count += by;
    await scheduler.wait(5);
    this.log.push({ by });
    await scheduler.wait(5);
    throw new RangeError(`cannot add ${by}`);
  }

  @Route.post("/half") @Atomic() half({ by }: { by: number }): void {
    this.fail(by);
  }

  @Exclusive({ wait: 100 }) async callOther(name: string): Promise<string> {
    await scheduler.wait(10);
    const namespaces = this.env as unknown as Record<string, DurableObjectNamespace<LegacyCalls>>;
    return await namespaces["LEGACY_CALLS"]!.getByName(name).callOther(this.name);
  }

  override alarm(): void {
    this.count = -1;
  }
}

/** Legacy decorators where they cannot work: what, the class, the code, a part of the message. */
export const misplacedLegacy: readonly [string, () => unknown, string, string][] = [
  [
    "a static method",
    () => {
      class Wrong {
        own = 1;
        @Atomic() static total(): number {
          return 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "`@Atomic() total() { … }`",
  ],
  [
    "a getter",
    () => {
      class Wrong {
        own = 1;
        // @ts-expect-error a getter isn't a method
        @Exclusive() get total(): number {
          return 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "`@Exclusive({ wait: 10000 }) total() { … }`",
  ],
  [
    "a field, bare",
    () => {
      class Wrong {
        own = 1;
        // @ts-expect-error a field isn't a method
        @Exclusive total = (): number => 1;
      }
      return Wrong;
    },
    "bad-decorator",
    "`@Exclusive() total() { … }`",
  ],
  [
    "a field",
    () => {
      class Wrong {
        own = 1;
        // @ts-expect-error a field isn't a method
        @Atomic() total = (): number => 1;
      }
      return Wrong;
    },
    "bad-decorator",
    "`@Atomic() total() { … }`",
  ],
  [
    "a generator",
    () => {
      class Wrong {
        own = 1;
        @Atomic() *total(): Generator<number> {
          yield 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "Collect what it yields in an array",
  ],
  [
    "an async generator",
    () => {
      class Wrong {
        own = 1;
        @Exclusive async *total(): AsyncGenerator<number> {
          yield 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "Collect what it yields in an array",
  ],
  [
    "a class",
    () => {
      // @ts-expect-error a class isn't a method
      @Atomic
      class Wrong {}
      return Wrong;
    },
    "bad-decorator",
    "`@Atomic() answer() { … }`",
  ],
  [
    "a class, called",
    () => {
      // @ts-expect-error a class isn't a method
      @Exclusive()
      class Wrong {}
      return Wrong;
    },
    "bad-decorator",
    "`@Exclusive({ wait: 10000 }) answer() { … }`",
  ],
];
