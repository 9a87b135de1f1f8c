import { Persisted } from "durable-base";
import { Fields } from "./fields.ts";
import { broken, Cents, first, mend, type Broken, type Price } from "./values.ts";

/** Fields of every kind, with and without options. */
export class Kept extends Fields {
  @Persisted({ version: 2, migrate: (old) => ({ amount: old as number, currency: "EUR" }) })
  accessor price: Price = { amount: 0, currency: "EUR" };
  @Persisted({ key: "visits" }) accessor visits = 0;
  @Persisted({ codec: { encode: ({ cents }) => cents, decode: (cents) => new Cents(cents as number) } })
  accessor cents: Cents = new Cents(0);
  @Persisted({ schema: broken, onUnreadable: () => mend() }) accessor broken: Broken = mend();

  override write(): void {
    super.write();
    Object.assign(this, first());
    this.broken = { kind: "broken", list: Array.from({ length: 200 }, (_, n) => `entry ${n}`) };
  }

  /** Replaces what doesn't fit the schema any more, so that it is kept as unreadable. */
  mend(): void {
    this.broken = mend();
  }
}
