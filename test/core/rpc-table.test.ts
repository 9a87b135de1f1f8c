import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { describe, expect, it } from "vitest";
import stubsText from "../../docs/stubs.md?raw";
import { eventually } from "../eventually.ts";
import { readLines, RESULT_NAMES, seen } from "./fixtures/surface.ts";
import surfaceText from "./fixtures/surface.ts?raw";

/** A stub of either kind, without types: some of what is asked for is not there. */
type Untyped = Record<string, ((...args: unknown[]) => Promise<unknown>) & Promise<unknown>> & DurableObjectStub;

const native = (name: string): Untyped => env.SURFACES.getByName(name) as unknown as Untyped;
const handle = (name: string): Untyped => Object.from(env.SURFACES).byName(name) as unknown as Untyped;

/** What a call gives, for comparing: a stream or body as its text, an error as its parts. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await described(await call());
  } catch (error) {
    const { name, message, cause, stack: _, ...rest } = error as Error;
    return { name, message, cause: cause === undefined ? undefined : String(cause), ...rest };
  }
}

async function described(value: unknown): Promise<unknown> {
  if (typeof value === "function") return "a live stub";
  if (value instanceof ReadableStream) return ["stream", await new Response(value).text()];
  if (value instanceof Request || value instanceof Response) return [value.constructor.name, await value.text()];
  if (value instanceof Blob) return ["Blob", value.type, await value.text()];
  if (value instanceof Headers) return ["Headers", ...value];
  if (value instanceof Error) return [value.constructor.name, value.message];
  return value;
}

/** The chunks of a stream as a caller reads them. */
async function chunksOf(stream: ReadableStream): Promise<unknown[]> {
  const chunks: unknown[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const { toString } = Object.prototype;
let made = 0;

/** The same through a native stub and through a handle, each on an object of its own. */
async function both(call: (stub: Untyped) => unknown): Promise<[unknown, unknown]> {
  const name = `both ${made++}`;
  return [await outcome(() => call(native(name))), await outcome(() => call(handle(name)))];
}

describe("what a stub can reach, through a native one and through a handle", () => {
  it.each([
    ["a prototype method", "method", true],
    ["an inherited one", "inherited", true],
    ["a TypeScript `private` one", "guarded", true],
    ["a TypeScript `protected` one", "sheltered", true],
    ["one called _x", "_underscored", true],
    ["a prototype getter", "getter", true],
    ["an accessor", "kept", true],
    ["an own property", "own", false],
    ["an arrow field", "arrow", false],
    ["ctx", "ctx", false],
    ["env", "env", false],
    ["a #private member", "#secret", false],
    ["a static member", "total", false],
    ["a symbol's name", "Symbol(secret)", false],
    ["an own property that shadows a method", "shadowed", false],
    ["the alarm", "alarm", false],
    ["a WebSocket handler", "webSocketMessage", false],
    ["a hook of the library", "onStart", false],
    ["a field of the library", "name", false],
  ])("%s", async (_, member, isReached) => {
    const reach = async (stub: Untyped): Promise<unknown> =>
      // The platform and a handle both have a `name` of their own.
      await (member === "name" ? stub[member] : ["getter", "kept"].includes(member) ? stub[member] : stub[member]!());
    const [first, second] = await both(reach);
    expect(second).toEqual(first);
    if (member === "name") expect(second).toMatch(/^both /);
    else if (isReached) expect(typeof second).toBe("string");
    else expect(second).toMatchObject({ message: expect.stringMatching(/does not implement|reserved/) });
  });

  it("`connect`, which is the stub's own: a socket", async () => {
    const stubs = [env.OPEN_TILL.getByName("socket"), Object.from(env.OPEN_TILL).byName("socket")];
    const sockets = stubs.map((stub) => (stub as DurableObjectStub).connect("o:1"));
    expect(sockets.map((socket) => toString.call(socket))).toEqual(["[object Socket]", "[object Socket]"]);
    const ends = await Promise.allSettled(sockets.flatMap(({ opened, closed }) => [opened, closed]));
    expect(ends.slice(2)).toEqual(ends.slice(0, 2));
  });

  it("`dup`, which is reserved: a handle returns another one, which the platform sends", async () => {
    const [first, second] = await both(async (stub) => (await stub["dup"]!()) as DurableObjectStub);
    expect((first as Error).message).toContain("reserved");
    expect(await (second as unknown as Untyped)["method"]!()).toBe("hidden");
  });
});

describe("what crosses as a result and as an argument, through a native stub and through a handle", () => {
  it.each(RESULT_NAMES)("%s as a result", async (what) => {
    const [first, second] = await both(async (stub) => await stub["give"]!(what));
    expect(second).toStrictEqual(first);
    if (what === "generator") expect(second).toMatchObject({ code: "not-transferable" });
  });

  it.each([
    ["a Map of Sets", () => new Map([[1, new Set(["a"])]])],
    ["a Date", () => new Date(123)],
    ["a BigInt", () => 5n],
    ["a RegExp", () => /b/g],
    ["bytes", () => new Uint8Array([9])],
    ["an Error", () => new TypeError("sent")],
    ["Headers", () => new Headers({ c: "d" })],
    ["a Blob", () => new Blob(["sent"])],
    ["a Request", () => new Request("http://o/", { method: "POST", body: "sent" })],
    ["a Response", () => new Response("sent")],
    ["a stream", () => new Blob(["sent"]).stream()],
    [
      "a cycle",
      () => {
        const list: unknown[] = [];
        list.push(list);
        return list;
      },
    ],
    ["a class instance", () => new (class Point {})()],
    ["a nested class instance", () => ({ at: new (class Point {})() })],
    ["a symbol", () => Symbol("no")],
    ["a WeakSet", () => new WeakSet()],
    ["a Proxy", () => new Proxy({}, {})],
    ["a generator", () => [1].values()],
  ])("%s as an argument", async (_, make) => {
    const [first, second] = await both(async (stub) => await stub["echo"]!(make()));
    expect(second).toStrictEqual(first);
  });

  it("errors, which keep name, message, cause and what can be cloned", async () => {
    for (const how of ["class", "cause", "flags", "uncloneable"]) {
      const [first, second] = await both(async (stub) => await stub["fail"]!(how));
      expect(second).toStrictEqual(first);
      expect(second).toMatchObject({ remote: true });
    }
    // Better than the platform: one property that cannot be cloned takes no others along.
    expect(await outcome(() => handle("kept")["fail"]!("uncloneable"))).toMatchObject({ code: 5, message: "bad" });
  });
});

describe("live results, through a native stub and through a handle", () => {
  it("are called at once, in order, and their getters read only when asked for", async () => {
    for (const stub of [native("live"), handle("live")]) {
      seen.read = 0;
      const live = stub["live"]!() as unknown as Untyped & Disposable;
      expect(await Promise.all([live["add"]!(1), live["add"]!(2)])).toEqual([1, 3]);
      expect(seen.read).toBe(0);
      expect([await live["value"], seen.read]).toEqual([3, 1]);
      live[Symbol.dispose]();
    }
  });

  it("are called by the platform's own promise, which nobody has to await", async () => {
    const kinds: string[] = [];
    for (const stub of [native("slow"), handle("slow")]) {
      seen.called = 0;
      const live = stub["slowLive"]!() as unknown as Untyped & Disposable;
      const called = live["add"]!(1);
      kinds.push(toString.call(live), toString.call(called));
      await eventually(() => expect(seen.called).toBe(1));
      expect(await called).toBe(1);
      live[Symbol.dispose]();
    }
    expect(kinds.slice(2)).toEqual(kinds.slice(0, 2));
    expect(kinds).not.toContain("[object Promise]");
  });

  it("are disposed of once, with `using`, by their promise or themselves; plain ones call for none", async () => {
    const disposals = async (use: (stub: Untyped) => Promise<void>): Promise<number[]> => {
      const counts: number[] = [];
      for (const stub of [native("disposed"), handle("disposed")]) {
        // What tests before this one disposed of may still be under way.
        await scheduler.wait(10);
        seen.disposed = 0;
        await use(stub);
        await scheduler.wait(10);
        counts.push(seen.disposed);
      }
      return counts;
    };
    const awaited = async (stub: Untyped): Promise<void> => {
      using live = (await stub["live"]!()) as Untyped & Disposable;
      await live["add"]!(1);
    };
    const piped = async (stub: Untyped): Promise<void> => {
      using live = stub["live"]!() as unknown as Untyped & Disposable;
      await live["add"]!(1);
    };
    expect(await disposals(awaited)).toEqual([1, 1]);
    expect(await disposals(piped)).toEqual([1, 1]);
    expect(await disposals(async (stub) => void (await stub["method"]!()))).toEqual([0, 0]);
  });

  it("functions arrive as functions", async () => {
    const [first, second] = await both(async (stub) => {
      using callback = (await stub["callback"]!()) as ((by: number) => Promise<number>) & Disposable;
      return await callback(1);
    });
    expect([first, second]).toEqual([2, 2]);
  });
});

describe("the stub itself", () => {
  it("is no promise, and keeps the order of its calls", async () => {
    for (const stub of [native("itself"), handle("itself")]) {
      expect((stub as unknown as { then: unknown }).then).toBeUndefined();
      expect(await (stub as unknown as Promise<unknown>)).toBe(stub);
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      expect(await Promise.all(numbers.map((n) => stub["echo"]!(n)))).toEqual(numbers);
    }
  });

  it("as an argument arrives as one, which can be called; a handle does where a Proxy of a stub does not", async () => {
    const call = async (stub: Untyped, value: unknown): Promise<unknown> => {
      using back = (await stub["echo"]!(value)) as Untyped & Disposable;
      return await back["method"]!();
    };
    expect(await call(native("a"), native("b"))).toBe("hidden");
    expect(await call(native("a"), native("b"))).toBe(await call(handle("a"), handle("b")));
    const proxied = await outcome(() => call(native("a"), new Proxy(native("b"), {})));
    expect(proxied).toMatchObject({ name: "DataCloneError" });
  });
});

describe("streams across an RPC call", () => {
  const give = async (what: string): Promise<ReadableStream> =>
    (await handle(`streams ${made++}`)["give"]!(what)) as ReadableStream;
  const textOf = async (what: string): Promise<string> => await new Response(await give(what)).text();

  it.each(["streamOfBytes", "streamOfText"])("carry the chunks of %s as bytes", async (what) => {
    const chunks = await chunksOf(await give(what));
    expect(chunks.length).toBeGreaterThan(0);
    for (const chunk of chunks) expect(chunk).toBeInstanceOf(Uint8Array);
    expect(await textOf(what)).toBe(what === "streamOfText" ? "éb" : "ab");
  });

  it.each(["streamOfObjects", "streamOfNumbers"])("lose the chunks of %s without an error", async (what) => {
    expect(await chunksOf(await give(what))).toEqual([]);
  });

  it("lose them inside an object, too", async () => {
    const { items } = (await handle("streams inside")["give"]!("streamInside")) as { items: ReadableStream };
    expect(await chunksOf(items)).toEqual([]);
  });

  it("break off at an object that is sent in another way", async () => {
    await expect(textOf("lostStream")).rejects.toThrow("disconnected");
  });

  it("carry lines of JSON, written and read as in docs/stubs.md", async () => {
    const blocks = Array.from(stubsText.matchAll(/^```ts lines\n(.*?)^```$/gms), ([, block]) =>
      block!.replaceAll(/^(?=.)/gm, "  "),
    );
    expect(blocks).toHaveLength(2);
    for (const block of blocks) expect(surfaceText).toContain(block);
    const ended = seen.ended;
    const items: unknown[] = [];
    await readLines(Object.from(env.SURFACES).byName("lines"), (item) => items.push(item));
    expect([items, seen.ended]).toEqual([[{ a: 1 }, { b: "é" }], ended + 1]);
  });

  it("end their generator when the reader leaves", async () => {
    const ended = seen.ended;
    const reader = (await Object.from(env.SURFACES).byName("left lines").all()).getReader();
    await reader.read();
    await reader.cancel();
    await eventually(() => {
      expect(seen.ended).toBe(ended + 1);
    });
  });

  it("replace a generator, as the message advises", async () => {
    const error = (await outcome(() => handle("streams error")["give"]!("generator"))) as Error;
    expect(error.message).toContain("a ReadableStream of bytes");
    expect(stubsText).toContain("\n## Streams\n");
  });
});
