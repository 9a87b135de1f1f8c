/** Values that can't be read, in fields with `onUnreadable`. */
import { Persisted, snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { manyTexts, onDisk, OnDisk, RECORD } from "./disk.ts";

class Plain extends OnDisk {
  @Persisted() accessor big: unknown = [];
}

class Mended extends OnDisk {
  @Persisted({ onUnreadable: () => ["x"] }) accessor big: unknown = [];
}

describe("onUnreadable of a large value", () => {
  it.each(["first", "last", "missing last"])("takes the place of a value whose %s chunk is damaged", async (what) => {
    await onDisk(async ({ kv, damaged, keys, wake }) => {
      (await wake(Plain)).run((self) => {
        self.big = manyTexts(500);
      });
      const { ids } = kv.get<{ ids: number[] }>("durable-base:field:big")!;
      const chunk = `durable-base:part:big:${what === "first" ? ids[0]! : ids.at(-1)!}`;
      expect(keys("durable-base:part:big:")).toContain(chunk);
      if (what === "missing last") kv.delete(chunk);
      else damaged.add(chunk);
      expect((await wake(Mended)).run((self) => (self.big as string[]).push("y"))).toBe(2);
      expect((await wake(Plain)).run((self) => snapshot(self.big))).toEqual(["x", "y"]);
    });
  });

  it("keeps the chunks of a new value when the unreadable row is deleted", async () => {
    await onDisk(async ({ kv, damaged, wake }) => {
      const tags = async (): Promise<number> =>
        (await wake(Plain)).run((self) => (self.big as { tags: string[] }).tags.length);
      (await wake(Plain)).run((self) => {
        self.big = "x".repeat(3000);
      });
      damaged.add("durable-base:field:big");
      (await wake(Mended)).run((self) => {
        self.big = { tags: manyTexts(400) };
      });
      expect(await tags()).toBe(400);
      kv.delete("durable-base:field:big");
      expect(await tags()).toBe(400);
    });
  });

  it("may have its key's unreadable row deleted while the value is half loaded", async () => {
    class Keyed extends OnDisk {
      @Persisted({ key: "list", onUnreadable: () => [] }) accessor list: unknown = [];
      @Persisted() accessor n = 0;

      get texts(): string[] {
        return this.list as string[];
      }
    }
    await onDisk(async ({ kv, damaged, keys, wake }) => {
      kv.put("list", 1);
      damaged.add("list");
      (await wake(Keyed)).run((self) => {
        self.list = manyTexts(5_000);
      });
      const half = await wake(Keyed);
      expect(half.run((self) => self.texts[0])).toBe("entry 0");
      kv.delete("list");
      half.run((self) => {
        self.texts.push("more");
      });
      expect(kv.get("list")).toBeUndefined();
      (await wake(Keyed)).run((self) => {
        self.n = self.texts.length;
        self.texts.pop();
        self.texts.push("more");
      });
      expect(kv.get("list")).toHaveLength(5001);
      const again = await wake(Keyed);
      expect.soft(again.run((self) => [self.texts.length, self.texts[2500]])).toEqual([5001, "entry 2500"]);
      expect.soft(keys("durable-base:part")).toEqual([]);
    });
  });
});

describe("onUnreadable of a field with two places", () => {
  it("is used when the value under the new name is bad, whether the one under the older name is bad or good", async () => {
    class Renamed extends OnDisk {
      @Persisted({ renamedFrom: "older", schema: z.number(), onUnreadable: () => 1 }) accessor fresh = 0;
    }
    await onDisk(async ({ kv, fields, wake }) => {
      for (const older of ["bad too", 7]) {
        kv.put(RECORD, { format: 1, fields: { fresh: "bad", older }, rows: new Set() });
        expect((await wake(Renamed)).run((self) => ++self.fresh)).toBe(2);
        expect([kv.get("durable-base:field:fresh"), fields()]).toEqual(["bad", { fresh: 2, older }]);
      }
    });
  });

  it("keeps both the bad row under its key and the bad value in the record", async () => {
    class Keyed extends OnDisk {
      @Persisted({ key: "k", schema: z.number(), onUnreadable: () => 1 }) accessor value = 0;
    }
    await onDisk(async ({ kv, fields, wake }) => {
      kv.put(RECORD, { format: 1, fields: { value: "bad" }, rows: new Set() });
      kv.put("k", "bad too");
      expect((await wake(Keyed)).run((self) => ++self.value)).toBe(2);
      expect([kv.get("k"), kv.get("durable-base:field:value"), fields()]).toEqual(["bad too", "bad", { value: 2 }]);
      expect((await wake(Keyed)).run((self) => self.value)).toBe(2);
    });
  });
});
