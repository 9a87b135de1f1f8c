import { createExecutionContext, listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DurableError, serve, type ServeTarget } from "../src/index.ts";
import { app, Mirror } from "./fixtures/serve.ts";

type Handler = { fetch(request: Request, env: Cloudflare.Env, ctx: ExecutionContext): Response | Promise<Response> };

const call = async (path: string, init?: RequestInit, handler: Handler = app): Promise<Response> =>
  await handler.fetch(new Request(`http://worker${path}`, init), env, createExecutionContext());

const seenBy = async (path: string, init?: RequestInit, handler?: Handler): Promise<unknown> =>
  await (await call(path, init, handler)).json();

const expectProblem = async (response: Response, status: number, members: object = {}): Promise<void> => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({ status, ...members });
  expect(response.status).toBe(status);
};

const quiet = (): { warn: ReturnType<typeof vi.spyOn>; error: ReturnType<typeof vi.spyOn> } => ({
  warn: vi.spyOn(console, "warn").mockReturnValue(),
  error: vi.spyOn(console, "error").mockReturnValue(),
});

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
});

describe("authorize", () => {
  const authorizing = (
    decide: (request: Request, target: { name: string; env: Cloudflare.Env }) => unknown,
  ): ReturnType<typeof serve> => serve({ "/mirrors/:name": Mirror }, { authorize: decide as () => boolean });

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
    const decide = vi.fn(async (request: Request) => (await request.clone().text()) === "let me in");
    const seen = await seenBy("/mirrors/a%20b/x?q=1", { method: "POST", body: "let me in" }, authorizing(decide));
    expect(seen).toMatchObject({ name: "a b", path: "/x?q=1", body: "let me in" });
    expect(decide).toHaveBeenCalledExactlyOnceWith(expect.any(Request), { name: "a b", env });
    expect(decide.mock.calls[0]![0].url).toBe("http://worker/mirrors/a%20b/x?q=1");
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
});

describe("what serve refuses", () => {
  it("paths that name no object, at once", () => {
    for (const path of ["", "/", "mirrors/:name", "/mirrors", "/mirrors/:name/", "/mirrors/:id", "/:name/:name"]) {
      let caught: unknown;
      try {
        serve({ [path]: Mirror });
      } catch (error) {
        caught = error;
      }
      expect([path, DurableError.is(caught, "bad-option")]).toEqual([path, true]);
    }
  });

  it("a class or function without a namespace: logged with the fix, answered without", async () => {
    for (const [target, fix] of [
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
