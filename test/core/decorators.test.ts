import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, DurableError, Persisted, Route } from "durable-base";
import { evict } from "durable-base/testing";
import { describe, expect, it } from "vitest";
import { planOf } from "../../src/core/plan.ts";
import { errorOf } from "../error-of.ts";
import { misplacedLegacy } from "../legacy/misplaced.ts";
import { decorate, Mixed } from "./fixtures/mixed.ts";

type Untyped = (target: unknown, context: unknown) => unknown;

const codeAndFix = (decorate: () => unknown): [string, string] => {
  try {
    decorate();
  } catch (error) {
    if (DurableError.is(error)) return [error.code, error.message];
    throw error;
  }
  throw new Error("expected a DurableError");
};

/** A context as a compiler passes it, for members TypeScript would not let us decorate. */
const context = (changes: object): object => ({
  kind: "accessor",
  name: "count",
  static: false,
  private: false,
  metadata: {},
  addInitializer() {},
  ...changes,
});

describe("@Persisted in a wrong place (standard)", () => {
  it.each<[string, object, string, string]>([
    ["#private", { name: "#count", private: true }, "bad-decorator", "@Persisted() accessor count = …"],
    ["static", { static: true }, "bad-decorator", "a static member belongs to no object"],
    ["a method", { kind: "method" }, "bad-decorator", "a method holds no value"],
    ["a getter", { kind: "getter" }, "bad-decorator", "a getter holds no value"],
    ["a symbol", { name: Symbol("count") }, "bad-decorator", "must be a string"],
    ["the name `constructor`", { name: "constructor" }, "reserved-name", "constructor"],
    ["the name `__proto__`", { name: "__proto__" }, "reserved-name", "__proto__"],
    ["a member of the base", { name: "name" }, "reserved-name", "myName"],
    ["a hook", { name: "onStart" }, "reserved-name", "onStart"],
    ["a name the platform owns", { name: "alarm" }, "reserved-name", "alarm"],
  ])("throws for %s, with the line to write", (_, changes, code, text) => {
    for (const decorate of [Persisted, Persisted()] as Untyped[]) {
      const [found, message] = codeAndFix(() => decorate(undefined, context(changes)));
      expect(found).toBe(code);
      expect(message).toContain(text);
    }
  });

  it("throws in a class that does not extend DurableBase", () => {
    class Loose {
      @Persisted() accessor count = 0;
    }
    expect(codeAndFix(() => new Loose())).toEqual([
      "bad-decorator",
      expect.stringContaining("class Loose extends DurableBase"),
    ]);
  });
});

describe("@Persisted in a wrong place (legacy)", () => {
  it.each([...misplacedLegacy])("throws for %s, with the line to write", (_, decorate, code, text) => {
    const [found, message] = codeAndFix(decorate);
    expect(found).toBe(code);
    expect(message).toContain(text);
  });
});

describe("@Persisted({ … }) that cannot work", () => {
  const make = Persisted as unknown as (options: unknown) => Untyped;
  const asStandard = (options: unknown, metadata = {}, name = "count"): unknown =>
    make(options)(undefined, context({ metadata, name }));
  const asLegacy = (options: unknown, prototype = {}, name = "count"): unknown => make(options)(prototype, name);

  it.each<[string, unknown, string, string]>([
    ["no object", 5, "bad-option", "@Persisted(5) count: options are an object"],
    ["null", null, "bad-option", "@Persisted({ eager: true }) accessor count = …"],
    ["an unknown option", { keys: "a" }, "bad-option", "the options are version, migrate, key, eager, schema, codec"],
    ["a name of Object.prototype", { toString: 1 }, "bad-option", "the options are version"],
    ["version 0", { version: 0, migrate: Number }, "bad-option", "@Persisted({ version: 0 }) count"],
    ["a fraction", { version: 1.5, migrate: Number }, "bad-option", "version: 2, migrate: (old) => …"],
    ["a version in quotes", { version: "2", migrate: Number }, "bad-option", "it cannot have that value"],
    ["an infinite version", { version: Infinity, migrate: Number }, "bad-option", "{ version: Infinity }"],
    ["a version without migrate", { version: 2 }, "bad-option", "values of older versions need `migrate`"],
    ["migrate without a version", { migrate: Number }, "bad-option", "version: 2, migrate: (old) => …"],
    ["migrate before version 2", { version: 1, migrate: Number }, "bad-option", "versions before `version`"],
    ["migrate that is no function", { version: 2, migrate: 1 }, "bad-option", "{ migrate: 1 }"],
    ["eager that is no boolean", { eager: "yes" }, "bad-option", "eager: true"],
    ["a schema that is none", { schema: { parse: Number } }, "bad-option", "schema: z.number()"],
    ["a codec without decode", { codec: { encode: Number } }, "bad-option", "decode: (stored) => …"],
    ["no codec", { codec: null }, "bad-option", "encode: (value) => …"],
    ["no old name", { renamedFrom: [] }, "bad-option", 'renamedFrom: "oldName"'],
    ["an empty old name", { renamedFrom: ["a", ""] }, "bad-option", 'renamedFrom: "oldName"'],
    ["its own name as the old one", { renamedFrom: "count" }, "bad-option", "the field count has that name"],
    ["an empty key", { key: "" }, "bad-key", '@Persisted({ key }) count: The key "" is empty'],
    ["a key that is no string", { key: 5 }, "bad-key", "is no string"],
    ["an ill-formed key", { key: "\ud800" }, "bad-key", "lone surrogate"],
    ["a long key", { key: "ż".repeat(1_025) }, "bad-key", "over 2048 bytes"],
    ["the library's own key", { key: "durable-base:record" }, "reserved-key", "Use another prefix"],
  ])("throws for %s, with what to write", (_, options, code, text) => {
    for (const decorate of [asStandard, asLegacy]) {
      const [found, message] = codeAndFix(() => decorate(options));
      expect(found).toBe(code);
      expect(message).toContain(text);
    }
  });

  it("takes options that are undefined for none", () => {
    const undefinedOptions = { version: undefined, migrate: undefined, key: undefined, schema: undefined };
    expect(asStandard(undefinedOptions)).toHaveProperty("init");
    expect(() => asLegacy(undefined)).not.toThrow();
  });

  it.each<[string, [name: string, options: object][], string]>([
    [
      "the same key",
      [
        ["a", { key: "k" }],
        ["b", { key: "k" }],
      ],
      '@Persisted({ key: "k" }) b: the field a has that key',
    ],
    [
      "an old name that is a field",
      [
        ["a", {}],
        ["b", { renamedFrom: "a" }],
      ],
      "the field a has that name",
    ],
    [
      "one declared later",
      [
        ["b", { renamedFrom: ["x", "a"] }],
        ["a", {}],
      ],
      '@Persisted({ renamedFrom: "a" }) b',
    ],
    [
      "the same old name",
      [
        ["a", { renamedFrom: "x" }],
        ["b", { renamedFrom: "x" }],
      ],
      "the field a has that name",
    ],
  ])("throws for two fields with %s", (_, fields, text) => {
    for (const decorate of [asStandard, asLegacy]) {
      const holder = {};
      const [code, message] = codeAndFix(() => fields.map(([name, options]) => decorate(options, holder, name)));
      expect(code).toBe("bad-option");
      expect(message).toContain(text);
    }
  });

  it("tells the first caller of a subclass whose field clashes with an inherited one", async () => {
    class Parent extends DurableBase {
      @Persisted({ key: "k" }) accessor first = 0;
    }
    class Child extends Parent {
      @Persisted({ key: "k" }) accessor second = 0;
      read(): number {
        return this.second;
      }
    }
    await runInDurableObject(env.PROBE.getByName("clash"), async (_, state) => {
      const child = new Child(state, env);
      await scheduler.wait(0);
      const error = await errorOf(() => child.read());
      expect(DurableError.is(error, "bad-option") && error.message).toContain("the field first has that key");
    });
  });
});

describe("decorators() for vite", () => {
  it("leaves its name to a class that names itself, so that `serve` finds it", () => {
    class Named extends DurableBase {
      static readonly first = new Set<string>();

      @Route.get("/")
      first(): number {
        return Named.first.size;
      }
    }
    expect(Named.name).toBe("Named");
  });
});

describe("a class with decorators of both dialects", () => {
  const post = (text: string): RequestInit => ({
    method: "POST",
    body: JSON.stringify({ text }),
    headers: { "content-type": "application/json" },
  });
  const at = (path: string): string => `http://object${path}`;
  // Reads the body, since an open one keeps its object in memory.
  const statusOf = async (answer: Promise<Response>): Promise<number> => {
    const response = await answer;
    await response.text();
    return response.status;
  };

  it.each(["MIXED", "MIXED_CHILD", "MIXED_HEIR"] as const)(
    "keeps every field and serves every route of %s",
    async (binding) => {
      const object = env[binding].getByName("fields and routes");
      expect(await statusOf(object.fetch(at("/kept"), post("a")))).toBe(binding === "MIXED_HEIR" ? 404 : 200);
      expect(await statusOf(object.fetch(at("/plain"), post("b")))).toBe(binding === "MIXED_CHILD" ? 404 : 200);
      await object.keep({ text: "c" });
      await object.note({ text: "d" });
      const state = [binding === "MIXED_HEIR" ? ["c"] : ["a", "c"], binding === "MIXED_CHILD" ? ["d"] : ["b", "d"]];
      await evict(object);
      for (const path of ["/", "/all"]) expect(await (await object.fetch(at(path))).json()).toEqual(state);
      // A persisted field is out of a stub's reach, whatever declares it.
      for (const field of ["kept", "plain"] as const) {
        const error = await errorOf(() => object[field as "jobs"]());
        expect(error.message).toContain("does not implement");
      }
    },
  );

  it.each(["MIXED", "MIXED_CHILD", "MIXED_HEIR"] as const)(
    "undoes what a legacy @Atomic method of %s changed in fields of both",
    async (binding) => {
      const object = env[binding].getByName("atomic");
      await object.keep({ text: "a" });
      expect(await statusOf(object.fetch(at("/fail"), post("b")))).toBe(500);
      expect(await object.read()).toEqual([["a"], []]);
    },
  );

  it("runs the declared jobs of both, and marks methods of both", async () => {
    const object = env.MIXED.getByName("jobs");
    await object.keep({ text: "a" });
    expect(await object.jobs()).toEqual(["@look", "@sweep"]);
    expect([...planOf(Mixed).idempotent.keys()]).toEqual(["sweep"]);
  });

  it("refuses routes that hide one another across the dialects", () => {
    class Hidden extends DurableBase {
      @Route.get("/a")
      first(): void {}
      second(): void {}
      third(): void {}
    }
    const [code, message] = codeAndFix(() => decorate(Hidden.prototype, "second", Route.get("/a")));
    expect([code, message]).toEqual(["bad-decorator", expect.stringContaining("on second is never reached")]);
    expect(codeAndFix(() => decorate(Hidden.prototype, "first", Route.none()))[0]).toBe("bad-decorator");
  });

  it("refuses a field that is declared twice, in one dialect or in both", () => {
    const twice = expect.stringContaining("it is persisted already");
    class Both extends DurableBase {
      @Persisted() plain = 0;
    }
    expect(codeAndFix(() => decorate(Both.prototype, "plain", Persisted({ eager: true })))).toEqual([
      "bad-decorator",
      twice,
    ]);
    expect(
      codeAndFix(() => {
        class Standard extends DurableBase {
          @Persisted() @Persisted({ eager: true }) accessor count = 0;
        }
        return Standard;
      }),
    ).toEqual(["bad-decorator", twice]);
    class Legacy extends DurableBase {}
    expect(codeAndFix(() => decorate(Legacy.prototype, "count", Persisted(), Persisted()))).toEqual([
      "bad-decorator",
      twice,
    ]);
  });

  it("joins legacy decorators that a static block applies", async () => {
    class Early extends DurableBase {
      static {
        decorate(this.prototype, "plain", Persisted());
      }
      @Persisted() accessor count = 0;
    }
    expect([...planOf(Early).fields.keys()]).toEqual(["count", "plain"]);
  });

  it("refuses legacy decorators that ran before the class had metadata", async () => {
    class Early extends DurableBase {}
    decorate(Early.prototype, "plain", Persisted());
    const metadata = {};
    (Persisted as unknown as Untyped)(undefined, context({ metadata }));
    Object.defineProperty(Early, Symbol.metadata, { value: metadata });
    await runInDurableObject(env.PROBE.getByName("early"), async (_, state) => {
      const error = await errorOf(() => new Early(state, env));
      expect(DurableError.is(error, "bad-decorator") && error.message).toContain(
        "Early has legacy and standard decorators",
      );
    });
  });
});
