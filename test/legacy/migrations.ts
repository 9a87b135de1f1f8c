import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { Route } from "../../src/route/route.ts";
import type { Migration } from "../../src/migrations/migrations.ts";
import { deployedMigrations, type Deployed } from "../migrations/migrations.cases.ts";
import { metered } from "../testing/fixtures/meter.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

/** A class whose migrations a test deploys, in legacy decorators. */
export class LegacyMigrated extends DurableBase implements Deployed {
  readonly jobs: Jobs = jobs(this);
  static deployed?: Migration[] = [];
  static override parts = [deployedMigrations];

  @Persisted() count = 0;
  @Persisted({ key: "title" }) title = "none";
  readonly titleAtFirst: string;
  tablesAtStart: string[][] = [];

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(metered(ctx), env);
    this.titleAtFirst = this.title;
  }

  override async onStart(): Promise<void> {
    this.tablesAtStart.push(this.tables());
    await this.starting?.();
  }

  starting: (() => Promise<void>) | undefined;

  add(): void {
    this.count++;
  }

  run<R>(work: (self: this) => R): R {
    return work(this);
  }

  /** The names of the user's tables. */
  tables(): string[] {
    return this.ctx.storage.sql
      .exec<{ name: string }>(
        "select name from sqlite_schema where type = 'table' and name not like '\\_%' escape '\\'",
      )
      .toArray()
      .map(({ name }) => name);
  }

  @Route.get("/tables") list(): string[] {
    return this.tables();
  }
}
