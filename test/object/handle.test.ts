import { abortAllDurableObjects, reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableError, type Handle, Object, type Stub } from "durable-base";
import { afterEach, describe, expect, it } from "vitest";
import { makeHandle } from "../../src/object/handle.ts";
import { broken, Peer, QuotaError } from "./fixtures/object.ts";

const peer = (name: string): Handle<Peer> => Object.from(env.PEER).byName(name);

const errorOf = async (call: () => unknown): Promise<Error & Record<string, unknown>> => {
  try {
    await call();
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error("expected an error");
};

declare const process: {
  listeners(event: "unhandledRejection"): ((error: unknown) => void)[];
  removeAllListeners(event: "unhandledRejection"): void;
  on(event: "unhandledRejection", listener: (error: unknown) => void): void;
};

describe("a handle", () => {
  it("calls methods, with the results that a native stub gives", async () => {
    const handle = peer("results");
    expect(await handle.arrive(3)).toBe(1);
    expect(await handle.arrived()).toEqual([3]);
    expect(await handle.later(1)).toBe(1);
    for (const value of [
      undefined,
      null,
      5n,
      NaN,
      new Date(7),
      new Map([[1, new Set(["a"])]]),
      new Uint8Array([1, 2]),
    ]) {
      expect(await handle.echo(value)).toStrictEqual(value);
    }
    const clone: unknown = await env.PEER.getByName("results").arrived();
    expect(await handle.arrived()).toStrictEqual(clone);
  });

  it("reads getters, which its type leaves out", async () => {
    const handle = peer("getters");
    await handle.arrive(4);
    const untyped = handle as unknown as { total: Promise<number> };
    expect(await untyped.total).toBe(4);
    expect(await untyped.total.then((total) => total + 1)).toBe(5);
  });

  it("gives the same function for a method every time", () => {
    const handle = peer("same");
    expect(handle.arrive).toBe(handle.arrive);
    expect(handle.arrive).not.toBe(handle.arrived);
  });

  it("has the id and name of its object", () => {
    const handle = peer("alice");
    expect(handle.name).toBe("alice");
    expect(handle.id.equals(env.PEER.idFromName("alice"))).toBe(true);
  });

  it("passes requests on by `fetch`", async () => {
    const response = await peer("http").fetch("http://o/path?q=1", { method: "POST", body: "text" });
    expect(await response.json()).toEqual({ name: "http", method: "POST", path: "/path?q=1", body: "text" });
    const detached = peer("http").fetch;
    expect((await detached(new Request("http://o/"))).status).toBe(200);
  });

  it("opens WebSockets by `fetch`", async () => {
    const response = await peer("socket").fetch("http://o/", { headers: { upgrade: "websocket" } });
    const socket = response.webSocket!;
    const message = new Promise((resolve) => socket.addEventListener("message", ({ data }) => resolve(data)));
    socket.accept();
    expect(await message).toBe("hello from socket");
    socket.close();
  });

  it("keeps the order of calls that are not awaited, and after a reset too", async () => {
    const handle = peer("order");
    const numbers = Array.from({ length: 1_000 }, (_, n) => n);
    await Promise.all(numbers.map((n) => handle.arrive(n)));
    expect(await handle.arrived()).toEqual(numbers);
    await errorOf(() => handle.abort());
    await Promise.all(numbers.map((n) => handle.arrive(n)));
    expect(await handle.arrived()).toEqual(numbers);
  });

  it("takes a fresh stub for each `connect`, whose sockets fail by themselves", async () => {
    let opened = 0;
    const handle = makeHandle<DurableObjectStub>(() => (opened++, env.PEER.getByName("sockets")));
    for (const port of [1, 2]) {
      const { opened: whenOpened, closed } = handle.connect(`o:${port}`);
      await Promise.allSettled([whenOpened, closed]);
    }
    expect(opened).toBe(3);
  });

  it("pipelines calls on a result that has not arrived", async () => {
    const handle = peer("pipelining");
    using lamp = handle.makeLamp();
    // Neither waits for the other's answer; both reach the same lamp.
    expect(await Promise.all([lamp.light(2), lamp.light(3)])).toEqual([2, 5]);
    const nested = handle.nested() as unknown as { deep: { value: Promise<number> } };
    expect(await nested.deep.value).toBe(7);
  });

  it("sends a call once, however often its promise is looked at", async () => {
    const handle = peer("once");
    const call = handle.wakeUp();
    await Promise.all([call, call, call.then(), call.finally(() => undefined), call.catch(() => undefined)]);
    expect(await handle.calls()).toBe(1);
  });
});

describe("a handle is no promise and no data", () => {
  it("can be awaited and returned from async functions", async () => {
    const handle = peer("await");
    expect(await (handle as unknown)).toBe(handle);
    expect(await (async () => await Promise.resolve(handle))()).toBe(handle);
    expect("then" in handle).toBe(false);
  });

  it("can be made JSON and text of, without a call", async () => {
    const handle = peer("json");
    expect(JSON.parse(JSON.stringify({ handle }))).toEqual({ handle: { name: "json", id: { name: "json" } } });
    expect(String(handle)).toBe("[object Object]");
    console.log(handle);
    await runInDurableObject(env.PEER.getByName("json"), async (self) => expect(self.calls()).toBe(0));
  });
});

describe("a handle and errors", () => {
  afterEach(() => broken.clear());

  it("rejects with what the method threw, and goes on with the same instance", async () => {
    const handle = peer("throws");
    const wakeUp = await handle.wakeUp();
    const error = await errorOf(() => handle.fail("no"));
    expect(error).toMatchObject({ message: "no", overloaded: true, remote: true });
    expect(await handle.wakeUp()).toBe(wakeUp);
  });

  it("gives errors of ours as themselves, where a native stub gives what DurableError.is knows (fault 14)", async () => {
    const native = await errorOf(() => env.PEER.getByName("typed").failTyped());
    expect(native).not.toBeInstanceOf(DurableError);
    const error = await errorOf(() => peer("typed").failTyped());
    expect(error).toBeInstanceOf(DurableError);
    for (const one of [native, error]) {
      expect(DurableError.is(one, "not-json")).toBe(true);
      expect(DurableError.is(one, "bad-name")).toBe(false);
    }
  });

  it("gives no error for ours that has but its name, and ours also where a minifier renamed the class", async () => {
    const forged = await errorOf(() => peer("forged").failOver("nameless"));
    expect(forged.name).toBe("DurableError");
    expect([forged instanceof DurableError, DurableError.is(forged)]).toEqual([false, false]);
    const name = globalThis.Object.getOwnPropertyDescriptor(DurableError, "name")!;
    globalThis.Object.defineProperty(DurableError, "name", { ...name, value: "a" });
    try {
      expect(await errorOf(() => peer("forged").failTyped())).toBeInstanceOf(DurableError);
    } finally {
      globalThis.Object.defineProperty(DurableError, "name", name);
    }
  });

  const quotas = (name: string): Handle<Peer> => Object.from(env.PEER, { errors: [QuotaError] }).byName(name);

  it("gives errors of registered classes as themselves, inside others too", async () => {
    const error = await errorOf(() => quotas("quota").failOver("plain"));
    expect(error).toBeInstanceOf(QuotaError);
    expect(error).toMatchObject({ name: "QuotaError", message: "only 0 left", left: 0, isEmpty: true, remote: true });
    const many = await errorOf(() => quotas("quota").failOver("inside"));
    expect(many).toBeInstanceOf(AggregateError);
    expect(many.cause).toBeInstanceOf(QuotaError);
    expect((many as unknown as AggregateError).errors[0]).toBeInstanceOf(QuotaError);
    expect((many as unknown as AggregateError).errors[1]).toBeInstanceOf(DurableError);
    expect(await errorOf(() => quotas("quota").failOver("other"))).toBeInstanceOf(TypeError);
    const unknown = await errorOf(() => peer("quota").failOver("plain"));
    expect(unknown).not.toBeInstanceOf(QuotaError);
    expect(unknown.name).toBe("QuotaError");
  });

  it("loses of an error what cannot be cloned, and nothing else", async () => {
    await peer("uncloneable").fill();
    const error = await errorOf(() => quotas("uncloneable").failOver("uncloneable"));
    expect(error).toMatchObject({ name: "QuotaError", left: 0, kept: { at: new Date(5) } });
    expect(error["items"]).toEqual(new Map([["milk", { at: new Date(5), tags: ["shop"] }]]));
    for (const key of ["call", "symbol", "deep"]) expect(error).not.toHaveProperty(key);
  });

  it("keeps stacks inside, unless the class lets them out", async () => {
    const inside = await errorOf(() => peer("stack").failOver("plain"));
    expect(inside.stack).not.toContain("failOver");
    expect(inside).not.toHaveProperty("remoteStack");
    Peer.remoteStacks = true;
    try {
      await errorOf(() => peer("stack").abort());
      expect((await errorOf(() => peer("stack").failOver("plain")))["remoteStack"]).toContain("failOver");
    } finally {
      delete Peer.remoteStacks;
    }
  });

  it("survives `ctx.abort()`: only the call that met it fails", async () => {
    const handle = peer("aborted");
    const wakeUp = await handle.wakeUp();
    expect(await errorOf(() => handle.abort())).toMatchObject({ message: "gone", durableObjectReset: true });
    const next = await handle.wakeUp();
    expect(next).not.toBe(wakeUp);
    expect(await handle.wakeUp()).toBe(next);
    expect(await handle.calls()).toBe(2);
  });

  it("survives a reset that `fetch`, a getter or nobody's call met", async () => {
    const handle = peer("met");
    await handle.calls();
    await errorOf(() => handle.fetch("http://o/abort"));
    expect(await handle.calls()).toBe(0);

    await errorOf(() => env.PEER.getByName("met").abort());
    await errorOf(() => (handle as unknown as { total: Promise<number> }).total);
    expect(await handle.calls()).toBe(0);

    await errorOf(() => env.PEER.getByName("met").abort());
    await errorOf(() => handle.calls());
    expect(await handle.calls()).toBe(0);
  });

  it("survives a reset that only a pipelined call met", async () => {
    const handle = peer("pipelined reset");
    await handle.calls();
    await errorOf(() => env.PEER.getByName("pipelined reset").abort());
    const lamp = handle.makeLamp();
    const met = errorOf(() => lamp.light(1));
    const made = errorOf(() => lamp);
    expect([await met, await made]).toMatchObject([{ durableObjectReset: true }, { durableObjectReset: true }]);
    expect(await handle.calls()).toBe(0);
  });

  it("survives a constructor that throws until the next deploy", async () => {
    const handle = peer("deploy");
    broken.add("deploy");
    for (let i = 0; i < 3; i++) expect(await errorOf(() => handle.calls())).toMatchObject({ message: "a bad deploy" });
    broken.clear();
    expect(await handle.calls()).toBe(0);
  });

  it("goes to one fresh stub when many calls meet one reset", async () => {
    let opened = 0;
    const handle = makeHandle<Handle<Peer>>(() => (opened++, env.PEER.getByName("many")));
    await handle.calls();
    const calls = [handle.abort(), handle.later(20), handle.later(20), handle.fetch("http://o/")];
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "rejected"]);
    expect(await handle.calls()).toBe(0);
    expect(opened).toBe(2);
  });

  it.each<[string, number, unknown]>([
    ["an error without flags", 2, new Error("Application called abortAllDurableObjects().")],
    ["an error that is retryable", 2, Object.assign(new Error("lost"), { retryable: true })],
    ["an error that is overloaded", 2, Object.assign(new Error("busy"), { overloaded: true })],
    ["an error of the platform's own classes", 2, new DOMException("too late", "TimeoutError")],
    ["a reset that the object passed on", 2, Object.assign(new Error("a"), { durableObjectReset: true, remote: true })],
    ["an error that the object's code threw", 1, Object.assign(new Error("no"), { retryable: true, remote: true })],
    ["an argument that cannot cross", 1, new DOMException("could not be cloned", "DataCloneError")],
    ["a text that the object's code threw", 1, "text"],
    ["data that the object's code threw", 1, { retryable: true }],
    ["nothing", 1, undefined],
  ])("after %s the next call has stub number %i", async (_, number, error) => {
    let opened = 0;
    const fail = (): Promise<never> => Promise.reject(error);
    const open = (): unknown => (opened++, { fetch: fail, calls: fail });
    for (const call of ["fetch", "calls"] as const) {
      opened = 0;
      const handle = makeHandle<Handle<Peer>>(open as () => DurableObjectStub);
      await handle[call]("http://o/").then(undefined, () => undefined);
      expect(opened).toBe(number);
    }
  });

  it("takes a fresh stub after a call on a getter has failed, whose arguments are freed of tracking", async () => {
    let opened = 0;
    const sent: unknown[] = [];
    const light = (...args: unknown[]): Promise<never> => {
      sent.push(...args);
      return Promise.reject(new Error("Application called abortAllDurableObjects()."));
    };
    const handle = makeHandle<{ shop: { lamp: { light(by: object): Promise<number> } } }>(
      () => (opened++, { shop: { lamp: { light } } }) as unknown as DurableObjectStub,
    );
    await runInDurableObject(env.PEER.getByName("getter"), async (self) => {
      self.fill();
      const item = self.items.get("milk")!;
      await handle.shop.lamp.light(item).then(undefined, () => undefined);
      expect(sent).toEqual([{ at: new Date(5), tags: ["shop"] }]);
      expect(sent[0]).not.toBe(item);
    });
    expect(opened).toBe(2);
  });

  type Untyped = Handle<Peer> & { total: Promise<number> };

  describe.each([
    ["abortAllDurableObjects()", abortAllDurableObjects],
    ["reset()", reset],
  ])("after %s, whose error carries no flag", (_, end) => {
    it.each<[string, (handle: Untyped) => Promise<unknown>[]]>([
      ["a call", (handle) => [handle.calls()]],
      ["a getter", (handle) => [handle.total]],
      ["fetch", (handle) => [handle.fetch("http://o/")]],
      [
        "a call on a result",
        (handle) => {
          const lamp = handle.makeLamp();
          return [lamp, lamp.light(2)];
        },
      ],
    ])("%s fails once", async (kind, make) => {
      const handle = peer(`unflagged ${kind}`) as Untyped;
      const outcomes = async (): Promise<string[]> =>
        (await Promise.allSettled(make(handle))).map(({ status }) => status);
      const fulfilled = await outcomes();
      await end();
      const rejected = await outcomes();
      expect(await outcomes()).toEqual(fulfilled);
      expect(new Set([...fulfilled, ...rejected])).toEqual(new Set(["fulfilled", "rejected"]));
    });
  });

  it("keeps the order of calls round a call that can't be sent", async () => {
    let opened = 0;
    const handle = makeHandle<Handle<Peer>>(() => (opened++, env.PEER.getByName("order of bad ones")));
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 300; n++) {
      calls.push(handle.arrive(n));
      if (n % 100 === 50) await errorOf(() => handle.echo(Symbol("x")));
    }
    await Promise.all(calls);
    expect(await handle.arrived()).toEqual(Array.from({ length: 300 }, (_, n) => n));
    expect(opened).toBe(1);
  });

  it("leaves an error that nobody handles to be reported, once, and none that somebody does", async () => {
    // vitest's own listeners would count what is meant to happen here as a failure of the run.
    const others = process.listeners("unhandledRejection");
    const reported: string[] = [];
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => reported.push((error as Error).message));
    try {
      void peer("floating").fail("nobody's");
      await errorOf(() => peer("floating").fail("awaited"));
      await peer("floating")
        .fail("caught")
        .catch(() => undefined);
      await peer("floating")
        .fail("with then")
        .then(undefined, () => undefined);
      await scheduler.wait(20);
    } finally {
      process.removeAllListeners("unhandledRejection");
      for (const listener of others) process.on("unhandledRejection", listener);
    }
    expect(reported).toEqual(["nobody's"]);
  });
});

describe("a handle that crosses a call", () => {
  it("arrives as a native stub of its object: as argument, inside one, and as result", async () => {
    const peers = new Map([["c", peer("crossing c")]]);
    expect(await peer("crossing a").tell(peer("crossing b"), { peers })).toEqual([1, 1]);
    expect(await peer("crossing b").arrived()).toEqual([1]);
    expect(await peer("crossing c").arrived()).toEqual([2]);
    using met = await peer("crossing a").introduce("crossing b");
    expect(await met.arrive(3)).toBe(2);
    expect(await peer("crossing a").introduce("crossing b").arrived()).toEqual([1, 3]);
  });

  it("arrives as a fresh stub, even after its own met an error", async () => {
    const crossing = peer("crossing after a reset");
    await crossing.arrive(1);
    await errorOf(() => env.PEER.getByName("crossing after a reset").abort());
    expect(await peer("crossing a").tell(crossing, { peers: new Map([["again", crossing]]) })).toEqual([1, 2]);
  });

  it("is a live object as argument of a native stub, at any depth, even after a reset", async () => {
    const native = env.PEER.getByName("crossing native");
    const tell = async (one: Stub<Peer>, other: Stub<Peer>): Promise<unknown> =>
      await (native as unknown as Stub<Peer>).tell(one, { peers: new Map([["b", other]]) });
    const [d, e] = [peer("crossing d"), peer("crossing e")];
    expect(await tell(d, Object.native(e))).toEqual([1, 1]);
    expect(await tell(Object.native(d), e)).toEqual([2, 2]);
    await errorOf(() => env.PEER.getByName("crossing d").abort());
    expect(await tell(d, e)).toEqual([1, 3]);
    expect([await d.arrived(), await e.arrived()]).toEqual([[1], [2, 2, 2]]);
  });

  it("returns its native stub, with id and name, and a native stub as it is", async () => {
    const stub = Object.native(peer("native"));
    expect([stub.name, stub.id.equals(peer("native").id)]).toEqual(["native", true]);
    expect(await stub.echo(5)).toBe(5);
    expect(Object.native(stub)).toBe(stub);
    expect(Object.native(peer("native"))).not.toBe(Object.native(peer("native")));
  });

  it("lists own properties only for its own names, and can be compared and spread", () => {
    const handle = peer("data");
    expect(globalThis.Object.keys({ ...handle })).toEqual(["id", "name"]);
    expect(globalThis.Object.hasOwn(handle, "id")).toBe(true);
    expect(globalThis.Object.hasOwn(handle, Symbol.dispose)).toBe(false);
    expect(handle).toEqual(handle);
  });

  it("is disposed with `using`, and works in the meantime", async () => {
    using handle = peer("disposed");
    expect(await handle.arrive(1)).toBe(1);
    expect(handle[Symbol.dispose]).toBeInstanceOf(Function);
  });
});

describe("arguments of a handle's calls", () => {
  it("are freed of tracking: tracked values arrive as the data they stand for", async () => {
    await peer("sender").fill();
    expect(await peer("sender").relay("receiver")).toEqual({
      whole: new Map([["milk", { at: new Date(5), tags: ["shop"] }]]),
      part: new Date(5),
    });
  });

  it("of native stubs and of pipelined calls are not, as the docs say", async () => {
    await peer("sender").fill();
    // The item, its snapshot, its tags, the Map, the Date: a live stub answers `typeof` with "function".
    const kinds = ["function", "object", "DataCloneError", "DataCloneError", "Date"];
    expect(await peer("sender").relayBare("receiver")).toEqual([...kinds, ...kinds]);
  });

  it("are refused by the platform when they cannot cross", async () => {
    const handle = peer("refused");
    expect((await errorOf(() => handle.echo(Symbol("x")))).name).toBe("DataCloneError");
    expect(await handle.calls()).toBe(0);
  });
});
