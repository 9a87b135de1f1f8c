/** Export and import: a whole object as a stream, and back, exactly. */
import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import * as Storage from "../src/storage/storage.ts";

let objects = 0;

/** Runs `work` in a fresh object that has none of our base class. */
async function fresh<Result>(work: (ctx: DurableObjectState) => Result): Promise<Awaited<Result>> {
  return await runInDurableObject(env.PROBE.getByName(`transfer ${objects++}`), async (_, ctx) => await work(ctx));
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}

describe("Storage.export and Storage.import", () => {
  it("carry keys and tables", async () => {
    const text = await fresh(async (ctx) => {
      ctx.storage.kv.put("a", [1, , new Map([[1, new Date(5)]])]);
      ctx.storage.sql.exec("create table t (a integer primary key autoincrement, b, c generated always as (b || 'x'))");
      ctx.storage.sql.exec("insert into t (b) values (1), ('x'), (x'00ff'), (9007199254740993)");
      ctx.storage.sql.exec("create index i on t (b)");
      return await textOf(Storage.export(ctx));
    });
    console.log(text);
    const back = await fresh(async (ctx) => {
      const progress = await Storage.import(ctx, new Response(text).body!);
      console.log(JSON.stringify(progress));
      return await textOf(Storage.export(ctx));
    });
    console.log(back);
    expect(back.split("\n").length).toBe(text.split("\n").length);
  });
});
