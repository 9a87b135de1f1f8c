/**
 * Situations that users of other projects in this field reported, in our own words. Each names the public thread that it
 * comes from.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object, Persisted, Route } from "durable-base";
import { once } from "durable-base/once";
import { describe, expect, it, vi } from "vitest";
import { errorOf, thrownBy } from "../error-of.ts";
import { BOTH, type Reported } from "./fixtures/reports-data.ts";
import type { Reports } from "./fixtures/reports.ts";

let nth = 0;
const fresh = (): DurableObjectStub<Reports> => env.REPORTS.getByName(`reports ${nth++}`);
const inside = <R>(work: (self: Reports & { ctx: DurableObjectState }) => R | Promise<R>): Promise<R> =>
  runInDurableObject(fresh(), (self) => self.run(work as (self: Reports) => R | Promise<R>));
const bare = (members: object): object => globalThis.Object.assign(globalThis.Object.create(null) as object, members);

const send = (stub: DurableObjectStub<never>, path: string, init?: RequestInit): Promise<Response> =>
  (stub as DurableObjectStub).fetch(`http://object${path}`, init);
const post = (body: BodyInit): RequestInit => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json" },
});

describe("what crosses to another object", () => {
  const other = (): ReturnType<ReturnType<typeof Object.from<Reports>>["byName"]> =>
    Object.from(env.REPORTS).byName("other");

  // cloudflare/workerd#6358: an object with another prototype is refused; tc39/proposal-array-grouping#13.
  it("may be an object without prototype, at any depth, as result and as argument", async () => {
    expect(await fresh().byParity()).toEqual({ odd: [1, 3], even: [2] });
    const values = [
      bare({ a: 1 }),
      { at: [bare({ b: new Map([["k", bare({ c: 2 })]]) })] },
      "ab".match(/(?<second>b)/)!.groups,
    ];
    for (const value of values) {
      expect(await other().echo(value)).toEqual(value);
      expect(await inside(() => other().echo(value))).toEqual(value);
      expect(await once(other(), crypto.randomUUID()).echo(value)).toEqual(value);
    }
  });

  it("may be the input of a route, as it came", async () => {
    const response = await send(fresh() as never, "/forward?from=query", post('{"a":{"b":1}}'));
    expect(await response.json()).toEqual({ from: "query", a: { b: 1 } });
  });

  // cloudflare/workerd#1028: an error's own fields cross with it.
  it("may be an error that holds tracked values", async () => {
    const [failure] = (await fresh().failures()) as unknown as [{ reason: Error & { item: unknown } }];
    expect(failure.reason).toMatchObject({ name: "RangeError", message: "sold out", item: { id: 1 } });
    expect(failure.reason.cause).toMatchObject({ message: "stock", cause: [{ id: 1 }] });
    await inside(async (self) => {
      self.list = [{ id: 2 }];
      const error = globalThis.Object.assign(new Error("x"), { item: self.list[0] });
      expect(await other().echo([error])).toMatchObject([{ item: { id: 2 } }]);
    });
  });
});

describe("a tracked array", () => {
  // vuejs/core#9742
  it("works behind a Proxy of the user's own, which notices what is done to it", async () => {
    const stub = fresh();
    await runInDurableObject(stub, (self) =>
      self.run(() => {
        self.list = [3, 1];
        const seen: unknown[] = [];
        const watched = new Proxy(self.list, {
          set(target, key, value, receiver) {
            seen.push(key);
            return Reflect.set(target, key, value, receiver);
          },
        });
        expect(watched.push(2)).toBe(3);
        expect(seen).toEqual(["2", "length"]);
        expect(watched.sort()).toEqual([1, 2, 3]);
        expect(watched.splice(0, 1, { id: 7 }, 8)).toEqual([1]);
        expect([...watched]).toEqual([{ id: 7 }, 8, 2, 3]);
        expect(watched.reverse()).toBe(watched);
        expect([watched.pop(), watched.shift(), watched.at(-1)]).toEqual([{ id: 7 }, 3, 8]);
        expect(self.list).toEqual([2, 8]);
      }),
    );
    await evictDurableObject(stub);
    expect(await runInDurableObject(stub, (self) => self.run(() => [...self.list]))).toEqual([2, 8]);
  });

  it("can be the prototype of another object, which keeps its own properties", async () => {
    await inside((self) => {
      self.list = [1];
      const heir = globalThis.Object.create(self.list) as unknown[];
      heir.push(2);
      expect([heir.length, heir[1], self.list]).toEqual([2, 2, [1]]);
    });
  });

  // w3c/IndexedDB#309: native code doesn't recognize the Proxy of an array as an array.
  it("is a list of keys for the object's own storage, even in a transaction", async () => {
    await inside(async (self) => {
      const { storage } = self.ctx;
      self.list = ["a", "b"];
      const keys = self.list as string[];
      await storage.put({ a: 1, b: 2, "a,b": 3 });
      expect([...(await storage.get(keys))]).toEqual([
        ["a", 1],
        ["b", 2],
      ]);
      await storage.transaction(async (txn) => {
        expect((await txn.get(keys)).size).toBe(2);
        expect(await txn.delete(keys)).toBe(2);
        txn.rollback();
      });
      expect(await storage.delete(keys)).toBe(2);
      expect(await storage.get("a,b")).toBe(3);
      expect(await storage.delete("a,b")).toBe(true);
    });
  });
});

describe("code that is called later", () => {
  // cloudflare/workerd#870 and #208: thenables, streams and HTMLRewriter were called without the context.
  it("belongs to its entry: thenables, streams, HTMLRewriter, events, ports", async () => {
    const stub = fresh();
    await runInDurableObject(stub, (self) =>
      self.run(async () => {
        self.list = [];
        // A method returns the tracked value itself to code inside, and a copy to code outside.
        const add = (by: string): void => void (self.run(() => self.list) as unknown[]).push(by);
        const thenable = {
          // oxlint-disable-next-line unicorn/no-thenable -- the very case
          then(resolve: (value: undefined) => void): void {
            add("then");
            resolve(undefined);
          },
        };
        await thenable;
        await (async () => {
          await scheduler.wait(1);
          return thenable;
        })();
        await new Blob(["x"]).stream().pipeTo(new WritableStream({ write: () => add("write") }));
        const transform = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            add("transform");
            controller.enqueue(chunk);
          },
        });
        await new Response(new Blob(["x"]).stream().pipeThrough(transform)).text();
        await new HTMLRewriter()
          .on("a", { element: () => add("element") })
          .transform(new Response("<a>x</a>"))
          .text();
        const target = new EventTarget();
        target.addEventListener("ring", () => add("event"));
        target.dispatchEvent(new Event("ring"));
      }),
    );
    await evictDurableObject(stub);
    expect(await runInDurableObject(stub, (self) => self.run(() => [...self.list]))).toEqual([
      ...["then", "then", "write", "transform", "element", "event"],
    ]);
  });

  // oven-sh/bun#33066: a WebSocket's listeners have no context; here they would wait for the start that waits for them.
  it("as a bound listener of an accepted socket, calls methods while onStart waits for it", async () => {
    expect(await fresh().greetings()).toEqual(["hello"]);
  });
});

describe("HTTP behind Hono's middleware", () => {
  // honojs/hono#1102 and #2535
  it("upgrades to a WebSocket, and the middleware's headers are there", async () => {
    const response = await send(fresh() as never, "/socket", {
      headers: { upgrade: "websocket", origin: "https://example.com" },
    });
    expect(response.status).toBe(101);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://example.com");
    const socket = response.webSocket!;
    socket.accept();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    socket.addEventListener("message", ({ data }) => resolve(data));
    socket.send("hi");
    expect(await promise).toBe("echo hi");
    socket.close();
  });

  // honojs/hono#4471 and #2932
  it("joins the `Vary` of a route and its middleware, and lets the method replace other headers", async () => {
    const { headers } = await send(fresh() as never, "/varied");
    expect(headers.get("vary")!.toLowerCase().split(", ").toSorted()).toEqual([
      "accept-language",
      "origin",
      "x-tenant",
    ]);
    expect(headers.get("x-kind")).toBe("method");
  });

  // honojs/hono#1055
  it("sends every cookie that the method sets, with a result and without one", async () => {
    for (const [path, status] of [
      ["/cookies", 200],
      ["/no-content", 204],
    ] as const) {
      const response = await send(fresh() as never, path);
      expect(response.status).toBe(status);
      expect(response.headers.getSetCookie()).toEqual(["a=1; Path=/", "b=2; Path=/"]);
    }
  });

  // honojs/hono#5278 and #2103
  it("reads a body that `bodyLimit` has wrapped, with and without a declared length", async () => {
    for (const wrap of [(text: string) => text, (text: string) => new Blob([text]).stream()]) {
      const taken = await send(fresh() as never, "/limited", post(wrap('{"a":1}')));
      expect(await taken.json()).toEqual({ a: 1 });
      const refused = await send(fresh() as never, "/limited", post(wrap('{"a":"too long for it"}')));
      expect(refused.status).toBe(413);
    }
  });

  // honojs/hono#2615
  it("answers 504 for a method that exceeds `timeout`; the method ends by itself and loses nothing", async () => {
    const stub = fresh();
    expect(await (await send(stub as never, "/slow")).json()).toMatchObject({ status: 504 });
    await vi.waitFor(async () => expect(await runInDurableObject(stub, (self) => self.run(() => self.late))).toBe(1));
    await evictDurableObject(stub);
    expect(await runInDurableObject(stub, (self) => self.run(() => self.late))).toBe(1);
  });
});

describe("a schema whose transform throws", () => {
  // colinhacks/zod#3756 and #3077
  it("is the server's fault: a bare 500 over HTTP, its error over RPC, and the object goes on", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const stub = fresh();
    const response = await send(stub as never, "/shout", post('{"word":""}'));
    expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining("secret")]);
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    expect((await errorOf(async () => await stub.shout({ word: "" }))).message).toContain("secret");
    expect(await (await send(stub as never, "/shout", post('{"word":"a"}'))).json()).toEqual({ word: "A" });
  });
});

describe("decorators", () => {
  // swc-project/swc#7957, babel/babel#15889, microsoft/TypeScript#55453
  it("that a compiler gives no metadata are refused, with the compilers that do", () => {
    const context = { name: "count", static: false, private: false, metadata: undefined, addInitializer: () => {} };
    const misused = (decorator: unknown, target: unknown, kind: string): unknown =>
      (decorator as (target: unknown, context: object) => unknown)(target, { ...context, kind });
    for (const call of [
      () => misused(Persisted(), undefined, "field"),
      () => misused(Persisted({ version: 2 }), {}, "accessor"),
      () => misused(Route.get("/"), () => {}, "method"),
    ]) {
      const error = thrownBy(call);
      expect(error).toMatchObject({ code: "bad-decorator" });
      expect(error.message).toContain("`context.metadata`");
    }
  });

  describe.each([
    ["standard", env.INSTRUMENTED_REPORTS],
    ["legacy", env.LEGACY_INSTRUMENTED_REPORTS],
  ])("in a class that a %s class decorator replaced", (_, namespace) => {
    // evanw/esbuild#3781 and #3968: the final class isn't the one that was decorated.
    it("persist, route and undo as in any other", async () => {
      const stub = namespace.getByName("instrumented");
      expect(await (stub as unknown as { whoAmI(): Promise<string> }).whoAmI()).toBe("instrumented");
      expect(await (await send(stub as never, "/add")).json()).toBe(1);
      expect((await errorOf(async () => await stub.fail())).message).toBe("undone");
      await evictDurableObject(stub);
      expect(await (await send(stub as never, "/add")).json()).toBe(2);
    });

    // lit/lit#5020: members named by symbols.
    it("work on a method named by a symbol", async () => {
      await runInDurableObject(namespace.getByName("symbol"), (self: Reported & { [BOTH](): void }) =>
        self.run(() => {
          expect(thrownBy(() => self[BOTH]()).message).toBe("undone");
          expect(self.list).toEqual([]);
        }),
      );
    });
  });

  describe.each([
    ["standard", env.MIXED_REPORTS, env.COUNTED_REPORTS],
    ["legacy", env.LEGACY_MIXED_REPORTS, env.LEGACY_COUNTED_REPORTS],
  ])("in %s mixins", (_, mixed, counted) => {
    // lit/lit#4191
    it("join the members that each adds, and keep apart the classes that use one", async () => {
      const [one, two] = [mixed.getByName("one"), counted.getByName("two")];
      const read = async (stub: DurableObjectStub<never>, path: string): Promise<string> =>
        await (await send(stub, path)).text();
      expect(await read(one as never, "/count")).toBe("1");
      expect(await read(one as never, "/title")).toBe("untitled");
      expect(await read(two as never, "/count")).toBe("100");
      expect(await read(two as never, "/title")).toContain("not-found");
      for (const stub of [one, two]) await evictDurableObject(stub);
      expect(await read(one as never, "/count")).toBe("2");
      expect(await read(two as never, "/count")).toBe("200");
    });
  });

  // lit/lit#1357, tc39/proposal-class-fields#151
  it("on a field that a parent class defines as a plain one are refused, with the class to change", async () => {
    const error = await errorOf(async () => await env.BURIED_REPORTS.getByName("buried").read());
    expect(error).toMatchObject({ code: "redeclared-field" });
    expect(error.message).toContain("A parent or subclass declares it, too");
  });
});

describe("blockConcurrencyWhile in the constructor", () => {
  // cloudflare/agents#1224, kwhitley/itty-durable#42
  it("may change fields and call methods after it waited, and is stored", async () => {
    const stub = env.BOOTED_REPORTS.getByName("booted");
    expect(await stub.note("called")).toEqual(["moved", "booted", "called"]);
    await evictDurableObject(stub);
    expect(await stub.note("again")).toEqual(["moved", "booted", "called", "booted", "again"]);
  });
});
