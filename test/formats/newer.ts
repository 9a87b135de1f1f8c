import { Persisted } from "durable-base";
import { Fields } from "./fields.ts";
import { broken, Cents, now, type Broken, type Price } from "./values.ts";

/** What the present code is: the fields that changed since, by their options, which came with format 2. */
export class Kept extends Fields {
  @Persisted({ version: 2, migrate: (old) => ({ amount: old as number, currency: "EUR" }) })
  accessor price: Price = { amount: 0, currency: "EUR" };
  @Persisted({ renamedFrom: "label" }) accessor title = "untitled";
  @Persisted({ key: "visits" }) accessor visits = 0;
  @Persisted({ codec: { encode: ({ cents }) => cents, decode: (cents) => new Cents(cents as number) } })
  accessor cents: Cents = new Cents(0);
  @Persisted({ schema: broken, onUnreadable: () => ({ kind: "whole" }) }) accessor broken: Broken = { kind: "whole" };

  /** Gives the others values; what does not fit the schema is replaced. */
  override write(): void {
    Object.assign(this, now);
    this.broken = { kind: "whole" };
  }
}
