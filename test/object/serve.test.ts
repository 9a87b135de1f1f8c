import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { serve } from "durable-base";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Mirror, recording } from "./fixtures/serve.ts";
import { call, expectProblem, quiet, seenBy, sent, type Handler } from "./serving.ts";
import { eventually } from "../eventually.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("serve", () => {
  it("passes the rest of the path on, with the method, headers and body as they are", async () => {
    quiet();
    const response = await call("/mirrors/alice/increment/by?x=1&y=%20#part", {
      method: "PATCH",
      body: "the body",
      headers: { "x-sent": "sent" },
    });
    expect(await response.json()).toEqual({
      name: "alice",
      method: "PATCH",
      path: "/increment/by?x=1&y=%20",
      body: "the body",
    });
    expect([response.status, response.headers.get("x-echo"), response.headers.get("set-cookie")]).toEqual([
      207,
      "sent",
      "a=1",
    ]);
  });

  it("passes `/` on for the object itself", async () => {
    quiet();
    for (const [path, seen] of [
      ["/mirrors/alice", "/"],
      ["/mirrors/alice/", "/"],
      ["/mirrors/alice?q=1", "/?q=1"],
      ["/mirrors/alice//a//b/", "//a//b/"],
      ["/mirrors/alice/a%2Fb/%E2%82%AC", "/a%2Fb/%E2%82%AC"],
    ]) {
      expect(await seenBy(path!)).toMatchObject({ name: "alice", path: seen });
    }
  });

  it("finds objects by class, by function, and by the segment `:name` alone", async () => {
    expect(await seenBy("/mirrors/same/")).toMatchObject({ name: "same" });
    expect(await seenBy("/by-binding/same/x")).toMatchObject({ name: "same", path: "/x" });
    expect(await seenBy("/acme/deep/same/x")).toMatchObject({ name: "same", path: "/x" });
    expect(await seenBy("/peers/other/x")).toMatchObject({ name: "other", path: "/x" });
    const id = String(env.MIRROR.idFromName("same"));
    expect((await listDurableObjectIds(env.MIRROR)).map(String)).toContain(id);
  });

  it("decodes names, once", async () => {
    for (const [segment, name] of [
      ["a%20b", "a b"],
      ["a%2Fb", "a/b"],
      ["a%252Fb", "a%2Fb"],
      ["%E2%82%AC", "€"],
      ["__proto__", "__proto__"],
      ["%00", "\0"],
      ["a+b", "a+b"],
    ]) {
      expect(await seenBy(`/mirrors/${segment}/x`)).toMatchObject({ name, path: "/x" });
    }
  });

  it("answers a bad name with 400, and wakes nothing", async () => {
    const before = await listDurableObjectIds(env.MIRROR);
    for (const name of ["%E2%82", "%ff", "%", "x".repeat(1_025), "%ED%A0%80"]) {
      await expectProblem(await call(`/mirrors/${name}/x`), 400, { code: "bad-name" });
    }
    expect(await listDurableObjectIds(env.MIRROR)).toHaveLength(before.length);
  });

  it("answers an unknown path with 404", async () => {
    for (const path of ["/", "/nowhere", "/mirrors", "/mirrors/", "/mirrors//x", "/mirrorsx/alice"]) {
      await expectProblem(await call(path), 404, { code: "not-found" });
    }
  });

  it("answers for an object that throws with a bare 500, and logs the error", async () => {
    const { error } = quiet();
    const response = await call("/mirrors/thrower/throw");
    expect(await response.clone().text()).not.toContain("secret");
    await expectProblem(response, 500);
    expect(error.mock.calls).toEqual([[expect.objectContaining({ message: "secret internals" })]]);
    await expectProblem(await call("/peers/aborter/abort"), 500);
  });

  it("answers HEAD, and lets WebSockets through", async () => {
    const head = await call("/mirrors/alice", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([207, ""]);
    const { webSocket } = await call("/mirrors/alice/upgrade", { headers: { upgrade: "websocket" } });
    const message = new Promise((resolve) => webSocket!.addEventListener("message", ({ data }) => resolve(data)));
    webSocket!.accept();
    expect(await message).toBe("hello");
    webSocket!.close();
  });

  it("streams bodies both ways", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const response = call("/mirrors/streams", { method: "POST", body: readable });
    const writer = writable.getWriter();
    for (const part of ["one ", "two"]) await writer.write(new TextEncoder().encode(part));
    await writer.close();
    expect(await (await response).json()).toMatchObject({ body: "one two" });
  });

  it("answers a bad name or id in a route of the user's own with 400, and an object's own bug with 500", async () => {
    const { error } = quiet();
    await expectProblem(await call("/open?name="), 400, { code: "bad-name" });
    await expectProblem(await call("/open?id=zz"), 400, { code: "bad-id" });
    expect(error).not.toHaveBeenCalled();
    await expectProblem(await call("/open?name=buggy"), 500, { code: "bad-name" });
    expect(error.mock.calls).toEqual([[expect.objectContaining({ code: "bad-name", remote: true })]]);
  });

  it("is a Hono app: it takes routes, middleware and error handling, and can be mounted", async () => {
    expect(await seenBy("/total")).toBe(2);
    const own = serve({ "/mirrors/:name": Mirror }, { authorize: () => true });
    own.get("/teapot", () => {
      throw new HTTPException(418, { message: "short and stout" });
    });
    await expectProblem(await call("/teapot", {}, own), 418, { detail: "short and stout" });

    const outer = new Hono<{ Bindings: Cloudflare.Env }>();
    outer.use(async (c, next) => {
      await next();
      c.header("x-outer", "yes");
    });
    outer.route("/api/v1", own);
    const response = await call("/api/v1/mirrors/alice/x/y", {}, outer);
    expect(response.headers.get("x-outer")).toBe("yes");
    expect(await response.json()).toMatchObject({ name: "alice", path: "/x/y" });
  });

  it("adds nothing to the request and takes nothing from it", async () => {
    quiet();
    const headers = { "x-forwarded-host": "elsewhere", "x-name": "bob", "x-sent": "1" };
    expect(await seenBy("/mirrors/alice/details?q", { headers, cf: { country: "NL" } } as RequestInit)).toEqual({
      url: "http://worker/details?q",
      headers: Object.entries(headers),
      redirect: "manual",
      cf: { country: "NL" },
    });
  });

  it("passes every method on, OPTIONS and unknown ones too", async () => {
    for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"]) {
      expect(await seenBy("/mirrors/alice/x", { method })).toMatchObject({ method, path: "/x" });
    }
  });

  it("passes redirects on, also for a request that would follow them", async () => {
    for (const redirect of ["follow", "manual"] as const) {
      const { status, headers } = await call("/mirrors/alice/away", { redirect });
      expect([status, headers.get("location")]).toEqual([303, "/throw"]);
    }
  });

  it("passes events on as they come, and the reader's leaving", async () => {
    const { body } = await call("/mirrors/events/events");
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    expect(await reader.read()).toEqual({ done: false, value: "data: 1\n\n" });
    await call("/mirrors/events/next");
    expect(await reader.read()).toEqual({ done: false, value: "data: 2\n\n" });
    expect(await seenBy("/mirrors/events/ended")).toEqual([]);
    await reader.cancel();
    await eventually(async () => expect(await seenBy("/mirrors/events/ended")).toEqual(["events"]));
  });

  it("ends its call to the object when the client goes away", async () => {
    const { error } = quiet();
    const leaving = new AbortController();
    const response = call("/mirrors/hanging/hang", { signal: leaving.signal });
    await scheduler.wait(5);
    leaving.abort();
    expect((await response).ok).toBe(false);
    expect(error.mock.calls).toEqual([[expect.objectContaining({ name: "AbortError" })]]);
  });

  it("asks the namespace for one object, and the object once", async () => {
    const { calls, namespace } = recording(() => new Response("answer"));
    const handler = serve({ "/x/:name": () => namespace }, { authorize: () => true });
    const response = await call("/x/alice/a/b?q=1", { method: "POST", body: "body" }, handler);
    expect(await response.text()).toBe("answer");
    expect(calls).toEqual([
      ["getByName", "alice", {}],
      ["fetch", "http://worker/a/b?q=1"],
    ]);
  });

  it("answers with the path written first, of several that match", async () => {
    const [first, second] = ["first", "second"].map((text) => recording(() => new Response(text)));
    const handler = serve(
      { "/a/:name": () => first!.namespace, "/a/b/:name": () => second!.namespace, "/:name": () => second!.namespace },
      { authorize: () => true },
    );
    for (const [path, answer, name] of [
      ["/a/b/c", "first", "b"],
      ["/a/x", "first", "x"],
      ["/b/b/c", "second", "b"],
      ["/a", "second", "a"],
    ]) {
      expect(await (await call(path!, {}, handler)).text()).toBe(answer);
      const { calls } = answer === "first" ? first! : second!;
      expect(calls.at(-2)).toEqual(["getByName", name, {}]);
    }
  });

  it("names the object as the router saw the URL, also one that was never normalized", async () => {
    quiet();
    for (const [url, name, path] of [
      ["http://worker/mirrors/../x", "..", "/x"],
      ["http://worker/mirrors/a\\b/c", "a\\b", "/c"],
      ["http://worker/mirrors/é/é", "é", "/%C3%A9"],
      ["http://alice@worker:99/mirrors/bob/x", "bob", "/x"],
      // A header `Host` can say this. It names no other object than the one that `authorize` is asked about.
      ["http://worker/mirrors/alice?/mirrors/bob", "alice", "/?/mirrors/bob"],
    ]) {
      expect([url, await (await sent(url!)).json()]).toMatchObject([url, { name, path }]);
    }
    await expectProblem(await sent("http://[/mirrors/alice"), 400, { code: "bad-request" });
    await expectProblem(await sent("http://worker*"), 404);
  });
});

describe("an object that fails", () => {
  it("in its code is a bare 500, one that is overloaded or moving a 503 to retry, called once", async () => {
    for (const [flag, status] of [
      [{ overloaded: true }, 503],
      [{ retryable: true }, 503],
      [{ overloaded: true, durableObjectReset: true }, 503],
      [{ durableObjectReset: true }, 500],
      [{}, 500],
    ] as const) {
      const { error } = quiet();
      const { calls, namespace } = recording(() => {
        throw Object.assign(new Error("secret internals"), flag);
      });
      const handler = serve({ "/x/:name": () => namespace }, { authorize: () => true });
      const response = await call("/x/alice", { method: "POST", body: "body" }, handler);
      expect(response.headers.get("retry-after")).toBe(status === 503 ? "5" : null);
      expect(await response.clone().text()).not.toContain("secret");
      await expectProblem(response, status);
      expect(error.mock.calls).toEqual([[expect.objectContaining(flag)]]);
      expect(calls).toHaveLength(2);
      vi.restoreAllMocks();
    }
  });

  it("is known by the platform's flags, which cross from one object to the next", async () => {
    quiet();
    for (const flag of ["overloaded", "retryable"]) {
      const response = await call(`/mirrors/flagged/${flag}`);
      expect(response.headers.get("retry-after")).toBe("5");
      await expectProblem(response, 503, { code: "service-unavailable" });
    }
  });
});

describe("serve in another app", () => {
  type Outer = Hono<{ Bindings: Cloudflare.Env; Variables: { user: string } }>;
  const make = (options?: ConstructorParameters<typeof Hono>[0]): Outer => new Hono(options) as unknown as Outer;
  const served = serve(
    { "/mirrors/:name": Mirror, "/whole": { object: Mirror, name: () => "fixed" } },
    { authorize: () => true },
  );

  /** As Hono's documentation routes by host. */
  const getPath = (request: Request): string => request.url.slice("http:/".length).split("?")[0]!;

  const mounts: [string, string, Handler][] = [
    ["itself", "", served],
    ["route at /", "", make().route("/", served)],
    ["route", "/api/v1", make().route("/api/v1", served)],
    ["route with a slash", "/api", make().route("/api/", served)],
    ["route below parameters", "/acme/in/eu", make().route("/:tenant/in/:region", served)],
    ["route below a parameter :name", "/bob", make().route("/:name", served)],
    ["route below a wildcard", "/any/api", make().route("/*/api", served)],
    ["routes in routes", "/a/b", make().route("/a", make().route("/b", served))],
    ["basePath", "/base/api", make().basePath("/base").route("/api", served)],
    ["an app that is not strict", "/api", make({ strict: false }).route("/api", served)],
    ["an app that routes by host", "", make({ getPath }).route("/worker", served)],
    ["mount", "/api", make().mount("/api", served.fetch)],
  ];

  it.each(mounts)("%s: finds the name and the rest of the path", async (mounted, prefix, handler) => {
    for (const [path, name, rest] of [
      ["/mirrors/alice", "alice", "/"],
      ["/mirrors/alice/", "alice", "/"],
      ["/mirrors/alice?q=%20", "alice", "/?q=%20"],
      ["/mirrors/alice/x/y/", "alice", "/x/y/"],
      ["/mirrors/alice//x//?a/b", "alice", "//x//?a/b"],
      ["/mirrors/a%2Fb/c%2Fd/%E2%82%AC", "a/b", "/c%2Fd/%E2%82%AC"],
      ["/mirrors/mirrors/mirrors/mirrors", "mirrors", "/mirrors/mirrors"],
      ["/mirrors/%61%2525/%61?%61", "a%25", mounted === "mount" ? "/a?%61" : "/%61?%61"],
      ["/whole", "fixed", "/"],
      ["/whole/x/", "fixed", "/x/"],
    ]) {
      // `mount` itself refuses or rewrites some paths before we see them.
      if (mounted === "mount" && path!.includes("//")) continue;
      expect([path, await seenBy(prefix + path, {}, handler)]).toMatchObject([path, { name, path: rest }]);
    }
    await expectNotFound(prefix, handler);
  });

  const expectNotFound = async (prefix: string, handler: Handler): Promise<void> => {
    for (const path of ["/mirrors", "/mirrorsx/alice", "/Mirrors/alice", "/wholex"]) {
      expect((await call(prefix + path, {}, handler)).status).toBe(404);
    }
  };

  it("passes the whole path below the mount on for `/`", async () => {
    const root = serve({ "/": { object: Mirror, name: () => "fixed" } }, { authorize: () => true });
    for (const [prefix, handler] of [
      ["", root],
      ["/api", make().route("/api", root)],
      ["/api", make({ strict: false }).route("/api", root)],
      ["", make({ getPath }).route("/worker", root)],
    ] as const) {
      for (const [path, rest] of [
        ["/", "/"],
        ["/?q", "/?q"],
        ["//", "//"],
        ["/a/b%2F//?q", "/a/b%2F//?q"],
      ]) {
        expect([prefix, await seenBy(prefix + path, {}, handler)]).toMatchObject([
          prefix,
          { name: "fixed", path: rest },
        ]);
      }
    }
    expect(await seenBy("/api", {}, make().route("/api", root))).toMatchObject({ path: "/" });
  });

  it("leaves other paths to the outer app", async () => {
    const outer = make().route("/", served);
    outer.get("/mirrors", (c) => c.text("the list"));
    expect(await (await call("/mirrors", {}, outer)).text()).toBe("the list");
  });

  it("runs behind the middleware of the outer app, whose variables `authorize` sees", async () => {
    const outer = make();
    outer.use(cors({ origin: "https://a.example" }));
    outer.use(async (c, next) => {
      c.set("user", c.req.header("x-user") ?? "nobody");
      await next();
      c.header("x-outer", "yes");
    });
    outer.route("/", serve({ "/mirrors/:name": Mirror }, { authorize: (_, { name, c }) => c.get("user") === name }));
    const headers = { "x-user": "alice", origin: "https://a.example" };
    const response = await call("/mirrors/alice/x", { headers }, outer);
    expect([response.headers.get("x-outer"), response.headers.get("access-control-allow-origin")]).toEqual([
      "yes",
      "https://a.example",
    ]);
    expect(await response.json()).toMatchObject({ name: "alice", path: "/x" });
    await expectProblem(await call("/mirrors/bob/x", { headers }, outer), 403);
    expect((await call("/mirrors/alice/x", { method: "OPTIONS", headers }, outer)).status).toBe(204);

    const { status, webSocket } = await call(
      "/mirrors/alice/upgrade",
      { headers: { ...headers, upgrade: "websocket" } },
      outer,
    );
    expect([status, webSocket === null]).toEqual([101, false]);
    webSocket!.accept();
    webSocket!.close();
  });

  it("refuses to run below a parameter with a pattern, which may hold several segments", async () => {
    const { error } = quiet();
    await expectProblem(await call("/a/b/mirrors/alice", {}, make().route("/:rest{.+}", served)), 500, {
      code: "bad-option",
    });
    expect(error.mock.calls).toEqual([
      [expect.objectContaining({ message: expect.stringContaining('app.route("/:tenant"') })],
    ]);
  });
});
