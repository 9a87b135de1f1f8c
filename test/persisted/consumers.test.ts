import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, snapshot } from "durable-base";
import { describe, expect, it } from "vitest";
import { slice } from "../battery.ts";
import { thrownBy } from "../error-of.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { show } from "./model.ts";
import * as others from "./others.mjs";

/**
 * What code that doesn't know us makes of a tracked value: the right data, or an error. Never `{}`, an
 * empty Map, lost milliseconds or "1,2,3".
 */
describe("a tracked value handed to code that doesn't know it", () => {
  const values: Record<string, unknown> = {
    date: new Date(1_700_000_000_123),
    bytes: new Uint8Array([1, 2, 255]),
    buffer: new Uint8Array([1, 2, 255]).buffer,
    view: new DataView(new Uint8Array([0, 1, 2]).buffer, 1),
    object: { a: { b: [1] } },
    array: [1, [2], { c: 3 }],
    map: new Map<unknown, unknown>([["k", { v: 1 }]]),
    set: new Set([1, "a"]),
    regexp: /a/g,
  };

  type Consumer = (value: never, self: AccessorThings & { ctx: DurableObjectState }) => unknown;
  const consumers: Record<string, Consumer> = {
    structuredClone: (value) => structuredClone(value),
    "structuredClone of a snapshot": (value) => structuredClone(snapshot(value)),
    "kv.put": (value, { ctx }) => (ctx.storage.kv.put("k", value), ctx.storage.kv.get("k")),
    "JSON.stringify": (value) => JSON.stringify(value),
    String: (value) => String(value),
    "new Date": (value) => new Date(value).getTime(),
    "Date.prototype.getTime": (value) => Date.prototype.getTime.call(value),
    "new Map": (value) => new Map(value),
    "new Set": (value) => new Set(value),
    "Map.prototype.size": (value) => Reflect.get(Map.prototype, "size", value) as unknown,
    "Array.from": (value) => Array.from(value as unknown[]),
    spread: (value) => ({ ...(value as object) }),
    "Object.entries": (value) => Object.entries(value),
    "array concat": (value) => ([] as unknown[]).concat(value),
    "Uint8Array.from": (value) => new Uint8Array(value),
    Response: async (value) => await new Response(value).text(),
    TextDecoder: (value) => new TextDecoder().decode(value),
    digest: async (value) => new Uint8Array(await crypto.subtle.digest("SHA-256", value)),
    Blob: async (value) => await new Blob([value]).text(),
    "RegExp.test": (value) => (value as RegExp).test("xa"),
    "capnweb.serialize": (value) => others.deserialize(others.serialize(value)),
    "devalue.stringify": (value) => others.parse(others.stringify(value)),
    "devalue.uneval": (value) => others.uneval(value),
    "Object.prototype.toString": (value) => Object.prototype.toString.call(value),
    "Object.getPrototypeOf": (value) =>
      Object.getPrototypeOf(value) === Object.getPrototypeOf(structuredClone(snapshot(value))),
    constructor: (value: object) => value.constructor.name,
    "util.types.isDate": (value) => others.types.isDate(value),
    "util.inspect": (value) => others.inspect(value, { depth: 9 }).replace(/^Proxy\((.*)\)$/s, "$1"),
  };

  const attempt = async (consume: () => unknown): Promise<{ error: unknown } | { value: unknown }> => {
    try {
      return { value: snapshot(await consume()) };
    } catch (error) {
      return { error };
    }
  };

  const cases = Object.keys(values).flatMap((kind) => Object.keys(consumers).map((name) => [kind, name] as const));
  it.each(slice(cases, 5))("%s × %s", async (kind, name) => {
    await runInDurableObject(env.ACCESSOR_THINGS.getByName("consumers"), async (self) => {
      // A view is stored without the rest of its buffer.
      const value = kind === "view" ? new DataView(new Uint8Array([1, 2]).buffer) : structuredClone(values[kind]);
      const plain = await attempt(() => consumers[name]!(value as never, self as never));
      const tracked = await self.run((things) => {
        things.any = { value: values[kind] };
        return attempt(() => consumers[name]!((things.any as { value: never }).value, self as never));
      });
      if ("error" in tracked) expect(tracked.error).toBeInstanceOf(Error);
      // workerd takes a plain array for a stream of bytes and fails; of a Proxy it takes the text, as the standard says.
      else if (kind === "array" && name === "Response") expect(tracked.value).toBe(String(values[kind]));
      else expect(show(tracked)).toBe(show(plain));
    });
  });

  it("works where it must: Dates and bytes everywhere, containers in JavaScript itself", async () => {
    await runInDurableObject(env.ACCESSOR_THINGS.getByName("must"), async (self) => {
      await self.run(async (things) => {
        expect(new Date(things.date).getTime()).toBe(123);
        expect(structuredClone(things.date)).toEqual(new Date(123));
        expect(await new Response(things.bytes).bytes()).toEqual(new Uint8Array([1, 2, 3]));
        expect(new TextDecoder().decode(things.bytes)).toBe("\x01\x02\x03");
        expect(others.deserialize(others.serialize({ at: things.date }))).toEqual({ at: new Date(123) });
        expect(others.parse(others.stringify(things.map))).toEqual(new Map());
        expect(new Map(things.map.set("a", 1))).toEqual(new Map([["a", 1]]));
        expect(JSON.stringify({ at: things.date })).toBe('{"at":"1970-01-01T00:00:00.123Z"}');
      });
    });
  });

  it("throws a typed error of the platform or of ours, and leaves the field as it was", async () => {
    await runInDurableObject(env.ACCESSOR_THINGS.getByName("typed"), async (self) => {
      await self.run((things) => {
        expect(() => structuredClone(things.map)).toThrow("could not be cloned");
        expect(() => Object.freeze(things.map)).toThrow(DurableError);
        expect(things.map.size).toBe(0);
      });
    });
  });

  /** Calls `work` with the same data as a field returns it and as plain JavaScript, and a field's reading of equal data. */
  const beside = async (kind: string, work: (tracked: never, plain: unknown, other: never) => void): Promise<void> => {
    await runInDurableObject(env.ACCESSOR_THINGS.getByName("beside"), async (self) => {
      await self.run((things) => {
        things.any = { value: values[kind], other: values[kind] };
        const { value, other } = things.any as { value: never; other: never };
        work(value, values[kind], other);
      });
    });
  };

  const kinds = Object.keys(values);
  it.each(kinds)("equals its plain value by the matchers of vitest, from both sides: %s", async (kind) => {
    await beside(kind, (tracked, plain, other) => {
      expect(tracked).toEqual(plain);
      expect(plain).toEqual(tracked);
      expect(tracked).toStrictEqual(plain);
      expect(plain).toStrictEqual(tracked);
      expect(tracked).toStrictEqual(other);
    });
  });

  // Neither looks into an ArrayBuffer, and fast-deep-equal not into a DataView.
  it.each(kinds.filter((kind) => !["buffer", "view"].includes(kind)))(
    "equals its plain value by fast-deep-equal: %s",
    async (kind) => {
      await beside(kind, (tracked, plain, other) => {
        expect([
          others.isEqual(tracked, plain),
          others.isEqual(plain, tracked),
          others.isEqual(tracked, other),
        ]).toEqual([true, true, true]);
        expect([
          others.isEqual(tracked, {}),
          others.isEqual(tracked, structuredClone(values["date"])) === (kind === "date"),
        ]).toEqual([false, true]);
      });
    },
  );

  const knownByPrototype = kinds.filter((kind) => kind !== "map" && kind !== "set");
  it.each(knownByPrototype)("equals its plain value by util.isDeepStrictEqual: %s", async (kind) => {
    await beside(kind, (tracked, plain, other) => {
      expect([others.isDeepStrictEqual(tracked, plain), others.isDeepStrictEqual(plain, tracked)]).toEqual([
        true,
        true,
      ]);
      expect(others.isDeepStrictEqual(tracked, other)).toBe(true);
    });
  });

  it.each(["map", "set"])(
    "isn't a %s to util.isDeepStrictEqual, like every Proxy, but its snapshot is",
    async (kind) => {
      await beside(kind, (tracked, plain) => {
        expect([
          others.types.isMap(tracked),
          others.types.isSet(tracked),
          others.isDeepStrictEqual(tracked, plain),
        ]).toEqual([false, false, false]);
        expect(others.isDeepStrictEqual(snapshot(tracked), plain)).toBe(true);
      });
    },
  );

  it("is a Date in everything but its setters, which nothing lists", async () => {
    await beside("date", (tracked) => {
      const date = tracked as Date;
      expect(Object.getPrototypeOf(date)).toBe(Date.prototype);
      expect([Object.keys(date), JSON.stringify({ ...(date as object) })]).toEqual([[], "{}"]);
      const setters = Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith("set"));
      expect(Object.getOwnPropertyNames(date).toSorted()).toEqual(setters.toSorted());
      // A date that is made of it is an ordinary one.
      expect(Object.getOwnPropertyNames(new Date(date))).toEqual([]);
      expect(thrownBy(() => Object.assign(date, { zone: "UTC" }))).toBeInstanceOf(TypeError);
      expect(thrownBy(() => Object.assign(date, { setTime: () => 0 }))).toBeInstanceOf(TypeError);
    });
  });

  it("stores what each setter of a Date sets", async () => {
    const stub = env.ACCESSOR_THINGS.getByName("setters");
    const setters = Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith("set"));
    for (const [i, name] of setters.entries()) {
      const set = (date: Date): number => (Reflect.get(date, name) as (value: number) => number).call(date, i + 2);
      const plain = new Date(1_000);
      await runInDurableObject(stub, (self) => self.run((things) => (things.date = new Date(1_000))));
      const result = await runInDurableObject(stub, (self) => self.run((things) => set(things.date)));
      expect([name, result]).toEqual([name, set(plain)]);
      await evictDurableObject(stub);
      expect(await runInDurableObject(stub, (self) => self.run((things) => things.date.getTime()))).toBe(
        plain.getTime(),
      );
    }
  });
});

describe("printing a tracked value that was not read since the object woke up", () => {
  const entries = Array.from({ length: 300 }, (_, i): [string, { n: number }] => [`key ${i}`, { n: i }]);
  const large: Record<string, () => unknown> = {
    map: () => new Map(entries),
    set: () => new Set(entries.map(([key]) => key)),
    array: () => entries.map(([key]) => key),
    object: () => Object.fromEntries(entries),
  };
  let made = 0;
  const options = { depth: 9, maxArrayLength: null };
  /** As the inspector prints it, but for the name of the Proxy. */
  const print = (value: unknown): string => others.inspect(value, options).replaceAll(/Proxy\(([^]*)\)/g, "$1");

  /** Runs work on a value right after the object woke up. */
  const cold = async <R>(value: unknown, work: (value: never, kv: SyncKvStorage) => R): Promise<R> => {
    const stub = env.ACCESSOR_THINGS.getByName(`printing ${made++}`);
    await runInDurableObject(stub, (self) => self.run((things) => (things.any = value)));
    await evictDurableObject(stub);
    return await runInDurableObject(stub, (self, { storage }) =>
      self.run((things) => work(things.any as never, storage.kv)),
    );
  };

  it.each(Object.keys(large))("shows every entry of a large %s", async (kind) => {
    const value = large[kind]!();
    expect(await cold(value, print)).toBe(others.inspect(value, options));
  });

  it.each(Object.keys(large))("shows every entry of a partly read one, and of the ones inside it: %s", async (kind) => {
    const value = { inner: [large[kind]!(), { map: new Map([["deep", large[kind]!()]]) }] };
    const seen = await cold(value, (tracked: typeof value) => {
      const [first] = tracked.inner as [Map<string, unknown> & string[] & Record<string, unknown>];
      if (kind === "map") first.get("key 7");
      else if (kind === "set") first.has("key 7");
      else if (kind === "array") Reflect.get(first, 7);
      else Reflect.get(first, "key 7");
      return print(tracked);
    });
    expect(seen).toBe(others.inspect(value, options));
  });

  it.each(Object.keys(large))("shows what was changed and not written yet: %s", async (kind) => {
    const add = (value: unknown): void => {
      if (value instanceof Map) value.set("new", { n: -1 });
      else if (value instanceof Set) value.add("new");
      else if (Array.isArray(value)) value.push("new");
      else (value as Record<string, unknown>)["new"] = 1;
    };
    const value = large[kind]!();
    const seen = await cold(value, (tracked: object) => (add(tracked), print(tracked)));
    add(value);
    expect(seen).toBe(others.inspect(value, options));
  });

  it.each(Object.keys(large))("leaves no trace on a %s that other code could see", async (kind) => {
    const value = large[kind]!() as object;
    const plain = Reflect.ownKeys(value).length;
    const seen = await cold(value, (tracked: object) => [
      Reflect.ownKeys(tracked).length,
      (print(tracked), Reflect.ownKeys(tracked).length),
      Object.getOwnPropertySymbols(snapshot(tracked)).length,
    ]);
    expect(seen).toEqual([plain, plain, 0]);
    expect(await cold({ a: value, b: 1 }, (tracked: { a: object; b: unknown }) => show((tracked.b = tracked.a)))).toBe(
      show(value),
    );
  });

  it("shows the error in place of the entries when they cannot be read, and throws nothing", async () => {
    const seen = await cold(large["map"]!(), (tracked: Map<string, unknown>, kv) => {
      const parts = [...kv.list({ prefix: "durable-base:part:any:" })].map(([key]) => key);
      kv.delete(parts.at(-2)!);
      return [print(tracked), thrownBy(() => tracked.size).code];
    });
    expect(seen).toEqual([
      expect.stringMatching(/^\[DurableError: AccessorThings\.any.*is missing/),
      "field-unreadable",
    ]);
  });

  it.each(Object.keys(large))("shows entries in the message of a failed assertion of vitest: %s", async (kind) => {
    const failed = await cold(large[kind]!(), (tracked) => thrownBy(() => expect(tracked).toEqual("another")));
    expect(failed.message).toMatch(/^expected .*'?key 0'?.* to deeply equal 'another'$/);
  });
});
