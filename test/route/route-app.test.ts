import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Route, routes } from "durable-base";
import { routeAppCases } from "./route-app.cases.ts";
import { afterEach, describe, expect, it, vi } from "vitest";
import { thrownBy } from "../error-of.ts";
import { Added } from "./fixtures/apps.ts";
import { SECRET } from "./fixtures/route-data.ts";

routeAppCases(
  "standard",
  () => env.ROUTE_APP,
  () => env.CHILD_ROUTE_APP,
);
routeAppCases(
  "legacy",
  () => env.LEGACY_ROUTE_APP,
  () => env.LEGACY_CHILD_ROUTE_APP,
);

describe("a Response that a method returns", () => {
  it("stays as it is, and its headers can be changed by middleware", async () => {
    const secured = env.SECURED.getByName("secured");
    for (const [path, status] of [
      ["/redirected", 302],
      ["/fetched", 200],
      ["/made", 200],
      ["/answered", 201],
      ["/upgraded", 101],
    ] as const) {
      const headers: HeadersInit = path === "/upgraded" ? { upgrade: "websocket" } : {};
      const response = await secured.fetch(`http://o${path}`, { headers, redirect: "manual" });
      expect([path, response.status]).toEqual([path, status]);
      expect(response.headers.has("x-frame-options")).toBe(true);
      expect(response.headers.getSetCookie()).toEqual(path === "/made" || path === "/answered" ? ["a=1"] : []);
      expect(response.headers.get("x-own")).toBe(path === "/answered" ? "last" : null);
      response.webSocket?.accept();
      response.webSocket?.close();
      await response.body?.cancel();
    }
  });
});

describe("routes", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const send = async (path: string, init?: RequestInit): Promise<Response> =>
    await env.ADDED.getByName("routes").fetch(`http://o${path}`, init);

  it("gives a class without `@Route` an app", async () => {
    expect((await send("/guarded/count")).status).toBe(403);
    expect(await (await send("/guarded/count", { headers: { "x-key": "open" } })).json()).toBe(1);
    expect(await (await send("/env")).json()).toBe("there");
    expect(await (await send("/mounted/deep/path")).text()).toBe("/deep/path");
  });

  it("answers for what none of its routes takes", async () => {
    const wrong = await send("/env", { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    // Middleware for one method makes no path known.
    for (const method of ["GET", "POST", "OPTIONS"]) expect((await send("/nowhere", { method })).status).toBe(404);
  });

  it("keeps headers that middleware set before, in answers to errors too", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    for (const [method, path, status] of [
      ["GET", "/env", 200],
      ["GET", "/throws", 500],
      ["GET", "/nowhere", 404],
      ["DELETE", "/env", 405],
      ["OPTIONS", "/env", 204],
    ] as const) {
      const response = await send(path, { method });
      expect([path, response.status, response.headers.get("x-before")]).toEqual([path, status, "yes"]);
      await response.body?.cancel();
    }
  });

  it("says nothing of what a handler throws, and logs it", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const response = await send("/throws");
    expect(await response.json()).toMatchObject({ status: 500, code: "internal-server-error" });
    expect(String(log.mock.calls[0])).toContain(SECRET);
  });

  it("gives one app a class, and a subclass its own", () => {
    class Parent extends DurableBase {}
    class Child extends Parent {}
    expect(routes(Parent)).toBe(routes(Parent));
    expect(routes(Child)).not.toBe(routes(Parent));
  });

  it("answers inside an object only", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} };
    for (const path of ["/guarded/count", "/throws"]) {
      const response = await routes(Added).request(path, {}, env, context);
      expect(await response.json()).toMatchObject({ status: 500, code: "no-object" });
    }
    for (const path of ["/guarded/count", "/throws", "/nowhere"]) {
      const response = await routes(Added).request(path);
      expect(await response.json()).toMatchObject({ status: 500, code: "no-object" });
    }
    expect(String(log.mock.calls[0]![0])).toContain("env.COUNTER.getByName(name).fetch(request)");
  });

  it.each([["cors"], [[1]], [() => undefined], [null]])("refuses a `static use` that is %j", (use) => {
    class Wrong extends DurableBase {
      static override use = use as never;
      @Route.get("/") read(): void {}
    }
    const error = thrownBy(() => routes(Wrong));
    expect([error.code, error.message]).toEqual(["bad-option", expect.stringContaining("Wrong: `static use`")]);
  });
});

describe("onError of a class without middleware", () => {
  const hooked = (name: string): DurableObjectStub => env.HOOKED.getByName(name);

  it("runs in an entry of its own: what it changes is written, what failed is not", async () => {
    for (const [path, seen] of [
      ["/throws", ["TypeError"]],
      ["/unwritten", ["TypeError", "DurableError"]],
      ["/nowhere", ["TypeError", "DurableError", "HTTPException"]],
    ] as const) {
      const response = await hooked("hook").fetch(`http://o${path}`);
      expect([path, response.status, await response.json()]).toEqual([path, 418, seen]);
    }
    await evictDurableObject(hooked("hook"));
    expect(await (await hooked("hook").fetch("http://o/throws")).json()).toHaveLength(4);
  });

  it("is not asked when the object cannot start, which the next request tries again", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const failed = await hooked("fails once").fetch("http://o/throws");
    expect([failed.status, await failed.json()]).toEqual([
      500,
      { type: "about:blank", title: "Internal Server Error", status: 500, code: "internal-server-error" },
    ]);
    expect(log).toHaveBeenCalledTimes(1);
    expect(await (await hooked("fails once").fetch("http://o/throws")).json()).toEqual(["TypeError"]);
    log.mockRestore();
  });
});
