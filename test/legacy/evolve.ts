import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import {
  mended,
  Money,
  options,
  type After,
  type Before,
  type Early,
  type Mended,
  type User,
} from "../persisted/fixtures/evolve-options.ts";

/** The code of yesterday, as legacy fields. */
export class LegacyBefore extends DurableBase implements Before {
  @Persisted() total: unknown = "7";
  @Persisted() old = "old";
  @Persisted() older = "older";
  @Persisted() plain = 0;
  @Persisted() visits = 1;
  @Persisted() user: unknown = { name: "alice", age: 30, tags: [] };
  @Persisted() text: unknown = "text";
  @Persisted() price: unknown = { cents: 1, notes: [] };
  @Persisted() big: string[] = [];
  @Persisted() removed = { kept: false };

  run<R>(work: (self: this) => R): R {
    return work(this);
  }
}

/** The code of today. */
export class LegacyAfter extends DurableBase implements After {
  @Persisted(options.total) total = 0;
  @Persisted(options.fresh) fresh = "default";
  @Persisted() plain = 0;
  @Persisted(options.visits) visits: number | undefined = 5;
  @Persisted(options.score) score = [1];
  @Persisted(options.user) user: User = { name: "nobody", age: 1, tags: [] };
  @Persisted(options.text) text = "";
  @Persisted(options.price) price: Money | null | undefined = new Money(100);
  @Persisted(options.whole) whole = new Money(100);
  @Persisted() big: string[] = [];

  run<R>(work: (self: this) => R): R {
    return work(this);
  }
}

/** Code that repairs what it can't read. */
export class LegacyMended extends DurableBase implements Mended {
  @Persisted(mended.total) total = 0;
  @Persisted(mended.fresh) fresh = "default";
  @Persisted() plain = 0;
  @Persisted(mended.visits) visits: number | undefined = 5;
  @Persisted(mended.user) user: User = { name: "nobody", age: 1, tags: [] };
  @Persisted(mended.price) price: Money | null | undefined = new Money(100);
  @Persisted(mended.big) big: string[] = [];

  run<R>(work: (self: this) => R): R {
    return work(this);
  }
}

/** Code that stores as soon as it wakes up. */
export class LegacyEarly extends DurableBase implements Early {
  @Persisted() plain = 1;
  @Persisted(options.eager) id: string = crypto.randomUUID();
  seen: unknown;

  override onStart(): void {
    this.seen = this.ctx.storage.kv.get<{ fields?: { id: string } }>("durable-base:record")?.fields?.id;
  }

  run<R>(work: (self: this) => R): R {
    return work(this);
  }
}
