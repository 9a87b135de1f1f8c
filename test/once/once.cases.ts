/** What `once` promises, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { type DurableBase, DurableError, type Handle, Object } from "durable-base";
import { once, type Once } from "durable-base/once";
import { describe, expect, it, vi } from "vitest";
import { slice } from "../battery.ts";
import { errorOf } from "../error-of.ts";
import { works, type TillLike } from "./fixtures/once-data.ts";

type AnyTill = TillLike & DurableBase;

const DAY = 86_400_000;

export function onceCases(dialect: string, className: string, namespace: () => DurableObjectNamespace<AnyTill>): void {
  let nth = 0;
  const fresh = (): Handle<AnyTill> => Object.from(namespace()).byName(`till ${nth++}`);
  const nativeOf = (till: Handle<AnyTill>): DurableObjectStub<AnyTill> => namespace().get(till.id);
  const storageOf = async <R>(
    till: Handle<AnyTill>,
    work: (storage: DurableObjectStorage, self: AnyTill) => R,
  ): Promise<Awaited<R>> =>
    await runInDurableObject(nativeOf(till), async (self: AnyTill, { storage }) => await work(storage, self));
  const rowsOf = async (till: Handle<AnyTill>): Promise<string[]> =>
    await storageOf(till, ({ sql }) => {
      const isThere = sql.exec("select 1 from sqlite_schema where name = 'durable_base_once'").toArray().length > 0;
      return isThere
        ? sql
            .exec<{ id: string }>("select id from durable_base_once order by day, id")
            .toArray()
            .map(({ id }) => id)
        : [];
    });
  const evict = (till: Handle<AnyTill>): Promise<void> => evictDurableObject(nativeOf(till));
  /** Makes `play` do that on any object, and gives the name to call it by. */
  const doing = (work: (self: AnyTill, ...args: unknown[]) => unknown): string => {
    const name = `${className} work ${nth++}`;
    works.set(name, work);
    return name;
  };
  const refusalOf = async (call: () => unknown): Promise<string[]> => {
    const error = await errorOf(call);
    if (!(error instanceof DurableError)) throw new Error("expected one of ours", { cause: error });
    return [error.code, error.message];
  };

  const METHODS = [
    "add",
    "addLater",
    "addPromised",
    "addAtomic",
    "addAtomicLater",
    "addAlone",
    "addAloneAtomic",
  ] as const;

  describe(`once (${dialect})`, () => {
    it.each(METHODS)(
      "runs %s once per key, and gives every repeat its answer, also after an eviction",
      async (method) => {
        const till = fresh();
        const answers: unknown[] = [await once(till, "a")[method]("a", 3)];
        answers.push(await once(till, "a")[method]("a", 3), await once(till, "b")[method]("b", 4));
        await evict(till);
        answers.push(await once(till, "a")[method]("a", 3), await once(till, "b")[method]("b", 4));
        expect(answers).toEqual([3, 3, 7, 3, 7]);
        expect(await till.state()).toEqual({ sum: 7, ids: ["a", "b"] });
      },
    );

    it.each(METHODS)("lets repeats of %s that come side by side share the first's answer", async (method) => {
      const till = fresh();
      const calls = Array.from({ length: 12 }, (_, at) => once(till, `key ${at % 3}`)[method](`id ${at % 3}`, 1));
      const answers = await Promise.all(calls);
      expect(answers).toEqual(answers.map((_, at) => (at % 3) + 1));
      expect(await till.state()).toEqual({ sum: 3, ids: ["id 0", "id 1", "id 2"] });
    });

    it("lets repeats share the first's answer also when all wait for a turn or a schema before it runs", async () => {
      const till = fresh();
      const holding = till.hold(20);
      const calls = [1, 2, 3].map(() => once(till, "a").addAlone("a", 1));
      await holding;
      expect(await Promise.all(calls)).toEqual([1, 1, 1]);
      const routed = [1, 2, 3].map(() => once(till, "a").routedLater({ by: 2 }));
      expect(await Promise.all(routed)).toEqual([3, 3, 3]);
      expect(await till.state()).toEqual({ sum: 3, ids: ["a"] });
    });

    it("works on a native stub, and on a handle of a fresh object", async () => {
      const till = fresh();
      const native = nativeOf(till);
      expect([await once(native, "a").add("a", 1), await once(native, "a").add("a", 1)]).toEqual([1, 1]);
      expect(await once(Object.from(namespace()).unique(), "a").add("a", 1)).toBe(1);
    });

    it("keeps its place among calls that are not awaited", async () => {
      const till = fresh();
      const calls = Array.from({ length: 60 }, (_, at) =>
        at % 3 === 0 ? till.add(`${at}`, 1) : once(till, `${at}`)[at % 3 === 1 ? "add" : "addLater"](`${at}`, 1),
      );
      expect(await Promise.all(calls)).toEqual(calls.map((_, at) => at + 1));
    });

    it("does not remember a call that throws: all of it is undone, and a repeat runs it anew", async () => {
      const till = fresh();
      for (const isAsync of [false, true]) {
        let isBroken = true;
        const work = doing((self) => {
          self.add(`async ${isAsync}`, 1);
          const end = (): number => {
            if (isBroken) throw new RangeError("not yet");
            return self.sum;
          };
          return isAsync ? scheduler.wait(1).then(end) : end();
        });
        const before = await till.state();
        const errors = await Promise.all([1, 2].map(() => errorOf(() => once(till, "key " + work).play(work))));
        expect(errors.map(({ name, message }) => [name, message])).toEqual(Array(2).fill(["RangeError", "not yet"]));
        expect([await till.state(), await rowsOf(till)]).toEqual([before, isAsync ? [expect.any(String)] : []]);
        isBroken = false;
        expect(await once(till, "key " + work).play(work)).toBe(before.sum + 1);
        isBroken = true;
        expect(await once(till, "key " + work).play(work)).toBe(before.sum + 1);
      }
    });

    it("lets a repeat that waited for a call that throws run the method itself", async () => {
      const till = fresh();
      let runs = 0;
      const work = doing(async (self) => {
        self.add("a", 1);
        await scheduler.wait(1);
        if (++runs === 1) throw new RangeError("not yet");
        return self.sum;
      });
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => once(till, "a").play(work)));
      expect(outcomes).toMatchObject([{ reason: { message: "not yet" } }, { value: 1 }, { value: 1 }]);
      expect([runs, await till.state()]).toEqual([2, { sum: 1, ids: ["a"] }]);
    });

    it("keeps keys apart by method and object, whatever they hold", async () => {
      const [till, other] = [fresh(), fresh()];
      const keys = ["a", "a:b", "b", "é✓𝄞", "x".repeat(1_024), "\0", "%3A", "durable-base:once:"];
      for (const key of keys) {
        await once(till, key).add(key, 1);
        await once(till, key).addLater(key, 1);
        await once(other, key).add(key, 1);
        await once(till, key).add(key, 1);
      }
      expect([(await till.state()).sum, (await other.state()).sum]).toEqual([keys.length * 2, keys.length]);
    });

    it("answers in kind, the same each time", async () => {
      const till = fresh();
      const answers = [
        undefined,
        null,
        5n,
        NaN,
        -0,
        "",
        new Date(7),
        new Map<unknown, unknown>([[{ a: 1 }, new Set([1, "1"])]]),
        { nested: [{ at: new Date(0), bytes: new Uint8Array([1, 2]) }], none: undefined },
        [1, , 3],
        new Uint8Array([1, 2, 3]).buffer,
        /x/gi,
        "large".repeat(300_000),
      ];
      for (const [at, answer] of answers.entries()) {
        const work = doing(() => answer);
        const kept = (): unknown => once(till, `kind ${at}`).play(work);
        expect(await kept()).toStrictEqual(answer);
        await evict(till);
        works.set(work, () => "another");
        expect(await kept()).toStrictEqual(answer);
      }
      const failure = doing(() => Object.assign(new RangeError("far", { cause: 1 }), { extra: [1] }));
      for (let i = 0; i < 2; i++) {
        const error = (await once(till, "error").play(failure)) as Error;
        expect([error.name, error.message, error.cause]).toEqual(["RangeError", "far", 1]);
        expect(error).toMatchObject({ extra: [1] });
      }
    });

    it("gives the first caller what every repeat gets, also of a result that is another each time it is read", async () => {
      const till = fresh();
      const results = [
        {
          get now() {
            return crypto.randomUUID();
          },
        },
        { deep: [{ .../(?<word>x)/.exec("x")!.groups }, /(?<word>x)/.exec("x")!.groups] },
        Object.assign(Object.create(null), { a: new Date(1) }),
      ];
      for (const [at, result] of results.entries()) {
        const work = doing((self) => (self.add("x", 1), result));
        const answers = [await once(till, `${at}`).play(work), await once(till, `${at}`).play(work)];
        expect(answers[0]).toStrictEqual(answers[1]);
        expect((await till.state()).sum).toBe(at + 1);
      }
    });

    it("answers with plain data for tracked values, also when they have changed since", async () => {
      const till = fresh();
      const work = doing((self) => ({ ids: self.ids, more: [self.ids] }));
      await till.add("a", 1);
      const answer = { ids: ["a"], more: [["a"]] };
      expect(await once(till, "a").play(work)).toEqual(answer);
      await till.add("b", 1);
      expect(await once(till, "a").play(work)).toEqual(answer);
    });

    it("takes tracked values as arguments, as a handle does", async () => {
      const till = fresh();
      await till.add("a", 1);
      const work = doing((_, ids) => (ids as string[]).concat("seen"));
      // A handle belongs to the object that made it.
      const relay = doing((self) => once(fresh(), "relay").play(work, self.ids));
      expect([await till.play(relay), await once(till, "a").play(relay)]).toEqual(Array(2).fill(["a", "seen"]));
    });

    it("refuses the same key with other arguments, and tells them apart by what they hold", async () => {
      const till = fresh();
      const work = doing((self) => (self.sum += 1));
      const cycle = (name: string): object => {
        const own: Record<string, unknown> = { name };
        own["self"] = own;
        return own;
      };
      const different: (() => unknown[])[] = [
        () => [],
        () => [undefined],
        () => [null],
        () => ["undefined"],
        () => [1],
        () => [1n],
        () => ["1"],
        () => [0],
        () => [-0],
        () => [NaN],
        () => [true],
        () => [1, 2],
        () => [[1, 2]],
        () => [[1, , 2]],
        () => [[1, undefined, 2]],
        () => [{ a: 1, b: 2 }],
        () => [{ a: 1 }],
        () => [{ a: 1, b: undefined }],
        () => [{ a: { b: 2 } }],
        () => [new Map([["a", 1]])],
        () => [
          new Map([
            ["a", 1],
            ["b", 2],
          ]),
        ],
        () => [
          new Map([
            ["b", 2],
            ["a", 1],
          ]),
        ],
        () => [new Map([[{ a: 1 }, 1]])],
        () => [new Set([1, 2])],
        () => [new Set([2, 1])],
        () => [new Date(1)],
        () => [new Date(2)],
        () => [/a/],
        () => [/a/g],
        () => [new Uint8Array([1, 200])],
        () => [new Uint8Array([1, 201])],
        () => [new Int8Array([1, 2])],
        () => [new Uint8Array([1, 200]).buffer],
        () => [new Uint8Array([0, 1, 200]).subarray(1, 2)],
        () => [new Error("a")],
        () => [new RangeError("a")],
        () => [new Error("b")],
        () => [new Error("a", { cause: 1 })],
        () => [Object.assign(new Error("a"), { code: 1 })],
        () => [cycle("a")],
        () => [cycle("b")],
        () => ["\ud800"],
        () => ["\ud801"],
        () => ["\ufffd"],
      ];
      const call = async (key: string, args: unknown[]): Promise<unknown> => await once(till, key).play(work, ...args);
      for (const [at, args] of different.entries()) {
        expect(await call(`${at}`, args())).toBe(at + 1);
        expect(await call(`${at}`, args())).toBe(at + 1);
      }
      for (const at of different.keys()) {
        const others = slice(
          different.filter((_, other) => other !== at),
          12,
        );
        // Not all 1,900 at once: that keeps a busy machine's workerd from its timers for over half a minute.
        const errors = await Promise.all(others.map((args) => errorOf(() => call(`${at}`, args()))));
        expect(errors.filter((error) => !DurableError.is(error, "once-conflict"))).toEqual([]);
      }
      expect((await till.state()).sum).toBe(different.length);
      const [code, message] = await refusalOf(() => once(till, "0").play(work, 1));
      expect([code, message]).toEqual(["once-conflict", expect.stringContaining(`once(…, "0"): ${className}.play`)]);
    });

    it("does not mind the order of an object's keys", async () => {
      const till = fresh();
      const work = doing((self) => (self.sum += 1));
      const calls = [
        { a: 1, b: { c: 2, d: 3 } },
        { b: { d: 3, c: 2 }, a: 1 },
      ].map((input) => once(till, "a").play(work, input));
      expect(await Promise.all(calls)).toEqual([1, 1]);
    });

    it("refuses other arguments also while the first still runs", async () => {
      const till = fresh();
      const answers = await Promise.allSettled([once(till, "a").addLater("a", 1), once(till, "a").addLater("a", 2)]);
      // Each hashes its arguments first, and whichever ends that first is the one that runs.
      const refused = answers.findIndex(({ status }) => status === "rejected");
      expect(answers[refused]).toMatchObject({ reason: { code: "once-conflict" } });
      expect(answers[1 - refused]).toMatchObject({ value: 2 - refused });
    });

    it("refuses arguments that it cannot compare, before the method runs", async () => {
      const till = fresh();
      let ran = 0;
      const work = doing(() => ++ran);
      const refused: Record<string, () => unknown> = {
        ReadableStream: () => new Response("text").body,
        Response: () => new Response("text"),
        Request: () => new Request("http://o/"),
        Headers: () => new Headers(),
        function: () => () => 1,
        stub: () => fresh(),
      };
      for (const [kind, make] of globalThis.Object.entries(refused)) {
        for (const args of [[make()], [{ deep: [new Map([["a", make()]])] }]]) {
          const [code, message] = await refusalOf(() => once(till, kind).play(work, ...args));
          expect([kind, code]).toEqual([kind, "not-repeatable"]);
          const what =
            kind === "function" ? "a function" : kind === "stub" ? "an instance of Fetcher" : `an instance of ${kind}`;
          expect(message).toContain(`${className}.play: an argument holds ${what}, which can't be copied and kept`);
        }
      }
      expect([ran, await rowsOf(till)]).toEqual([0, []]);
    });

    it("keeps results that JSON can't hold: cycles, shared parts, and what looks like our own tag", async () => {
      const till = fresh();
      const cycle: Record<string, unknown> = { n: -0 };
      cycle["self"] = cycle;
      const shared = new Map([[1n, new Date(5)]]);
      const results = [cycle, [shared, shared], { "durable-base": [[]] }, [undefined, NaN], undefined];
      for (const [at, result] of results.entries()) {
        const work = doing((self) => (self.add(`${at}`, 1), result));
        for (let n = 0; n < 2; n++) expect(await once(till, `${at}`).play(work)).toEqual(result);
      }
      expect((await till.state()).sum).toBe(results.length);
    });

    it("refuses results that it cannot keep, and undoes what made them", async () => {
      class Own {
        readonly x = 1;
      }
      const refused: Record<string, () => unknown> = {
        ReadableStream: () => new Response("text").body,
        Response: () => new Response("text"),
        function: () => () => 1,
        stub: () => Object.from(namespace()).byName("other"),
        instance: () => new Own(),
        "subclass of Map": () => new (class Hits extends Map {})(),
        "deep subclass of Date": () => ({ at: [new (class Zoned extends Date {})(0)] }),
        "subclass of Array": () => new Map([["list", new (class Stack extends Array {})()]]),
        "Map with a property": () => globalThis.Object.assign(new Map(), { hits: 1 }),
        generator: () => [1].values(),
        symbol: () => Symbol("x"),
        "deep symbol": () => [{ a: Symbol("x") }],
        "error with a function": () => Object.assign(new Error("x"), { call: () => 1 }),
      };
      const till = fresh();
      for (const [kind, make] of globalThis.Object.entries(refused)) {
        const work = doing((self) => (self.add(kind, 1), make()));
        const [code, message] = await refusalOf(() => once(till, kind).play(work));
        expect([kind, code]).toEqual([kind, "not-repeatable"]);
        expect(message).toContain(`${className}.play: its result`);
      }
      const large = doing((self) => (self.add("large", 1), "x".repeat(2_000_000)));
      expect(await refusalOf(() => once(till, "large").play(large))).toEqual([
        "too-large",
        expect.stringContaining(`${className}.play: its answer takes 2000`),
      ]);
      expect([await till.state(), await rowsOf(till)]).toEqual([{ sum: 0, ids: [] }, []]);
    });

    it("refuses a key that is empty, ill-formed, too long or no string", async () => {
      const till = fresh();
      const keys: [unknown, string][] = [
        ["", "is empty"],
        ["\ud800", "lone surrogate"],
        ["x".repeat(1_025), "is over 1024 bytes"],
        ["é".repeat(513), "is over 1024 bytes"],
        [undefined, "is no string"],
        [5, "is no string"],
      ];
      for (const [key, why] of keys) {
        const refusal = await refusalOf(() => once(till, key as string).add("a", 1));
        expect(refusal).toEqual(["bad-key", expect.stringContaining(why)]);
      }
      expect(await till.state()).toEqual({ sum: 0, ids: [] });
    });

    it.each([0, -1, NaN, Infinity, 30 * DAY + 1, "1000", null])("refuses to keep an answer for %s", async (ttl) => {
      const till = fresh();
      const call = (): unknown => once(till, "a", { ttl: ttl as number }).add("a", 1);
      expect(await refusalOf(call)).toEqual(["bad-option", expect.stringContaining("{ ttl: 86400000 }")]);
      expect(await till.state()).toEqual({ sum: 0, ids: [] });
    });

    it("goes through the schemas of a routed method, as a call through a stub does", async () => {
      const till = fresh();
      const strange = { by: "4" } as unknown as { by: number };
      expect([await once(till, "a").routed(strange), await once(till, "a").routed(strange)]).toEqual([4, 4]);
      for (const method of ["routed", "routedLater"] as const) {
        const error = await errorOf(() => once(till, "b")[method]({ by: 100 }));
        expect(DurableError.is(error, "invalid-input")).toBe(true);
      }
      expect(await once(till, "b").routedLater({ by: 1 })).toBe(5);
      expect((await till.state()).sum).toBe(5);
    });

    it("waits for its turn outside the transaction where the method is exclusive", async () => {
      const till = fresh();
      for (const method of ["addAlone", "addAloneAtomic"] as const) {
        const holding = till.hold(50);
        const adding = once(till, method)[method](method, 1);
        // What is no exclusive call goes on meanwhile.
        await till.state();
        await Promise.all([holding, adding]);
      }
      expect((await till.state()).sum).toBe(2);
    });

    it("leaves calls from inside the object as they are", async () => {
      const till = fresh();
      const work = doing((self) => [self.add("a", 1), self.add("a", 1)]);
      expect(await once(till, "a").play(work)).toEqual([1, 2]);
      expect(await once(till, "a").play(work)).toEqual([1, 2]);
      expect(await rowsOf(till)).toHaveLength(1);
    });

    it("ends a call after 25 s, undone and not remembered, also when its code goes on", async () => {
      const till = fresh();
      const later = Promise.withResolvers<void>();
      await runInDurableObject(nativeOf(till), async (self) => {
        vi.useFakeTimers();
        try {
          const opened = Promise.withResolvers<void>();
          const work = doing(async (own) => {
            own.add("late", 1);
            opened.resolve();
            await new Promise((resolve) => setTimeout(resolve, 26_000));
            later.resolve();
            return "late";
          });
          const door = self as unknown as { __call(...args: unknown[]): Promise<unknown> };
          const error = errorOf(() => door.__call("once", "play", "a", [work]));
          await opened.promise;
          await vi.advanceTimersByTimeAsync(25_000);
          expect(await error).toMatchObject({
            code: "atomic-timeout",
            message: expect.stringContaining(`${className}.play`),
          });
          await vi.advanceTimersByTimeAsync(1_000);
          await later.promise;
        } finally {
          vi.useRealTimers();
        }
      });
      await scheduler.wait(5);
      expect([await till.state(), await rowsOf(till)]).toEqual([{ sum: 0, ids: [] }, []]);
    });

    it("keeps nothing of a call that a failed write or a reset of the object ends", async () => {
      const till = fresh();
      let how = "write";
      const work = doing(async (self) => {
        self.add("a", 1);
        await scheduler.wait(1);
        if (how === "reset") (self as unknown as { ctx: DurableObjectState }).ctx.abort("gone");
        return self.sum;
      });
      await storageOf(till, ({ kv }) => {
        const { put } = kv;
        kv.put = (key, value) => {
          if (how === "write" && key === "durable-base:record") throw new Error("disk full");
          put.call(kv, key, value);
        };
      });
      expect(await errorOf(() => once(till, "a").play(work))).toMatchObject({ code: "write-failed" });
      expect(await rowsOf(till)).toEqual([]);
      how = "reset";
      expect(await errorOf(() => once(till, "a").play(work))).toMatchObject({ durableObjectReset: true });
      how = "nothing";
      expect([await rowsOf(till), await till.state()]).toEqual([[], { sum: 0, ids: [] }]);
      expect([await once(till, "a").play(work), await once(till, "a").play(work)]).toEqual([1, 1]);
    });
  });

  describe(`once (${dialect}), time passing`, () => {
    const START = 20_000 * DAY + 1_000;

    /** Runs `work` with a clock that it can set. */
    const atTimes = async (work: (at: (time: number) => void) => Promise<void>): Promise<void> => {
      vi.useFakeTimers({ toFake: ["Date"] });
      try {
        await work((time) => void vi.setSystemTime(START + time));
      } finally {
        vi.useRealTimers();
      }
    };

    it.each([
      [undefined, DAY],
      [1_000, 1_000],
      [DAY, DAY],
      [30 * DAY, 30 * DAY],
    ])("keeps an answer for %s ms: then the key is free", async (ttl, lasts) => {
      const till = fresh();
      const options = ttl === undefined ? {} : { ttl };
      const call = async (by = 1): Promise<number> => await once(till, "a", options).add("a", by);
      await atTimes(async (at) => {
        at(0);
        expect(await call()).toBe(1);
        at(lasts - 1);
        await evict(till);
        expect(await call()).toBe(1);
        at(lasts);
        expect(await call(2)).toBe(3);
        // A new day of its own.
        at(2 * lasts - 1);
        expect(await call(2)).toBe(3);
        at(2 * lasts);
        expect(await call(2)).toBe(5);
      });
    });

    it("finds an answer when the clock has gone back over midnight, as after a move to another machine", async () => {
      const till = fresh();
      await atTimes(async (at) => {
        at(-1_000);
        expect(await once(till, "a", { ttl: 30 * DAY }).add("a", 1)).toBe(1);
        at(-1_001);
        expect(await once(till, "a", { ttl: 30 * DAY }).add("a", 1)).toBe(1);
      });
    });

    it("finds an answer whatever the repeat says of its time", async () => {
      const till = fresh();
      await atTimes(async (at) => {
        at(0);
        for (const ttl of [10, DAY, 30 * DAY]) await once(till, `${ttl}`, { ttl }).add("a", 1);
        at(9);
        for (const own of [10, DAY, 30 * DAY])
          for (const ttl of [1, DAY, 30 * DAY]) await once(till, `${own}`, { ttl }).add("a", 1);
        expect((await till.state()).sum).toBe(3);
      });
    });

    it("deletes expired rows, two a call, on the days after", async () => {
      const till = fresh();
      await atTimes(async (at) => {
        at(0);
        for (let i = 0; i < 10; i++) await once(till, `old ${i}`).add("a", 1);
        await once(till, "long", { ttl: 5 * DAY }).add("a", 1);
        at(DAY + 1);
        await once(till, "same day").add("a", 1);
        expect(await rowsOf(till)).toHaveLength(12);
        at(2 * DAY);
        const counts: number[] = [];
        for (let i = 0; i < 6; i++) {
          await once(till, `new ${i}`).add("a", 1);
          counts.push((await rowsOf(till)).filter((key) => key.includes("old")).length);
          // A repeat deletes none.
          await once(till, `new ${i}`).add("a", 1);
        }
        expect(counts).toEqual([8, 6, 4, 2, 0, 0]);
        expect(await once(till, "long").add("a", 1)).toBe(11);
        expect(await once(till, "same day").add("a", 1)).toBe(12);
      });
    });

    it("reads a row for each day on which answers expire", async () => {
      const till = fresh();
      await once(till, "first").add("a", 1);
      const reads = async (key: string): Promise<number> => {
        const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
        await storageOf(till, ({ sql }) => {
          vi.spyOn(sql, "exec").mockImplementation((...args: Parameters<SqlStorage["exec"]>) => {
            const cursor = (Object.getPrototypeOf(sql) as SqlStorage).exec.apply(sql, args);
            cursors.push(cursor);
            return cursor as never;
          });
        });
        await once(till, key).add("a", 1);
        return await storageOf(till, () => {
          vi.restoreAllMocks();
          return cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
        });
      };
      expect(await reads("a")).toBeLessThanOrEqual(10);
      expect(await reads("a")).toBeLessThanOrEqual(5);
      await once(till, "month", { ttl: 30 * DAY }).add("a", 1);
      expect(await reads("month")).toBeLessThanOrEqual(40);
    });

    it("writes one row a call besides what the method writes, and none for a repeat", async () => {
      const till = fresh();
      const written = async (call: () => Promise<unknown>): Promise<number> => {
        const total = (): Promise<number> =>
          storageOf(till, ({ sql }) => sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n);
        const before = await total();
        await call();
        return (await total()) - before;
      };
      expect(await written(() => till.add("a", 1))).toBe(1);
      expect(await written(() => once(till, "a").add("b", 1))).toBe(2);
      expect(await written(() => once(till, "a").add("b", 1))).toBe(0);
      const nothing = doing(() => "nothing");
      expect(await written(() => once(till, "b").play(nothing))).toBe(1);
      // It costs nothing when unused.
      expect(await written(() => till.add("c", 1))).toBe(1);
      expect(await rowsOf(fresh())).toEqual([]);
    });
  });

  describe(`what once gives (${dialect})`, () => {
    it("is no promise and no data, and sends nothing by itself", async () => {
      const till = fresh();
      const given: Once<Handle<AnyTill>> = once(till, "a");
      expect(await (given as unknown)).toBe(given);
      expect([JSON.stringify({ given }), String(given)]).toEqual(['{"given":{}}', "[object Object]"]);
      expect(await rowsOf(till)).toEqual([]);
    });
  });
}
