/** What a second review found in the options of fields, each by the sentence that was wrong. */
// oxlint-disable typescript/no-explicit-any -- fields of any kind, whose values are looked at
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { z } from "zod";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { snapshot } from "../../src/core/values/snapshot.ts";

abstract class Base extends DurableBase {
  run<R>(work: (self: this) => R): R {
    return work(this);
  }
}
let nth = 0;
const RECORD = "durable-base:record";
const many = (n: number, t = "entry"): string[] => Array.from({ length: n }, (_, i) => `${t} ${i}`);
interface Disk {
  state: DurableObjectState;
  kv: SyncKvStorage;
  damaged: Set<string>;
  rows: string[];
  reads: string[];
  wake<T extends Base>(cls: new (s: DurableObjectState, e: Cloudflare.Env) => T): Promise<T>;
  keys(p?: string): string[];
  record: any;
}
const onDisk = (work: (d: Disk) => Promise<void>) => async () => {
  await runInDurableObject(env.PROBE.getByName(`scratch ${nth++} ${Math.random()}`), async (_, state) => {
    const { kv } = state.storage;
    const damaged = new Set<string>();
    const rows: string[] = [];
    const reads: string[] = [];
    const { get, put, delete: remove } = kv;
    kv.get = ((key: string) => {
      reads.push(key);
      if (damaged.has(key)) throw new Error("cannot decode");
      return get.call(kv, key);
    }) as any;
    kv.put = (key: string, value: any) => (rows.push(key), put.call(kv, key, value));
    kv.delete = ((key: string) => (damaged.delete(key), rows.push("-" + key), remove.call(kv, key))) as any;
    await work({
      state,
      kv,
      damaged,
      rows,
      reads,
      wake: async (cls) => {
        const o = new cls(state, env);
        await scheduler.wait(0);
        return o;
      },
      keys: (prefix = "") => [...kv.list({ prefix })].map(([k]) => k),
      get record() {
        return get.call(kv, RECORD);
      },
    });
  });
};

class Plain extends Base {
  @Persisted() accessor big: any = [];
  @Persisted() accessor n = 0;
}

let instead: any;
class Mended extends Base {
  @Persisted({ onUnreadable: () => instead }) accessor big: any = [];
  @Persisted() accessor n = 0;
}

it.each(["first", "last", "missing-last"])("onUnreadable with damaged %s", async (what) =>
  onDisk(async (d) => {
    (await d.wake(Plain)).run((s) => {
      s.big = many(500);
    });
    const parts = d
      .keys("durable-base:part:big:")
      .map((k) => Number(k.split(":").pop()))
      .sort((a, b) => a - b);
    const head: any = d.kv.get("durable-base:field:big");
    const id = what === "first" ? head.ids[0] : head.ids.at(-1);
    expect(parts).toContain(id);
    if (what === "missing-last") d.kv.delete(`durable-base:part:big:${id}`);
    else d.damaged.add(`durable-base:part:big:${id}`);
    instead = ["x"];
    expect((await d.wake(Mended)).run((s) => s.big.push("y"))).toBe(2);
    expect((await d.wake(Plain)).run((s) => snapshot(s.big))).toEqual(["x", "y"]);
  })(),
);

it(
  "deleting an unreadable row orphans no parts of the live value",
  onDisk(async (d) => {
    (await d.wake(Plain)).run((s) => {
      s.big = "x".repeat(3000);
    });
    d.damaged.add("durable-base:field:big");
    (await d.wake(Mended)).run((s) => {
      s.big = { tags: many(400) };
    });
    expect((await d.wake(Plain)).run((s) => s.big.tags.length)).toBe(400);
    d.kv.delete("durable-base:field:big");
    expect((await d.wake(Plain)).run((s) => s.big.tags.length)).toBe(400);
  }),
);

class Keyed extends Base {
  @Persisted({ key: "list", onUnreadable: () => [] }) accessor list: any = [];
  @Persisted() accessor n = 0;
}
it(
  "deleting a key's unreadable row, with a large value half loaded",
  onDisk(async (d) => {
    d.kv.put("list", 1);
    d.damaged.add("list");
    (await d.wake(Keyed)).run((s) => {
      s.list = many(5_000);
    });
    const o = await d.wake(Keyed);
    expect(o.run((s) => s.list[0])).toBe("entry 0");
    d.kv.delete("list");
    o.run((s) => {
      s.list.push("more");
    });
    expect(d.kv.get("list")).toBeUndefined();
    (await d.wake(Keyed)).run((s) => {
      s.n = s.list.length;
      s.list.pop();
      s.list.push("more");
    });
    expect(d.kv.get<any>("list")).toHaveLength(5001);
    const again = await d.wake(Keyed);
    expect.soft(again.run((s) => [s.list.length, s.list[2500]])).toEqual([5001, "entry 2500"]);
    expect.soft(d.keys("durable-base:part")).toEqual([]);
  }),
);

class Bag {
  items: string[];
  constructor(items: string[]) {
    this.items = items;
  }
}
class Coded extends Base {
  @Persisted({
    codec: { encode: (b: Bag) => b.items, decode: (s) => new Bag(s as string[]) },
    schema: z.instanceof(Bag).transform((b) => new Bag(b.items.map((t) => t.trim()))),
  })
  accessor bag = new Bag([]);
}
it(
  "codec + converting schema, large",
  onDisk(async (d) => {
    (await d.wake(Coded)).run((s) => {
      s.bag = new Bag(many(1000));
    });
    (await d.wake(Coded)).run((s) => {
      s.bag.items.push(" spaced ");
    });
    expect((await d.wake(Coded)).run((s) => [s.bag.items.length, s.bag.items[1000]])).toEqual([1001, "spaced"]);
  }),
);

class Trim extends Base {
  @Persisted({ schema: z.array(z.string().trim()) }) accessor list: string[] = [];
  @Persisted() accessor n = 0;
}
it(
  "schema converts after an assignment in the same stretch: leak",
  onDisk(async (d) => {
    (await d.wake(Trim)).run((s) => {
      s.list = many(1000);
    });
    const o = await d.wake(Trim);
    o.run((s) => {
      s.list = ["a"];
      s.list.push(" b ");
    });
    expect((await d.wake(Trim)).run((s) => snapshot(s.list))).toEqual(["a", "b"]);
    expect(d.keys("durable-base:part")).toEqual([]);
  }),
);

class Event_ extends Base {
  @Persisted({ schema: z.object({ at: z.date(), n: z.number() }) }) accessor ev = { at: new Date(0), n: 0 };
}
it(
  "a Date read makes held values stale",
  onDisk(async (d) => {
    const o = await d.wake(Event_);
    await o.run(async (s) => {
      const { ev } = s;
      ev.at.getTime();
      ev.n++;
      await scheduler.wait(0);
      ev.n++;
    });
    expect((await d.wake(Event_)).run((s) => s.ev.n)).toBe(2);
  }),
);
class Events extends Base {
  @Persisted({ schema: z.array(z.object({ at: z.date(), n: z.number() })) }) accessor evs: { at: Date; n: number }[] =
    [];
}
it(
  "a Date read rewrites all rows",
  onDisk(async (d) => {
    (await d.wake(Events)).run((s) => {
      s.evs = many(1000).map((_, n) => ({ at: new Date(n), n }));
    });
    const o = await d.wake(Events);
    d.rows.length = 0;
    o.run((s) => {
      s.evs[5]!.at.getTime();
      s.evs[5]!.n++;
    });
    expect(d.rows.length).toBe(1);
  }),
);

it(
  "key + rename + version migrates twice",
  onDisk(async (d) => {
    class A extends Base {
      @Persisted({ key: "k", version: 2, migrate: (o) => Number(o) * 100 }) accessor old = 0;
    }
    class B extends Base {
      @Persisted({ key: "k", version: 2, migrate: (o) => Number(o) * 100, renamedFrom: "old" }) accessor fresh = 0;
    }
    d.kv.put("k", 1);
    (await d.wake(A)).run((s) => {
      s.old++;
    });
    expect(d.kv.get("k")).toBe(101);
    expect((await d.wake(B)).run((s) => s.fresh)).toBe(101);
  }),
);

class Rec {
  map: Record<string, unknown> = {};
}
class Broken extends Base {
  @Persisted({
    codec: {
      encode: (r: Rec) => ({ ...r.map }),
      decode: (s) => Object.assign(new Rec(), { map: { ...(s as object) } }),
    },
  })
  accessor rec = new Rec();
  @Persisted() accessor n = 0;
}
it(
  "broken instance that was {}",
  onDisk(async (d) => {
    const o = await d.wake(Broken);
    let error: any;
    try {
      o.run((s) => {
        s.rec.map["f"] = () => 1;
        s.n++;
      });
    } catch (e) {
      error = e;
    }
    expect(error?.code).toBe("not-persistable");
  }),
);

it(
  "schema that converts in place",
  onDisk(async (d) => {
    class C extends Base {
      @Persisted({ schema: z.any().transform((v: any) => (v.n++, v)) }) accessor v: any = { n: 0 };
    }
    let error: any;
    try {
      (await d.wake(C)).run((s) => {
        s.v = { n: 10 };
      });
    } catch (e) {
      error = e;
    }
    const seen = [(await d.wake(C)).run((s) => s.v.n), (await d.wake(C)).run((s) => s.v.n), d.record?.fields.v];
    expect([error?.code, seen]).toEqual(["schema-failed", expect.anything()]);
  }),
);

class Ren extends Base {
  @Persisted({ renamedFrom: "older", schema: z.number(), onUnreadable: () => 1 }) accessor fresh = 0;
}
it(
  "onUnreadable with both names bad, and with a good value under the older one",
  onDisk(async (d) => {
    for (const older of ["bad too", 7]) {
      d.kv.put(RECORD, { format: 1, fields: { fresh: "bad", older }, rows: new Set() });
      expect((await d.wake(Ren)).run((s) => ++s.fresh)).toBe(2);
      expect([d.kv.get("durable-base:field:fresh"), d.record.fields]).toEqual(["bad", { fresh: 2, older }]);
    }
  }),
);
it(
  "onUnreadable with a bad row under a key and another value in the record",
  onDisk(async (d) => {
    class K extends Base {
      @Persisted({ key: "k", schema: z.number(), onUnreadable: () => 1 }) accessor v = 0;
    }
    d.kv.put(RECORD, { format: 1, fields: { v: "bad" }, rows: new Set() });
    d.kv.put("k", "bad too");
    expect((await d.wake(K)).run((s) => ++s.v)).toBe(2);
    expect([d.kv.get("k"), d.kv.get("durable-base:field:v"), d.record.fields]).toEqual(["bad too", "bad", { v: 2 }]);
    expect((await d.wake(K)).run((s) => s.v)).toBe(2);
  }),
);

it(
  "error in a schema'd field",
  onDisk(async (d) => {
    class C extends Base {
      @Persisted({ schema: z.any() }) accessor v: any = { e: null, n: 0 };
    }
    for (const e of [
      new Error("x"),
      new TypeError("y", { cause: { a: 1 } }),
      Object.assign(new Error("z"), { code: 5 }),
      new AggregateError([new Error("q")], "agg"),
    ]) {
      const o = await d.wake(C);
      o.run((s) => {
        s.v = { e, n: 0 };
      });
      await o.run(async (s) => {
        const { v } = s;
        void v.e.message;
        v.n++;
        await scheduler.wait(0);
        v.n++;
      });
      expect((await d.wake(C)).run((s) => [s.v.n, s.v.e.message])).toEqual([2, e.message]);
    }
  }),
);
