import { DurableBase, Persisted } from "durable-base";
import { Counted, visited, visits, type VisitedLike, type Visits } from "../core/fixtures/visits.ts";

/** Has the part in a field, in legacy decorators. */
export class LegacyInField extends DurableBase implements VisitedLike {
  readonly #visits = visits(this);
  @Persisted() total = 0;

  get visits(): Visits {
    return this.#visits;
  }

  add(by: number): number {
    return (this.total += by);
  }

  end(): void {
    this.destroy();
  }
}

/** Asks for the same part again, in legacy decorators. */
export class LegacyInBothFields extends LegacyInField {
  readonly again: Visits = visits(this);
}

/** Lists the part, in legacy decorators. */
export class LegacyListing extends DurableBase implements VisitedLike {
  static override parts = [visited()];
  @Persisted() total = 0;

  get visits(): Visits {
    return visits(this);
  }

  add(by: number): number {
    return (this.total += by);
  }

  end(): void {
    this.destroy();
  }
}

/** Has the part by its decorator, in legacy decorators. */
export class LegacyDecorated extends DurableBase implements VisitedLike {
  @Persisted() total = 0;

  get visits(): Visits {
    return visits(this);
  }

  @Counted(10) add(by: number): number {
    return (this.total += by);
  }

  end(): void {
    this.destroy();
  }
}

/** Weighs another method too, in legacy decorators. */
export class LegacyDecoratedHeir extends LegacyDecorated {
  @Counted(5) addTwice(by: number): number {
    return this.add(by) + this.add(by);
  }
}
