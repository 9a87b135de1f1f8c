import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { remoteStorage } from "../../src/remote-storage/remote-storage.ts";

/** Storage that stubs may read and write, beside fields, with legacy decorators. */
export class LegacyLocker extends DurableBase {
  static override parts = [remoteStorage("write")];

  @Persisted() log: string[] = [];
  @Persisted({ key: "count" }) count = 0;

  add(): number {
    this.log.push("added");
    return ++this.count;
  }
}
