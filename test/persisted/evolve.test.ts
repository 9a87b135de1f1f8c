import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Atomic, DurableBase, Persisted, Route, Storage } from "durable-base";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { errorOf } from "../error-of.ts";
import { evolveCases } from "./evolve.cases.ts";
import { behaviour, Money, options, usual } from "./fixtures/evolve-options.ts";
import { AccessorAfter, AccessorBefore, AccessorEarly, AccessorMended } from "./fixtures/evolve.ts";
import { FieldAfter, FieldBefore, FieldEarly, FieldMended } from "./twins/evolve.ts";
import { LegacyAfter, LegacyBefore, LegacyEarly, LegacyMended } from "../legacy/twins/evolve.ts";

evolveCases("standard accessor", {
  Before: AccessorBefore,
  After: AccessorAfter,
  Mended: AccessorMended,
  Early: AccessorEarly,
});
evolveCases("standard field", { Before: FieldBefore, After: FieldAfter, Mended: FieldMended, Early: FieldEarly });
evolveCases("legacy field", { Before: LegacyBefore, After: LegacyAfter, Mended: LegacyMended, Early: LegacyEarly });

describe("a field with options in a transaction", () => {
  class Bank extends DurableBase {
    @Persisted(options.price) accessor price = new Money(1);
    @Persisted({ key: "visits" }) accessor visits = 0;
    @Persisted({ schema: z.array(z.number()) }) accessor list: number[] = [];

    @Atomic() change(fails: boolean): void {
      this.price.add(1);
      this.visits++;
      this.list.push(fails ? ("text" as never) : 1);
    }

    @Atomic() async changeLater(fails: boolean): Promise<void> {
      const { price } = this;
      this.visits++;
      await scheduler.wait(1);
      price.add(1);
      this.list.push(1);
      if (fails) throw new RangeError("after all");
    }

    read(): unknown {
      return [this.price.cents, this.visits, this.list.length];
    }
  }

  it("is rolled back with it, in memory and on disk", async () => {
    Object.assign(behaviour, usual);
    await runInDurableObject(env.PROBE.getByName("bank"), async (_, state) => {
      const bank = new Bank(state, env);
      await scheduler.wait(0);
      expect(await errorOf(() => bank.change(true))).toMatchObject({ code: "schema-failed" });
      expect(bank.read()).toEqual([1, 0, 0]);
      bank.change(false);
      expect(await errorOf(() => bank.changeLater(true))).toBeInstanceOf(RangeError);
      expect(bank.read()).toEqual([2, 1, 1]);
      await bank.changeLater(false);
      const again = new Bank(state, env);
      await scheduler.wait(0);
      expect(again.read()).toEqual([3, 2, 2]);
      expect(state.storage.kv.get("visits")).toBe(2);
    });
  });
});

describe("a field's key", () => {
  class Earlier extends DurableBase {
    @Persisted({ key: "balance" }) accessor cents = 0;
  }
  class Later extends DurableBase {
    @Persisted() accessor cents = 0;
  }

  it("is free again in a newer instance whose field has none", async () => {
    await runInDurableObject(env.PROBE.getByName("freed key"), async (_, state) => {
      const earlier = new Earlier(state, env);
      expect(earlier.cents).toBe(0);
      expect(await errorOf(() => Storage.put(state, "balance", 1))).toMatchObject({ code: "reserved-key" });
      const later = new Later(state, env);
      Storage.put(state, "balance", 1);
      expect([later.cents, Storage.get(state, "balance")]).toEqual([0, 1]);
    });
  });
});

describe("a class that another decorator replaces", () => {
  type Counting = new (ctx: DurableObjectState, env: Cloudflare.Env) => DurableBase & { count: number };
  const replace = (Class: Counting): Counting => class extends Class {};

  it("has its fields, and so has the class that takes its place", async () => {
    await runInDurableObject(env.PROBE.getByName("replaced class"), async (_, state) => {
      @(replace as (Class: unknown) => never)
      class Outer extends DurableBase {
        @Persisted() accessor count = 0;
      }
      for (const [nth, Class] of [Outer, Object.getPrototypeOf(Outer) as Counting].entries()) {
        const object = new Class(state, env);
        await scheduler.wait(0);
        expect(object.count++).toBe(nth);
        await scheduler.wait(0);
      }
    });
  });
});

describe("what fails in a field", () => {
  class Shown extends DurableBase {
    @Persisted({ schema: z.enum(["public", "open"]) }) accessor word: "public" | "open" = "public";

    @Route.post("/word")
    write({ word }: { word?: string } = {}): string {
      if (word !== undefined) this.word = word as "open";
      return this.word;
    }
  }

  it("tells an HTTP client its code alone: no issue, and nothing that is stored", async () => {
    using _ = vi.spyOn(console, "error").mockImplementation(() => {});
    await runInDurableObject(env.PROBE.getByName("shown"), async (_, state) => {
      state.storage.kv.put("durable-base:record", { format: 1, fields: { word: "s3cret" }, rows: new Set() });
      const shown = new Shown(state, env);
      await scheduler.wait(0);
      const headers = { "content-type": "application/json" };
      const post = async (body: object): Promise<string> => {
        const request = new Request("http://x/word", { method: "POST", headers, body: JSON.stringify(body) });
        return await (await shown.fetch(request)).text();
      };
      const bare = (code: string): string =>
        `{"type":"about:blank","title":"Internal Server Error","status":500,"code":"${code}"}`;
      expect(await post({})).toBe(bare("field-unreadable"));
      await state.storage.deleteAll();
      expect(await post({ word: "s3cret" })).toBe(bare("schema-failed"));
      expect(await post({ word: "open" })).toBe("open");
    });
  });
});
