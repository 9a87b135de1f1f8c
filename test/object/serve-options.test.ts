import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  dataOf,
  DurableError,
  serve,
  type ServeObject,
  type ServeOptions,
  type ServeRoute,
  type ServeTarget,
} from "durable-base";
import { HTTPException } from "hono/http-exception";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Mirror, recording } from "./fixtures/serve.ts";
import { call, expectProblem, quiet, seenBy, type Handler } from "./serving.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("authorize", () => {
  const authorizing = (decide: (request: Request, object: ServeObject<Cloudflare.Env>) => unknown): Handler =>
    serve({ "/mirrors/:name": Mirror }, { authorize: decide as () => boolean });

  it("decides before the object is woken", async () => {
    const ids = async (): Promise<number> => (await listDurableObjectIds(env.MIRROR)).length;
    const before = await ids();
    const own = new Response("log in", { status: 401, headers: { "www-authenticate": "Basic" } });
    for (const [verdict, status] of [
      [false, 403],
      [Promise.resolve(false), 403],
      [undefined, 403],
      [own, 401],
    ] as const) {
      const response = await call(
        "/mirrors/not-woken",
        {},
        authorizing(() => verdict),
      );
      expect(response.status).toBe(status);
      if (status === 403) await expectProblem(response, 403, { code: "forbidden" });
      else expect(await response.text()).toBe("log in");
    }
    expect(await ids()).toBe(before);
  });

  it("lets the request pass on true, body and all", async () => {
    const decide = vi.fn(
      async (...[request]: [Request, ServeObject<Cloudflare.Env>]) => (await request.clone().text()) === "let me in",
    );
    const seen = await seenBy("/mirrors/a%20b/x?q=1", { method: "POST", body: "let me in" }, authorizing(decide));
    expect(seen).toMatchObject({ name: "a b", path: "/x?q=1", body: "let me in" });
    expect(decide.mock.calls).toHaveLength(1);
    const [request, { c, ...object }] = decide.mock.calls[0]!;
    expect([request.url, object]).toEqual(["http://worker/mirrors/a%20b/x?q=1", { name: "a b", env }]);
    expect([object.env, c.req.raw]).toEqual([env, request]);
    expect((await call("/mirrors/a", { method: "POST", body: "?" }, authorizing(decide))).status).toBe(403);
  });

  it("that throws lets nobody in", async () => {
    quiet();
    const broken = authorizing(() => {
      throw new Error("secret internals");
    });
    const response = await call("/mirrors/not-woken", {}, broken);
    expect(await response.clone().text()).not.toContain("secret");
    await expectProblem(response, 500);
  });

  it("is asked for, once, when it is missing", async () => {
    const { warn } = quiet();
    const open = serve({ "/mirrors/:name": Mirror });
    expect(warn).not.toHaveBeenCalled();
    for (let i = 0; i < 3; i++) await call("/mirrors/alice", {}, open);
    expect(warn.mock.calls).toEqual([[expect.stringContaining("serve-without-authorize")]]);
    await call(
      "/mirrors/alice",
      {},
      authorizing(() => true),
    );
    expect(warn).toHaveBeenCalledOnce();
  });

  it("that throws what is no error, or rejects, lets nobody in either", async () => {
    const before = await listDurableObjectIds(env.MIRROR);
    for (const thrown of ["secret internals", undefined, null, { secret: 1 }]) {
      const { error } = quiet();
      const response = await call(
        "/mirrors/not-woken",
        {},
        authorizing(async () => await Promise.reject(thrown)),
      );
      expect(await response.clone().text()).not.toContain("secret");
      await expectProblem(response, 500, { code: "internal-server-error" });
      expect(error.mock.calls).toEqual([[expect.objectContaining({ cause: thrown })]]);
      vi.restoreAllMocks();
    }
    expect(await listDurableObjectIds(env.MIRROR)).toHaveLength(before.length);
  });

  it("can answer with Hono's HTTPException", async () => {
    const gone = authorizing(() => {
      throw new HTTPException(410, { message: "That room is closed." });
    });
    await expectProblem(await call("/mirrors/not-woken", {}, gone), 410, { detail: "That room is closed." });
  });

  it("lets nobody in by what is only like true", async () => {
    for (const verdict of [1, "true", {}, [], Promise.resolve("yes"), new URL("http://worker/")]) {
      await expectProblem(
        await call(
          "/mirrors/not-woken",
          {},
          authorizing(() => verdict),
        ),
        403,
        { code: "forbidden" },
      );
    }
  });

  it("can pass another request on, which says what no client can", async () => {
    const marking = authorizing((request) => {
      const headers = new Headers(request.headers);
      headers.set("x-user", "alice");
      return new Request("http://elsewhere/mirrors/bob/y", new Request(request, { headers }));
    });
    const init = { method: "POST", body: "body", headers: { "x-user": "root", "X-USER": "root" } };
    const details = (await seenBy("/mirrors/alice/details?q", init, marking)) as { url: string; headers: string[][] };
    expect(details.url).toBe("http://worker/details?q");
    expect(details.headers.filter(([key]) => key === "x-user")).toEqual([["x-user", "alice"]]);
    expect(await seenBy("/mirrors/alice/x", init, marking)).toMatchObject({ name: "alice", path: "/x", body: "body" });
  });

  it("can let a request pass with data for the object, which replaces what came in `cf`", async () => {
    const data = { user: "ann", rooms: ["a", "b"], at: new Date(0) };
    for (const body of ["let me in", "read"]) {
      const passing = serve(
        { "/mirrors/:name": Mirror },
        { authorize: async (_, { c }) => (body !== "read" || (await c.req.text()) === body) && { data } },
      );
      const details = `/mirrors/alice/details`;
      const init = { method: "POST", body, cf: { colo: "AMS", durableBase: { user: "root" } } };
      expect(await seenBy(details, init, passing)).toMatchObject({
        cf: { colo: "AMS", durableBase: { user: "ann", rooms: ["a", "b"], at: "1970-01-01T00:00:00.000Z" } },
      });
      expect(await seenBy("/mirrors/alice/x", init, passing)).toMatchObject({ name: "alice", path: "/x", body });
    }
    expect(dataOf<string>(new Request("http://worker", { cf: { durableBase: "ann" } }))).toBe("ann");
    expect(dataOf(new Request("http://worker"))).toBeUndefined();
  });

  it("passes falsy data and much of it, and nothing for a header", async () => {
    quiet();
    const big = "x".repeat(200_000);
    for (const data of [0, "", false, null, [], big]) {
      const passing = authorizing(() => ({ data }));
      const headers = { cf: JSON.stringify({ durableBase: "root" }), "cf-durablebase": "root" };
      expect(await seenBy("/mirrors/alice/details", { headers }, passing)).toMatchObject({ cf: { durableBase: data } });
      expect(await seenBy("/mirrors/alice/details", { headers })).not.toHaveProperty("cf.durableBase");
    }
  });

  it("refuses data that JSON can't hold, and lets nobody in by what is only like data", async () => {
    const { error } = quiet();
    const before = await listDurableObjectIds(env.MIRROR);
    for (const data of [new Map(), { user: [undefined] }, 1n, NaN, () => 1]) {
      const passing = authorizing(() => ({ data }));
      await expectProblem(await call("/mirrors/not-woken", {}, passing), 500);
    }
    expect(error.mock.calls).toEqual(
      Array.from({ length: 5 }, () => [expect.objectContaining({ name: "DurableError", code: "not-json" })]),
    );
    for (const verdict of [
      { data: undefined },
      { success: true, data: { user: "ann" } },
      { error: "no" },
      Object.create({ data: 1 }),
      Object.assign(Object.create(null), { data: 1 }),
      [{ data: 1 }],
    ]) {
      const passing = authorizing(() => verdict);
      await expectProblem(await call("/mirrors/not-woken", {}, passing), 403, { code: "forbidden" });
    }
    expect(await listDurableObjectIds(env.MIRROR)).toHaveLength(before.length);
  });

  it("may read the body only through Hono: otherwise the log says so, and no object is woken", async () => {
    const { error } = quiet();
    const before = await listDurableObjectIds(env.MIRROR);
    const reading = authorizing(async (request) => (await request.text()) !== "");
    await expectProblem(await call("/mirrors/not-woken", { method: "POST", body: "x" }, reading), 500, {
      code: "body-used",
    });
    expect(error.mock.calls).toEqual([
      [expect.objectContaining({ message: expect.stringContaining("`await c.req.text()`") })],
    ]);
    expect(await listDurableObjectIds(env.MIRROR)).toHaveLength(before.length);
  });

  it("is asked about exactly the object that answers, whatever the client sends", async () => {
    const seen: string[] = [];
    const { calls, namespace } = recording(() => new Response());
    const handler = serve(
      {
        "/x/:name": () => namespace,
        "/:tenant/y": {
          object: () => namespace,
          name: (_, { c }) => `${c.req.param("tenant")}/${c.req.header("x-room")}`,
        },
      },
      { authorize: (_, { name }) => seen.push(name) > 0 },
    );
    const headers = {
      host: "bob",
      "x-room": "room",
      "x-forwarded-host": "bob",
      "x-name": "bob",
      "x-original-url": "/x/bob",
    };
    const paths = [
      "/x/alice",
      "/x//bob",
      "/x/alice/../bob",
      "/x/alice%2Fbob",
      "/x/alice%2F..%2Fbob",
      "/x/alice%252Fbob",
    ];
    paths.push(
      "/x/alice/x/bob",
      "/x/alice?name=bob",
      "/x/ALICE",
      "/x/alice;bob",
      "/x/%00alice",
      "/x/bob%00",
      "/x/\\bob",
    );
    paths.push("/a/y", "/a%2Fb/y", "/a/y/..", "/%61/y", "/x/y", "/x/a%ff", "/x/%", `/x/${"x".repeat(1_025)}`);
    for (const path of paths) {
      await call(path, { headers }, handler);
      await handler.fetch(
        Object.defineProperty(new Request("http://worker/", { headers }), "url", { value: `http://worker${path}` }),
        env,
      );
    }
    const asked = calls.filter(([what]) => what === "getByName").map(([, name]) => name);
    expect(asked).toEqual(seen);
    expect(new Set(asked)).toEqual(
      new Set([
        "alice",
        "bob",
        "alice/bob",
        "alice/../bob",
        "alice%2Fbob",
        "ALICE",
        "alice;bob",
        "\0alice",
        "bob\0",
        "\\bob",
        "a/room",
        "a/b/room",
        "y",
      ]),
    );
  });
});

describe("name", () => {
  const named = (name: NonNullable<ServeOptions<Cloudflare.Env>["name"]>, path = "/"): Handler =>
    serve({ [path]: { object: Mirror, name } }, { authorize: () => true });

  it("comes from a header, the host, the query, parameters or anything else", async () => {
    for (const [handler, name] of [
      [named((request) => request.headers.get("x-room")), "blue room"],
      [named((request) => new URL(request.url).hostname), "worker"],
      [named((request) => new URL(request.url).searchParams.get("room")), "a/b"],
      [named((_, { c }) => `${c.req.param("a")}.${c.req.param("b")}`, "/:a/:b"), "x.y"],
      [named(async (_, { env: { MIRROR } }) => await Promise.resolve(String(MIRROR === env.MIRROR))), "true"],
      [named(() => "fixed", "/:name/y"), "fixed"],
    ] as const) {
      const seen = await seenBy("/x/y?room=a%2Fb", { headers: { "x-room": "blue room" } }, handler);
      expect(seen).toMatchObject({ name });
    }
  });

  it("leaves the object the path below its own", async () => {
    expect(
      await seenBy(
        "/a%2Fb/?q",
        {},
        named(() => "a"),
      ),
    ).toMatchObject({ path: "/a%2Fb/?q" });
    expect(
      await seenBy(
        "/rooms/x",
        {},
        named(() => "a", "/rooms"),
      ),
    ).toMatchObject({ path: "/x" });
  });

  it("that is missing or bad is a 400, before `authorize` and any object", async () => {
    for (const bad of [null, undefined, "", "x".repeat(1_025), "\ud800", 5]) {
      const { calls, namespace } = recording(() => new Response());
      const authorize = vi.fn(() => true);
      const handler = serve({ "/": { object: () => namespace, name: () => bad as string } }, { authorize });
      await expectProblem(await call("/", {}, handler), 400, { code: "bad-name" });
      expect([calls, authorize.mock.calls]).toEqual([[], []]);
    }
    expect(
      await seenBy(
        "/",
        {},
        named(() => "é".repeat(512)),
      ),
    ).toMatchObject({ name: "é".repeat(512) });
    await expectProblem(
      await call(
        "/",
        {},
        named(() => "é".repeat(513)),
      ),
      400,
      { code: "bad-name" },
    );
  });

  it("may be one function for all paths, and another for one of them", async () => {
    const handler = serve(
      { "/a": Mirror, "/b": { object: Mirror, name: () => "own" } },
      { name: () => "general", authorize: () => true },
    );
    expect(await seenBy("/a/x", {}, handler)).toMatchObject({ name: "general", path: "/x" });
    expect(await seenBy("/b/x", {}, handler)).toMatchObject({ name: "own", path: "/x" });
  });
});

describe("locationHint and jurisdiction", () => {
  it("reach the namespace, as values or chosen by the request", async () => {
    const byValue = { locationHint: "weur", jurisdiction: "eu" } as const;
    const byRequest: ServeOptions<Cloudflare.Env> = {
      locationHint: async (request, { name }) =>
        name === "alice" && request.cf?.continent === "EU" ? "weur" : undefined,
      jurisdiction: (request, { name }) => (name === "alice" ? (request.headers.get("x-law") as "eu") : undefined),
    };
    const alice = [
      ["jurisdiction", "eu"],
      ["getByName", "alice", { locationHint: "weur" }],
    ];
    for (const [options, name, expected] of [
      [byValue, "alice", alice],
      [byRequest, "alice", alice],
      [byRequest, "bob", [["getByName", "bob", {}]]],
    ] as const) {
      const seen: unknown[] = [];
      const { calls, namespace } = recording(() => new Response());
      const authorize = (_: Request, { jurisdiction }: ServeObject<Cloudflare.Env>): boolean =>
        seen.push(jurisdiction) > 0;
      const handler = serve({ "/x/:name": { object: () => namespace, ...options } }, { authorize });
      await call(`/x/${name}`, { headers: { "x-law": "eu" }, cf: { continent: "EU" } } as RequestInit, handler);
      expect(calls).toEqual([...expected, ["fetch", "http://worker/"]]);
      expect(seen).toEqual([name === "alice" ? "eu" : undefined]);
    }
  });

  it("that the platform does not know are logged, and wake nothing", async () => {
    for (const options of [
      { locationHint: () => "mars" },
      { jurisdiction: () => "mars" },
      { jurisdiction: () => null },
    ]) {
      const { error } = quiet();
      const { calls, namespace } = recording(() => new Response());
      const route = { object: () => namespace, ...options } as unknown as ServeRoute<Cloudflare.Env>;
      const response = await call("/x/alice", {}, serve({ "/x/:name": route }, { authorize: () => true }));
      await expectProblem(response, 500, { code: "bad-option" });
      expect(error.mock.calls).toEqual([[expect.objectContaining({ message: expect.stringContaining('Pass "') })]]);
      expect(calls).toEqual([]);
      vi.restoreAllMocks();
    }
  });

  it("work on the platform: a hint is taken, a jurisdiction refused by workerd, and a test would tell if it were not", async () => {
    const { error } = quiet();
    const hinted = serve({ "/x/:name": { object: Mirror, locationHint: "weur" } }, { authorize: () => true });
    expect(await seenBy("/x/hinted", {}, hinted)).toMatchObject({ name: "hinted" });
    const lawful = serve({ "/x/:name": { object: Mirror, jurisdiction: "eu" } }, { authorize: () => true });
    await expectProblem(await call("/x/hinted", {}, lawful), 500);
    const message = "Jurisdiction restrictions are not implemented in workerd.";
    expect(error.mock.calls).toEqual([[expect.objectContaining({ message })]]);
  });
});

describe("the options of one path", () => {
  it("take the place of those for all, one by one", async () => {
    const { calls, namespace } = recording(() => new Response());
    const general: ServeOptions<Cloudflare.Env> = { authorize: () => false, locationHint: "weur" };
    const handler = serve(
      {
        "/open/:name": { object: () => namespace, authorize: () => true },
        "/closed/:name": { object: () => namespace, locationHint: "me" },
      },
      general,
    );
    expect((await call("/open/a", {}, handler)).status).toBe(200);
    expect((await call("/closed/a", {}, handler)).status).toBe(403);
    expect(calls[0]).toEqual(["getByName", "a", { locationHint: "weur" }]);
  });
});

describe("what serve refuses", () => {
  /** The message of its `bad-option`, or undefined. */
  const refusal = (routes: object, options: object = {}): string | undefined => {
    try {
      serve(routes as Record<string, ServeTarget<Cloudflare.Env>>, options);
      return undefined;
    } catch (error) {
      if (!DurableError.is(error, "bad-option")) throw error;
      return error.message;
    }
  };

  it("an `authorize` that came out undefined, which would leave everything open", () => {
    for (const [routes, options] of [
      [{ "/x/:name": { object: Mirror, authorize: undefined } }, { authorize: () => false }],
      [{ "/x/:name": Mirror }, { authorize: undefined }],
    ] as const) {
      expect(refusal(routes, options)).toContain("`authorize` cannot be undefined");
    }
  });

  it("paths that name no object, at once", () => {
    const paths = ["", "/", "mirrors/:name", "/mirrors", "/mirrors/:name/", "/mirrors/:id", "/:name/:name"];
    for (const path of [
      ...paths,
      "//:name",
      "/:name{[a-z]+}",
      "/:name?",
      "/*/:name",
      "/a|b/:name",
      "/:na-me",
      "/a?/:name",
      "/a%20b/:name",
      "/a/../:name",
      "/caf%C3%A9/:name",
    ]) {
      expect([path, refusal({ [path]: Mirror })]).toEqual([path, expect.stringContaining(path)]);
    }
    for (const path of ["/v1.0/:name", "/a b/:name", "/é/:name", "/@/:name/x", "/:a/:name/:b"]) {
      expect([path, refusal({ [path]: Mirror })]).toEqual([path, undefined]);
    }
    for (const path of ["", "x", "/x/", "//", "/:a{.+}"]) {
      expect([path, refusal({ [path]: { object: Mirror, name: () => "a" } })]).toEqual([
        path,
        expect.stringContaining(path),
      ]);
    }
  });

  it("targets that are none, and options that cannot work, at once and with the fix", () => {
    const authorize = (): boolean => true;
    for (const [target, options, fix] of [
      [undefined, {}, "imported in a circle"],
      [null, {}, "(env) => env.COUNTER"],
      [{}, {}, "{ object: Counter, …options }"],
      [{ object: "Counter" }, {}, "{ object: Counter, …options }"],
      [Mirror, { authorise: authorize }, 'there is no option "authorise". Use authorize, name'],
      [{ object: Mirror, authorise: authorize }, {}, 'serve, "/x/:name": there is no option "authorise"'],
      [Mirror, { authorize: true }, "a function"],
      [Mirror, { authorize: null }, "a function"],
      [Mirror, { name: "alice" }, "a function"],
      [{ object: Mirror, name: "alice" }, {}, '`name` cannot be "alice"'],
      [Mirror, { locationHint: "mars" }, '"wnam", "enam"'],
      [Mirror, { locationHint: "toString" }, '"wnam", "enam"'],
      [Mirror, { jurisdiction: "mars" }, '"eu", "fedramp"'],
      [{ object: Mirror, jurisdiction: "EU" }, {}, '"eu", "fedramp"'],
    ] as const) {
      expect(refusal({ "/x/:name": target }, options)).toEqual(expect.stringContaining(fix));
    }
  });

  it("a class that is exported but not configured: logged with the lines for wrangler.toml, and without mention of a minifier", async () => {
    const { error } = quiet();
    class Plain extends Mirror {}
    const app = serve({ "/x/:name": Plain }, { authorize: () => true });
    const context = { exports: { Plain }, waitUntil() {}, passThroughOnException() {} };
    await expectProblem(await app.request("/x/alice", {}, env, context as never), 500, { code: "missing-binding" });
    const { message } = error.mock.calls[0]![0] as DurableError;
    expect(message).toContain("`Plain` is exported, but isn't a namespace");
    expect(message).toContain("[exports.Plain]");
    expect(message).toContain('new_sqlite_classes = ["Plain"]');
    expect(message).not.toContain("minifier");
    vi.restoreAllMocks();
  });

  it("a class or function without a namespace: logged with the fix, answered without", async () => {
    for (const [target, fix] of [
      [class Renamed extends Mirror {}, "the Worker's main module exports no `Renamed`"],
      [class Renamed extends Mirror {}, "(env) => env.COUNTER"],
      [class Renamed extends Mirror {}, "[exports.Renamed]"],
      [() => undefined, "[[durable_objects.bindings]]"],
      [() => "text", "[[durable_objects.bindings]]"],
    ] as const) {
      const { error } = quiet();
      const handler = serve({ "/x/:name": target as ServeTarget<Cloudflare.Env> }, { authorize: () => true });
      await expectProblem(await call("/x/alice", {}, handler), 500, { code: "missing-binding" });
      const logged = error.mock.calls[0]![0] as DurableError;
      expect([logged.code, logged.message]).toEqual(["missing-binding", expect.stringContaining(fix)]);
      vi.restoreAllMocks();
    }
  });
});
