import { DurableBase, Persisted } from "durable-base";
import { type Migration, migrations } from "durable-base/migrations";
import type { ListedPart } from "durable-base/part";
import { stepped } from "./stepped.ts";
import { MIGRATIONS, storedText, write } from "./versions.ts";

/** Runs the migrations of `versions.ts`, or as many as were deployed. */
export class Upgraded extends DurableBase {
  static deployed: readonly Migration[] | undefined = MIGRATIONS;
  static override parts: readonly ListedPart[] = [
    { name: "migrations", attach: (object) => Upgraded.deployed && migrations(Upgraded.deployed).attach(object) },
  ];

  /** Of the key that the steps change too. */
  @Persisted({ key: "open" }) accessor open = 0;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(stepped(ctx), env);
  }

  /** Writes as code of that version does; gives what is stored then. */
  write(version: number): string {
    write(this.ctx.storage, version);
    return this.stored();
  }

  stored(): string {
    const stored = storedText(this.ctx.storage);
    const { open } = (JSON.parse(stored) as { keys: { open?: number } }).keys;
    if (this.open !== (open ?? 0)) throw new Error(`open is ${this.open} in memory, ${open} on disk`);
    return stored;
  }

  /** Puts the object out of memory: the next call wakes up another. */
  async reset(): Promise<void> {
    await this.ctx.storage.sync();
    this.ctx.abort("reset");
  }
}
