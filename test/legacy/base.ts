/** Written by hand: fields on prototypes and what a compiler does to them exist in the legacy dialect alone. */
import { DurableBase, Persisted } from "durable-base";

/** What a compiler with [[Define]] semantics makes of a legacy field. */
export class Defined extends DurableBase {
  @Persisted() count = 0;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    Object.defineProperty(this, "count", { value: 0, writable: true, enumerable: true, configurable: true });
  }

  read(): number {
    return this.count;
  }
}

class Parent extends DurableBase {
  @Persisted() shared = "parent";
}

/** Siblings share their parent's fields and nothing else. */
export class LeftLegacy extends Parent {
  @Persisted() left = 1;

  all(): object {
    return { ...this, ctx: undefined, env: undefined };
  }
}

export class RightLegacy extends Parent {
  @Persisted() right = 2;
  override shared = "right";

  all(): object {
    return { ...this, ctx: undefined, env: undefined };
  }
}
