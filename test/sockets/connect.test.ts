/** How clients connect, and how they are refused. */
import { createExecutionContext, evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { dataOf, DurableBase, DurableError, Route, routes, serve, type ServeOptions } from "durable-base";
import { sockets, type ConnectingSocket } from "durable-base/sockets";
import type { Context, Next } from "hono";
import { describe, expect, it, vi } from "vitest";
import { errorOf, thrownBy } from "../error-of.ts";
import { connect, rest, take } from "./client.ts";
import { play, type ChatLike, type ChatState, type Script } from "./fixtures/script.ts";

const UPGRADE = { headers: { upgrade: "websocket" } };

describe.each([
  ["standard", () => env.STANDARD_CHAT as never, () => env.STANDARD_GUARDED as never],
  ["legacy", () => env.LEGACY_CHAT as never, () => env.LEGACY_GUARDED as never],
] as [string, () => DurableObjectNamespace<ChatLike>, () => DurableObjectNamespace<DurableBase>][])(
  "connecting (%s)",
  (_, namespace, guarded) => {
    let nth = 0;
    const fresh = (script: Script = {}): DurableObjectStub<ChatLike> => {
      const stub = namespace().getByName(`connect ${nth++}`);
      play(stub, script);
      return stub;
    };
    const size = (stub: DurableObjectStub<ChatLike>): Promise<number> =>
      runInDurableObject(stub, (self) => self.sockets.size);
    /** All sockets that the platform lists, whatever they are. */
    const listed = (stub: DurableObjectStub<ChatLike>): Promise<number> =>
      runInDurableObject(stub, (__, ctx) => ctx.getWebSockets().length);

    it("accepts an upgrade request that no route takes, with a state, tags and an id of the object's own", async () => {
      const ids: string[] = [];
      const stub = fresh({
        connect: (__, socket, request) => {
          socket.state = { user: new URL(request.url).searchParams.get("user")! };
          socket.tags = ["red", "green", "red"];
          ids.push(socket.id);
        },
      });
      await connect(stub, "/anything?user=ann&id=chosen");
      await connect(stub, "/route/deeper?user=bob");
      expect(new Set(ids).size).toBe(2);
      for (const evicted of [false, true]) {
        if (evicted) await evictDurableObject(stub);
        const seen = await runInDurableObject(stub, ({ sockets: all }) =>
          all.all().map(({ id, state, tags }) => [id, state.user, tags]),
        );
        expect(seen).toEqual([
          [ids[0], "ann", ["red", "green"]],
          [ids[1], "bob", ["red", "green"]],
        ]);
      }
      expect(ids.every((id) => /^[\da-f]{8}-[\da-f-]{27}$/.test(id))).toBe(true);
    });

    it("keeps nothing of the request, and writes no row", async () => {
      const stub = fresh();
      await connect(stub, "/?token=secret");
      await runInDurableObject(stub, (__, ctx) => {
        expect(JSON.stringify(ctx.getWebSockets()[0]!.deserializeAttachment())).not.toContain("secret");
        expect([...ctx.storage.kv.list()]).toEqual([]);
      });
    });

    it("leaves upgrade requests of a route to it", async () => {
      const stub = fresh({
        connect: () => {
          throw new Error("not asked");
        },
      });
      const answer = await stub.fetch("http://o/route", UPGRADE);
      expect([answer.status, await answer.text()]).toEqual([200, "route"]);
      const own = await connect(stub, "/own");
      own.send("hello");
      expect(await take(own, 1)).toEqual(["own hello"]);
      expect(await size(stub)).toBe(0);
    });

    it("leaves requests that aren't upgrades to the routes", async () => {
      const stub = fresh();
      expect((await stub.fetch("http://o/nothing")).status).toBe(404);
      expect((await stub.fetch("http://o/posted")).status).toBe(405);
      expect(await (await stub.fetch("http://o/posted", { method: "POST" })).text()).toBe("posted");
    });

    it("accepts an upgrade of a path that only other methods have", async () => {
      const stub = fresh();
      await connect(stub, "/posted");
      expect(await size(stub)).toBe(1);
    });

    describe("refuses a client, and never lists it,", () => {
      const refusals: Record<string, [script: Script, status: number, body: string]> = {
        "with the response that connect returns": [{ connect: () => new Response("no", { status: 401 }) }, 401, "no"],
        "with the response that an async connect returns": [
          { connect: async () => (await scheduler.wait(1), new Response("no", { status: 401 })) },
          401,
          "no",
        ],
        "if connect throws": [
          {
            connect: () => {
              throw new Error("secret");
            },
          },
          500,
          '"code":"internal-server-error"',
        ],
        "if an async connect throws": [
          {
            connect: async () => {
              await scheduler.wait(1);
              throw new Error("secret");
            },
          },
          500,
          '"code":"internal-server-error"',
        ],
        "if connect returns anything else": [{ connect: () => false as never }, 500, '"code":"bad-option"'],
        "if what connect changed can't be written": [
          { connect: (self, socket) => (socket.send("hello"), self.unwritable()) },
          500,
          '"code":"write-failed"',
        ],
      };

      it.each(Object.keys(refusals))("%s", async (name) => {
        using _log = vi.spyOn(console, "error").mockImplementation(() => {});
        const [script, status, body] = refusals[name]!;
        const stub = fresh({
          ...script,
          connect: (self, socket, request) => {
            socket.send("held");
            return script.connect!(self, socket, request);
          },
        });
        const response = await stub.fetch("http://o/", UPGRADE);
        const text = await response.text();
        expect([response.status, response.webSocket]).toEqual([status, null]);
        expect(text).toContain(body);
        expect(text).not.toContain("secret");
        expect(await listed(stub)).toBe(0);
        expect(await size(stub)).toBe(0);
      });
    });

    it("stores what connect changes before the client is connected", async () => {
      const stub = fresh({
        connect: async (self) => {
          self.count++;
          await scheduler.wait(1);
          self.count++;
        },
      });
      await connect(stub);
      expect(await runInDurableObject(stub, ({ count }) => count)).toBe(2);
    });

    it("isn't open in connect, and holds what connect sends until it is, in order", async () => {
      const seen: unknown[] = [];
      const stub = fresh({
        connect: async (self, socket) => {
          socket.send("first");
          await scheduler.wait(5);
          self.count++;
          socket.send({ second: true });
          self.sockets.broadcast("to the others");
          seen.push(self.sockets.size, self.sockets.get(socket.id));
        },
      });
      const socket = await connect(stub);
      expect(await take(socket, 2)).toEqual(["first", '{"second":true}']);
      expect(seen).toEqual([0, undefined]);
      const other = await connect(stub);
      expect(await take(other, 2)).toEqual(["first", '{"second":true}']);
      expect(await take(socket, 1)).toEqual(["to the others"]);
    });

    it("can be closed by connect, with a code that the client sees", async () => {
      const stub = fresh({
        connect: (__, socket) => {
          socket.send("why");
          socket.close(4001, "who are you?");
        },
      });
      const socket = await connect(stub);
      expect(await rest(socket)).toEqual(["why", [4001, "who are you?"]]);
      expect(await size(stub)).toBe(0);
    });

    it("takes tags in connect only, and refuses ones that can't work", async () => {
      const kept: ConnectingSocket<ChatState>[] = [];
      const codes: unknown[] = [];
      const stub = fresh({
        connect: (__, socket) => {
          const wrong = [["x".repeat(257)], ["é".repeat(129)], [""], [7], "red", ["\ud800"], [..."123456789"]];
          for (const tags of [...wrong, ["durable-base.sockets"]]) {
            codes.push(thrownBy(() => (socket.tags = tags as string[])).code);
          }
          socket.tags = [..."12345678"].map((tag) => tag.repeat(256));
          kept.push(socket);
        },
      });
      await connect(stub);
      expect(codes).toEqual([...Array.from({ length: 7 }, () => "bad-option"), "reserved-name"]);
      expect(await runInDurableObject(stub, ({ sockets: all }) => all.all()[0]!.tags.length)).toBe(8);
      expect(thrownBy(() => (kept[0]!.tags = ["late"]))).toMatchObject({ code: "bad-option" });
    });

    it("starts the object first, and refuses when it can't start", async () => {
      using _log = vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh({
        start: () => {
          throw new Error("secret");
        },
      });
      expect((await stub.fetch("http://o/", UPGRADE)).status).toBe(500);
      play(stub, { start: (self) => void (self.count = 7), connect: (self, socket) => socket.send(self.count) });
      expect(await take(await connect(stub), 1)).toEqual(["7"]);
    });

    it("runs middleware of the class before and after connect; what it refuses is never listed", async () => {
      const stub = guarded().getByName("guarded");
      const headers = { origin: "http://elsewhere", ...UPGRADE.headers };
      expect((await stub.fetch("http://o/", { headers })).status).toBe(401);
      expect((await stub.fetch("http://o/?token=1&late=1", { headers })).status).toBe(403);
      expect(await (await stub.fetch("http://o/size?token=1")).text()).toBe("0");
      const socket = await connect(stub, "/?token=1", { headers });
      expect(await (await stub.fetch("http://o/size?token=1")).text()).toBe("1");
      socket.send("ping");
      expect(await take(socket, 1)).toEqual(["pong"]);
    });
  },
);

describe("a class with sockets alone", () => {
  it("accepts everybody, and answers pings without an entry", async () => {
    const stub = env.OPEN_CHAT.getByName("open");
    const socket = await connect(stub, "/any");
    socket.send("nobody listens");
    socket.send("ping");
    expect(await take(socket, 1)).toEqual(["pong"]);
    await evictDurableObject(stub);
    socket.send("ping");
    expect(await take(socket, 1)).toEqual(["pong"]);
    expect((await stub.fetch("http://o/any")).status).toBe(404);
    expect(await runInDurableObject(stub, (self) => self.sockets.size)).toBe(1);
  });

  it("leaves the answer to pings that the object has set alone", async () => {
    await runInDurableObject(env.PROBE.getByName("pings"), async (_, ctx) => {
      class Own extends DurableBase {
        readonly all = sockets(this);
        constructor(...args: [DurableObjectState, Cloudflare.Env]) {
          super(...args);
          this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("a", "b"));
        }
      }
      const self = new Own(ctx, env);
      await scheduler.wait(0);
      const { webSocket } = await self.fetch(new Request("http://o/", UPGRADE));
      webSocket!.accept();
      expect(self.all.size).toBe(1);
      expect(ctx.getWebSocketAutoResponse()?.request).toBe("a");
      ctx.setWebSocketAutoResponse();
    });
  });

  it("rejects with the error of connect if the class has no routes", async () => {
    await runInDurableObject(env.PROBE.getByName("no routes"), async (_, ctx) => {
      class Refusing extends DurableBase {
        readonly all = sockets(this, {
          connect: () => {
            throw new RangeError("no");
          },
        });
      }
      const self = new Refusing(ctx, env);
      await scheduler.wait(0);
      expect(await errorOf(async () => await self.fetch(new Request("http://o/", UPGRADE)))).toBeInstanceOf(RangeError);
      expect(ctx.getWebSockets()).toEqual([]);
    });
  });

  it("accepts inside a fetch of the class's own once its changes are stored", async () => {
    using _log = vi.spyOn(console, "error").mockImplementation(() => {});
    const stub = env.FETCHING_CHAT.getByName("fetching");
    await connect(stub);
    expect((await stub.fetch("http://o/refused", UPGRADE)).status).toBe(403);
    expect(await errorOf(() => stub.fetch("http://o/unwritten", UPGRADE))).toMatchObject({
      message: expect.stringContaining("could not be written") as string,
    });
    expect(await runInDurableObject(stub, (_, ctx) => ctx.getWebSockets().length)).toBe(1);
  });
});

describe("sockets(this, options)", () => {
  const inProbe = async (make: (ctx: DurableObjectState) => unknown): Promise<unknown> =>
    await runInDurableObject(env.PROBE.getByName("options"), (_, ctx) => make(ctx));

  it("returns the sockets of the parent in a subclass, and takes options once", async () => {
    const stub = env.HEIR_CHAT.getByName("heir");
    const socket = await connect(stub);
    socket.send("same?");
    expect(await take(socket, 1)).toEqual(["true"]);
    class Twice extends DurableBase {
      readonly one = sockets(this, {});
      readonly two = sockets(this, {});
    }
    expect(await inProbe((ctx) => errorOf(() => new Twice(ctx, env)))).toMatchObject({ code: "bad-option" });
  });

  it("is too late after construction", async () => {
    await runInDurableObject(env.OPEN_CHAT.getByName("late"), (self) => {
      expect(sockets(self)).toBe(self.sockets);
      expect(thrownBy(() => sockets(self, {}))).toMatchObject({ code: "part-too-late" });
    });
    await runInDurableObject(env.TILL.getByName("late"), (self) => {
      expect(thrownBy(() => sockets(self))).toMatchObject({ code: "part-too-late" });
    });
  });

  it.each([
    { path: "chat" },
    { path: "/chat?room=1" },
    { path: 7 },
    { message: "hello" },
    { connect: null },
    { maxMessage: 0 },
    { maxMessage: "10" },
    { maxSockets: 1.5 },
    { maxUnread: 0 },
    { maxUnread: 1_000, ping: false },
    { rate: { messages: 1 } },
    { rate: { messages: -1, per: 1000 } },
    { rate: 5 },
  ])("refuses %o", async (options) => {
    class Wrong extends DurableBase {
      readonly all = sockets(this, options as never);
    }
    const error = await inProbe((ctx) => errorOf(() => new Wrong(ctx, env)));
    expect(DurableError.is(error, "bad-option")).toBe(true);
  });

  it("is a part: classes without it have no handlers", async () => {
    class Routed extends DurableBase {
      @Route.get("/") get(): string {
        return "got";
      }
    }
    await inProbe(async (ctx) => {
      const self = new Routed(ctx, env);
      await scheduler.wait(0);
      expect("webSocketMessage" in self).toBe(false);
      expect((await self.fetch(new Request("http://o/none", UPGRADE))).status).toBe(404);
    });
  });
});

describe("a request that code of the user's refuses with `c.notFound()`", () => {
  class Base extends DurableBase {
    readonly #sockets = sockets(this);

    get size(): number {
      return this.#sockets.size;
    }
  }
  class Hidden extends Base {
    static override use = [async (c: Context, next: Next) => (c.req.path === "/hidden" ? c.notFound() : await next())];

    @Route.get("/gone") gone(_: unknown, c: Context): unknown {
      return c.notFound();
    }

    @Route.get("/guarded", { use: [async (c: Context) => await c.notFound()] }) guarded(): void {}
  }
  class Bare extends Base {
    @Route.get("/gone") gone(_: unknown, c: Context): unknown {
      return c.notFound();
    }
  }
  class Opened extends Base {}
  routes(Opened)
    .use("/hidden", (c, next) => (c.req.query("ok") === undefined ? Promise.resolve(c.notFound()) : next()))
    .get("/gone", (c) => c.notFound());

  const cases: [
    what: string,
    Class: new (ctx: DurableObjectState, env: Cloudflare.Env) => Base,
    path: string,
    status: number,
  ][] = [
    ["in `static use`", Hidden, "/hidden", 404],
    ["in a route", Hidden, "/gone", 404],
    ["in a route's own middleware", Hidden, "/guarded", 404],
    ["in a route of a class without middleware", Bare, "/gone", 404],
    ["in middleware of its app", Opened, "/hidden", 404],
    ["in a route of its app", Opened, "/gone", 404],
    ["nowhere", Hidden, "/free", 101],
    ["nowhere in a class without middleware", Bare, "/free", 101],
    ["nowhere in an app", Opened, "/hidden?ok=1", 101],
  ];
  it.each(cases)("%s: %o %s answers %i", async (_, Class, path, status) => {
    await runInDurableObject(env.PROBE.getByName(crypto.randomUUID()), async (__, state) => {
      const object = new Class(state, env);
      const response = await object.fetch(new Request(`http://o${path}`, UPGRADE));
      expect([response.status, object.size]).toEqual([status, status === 101 ? 1 : 0]);
      response.webSocket?.accept();
      response.webSocket?.close(1000);
    });
  });

  it("is accepted once when a route passes it on to the object's own `fetch`", async () => {
    class Passing extends Base {}
    routes(Passing).get(
      "/inner",
      (c) => c.get("object").fetch(new Request("http://o/x", UPGRADE)) as Promise<Response>,
    );
    await runInDurableObject(env.PROBE.getByName(crypto.randomUUID()), async (_, state) => {
      const object = new Passing(state, env);
      const response = await object.fetch(new Request("http://o/inner", UPGRADE));
      expect([response.status, object.size]).toEqual([101, 1]);
      response.webSocket!.accept();
      response.webSocket!.close(1000);
    });
  });
});

describe("an upgrade request that `serve` passes on", () => {
  type App = { fetch(request: Request, env: Cloudflare.Env, ctx: ExecutionContext): Response | Promise<Response> };
  const passing = (authorize: NonNullable<ServeOptions<Cloudflare.Env>["authorize"]>): App =>
    serve({ "/rooms/:name": { object: ({ STANDARD_CHAT }) => STANDARD_CHAT, authorize } });
  const ask = async (app: App, path: string): Promise<Response> =>
    await app.fetch(new Request(`http://o${path}`, UPGRADE), env, createExecutionContext());

  it("is refused before the object wakes up", async () => {
    const count = async (): Promise<number> => (await listDurableObjectIds(env.STANDARD_CHAT)).length;
    const before = await count();
    const response = await ask(
      passing(() => false),
      "/rooms/unseen",
    );
    expect([response.status, response.webSocket, await count()]).toEqual([403, null, before]);
  });

  it("brings data that no client can forge", async () => {
    const seen: unknown[] = [];
    const stub = env.STANDARD_CHAT.getByName("data");
    play(stub, {
      connect: (_, socket, request) => {
        const { user } = dataOf<{ user: string }>(request)!;
        seen.push(user, request.headers.get("x-user"), new URL(request.url).pathname);
        socket.state = { user };
      },
      message: (_, socket) => {
        socket.send(socket.state.user);
      },
    });
    const app = passing((request) => {
      const user = new URL(request.url).searchParams.get("token") === "secret" ? "ann" : undefined;
      return { data: user && { user } };
    });
    expect((await ask(app, "/rooms/data?token=no")).status).toBe(403);
    const { webSocket } = await ask(app, "/rooms/data/ws?token=secret");
    expect(seen).toEqual(["ann", null, "/ws"]);
    const got = Promise.withResolvers<unknown>();
    webSocket!.addEventListener("message", ({ data }) => got.resolve(data));
    webSocket!.accept();
    webSocket!.send("who am I?");
    expect(await got.promise).toBe("ann");
    webSocket!.close(1000);
  });
});
