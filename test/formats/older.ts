import { Persisted } from "durable-base";
import { Fields } from "./fields.ts";
import { makeOld } from "./values.ts";

/** What older code is: with a field that is gone since, and others that have changed since. */
export class Kept extends Fields {
  @Persisted() accessor gone: unknown;
  @Persisted() accessor price: unknown;
  @Persisted() accessor label: unknown;
  @Persisted() accessor broken: unknown;

  override write(): void {
    super.write();
    Object.assign(this, makeOld());
  }
}
