/** What `@Persisted()` promises, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { type DurableBase, DurableError, snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { show } from "./model.ts";

export interface Log {
  at: Date;
  by: number;
  tags?: Set<string>;
}

/** The fields that every fixture of these cases has. */
export interface Things {
  count: number;
  label: string;
  id: string;
  log: Log[];
  map: Map<unknown, unknown>;
  set: Set<unknown>;
  date: Date;
  bytes: Uint8Array;
  tree: { a: { b: { n: number } }; list: { x: number }[] };
  any: unknown;
  /** An entry that does whatever a test wants. */
  run<R>(work: (self: this) => R): R;
}

type AnyThings = Things & DurableBase;

/** What was put and deleted while `work` ran, by key. */
export async function rowsOf(
  stub: DurableObjectStub<AnyThings>,
  work: (self: AnyThings) => unknown,
): Promise<string[]> {
  return await runInDurableObject(stub, async (self, { storage: { kv } }) => {
    const rows: string[] = [];
    const { put, delete: remove } = kv;
    kv.put = (key, value) => (rows.push(key), put.call(kv, key, value));
    kv.delete = (key) => (rows.push(`-${key}`), remove.call(kv, key));
    try {
      await self.run(work);
    } finally {
      kv.put = put;
      kv.delete = remove;
    }
    return rows;
  });
}

const RECORD = "durable-base:record";

export function persistedCases(dialect: string, namespace: () => DurableObjectNamespace<AnyThings>): void {
  let nth = 0;
  const fresh = (): DurableObjectStub<AnyThings> => namespace().getByName(`object ${nth++}`);
  const inside = async <R>(stub: DurableObjectStub<AnyThings>, work: (self: AnyThings) => R): Promise<Awaited<R>> =>
    await runInDurableObject(stub, async (self) => await self.run(work));
  /** Runs `change`, then gives what `read` finds in memory and again after an eviction. */
  const both = async (change: (self: AnyThings) => unknown, read: (self: AnyThings) => unknown): Promise<unknown> => {
    const stub = fresh();
    await inside(stub, change);
    const memory = await inside(stub, read);
    await evictDurableObject(stub);
    expect(await inside(stub, read)).toEqual(memory);
    return memory;
  };
  const codeOf = async (
    stub: DurableObjectStub<AnyThings>,
    work: (self: AnyThings) => unknown,
  ): Promise<DurableError> => {
    const error: unknown = await inside(stub, work).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!DurableError.is(error)) throw new Error("expected a DurableError", { cause: error });
    return error;
  };

  describe(`@Persisted (${dialect})`, () => {
    describe("defaults", () => {
      it("gives the initializer's value and stores nothing for reading it", async () => {
        const stub = fresh();
        expect(await inside(stub, (self) => [self.count, self.log.length, self.tree.a.b.n, self.any])).toEqual([
          0,
          0,
          1,
          undefined,
        ]);
        expect(await runInDurableObject(stub, (_, { storage }) => [...storage.kv.list()])).toEqual([]);
      });

      it("takes an assignment in the constructor as the default, never as a write", async () => {
        const stub = fresh();
        expect(await inside(stub, (self) => self.label)).toBe("constructed");
        await inside(stub, (self) => (self.label = "stored"));
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => self.label)).toBe("stored");
      });

      it("stores all defaults with the first write, so that a random one is stable", async () => {
        const stub = fresh();
        await inside(stub, (self) => self.count++);
        const id = await inside(stub, (self) => self.id);
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => self.id)).toBe(id);
      });

      it("keeps the pristine default when a change of it could not be written", async () => {
        const stub = fresh();
        const error = await codeOf(stub, (self) => {
          self.log.push({ at: new Date(0), by: 1 });
          self.any = "x".repeat(1_999_990);
        });
        expect(error.code).toBe("too-large");
        expect(await inside(stub, (self) => self.log.length)).toBe(0);
      });
    });

    describe("values", () => {
      it.each<[string, unknown]>([
        ["undefined", undefined],
        ["null", null],
        ["NaN", NaN],
        ["-0", -0],
        ["a bigint", 2n ** 80n],
        ["a string", "żółw 🐢"],
        ["a Date", new Date(1_700_000_000_123)],
        ["an invalid Date", new Date(NaN)],
        ["a RegExp", /a+/giu],
        [
          "a Map",
          new Map<unknown, unknown>([
            ["a", { n: 1 }],
            [1, [2]],
          ]),
        ],
        ["a Set", new Set([1, "a", null])],
        ["nested arrays", [[1, [2, [3]]], []]],
        ["a sparse array", [1, , 3]],
        ["bytes", new Uint8Array([0, 255])],
        ["floats", new Float64Array([0.1, NaN])],
        ["big integers", new BigInt64Array([1n, -1n])],
        ["no bytes", new Uint8Array(0)],
        ["an ArrayBuffer", new Uint8Array([7, 8]).buffer],
        ["a DataView", new DataView(new Uint8Array([7, 8, 9]).buffer, 1, 2)],
        ["an own __proto__ key", JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}')],
        ["a wrong-looking tag", { __type: "Date", value: 1 }],
      ])("keeps %s", async (_, value) => {
        const stub = fresh();
        await inside(stub, (self) => (self.any = [value]));
        const read = (self: AnyThings): unknown => snapshot(self.any);
        // Not toEqual, which takes any two ArrayBuffers for equal, and a hole for undefined.
        expect(show(await inside(stub, read))).toBe(show([value]));
        await evictDurableObject(stub);
        const stored = (await inside(stub, read)) as unknown[];
        expect(show(stored)).toBe(show([value]));
        expect(Object.getPrototypeOf(stored[0] ?? 0)).toBe(Object.getPrototypeOf(value ?? 0));
        expect({}).not.toHaveProperty("x");
      });

      it("keeps an Error with its name, message and cause", async () => {
        const seen = await both(
          (self) => (self.any = [new RangeError("too far", { cause: { km: 3 } })]),
          (self) => {
            const [error] = self.any as [Error];
            return [error instanceof Error, error.name, error.message, error.cause];
          },
        );
        expect(seen).toEqual([true, "RangeError", "too far", { km: 3 }]);
      });

      it("copies in: the original can change without being seen", async () => {
        const log = [{ at: new Date(0), by: 1 }];
        const seen = await both(
          (self) => {
            self.log = log;
            log[0]!.by = 99;
            log[0]!.at.setTime(5);
            log.push({ at: new Date(1), by: 2 });
          },
          (self) => snapshot(self.log),
        );
        expect(seen).toEqual([{ at: new Date(0), by: 1 }]);
      });

      it("copies what is assigned from one field to another", async () => {
        const seen = await both(
          (self) => {
            self.any = self.tree.a;
            self.tree.a.b.n = 2;
          },
          (self) => [snapshot(self.any), self.tree.a.b.n],
        );
        expect(seen).toEqual([{ b: { n: 1 } }, 2]);
      });

      it.each<[string, () => unknown, string, string]>([
        ["a function", () => ({ a: [() => 1] }), "not-persistable", "any.a[0]: a function"],
        ["a symbol", () => [Symbol("s")], "not-persistable", "any[0]: a symbol"],
        [
          "a class instance",
          () => new Map([["k", new URL("http://x")]]),
          "not-persistable",
          "any.k: an instance of URL",
        ],
        ["a WeakMap", () => [new WeakMap()], "not-persistable", "an instance of WeakMap"],
        ["a Promise", () => Promise.resolve(1), "not-persistable", "an instance of Promise"],
        ["a boxed number", () => [new Number(1)], "not-persistable", "an instance of Number"],
        ["a symbol key", () => ({ [Symbol("s")]: 1 }), "not-persistable", "named by a symbol"],
        ["an array with properties", () => Object.assign([1], { extra: 1 }), "not-persistable", 'the property "extra"'],
        ["shared memory", () => new Uint8Array(new SharedArrayBuffer(4)), "not-persistable", "shared memory"],
        ["a value over 2 MB", () => ["x".repeat(2_000_001)], "too-large", "over 2 MB"],
        ["a million holes", () => new Array(2_000_000), "not-persistable", "holes"],
      ])("refuses %s where it is assigned, and changes nothing", async (_, make, code, text) => {
        const stub = fresh();
        await inside(stub, (self) => (self.any = "before"));
        const error = await codeOf(stub, (self) => (self.any = make()));
        expect(error.code).toBe(code);
        expect(error.message).toContain(text);
        expect(error.message).toContain("Things.any");
        expect(await inside(stub, (self) => self.any)).toBe("before");
      });

      it("refuses a cycle and says so, and nesting without end", async () => {
        const stub = fresh();
        const cycle: unknown[] = [];
        cycle.push({ cycle });
        expect((await codeOf(stub, (self) => (self.any = cycle))).message).toContain("holds itself");
        let deep: unknown = 1;
        for (let i = 0; i < 10_000; i++) deep = { deep };
        expect((await codeOf(stub, (self) => (self.any = deep))).message).toContain("levels deep");
      });

      it("holds 900 levels, deepened one by one", async () => {
        const depth = (value: unknown): number => (value === 1 ? 0 : 1 + depth((value as { deep: unknown }).deep));
        let deep: unknown = 1;
        for (let i = 0; i < 500; i++) deep = { deep };
        const stub = fresh();
        await inside(stub, (self) => {
          self.any = deep;
          for (let i = 0; i < 400; i++) self.any = { deep: self.any };
        });
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => depth(self.any))).toBe(900);
      });
    });

    describe("tracking", () => {
      it("notices every way an array changes", async () => {
        const stub = fresh();
        const plain: unknown[] = [];
        const steps: ((list: unknown[]) => unknown)[] = [
          (list) => list.push(3, 1, 2),
          (list) => (list[3] = 4),
          (list) => list.sort(),
          (list) => list.sort((a, b) => Number(b) - Number(a)),
          (list) => list.unshift("a", "b"),
          (list) => list.splice(1, 2, "x", "y", "z"),
          (list) => list.reverse(),
          (list) => list.copyWithin(0, 2, 4),
          (list) => list.fill("f", 1, 2),
          (list) => list.pop(),
          (list) => list.shift(),
          (list) => (list.length = 2),
          (list) => delete list[0],
          (list) => (list.length = 4),
          (list) => list.splice(0),
          (list) => Object.assign(list, ["q", "r"]),
        ];
        await inside(stub, (self) => (self.any = []));
        for (const step of steps) {
          const result = await inside(stub, (self) => snapshot(step(self.any as unknown[])));
          expect(result).toEqual(step(plain));
          await evictDurableObject(stub);
          expect(await inside(stub, (self) => snapshot(self.any))).toEqual(plain);
        }
      });

      it("notices a change deep inside", async () => {
        const seen = await both(
          (self) => {
            self.tree.a.b.n++;
            self.tree.list[1]!.x = 20;
            self.map.set("user", { tags: new Set(["a"]), at: new Date(0) });
            const user = self.map.get("user") as { tags: Set<string>; at: Date };
            user.tags.add("b");
            user.at.setFullYear(2000);
          },
          (self) => snapshot([self.tree, self.map]),
        );
        expect(seen).toEqual([
          { a: { b: { n: 2 } }, list: [{ x: 1 }, { x: 20 }] },
          new Map([["user", { tags: new Set(["a", "b"]), at: new Date(new Date(0).setFullYear(2000)) }]]),
        ]);
      });

      it("notices a Date's setters, and another Date's setter", async () => {
        const seen = await both(
          (self) => {
            self.date.setTime(1_000);
            Date.prototype.setMilliseconds.call(self.date, 7);
          },
          (self) => self.date.getTime(),
        );
        expect(seen).toBe(1_007);
      });

      it("notices bytes written in place, also after an await", async () => {
        const seen = await both(
          async (self) => {
            const { bytes } = self;
            bytes[0] = 9;
            await scheduler.wait(1);
            new DataView(bytes.buffer).setUint8(2, 8);
          },
          (self) => [...self.bytes],
        );
        expect(seen).toEqual([9, 2, 8]);
      });

      it("notices bytes and Dates that a timer changes, though an earlier entry read them first", async () => {
        const stub = fresh();
        await inside(stub, (self) => [self.bytes, self.date]);
        await inside(stub, (self) => void setTimeout(() => (self.bytes[1] = 77), 1));
        await inside(stub, (self) => void setTimeout(() => self.date.setTime(77), 5));
        await scheduler.wait(20);
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => [...self.bytes, self.date.getTime()])).toEqual([1, 77, 3, 77]);
      });

      it("notices an object used as a Map key or Set member", async () => {
        const seen = await both(
          (self) => {
            const member = { n: 1 };
            self.set.add(member);
            self.map.set(member, "found");
            expect([self.set.has(member), self.map.get(member), self.set.add(member).size]).toEqual([true, "found", 1]);
            for (const held of self.set) (held as { n: number }).n = 2;
            expect(self.set.has([...self.set][0])).toBe(true);
          },
          (self) => snapshot([self.set, self.map]),
        );
        expect(seen).toEqual([new Set([{ n: 2 }]), new Map([[{ n: 1 }, "found"]])]);
      });

      it("replaces what is assigned, and swaps", async () => {
        const seen = await both(
          (self) => {
            self.any = { a: 1, b: 2 };
            self.any = { c: 3 };
            const { list } = self.tree;
            [list[0], list[1]] = [list[1]!, list[0]!];
          },
          (self) => snapshot([self.any, self.tree.list]),
        );
        expect(seen).toEqual([{ c: 3 }, [{ x: 2 }, { x: 1 }]]);
      });

      it("reads like JavaScript: identity, absence, order", async () => {
        await inside(fresh(), (self) => {
          const { list } = self.tree;
          expect(list[1]).toBe(list[1]);
          expect(list.includes(list[1]!)).toBe(true);
          expect(list.indexOf(list[1]!)).toBe(1);
          expect((self.tree as Record<string, unknown>)["absent"]).toBeUndefined();
          expect("absent" in self.tree).toBe(false);
          expect(Object.keys(self.tree)).toEqual(["a", "list"]);
          expect(JSON.stringify(self.tree)).toBe('{"a":{"b":{"n":1}},"list":[{"x":1},{"x":2}]}');
          expect({ ...self.tree.a.b }).toEqual({ n: 1 });
          expect(list.map(({ x }) => x)).toEqual([1, 2]);
          expect(Array.isArray(list) && self.map instanceof Map && self.date instanceof Date).toBe(true);
          expect(self.bytes.constructor).toBe(Uint8Array);
        });
      });

      it("keeps a held reference attached while elements move, and cuts it off when they go", async () => {
        const stub = fresh();
        await inside(stub, (self) => {
          const second = self.tree.list[1]!;
          self.tree.list.reverse();
          second.x = 22;
          self.tree.list.unshift({ x: 0 });
          second.x++;
          expect(self.tree.list.indexOf(second)).toBe(1);
        });
        expect(await inside(stub, (self) => snapshot(self.tree.list))).toEqual([{ x: 0 }, { x: 23 }, { x: 1 }]);
        await inside(stub, (self) => {
          const [gone] = self.tree.list.splice(1, 1);
          const kept = self.tree.list[0]!;
          self.tree.list = [];
          gone!.x = 1_000;
          kept.x = 1_000;
          self.tree.list.push(gone!);
          gone!.x = 2_000;
        });
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => snapshot(self.tree.list))).toEqual([{ x: 1_000 }]);
      });

      it.each<[string, (tree: Things["tree"]) => unknown, string]>([
        ["a function pushed", ({ list }) => list.push((() => 1) as never), "list[2]"],
        ["a class instance set", (tree) => ((tree.a as { b: unknown }).b = new URL("http://x")), "tree.a.b"],
        ["a function by Object.assign", (tree) => Object.assign(tree.a, { f: () => 1 }), "tree.a.f"],
        [
          "a getter",
          (tree) => Object.defineProperty(tree.a, "g", { get: () => 1, enumerable: true, configurable: true }),
          "tree.a.g",
        ],
        ["a hidden property", (tree) => Object.defineProperty(tree.a, "h", { value: 1 }), "tree.a.h"],
        ["a prototype", (tree) => Object.setPrototypeOf(tree.a, { x: 1 }), "tree.a"],
        ["__proto__ assigned", (tree) => ((tree.a as Record<string, unknown>)["__proto__"] = { x: 1 }), "__proto__"],
        ["freezing", (tree) => Object.freeze(tree.list), "tree.list"],
        ["a symbol property", (tree) => ((tree.a as Record<symbol, unknown>)[Symbol("s")] = 1), "tree.a"],
        [
          "a named property of an array",
          ({ list }) => ((list as unknown as Record<string, unknown>)["extra"] = 1),
          "tree.list",
        ],
        ["an index a million away", ({ list }) => (list[5_000_000] = { x: 1 }), "tree.list"],
      ])("refuses %s, and changes nothing", async (_, change, text) => {
        const stub = fresh();
        const before = await inside(stub, (self) => snapshot(self.tree));
        const error = await codeOf(stub, (self) => change(self.tree));
        expect(error.code).toBe("not-persistable");
        expect(error.message).toContain(text);
        expect(await inside(stub, (self) => snapshot(self.tree))).toEqual(before);
      });
    });

    describe("writing", () => {
      it("writes one row for any number of changes of small fields in one stretch", async () => {
        const stub = fresh();
        const change = (self: AnyThings): void => {
          for (let i = 0; i < 100; i++) self.count++;
          self.label = "x";
          self.log.push({ at: new Date(0), by: 1 });
          self.tree.a.b.n++;
        };
        expect(await rowsOf(stub, change)).toEqual([RECORD]);
        expect(await rowsOf(stub, change)).toEqual([RECORD]);
      });

      it("writes nothing for reading, nor for assigning what is there", async () => {
        const stub = fresh();
        await inside(stub, (self) => (self.count = 1));
        await evictDurableObject(stub);
        expect(
          await rowsOf(stub, (self) => {
            self.count = 1;
            self.tree.a.b.n = 1;
            self.tree.a = self.tree.a;
            self.map.delete("absent");
            self.log.pop();
            return [self.bytes[0], self.date.getTime(), [...self.set]];
          }),
        ).toEqual([]);
      });

      it("writes once per synchronous stretch of an async method", async () => {
        const rows = await rowsOf(fresh(), async (self) => {
          self.count++;
          self.count++;
          await scheduler.wait(1);
          self.count++;
          self.label = "y";
          await scheduler.wait(1);
        });
        expect(rows).toEqual([RECORD, RECORD]);
      });

      it("gives a large field a row of its own, lists it in the record, and takes it back when it shrinks", async () => {
        const stub = fresh();
        const own = "durable-base:field:log";
        const entry = (by: number): Log => ({ at: new Date(by), by });
        expect(await rowsOf(stub, (self) => (self.log = Array.from({ length: 40 }, (_, i) => entry(i))))).toEqual([
          own,
          RECORD,
        ]);
        expect(await rowsOf(stub, (self) => self.log.push(entry(40)))).toEqual([own]);
        expect(await rowsOf(stub, (self) => self.count++)).toEqual([RECORD]);
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => [self.log.length, self.log[40]!.by, self.count])).toEqual([41, 40, 1]);
        expect(await rowsOf(stub, (self) => (self.log.length = 1))).toEqual([RECORD, `-${own}`]);
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => snapshot(self.log))).toEqual([entry(0)]);
      });

      it("keeps fields of other code in the record", async () => {
        const stub = fresh();
        await inside(stub, (self) => self.count++);
        await runInDurableObject(stub, (_, { storage: { kv } }) => {
          const record = kv.get<{ fields: Record<string, unknown> }>(RECORD)!;
          record.fields["removed"] = { kept: true };
          kv.put(RECORD, record);
        });
        await evictDurableObject(stub);
        await inside(stub, (self) => self.count++);
        const record = await runInDurableObject(stub, (_, { storage: { kv } }) => kv.get<{ fields: object }>(RECORD));
        expect(record!.fields).toMatchObject({ count: 2, removed: { kept: true } });
      });

      it("stores a change made in a timer that outlived its entry", async () => {
        const stub = fresh();
        await inside(stub, (self) => void setTimeout(() => self.count++, 1));
        await scheduler.wait(20);
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => self.count)).toBe(1);
      });

      it("keeps what a method changed before it threw", async () => {
        const stub = fresh();
        await expect(
          inside(stub, (self) => {
            self.count = 5;
            throw new Error("after");
          }),
        ).rejects.toThrow("after");
        await evictDurableObject(stub);
        expect(await inside(stub, (self) => self.count)).toBe(5);
      });
    });

    describe("failure", () => {
      const failing = async (
        stub: DurableObjectStub<AnyThings>,
        work: (self: AnyThings) => unknown,
      ): Promise<DurableError> =>
        await runInDurableObject(stub, async (self, { storage: { kv } }) => {
          const { put } = kv;
          kv.put = () => {
            throw new Error("disk full");
          };
          try {
            await self.run(work);
          } catch (error) {
            if (DurableError.is(error)) return error;
            throw error;
          } finally {
            kv.put = put;
          }
          throw new Error("expected a DurableError");
        });

      it("rejects the call whose change could not be written, and memory follows the disk", async () => {
        const stub = fresh();
        await inside(stub, (self) => {
          self.count = 1;
          self.log.push({ at: new Date(0), by: 1 });
        });
        const error = await failing(stub, (self) => {
          self.count = 2;
          self.log.push({ at: new Date(0), by: 2 });
          self.map.set("a", 1);
        });
        expect(error.code).toBe("write-failed");
        expect((error.cause as Error).message).toBe("disk full");
        expect(await inside(stub, (self) => [self.count, self.log.length, self.map.size])).toEqual([1, 1, 0]);
      });

      it("fails every further change of that entry, and lets the others go on", async () => {
        const stub = fresh();
        await inside(stub, (self) => (self.count = 1));
        const later: string[] = [];
        const error = await failing(stub, async (self) => {
          self.count = 2;
          await scheduler.wait(1);
          try {
            self.count = 3;
          } catch (again) {
            later.push((again as DurableError).code);
          }
        });
        expect([error.code, ...later]).toEqual(["write-failed", "write-failed"]);
        expect(await inside(stub, (self) => ++self.count)).toBe(2);
      });

      it("makes a reference from before a failed write stale, not lost", async () => {
        const stub = fresh();
        await inside(stub, (self) => (self.count = 1));
        let held: { x: number };
        await failing(stub, (self) => {
          held = self.tree.list[0]!;
          held.x = 50;
        });
        const error = await codeOf(stub, () => (held.x = 60));
        expect(error.code).toBe("stale-value");
        expect(error.message).toContain("this.tree");
        expect(await inside(stub, (self) => self.tree.list[0]!.x)).toBe(1);
      });

      it("refuses a record that cannot be understood, keeps it, and writes nothing", async () => {
        const stub = fresh();
        const newer = { format: 99, fields: {}, rows: new Set() };
        await runInDurableObject(stub, (_, { storage: { kv } }) => kv.put(RECORD, newer));
        expect((await codeOf(stub, (self) => self.count)).code).toBe("record-unreadable");
        expect((await codeOf(stub, (self) => (self.count = 1))).message).toContain("newer");
        expect(await runInDurableObject(stub, (_, { storage: { kv } }) => kv.get(RECORD))).toEqual(newer);
      });
    });
  });
}
