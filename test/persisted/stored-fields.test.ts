/** `storedFields` of `durable-base/part`, beside the rows themselves. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Persisted } from "durable-base";
import { attach, storedFields, type FieldInfo, type Host } from "durable-base/part";
import { describe, expect, it } from "vitest";
import { LegacyThings } from "../legacy/twins/persisted.ts";
import { AccessorThings } from "./fixtures/persisted.ts";
import { FieldThings } from "./twins/persisted.ts";

/** Runs in one object: `open` makes a new instance of a class with a part, and returns the instance and its fields. */
type Opened<T> = readonly [T, () => Record<string, Omit<FieldInfo, "name">>];
async function inObject<T extends DurableBase>(
  Base: new (ctx: DurableObjectState, env: Cloudflare.Env) => T,
  work: (open: () => Promise<Opened<T>>, kv: SyncKvStorage) => Promise<void>,
): Promise<void> {
  await runInDurableObject(env.PROBE.getByName(crypto.randomUUID()), async (_, state) => {
    const open = async (): Promise<Opened<T>> => {
      const object = new Base(state, env);
      const host = hosts.get(object)!;
      await scheduler.wait(0);
      return [object, () => Object.fromEntries(storedFields(host).map(({ name, ...info }) => [name, info]))];
    };
    await work(open, state.storage.kv);
  });
}

const hosts = new WeakMap<object, Host>();
const parts = [
  { name: "seen", attach: (object: object) => void attach(object, "seen", (host) => (hosts.set(object, host), {})) },
];

/** The rows of one field's own in storage. */
function rowsOf(kv: SyncKvStorage, name: string): number {
  return [...kv.list({ prefix: "durable-base:" })].filter(([key]) => key.split(":")[2] === name).length;
}

class Seen extends AccessorThings {
  static override parts = parts;
}
class SeenFields extends FieldThings {
  static override parts = parts;
}
class SeenLegacy extends LegacyThings {
  static override parts = parts;
}

describe.each([
  ["standard accessor", Seen],
  ["standard field", SeenFields],
  ["legacy field", SeenLegacy],
])("storedFields (%s)", (_, Things) => {
  it("returns every declared field of a new object without rows", async () => {
    await inObject<AccessorThings | FieldThings | LegacyThings>(Things, async (open) => {
      const [, fields] = await open();
      expect(Object.keys(fields())).toEqual(
        expect.arrayContaining(["count", "label", "id", "log", "map", "set", "date", "bytes", "tree", "any"]),
      );
      expect(fields()["count"]).toEqual({ version: undefined, bytes: 0, rows: 0 });
    });
  });

  it("counts the rows of each field, of collections inside collections too", async () => {
    await inObject<AccessorThings | FieldThings | LegacyThings>(Things, async (open, kv) => {
      const [things, fields] = await open();
      const many = (n: number): string[] => Array.from({ length: n }, (_, i) => `${i}`.padEnd(100, "."));
      things.count = 1;
      things.map = new Map<unknown, unknown>([
        ["list", many(60)],
        ["object", { deep: { list: new Set(many(50)) } }],
      ]);
      things.any = "x".repeat(5_000);
      await scheduler.wait(0);
      const all = fields();
      expect(all["count"]).toEqual({ version: 1, bytes: 6, rows: 0 });
      expect(all["any"]).toEqual({ version: 1, bytes: 5_004, rows: 1 });
      expect(all["map"]!.rows).toBe(rowsOf(kv, "map"));
      expect(all["map"]!.rows).toBeGreaterThan(8);
      expect(all["map"]!.bytes).toBeGreaterThan(110 * 100);
      expect(all["map"]!.bytes).toBeLessThan(110 * 100 * 1.3);
    });
  });
});

describe("storedFields", () => {
  class Old extends DurableBase {
    @Persisted() accessor first = "a";
    @Persisted() accessor gone = "b";
  }
  class New extends DurableBase {
    static override parts = parts;
    @Persisted({ renamedFrom: "first", version: 2, migrate: String }) accessor second = "";
    @Persisted({ key: "mine" }) accessor adopted = "";
  }

  it("finds fields by their options, and those that the code doesn't declare any longer", async () => {
    await runInDurableObject(env.PROBE.getByName("stored-fields"), async (_, state) => {
      const old = new Old(state, env);
      await scheduler.wait(0);
      [old.first, old.gone] = ["A", "x".repeat(2_000)];
      await scheduler.wait(0);
      state.storage.kv.put("mine", "row");
      const object = new New(state, env);
      await scheduler.wait(0);
      expect(storedFields(hosts.get(object)!)).toEqual([
        { name: "second", version: 1, bytes: 5, rows: 0 },
        { name: "adopted", version: 1, bytes: 7, rows: 1 },
        { name: "gone", version: 1, bytes: 2_004, rows: 1 },
      ]);
      object.second = "B";
      await scheduler.wait(0);
      expect(storedFields(hosts.get(object)!)[0]).toEqual({ name: "second", version: 2, bytes: 5, rows: 0 });
    });
  });

  it("has no bytes for a field that can't be read, and all of the others", async () => {
    await inObject(Seen, async (open, kv) => {
      const [things, fields] = await open();
      things.count = 1;
      things.log = Array.from({ length: 300 }, (_, by) => ({ by, at: new Date(by) })) as never;
      things.any = "x".repeat(5_000);
      await scheduler.wait(0);
      kv.delete("durable-base:field:any");
      const [first] = [...kv.list({ prefix: "durable-base:part:log:" })].map(([key]) => key);
      kv.delete(first!);
      expect(fields()).toMatchObject({
        count: { bytes: 6, rows: 0 },
        log: { version: 1, bytes: undefined },
        any: { version: 1, bytes: undefined, rows: 1 },
      });
    });
  });
});
