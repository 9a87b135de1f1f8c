/** Fields whose values a schema, a codec or `migrate` converts, with values that need several rows or are held for long. */
import { Persisted, snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { errorOf } from "../error-of.ts";
import { manyTexts, onDisk, OnDisk } from "./disk.ts";

class Counter {
  n = 0;
}

describe("a field with a codec", () => {
  it("stores a change that its schema converts in a large value", async () => {
    class Bag {
      items: string[];
      constructor(items: string[]) {
        this.items = items;
      }
    }
    class Coded extends OnDisk {
      @Persisted({
        codec: { encode: (bag: Bag) => bag.items, decode: (stored) => new Bag(stored as string[]) },
        schema: z.instanceof(Bag).transform((bag) => new Bag(bag.items.map((text) => text.trim()))),
      })
      accessor bag = new Bag([]);
    }
    await onDisk(async ({ wake }) => {
      (await wake(Coded)).run((self) => {
        self.bag = new Bag(manyTexts(1000));
      });
      (await wake(Coded)).run((self) => {
        self.bag.items.push(" spaced ");
      });
      expect((await wake(Coded)).run(({ bag }) => [bag.items.length, bag.items[1000]])).toEqual([1001, "spaced"]);
    });
  });

  it("refuses what can't be stored in an instance that was encoded as {}", async () => {
    class Labels {
      map: Record<string, unknown> = {};
    }
    class Labelled extends OnDisk {
      @Persisted({
        codec: {
          encode: (labels: Labels) => ({ ...labels.map }),
          decode: (stored) => Object.assign(new Labels(), { map: { ...(stored as object) } }),
        },
      })
      accessor labels = new Labels();
      @Persisted() accessor n = 0;
    }
    await onDisk(async ({ wake }) => {
      const object = await wake(Labelled);
      const error = await errorOf(() =>
        object.run((self) => {
          self.labels.map["f"] = () => 1;
          self.n++;
        }),
      );
      expect(error).toMatchObject({ code: "not-persistable" });
    });
  });
});

describe("a field with a schema", () => {
  it("leaves no chunks behind when the schema converts a value that was assigned in the same entry", async () => {
    class Trimmed extends OnDisk {
      @Persisted({ schema: z.array(z.string().trim()) }) accessor list: string[] = [];
    }
    await onDisk(async ({ keys, wake }) => {
      (await wake(Trimmed)).run((self) => {
        self.list = manyTexts(1000);
      });
      const object = await wake(Trimmed);
      object.run((self) => {
        self.list = ["a"];
        self.list.push(" b ");
      });
      expect((await wake(Trimmed)).run((self) => snapshot(self.list))).toEqual(["a", "b"]);
      expect(keys("durable-base:part")).toEqual([]);
    });
  });

  it("keeps held values current after a Date in them was read", async () => {
    class Timed extends OnDisk {
      @Persisted({ schema: z.object({ at: z.date(), n: z.number() }) }) accessor event = { at: new Date(0), n: 0 };
    }
    await onDisk(async ({ wake }) => {
      const object = await wake(Timed);
      await object.run(async ({ event }) => {
        event.at.getTime();
        event.n++;
        await scheduler.wait(0);
        event.n++;
      });
      expect((await wake(Timed)).run((self) => self.event.n)).toBe(2);
    });
  });

  it("writes one row of a large value after a Date in it was read", async () => {
    class Timed extends OnDisk {
      @Persisted({ schema: z.array(z.object({ at: z.date(), n: z.number() })) }) accessor events: {
        at: Date;
        n: number;
      }[] = [];
    }
    await onDisk(async ({ written, wake }) => {
      (await wake(Timed)).run((self) => {
        self.events = Array.from({ length: 1000 }, (_, n) => ({ at: new Date(n), n }));
      });
      const object = await wake(Timed);
      written.length = 0;
      object.run(({ events }) => {
        events[5]!.at.getTime();
        events[5]!.n++;
      });
      expect(written.length).toBe(1);
    });
  });

  it("refuses a schema that changes its input in place", async () => {
    class Counted extends OnDisk {
      @Persisted({ schema: z.any().transform((value: Counter) => (value.n++, value)) }) accessor value: Counter = {
        n: 0,
      };
    }
    await onDisk(async ({ wake }) => {
      const error = await errorOf(async () =>
        (await wake(Counted)).run((self) => {
          self.value = { n: 10 };
        }),
      );
      expect(error).toMatchObject({ code: "schema-failed" });
      // The default, through the schema once.
      for (const _ of [1, 2]) expect((await wake(Counted)).run((self) => self.value.n)).toBe(1);
    });
  });

  it("keeps held values current beside an Error", async () => {
    class Failed extends OnDisk {
      @Persisted({ schema: z.any() }) accessor value: { error: Error | null; n: number } = { error: null, n: 0 };
    }
    await onDisk(async ({ wake }) => {
      for (const error of [
        new Error("x"),
        new TypeError("y", { cause: { a: 1 } }),
        Object.assign(new Error("z"), { code: 5 }),
        new AggregateError([new Error("q")], "agg"),
      ]) {
        const object = await wake(Failed);
        object.run((self) => {
          self.value = { error, n: 0 };
        });
        await object.run(async ({ value }) => {
          void value.error!.message;
          value.n++;
          await scheduler.wait(0);
          value.n++;
        });
        expect((await wake(Failed)).run(({ value }) => [value.n, value.error!.message])).toEqual([2, error.message]);
      }
    });
  });
});

describe("a field with a key and a version", () => {
  it("is migrated once, even if the field is renamed later", async () => {
    const migrate = (stored: unknown): number => Number(stored) * 100;
    class Old extends OnDisk {
      @Persisted({ key: "k", version: 2, migrate }) accessor old = 0;
    }
    class Renamed extends OnDisk {
      @Persisted({ key: "k", version: 2, migrate, renamedFrom: "old" }) accessor fresh = 0;
    }
    await onDisk(async ({ kv, wake }) => {
      kv.put("k", 1);
      (await wake(Old)).run((self) => {
        self.old++;
      });
      expect(kv.get("k")).toBe(101);
      expect((await wake(Renamed)).run((self) => self.fresh)).toBe(101);
    });
  });
});
