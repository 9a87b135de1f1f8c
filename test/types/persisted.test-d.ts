/** What `@Persisted({ … })` accepts and refuses at compile time: options that fit the field's type. */
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import { DurableBase } from "../../src/durable-base.ts";
import type { Codec, PersistedOptions } from "../../src/persisted/options.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import * as Quarantine from "../../src/persisted/quarantine.ts";

class Money {
  cents = 0;
  readonly #secret = 1;

  get secret(): number {
    return this.#secret;
  }
}

const money: Codec<Money> = { encode: ({ cents }) => cents, decode: () => new Money() };
const given: PersistedOptions<number> = { version: 2, migrate: (old, from) => Number(old) * from };
const User = z.object({ name: z.string().trim(), age: z.number().default(1) });

export class Accepted extends DurableBase {
  @Persisted accessor bare = 0;
  @Persisted({}) accessor none = 0;
  @Persisted({ key: "count", eager: true, renamedFrom: ["a", "b"] }) accessor plain: { n: number }[] = [];
  @Persisted(given) accessor given = 0;
  @Persisted({ version: 2, migrate: () => [] }) accessor list: { at: Date }[] = [];
  @Persisted({ version: 2, migrate: (old) => Number(old) }) field: number | undefined = 0;
  @Persisted<string>({ version: 2, migrate: String }) accessor explicit: string | number = "";
  @Persisted({ schema: User }) accessor user: z.output<typeof User> = { name: "a", age: 1 };
  @Persisted({ schema: z.coerce.number() }) accessor coerced = 0;
  @Persisted({ schema: v.object({ n: v.number() }) }) accessor valibot = { n: 1 };
  @Persisted({ schema: type({ n: "number" }) }) accessor arktype = { n: 1 };
  @Persisted({ codec: money }) accessor money = new Money();
  @Persisted({ codec: money }) maybe: Money | null | undefined;
  @Persisted({ codec: { encode: (value: Money) => value.cents, decode: () => new Money() } }) accessor inline =
    new Money();
  @Persisted<Money>({ codec: { encode: (value) => value.cents, decode: () => new Money() } }) accessor typed =
    new Money();
  @Persisted({ codec: money, schema: z.instanceof(Money) }) accessor both = new Money();
  @Persisted({ eager: true }) private accessor hidden = 0;

  override onStart(): void {
    const repaired: boolean = Quarantine.repair(this, "list", []);
    if (repaired) this.hidden = Quarantine.list(this).length;
    // @ts-expect-error a value of another type
    Quarantine.repair(this, "list", [1]);
    // @ts-expect-error there is no such field
    Quarantine.repair(this, "lost", []);
  }
}

export class Refused extends DurableBase {
  // @ts-expect-error migrate gives another type
  @Persisted({ version: 2, migrate: String }) accessor migrated = 0;
  // @ts-expect-error also for a field
  @Persisted({ version: 2, migrate: String }) field = 0;
  // @ts-expect-error what was stored is unknown
  @Persisted({ version: 2, migrate: (old) => old.length }) accessor old = 0;
  // @ts-expect-error the schema gives another type
  @Persisted({ schema: z.string() }) accessor schema = 0;
  // @ts-expect-error the schema refuses a part of what the field holds
  @Persisted({ schema: z.string() }) accessor optional: string | undefined;
  // @ts-expect-error the schema does not take what it gives
  @Persisted({ schema: z.string().transform(Number) }) accessor converted = 0;
  // @ts-expect-error the codec is for another class
  @Persisted({ codec: money }) accessor date = new Date();
  // @ts-expect-error the codec takes only a part of what the field holds
  @Persisted({ codec: money }) accessor either: Money | string = "";
  // @ts-expect-error a codec has both
  @Persisted({ codec: { encode: String } }) accessor half = "";
  // @ts-expect-error there is no such option
  @Persisted({ keys: "a" }) accessor keys = 0;
  // @ts-expect-error a version is a number
  @Persisted({ version: "2", migrate: Number }) accessor version = 0;
}
