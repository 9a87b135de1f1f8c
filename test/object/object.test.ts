import { evictDurableObject, listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, type Handle, Object } from "durable-base";
import { describe, expect, it } from "vitest";
import { makeHandle } from "../../src/object/handle.ts";
import { errorOf } from "../error-of.ts";
import { Peer, QuotaError } from "./fixtures/object.ts";

const Global = globalThis.Object;

const thrownBy = (act: () => unknown): DurableError => {
  try {
    act();
  } catch (error) {
    if (DurableError.is(error)) return error;
    throw error;
  }
  throw new Error("expected an error");
};

describe("Object.from(namespace)", () => {
  it("finds the object of a name, as the class's own `from` does", async () => {
    await Object.from(env.PEER).byName("alice").arrive(1);
    await Peer.from(env.PEER).byName("alice").arrive(2);
    await Object.from(env.PEER).byName("bob").arrive(3);
    expect(await env.PEER.getByName("alice").arrived()).toEqual([1, 2]);
  });

  it("finds objects by id: an id or its text, with the name where the id has one", async () => {
    const id = env.PEER.idFromName("carol");
    await Object.from(env.PEER).byName("carol").arrive(1);
    expect(await Object.from(env.PEER).byId(id).arrived()).toEqual([1]);
    expect(await Object.from(env.PEER).byId(id.toString()).arrived()).toEqual([1]);
    expect(Object.from(env.PEER).byId(id).name).toBe("carol");
    expect(Object.from(env.PEER).byId(id.toString()).name).toBeUndefined();
  });

  it("makes objects without a name, which their id finds again", async () => {
    const peers = Object.from(env.PEER);
    const one = peers.unique();
    const other = peers.unique();
    expect(one.name).toBeUndefined();
    expect(one.id.equals(other.id)).toBe(false);
    await one.arrive(5);
    expect(await one.arrived()).toEqual([5]);
    expect(await peers.byId(one.id.toString()).arrived()).toEqual([5]);
    expect(await other.arrived()).toEqual([]);
  });

  /** A namespace that notes what it is asked for; local workerd has no jurisdictions and heeds no hints. */
  const noting = (asked: unknown[], prefix = ""): typeof env.PEER =>
    ({
      getByName: (name: string, options: unknown) => (asked.push([prefix + name, options]), env.PEER.getByName(name)),
      get: (id: DurableObjectId, options: unknown) => (asked.push([String(id), options]), env.PEER.get(id)),
      idFromString: (id: string) => env.PEER.idFromString(id),
      jurisdiction(where: string) {
        if (where !== "eu") throw new Error("no such jurisdiction");
        return noting(asked, `${where}/`);
      },
    }) as unknown as typeof env.PEER;

  it("passes jurisdiction, location hint and retries on", () => {
    const asked: unknown[] = [];
    const peers = Object.from(noting(asked), { retry: { maxRetries: 2, timeoutMs: 1_000 } });
    const id = env.PEER.idFromName("f");
    peers.byName("a");
    peers.locationHint("weur").byName("b");
    peers.jurisdiction("eu").byName("c");
    peers.locationHint("weur").jurisdiction("eu").locationHint("oc").byName("d");
    peers.locationHint("oc").byId(id);
    Peer.from(noting(asked), { retry: { maxRetries: 0 } }).byName("g");
    Object.from(noting(asked)).byName("h");
    const retry = { maxRetries: 2, timeoutMs: 1_000 };
    expect(asked).toEqual([
      ["a", { retry }],
      ["b", { retry, locationHint: "weur" }],
      ["eu/c", { retry }],
      ["eu/d", { retry, locationHint: "oc" }],
      [String(id), { retry, locationHint: "oc" }],
      ["g", { retry: { maxRetries: 0 } }],
      ["h", undefined],
    ]);
  });

  it.each([undefined, "", "moon", 5])("refuses the jurisdiction %s", (where) => {
    for (const namespace of [env.PEER, noting([])]) {
      const error = thrownBy(() => Object.from(namespace).jurisdiction(where as "eu"));
      expect(error).toMatchObject({ code: "bad-option" });
      expect(error.message).toContain('.jurisdiction("eu")');
    }
  });

  it.each([{ maxRetries: 11 }, { maxRetries: -1 }, { maxRetries: 1.5 }, { timeoutMs: 499 }, { timeoutMs: 60_001 }])(
    "refuses the retries %o",
    (retry) => {
      expect(thrownBy(() => Object.from(env.PEER, { retry }))).toMatchObject({ code: "bad-option" });
    },
  );

  it("sends nothing until the first call, and then that call alone (fault 16)", async () => {
    const ids = async (): Promise<string[]> => (await listDurableObjectIds(env.PEER)).map(String);
    const handle = Object.from(env.PEER).byName("not yet");
    void handle.arrive;
    await scheduler.wait(10);
    expect(await ids()).not.toContain(String(handle.id));

    const sent: PropertyKey[] = [];
    const recording = new Proxy(env.PEER.getByName("recorded"), {
      get: (stub, key) => (sent.push(key), Reflect.get(stub, key) as unknown),
    });
    expect(await makeHandle<Handle<Peer>>(() => recording).arrive(1)).toBe(1);
    expect(sent).toEqual(["arrive"]);
  });

  it("gives an object its name by `fetch` first, by RPC first, and after an eviction (fault 16)", async () => {
    const nameOf = async (handle: Handle<Peer>): Promise<unknown> =>
      (await (await handle.fetch("http://o/")).json<{ name: string }>()).name;
    const handle = Object.from(env.PEER).byName("named");
    expect(await nameOf(handle)).toBe("named");
    await evictDurableObject(env.PEER.getByName("named"));
    await handle.calls();
    expect(await nameOf(handle)).toBe("named");
  });

  it("reaches nothing of the base, and no field (fault 13)", async () => {
    const handle = Object.from(env.PEER).byName("closed") as unknown as Record<string, () => Promise<unknown>>;
    for (const member of ["ctx", "env", "onStart", "items", "sql", "_persistProperty", "alarm", "#arrived"]) {
      const called = await errorOf(async () => await handle[member]!());
      expect([member, called.message]).toEqual([
        member,
        expect.stringMatching(/does not implement|is a reserved method/),
      ]);
      const read = await errorOf(async () => await handle[member]);
      expect([member, read.message]).toEqual([
        member,
        expect.stringMatching(/does not implement|is a reserved method/),
      ]);
    }
  });
});

describe("what Object.from refuses, at once", () => {
  it("a missing binding, with the lines for wrangler.toml in both forms", () => {
    for (const missing of [undefined, null, 5, "COUNTER", {}, Object.create(null), () => undefined]) {
      const error = thrownBy(() => Object.from(missing as never));
      expect(error.code).toBe("missing-binding");
      expect(error.message).toContain('[exports.Counter]\ntype = "durable-object"\nstorage = "sqlite"');
      expect(error.message).toContain('[[migrations]]\ntag = "add-Counter"\nnew_sqlite_classes = ["Counter"]');
      expect(error.message).toContain('[[durable_objects.bindings]]\nname = "COUNTER"\nclass_name = "Counter"');
    }
    const error = thrownBy(() => Peer.from(undefined as never));
    expect(error.message).toContain("[exports.Peer]");
    expect(error.message).toContain('name = "PEER"\nclass_name = "Peer"');
  });

  it("names that would open another object than meant", () => {
    const peers = Object.from(env.PEER);
    for (const [name, why] of [
      ["", "is empty"],
      [undefined, "is no string"],
      [null, "is no string"],
      [5, "is no string"],
      [Symbol("x"), "is no string"],
      [Object.create(null), "The name object is no string"],
      ["a\ud800b", "lone surrogate"],
      ["x".repeat(1_025), "over 1024 bytes"],
      ["€".repeat(342), "over 1024 bytes"],
    ] as const) {
      const error = thrownBy(() => peers.byName(name as string));
      expect([error.code, error.message]).toEqual(["bad-name", expect.stringContaining(why)]);
    }
  });

  it("an error class that is none, as an import in a circle gives it", () => {
    const error = thrownBy(() => Peer.from(env.PEER, { errors: [QuotaError, undefined as never] }));
    expect([error.code, error.message]).toEqual(["bad-option", expect.stringContaining("`errors` is no class")]);
  });

  it("no name that is fit: the object knows each", async () => {
    for (const name of ["x".repeat(1_024), "€".repeat(341), "undefined", "__proto__", " ", "\0", "a/b?c", "😀"]) {
      const response = await Object.from(env.PEER).byName(name).fetch("http://o/");
      expect(await response.json()).toMatchObject({ name });
    }
  });

  it("ids that are malformed, or of another class", () => {
    const peers = Object.from(env.PEER);
    for (const id of [
      "",
      "zz",
      "0".repeat(64),
      undefined,
      Object.create(null) as string,
      env.PROBE.idFromName("x"),
      env.PROBE.idFromName("x").toString(),
    ]) {
      expect(thrownBy(() => peers.byId(id as string)).code).toBe("bad-id");
    }
  });
});

describe("Object stands in for the global one", () => {
  it("inherits from it, and adds only `from` and `native`", () => {
    expect(Global.getPrototypeOf(Object)).toBe(Global);
    expect(Global.keys(Object)).toEqual(["from", "native"]);
    expect(Object.prototype).toBe(Global.prototype);
  });

  it("has all its functions", () => {
    for (const name of Global.getOwnPropertyNames(Global)) {
      if (name === "name" || name === "length") continue;
      expect([name, (Object as unknown as Record<string, unknown>)[name]]).toEqual([
        name,
        (Global as unknown as Record<string, unknown>)[name],
      ]);
    }
    expect(Object.keys({ a: 1 })).toEqual(["a"]);
    expect(Object.fromEntries([["a", 1]])).toEqual({ a: 1 });
    expect(Object.getPrototypeOf(Object.create(null))).toBe(null);
  });

  it("can be called, constructed, extended and asked with instanceof", () => {
    expect(Object(5)).toBeInstanceOf(Number);
    const value = {};
    expect(Object(value)).toBe(value);
    expect(Global.getPrototypeOf(new Object())).toBe(Global.prototype);
    expect(new Object("text")).toBeInstanceOf(String);
    class Point extends Object {
      x = 1;
    }
    const point = new Point();
    expect([point instanceof Point, point.x, Global.keys(point)]).toEqual([true, 1, ["x"]]);
    expect([] instanceof Object).toBe(true);
    expect(Object.create(null) instanceof Object).toBe(false);
    expect({}.constructor === Global).toBe(true);
  });
});
