import { Atomic, DurableBase, Persisted, Route } from "../../src/index.ts";
import { BOTH, instrumented, type Reported } from "../core/fixtures/reports-data.ts";

@instrumented
export class LegacyInstrumentedReports extends DurableBase implements Reported {
  @Persisted() list: unknown[] = [];

  run<R>(work: (self: this) => R): R {
    return work(this);
  }

  @Route.get("/add")
  add(): unknown {
    return this.list.push("added");
  }

  @Atomic()
  fail(): void {
    this.list.push("lost");
    throw new Error("undone");
  }

  @Atomic()
  [BOTH](): void {
    this.list.push("lost");
    throw new Error("undone");
  }
}

// TypeScript's mixins take `any[]`.
// oxlint-disable-next-line typescript/no-explicit-any
type Base = abstract new (...args: any[]) => DurableBase;

function Counting<T extends Base>(base: T) {
  abstract class Counted extends base {
    @Persisted() count = 0;

    @Route.get("/count")
    increment(): number {
      return ++this.count;
    }
  }
  return Counted;
}

function Titled<T extends Base>(base: T) {
  abstract class WithTitle extends base {
    @Persisted() title = "untitled";

    @Route.get("/title")
    readTitle(): string {
      return this.title;
    }
  }
  return WithTitle;
}

export class LegacyMixedReports extends Titled(Counting(DurableBase)) {
  @Persisted() own = "own";
}

export class LegacyCountedReports extends Counting(DurableBase) {
  override increment(): number {
    return super.increment() * 100;
  }
}
