/** What the options of `@Persisted({ … })` promise, as cases that run once per dialect. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type } from "arktype";
import { type DurableBase, DurableError, type ErrorCode, snapshot } from "durable-base";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { errorOf } from "../error-of.ts";
import {
  behaviour,
  Money,
  usual,
  type After,
  type Before,
  type Early,
  type Mended,
  type User,
} from "./fixtures/evolve-options.ts";

type Class<T> = new (state: DurableObjectState, env: Cloudflare.Env) => T;

interface StoredRecord {
  fields: Record<string, unknown>;
  rows: Set<string>;
  keys?: Record<string, string>;
  versions?: Record<string, number>;
  unreadable?: Record<string, { field: string; version: number }>;
}

const RECORD = "durable-base:record";

/** A string that does not fit into the record. */
const LONG = "x".repeat(1_200);

export function evolveCases(
  dialect: string,
  classes: { Before: Class<Before>; After: Class<After & DurableBase>; Mended: Class<Mended>; Early: Class<Early> },
): void {
  /** One object's storage, on which code of yesterday and today can be woken. */
  class Disk {
    readonly state: DurableObjectState;
    readonly kv: SyncKvStorage;
    readonly rows: string[] = [];
    /** Keys whose rows cannot be decoded. */
    readonly damaged = new Set<string>();

    constructor(state: DurableObjectState) {
      this.state = state;
      const { kv } = state.storage;
      this.kv = kv;
      const { get, put, delete: remove } = kv;
      kv.get = ((key: string) => {
        if (this.damaged.has(key)) throw new Error("cannot decode");
        return get.call(kv, key);
      }) as typeof get;
      kv.put = (key, value) => (this.rows.push(key), put.call(kv, key, value));
      kv.delete = (key) => (this.damaged.delete(key), this.rows.push(`-${key}`), remove.call(kv, key));
    }

    get record(): StoredRecord {
      return this.kv.get<StoredRecord>(RECORD)!;
    }

    /** The entries of an object of that class that was just woken. */
    async wake<T extends { run<R>(work: (self: T) => R): R }>(
      cls: Class<T>,
    ): Promise<<R>(work: (self: T) => R) => Promise<Awaited<R>>> {
      const object = new cls(this.state, env);
      await scheduler.wait(0);
      return async <R>(work: (self: T) => R): Promise<Awaited<R>> => await object.run(work);
    }

    async store(change: (self: Before) => unknown): Promise<void> {
      await (
        await this.wake(classes.Before)
      )((self) => void change(self));
      this.rows.length = 0;
    }

    /** What the code of today gives for `work`. */
    async after<R>(work: (self: After) => R): Promise<Awaited<R>> {
      return await (
        await this.wake(classes.After)
      )(work);
    }

    /** What code that repairs what it can't read by `value` gives for `work`. */
    async mended<R>(value: unknown, work: (self: Mended) => R): Promise<Awaited<R>> {
      behaviour.onUnreadable = () => value;
      return await (
        await this.wake(classes.Mended)
      )(work);
    }
  }

  let nth = 0;
  const onDisk = (work: (disk: Disk) => Promise<void>) => async (): Promise<void> => {
    Object.assign(behaviour, usual);
    await runInDurableObject(env.PROBE.getByName(`evolve ${dialect} ${nth++}`), (_, state) => work(new Disk(state)));
  };
  const refusal = async (code: ErrorCode, call: () => unknown): Promise<DurableError> => {
    const error = await errorOf(call);
    if (!DurableError.is(error, code)) throw new Error(`expected ${code}`, { cause: error });
    return error;
  };

  /** The field refuses reading and assigning, its bytes stay, and the rest of the object works. */
  const isShutOff = async (disk: Disk, field: keyof After, code: ErrorCode, value: unknown): Promise<DurableError> => {
    const before = structuredClone(disk.record.fields[field]);
    const run = await disk.wake(classes.After);
    const error = await refusal(code, () => run((self) => self[field]));
    await refusal(code, () => run((self) => Object.assign(self, { [field]: value })));
    const plain = await run((self) => ++self.plain);
    await run((self) => (self.big = [LONG]));
    expect(await disk.after((self) => [self.plain, self.big[0]])).toEqual([plain, LONG]);
    expect(disk.record.fields[field]).toEqual(before);
    expect(error.message).toContain(`After.${field}`);
    return error;
  };

  const many = (n: number): { n: number; text: string }[] =>
    Array.from({ length: n }, (_, i) => ({ n: i, text: `entry ${i}` }));
  const keys = (disk: Disk, prefix: string): string[] => [...disk.kv.list({ prefix })].map(([key]) => key);

  describe(`@Persisted({ … }) (${dialect})`, () => {
    describe("version and migrate", () => {
      it(
        "migrates when the field is first used, writes nothing for it, and stores the result with the field's next write",
        onDisk(async (disk) => {
          await disk.store((self) => (self.total = "7"));
          const calls: unknown[] = [];
          behaviour.migrate = (old, from) => (calls.push(old, from), Number(old) * 100);
          const run = await disk.wake(classes.After);
          expect(await run((self) => self.plain)).toBe(0);
          expect(calls).toEqual([]);
          expect(await run((self) => [self.total, self.total])).toEqual([700, 700]);
          expect(calls).toEqual(["7", 1]);
          expect(disk.rows).toEqual([]);
          await run((self) => self.plain++);
          expect([disk.record.fields["total"], disk.record.versions?.["total"]]).toEqual(["7", undefined]);
          await run((self) => self.total++);
          expect([disk.record.fields["total"], disk.record.versions]).toMatchObject([701, { total: 3 }]);
          expect(await disk.after((self) => self.total)).toBe(701);
          expect(calls).toHaveLength(2);
        }),
      );

      it(
        "stores a migrated value that is assigned as it is",
        onDisk(async (disk) => {
          await disk.store((self) => (self.total = "7"));
          await disk.after((self) => (self.total = self.total));
          expect([disk.record.fields["total"], disk.record.versions?.["total"]]).toEqual([700, 3]);
        }),
      );

      it(
        "stores the result and the version of a large field in one transaction",
        onDisk(async (disk) => {
          const half = LONG.slice(0, 700);
          await disk.store((self) => (self.total = [half, half]));
          behaviour.migrate = (old) => [...(old as string[]), "new"];
          const run = await disk.wake(classes.After);
          await run((self) => self.plain++);
          disk.rows.length = 0;
          const OWN = "durable-base:field:total";
          await run((self) => (self.total as unknown as string[]).push("more"));
          expect(disk.rows).toEqual([OWN, RECORD]);
          expect([disk.kv.get(OWN), disk.record.versions?.["total"]]).toEqual([[half, half, "new", "more"], 3]);
          disk.rows.length = 0;
          await disk.after((self) => (self.total as unknown as string[]).pop());
          expect(disk.rows).toEqual([OWN]);
        }),
      );

      it(
        "leaves what a failed write did not store to be migrated again",
        onDisk(async (disk) => {
          await disk.store((self) => (self.total = "7"));
          const run = await disk.wake(classes.After);
          const { put } = disk.kv;
          disk.kv.put = () => {
            throw new Error("disk full");
          };
          await refusal("write-failed", () => run((self) => self.total++));
          disk.kv.put = put;
          expect(await run((self) => self.total)).toBe(700);
          expect(disk.record).toMatchObject({ fields: { total: "7" } });
          expect(disk.record.versions).toBeUndefined();
        }),
      );

      it(
        "tells migrate the stored version, and gives it a copy",
        onDisk(async (disk) => {
          await disk.store((self) => (self.total = { n: 4 }));
          const record = disk.record;
          disk.kv.put(RECORD, { ...record, versions: { total: 2 } });
          behaviour.migrate = (old, from) => ((old as { n: number }).n += from);
          const run = await disk.wake(classes.After);
          expect(await run((self) => self.total)).toBe(6);
          await run((self) => self.plain++);
          expect(disk.record.fields["total"]).toEqual({ n: 4 });
        }),
      );

      it(
        "stores the version with a field that was never stored, and only versions that are not 1",
        onDisk(async (disk) => {
          await disk.store((self) => self.plain++);
          expect(disk.record.versions).toBeUndefined();
          await disk.state.storage.deleteAll();
          await disk.after((self) => self.plain++);
          expect(disk.record.versions).toEqual({ total: 3, score: 2 });
        }),
      );

      it.each<[string, () => unknown, ErrorCode, string]>([
        [
          "throws",
          () => {
            throw new RangeError("boom");
          },
          "field-unreadable",
          "`migrate` threw",
        ],
        ["gives a promise", () => Promise.reject(new Error("late")), "bad-option", "gave a promise"],
        ["gives what cannot be stored", () => [new WeakMap()], "field-unreadable", "[0]: an instance of WeakMap"],
      ])("shuts off the field alone when migrate %s", async (_, migrate, code, text) => {
        await onDisk(async (disk) => {
          await disk.store((self) => (self.total = "7"));
          behaviour.migrate = migrate;
          const error = await isShutOff(disk, "total", code, 1);
          expect(error.message).toContain(text);
        })();
      });

      it(
        "refuses a value of newer code, for reading and assigning, and keeps it",
        onDisk(async (disk) => {
          await disk.store((self) => ((self.total = 7), (self.plain = 1)));
          disk.kv.put(RECORD, { ...disk.record, versions: { total: 4 } });
          const error = await isShutOff(disk, "total", "field-newer", 1);
          expect(error.message).toContain("version 4, and this code knows 3");
          expect(disk.record.versions).toMatchObject({ total: 4 });
          // Code without any options, too.
          disk.kv.put(RECORD, { ...disk.record, versions: { plain: 2 } });
          const run = await disk.wake(classes.Before);
          await refusal("field-newer", () => run((self) => self.plain));
          await refusal("field-newer", () => run((self) => (self.plain = 5)));
          expect(await run((self) => self.total)).toBe(7);
        }),
      );
    });

    describe("key", () => {
      it(
        "keeps the plain value in one row under that key, and never in the record",
        onDisk(async (disk) => {
          expect(await disk.after((self) => self.visits)).toBe(5);
          await disk.after((self) => self.visits!++);
          expect(disk.kv.get("visits")).toBe(6);
          expect(disk.record.fields).not.toHaveProperty("visits");
          disk.rows.length = 0;
          await disk.after((self) => self.visits!++);
          expect(disk.rows).toEqual(["visits"]);
        }),
      );

      it(
        "adopts what an object has under the key, and stores the default beside the others' if it has nothing",
        onDisk(async (disk) => {
          disk.kv.put("visits", 41);
          expect(await disk.after((self) => self.visits)).toBe(41);
          await disk.after((self) => self.plain++);
          expect([disk.kv.get("visits"), disk.kv.get("app/score")]).toEqual([41, [1]]);
          disk.kv.put("visits", { another: "kind" });
          expect(await disk.after((self) => snapshot(self.visits))).toEqual({ another: "kind" });
        }),
      );

      it(
        "takes what other code stored apart into a tree, and shuts off what is none",
        onDisk(async (disk) => {
          const shared = { n: 1 };
          disk.kv.put("visits", [shared, shared]);
          await disk.after((self) => ((self.visits as unknown as { n: number }[])[0]!.n = 2));
          expect(disk.kv.get("visits")).toEqual([{ n: 2 }, { n: 1 }]);
          const cycle: unknown[] = [];
          cycle.push(cycle);
          disk.kv.put("visits", cycle);
          const error = await isShutOff(disk, "visits", "field-unreadable", 1);
          expect(error.message).toMatch(/holds itself|nested more than/);
        }),
      );

      it(
        "deletes the row of undefined, which it still tells from the default",
        onDisk(async (disk) => {
          await disk.after((self) => (self.visits = undefined));
          expect(disk.kv.get("visits")).toBeUndefined();
          expect(await disk.after((self) => self.visits)).toBeUndefined();
          await disk.after((self) => (self.visits = 2));
          expect(disk.record.fields).not.toHaveProperty("visits");
          await disk.after((self) => (self.visits = undefined));
          expect([...disk.kv.list({ prefix: "visits" })]).toEqual([]);
          expect(await disk.after((self) => self.visits)).toBeUndefined();
        }),
      );

      it(
        "keeps the version of such a field in the record",
        onDisk(async (disk) => {
          disk.kv.put("app/score", 3);
          const run = await disk.wake(classes.After);
          expect(await run((self) => snapshot(self.score))).toEqual([3]);
          expect(disk.kv.get("app/score")).toBe(3);
          await run((self) => self.score.push(4));
          expect([disk.kv.get("app/score"), disk.record.versions]).toMatchObject([[3, 4], { score: 2 }]);
          expect(await disk.after((self) => snapshot(self.score))).toEqual([3, 4]);
        }),
      );

      it(
        "takes what the field had in the record before it had a key",
        onDisk(async (disk) => {
          await disk.store((self) => (self.visits = 9));
          const run = await disk.wake(classes.After);
          expect(await run((self) => self.visits)).toBe(9);
          await run((self) => self.visits!++);
          expect(disk.kv.get("visits")).toBe(10);
          expect(disk.record.fields).not.toHaveProperty("visits");
        }),
      );
    });

    describe("eager", () => {
      it(
        "stores the field, and all defaults with it, before the first entry runs, once",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.Early);
          expect(disk.rows).toEqual([]);
          const id = await run((self) => {
            expect(disk.record.fields).toMatchObject({ plain: 1 });
            expect(self.seen).toBe(self.id);
            return self.id;
          });
          expect(disk.record.fields["id"]).toBe(id);
          expect(disk.rows).toEqual([RECORD]);
          expect(await (await disk.wake(classes.Early))((self) => self.id)).toBe(id);
          expect(disk.rows).toEqual([RECORD]);
        }),
      );

      it(
        "gives the caller the error of a write that failed, and tries again",
        onDisk(async (disk) => {
          const { put } = disk.kv;
          disk.kv.put = () => {
            throw new Error("disk full");
          };
          const run = await disk.wake(classes.Early);
          await refusal("write-failed", () => run((self) => self.plain));
          disk.kv.put = put;
          expect(await run((self) => self.plain)).toBe(1);
          expect(disk.record.fields).toMatchObject({ plain: 1 });
        }),
      );

      it(
        "lets an object start whose record cannot be read",
        onDisk(async (disk) => {
          disk.kv.put(RECORD, "nonsense");
          const run = await disk.wake(classes.Early);
          expect(await run(() => "works")).toBe("works");
          await refusal("record-unreadable", () => run((self) => self.plain));
          expect(disk.kv.get(RECORD)).toBe("nonsense");
        }),
      );
    });

    describe("schema", () => {
      const alice = (): User => ({ name: "alice", age: 30, tags: [] });

      it(
        "refuses an assignment at its line, with the issues, and changes nothing",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          await run((self) => (self.user = alice()));
          const error = await run((self) =>
            refusal("schema-failed", () => (self.user = { ...alice(), age: "x" as never })),
          );
          expect(error.issues).toEqual([{ path: ["age"], message: expect.any(String) }]);
          expect(error.message).toContain("After.user does not fit its schema: age: ");
          expect(await run((self) => snapshot(self.user))).toEqual(alice());
          expect(await disk.after((self) => snapshot(self.user))).toEqual(alice());
        }),
      );

      it(
        "refuses a change inside when it is written: the entry rejects and memory goes back",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          await run((self) => (self.user = alice()));
          const error = await refusal("schema-failed", () =>
            run((self) => {
              self.user.tags.push(1 as never);
              self.plain = 9;
            }),
          );
          expect(error.issues).toEqual([{ path: ["tags", 0], message: expect.any(String) }]);
          expect(await run((self) => [snapshot(self.user), self.plain])).toEqual([alice(), 0]);
          await run((self) => self.user.tags.push("a"));
          expect(await disk.after((self) => snapshot(self.user.tags))).toEqual(["a"]);
        }),
      );

      it(
        "stores what the schema makes of an assigned value, and of one changed inside",
        onDisk(async (disk) => {
          let run = await disk.wake(classes.After);
          await run((self) => (self.user = { name: " bob ", tags: [] } as never));
          expect(disk.record.fields["user"]).toEqual({ name: "bob", age: 18, tags: [] });
          const held = await run((self) => {
            const { user } = self;
            user.name = " eve ";
            return { user };
          });
          expect(disk.record.fields["user"]).toMatchObject({ name: "eve" });
          expect(await run((self) => self.user.name)).toBe("eve");
          expect(held.user.name).toBe(" eve ");
          // What was held of the value before is no part of the field any more, and says so.
          await refusal("stale-value", () =>
            run(async (self) => {
              const { user } = self;
              user.name = " zoe ";
              await scheduler.wait(0);
              user.name = "lost";
            }),
          );
          expect(await disk.after((self) => self.user.name)).toBe("zoe");
          run = await disk.wake(classes.After);
          // An order of keys that the schema would not give is no conversion.
          await run(async (self) => {
            const { user } = self;
            const { age } = user;
            delete (user as Partial<User>).age;
            user.age = age;
            await scheduler.wait(0);
            user.age = 31;
          });
          expect(await disk.after((self) => self.user.age)).toBe(31);
        }),
      );

      it(
        "gives what the schema makes of a stored value, and stores it with the field's next write",
        onDisk(async (disk) => {
          await disk.store((self) => (self.user = { name: " old ", tags: [], extra: 1 }));
          const run = await disk.wake(classes.After);
          expect(await run((self) => snapshot(self.user))).toEqual({ name: "old", age: 18, tags: [] });
          await run((self) => self.plain++);
          expect(disk.record.fields["user"]).toEqual({ name: " old ", tags: [], extra: 1 });
          await run((self) => self.user.tags.push("a"));
          expect(disk.record.fields["user"]).toEqual({ name: "old", age: 18, tags: ["a"] });
        }),
      );

      it(
        "validates a stored value once per load, and an assigned one with what came of it",
        onDisk(async (disk) => {
          await disk.store((self) => (self.text = "stored"));
          let calls = 0;
          behaviour.validate = (value) => (calls++, { value });
          const run = await disk.wake(classes.After);
          await run((self) => [self.text, self.text]);
          await run((self) => self.text);
          expect(calls).toBe(1);
          // An assigned value twice: what the schema gave has to be given again.
          await run((self) => (self.text = "again"));
          expect(calls).toBe(3);
        }),
      );

      it(
        "sees bytes and Dates that were changed in place",
        onDisk(async (disk) => {
          behaviour.validate = (value) =>
            (value as [Date, Uint8Array])[1]?.[0] === 13 ? usual.validate(1) : { value };
          const run = await disk.wake(classes.After);
          const parts = (self: After): [Date, Uint8Array] => self.text as unknown as [Date, Uint8Array];
          await run((self) => Object.assign(self, { text: [new Date(0), new Uint8Array([1])] }));
          await refusal("schema-failed", () => run((self) => (parts(self)[1][0] = 13)));
          await run((self) => parts(self)[0].setTime(5));
          expect(await disk.after((self) => snapshot(self.text))).toEqual([new Date(5), new Uint8Array([1])]);
        }),
      );

      it(
        "shuts off a stored value that does not fit",
        onDisk(async (disk) => {
          await disk.store((self) => (self.user = { name: "alice" }));
          const error = await isShutOff(disk, "user", "field-unreadable", alice());
          expect(error.issues).toEqual([{ path: ["tags"], message: expect.any(String) }]);
          expect(error.message).toContain("tags: ");
        }),
      );

      it(
        "refuses a schema that is async, that throws, or that converts what it gave",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          const assign = (text: unknown) => () => run((self) => (self.text = text as string));
          behaviour.validate = () => Promise.reject(new Error("late"));
          expect((await refusal("bad-option", assign("a"))).message).toContain("`schema` gave a promise");
          behaviour.validate = () => {
            throw new RangeError("boom");
          };
          expect((await refusal("schema-failed", assign("a"))).cause).toBeInstanceOf(RangeError);
          behaviour.validate = (value) => ({ value: `${value as string}!` });
          expect((await refusal("schema-failed", assign("a"))).message).toContain("converts its own output");
          behaviour.validate = (value) => (typeof value === "number" ? { value: `${value}` } : usual.validate(1));
          expect((await refusal("schema-failed", assign(1))).message).toContain("refuses");
          behaviour.validate = usual.validate;
          await assign(" fine ")();
          expect(await disk.after((self) => self.text)).toBe("fine");
        }),
      );

      it(
        "refuses a default that does not fit when it is read, stores none, and takes another value",
        onDisk(async (disk) => {
          behaviour.validate = (value) => (value === "" ? usual.validate(1) : { value });
          const run = await disk.wake(classes.After);
          const error = await refusal("schema-failed", () => run((self) => self.text));
          expect(error.issues).toEqual([{ path: ["at", 0], message: "no text" }]);
          await run((self) => self.plain++);
          expect(disk.record.fields).toMatchObject({ plain: 1 });
          expect(disk.record.fields).not.toHaveProperty("text");
          await run((self) => (self.text = "given"));
          expect(await disk.after((self) => self.text)).toBe("given");
        }),
      );

      it.each<[string, { "~standard": { validate: (value: unknown) => unknown } }]>([
        ["zod", z.object({ name: z.string(), n: z.number().min(1) })],
        ["valibot", v.object({ name: v.string(), n: v.pipe(v.number(), v.minValue(1)) })],
        ["arktype", type({ name: "string", n: "number >= 1" })],
      ])("takes a schema of %s", async (_, schema) => {
        await onDisk(async (disk) => {
          behaviour.validate = (value) => (value === "" ? { value } : schema["~standard"].validate(value));
          const run = await disk.wake(classes.After);
          await run((self) => Object.assign(self, { text: { name: "a", n: 1 } }));
          const error = await refusal("schema-failed", () =>
            run((self) => Object.assign(self, { text: { name: "a", n: 0 } })),
          );
          expect(error.issues).toEqual([{ path: ["n"], message: expect.any(String) }]);
          await refusal("schema-failed", () => run((self) => ((self.text as unknown as { n: number }).n = 0)));
          expect(await disk.after((self) => snapshot(self.text))).toEqual({ name: "a", n: 1 });
          disk.kv.put(RECORD, { ...disk.record, fields: { ...disk.record.fields, text: { name: 1, n: 1 } } });
          await isShutOff(disk, "text", "field-unreadable", { name: "a", n: 1 });
        })();
      });
    });

    describe("codec", () => {
      it(
        "stores what encode gives and gives an instance back",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          expect(await run((self) => self.price instanceof Money && self.price.cents)).toBe(100);
          expect(await run((self) => self.price === self.price)).toBe(true);
          expect(disk.rows).toEqual([]);
          await run((self) => (self.price = new Money(250, ["new"])));
          expect(disk.record.fields["price"]).toEqual({ cents: 250, notes: ["new"] });
          const price = await disk.after((self) => self.price);
          expect(price).toEqual(new Money(250, ["new"]));
          expect(price).toBeInstanceOf(Money);
        }),
      );

      it(
        "notices a change inside the instance, also after an await and of a part that encode hands out",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          await run((self) => void self.price!.add(5));
          expect(disk.record.fields["price"]).toEqual({ cents: 105, notes: [] });
          await run(async (self) => {
            const price = self.price!;
            await scheduler.wait(0);
            price.notes.push("later");
          });
          expect(await disk.after((self) => snapshot(self.price))).toEqual(new Money(105, ["later"]));
          disk.rows.length = 0;
          await disk.after((self) => [self.price!.cents, self.plain]);
          expect(disk.rows).toEqual([]);
        }),
      );

      it(
        "copies in, and leaves an instance that is assigned to its own field in place",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          await run((self) => {
            const given = new Money(1);
            self.price = given;
            given.add(1_000);
            expect(self.price).not.toBe(given);
            const { price } = self;
            self.price = price;
            expect(self.price).toBe(price);
            price.add(1);
          });
          expect(await disk.after((self) => self.price!.cents)).toBe(2);
        }),
      );

      it(
        "lets null and undefined past, and refuses an encode that gives them",
        onDisk(async (disk) => {
          let run = await disk.wake(classes.After);
          for (const none of [null, undefined]) {
            await run((self) => (self.price = none));
            expect(await disk.after((self) => self.price)).toBe(none);
            run = await disk.wake(classes.After);
          }
          behaviour.encode = () => null;
          const error = await refusal("not-persistable", () => run((self) => (self.price = new Money(1))));
          expect(error.message).toContain("gave null");
          expect(await run((self) => self.price)).toBeUndefined();
        }),
      );

      it(
        "refuses at the line what encode cannot give as data, or decode cannot take",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          const assign = (): Promise<unknown> => run((self) => (self.price = new Money(1)));
          behaviour.encode = () => ({ deep: [new WeakMap()] });
          expect((await refusal("not-persistable", assign)).message).toContain(
            "After.price.deep[0]: an instance of WeakMap",
          );
          behaviour.encode = () => {
            throw new RangeError("no");
          };
          expect((await refusal("not-persistable", assign)).cause).toBeInstanceOf(RangeError);
          behaviour.encode = () => ({ cents: "?" });
          behaviour.decode = () => {
            throw new TypeError("no");
          };
          expect((await refusal("not-persistable", assign)).cause).toBeInstanceOf(TypeError);
          Object.assign(behaviour, usual);
          expect(await run((self) => self.price!.cents)).toBe(100);
        }),
      );

      it(
        "rejects the entry that made an instance unfit to be stored, and gives a fresh one afterwards",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          await run((self) => (self.price = new Money(3)));
          behaviour.encode = (value) => {
            if (value.cents === 13) throw new RangeError("unlucky");
            return usual.encode(value);
          };
          const held: Money[] = [];
          const error = await refusal("not-persistable", () => run((self) => held.push(self.price!.add(10))));
          expect(error.cause).toBeInstanceOf(RangeError);
          expect(await run((self) => self.price!.cents)).toBe(3);
          expect(await run((self) => self.price === held[0])).toBe(false);
          await run((self) => self.plain++);
          expect(disk.record.fields["price"]).toEqual({ cents: 3, notes: [] });
        }),
      );

      it(
        "goes with a schema, which sees the instance",
        onDisk(async (disk) => {
          const run = await disk.wake(classes.After);
          await refusal("schema-failed", () => run((self) => (self.whole = new Money(-1))));
          await refusal("schema-failed", () => run((self) => void self.whole.add(-1_000)));
          // An entry that failed changes nothing any more.
          await refusal("schema-failed", () =>
            run(async (self) => {
              self.whole.add(-1_000);
              await scheduler.wait(0);
              self.whole.add(7);
              await scheduler.wait(0);
            }),
          );
          expect(await run((self) => self.whole.cents)).toBe(100);
          await run((self) => void self.whole.add(1));
          expect(await disk.after((self) => self.whole.cents)).toBe(101);
        }),
      );

      it(
        "shuts off a field that decode cannot take",
        onDisk(async (disk) => {
          await disk.store((self) => (self.price = { cents: 5, notes: [] }));
          expect(await disk.after((self) => self.price!.cents)).toBe(5);
          behaviour.decode = () => {
            throw new TypeError("damaged");
          };
          const error = await isShutOff(disk, "price", "field-unreadable", new Money(1));
          expect((error.cause as Error).message).toBe("damaged");
        }),
      );

      it(
        "hands the instance itself out as a result",
        onDisk(async (disk) => {
          const result = await disk.after((self) => ({ price: self.price, big: self.big }));
          expect(result.price).toBeInstanceOf(Money);
          expect(Array.isArray(structuredClone(result.big))).toBe(true);
        }),
      );
    });

    describe("renamedFrom", () => {
      it.each(["old", "older"] as const)(
        "reads what is stored as %s, and moves it with the field's next write",
        async (name) => {
          await onDisk(async (disk) => {
            await disk.store((self) => (self[name] = "from before"));
            const record = disk.record;
            delete record.fields[name === "old" ? "older" : "old"];
            disk.kv.put(RECORD, record);
            const run = await disk.wake(classes.After);
            expect(await run((self) => self.fresh)).toBe("from before");
            await run((self) => self.plain++);
            expect(disk.record.fields).toMatchObject({ [name]: "from before" });
            expect(disk.record.fields).not.toHaveProperty("fresh");
            await run((self) => (self.fresh = "from before"));
            expect(disk.record.fields).toMatchObject({ fresh: "from before" });
            expect(disk.record.fields).not.toHaveProperty(name);
            await run((self) => (self.fresh = "new"));
            expect(await disk.after((self) => self.fresh)).toBe("new");
          })();
        },
      );

      it(
        "keeps bytes that were transferred away before the field has moved",
        onDisk(async (disk) => {
          await disk.store((self) => (self.older = new Uint8Array([1, 2]) as never));
          const run = await disk.wake(classes.After);
          await run((self) => {
            const { buffer } = self.fresh as unknown as Uint8Array;
            structuredClone(buffer, { transfer: [buffer] });
          });
          await run((self) => self.plain++);
          expect(await disk.after((self) => self.fresh)).toEqual(new Uint8Array([1, 2]));
          expect(disk.record.fields).toMatchObject({ older: new Uint8Array([1, 2]), plain: 1 });
        }),
      );

      it(
        "moves a row of its own",
        onDisk(async (disk) => {
          await disk.store((self) => (self.older = LONG));
          await disk.after((self) => (self.fresh += "!"));
          expect(await disk.after((self) => self.fresh)).toBe(`${LONG}!`);
          expect([...disk.record.rows]).toEqual(["fresh"]);
          expect([...disk.kv.list({ prefix: "durable-base:field" })].map(([key]) => key)).toEqual([
            "durable-base:field:fresh",
          ]);
        }),
      );
    });

    it(
      "keeps removed fields, for code that has them again",
      onDisk(async (disk) => {
        await disk.store((self) => ((self.removed = { kept: true }), (self.big = [LONG])));
        await disk.after((self) => (self.plain++, self.visits!++, self.total++));
        const run = await disk.wake(classes.Before);
        expect(await run((self) => [snapshot(self.removed), self.plain])).toEqual([{ kept: true }, 1]);
      }),
    );

    describe("what lies in many rows", () => {
      it(
        "is migrated, and its rows replaced, with the first write",
        onDisk(async (disk) => {
          await disk.store((self) => (self.total = many(500)));
          behaviour.migrate = (old) =>
            new Map((old as { n: number }[]).map((item) => [`k${item.n}`, { inner: many(item.n === 7 ? 200 : 1) }]));
          const get = (self: After, key: string): unknown =>
            snapshot((self.total as unknown as Map<string, unknown>).get(key));
          const run = await disk.wake(classes.After);
          expect(await run((self) => get(self, "k499"))).toEqual({ inner: many(1) });
          expect(disk.rows).toEqual([]);
          await run((self) => (self.total as unknown as Map<string, unknown>).delete("k0"));
          behaviour.migrate = () => {
            throw new Error("migrated again");
          };
          expect(await disk.after((self) => [get(self, "k0"), get(self, "k7")])).toEqual([
            undefined,
            { inner: many(200) },
          ]);
          expect(await disk.after((self) => (self.total as unknown as Map<string, unknown>).size)).toBe(499);
          disk.rows.length = 0;
          await disk.after((self) => (self.total as unknown as Map<string, unknown>).set("k3", 1));
          expect(disk.rows).toHaveLength(1);
          await disk.after((self) => (self.total = 1));
          expect(keys(disk, "durable-base:part:")).toEqual([]);
        }),
      );

      it(
        "keeps what a field had under another name, and moves it with its next write",
        onDisk(async (disk) => {
          const old = new Map(many(300).map((item) => [`k${item.n}`, { item, list: many(item.n === 5 ? 100 : 0) }]));
          await disk.store((self) => (self.older = old as unknown as string));
          const fresh = (self: After): typeof old => self.fresh as unknown as typeof old;
          expect(await disk.after((self) => fresh(self).get("k5")!.list.length)).toBe(100);
          await disk.after((self) => fresh(self).get("k5")!.list.push({ n: 1, text: "" }));
          expect(keys(disk, "durable-base:part:older")).toEqual([]);
          expect(await disk.after((self) => [fresh(self).size, fresh(self).get("k5")!.list.length])).toEqual([
            300, 101,
          ]);
          await disk.after((self) => (self.fresh = ""));
          expect(keys(disk, "durable-base:part:")).toEqual([]);
        }),
      );

      it(
        "moves into the one row of a key as a whole",
        onDisk(async (disk) => {
          await disk.store((self) => (self.visits = many(300) as unknown as number));
          await disk.after((self) => (self.visits as unknown as unknown[]).push(1));
          expect([keys(disk, "durable-base:part:"), (disk.kv.get("visits") as unknown[]).length]).toEqual([[], 301]);
        }),
      );

      it(
        "is checked by its schema as a whole, and written by its entries",
        onDisk(async (disk) => {
          const tags = many(400).map(({ text }) => text);
          await disk.store((self) => (self.user = { name: "alice", age: 30, tags }));
          const run = await disk.wake(classes.After);
          await run((self) => self.user.tags.push("more"));
          disk.rows.length = 0;
          await refusal("schema-failed", () => run((self) => self.user.tags.push(1 as never)));
          await run((self) => (self.user.tags[200] = "changed"));
          expect(disk.rows).toHaveLength(1);
          expect(await disk.after((self) => [self.user.tags.length, self.user.tags[200]])).toEqual([401, "changed"]);
        }),
      );

      it(
        "is what a codec gave, and written by its entries",
        onDisk(async (disk) => {
          const notes = many(400).map(({ text }) => text);
          await disk.after((self) => (self.price = new Money(1, notes)));
          disk.rows.length = 0;
          const run = await disk.wake(classes.After);
          await run((self) => void (self.price!.notes[100] = "changed"));
          expect(disk.rows.length).toBeLessThan(12);
          expect(await disk.after((self) => [self.price!.notes.length, self.price!.notes[100]])).toEqual([
            400,
            "changed",
          ]);
          await disk.after((self) => (self.price = null));
          expect(keys(disk, "durable-base:part:")).toEqual([]);
        }),
      );
    });

    describe("onUnreadable", () => {
      const OWN = "durable-base:field:big";
      const texts = (count: number): string[] => many(count).map(({ text }) => text);

      it(
        "is named by the error of a damaged or missing row, which shuts off its field alone",
        onDisk(async (disk) => {
          await disk.store((self) => ((self.big = [LONG]), (self.plain = 1)));
          disk.damaged.add(OWN);
          const run = await disk.wake(classes.After);
          const error = await refusal("field-unreadable", () => run((self) => self.big));
          expect((error.cause as Error).message).toBe("cannot decode");
          expect(error.message).toContain("@Persisted({ onUnreadable: (error, stored) => … }) accessor big");
          await refusal("field-unreadable", () => run((self) => (self.big = [])));
          expect(await run((self) => ++self.plain)).toBe(2);
          disk.damaged.clear();
          expect(await disk.after((self) => self.big[0])).toBe(LONG);
          disk.kv.delete(OWN);
          const missing = await refusal("field-unreadable", () => disk.after((self) => self.big));
          expect(missing.message).toContain("missing");
          expect(await disk.mended(["again"], (self) => self.big.push(LONG))).toBe(2);
          expect(await disk.after((self) => self.big[0])).toBe("again");
        }),
      );

      it(
        "gets the error and the stored data, and its value counts from the next write on",
        onDisk(async (disk) => {
          await disk.store((self) => (self.user = { name: "", age: 30 }));
          const before = disk.record;
          const calls: unknown[] = [];
          behaviour.onUnreadable = (error, stored) => {
            calls.push([error.code, error.issues?.map(({ path }) => path), stored]);
            return { name: " new ", age: calls.length, tags: [] };
          };
          const run = await disk.wake(classes.Mended);
          expect(await run((self) => [snapshot(self.user), self.user.age])).toEqual([
            { name: "new", age: 1, tags: [] },
            1,
          ]);
          expect(calls).toEqual([["field-unreadable", [["name"], ["tags"]], { name: "", age: 30 }]]);
          // Reading writes nothing.
          await run((self) => self.plain++);
          expect(disk.record).toEqual({ ...before, fields: { ...before.fields, plain: 1 } });
          const again = await disk.wake(classes.Mended);
          expect(await again((self) => self.user.age++)).toBe(2);
          expect(calls).toHaveLength(2);
          expect(disk.kv.get("durable-base:field:user")).toEqual({ name: "", age: 30 });
          expect(disk.record.unreadable).toEqual({ "durable-base:field:user": { field: "user", version: 1 } });
          expect(await disk.after((self) => self.user.age)).toBe(3);
        }),
      );

      it(
        "leaves a damaged row where it is, and gives the field another",
        onDisk(async (disk) => {
          await disk.store((self) => (self.big = [LONG]));
          disk.damaged.add(OWN);
          expect(await disk.mended(["small"], (self) => self.big[0])).toBe("small");
          expect(await disk.mended(["small"], (self) => self.big.push("more"))).toBe(2);
          expect(disk.record.unreadable).toEqual({ [OWN]: { field: "big", version: 1 } });
          expect(disk.record.fields["big"]).toEqual(["small", "more"]);
          disk.rows.length = 0;
          await disk.after((self) => self.big.push(LONG));
          expect(disk.rows.filter((key) => key.startsWith("durable-base:"))).toEqual([
            "durable-base:field-2:big",
            RECORD,
          ]);
          // A second one stays beside the first.
          disk.damaged.add("durable-base:field-2:big");
          await refusal("field-unreadable", () => disk.after((self) => self.big));
          await disk.mended([], (self) => self.big.push(LONG, "third"));
          disk.damaged.clear();
          expect(keys(disk, "durable-base:field")).toEqual([
            "durable-base:field-2:big",
            "durable-base:field-3:big",
            OWN,
          ]);
          expect([disk.kv.get(OWN), disk.kv.get("durable-base:field-2:big")]).toEqual([
            [LONG],
            ["small", "more", LONG],
          ]);
          disk.kv.delete(OWN);
          disk.kv.delete("durable-base:field-2:big");
          expect(await disk.after((self) => snapshot(self.big))).toEqual([LONG, "third"]);
          await disk.after((self) => (self.big = []));
          expect(keys(disk, "durable-base:field")).toEqual([]);
        }),
      );

      it(
        "replaces a value with a damaged part, all of whose rows are kept",
        onDisk(async (disk) => {
          await disk.store((self) => (self.big = texts(500)));
          const rows = [...disk.kv.list({ prefix: "durable-base:" })].filter(([key]) => key !== RECORD);
          disk.damaged.add("durable-base:part:big:3");
          // The entries that can be read are there.
          expect(await disk.after((self) => self.big[0])).toBe("entry 0");
          let stored: unknown = "none yet";
          const run = await disk.wake(classes.Mended);
          behaviour.onUnreadable = (_, given) => ((stored = given), texts(400));
          expect(await run((self) => self.big[0])).toBe("entry 0");
          expect(stored).toBeUndefined();
          await run((self) => self.big.push("more"));
          expect(await disk.after((self) => [self.big.length, self.big[400]])).toEqual([401, "more"]);
          disk.damaged.clear();
          expect(rows.map(([key]) => [key, disk.kv.get(key)])).toEqual(rows);
          for (const [key] of rows) disk.kv.delete(key);
          expect(await disk.after((self) => [self.big.length, self.big[400]])).toEqual([401, "more"]);
        }),
      );

      it(
        "keeps what a schema refuses, with the parts of a small field",
        onDisk(async (disk) => {
          await disk.store((self) => (self.user = { name: "", age: 30, tags: texts(400) }));
          const parts = keys(disk, "durable-base:part:");
          expect(disk.record.fields).toHaveProperty("user");
          const user = { name: "new", age: 1, tags: texts(300) };
          await disk.mended(user, (self) => self.user.tags.push("more"));
          expect(await disk.after((self) => self.user.tags.length)).toBe(301);
          expect(keys(disk, "durable-base:part:")).toEqual(parts);
          const kept = disk.kv.get<{ name: string; tags: unknown }>("durable-base:field:user");
          expect(kept).toMatchObject({ name: "", age: 30 });
          // What refused it can be mended: the value is the field's again when its rows are put back.
          await disk.after((self) => (self.user = { ...user, tags: [] }));
          expect(keys(disk, "durable-base:part-2:")).toEqual([]);
          expect(keys(disk, "durable-base:part:")).toEqual(parts);
        }),
      );

      it(
        "keeps a value that `migrate` or a codec refuses, with its version, and an assignment does too",
        onDisk(async (disk) => {
          await disk.store((self) => ((self.total = "7"), (self.price = "no money")));
          disk.kv.put(RECORD, { ...disk.record, versions: { total: 2 } });
          behaviour.migrate = behaviour.decode = () => {
            throw new RangeError("boom");
          };
          const run = await disk.wake(classes.Mended);
          behaviour.onUnreadable = (error) => (error.message.includes("price") ? new Money(5) : 1);
          await run((self) => {
            self.total = 3;
            const { price } = self;
            behaviour.decode = usual.decode;
            price!.add(1);
          });
          expect(disk.record.unreadable).toEqual({
            "durable-base:field:total": { field: "total", version: 2 },
            "durable-base:field:price": { field: "price", version: 1 },
          });
          expect([disk.kv.get("durable-base:field:total"), disk.kv.get("durable-base:field:price")]).toEqual([
            "7",
            "no money",
          ]);
          expect(await disk.after((self) => [self.total, self.price!.cents])).toEqual([3, 6]);
          expect(disk.record.versions?.["total"]).toBe(3);
        }),
      );

      it(
        "keeps a value under an older name",
        onDisk(async (disk) => {
          await disk.store((self) => (self.older = LONG));
          disk.damaged.add("durable-base:field:older");
          await disk.mended("new", (self) => (self.fresh += "er"));
          expect(disk.record.unreadable).toEqual({ "durable-base:field:older": { field: "fresh", version: 1 } });
          expect(await disk.after((self) => self.fresh)).toBe("newer");
        }),
      );

      it(
        "leaves the damaged row of a key, keeps the value in the record until the row is deleted, and moves it back",
        onDisk(async (disk) => {
          disk.kv.put("visits", 1);
          disk.damaged.add("visits");
          await refusal("field-unreadable", () => disk.after((self) => self.visits));
          await disk.after((self) => self.plain++);
          expect(await disk.mended(7, (self) => self.visits!++)).toBe(7);
          expect(disk.record.fields["visits"]).toBe(8);
          expect(await disk.after((self) => self.visits!++)).toBe(8);
          disk.kv.delete("visits");
          expect(await disk.after((self) => self.visits!++)).toBe(9);
          expect(disk.kv.get("visits")).toBe(10);
          expect(disk.record.fields).not.toHaveProperty("visits");
          expect(disk.record.unreadable).toBeUndefined();
        }),
      );

      it(
        "is not asked about a value of newer code",
        onDisk(async (disk) => {
          await disk.store((self) => (self.total = "7"));
          disk.kv.put(RECORD, { ...disk.record, versions: { total: 4 } });
          await refusal("field-newer", () => disk.mended(1, (self) => self.total));
        }),
      );

      it(
        "may throw, and its value is checked like any other",
        onDisk(async (disk) => {
          await disk.store((self) => (self.user = { name: "" }));
          const before = disk.record;
          const run = await disk.wake(classes.Mended);
          behaviour.onUnreadable = usual.onUnreadable;
          await refusal("field-unreadable", () => run((self) => self.user));
          await refusal("field-unreadable", () => run((self) => (self.user = { name: "a", age: 1, tags: [] })));
          behaviour.onUnreadable = () => ({ name: "" });
          await refusal("schema-failed", () => run((self) => self.user));
          behaviour.onUnreadable = () => Promise.resolve({});
          await refusal("bad-option", () => run((self) => self.user));
          expect(disk.record).toEqual(before);
        }),
      );

      it(
        "keeps nothing aside when its write is undone",
        onDisk(async (disk) => {
          await disk.store((self) => (self.user = { name: "" }));
          const before = disk.record;
          behaviour.onUnreadable = () => ({ name: "a", age: 1, tags: [] });
          const run = await disk.wake(classes.Mended);
          await errorOf(() =>
            run((self) =>
              disk.state.storage.transactionSync(() => {
                self.user.age++;
                throw new RangeError("undone");
              }),
            ),
          );
          expect(disk.record).toEqual(before);
          expect(await run((self) => ++self.user.age)).toBe(2);
          expect(disk.kv.get("durable-base:field:user")).toEqual({ name: "" });
        }),
      );
    });
  });
}
