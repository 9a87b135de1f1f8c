/**
 * Facts about hibernating sockets in workerd that `src/sockets/` leans on: when one fails, look for what was built on it.
 *
 * Four facts can't be shown here:
 * - Objects hibernate after 10 idle seconds; vitest evicts them instead.
 * - A Close that nobody answers ends in a bare FIN after 10 seconds.
 * - A send waits for the writes before it only: it takes a killed process to see it.
 * - Messages are queued without a limit for a client that doesn't read.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import { connect, rest, take } from "./client.ts";
import { handle, type RawHandlers, type RawSockets } from "./fixtures/raw.ts";

describe("hibernating sockets of the platform", () => {
  let nth = 0;
  const fresh = (handlers: RawHandlers = {}): DurableObjectStub<RawSockets> => {
    const stub = env.RAW_SOCKETS.getByName(`facts ${nth++}`);
    handle(stub, handlers);
    return stub;
  };
  /** Something of each listed socket. */
  const listed = <R>(stub: DurableObjectStub<RawSockets>, what: (socket: WebSocket) => R, tag?: string): Promise<R[]> =>
    runInDurableObject(stub, (_, ctx) => ctx.getWebSockets(tag).map(what));
  const states = (stub: DurableObjectStub<RawSockets>): Promise<number[]> =>
    listed(stub, (socket) => socket.readyState);

  describe("a Close of the client", () => {
    it("isn't answered by the platform, and a later close by the object answers it", async () => {
      let closing: WebSocket | undefined;
      const stub = fresh({ close: (socket) => void (closing = socket) });
      const socket = await connect(stub);
      let isClosed = false;
      void socket.closed.then(() => (isClosed = true));
      socket.close(4000, "bye");
      await eventually(() => expect(closing).toBeDefined());
      await scheduler.wait(100);
      expect(isClosed).toBe(false);
      await runInDurableObject(stub, () => closing!.close(4001, "later"));
      expect(await rest(socket)).toEqual([[4001, "later"]]);
    });

    // Without vitest, whose handler waits before it calls the class's, the socket is still listed through the first microtasks.
    it("takes the socket off the list after a wait, and its tags once the object has closed it; its attachment stays", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        close: async (socket, ctx) => {
          await scheduler.wait(1);
          seen.push(ctx.getWebSockets().length, socket.readyState);
          socket.close(1000);
          seen.push(socket.readyState, ctx.getTags(socket));
          await scheduler.wait(20);
          seen.push(thrownBy(() => ctx.getTags(socket)).message, socket.deserializeAttachment());
        },
      });
      const socket = await connect(stub, "/?attachment=kept&tag=red");
      socket.close(4000);
      await socket.closed;
      await eventually(() => expect(seen).toHaveLength(6));
      expect(seen).toEqual([0, 2, 3, ["red"], expect.stringContaining("acceptWebSocket"), "kept"]);
    });

    it("arrives as 1005 when it is empty, which close() refuses to send", async () => {
      const ends: unknown[] = [];
      const stub = fresh({
        close: (socket, _, ...end) => {
          ends.push(end);
          for (const code of [1005, 1006, 1004, 1015, 999, 5000]) {
            expect(thrownBy(() => socket.close(code))).toMatchObject({ name: "InvalidAccessError" });
          }
          expect(thrownBy(() => socket.close(1000, "é".repeat(62))).name).toBe("SyntaxError");
          socket.close();
        },
      });
      const socket = await connect(stub);
      socket.close();
      expect(await rest(socket)).toEqual([[1005, ""]]);
      expect(ends).toEqual([[1005, "", true]]);
    });
  });

  describe("a close by the object", () => {
    it("leaves the socket listed in state 2, throws at a send, and a second one is silent", async () => {
      const stub = fresh();
      const socket = await connect(stub);
      await runInDurableObject(stub, (_, ctx) => {
        const [socket] = ctx.getWebSockets();
        socket!.close(4000, "enough");
        socket!.close(4001, "again");
        expect(ctx.getWebSockets().map((one) => one.readyState)).toEqual([2]);
        expect(thrownBy(() => socket!.send("late")).name).toBe("TypeError");
      });
      expect(await rest(socket)).toEqual([[4000, "enough"]]);
    });

    it("that nobody answers leaves it listed, after two evictions even as open, and a send does nothing", async () => {
      const stub = fresh();
      const { webSocket } = await stub.fetch("http://o/", { headers: { upgrade: "websocket" } });
      webSocket!.accept({ allowHalfOpen: true });
      const got: unknown[] = [];
      webSocket!.addEventListener("message", ({ data }) => got.push(data));
      await listed(stub, (socket) => socket.close(4000));
      expect(await states(stub)).toEqual([2]);
      for (const expected of [2, 1]) {
        await evictDurableObject(stub);
        expect(await states(stub)).toEqual([expected]);
      }
      await listed(stub, (socket) => socket.send("nothing"));
      await scheduler.wait(20);
      expect(got).toEqual([]);
    });
  });

  describe("messages", () => {
    it("of one socket interleave at a timer, and begin in order", async () => {
      const seen: string[] = [];
      const stub = fresh({
        message: async (_, data) => {
          seen.push(`begin ${String(data)}`);
          await scheduler.wait(20);
          seen.push(`end ${String(data)}`);
        },
      });
      const socket = await connect(stub);
      socket.send("a");
      socket.send("b");
      await eventually(() => expect(seen).toHaveLength(4));
      expect(seen).toEqual(["begin a", "begin b", "end a", "end b"]);
    });

    it("are overtaken by the socket's close", async () => {
      const seen: string[] = [];
      const stub = fresh({
        message: async () => {
          await scheduler.wait(30);
          seen.push("message");
        },
        close: (socket) => {
          seen.push("close");
          socket.close(1000);
        },
      });
      const socket = await connect(stub);
      socket.send("a");
      socket.close(1000);
      await eventually(() => expect(seen).toHaveLength(2));
      expect(seen).toEqual(["close", "message"]);
    });

    it("of objects are sent as [object Object]", async () => {
      const stub = fresh({ message: (socket) => socket.send({} as string) });
      const socket = await connect(stub);
      socket.send("a");
      expect(await take(socket, 1)).toEqual(["[object Object]"]);
    });

    it("can be sent to a socket whose client has closed, without an error", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        close: (socket) => {
          socket.send("late");
          seen.push("sent");
          socket.close(1000);
          seen.push(thrownBy(() => socket.send("later")).name);
        },
      });
      const socket = await connect(stub);
      socket.close(1000);
      await eventually(() => expect(seen).toEqual(["sent", "TypeError"]));
    });

    it("leave even if the transaction around them is undone", async () => {
      const stub = fresh({
        message: (socket, _, { storage }) => {
          try {
            storage.transactionSync(() => {
              storage.kv.put("n", 1);
              socket.send("undone");
              throw new Error("undo");
            });
          } catch {
            socket.send(String(storage.kv.get("n")));
          }
        },
      });
      const socket = await connect(stub);
      socket.send("a");
      expect(await take(socket, 2)).toEqual(["undone", "undefined"]);
    });
  });

  it("answers a ping by setWebSocketAutoResponse without calling the object", async () => {
    const seen: unknown[] = [];
    const stub = fresh({ message: (_, data) => void seen.push(data) });
    await runInDurableObject(stub, (_, ctx) =>
      ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong")),
    );
    const socket = await connect(stub);
    socket.send("ping");
    expect(await take(socket, 1)).toEqual(["pong"]);
    await evictDurableObject(stub);
    socket.send("ping");
    socket.send("other");
    expect(await take(socket, 1)).toEqual(["pong"]);
    await eventually(() => expect(seen).toEqual(["other"]));
  });

  it("lists sockets newest first, and by tag oldest first", async () => {
    const stub = fresh();
    for (const name of ["a", "b", "c"]) await connect(stub, `/?tag=t&tag=${name}&attachment=${name}`);
    const nameOf = (socket: WebSocket): unknown => socket.deserializeAttachment();
    expect(await listed(stub, nameOf)).toEqual(["c", "b", "a"]);
    expect(await listed(stub, nameOf, "t")).toEqual(["a", "b", "c"]);
    expect(await listed(stub, nameOf, "b")).toEqual(["b"]);
  });

  it("keeps attachments, tags and order through an eviction, with other WebSocket objects", async () => {
    const stub = fresh();
    for (const name of ["a", "b"]) await connect(stub, `/?tag=t&tag=${name}&attachment=${name}`);
    const before = await listed(stub, (socket) => socket);
    await evictDurableObject(stub, { webSockets: "hibernate" });
    const after = await runInDurableObject(stub, (_, ctx) =>
      ctx
        .getWebSockets()
        .map((socket) => [before.includes(socket), socket.deserializeAttachment(), ctx.getTags(socket)]),
    );
    expect(after).toEqual([
      [false, "b", ["t", "b"]],
      [false, "a", ["t", "a"]],
    ]);
    expect(await runInDurableObject(stub, (_, ctx) => ctx.getWebSockets()[0] === ctx.getWebSockets()[0])).toBe(true);
  });

  it("keeps listing a socket as open if the handler throws, or answers otherwise, after accepting it", async () => {
    for (const path of ["/throws", "/refuses"]) {
      const stub = fresh();
      await stub.fetch(`http://o${path}`, { headers: { upgrade: "websocket" } }).catch(() => {});
      expect(await states(stub)).toEqual([1]);
      await runInDurableObject(stub, (_, ctx) => ctx.getWebSockets()[0]!.send("into the void"));
    }
  });

  it("takes 10 tags of 256 bytes, and an attachment of 16,384 bytes", async () => {
    const stub = fresh();
    await runInDurableObject(stub, (_, ctx) => {
      const accept = (tags: string[]): WebSocket => {
        const { 1: server } = new WebSocketPair();
        ctx.acceptWebSocket(server, tags);
        return server;
      };
      const tags = Array.from({ length: 10 }, (_, i) => `${i}${"x".repeat(255)}`);
      const socket = accept(tags);
      expect(() => accept([...tags, "one more"])).toThrow();
      expect(() => accept(["é".repeat(129)])).toThrow();
      // Five bytes are the value's header.
      socket.serializeAttachment("x".repeat(16_384 - 5));
      expect(() => socket.serializeAttachment("x".repeat(16_384 - 4))).toThrow();
      expect(() => socket.serializeAttachment(() => {})).toThrow();
      expect(socket.deserializeAttachment()).toHaveLength(16_384 - 5);
    });
  });
});
