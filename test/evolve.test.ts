import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { DurableBase } from "../src/durable-base.ts";
import { Persisted } from "../src/persisted/persisted.ts";
import { Route } from "../src/route/route.ts";
import { evolveCases } from "./evolve.cases.ts";
import * as standard from "./fixtures/evolve.ts";
import * as legacy from "./fixtures/legacy/evolve.ts";

const { AccessorBefore, AccessorAfter, AccessorEarly, FieldBefore, FieldAfter, FieldEarly } = standard;
const { LegacyBefore, LegacyAfter, LegacyEarly } = legacy;

evolveCases("standard accessor", { Before: AccessorBefore, After: AccessorAfter, Early: AccessorEarly });
evolveCases("standard field", { Before: FieldBefore, After: FieldAfter, Early: FieldEarly });
evolveCases("legacy field", { Before: LegacyBefore, After: LegacyAfter, Early: LegacyEarly });

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
