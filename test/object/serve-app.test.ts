/** Routes, middleware and handlers that users add to the app that `serve` returns. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type DurableError, serve, type ServeOptions } from "durable-base";
import { Hono, type MiddlewareHandler } from "hono";
import { setCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { inspectRoutes } from "hono/dev";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { poweredBy } from "hono/powered-by";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { timing } from "hono/timing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { thrownBy } from "../error-of.ts";
import { Mirror, recording } from "./fixtures/serve.ts";
import { call, expectProblem, quiet, seenBy, sent, type Handler } from "./serving.ts";

type App = Hono<{ Bindings: Cloudflare.Env }>;

afterEach(() => {
  vi.restoreAllMocks();
});

const make = (options: ServeOptions<Cloudflare.Env> = { authorize: () => true }): App =>
  serve({ "/a/:name": Mirror }, options);
const outerApp = (): App => new Hono<{ Bindings: Cloudflare.Env }>();
const textOf = async (path: string, init: RequestInit, handler: Handler): Promise<string> =>
  await (await call(path, init, handler)).text();

/** The app itself, and the app inside another one in every way. */
const places: [string, string, (app: App) => Handler][] = [
  ["itself", "", (app) => app],
  ["route", "/v1", (app) => outerApp().route("/v1", app)],
  ["route below a parameter", "/acme", (app) => outerApp().route("/:tenant", app)],
  ["routes in routes", "/x/v1", (app) => outerApp().route("/x", outerApp().route("/v1", app))],
  ["basePath", "/x/v1", (app) => outerApp().basePath("/x").route("/v1", app)],
  ["mount", "/v1", (app) => outerApp().mount("/v1", app.fetch)],
];

describe.each(places)("an addition to the app of `serve`, in %s", (_, prefix, place) => {
  it("answers before the objects, below their paths too", async () => {
    const app = make();
    app.get("/a/:name/pay", (c) => c.text(`pay ${c.req.param("name")}`));
    app.get("/a/lobby", (c) => c.text("lobby"));
    app.on("PURGE", "/a/:name/*", (c) => c.text("purged"));
    app.basePath("/a/:name").get("/based", (c) => c.text(`based ${c.req.param("name")}`));
    app.route(
      "/a/:name/sub",
      new Hono().get("/x", (c) => c.text("sub")),
    );
    const handler = place(app);
    expect(await textOf(`${prefix}/a/al%20ice/pay`, {}, handler)).toBe("pay al ice");
    expect(await textOf(`${prefix}/a/lobby`, {}, handler)).toBe("lobby");
    expect(await textOf(`${prefix}/a/alice/x`, { method: "PURGE" }, handler)).toBe("purged");
    expect(await textOf(`${prefix}/a/alice/based`, {}, handler)).toBe("based alice");
    expect(await textOf(`${prefix}/a/alice/sub/x`, {}, handler)).toBe("sub");
    for (const [path, method] of [
      ["/pay", "POST"],
      ["/pay/more", "GET"],
      ["/sub", "GET"],
      ["", "GET"],
    ] as const) {
      expect(await seenBy(`${prefix}/a/alice${path}`, { method }, handler)).toMatchObject({
        name: "alice",
        path: path === "" ? "/" : path,
      });
    }
    expect(await seenBy(`${prefix}/a/lobby/x`, {}, handler)).toMatchObject({ name: "lobby", path: "/x" });
  });

  it("runs in its order as middleware, round the objects and before `authorize`", async () => {
    const order: string[] = [];
    const app = make({
      authorize(_request, { name }) {
        order.push(`authorize ${name}`);
        return true;
      },
    });
    for (const name of ["one", "two"]) {
      app.use(async (c, next) => {
        order.push(name);
        await next();
        order.push(`${name} ${c.res.status}`);
        c.header(`x-${name}`, "yes");
      });
    }
    app.get("/a/:name/pay", (c) => c.text("pay"));
    const response = await call(`${prefix}/a/alice/x`, {}, place(app));
    expect(await response.json()).toMatchObject({ name: "alice", path: "/x" });
    expect([response.status, response.headers.get("x-one"), response.headers.get("x-two")]).toEqual([
      207,
      "yes",
      "yes",
    ]);
    expect(order).toEqual(["one", "two", "authorize alice", "two 207", "one 207"]);
    order.length = 0;
    await call(`${prefix}/a/alice/pay`, {}, place(app));
    expect(order).toEqual(["one", "two", "two 200", "one 200"]);
  });

  it("can keep a request from `authorize` and from the object", async () => {
    const { calls, namespace } = recording(() => new Response());
    const authorize = vi.fn(() => true);
    const app = serve({ "/a/:name": () => namespace }, { authorize });
    app.use("/a/:name/*", async (c, next) => (c.req.param("name") === "bob" ? c.text("no", 401) : await next()));
    expect((await call(`${prefix}/a/bob/x`, {}, place(app))).status).toBe(401);
    expect([calls, authorize.mock.calls]).toEqual([[], []]);
    expect((await call(`${prefix}/a/alice/x`, {}, place(app))).status).toBe(200);
    expect(calls[0]).toEqual(["getByName", "alice", {}]);
  });

  it("answers a preflight by `cors()`, and adds its headers to what an object answers", async () => {
    const app = make({ authorize: ({ headers }) => headers.has("authorization") });
    app.use(cors({ origin: "https://a.example" }));
    const headers = { origin: "https://a.example", "access-control-request-method": "POST" };
    const preflight = await call(`${prefix}/a/alice`, { method: "OPTIONS", headers }, place(app));
    const answer = await call(`${prefix}/a/alice`, { headers: { ...headers, authorization: "x" } }, place(app));
    expect([preflight.status, answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([
      204,
      207,
      "https://a.example",
    ]);
    await answer.body?.cancel();
  });

  it.each<[string, MiddlewareHandler]>([
    ["x-frame-options", secureHeaders()],
    ["x-powered-by", poweredBy()],
    ["server-timing", timing()],
    ["x-request-id", requestId()],
    [
      "x-before",
      async (c, next) => {
        c.header("x-before", "yes");
        await next();
      },
    ],
  ])("adds its header %s to every answer, of objects, of its own, and to errors", async (header, middleware) => {
    quiet();
    const app = make({ authorize: (_, { name }) => name === "alice" });
    app.use(middleware);
    app.get("/a/:name/pay", () => {
      throw new HTTPException(402);
    });
    for (const [path, status] of [
      ["/a/alice/x", 207],
      ["/a/alice/away", 303],
      ["/a/alice/throw", 500],
      ["/a/bob/x", 403],
      ["/a/alice/pay", 402],
    ] as const) {
      const response = await call(prefix + path, {}, place(app));
      expect([path, response.status, response.headers.has(header)]).toEqual([path, status, true]);
      await response.body?.cancel();
    }
    const { status, webSocket, headers } = await call(
      `${prefix}/a/alice/upgrade`,
      { headers: { upgrade: "websocket" } },
      place(app),
    );
    expect([status, headers.has(header), webSocket === null]).toEqual([101, true, false]);
    webSocket!.accept();
    webSocket!.close();
  });

  it("keeps an object's cookies and `Vary` beside its own", async () => {
    const { namespace } = recording(
      () => new Response("x", { headers: { "set-cookie": "a=1", vary: "accept", etag: '"1"' } }),
    );
    const app = serve({ "/a/:name": () => namespace }, { authorize: () => true });
    app.use(cors({ origin: "https://a.example" }), etag());
    app.use(async (c, next) => {
      setCookie(c, "b", "2");
      await next();
    });
    const { headers } = await call(`${prefix}/a/alice`, { headers: { origin: "https://a.example" } }, place(app));
    expect(headers.getSetCookie().toSorted()).toEqual(["a=1", "b=2; Path=/"]);
    expect(headers.get("vary")!.toLowerCase().split(", ").toSorted()).toEqual(["accept", "origin"]);
    const init = { headers: { "if-none-match": '"1"' } };
    expect((await call(`${prefix}/a/alice`, init, place(app))).status).toBe(304);
  });

  it("passes HEAD, OPTIONS and WebSockets on through middleware", async () => {
    const app = make();
    app.use(async (c, next) => {
      await next();
      c.header("x-after", "yes");
    });
    app.get("/a/:name/pay", (c) => c.text("pay"));
    const handler = place(app);
    const head = await call(`${prefix}/a/alice/pay`, { method: "HEAD" }, handler);
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await call(`${prefix}/a/alice/x`, { method: "HEAD" }, handler)).status).toBe(207);
    expect(await seenBy(`${prefix}/a/alice/pay`, { method: "OPTIONS" }, handler)).toMatchObject({ method: "OPTIONS" });
    const { status, webSocket, headers } = await call(
      `${prefix}/a/alice/upgrade`,
      { headers: { upgrade: "websocket" } },
      handler,
    );
    expect([status, headers.get("x-after"), webSocket === null]).toEqual([101, "yes", false]);
    webSocket!.accept();
    webSocket!.close();
  });
});

describe("the app of `serve`", () => {
  it("asks objects in the order of their paths, whatever is added", async () => {
    const [first, second] = ["first", "second"].map((text) => recording(() => new Response(text)));
    const app = serve(
      { "/a/lobby": { object: () => first!.namespace, name: () => "lobby" }, "/a/:name": () => second!.namespace },
      { authorize: () => true },
    );
    app.get("/b", (c) => c.text("b"));
    for (const handler of [app, outerApp().route("/", app)]) {
      expect(await textOf("/a/lobby/x", {}, handler)).toBe("first");
      expect(await textOf("/a/other/x", {}, handler)).toBe("second");
      expect(await textOf("/b", {}, handler)).toBe("b");
    }
  });

  it("uses routes that are added after its first request", async () => {
    const app = make();
    expect((await call("/a/alice/pay", {}, app)).status).toBe(207);
    app.get("/a/:name/pay", (c) => c.text("pay"));
    expect(await textOf("/a/alice/pay", {}, app)).toBe("pay");
  });

  it("can have no path of its own", async () => {
    const app = serve({})
      .get("/one", (c) => c.text("one"))
      .get("/:any", (c) => c.text("any"));
    for (const handler of [app, outerApp().route("/", app)]) {
      expect([await textOf("/one", {}, handler), await textOf("/two", {}, handler)]).toEqual(["one", "any"]);
    }
  });

  it("lists its routes in the order in which they are asked", () => {
    const app = make();
    app.get("/a/:name/pay", (c) => c.text("pay"));
    app.use(cors());
    const listed = (one: App): string[] => inspectRoutes(one).map(({ method, path }) => `${method} ${path}`);
    expect(listed(app)).toEqual(["GET /a/:name/pay", "ALL /*", "ALL /a/:name/*"]);
    expect(listed(outerApp().route("/v1", app))).toEqual(["GET /v1/a/:name/pay", "ALL /v1/*", "ALL /v1/a/:name/*"]);
  });

  it("passes unknown paths to `notFound`, its own or the outer app's", async () => {
    const app = make().notFound((c) => c.text("mine", 404));
    expect(await textOf("/nowhere", {}, app)).toBe("mine");
    const outer = outerApp().route("/v1", app);
    outer.notFound((c) => c.text("outer", 404));
    for (const path of ["/v1/nowhere", "/nowhere"]) expect(await textOf(path, {}, outer)).toBe("outer");
    expect((await call("/v1/a/alice/x", {}, outer)).status).toBe(207);
  });

  it("keeps headers that `authorize` sets", async () => {
    const app = make({
      authorize(_, { c }) {
        c.header("x-by", "authorize");
        return true;
      },
    });
    expect((await call("/a/alice/x", {}, app)).headers.get("x-by")).toBe("authorize");
  });

  it("sends each header once if `authorize` returns `c.json(…)`", async () => {
    const app = make({
      authorize(_, { c }) {
        setCookie(c, "a", "1");
        c.header("vary", "cookie");
        return c.json("log in", 401);
      },
    });
    const { status, headers } = await call("/a/alice/x", {}, app);
    expect([status, headers.getSetCookie(), headers.get("vary")]).toEqual([401, ["a=1; Path=/"], "cookie"]);
  });

  it("keeps an answer that middleware gave before the object's", async () => {
    const answered = Promise.withResolvers<Response>();
    const app = serve({ "/a/:name": () => recording(() => answered.promise).namespace }, { authorize: () => true });
    app.use(async (_, next) => {
      await next();
      answered.resolve(new Response("late"));
      await scheduler.wait(1);
    });
    app.use(async (c, next) => {
      void next();
      await Promise.resolve();
      c.res = c.text("too slow", 504);
    });
    const response = await call("/a/alice", {}, app);
    expect([response.status, await response.text()]).toEqual([504, "too slow"]);
  });

  it("keeps headers that middleware sets before `notFound`", async () => {
    const app = make().use(requestId());
    const response = await call("/nowhere", {}, app);
    expect(response.headers.has("x-request-id")).toBe(true);
    await expectProblem(response, 404);
  });

  it("asks the user's `onError` for every error, including an object's", async () => {
    quiet();
    const app = make().onError((error, c) => c.text(error.message.length > 0 ? "mine" : "none", 418));
    app.get("/a/:name/pay", () => {
      throw new HTTPException(402, { message: "pay first" });
    });
    for (const handler of [app, outerApp().route("/", app)]) {
      for (const path of ["/a/alice/throw", "/a/alice/pay"]) {
        expect([path, await textOf(path, {}, handler)]).toEqual([path, "mine"]);
      }
    }
  });

  it.each<["get" | "all"]>([["get"], ["all"]])(
    "refuses `app.%s('*', …)`, which would answer for every object",
    (verb) => {
      const error = thrownBy(() => make()[verb]("*", (c) => c.text("page")));
      expect([error.code, error.message]).toEqual(["bad-option", expect.stringContaining("`app.notFound((c) => …)`")]);
      expect(error.message).toContain(`app.${verb}("*", …)`);
    },
  );

  it("refuses other forms of such a handler: without parameters, and in an app that has its own `onError`", () => {
    const page = (): Response => new Response("page");
    const sub = new Hono().onError(() => page()).get("*", (c) => c.text("page"));
    for (const add of [
      (app: App) => app.get("*", page),
      (app: App) => app.all("*", async () => await Promise.resolve(page())),
      (app: App) => app.route("/", sub),
      (app: App) => app.route("/", new Hono().onError(() => page()).route("/", sub)),
    ]) {
      expect(thrownBy(() => add(make()))).toMatchObject({ code: "bad-option" });
    }
    const within = (): unknown => make().route("/pages", sub);
    expect(within).not.toThrow();
  });

  it("takes handlers for every path that don't answer for objects", async () => {
    const app = make();
    app.options("*", (c) => c.body(null, 204));
    app.get("*", async (c, next) => {
      await next();
      c.header("x-after", "yes");
    });
    app.use("*", async (...args) => await args[1]());
    expect((await call("/a/alice/x", { method: "OPTIONS" }, app)).status).toBe(204);
    expect((await call("/a/alice/x", {}, app)).headers.get("x-after")).toBe("yes");
    expect(await seenBy("/a/alice/x", { method: "POST" }, app)).toMatchObject({ method: "POST" });
  });

  it("can be called with `app.request`, which takes `env` and `ctx`", async () => {
    const app = serve({ "/a/:name": Mirror, "/b/:name": ({ MIRROR }) => MIRROR }, { authorize: () => true });
    const { error } = quiet();
    expect(await (await app.request("/a/alice/x", {}, env, createExecutionContext())).json()).toMatchObject({
      name: "alice",
      path: "/x",
    });
    expect(await (await app.request("/b/alice/x", { method: "POST" }, env)).json()).toMatchObject({ method: "POST" });
    expect(error).not.toHaveBeenCalled();
    await expectProblem(await app.request("/a/alice/x", {}, env), 500, { code: "missing-binding" });
    const logged = error.mock.calls[0]![0] as DurableError;
    expect(logged.message).toContain("`app.request(path, init, env, ctx)`");
  });

  it("ignores a slash at the end in its own routes, and passes it on to the object", async () => {
    const app = make().get("/a/:name/pay", (c) => c.text("pay"));
    expect(await textOf("/a/alice/pay/", {}, app)).toBe("pay");
    expect(await seenBy("/a/alice/x/", {}, app)).toMatchObject({ path: "/x/" });
  });

  it("shows the Worker's code the whole URL and the object the rest, and doesn't change redirects of either", async () => {
    const app = serve(
      {
        "/a/:name": () =>
          recording(({ url }) => {
            const location = new URL(url).pathname === "/up" ? "./down" : "/down";
            return new Response(null, { status: 303, headers: { location } });
          }).namespace,
      },
      { authorize: (request) => new URL(request.url).pathname.startsWith("/v1/a/alice/") },
    );
    app.get("/a/:name/pay", (c) => c.redirect(new URL("./paid", c.req.url).pathname));
    const outer = outerApp().route("/v1", app);
    const target = async (path: string): Promise<string> => {
      const response = await call(path, {}, outer);
      return new URL(response.headers.get("location")!, `http://worker${path}`).pathname;
    };
    expect(await target("/v1/a/alice/pay")).toBe("/v1/a/alice/paid");
    // Relative to the client's URL, which the object doesn't know.
    expect(await target("/v1/a/alice/up")).toBe("/v1/a/alice/down");
    expect(await target("/v1/a/alice/x")).toBe("/down");
  });
});

describe("a path that the object would get as another one", () => {
  it.each(["/x/../admin", "/x/%2E%2e/admin", "/./admin", "/%2e/admin", "/x\\..\\admin", "/x\\admin", "/..", "/x/.."])(
    "is refused, so that it passes no guard: %s",
    async (rest) => {
      const { calls, namespace } = recording(() => new Response());
      const authorize = vi.fn(() => true);
      const app = serve({ "/a/:name": () => namespace }, { authorize });
      app.use("/a/:name/admin", async (c) => await Promise.resolve(c.text("no", 401)));
      for (const [handler, prefix] of [
        [app, ""],
        [outerApp().route("/v1", app), "/v1"],
      ] as const) {
        await expectProblem(await sent(`http://worker${prefix}/a/alice${rest}`, handler), 400, { code: "bad-request" });
      }
      expect([calls, authorize.mock.calls]).toEqual([[], []]);
    },
  );
});

describe("a body that was read before `serve` passes it on", () => {
  const reading = (read: (request: Parameters<Parameters<App["use"]>[1]>[0]["req"]) => unknown): App => {
    const app = make();
    app.use("*", async (c, next) => {
      await read(c.req);
      await next();
    });
    return app;
  };
  const bytes = new Uint8Array([0xff, 0, 0x61]);
  const piecewise = (): ReadableStream => new Blob([bytes]).stream().pipeThrough(new TransformStream());

  it("reaches the object if Hono has kept it", async () => {
    const { error } = quiet();
    for (const [read, body] of [
      [reading((request) => request.text()), "é\uFFFD"],
      [reading((request) => request.json()), '{"a":"é\uFFFD"}'],
      [reading((request) => request.blob()), "text"],
      [reading((request) => void request.text()), "text"],
      [reading((request) => request.text()), ""],
    ] as const) {
      const length = String(new TextEncoder().encode(body).length);
      const init = { method: "PUT", body, headers: { "x-sent": "sent", "content-length": length } };
      const response = await call("/a/alice/x?q", init, read);
      expect(response.headers.get("x-echo")).toBe("sent");
      expect(await response.json()).toEqual({ name: "alice", method: "PUT", path: "/x?q", body });
    }
    const { calls, namespace } = recording(async (request) => new Response(await request.arrayBuffer()));
    for (const body of [bytes, piecewise()]) {
      const app = serve(
        { "/a/:name": () => namespace },
        { authorize: async (_, { c }) => (await c.req.arrayBuffer()).byteLength === 3 },
      );
      expect(await (await call("/a/alice", { method: "POST", body }, app)).bytes()).toEqual(bytes);
    }
    expect(calls).toHaveLength(4);
    expect(error).not.toHaveBeenCalled();
  });

  it("keeps the byte order mark that Hono leaves out of a text", async () => {
    const { namespace } = recording(async (request) => new Response(await request.arrayBuffer()));
    const marked = new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xef, 0xbf, 0xbd]);
    const app = serve({ "/a/:name": () => namespace }, { authorize: () => true });
    app.use(async (c, next) => {
      await c.req.text();
      await next();
    });
    const headers = { "content-length": "7" };
    expect(await (await call("/a/alice", { method: "POST", body: marked, headers }, app)).bytes()).toEqual(marked);
  });

  it("can be sent on with other headers", async () => {
    const app = make({
      async authorize(request, { c }) {
        if ((await c.req.text()) !== "signed") return false;
        const headers = new Headers(request.headers);
        headers.set("x-sent", "by authorize");
        return new Request(request.url, { method: request.method, headers, body: await c.req.arrayBuffer() });
      },
    });
    const response = await call("/a/alice", { method: "POST", body: "signed" }, app);
    expect(response.headers.get("x-echo")).toBe("by authorize");
    expect(await response.json()).toMatchObject({ name: "alice", method: "POST", body: "signed" });
    expect((await call("/a/alice", { method: "POST", body: "other" }, app)).status).toBe(403);
  });

  it("keeps the form that `parseBody` has parsed", async () => {
    const form = new FormData();
    form.set("file", new File([bytes], "f.bin"));
    const { namespace } = recording(async (request) => {
      const file = (await request.formData()).get("file") as unknown as File;
      return new Response(await file.arrayBuffer());
    });
    const app = serve({ "/a/:name": () => namespace }, { authorize: () => true });
    app.use(async (c, next) => {
      expect(await c.req.parseBody()).toHaveProperty("file");
      await next();
    });
    expect(await (await call("/a/alice", { method: "POST", body: form }, app)).bytes()).toEqual(bytes);
  });

  it("is refused if a part of it is gone: the fix is logged, and no object is woken", async () => {
    for (const [read, body] of [
      [(request: { raw: Request }) => request.raw.text(), "secret"],
      [(request: { raw: Request }) => void request.raw.body!.getReader(), "secret"],
      [(request: { text(): unknown }) => request.text(), bytes],
      [(request: { text(): unknown }) => request.text(), piecewise()],
      [(request: { formData(): unknown }) => request.formData(), new URLSearchParams("secret=1")],
    ] as const) {
      const { error } = quiet();
      const { calls, namespace } = recording(() => new Response());
      const app = serve({ "/a/:name": () => namespace }, { authorize: () => true });
      app.use(async (c, next) => {
        await read(c.req);
        await next();
      });
      const response = await call("/a/alice", { method: "POST", body }, app);
      expect(await response.clone().text()).not.toContain("secret");
      await expectProblem(response, 500, { code: "body-used" });
      expect(error.mock.calls).toEqual([
        [expect.objectContaining({ message: expect.stringContaining("`await c.req.arrayBuffer()`") })],
      ]);
      expect(calls).toEqual([]);
      vi.restoreAllMocks();
    }
  });
});
